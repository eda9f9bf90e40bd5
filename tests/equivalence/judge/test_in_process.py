"""The engine inside the process, over a stand-in for vLLM: loaded once, asked by halves, loaded anew when it died."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from empo_rewards.equivalence.judge.in_process import InProcess
from empo_rewards.equivalence.judge.questions import Generation, Request


class EngineDeadError(Exception):
    """vLLM's, when its process has ended."""


class StubLLM:
    """Answers each prompt with itself; refuses a batch with "too long" in it, and dies of "die"."""

    made: list[StubLLM]

    def __init__(self, **arguments: Any) -> None:
        if arguments["model"] == "missing":
            raise OSError("no such model")
        self.batches: list[Sequence[str]] = []
        self.is_ended = False
        self.llm_engine = SimpleNamespace(engine_core=SimpleNamespace(shutdown=self.end))
        self.made.append(self)

    def end(self) -> None:
        self.is_ended = True

    def generate(self, prompts: Sequence[str], **_: Any) -> list[Any]:
        self.batches.append(prompts)
        if "die" in prompts:
            raise EngineDeadError
        if "too long" in prompts:
            raise ValueError("the prompt is too long")
        return [_output(prompt) for prompt in prompts]


def _output(text: str) -> Any:
    likeliest = {7: SimpleNamespace(decoded_token=text, logprob=-0.5)}
    generated = SimpleNamespace(text=text, token_ids=[7], logprobs=[likeliest])
    return SimpleNamespace(outputs=[generated], prompt_token_ids=[1, 2, 3])


@pytest.fixture(autouse=True)
def vllm(monkeypatch: pytest.MonkeyPatch) -> list[StubLLM]:
    """The stand-in, where `import vllm` finds it; the instances that were made of it."""
    StubLLM.made = []
    exceptions = "vllm.v1.engine.exceptions"
    modules = {
        name: ModuleType(name) for name in ("vllm", "vllm.sampling_params", "vllm.v1", "vllm.v1.engine", exceptions)
    }
    vars(modules["vllm"]).update(LLM=StubLLM, SamplingParams=SimpleNamespace)
    vars(modules["vllm.sampling_params"]).update(StructuredOutputsParams=SimpleNamespace)
    vars(modules[exceptions]).update(EngineDeadError=EngineDeadError)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return StubLLM.made


def ask(engine: InProcess, *prompts: str) -> list[str]:
    found = engine.ask([Request(prompt, max_tokens=1) for prompt in prompts])
    return [one.text if isinstance(one, Generation) else str(one) for one in found]


def test_it_is_loaded_once_and_its_generations_are_read(vllm: list[StubLLM]) -> None:
    engine = InProcess("m", 5, {}, {})
    assert vllm == []
    assert ask(engine) == []
    assert ask(engine, "a", "b") == ["a", "b"]
    (generation,) = engine.ask([Request("a", max_tokens=1)])
    assert isinstance(generation, Generation)
    assert (generation.prompt_tokens, generation.completion_tokens) == (3, 1)
    assert [(token.text, token.likeliest) for token in generation.tokens] == [("a", (("a", -0.5),))]
    assert len(vllm) == 1


def test_a_refused_question_costs_no_other_its_answer(vllm: list[StubLLM]) -> None:
    engine = InProcess("m", 5, {}, {})
    assert ask(engine, "a", "b", "too long", "c") == [
        "a", "b", "vLLM refused the question: the prompt is too long", "c",
    ]  # fmt: skip
    assert len(vllm) == 1


def test_an_engine_that_died_is_loaded_anew(vllm: list[StubLLM]) -> None:
    engine = InProcess("m", 5, {}, {})
    assert ask(engine, "a", "die") == ["vLLM could not answer: EngineDeadError: "] * 2
    assert vllm[0].is_ended
    assert ask(engine, "a") == ["a"]
    assert len(vllm) == 2


def test_a_model_that_cannot_be_loaded_is_a_fault_of_each_question() -> None:
    (fault,) = ask(InProcess("missing", 5, {}, {}), "a")
    assert "vLLM could not answer" in fault
    assert "missing cannot be loaded: OSError: no such model" in fault


def test_closing_ends_the_engine_and_the_next_question_loads_it_anew(vllm: list[StubLLM]) -> None:
    engine = InProcess("m", 5, {}, {})
    ask(engine, "a")
    engine.close()
    assert vllm[0].is_ended
    assert ask(engine, "a") == ["a"]


def test_an_engine_that_nobody_holds_any_more_ends(vllm: list[StubLLM]) -> None:
    engine = InProcess("m", 5, {}, {})
    ask(engine, "a")
    del engine
    assert vllm[0].is_ended

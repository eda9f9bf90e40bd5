"""The judge run by vLLM inside the process."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tiny_judge import ATLANTIS, MEANINGS, decision
from vllm_server import ENVIRONMENT

from empo_rewards import Group, Scorer
from empo_rewards.equivalence.judge import Asking, InProcessJudgeEquivalence, Prices, judgement
from empo_rewards.equivalence.rounds import relate_in_rounds
from empo_rewards.protocols import AnswerSet, Relation
from empo_rewards.reading import ReadGroup, read_groups

CITIES = tuple(MEANINGS)
SAME = tuple((i, j) for j in range(len(CITIES)) for i in range(j) if decision(CITIES[i], CITIES[j]) == "Yes")


@pytest.fixture(scope="module")
def judge(model: Path) -> Iterator[InProcessJudgeEquivalence]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in ENVIRONMENT.items():
            environment.setenv(name, value)
        made = InProcessJudgeEquivalence(model=str(model), engine=arguments())
        yield made
        made.close()


def arguments() -> dict[str, Any]:
    return {"dtype": "float32", "max_model_len": 512, "max_num_seqs": 16, "enforce_eager": True}


@pytest.mark.parametrize("form", ["verifier", "chat", "structured"])
def test_every_form_is_understood(judge: InProcessJudgeEquivalence, form: Any) -> None:
    sets = [AnswerSet(CITIES, prompt="Which city?"), AnswerSet(("Rome", "Oslo"))]
    ask = partial(judgement.judge, engine=judge._engine, asking=Asking(form=form), prices=Prices())  # of the one model
    first, second = relate_in_rounds(sets, ask, in_context=True)
    assert isinstance(first, Relation), first
    assert isinstance(second, Relation), second
    assert first.equal == SAME
    assert second.equal == ()
    assert first.metrics["prompt_tokens"] > 100
    assert first.metrics["completion_tokens"] >= first.metrics["model_evaluations"] == 11


def test_what_is_no_answer_befalls_its_group(judge: InProcessJudgeEquivalence) -> None:
    sets = [AnswerSet(("Rome", ATLANTIS)), AnswerSet(("Rome", "Oslo"), "word " * 600), AnswerSet(CITIES)]
    unclear, too_long, right = judge.relate(sets)
    assert "neither Yes nor No" in str(unclear)
    assert "refused the question" in str(too_long)
    assert isinstance(right, Relation)
    assert right.equal == SAME


def test_a_model_that_cannot_be_loaded_is_a_fault(tmp_path: Path) -> None:
    config = {"equivalence": {"name": "judge_in_process", "model": str(tmp_path / "none"), "engine": arguments()}}
    with Scorer({"preset": "empo-natural", **config}) as scorer:
        score = pickle.loads(pickle.dumps(scorer)).score(Group("Which city?", ["Rome", "Oslo"]))
    assert (score.status.value, score.cause and score.cause.value) == ("unscored", "equivalence_failed")
    assert "vLLM could not answer" in (score.detail or "")


def test_closing_ends_the_engine(judge: InProcessJudgeEquivalence) -> None:
    engines = multiprocessing.active_children()
    assert [engine.name for engine in engines] == ["EngineCore"]
    judge.close()
    engines[0].join(60)  # it was told to end, or killed
    assert not engines[0].is_alive()


def test_offline_outputs_are_read(judge: InProcessJudgeEquivalence, tmp_path: Path) -> None:
    """vLLM's own objects, dumped with their fields, as a file of rollouts."""
    from vllm import SamplingParams

    parameters = SamplingParams(n=2, max_tokens=3, logprobs=0, seed=1)
    with judge._engine._llm.use() as llm:
        outputs = llm.generate(["Paris or Rome?", "Oslo or Rome?"], sampling_params=parameters, use_tqdm=False)
    rows = [{"prompt": one.prompt, "outputs": [asdict(output) for output in one.outputs]} for one in outputs]
    file = tmp_path / "outputs.jsonl"
    file.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    groups = [item.group for item in read_groups(file) if isinstance(item, ReadGroup)]
    assert [group.prompt for group in groups] == ["Paris or Rome?", "Oslo or Rome?"]
    for group, one in zip(groups, outputs, strict=True):
        assert list(group.responses) == [output.text for output in one.outputs]
        assert group.token_logprobs is not None
        assert [sum(values) for values in group.token_logprobs] == pytest.approx(
            [output.cumulative_logprob for output in one.outputs]
        )

"""What of a rollout reaches the scorer: log-probabilities, the model's own tokens, and the marks of thinking.

With verl's own agent-loop workers of v0 and v1, made in this process.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import tiny
import verl_support as support
from omegaconf import open_dict
from test_streaming_v0 import prompts, texts_of
from test_streaming_v1 import sample, submit
from verl.experimental.agent_loop import AgentLoopWorker
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopWorkerTQ

from empo_rewards import Group, Scorer
from empo_rewards.integrations.verl import rows, settings
from empo_rewards.integrations.verl.agent_loop import grouped
from empo_rewards.integrations.verl.rows import Tokens
from empo_rewards.integrations.verl.shards import Shards

NAMES = [f"question {i}{'?' * (i % 9)}" for i in range(12)]

Rollouts = dict[str, list[tuple[str, list[float], float, float]]]
"""For each prompt the response, the log-probabilities, the reward and the entropy of each rollout."""


def worker(workers: Any, config: Any, model: support.FakeModel) -> Any:
    """An agent-loop worker of verl's class, as a run would have it."""
    return grouped(workers).__ray_actor_class__(config, model, None, ["a reward worker, which is not asked"])


def through_v0(config: Any, tokenizer: Any) -> Rollouts:
    """Rollouts to all prompts by v0's worker."""
    made = worker(ray.remote(AgentLoopWorker), config, support.FakeModel(support.alphabet_of(tokenizer)))
    output = asyncio.run(made.generate_sequences(prompts(NAMES, 8, split="train")))
    assert len(set(output.non_tensor_batch["scored"])) == 1
    found: Rollouts = {}
    for row, text in enumerate(texts_of(output, tokenizer)):
        name = output.non_tensor_batch["raw_prompt"][row][0]["content"]
        own = output.batch["response_mask"][row].bool()
        logprobs = output.batch["rollout_log_probs"][row][own].tolist()
        reward, entropy = output.batch["rm_scores"][row].sum().item(), output.non_tensor_batch["entropy"][row]
        found.setdefault(name, []).append((text, logprobs, reward, entropy))
    return found


def through_v1(config: Any, tokenizer: Any) -> Rollouts:
    """Rollouts to all prompts by v1's worker."""
    made = worker(AgentLoopWorkerTQ, config, support.FakeModel(support.alphabet_of(tokenizer)))

    def generate(data: Any) -> None:
        async def run() -> None:
            await made.generate_sequences(data)
            await asyncio.gather(*made.background_tasks)

        asyncio.run(run())

    submit(SimpleNamespace(generate_sequences=generate), "train", NAMES, split="train", sizes=[8] * len(NAMES))
    return {
        uid.removeprefix("train-"): [
            (tokenizer.decode(s.ids, skip_special_tokens=True), s.logprobs, s.reward, s.info["entropy"])
            for s in sessions
        ]
        for uid, sessions in sample("train", len(NAMES)).items()
    }


@pytest.fixture(scope="session")
def entailment(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny classifier, which gives similarities."""
    return tiny.make(tmp_path_factory.mktemp("entailment"))


@pytest.mark.parametrize("name", ["scrl with rao_blackwell", "semantic_density"])
def test_log_probabilities_as_verl_records_them(queued: Any, tokenizer: Any, entailment: str, name: str) -> None:
    """Rewards are those of offline groups with these log-probabilities, to the bit; and so are entropies, but for the
    rounding of a classifier's probabilities, which depends on the batch."""
    scorer = {
        "scrl with rao_blackwell": {"preset": "scrl", "entropy": "rao_blackwell"},
        "semantic_density": {
            "preset": "empo-math",
            "equivalence": {"name": "nli", "model": entailment},
            "entropy": "semantic_density",
        },
    }[name]
    config = queued.copy()
    with open_dict(config):
        config.reward.reward_kwargs = {"scorer": scorer, "shards": 1}
    shards = Shards(settings.read(settings.plain(config))).create()  # for both: a classifier is slow to load
    for through in (through_v0, through_v1):
        given = set()
        with Scorer(scorer) as offline:
            for prompt, rollouts in through(config, tokenizer).items():
                texts, logprobs, rewards, entropies = (list(values) for values in zip(*rollouts, strict=True))
                score = offline.score(Group(prompt, texts, reference="4", token_logprobs=logprobs))
                assert rewards == support.float32(score.rewards)
                assert entropies == pytest.approx([score.entropy] * 8, rel=1e-4)
                assert score.status.value == "scored"
                given.update(rewards)
        assert len(given) > 2
        assert name != "scrl with rao_blackwell" or -1.0 in given  # what has none without log-probabilities
    del shards


def test_a_failed_rollout_leaves_its_group_unscored_at_once(model: Path, cluster: None, tokenizer: Any) -> None:
    """v0's worker gives its batch up; the other rows of the group, and those of other groups, do not wait."""
    config = support.run_config(model, "++reward.reward_kwargs.idle_seconds=500", "++reward.reward_kwargs.shards=1")
    shard, *_ = Shards(settings.read(settings.plain(config))).create()
    language_model = support.FakeModel(support.alphabet_of(tokenizer), fail="broken")
    made = worker(ray.remote(AgentLoopWorker), config, language_model)

    async def run() -> dict[str, Any]:
        with pytest.raises(RuntimeError, match="the engine died"):
            await made.generate_sequences(prompts(["broken", "sound"], 8, split="train"))
        while (stats := await shard.stats.remote())["completed"] + stats["shortened"] < 2 or stats["waiting"]:
            await asyncio.sleep(0.1)
        return dict(stats)

    stats = asyncio.run(asyncio.wait_for(run(), 100))
    assert (stats["completed"], stats["shortened"], stats["expired_idle"]) == (1, 1, 0)


class WithTool(support.FakeModel):
    """Looks something up, and then answers or gives up."""

    def answer(self, text: str, prompt_ids: list[int], dice: random.Random) -> str:
        """A call, and at the second turn an answer."""
        if "tool: " in text:
            return dice.choice(["\\boxed{4}", "So it is \\boxed{4.0}.", "no idea"])
        return '<tool_call>{"name": "look_up", "arguments": {"word": "it"}}</tool_call>'


TOOL = '''
from verl.tools.function_tool import function_tool

@function_tool
def look_up(word: str) -> str:
    """Look a word up.

    Args:
        word: the word.
    """
    return "the answer is \\\\boxed{77}"
'''


def test_of_several_turns_only_what_the_model_wrote_is_the_response(
    model: Path, cluster: None, tokenizer: Any, tmp_path: Path
) -> None:
    """By verl's tool agent: where the model gives up, the tool's answer is not its own."""
    (tmp_path / "tools.py").write_text(TOOL, encoding="utf-8")
    config = support.run_config(
        model,
        "actor_rollout_ref.rollout.response_length=256",
        f"actor_rollout_ref.rollout.multi_turn.function_tool_path={tmp_path}/tools.py",
        "actor_rollout_ref.rollout.multi_turn.enable=true",
    )
    generated = prompts(NAMES[:4], 8, split="train")
    generated.non_tensor_batch["agent_name"] = support.objects(["tool_agent"] * len(generated))
    made = worker(ray.remote(AgentLoopWorker), config, WithTool(support.alphabet_of(tokenizer)))
    output = asyncio.run(made.generate_sequences(generated))
    texts = texts_of(output, tokenizer)
    assert all("boxed{77}" in text for text in texts)
    given_up = [text.endswith("no idea") for text in texts]
    for start in range(0, len(texts), 8):
        right = given_up[start : start + 8].count(False) / 8
        expected = [0.0 if gave_up else right for gave_up in given_up[start : start + 8]]
        assert output.batch["rm_scores"].sum(-1)[start : start + 8].tolist() == expected
    assert {str(answer) for answer in output.non_tensor_batch["empo/answer"]} == {"4", "4.0", ""}


MARKS = ("<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|return|>", "[THINK]", "[/THINK]")


@pytest.mark.parametrize(
    ("prompt", "response", "answer"),
    [
        ("", "so \\boxed{4}<eos><pad>", "4"),
        (
            "",
            "<|channel|>analysis<|message|>Is \\boxed{7}?<|end|><|channel|>final<|message|>So \\boxed{4}<|return|>",
            "4",
        ),
        ("", "<|channel|>analysis<|message|>Perhaps \\boxed{7}, but", ""),
        ("", "[THINK]\\boxed{7}? no[/THINK]\\boxed{4}<eos>", "4"),
        ("", "[THINK]\\boxed{7}? no", ""),
        ("assistant: <think>\n", "\\boxed{7}? no", ""),
        ("assistant: <think>\n", "\\boxed{7}? no</think>\\boxed{4}<eos>", "4"),
    ],
)
def test_what_was_only_thought_is_no_answer(model: Path, prompt: str, response: str, answer: str) -> None:
    """Where the marks of thinking are special tokens, and where the chat template has opened it."""
    from transformers import AutoTokenizer

    marked = AutoTokenizer.from_pretrained(model)
    marked.add_special_tokens({"additional_special_tokens": list(MARKS)})
    ids = marked(response)["input_ids"]
    text = rows.response_text(Tokens(marked(prompt)["input_ids"], ids, [1] * len(ids)), marked)
    assert not text.endswith(("<eos>", "<pad>", "<|return|>"))
    with Scorer("empo-math") as scorer:
        assert scorer.extract(text).text == answer


def test_log_probabilities_are_the_models_own_and_numbers() -> None:
    """Those of a tool's tokens are left out; in single precision, as verl keeps them; one NaN leaves none."""
    tokens = Tokens([1], [5, 6, 7, 8], [1, 0, 0, 1], [-0.1, 0.0, 0.0, 1e-9])
    assert rows.own_logprobs(tokens) == (support.float32([-0.1])[0], 0.0)
    assert rows.own_logprobs(tokens._replace(logprobs=[-0.1, 0.0, 0.0, float("nan")])) is None
    assert rows.own_logprobs(tokens._replace(logprobs=[-0.1])) is None
    assert rows.own_logprobs(tokens._replace(logprobs=None)) is None

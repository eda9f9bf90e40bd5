"""The agent file in OpenRLHF's real rollout actor, compared with the offline score of each group."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import rollouts
import vllm
from rollouts import all_of, meaning, offline, request, texts_of
from transformers import PreTrainedTokenizerFast
from vllm import FAILS

from empo_rewards import Group, GroupScore, Scorer
from empo_rewards.cli.paths import find
from empo_rewards.errors import ConfigError

AGENT = str(find("openrlhf/agent_func"))


def run(model: Path, requests: list[dict[str, Any]]) -> list[Any]:
    """Ask one actor for all groups at once; what `generate_responses` returns or raises."""

    async def rollout() -> list[Any]:
        actor = await rollouts.make_actor(model, agent_func_path=AGENT)
        try:
            return await all_of(*(actor.generate_responses(**asked) for asked in requests))
        finally:
            await actor.executor.close()

    return asyncio.run(rollout())


def test_every_reward_is_the_offline_reward_of_its_group(model: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """64 groups of 16 with prompts that repeat, and an evaluation of 4 samples of the same prompts beside them."""
    requests = [request(tokenizer, f"question {k % 40}: ", "1/2" if k % 2 else "", 16) for k in range(64)]
    requests += [request(tokenizer, f"question {k}: ", "3", 4) for k in range(40)]
    random.Random(5).shuffle(requests)
    for asked, outputs in zip(requests, run(model, requests), strict=True):
        assert len(outputs) == asked["num_samples"]
        responses = texts_of(tokenizer, outputs)
        expected = offline(asked["prompt"], responses, asked["label"] or None)
        assert [output["reward"] for output in outputs] == list(expected.rewards)
        answers = [meaning(response) for response in responses]
        for output, answer in zip(outputs, answers, strict=True):
            assert output["extra_logs"]["empo/scored"] == 1
            if answer is not None:
                assert output["reward"] == answers.count(answer) / len(answers)
            if asked["label"]:
                assert output["scores"] == (answer == asked["label"])
            else:
                assert output["scores"] == output["reward"]
        assert len({tuple(output["extra_logs"]) for output in outputs}) == 1


def test_groups_are_recorded_for_the_report(
    model: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenRLHF's own logs have numbers only: the observer `record` writes the texts and clusters."""
    config = tmp_path / "empo.yaml"
    config.write_text(f"preset: empo-math\nobservers: [{{name: record, folder: {tmp_path / 'run'}}}]\n")
    monkeypatch.setenv("EMPO_REWARDS_CONFIG", str(config))
    requests = [request(tokenizer, f"question {k}: ", "1/2", 8) for k in range(3)]
    rewarded = {
        (asked["prompt"], tuple(texts_of(tokenizer, outputs))): [output["reward"] for output in outputs]
        for asked, outputs in zip(requests, run(model, requests), strict=True)
    }
    (file,) = (tmp_path / "run").glob("*.jsonl")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert {(one["prompt"], tuple(one["responses"])): one["rewards"] for one in records} == rewarded
    assert [one["reference"] for one in records] == [["1/2"]] * 3


def test_votes_that_are_not_trained_on_are_given_the_mean_of_the_others(
    model: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 16 samples 8 are trained on, as offline; OpenRLHF has no way to leave the others out."""
    config = tmp_path / "votes.yaml"
    config.write_text("preset: ttrl\ntrained: 8\n", encoding="utf-8")
    monkeypatch.setenv("EMPO_REWARDS_CONFIG", str(config))
    requests = [request(tokenizer, f"question {k}: ", "", 16) for k in range(8)]
    with Scorer(config) as scorer:
        for asked, outputs in zip(requests, run(model, requests), strict=True):
            score = scorer.score(Group(asked["prompt"], texts_of(tokenizer, outputs)))
            own = [reward for reward in score.rewards if reward is not None]
            assert len(own) == 8
            mean = sum(own) / 8
            assert [output["reward"] for output in outputs] == [mean if r is None else r for r in score.rewards]
            assert [output["extra_logs"]["empo/trained"] for output in outputs] == [
                r is not None for r in score.rewards
            ]
            assert {output["extra_logs"]["empo/unscored/abstained"] for output in outputs} == {0}


def test_a_failed_generation_fails_its_own_group_only(model: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """OpenRLHF raises what the engine raised; the same prompt's other group, and all others, have their rewards."""
    prompts = ["first: ", f"{FAILS} ", "second: ", f"{FAILS} "]
    results = run(model, [request(tokenizer, prompt, "", 8) for prompt in prompts])
    failed = [result for result in results if isinstance(result, RuntimeError)]
    assert [str(error) for error in failed] == ["the engine died"]
    for prompt, outputs in zip(prompts, results, strict=True):
        if not isinstance(outputs, RuntimeError):
            expected = offline(prompt, texts_of(tokenizer, outputs), None)
            assert [output["reward"] for output in outputs] == list(expected.rewards)


def test_the_peers_of_a_failed_generation_are_paid_a_neutral_value_and_marked(
    model: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What OpenRLHF would see of them if it did not give up the whole call at the first exception."""
    monkeypatch.setenv("EMPO_REWARDS_NEUTRAL", "0.25")

    async def rollout() -> list[Any]:
        actor = await rollouts.make_actor(model, agent_func_path=AGENT)
        asked = request(tokenizer, FAILS, "", 8)
        samples = asked.pop("num_samples")
        try:
            return await all_of(*[actor.executor.execute(**asked, llm_engine=actor) for _ in range(samples)])
        finally:
            await actor.executor.close()

    results = asyncio.run(rollout())
    given = [result for result in results if not isinstance(result, RuntimeError)]
    assert len(given) == 7
    for output in given:
        assert (output["reward"], output["scores"]) == (0.25, 0.25)
        assert output["extra_logs"]["empo/scored"] == 0
        assert output["extra_logs"]["empo/unscored/incomplete"] == 1


def test_an_evaluation_of_a_known_size_is_paid_its_accuracy(
    model: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenRLHF reports the mean reward of an evaluation as pass@1. Training never sees a label."""
    monkeypatch.setenv("EMPO_REWARDS_GROUP_SIZE", "8")
    monkeypatch.setenv("EMPO_REWARDS_EVALUATION_SIZE", "4")
    monkeypatch.setenv("EMPO_REWARDS_SCORES", "reward")
    asked = [request(tokenizer, "half of one: ", label, size) for label in ("1/2", "") for size in (4, 8)]
    evaluated, trained, unlabelled, _ = run(model, asked)
    assert [o["reward"] for o in evaluated] == [meaning(text) == "1/2" for text in texts_of(tokenizer, evaluated)]
    for prompt, outputs in (("half of one: ", trained), ("half of one: ", unlabelled)):
        expected = offline(prompt, texts_of(tokenizer, outputs), None)
        assert [output["reward"] for output in outputs] == list(expected.rewards)
        assert [output["scores"] for output in outputs] == list(expected.rewards)


def test_a_group_of_a_size_that_is_not_expected_is_refused(
    model: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMPO_REWARDS_GROUP_SIZE", "8")
    monkeypatch.setenv("EMPO_REWARDS_EVALUATION_SIZE", "4")
    (refused,) = run(model, [request(tokenizer, "five: ", "", 5)])
    with pytest.raises(ConfigError, match="a group has 5 samples, but EMPO_REWARDS_GROUP_SIZE is 8"):
        raise refused


def test_a_group_of_one_is_warned_of_once(
    model: Path, tokenizer: PreTrainedTokenizerFast, caplog: pytest.LogCaptureFixture
) -> None:
    run(model, [request(tokenizer, f"alone {k}: ", "", 1) for k in range(3)])
    assert caplog.text.count("a group of one sample") == 1


def test_token_log_probabilities_reach_the_scorer(
    model: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rao's estimator refuses a group without them."""
    config = tmp_path / "likelihoods.yaml"
    config.write_text("{preset: empo-math, entropy: rao_blackwell}")
    monkeypatch.setenv("EMPO_REWARDS_CONFIG", str(config))
    (outputs,) = run(model, [request(tokenizer, "likely: ", "", 4)])
    assert all(output["extra_logs"]["empo/scored"] == 1 for output in outputs)


def test_scoring_leaves_the_actors_event_loop_alone(
    model: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scoring that only ends when the loop goes on."""
    goes_on = threading.Event()
    score = Scorer.score

    def waiting(scorer: Scorer, group: Group) -> GroupScore:
        assert goes_on.wait(30)
        return score(scorer, group)

    async def rollout() -> list[Any]:
        actor = await rollouts.make_actor(model, agent_func_path=AGENT)
        asyncio.get_running_loop().call_later(2, goes_on.set)
        return await all_of(actor.generate_responses(**request(tokenizer, "slow: ", "", 4)))

    monkeypatch.setattr(Scorer, "score", waiting)
    (outputs,) = asyncio.run(rollout())
    assert [output["extra_logs"]["empo/scored"] for output in outputs] == [1] * 4


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"CONFIG": "empo-maths"}, "did you mean 'empo-math'"),
        ({"EVALUATION_SIZE": "4"}, "EMPO_REWARDS_GROUP_SIZE"),
        ({"EVALUATION_SIZE": "4", "GROUP_SIZE": "4"}, "only the size"),
        ({"GROUP_SIZE": "many"}, "EMPO_REWARDS_GROUP_SIZE must be a number"),
        ({"SCORES": "acuracy"}, "did you mean 'accuracy'"),
        ({"LIMITS": "idle=3"}, "no limit is called 'idle'"),
        ({"NEUTRAL": "mean"}, "EMPO_REWARDS_NEUTRAL must be a number"),
    ],
)
def test_a_wrong_setting_ends_the_start_of_the_engine(
    variables: dict[str, str], message: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"EMPO_REWARDS_{name}", value)
    with pytest.raises(ConfigError, match=message):
        asyncio.run(rollouts.make_actor(model, agent_func_path=AGENT))


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """A real one; its workers find the stubbed engine."""
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        runtime_env={"env_vars": {"PYTHONPATH": str(Path(vllm.__file__).parents[1])}},
    )
    yield
    ray.shutdown()


def test_in_a_real_ray_actor(ray_cluster: None, model: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """16 groups of 16 and 8 of 4 at once, one of them lost: ray runs the actor's calls as tasks of one event loop."""
    actor = (
        rollouts.actor_class()
        .options(num_cpus=0)
        .remote(model=str(model), num_gpus=1, distributed_executor_backend="uni", agent_func_path=AGENT)
    )
    requests = [request(tokenizer, f"question {k % 12}: ", "", 16) for k in range(16)]
    requests += [request(tokenizer, f"question {k}: ", "", 4) for k in range(8)]
    lost = actor.generate_responses.remote(**request(tokenizer, FAILS, "", 16))
    calls = [actor.generate_responses.remote(**asked) for asked in requests]
    for asked, outputs in zip(requests, ray.get(calls, timeout=400), strict=True):
        expected = offline(asked["prompt"], texts_of(tokenizer, outputs), None)
        assert [output["reward"] for output in outputs] == list(expected.rewards)
    with pytest.raises(ray.exceptions.RayTaskError, match="the engine died"):
        ray.get(lost, timeout=400)

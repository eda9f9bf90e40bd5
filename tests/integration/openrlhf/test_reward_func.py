"""The reward function in OpenRLHF's executor, which calls it in threads."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import rollouts
from rollouts import all_of, assert_shares, offline, passed_on, request, texts_of
from transformers import PreTrainedTokenizerFast

from empo_rewards.cli.paths import find
from empo_rewards.errors import ConfigError

REWARD = str(find("openrlhf/reward_func"))


@pytest.fixture(autouse=True)
def size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPO_REWARDS_GROUP_SIZE", "8")


def run(model: Path, requests: list[dict[str, Any]]) -> list[Any]:
    """Ask one actor for all groups at once."""

    async def rollout() -> list[Any]:
        actor = await rollouts.make_actor(model, remote_rm_url=REWARD)
        return await all_of(*(actor.generate_responses(**asked) for asked in requests))

    return asyncio.run(rollout())


def test_64_groups_of_8_wait_for_each_other_without_a_deadlock(model: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    requests = [request(tokenizer, f"question {k}: ", "1/2", 8) for k in range(60)]
    requests += [request(tokenizer, "asked twice: ", "", 8), request(tokenizer, "asked twice: ", "", 8)] * 2
    results = run(model, requests)
    for asked, outputs in zip(requests[:60], results, strict=False):
        expected = offline(asked["prompt"], texts_of(tokenizer, outputs), asked["label"])
        rewards = [output["reward"].item() for output in outputs]
        assert rewards == list(expected.rewards)
        scores = [passed_on(correct, reward) for correct, reward in zip(expected.correct or (), rewards, strict=True)]
        assert [output["scores"].item() for output in outputs] == scores
        assert all(output["reward"].shape == output["scores"].shape == (1,) for output in outputs)
    twice = [output for outputs in results[60:] for output in outputs]
    assert_shares([(t, o["reward"].item()) for t, o in zip(texts_of(tokenizer, twice), twice, strict=True)], 8)


def test_a_system_without_more_threads_ends_with_the_reason_and_not_with_a_hang(
    model: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenRLHF turns the error into a missing reward; the log says why. The others' groups end by their deadline."""
    start, started = threading.Thread.start, count()

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("empo-rewards-waits") and next(started) >= 20:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setenv("EMPO_REWARDS_LIMITS", "idle_seconds=2")
    with caplog.at_level(logging.CRITICAL, logger="empo_rewards"):
        results = run(model, [request(tokenizer, f"question {k}: ", "", 8) for k in range(16)])
    assert any(output["reward"] is None for outputs in results for output in outputs)
    assert "no thread to wait in" in caplog.text
    assert "use the agent file" in caplog.text


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"GROUP_SIZE": ""}, "needs EMPO_REWARDS_GROUP_SIZE"),
        ({"EVALUATION_SIZE": "4"}, "cannot tell evaluation from training"),
        ({"CONFIG": "empo-maths"}, "did you mean 'empo-math'"),
    ],
)
def test_a_wrong_setting_ends_the_start_of_the_engine(
    variables: dict[str, str], message: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"EMPO_REWARDS_{name}", value)
    with pytest.raises(ConfigError, match=message):
        asyncio.run(rollouts.make_actor(model, remote_rm_url=REWARD))


def test_without_a_running_loop_it_refuses_to_be_imported() -> None:
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    with pytest.raises(ConfigError, match="must be imported on the event loop that will call it"):
        SingleTurnAgentExecutor(REWARD)


def test_an_executor_that_was_changed_afterwards_is_refused() -> None:
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    async def call() -> None:
        executor = SingleTurnAgentExecutor(REWARD)
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        await asyncio.to_thread(executor.reward_func, ["q a"], ["q"], [""])

    with pytest.raises(ConfigError, match="executor was changed"):
        asyncio.run(call())

"""verl's reward workers: chunks of a batch, single rows at random, and killed workers."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

import pytest
import ray
import verl_support as support
from ray.exceptions import RayActorError
from ray.util import list_named_actors

from empo_rewards.integrations.verl import settings
from empo_rewards.integrations.verl.advantage import remembered
from empo_rewards.integrations.verl.rendezvous import Rendezvous

PATIENCE = 240
"""Seconds after which a test says that a row waits for ever: far beyond the deadline, on any machine."""


def stream(data: Any, order: Sequence[int], worker_of: Any) -> dict[int, Any]:
    """Hand in rows one by one, as verl's agent loop does; what each got, an error of its worker included."""

    async def one(row: int) -> Any:
        try:
            return await worker_of(row).compute_score.remote(data[row : row + 1])
        except RayActorError as error:
            return error

    async def run() -> list[Any]:
        return await asyncio.wait_for(asyncio.gather(*(one(row) for row in order)), PATIENCE)

    return dict(zip(order, asyncio.run(run()), strict=True))


def expected(rows: Sequence[tuple[str, str]]) -> list[float]:
    """The offline rewards."""
    uids = [uid for uid, _ in rows]
    return support.offline(uids, [text for _, text in rows], [f"question of {uid}" for uid in uids])[0]


def test_every_reward_is_the_offline_reward_of_its_group(manager: Any, tokenizer: Any) -> None:
    """More rows than the four workers run calls at a time."""
    rows = support.made_up_rows(668, support.N)
    result = manager.compute_rm_score(support.batch(tokenizer, rows))
    uids, responses = [uid for uid, _ in rows], [response for _, response in rows]
    rewards, scores = support.offline(uids, responses, [f"question of {uid}" for uid in uids])
    assert result.batch["rm_scores"].sum(-1).tolist() == support.float32(rewards)
    extra = result.non_tensor_batch
    assert list(extra["entropy"]) == [scores[uid].entropy for uid in uids]
    assert list(extra["pseudo_label_accuracy"]) == [scores[uid].metrics["pseudo_label_accuracy"] for uid in uids]
    assert set(extra["acc"]) == {0.0, 1.0}
    assert set(extra["scored"]) == {1.0}


def test_by_hand(manager: Any, tokenizer: Any) -> None:
    """Three of one answer in three spellings, two of another, a blank: 3/6, 2/6 and 0."""
    texts = ["\\boxed{4}", "\\boxed{4.0}", "\\boxed{\\frac{8}{2}}", "\\boxed{5}", "\\boxed{5}", "hm"]
    rows = [("one", text) for text in texts]
    random.Random(1).shuffle(rows)
    result = manager.compute_rm_score(support.batch(tokenizer, rows))
    expected = support.float32([2 / 6 if "5" in text else 0.0 if text == "hm" else 3 / 6 for _, text in rows])
    assert result.batch["rm_scores"].sum(-1).tolist() == expected


def test_rows_without_a_uid_are_grouped_by_prompt(manager: Any, tokenizer: Any) -> None:
    rows = support.made_up_rows(4, support.N, seed=7)
    data = support.batch(tokenizer, rows)
    uids = list(data.non_tensor_batch.pop("uid"))
    result = manager.compute_rm_score(data)
    rewards, _ = support.offline(uids, [response for _, response in rows], [f"question of {uid}" for uid in uids])
    assert result.batch["rm_scores"].sum(-1).tolist() == support.float32(rewards)


def test_validation_rows_are_held_against_their_label(manager: Any, tokenizer: Any) -> None:
    texts = ["\\boxed{4}", "\\boxed{5}", "\\boxed{8/2}", "nothing", "\\boxed{4.0}", "\\boxed{}"]
    result = manager.compute_rm_score(
        support.batch(tokenizer, [(f"v{i}", t) for i, t in enumerate(texts)], split="test")
    )
    assert result.batch["rm_scores"].sum(-1).tolist() == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert list(result.non_tensor_batch["acc"]) == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert set(result.non_tensor_batch["entropy"]) == {None}


def test_single_rows_that_come_in_any_order_to_any_worker(manager: Any, tokenizer: Any) -> None:
    rows = [(f"stream {uid}", text) for uid, text in support.made_up_rows(64, support.N, seed=3)]
    data = support.batch(tokenizer, rows)
    dice = random.Random(4)
    found = stream(data, list(range(len(rows))), lambda _: dice.choice(manager.reward_loop_workers))
    assert [found[row]["reward_score"] for row in range(len(rows))] == expected(rows)
    keys = {tuple(result["reward_extra_info"]) for result in found.values()}
    assert len(keys) == 1
    assert {type(value) for result in found.values() for value in result["reward_extra_info"].values()} == {float}
    # What the advantage estimator asks for, in whatever process it runs.
    assert remembered({"stream uid-0", "never seen"}).keys() == {"stream uid-0"}


def all_but_one(rows: Sequence[tuple[str, str]]) -> tuple[list[int], list[int]]:
    """The rows without the last of each group; and these."""
    last = {uid: row for row, (uid, _) in enumerate(rows)}
    late = sorted(last.values())
    return [row for row in range(len(rows)) if row not in late], late


def test_a_killed_rendezvous_is_made_again_and_no_group_is_lost(manager: Any, tokenizer: Any) -> None:
    rows = [(f"killed {uid}", text) for uid, text in support.made_up_rows(8, support.N, seed=5)]
    data = support.batch(tokenizer, rows)
    early, late = all_but_one(rows)
    calls = {row: manager.reward_loop_workers[row % 2].compute_score.remote(data[row : row + 1]) for row in early}
    support.wait_for_members(len(early), "killed")
    for shard in support.rendezvous_actors():
        ray.kill(shard)
    calls.update({row: manager.reward_loop_workers[row % 2].compute_score.remote(data[row : row + 1]) for row in late})
    found = [ray.get(calls[row], timeout=PATIENCE)["reward_score"] for row in range(len(rows))]
    assert found == expected(rows)


def test_a_killed_reward_worker_takes_only_its_own_rows(manager: Any, tokenizer: Any) -> None:
    """verl gives up what its worker held; the rendezvous has their answers, and the others get their group's reward."""
    rows = [(f"worker {uid}", text) for uid, text in support.made_up_rows(8, support.N, seed=6)]
    data = support.batch(tokenizer, rows)
    early, late = all_but_one(rows)
    workers = [support.one_more_worker(manager), manager.reward_loop_workers[0]]
    doomed = {row for row in early if row % 2 == 0}
    calls = {row: workers[row % 2].compute_score.remote(data[row : row + 1]) for row in early}
    support.wait_for_members(len(early), "worker")
    ray.kill(workers[0])
    calls.update({row: workers[1].compute_score.remote(data[row : row + 1]) for row in late})
    rewards = expected(rows)
    for row, call in calls.items():
        if row in doomed:
            with pytest.raises(RayActorError):
                ray.get(call, timeout=PATIENCE)
        else:
            assert ray.get(call, timeout=PATIENCE)["reward_score"] == rewards[row]


def test_a_rendezvous_that_nobody_calls_any_more_ends(manager: Any) -> None:
    """It is detached, so that it does not die with a worker; so it must not outlive its run."""
    run = settings.read(settings.plain(manager.config))
    left = ray.remote(Rendezvous).options(name="left alone", lifetime="detached", num_cpus=0).remote(run, 1.0)
    ray.get(left.renew.remote())
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and "left alone" in list_named_actors():
        time.sleep(0.2)
    assert "left alone" not in list_named_actors()

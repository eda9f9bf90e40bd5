"""verl's reward workers: whole batches, single rows at random, killed workers and shards, and several runs."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import ray
import verl_support as support
from ray.exceptions import RayActorError

from empo_rewards.integrations.verl.advantage import remembered
from empo_rewards.integrations.verl.manager import EMPORewardManager
from empo_rewards.integrations.verl.row_rewards import KEYS
from empo_rewards.integrations.verl.shards import PREFIX

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this module

PATIENCE = 240
"""Seconds after which a test says that a row waits for ever: far beyond the deadline, on any machine."""


def stream(data: Any, order: Sequence[int], worker_of: Any) -> dict[int, Any]:
    """Hand in rows one by one, as agent loops do that are not ours; what each got."""

    async def one(row: int) -> Any:
        return await worker_of(row).compute_score.remote(data.select_idxs([row]))  # a slice would carry the whole batch

    async def run() -> list[Any]:
        return await asyncio.wait_for(asyncio.gather(*(one(row) for row in order)), PATIENCE)

    return dict(zip(order, asyncio.run(run()), strict=True))


def expected(rows: Sequence[tuple[str, str]], scorer: str = "empo-math") -> list[float]:
    """The offline rewards."""
    uids = [uid for uid, _ in rows]
    return support.offline(uids, [text for _, text in rows], [f"question of {uid}" for uid in uids], scorer)[0]


def test_every_reward_of_a_batch_is_the_offline_reward_of_its_group(manager: Any, tokenizer: Any) -> None:
    """128 prompts with 16 responses each where 6 are configured, and one that has lost a response."""
    rows = [*support.made_up_rows(128, 16), *[("short", "\\boxed{1}")] * (support.N - 1)]
    result = manager.compute_rm_score(support.batch(tokenizer, rows))
    uids, responses = [uid for uid, _ in rows[: -support.N + 1]], [response for _, response in rows]
    rewards, scores = support.offline(uids, responses, [f"question of {uid}" for uid in uids])
    short = [0.0] * (support.N - 1)
    assert result.batch["rm_scores"].sum(-1).tolist() == [*support.float32(rewards), *short]
    extra = result.non_tensor_batch
    assert list(extra["entropy"])[: len(uids)] == [scores[uid].entropy for uid in uids]
    assert set(extra["acc"]) == {0.0, 1.0}
    assert list(extra["scored"]) == [1.0] * len(uids) + short
    assert (extra["group_size"][-1], extra["group_expected"][-1]) == (support.N - 1, support.N)
    assert extra["unscored/incomplete"][-1] == 1.0


def test_by_hand(manager: Any, tokenizer: Any) -> None:
    """Three of one answer in three spellings, two of another, a blank: 3/6, 2/6 and 0."""
    texts = ["\\boxed{4}", "\\boxed{4.0}", "\\boxed{\\frac{8}{2}}", "\\boxed{5}", "\\boxed{5}", "hm"]
    rows = [("one", text) for text in texts]
    random.Random(1).shuffle(rows)
    result = manager.compute_rm_score(support.batch(tokenizer, rows))
    expected = support.float32([2 / 6 if "5" in text else 0.0 if text == "hm" else 3 / 6 for _, text in rows])
    assert result.batch["rm_scores"].sum(-1).tolist() == expected


def test_rows_of_a_batch_without_uids_are_grouped_by_prompt(manager: Any, tokenizer: Any) -> None:
    rows = support.made_up_rows(4, support.N, seed=7)
    data = support.batch(tokenizer, rows)
    data.non_tensor_batch.pop("uid")
    result = manager.compute_rm_score(data)
    assert result.batch["rm_scores"].sum(-1).tolist() == support.float32(expected(rows))


def test_validation_rows_are_held_against_their_label(manager: Any, tokenizer: Any) -> None:
    texts = ["\\boxed{4}", "\\boxed{5}", "\\boxed{8/2}", "nothing", "\\boxed{4.0}", "\\boxed{}"]
    data = support.batch(tokenizer, [(f"v{i}", text) for i, text in enumerate(texts)], split="test")
    result = manager.compute_rm_score(data)
    assert result.batch["rm_scores"].sum(-1).tolist() == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert list(result.non_tensor_batch["acc"]) == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert set(result.non_tensor_batch["entropy"]) == {None}
    found = stream(data, range(6), lambda row: manager.reward_loop_workers[row % 2])
    assert [found[row]["reward_score"] for row in range(6)] == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]


class OtherJob:
    """A shard of another job, as far as it is asked."""

    def advantages(self, uids: Sequence[str]) -> dict[str, str]:
        """Something else than any advantage."""
        return dict.fromkeys(uids, "another job's")


def test_single_rows_in_any_order_to_one_worker_that_ray_would_give_1000(manager: Any, tokenizer: Any) -> None:
    rows = [(f"stream {uid}", text) for uid, text in support.made_up_rows(267, support.N, seed=3)]
    assert len(rows) > 1600
    data = support.batch(tokenizer, rows)
    order = random.Random(4).sample(range(len(rows)), len(rows))
    found = stream(data, order, lambda _: manager.reward_loop_workers[0])
    assert [found[row]["reward_score"] for row in range(len(rows))] == expected(rows)
    keys = {tuple(result["reward_extra_info"]) for result in found.values()}
    assert len(keys) == 1
    numbers = [value for result in found.values() for key, value in result["reward_extra_info"].items() if key in KEYS]
    assert {type(value) for value in numbers} == {float}
    # What the advantage estimator asks for, in whatever process it runs; another job may have the same uids.
    known = remembered({"stream uid-0", "never seen"})
    other = ray.remote(OtherJob).options(name=f"{PREFIX}0000_run_0", num_cpus=0).remote()
    assert ray.get(other.advantages.remote(["stream uid-0"]))
    assert remembered({"stream uid-0", "never seen"}) == known
    assert known.keys() == {"stream uid-0"}
    ray.kill(other)


def test_a_row_may_say_the_size_of_its_group_which_waits_for_a_lost_row_until_its_deadline(
    model: Path, cluster: None, tokenizer: Any
) -> None:
    """Three responses where 6 are configured, and a third one that never comes; by the manager in this process."""
    rows = [("whole", "\\boxed{4}"), ("whole", "\\boxed{5}"), ("whole", "\\boxed{4.0}"), *[("short", "\\boxed{4}")] * 2]
    data = support.batch(tokenizer, rows)
    for info in data.non_tensor_batch["extra_info"]:
        info["rollout_n"] = 3
    settings = ("++reward.reward_kwargs.idle_seconds=1", "++reward.reward_kwargs.shards=1")
    manager = EMPORewardManager(support.run_config(model, *settings), tokenizer)

    async def run() -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(manager.run_single(data[i : i + 1]) for i in range(5))))

    found = asyncio.run(asyncio.wait_for(run(), PATIENCE))
    assert [row["reward_score"] for row in found] == [2 / 3, 1 / 3, 2 / 3, 0.0, 0.0]
    sizes = [(row["reward_extra_info"]["group_size"], row["reward_extra_info"]["group_expected"]) for row in found]
    assert sizes == [(3.0, 3.0)] * 3 + [(2.0, 3.0)] * 2
    assert [row["reward_extra_info"]["unscored/incomplete"] for row in found] == [0.0] * 3 + [1.0] * 2


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


def test_two_runs_in_one_session_have_their_own_rewards_and_take_their_actors_along(
    manager: Any, model: Path, tokenizer: Any
) -> None:
    """A second run with another preset, while the first one's actors live; then a third with the second's settings."""
    from verl.experimental.reward_loop import RewardLoopManager

    rows = support.made_up_rows(8, support.N, seed=8)
    data = support.batch(tokenizer, rows)
    first = manager.compute_rm_score(data).batch["rm_scores"].sum(-1).tolist()
    before = support.rendezvous_names()
    for _ in range(2):
        config = support.run_config(model, "+reward.reward_kwargs.scorer=ttrl", workers=0)
        other = RewardLoopManager(config)
        assert len(support.rendezvous_names()) == len(before) + 2
        second = other.compute_rm_score(data).batch["rm_scores"].sum(-1).tolist()
        assert second == support.float32(expected(rows, "ttrl")) != first
        del other
        deadline = time.monotonic() + PATIENCE
        while support.rendezvous_names() != before and time.monotonic() < deadline:
            time.sleep(0.1)
        assert support.rendezvous_names() == before
    assert manager.compute_rm_score(data).batch["rm_scores"].sum(-1).tolist() == first

"""One monitor a run, fed by all shards, and by the groups of validation rows; without ray: shards are plain objects."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest
from ray.exceptions import ActorDiedError
from verl.trainer.ppo.metric_utils import process_validation_metrics

from empo_rewards.gather.samples import Sample
from empo_rewards.integrations.verl.monitoring import RunMonitor, monitor_options
from empo_rewards.integrations.verl.rendezvous import Rendezvous
from empo_rewards.integrations.verl.row_rewards import RowReward
from empo_rewards.integrations.verl.rows import RolloutRow
from empo_rewards.integrations.verl.settings import RunSettings, VerlSettings
from empo_rewards.integrations.verl.validation import DataOrigin
from empo_rewards.monitor import Observation

SCORER = {"preset": "empo-math", "observers": [{"name": "monitor", "window": 64}]}
N = 4


class Actor:
    """The handle of an actor that runs in this process."""

    def __init__(self, call: Callable[[Observation], Awaitable[dict[str, float]]]) -> None:
        self.seen: list[Observation] = []
        self._call = call
        self.add = SimpleNamespace(remote=self._add)

    def _add(self, observation: Observation) -> Awaitable[dict[str, float]]:
        self.seen.append(observation)
        return self._call(observation)


def shards(actor: Actor | None, count: int = 2) -> list[Rendezvous]:
    run = RunSettings(settings=VerlSettings(scorer=SCORER), group_size=N, shards=count, neutral=0.0)
    return [Rendezvous(run, actor) for _ in range(count)]


def monitor() -> Actor:
    options = monitor_options(SCORER)
    assert options is not None
    return Actor(RunMonitor(options).add)


def group(uid: str, prompt: str, texts: list[str], label: str | None = None) -> list[RolloutRow]:
    return [
        RolloutRow(Sample(prompt, text, label), DataOrigin(None, None), uid, member, len(texts))
        for member, text in enumerate(texts)
    ]


async def alternately(rendezvous: list[Rendezvous], groups: list[list[RolloutRow]], method: str) -> list[RowReward]:
    """Hand each group to the next shard; all rewards."""
    found: list[RowReward] = []
    for position, rows in enumerate(groups):
        found += await getattr(rendezvous[position % len(rendezvous)], method)(rows)
    return found


def training(numbers: range, collapsed: bool) -> list[list[RolloutRow]]:
    return [
        group(f"u{n}", f"what is {n}?", [f"\\boxed{{{0 if collapsed else n + (i == 3)}}}" for i in range(N)])
        for n in numbers
    ]


@pytest.mark.parametrize("method", ["submit", "score"])
def test_the_shards_of_a_run_share_one_monitor(method: str, caplog: pytest.LogCaptureFixture) -> None:
    """Half of the groups each: after the 32 of the shortest window the collapse is seen, once."""
    actor = monitor()
    rendezvous = shards(actor)

    async def run() -> tuple[list[RowReward], list[RowReward]]:
        healthy = await alternately(rendezvous, training(range(32), False), method)
        return healthy, await alternately(rendezvous, training(range(32, 64), True), method)

    healthy, collapsed = asyncio.run(run())
    assert {row.metrics["monitor/alarm"] for row in healthy} == {0.0}
    assert collapsed[-1].metrics["monitor/alarm"] == 1.0
    assert {row.reward for row in collapsed} == {1.0}
    assert caplog.text.count("monitor: collapse") == 1
    assert len(actor.seen) == 64


def test_validation_rows_are_groups_for_the_monitor_and_get_the_reward_of_their_label() -> None:
    actor = monitor()
    rendezvous = shards(actor)
    labelled = group("v", "1 + 1?", ["\\boxed{2}", "\\boxed{2.0}", "\\boxed{3}"], label="2")
    unlabelled = group("w", "what is 7?", ["\\boxed{7}", "\\boxed{8}", "\\boxed{7}", "\\boxed{7}"])
    single = group("x", "what is 8?", ["\\boxed{8}"], label="8")

    async def run() -> list[RowReward]:
        # As agent loops do: each row on its own; the reward is there before the others have come.
        found = [await rendezvous[0].validate([row]) for row in (*labelled, *unlabelled, *single)]
        await alternately(rendezvous, training(range(7, 8), False), "submit")
        await asyncio.sleep(0.5)
        return [row for rows in found for row in rows]

    rewards = asyncio.run(run())
    assert [row.reward for row in rewards[:3]] == [1.0, 1.0, 0.0]
    assert all(math.isnan(row.reward) for row in rewards[3:7])
    assert {row.metrics["entropy"] for row in rewards} == {None}
    # What verl makes of rows without labels: an accuracy that is not known, and no number beside it.
    info = {key: [row.metrics[key] for row in rewards[3:7]] for key in rewards[0].metrics}
    (found,) = process_validation_metrics(["demo"] * 4, ["w"] * 4, info).values()
    assert found.keys() == {"acc"}
    assert math.isnan(found["acc"]["mean@4"])
    assert [row.metrics["empo/answer"] for row in rewards[:3]] == ["2", "2.0", "3"]
    seen = {observation.kind: observation for observation in actor.seen}
    assert dict(seen[(None, False, 3)].answers) == {"2": 2, "3": 1}
    # The unlabelled prompt, four responses each in validation and in training: one kind, and one prompt.
    again = [observation for observation in actor.seen if observation.kind == (None, True, N)]
    assert len(again) == 2
    assert len({observation.prompt for observation in again}) == 1


def test_rewards_do_not_depend_on_the_monitor(caplog: pytest.LogCaptureFixture) -> None:
    """It is dead: rewards are as without it, and it is said once."""

    async def dead(_: Observation) -> dict[str, float]:
        raise ActorDiedError

    with caplog.at_level(logging.ERROR):
        found = asyncio.run(alternately(shards(Actor(dead)), training(range(4), False), "submit"))
    plain = asyncio.run(alternately(shards(None), training(range(4), False), "submit"))
    assert [row.reward for row in found] == [row.reward for row in plain] == [0.75, 0.75, 0.75, 0.25] * 4
    assert all(math.isnan(row.metrics["monitor/alarm"]) for row in found)  # type: ignore[arg-type] # floats
    assert caplog.text.count("monitor does not answer") == 2  # by each of the two shards

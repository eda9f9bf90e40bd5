"""The collapse monitor of a run: one actor, which all shards feed.

verl spreads the groups of a run over the shards, and the groups of one prompt too: a monitor in each would see a part.
So a shard scores without the observer `monitor`, sends what the monitor keeps of each group to this actor, and puts the
actor's answer into the metrics of the group. Rewards do not depend on it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayActorError

from empo_rewards import Group, GroupScore, Scorer
from empo_rewards.monitor import Monitor, Observation, observe

log = logging.getLogger("empo_rewards")

OBSERVER = "monitor"
"""The monitor's name among the observers of a configuration, and before its metrics."""

ANSWER_SECONDS = 10.0
"""A group's reward waits no longer for the monitor's numbers."""


class RunMonitor:
    """The actor.

    Args:
        options: the monitor's.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._monitor = Monitor(**options)

    async def add(self, observation: Observation) -> dict[str, float]:
        """Take in a group; the monitor's numbers."""
        self._monitor.add(observation)
        return self._monitor.metrics()


def scorer_and_monitor(source: str | Mapping[str, Any]) -> tuple[Scorer, Mapping[str, Any] | None]:
    """The scorer of a configuration without the monitor, and the options of the monitor, if it has one."""
    config = Scorer(source).config
    options = next((component.options for component in config.observers if component.name == OBSERVER), None)
    others = tuple(component for component in config.observers if component.name != OBSERVER)
    return Scorer(config.model_copy(update={"observers": others})), options


class MonitorClient:
    """Feeds the monitor of a run, from one shard.

    Args:
        name: the actor's.
        options: the monitor's.
    """

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self._actor = ray.remote(RunMonitor).options(
            name=name, get_if_exists=True, lifetime="detached", num_cpus=0, max_restarts=-1
        )
        self._options = options
        self._handle: Any = None
        self._is_lost = False

    async def observed(self, group: Group, score: GroupScore) -> GroupScore:
        """The score, with the monitor's numbers among its metrics: as far as the monitor answers."""
        if not score.clusters:
            return score
        try:
            if self._handle is None:
                self._handle = await asyncio.to_thread(self._actor.remote, self._options)
            numbers = await asyncio.wait_for(_answer(self._handle.add.remote(observe(group, score))), ANSWER_SECONDS)
        except (RayActorError, asyncio.TimeoutError, ValueError) as error:
            self._handle = None
            if not self._is_lost:
                log.error("the monitor of the run does not answer, and has missed a group: %s", error)
            self._is_lost = True
            return score
        self._is_lost = False
        return replace(score, metrics={**score.metrics, **{f"{OBSERVER}/{key}": n for key, n in numbers.items()}})


async def _answer(reference: Any) -> Any:
    """An object reference as a coroutine, which `wait_for` can cancel."""
    return await reference

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


def monitor_options(source: str | Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The options of the monitor in a scorer's configuration; None where it has none."""
    observers = Scorer(source).config.observers
    return next((component.options for component in observers if component.name == OBSERVER), None)


def scorer_without_monitor(source: str | Mapping[str, Any]) -> Scorer:
    """The scorer of a configuration, without the monitor."""
    config = Scorer(source).config
    others = tuple(component for component in config.observers if component.name != OBSERVER)
    return Scorer(config.model_copy(update={"observers": others}))


class MonitorFeed:
    """Feeds the monitor of a run from one shard.

    Args:
        actor: the handle of a `RunMonitor`.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._is_lost = False

    async def observed(self, group: Group, score: GroupScore) -> GroupScore:
        """The score, with the monitor's numbers among its metrics, where the monitor answers."""
        if not score.clusters:
            return score
        try:
            numbers = await asyncio.wait_for(self._actor.add.remote(observe(group, score)), ANSWER_SECONDS)
        except (RayActorError, asyncio.TimeoutError) as error:
            if not self._is_lost:
                log.error("the run's monitor does not answer: its numbers are missing until it does: %r", error)
            self._is_lost = True
            return score
        self._is_lost = False
        return replace(score, metrics={**score.metrics, **{f"{OBSERVER}/{key}": n for key, n in numbers.items()}})

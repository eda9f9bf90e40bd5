"""Calls to the rendezvous: named ray actors, which are found, created, and created again when they die.

Their names carry the ids of ray's job and of the run, and a digest of its settings, so that two runs never share one.
They are not detached: ray ends those that verl's driver process created (see `hooks`) with that process, or earlier
with the reward workers of the run. One that another process created again ends with that process, and is created again
if need be.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from collections.abc import Hashable, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError

from empo_rewards.gather import Member
from empo_rewards.integrations.verl import row_rewards
from empo_rewards.integrations.verl.monitoring import RunMonitor, monitor_options
from empo_rewards.integrations.verl.rendezvous import Rendezvous
from empo_rewards.integrations.verl.row_rewards import RowReward
from empo_rewards.integrations.verl.rows import RolloutRow
from empo_rewards.integrations.verl.settings import RunSettings

log = logging.getLogger("empo_rewards")

PREFIX = "empo_rewards_rendezvous_"
"""What the name of a shard begins with; its job, run, the digest of the settings and the shard's number follow."""

MONITOR = "empo_rewards_monitor_"
"""What the name of the run's monitor begins with; its job, run and the digest of the settings follow."""

CONCURRENT_CALLS = 1_000_000
"""Concurrent calls of a shard, and of a reward worker: each waiting row is one, and the rendezvous bounds them."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two attempts to reach a shard that has died."""


def job_name() -> str:
    """What the names of the actors of ray's job have behind `PREFIX` and `MONITOR`: all processes of a run share it."""
    return f"{ray.get_runtime_context().get_job_id()}_"


class UnreachableError(Exception):
    """A shard could not be reached before the deadline."""


class Shards:
    """The rewards of a run, for one process. Groups are spread over the shards by uid.

    Args:
        run: the settings.
    """

    def __init__(self, run: RunSettings) -> None:
        self.run = run
        self._name = f"{job_name()}{run.run_id or 'run'}_{run.digest}"
        self._monitor_options = monitor_options(run.settings.scorer)
        self._handles: dict[int, Any] = {}
        self._finding: dict[int, asyncio.Lock] = {}
        settings = run.settings
        # The deadlines of a shard itself, and a minute for creating it again.
        self._patience = settings.total_seconds + settings.score_seconds + 60

    async def train(self, row: RolloutRow) -> RowReward:
        """Wait for the row's group, and return the row's reward."""
        (reward,) = await self._rewards("submit", [row])
        return reward

    async def train_batch(self, rows: Sequence[RolloutRow]) -> list[RowReward]:
        """The rewards of the rows of a whole batch."""
        parts: dict[int, list[int]] = {}
        for position, row in enumerate(rows):
            parts.setdefault(self._shard(row), []).append(position)
        answers = await asyncio.gather(*(self._rewards("score", [rows[i] for i in part]) for part in parts.values()))
        found = {
            position: reward
            for part, rewards in zip(parts.values(), answers, strict=True)
            for position, reward in zip(part, rewards, strict=True)
        }
        return [found[position] for position in range(len(rows))]

    async def validate(self, rows: Sequence[RolloutRow]) -> list[RowReward]:
        """Compare the answer of each row with its label."""
        return await self._rewards("validate", rows) if rows else []

    async def forget(self, uid: str, member: Member | None, size: int) -> None:
        """Report a member of a group as lost."""
        try:
            await self._call(self._shard_of(uid), "forget", uid, member, size)
        except UnreachableError as error:
            log.error("group %r was not told of a loss: %s", uid, error)

    def create(self) -> list[Any]:
        """Create all shards; the caller's process is their owner, and they end with these handles."""
        self._handles.update({shard: self._find(shard) for shard in range(self.run.shards)})
        return [*self._handles.values(), self._monitor()]

    async def _rewards(self, method: str, rows: Sequence[RolloutRow]) -> list[RowReward]:
        """The answer of the shard of these rows; with its cause where there is none."""
        try:
            found: list[RowReward] = await self._call(self._shard(rows[0]), method, rows)
        except UnreachableError as error:
            log.error("%s", error)
            return [row_rewards.of_fault("unreachable", self.run.fallback)] * len(rows)
        return found

    def _shard(self, row: RolloutRow) -> int:
        return self._shard_of(row.sample.prompt if row.uid is None else row.uid)

    def _shard_of(self, key: Hashable) -> int:
        return zlib.crc32(str(key).encode("utf-8", "surrogatepass")) % self.run.shards

    async def _call(self, shard: int, method: str, *arguments: object) -> Any:
        """Call a method of a shard. If the shard dies, it is created again and called again.

        All waiting callers do the same, so that its groups are complete again.

        Raises:
            UnreachableError: there is no answer by the deadline.
            RayActorError: the shard cannot be created.
        """
        deadline = time.monotonic() + self._patience
        pause = FIRST_PAUSE
        while True:
            handle = None
            try:
                handle = await self._handle(shard)
                return await asyncio.wait_for(getattr(handle, method).remote(*arguments), deadline - time.monotonic())
            except asyncio.TimeoutError as error:
                raise UnreachableError(f"shard {shard} gave no answer within {self._patience:g} s") from error
            except (RayActorError, _GoneAgainError) as error:
                if getattr(error, "actor_init_failed", False):
                    raise
                if time.monotonic() + pause >= deadline:
                    raise UnreachableError(f"shard {shard} could not be reached: {error}") from error
                log.warning("shard %d has died; its groups gather again", shard)
            if handle is not None and self._handles.get(shard) is handle:
                del self._handles[shard]
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _handle(self, shard: int) -> Any:
        """The actor's handle; looked up once for all concurrent callers."""
        async with self._finding.setdefault(shard, asyncio.Lock()):
            if shard not in self._handles:
                self._handles[shard] = await asyncio.to_thread(self._find, shard)
            return self._handles[shard]

    def _find(self, shard: int) -> Any:
        """The actor, created if there is none."""
        actor = ray.remote(Rendezvous).options(
            name=f"{PREFIX}{self._name}_{shard}",
            get_if_exists=True,
            num_cpus=0,
            max_concurrency=CONCURRENT_CALLS,
            max_restarts=-1,
            scheduling_strategy="SPREAD",
        )
        try:
            return actor.remote(self.run, self._monitor())
        except ValueError as error:  # another process created it first, and it was gone when ray looked it up
            raise _GoneAgainError(str(error)) from error

    def _monitor(self) -> Any:
        """The actor of the run's monitor, created if there is none; None where the scorer has no monitor."""
        if self._monitor_options is None:
            return None
        options = {"get_if_exists": True, "num_cpus": 0, "max_restarts": -1}
        return ray.remote(RunMonitor).options(name=f"{MONITOR}{self._name}", **options).remote(self._monitor_options)


class _GoneAgainError(Exception):
    """A shard died while it was looked up."""

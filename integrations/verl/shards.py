"""Calls to the rendezvous: named ray actors, which are found, created, and created again when they die."""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from typing import Any

import ray
from ray.exceptions import RayActorError

from empo_rewards.integrations.verl.rendezvous import LEASE_SECONDS, Rendezvous
from empo_rewards.integrations.verl.settings import RunSettings

log = logging.getLogger("empo_rewards")

PREFIX = "empo_rewards_rendezvous_"
"""Shard k is the actor with this name followed by k, in the namespace of the run."""

CONCURRENT_CALLS = 1_000_000
"""Concurrent calls of a shard: each waiting row is one, and the rendezvous itself bounds them."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two attempts to reach a shard that has died."""


def shard_of(key: str, shards: int) -> int:
    """Which shard a group belongs to; the same in every process."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % shards


class UnreachableError(Exception):
    """A shard could not be reached before the deadline."""


class Shards:
    """Calls to the shards of one run.

    Args:
        run: the settings.
    """

    def __init__(self, run: RunSettings) -> None:
        self._run = run
        self._handles: dict[int, Any] = {}
        self._finding = [asyncio.Lock() for _ in range(run.shards)]
        self._renewing: asyncio.Task[None] | None = None
        settings = run.settings
        # The deadlines of a shard itself, and a minute for creating it again.
        self._patience = settings.total_seconds + settings.score_seconds + 60

    async def call(self, shard: int, method: str, *arguments: object) -> Any:
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
                return await asyncio.wait_for(
                    _resolved(getattr(handle, method).remote(*arguments)), deadline - time.monotonic()
                )
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
        if self._renewing is None:
            self._renewing = asyncio.get_running_loop().create_task(self._renew())
        async with self._finding[shard]:
            if shard not in self._handles:
                self._handles[shard] = await asyncio.to_thread(self._find, shard)
            return self._handles[shard]

    async def _renew(self) -> None:
        """Renew the lease of the shards in use, for as long as this process lives."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 10)
            for handle in list(self._handles.values()):
                handle.renew.remote()

    def _find(self, shard: int) -> Any:
        """The actor, created if there is none.

        Detached, because otherwise it would end with the worker that created it. It ends by itself when nobody has
        called it for `LEASE_SECONDS`, so that it does not outlive its run on a shared cluster.
        """
        actor = ray.remote(Rendezvous).options(
            name=f"{PREFIX}{shard}",
            get_if_exists=True,
            lifetime="detached",
            num_cpus=0,
            max_concurrency=CONCURRENT_CALLS,
            max_restarts=-1,
            scheduling_strategy="SPREAD",
        )
        try:
            return actor.remote(self._run)
        except ValueError as error:  # another process created it first, and it was gone when ray looked it up
            raise _GoneAgainError(str(error)) from error


class _GoneAgainError(Exception):
    """A shard died while it was looked up."""


async def _resolved(reference: Any) -> Any:
    """An object reference as a coroutine, which `wait_for` can cancel."""
    return await reference

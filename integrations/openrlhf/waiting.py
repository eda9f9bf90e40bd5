"""Calls that hold a thread each while they wait for their group.

OpenRLHF calls a Python reward function through `asyncio.to_thread`, that is in the default executor of the engine's
event loop. That has min(32, cores + 4) threads: as soon as so many samples wait for a peer, no peer can arrive any
more. So the executor is widened; where that cannot be done, nothing starts, and the reason is given.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from empo_rewards.errors import ConfigError, EmpoError
from empo_rewards.gather import GatherLimits
from empo_rewards.gather.samples import Sample
from empo_rewards.integrations.openrlhf.rewards import GroupRewards, Reply
from empo_rewards.integrations.openrlhf.settings import Settings

log = logging.getLogger("empo_rewards")

T = TypeVar("T")

CURE = "set EMPO_REWARDS_THREADS, or use the agent file (--train.agent_func_path), which needs no threads"

_THREAD_PREFIX = "empo-rewards-waits"
_PIDS_MAX = Path("/sys/fs/cgroup/pids.max")


class CrowdedError(EmpoError):
    """More calls at once than there are threads for: they would wait for each other."""


def widen_default_executor(threads: int) -> None:
    """Give the running event loop an executor of so many threads; a thread starts when it is first needed.

    Raises:
        ConfigError: no event loop is running here, or this process may not have so many threads.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigError(
            "reward_func.py must be imported on the event loop that will call it, as OpenRLHF's engines do (0.9.1 and "
            "later): every call holds a thread, and there is no executor here to be widened; use the agent file or the "
            "HTTP server"
        ) from None
    allowed = thread_limit()
    if allowed is not None and threads >= allowed:
        raise ConfigError(
            f"reward_func.py may need {threads} threads, but this process may have {allowed} in all (ulimit -u, the "
            f"container's pids limit): {CURE}"
        )
    # One more than may wait, so that the call that is too many can say so.
    loop.set_default_executor(ThreadPoolExecutor(threads + 1, thread_name_prefix=_THREAD_PREFIX))


def thread_limit() -> int | None:
    """How many threads the system lets this process have; None where it sets no limit of its own."""
    limits = []
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY and os.geteuid() != 0:  # root is exempt
        limits.append(soft)
    if _PIDS_MAX.is_file() and (text := _PIDS_MAX.read_text(encoding="ascii").strip()) != "max":
        limits.append(int(text))
    return min(limits, default=None)


class WaitingRewards:
    """`GroupRewards` for callers that wait in threads; it gathers on an event loop in a thread of its own.

    Args:
        settings: with the size of the groups, which no single call can tell.

    Raises:
        ConfigError: as `widen_default_executor`, or the settings do not fit.
        PluginError, MissingExtraError: the scorer cannot be built.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.group_size is None:
            raise ConfigError("reward_func.py needs EMPO_REWARDS_GROUP_SIZE: the trainer's samples per prompt")
        if settings.evaluation_size is not None:
            raise ConfigError(
                "reward_func.py cannot tell evaluation from training: leave EMPO_REWARDS_EVALUATION_SIZE out and let "
                "an evaluation sample EMPO_REWARDS_GROUP_SIZE times too, or use the agent file"
            )
        self._rewards = GroupRewards(settings, GatherLimits())
        widen_default_executor(settings.threads)
        self._threads, self._free = settings.threads, threading.Semaphore(settings.threads)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="empo-rewards-gathers", daemon=True).start()

    def reward(self, samples: Sequence[Sample]) -> list[Reply]:
        """Wait in this thread for the groups of all samples.

        Raises:
            ConfigError: this is not a thread of the widened executor, so that waiting could block everyone.
            CrowdedError: every thread waits. All are let go, because the samples that they wait for cannot come.
            GatherError: what `SampleScorer.submit` raises.
        """
        if not threading.current_thread().name.startswith(_THREAD_PREFIX):
            raise ConfigError(f"the event loop's executor was changed after reward_func.py had widened it: {CURE}")
        if not self._free.acquire(blocking=False):
            reason = f"{self._threads} samples wait for their groups, and one more came: {CURE}"
            log.critical("%s", reason)
            self._wait(self._rewards.close())
            raise CrowdedError(reason)
        try:
            return self._wait(self._pay(samples))
        finally:
            self._free.release()

    async def _pay(self, samples: Sequence[Sample]) -> list[Reply]:
        return await asyncio.gather(*(self._rewards.reward(sample) for sample in samples))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

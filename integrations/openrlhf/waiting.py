"""Group rewards for a caller that is a plain function: each call holds a thread while it waits for its group.

OpenRLHF calls a Python reward function through `asyncio.to_thread`, that is in the default executor of the engine's
event loop, which has min(32, cores + 4) threads. As soon as so many samples wait for a peer, no peer can arrive any
more. So the executor is replaced by one whose number of threads only the system bounds.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from empo_rewards.errors import ConfigError
from empo_rewards.gather import GatherLimits
from empo_rewards.gather.samples import Sample
from empo_rewards.integrations.openrlhf.rewards import GroupRewards, OpenRLHFReward
from empo_rewards.integrations.openrlhf.settings import OpenRLHFSettings

log = logging.getLogger("empo_rewards")

CURE = "use the agent file (--train.agent_func_path), which needs no threads"

UNBOUNDED = 2**31
"""More threads than any system starts: `ThreadPoolExecutor` starts one only when none is idle."""

_THREAD_PREFIX = "empo-rewards-waits"


class WaitingThreads(ThreadPoolExecutor):
    """An executor with a thread for each call that waits."""

    def __init__(self) -> None:
        super().__init__(UNBOUNDED, thread_name_prefix=_THREAD_PREFIX)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As its base; OpenRLHF logs an exception of its own call at level INFO only, so it is logged here.

        Raises:
            RuntimeError: the system starts no more threads. The group of this sample ends by its deadline.
        """
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError as error:
            log.critical(
                "a sample has no thread to wait in (ulimit -u, the container's pids limit): %s: %s", error, CURE
            )
            raise


class WaitingRewards:
    """`GroupRewards` for callers that wait in threads; groups gather on an event loop in a thread of its own.

    Args:
        settings: with the size of the groups, which no single call can tell.

    Raises:
        ConfigError: no event loop is running here, or the settings do not fit.
        PluginError, MissingExtraError: the scorer cannot be built.
    """

    def __init__(self, settings: OpenRLHFSettings) -> None:
        if settings.group_size is None:
            raise ConfigError("reward_func.py needs EMPO_REWARDS_GROUP_SIZE: the trainer's samples per prompt")
        if settings.evaluation_size is not None:
            raise ConfigError(
                "reward_func.py cannot tell evaluation from training: leave EMPO_REWARDS_EVALUATION_SIZE out and let "
                "an evaluation sample EMPO_REWARDS_GROUP_SIZE times too, or use the agent file"
            )
        try:
            caller = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigError(
                "reward_func.py must be imported on the event loop that will call it, as OpenRLHF's engines do (0.9.1 "
                "and later): every call holds a thread, and there is no executor here to be replaced; use the agent "
                "file or the HTTP server"
            ) from None
        self._rewards = GroupRewards(settings, GatherLimits())
        caller.set_default_executor(WaitingThreads())
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="empo-rewards-gathers", daemon=True).start()

    def reward(self, samples: Sequence[Sample]) -> list[OpenRLHFReward]:
        """Wait in this thread for the groups of all samples.

        Raises:
            ConfigError: this is no thread of `WaitingThreads`, so that waiting could block everyone.
            GatherError: what `SampleScorer.submit` raises.
        """
        if not threading.current_thread().name.startswith(_THREAD_PREFIX):
            raise ConfigError(f"the event loop's executor was changed after reward_func.py had replaced it: {CURE}")
        return asyncio.run_coroutine_threadsafe(self._reward_all(samples), self._loop).result()

    async def _reward_all(self, samples: Sequence[Sample]) -> list[OpenRLHFReward]:
        return await asyncio.gather(*(self._rewards.reward(sample) for sample in samples))

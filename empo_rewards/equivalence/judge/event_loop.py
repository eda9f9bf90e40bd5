"""An event loop in a thread of its own: callers of any kind (threads, executors of other loops) share one client."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from empo_rewards.errors import EquivalenceError

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for whoever asks, from any thread but its own; starts at once."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="empo-judge", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns; it is cancelled where the wait for it is interrupted.

        Raises:
            EquivalenceError: `close` was called, before or meanwhile.
        """
        with self._lock:  # once it is closed nothing may be handed over: nobody would run it
            if self._closed:
                coroutine.close()
                raise EquivalenceError("the judge was closed while it was asked")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError as error:
            raise EquivalenceError("the judge was closed while it was asked") from error
        except BaseException:
            future.cancel()
            raise

    def close(self, last: Callable[[], Awaitable[object]]) -> None:
        """Cancels what is under way, awaits `last`, and ends the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        asyncio.run_coroutine_threadsafe(self._wind_up(last), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @staticmethod
    async def _wind_up(last: Callable[[], Awaitable[object]]) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await last()

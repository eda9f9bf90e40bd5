"""Answers that nobody read, kept for the retry that comes for them."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Kept(Generic[T]):
    key: Hashable
    value: T
    due: float
    taken: bool = False


class Undelivered(Generic[T]):
    """Answers by what they answer; each is given out once.

    Args:
        seconds: for how long an answer is kept.
        limit: how many are; the oldest goes first.
        clock: in seconds.
    """

    def __init__(self, seconds: float, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._limit, self._clock = seconds, limit, clock
        self._in_order: deque[_Kept[T]] = deque()  # they fall due in the order in which they came
        self._by_key: defaultdict[Hashable, deque[_Kept[T]]] = defaultdict(deque)

    def keep(self, key: Hashable, value: T) -> None:
        """Keep an answer."""
        kept = _Kept(key, value, self._clock() + self._seconds)
        self._in_order.append(kept)
        self._by_key[key].append(kept)
        self._clear()

    def take(self, key: Hashable) -> T | None:
        """The oldest answer of that key, which is then no longer here; None where there is none."""
        self._clear()
        if key not in self._by_key:
            return None
        kept = self._by_key[key].popleft()
        if not self._by_key[key]:
            del self._by_key[key]
        kept.taken = True
        return kept.value

    def _clear(self) -> None:
        now = self._clock()
        while self._in_order and (
            self._in_order[0].taken or self._in_order[0].due <= now or len(self._in_order) > self._limit
        ):
            kept = self._in_order.popleft()
            if not kept.taken:
                self._by_key[kept.key].popleft()
                if not self._by_key[kept.key]:
                    del self._by_key[kept.key]

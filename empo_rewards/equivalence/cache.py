"""A bounded map that threads may share: the least recently used entry goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Entries whose weights sum to `size` at most; by default each weighs 1."""

    def __init__(self, size: int, weigh: Callable[[K, V], int] = lambda key, value: 1) -> None:
        self._size = size
        self._weigh = weigh
        self._weight = 0
        self._weights: dict[K, int] = {}
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The value, now the most recently used; None where there is none."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        """Keeps a value."""
        weight = self._weigh(key, value)
        with self._lock:
            self._weight += weight - self._weights.get(key, 0)
            self._entries[key], self._weights[key] = value, weight
            self._entries.move_to_end(key)
            while self._weight > self._size:
                oldest, _ = self._entries.popitem(last=False)
                self._weight -= self._weights.pop(oldest)

    def __len__(self) -> int:
        return len(self._entries)

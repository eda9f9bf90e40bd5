"""A thread-safe bounded LRU cache."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """A map of entries whose weights (1 each by default) sum to at most `size`; the least recently used one goes first."""

    def __init__(self, size: int, weigh: Callable[[K, V], int] = lambda key, value: 1) -> None:
        self._size = size
        self._weigh = weigh
        self._weight = 0
        self._weights: dict[K, int] = {}
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The value, which becomes the most recently used entry; None if there is none."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key: K, value: V) -> None:
        """Store a value."""
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

"""Values that a forked child makes anew: threads, locks, event loops and connections do not survive a fork."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """One value for each process, made when it is first asked for; safe to share between threads.

    What the parent made stays referenced in the child, and is not closed there: closing an inherited SQLite connection
    or event loop would change the parent's.

    Args:
        make: makes the value. Where threads ask at once it may be called several times, and one result is kept: it
            must start nothing.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: dict[int, T] = {}

    def get(self) -> T:
        """This process' value."""
        pid = os.getpid()
        try:
            return self._values[pid]
        except KeyError:
            return self._values.setdefault(pid, self._make())  # atomic: one value, however many threads are here

    def pop(self) -> T | None:
        """Take this process' value out; the next `get` makes another one."""
        return self._values.pop(os.getpid(), None)

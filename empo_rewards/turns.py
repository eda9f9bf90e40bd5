"""Turns of the threads that score in one process, and the end of work that nobody waits for.

Python shares its time equally between threads: a group of 2 ms beside 64 groups of 2 s would take 130 ms, or minutes in
a queue. So a thread passes its turn on at a `checkpoint` to the one that has used the least time so far (least attained
service first; Kleinrock 1976, section 4.7): short work never waits for long work, and long work gets what is left.

A thread that scores outside of a `Turns` has no turn: for it a checkpoint does nothing.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

QUANTUM = 0.005
"""Seconds after which a turn is passed on, and that a thread without any time so far waits for a checkpoint at most."""

PATIENCE = 0.25
"""Seconds that other threads wait for a checkpoint of the one whose turn it is: it may be waiting for something."""

POLL_SECONDS = 0.1
"""How often a thread that waits for a result looks whether anybody still waits for it."""

_here = threading.local()


class AbandonedError(BaseException):
    """Nobody waits for this work any more. No `Exception`: what classifies faults lets it pass."""


class Turns:
    """The turns of the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._running: Turn | None = None
        self._waiting: list[tuple[float, int, Turn]] = []  # a heap

    @contextmanager
    def taken(self, turn: Turn) -> Iterator[None]:
        """Run the block in a turn of this thread.

        Raises:
            AbandonedError: at the first checkpoint after `turn.abandon()`.
        """
        turn.begin(self)
        _here.turn = turn
        try:
            self.enter(turn)
            yield
        finally:
            _here.turn = None
            self.leave(turn)

    def enter(self, turn: Turn) -> None:
        """Wait until it is this turn's time, or until the running one has passed no checkpoint for long enough."""
        with self._lock:
            if self._running is None:
                self._start(turn)
                return
            turn.called.clear()
            place = (turn.used, next(self._numbers), turn)
            heapq.heappush(self._waiting, place)
        patience = QUANTUM if turn.used < QUANTUM else PATIENCE
        while not turn.called.wait(patience):
            with self._lock:
                if self._running is None or time.perf_counter() - self._running.seen >= patience:
                    if not turn.called.is_set():
                        self._waiting.remove(place)
                        heapq.heapify(self._waiting)
                        self._start(turn)  # beside the other one, which waits in turn at its next checkpoint
                    return

    def leave(self, turn: Turn) -> None:
        """Pass the turn on, where it is this thread's."""
        with self._lock:
            if self._running is turn:
                self._running = None
                if self._waiting:
                    _, _, first = heapq.heappop(self._waiting)
                    self._start(first)
                    first.called.set()

    def checkpoint(self, turn: Turn) -> None:
        """Let another thread run, where one has used less time."""
        now = time.perf_counter()
        if self._running is turn:
            turn.seen = now
            if now - turn.since < QUANTUM:
                return
            with self._lock:
                if not self._waiting or self._waiting[0][0] >= turn.used:
                    turn.since = now
                    return
            self.leave(turn)
        self.enter(turn)

    def _start(self, turn: Turn) -> None:
        self._running = turn
        turn.since = turn.seen = time.perf_counter()


class Turn:
    """The turn of one piece of work."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.since = self.seen = 0.0
        self._turns: Turns | None = None
        self._abandoned = False

    def begin(self, turns: Turns) -> None:
        """Count the time of this thread from now on."""
        self._turns, self._start = turns, time.thread_time()

    @property
    def used(self) -> float:
        """Seconds of processor time that it has used. Asked in its own thread."""
        return time.thread_time() - self._start

    def abandon(self) -> None:
        """End the work at its next checkpoint. From any thread."""
        self._abandoned = True

    def check(self) -> None:
        """The checkpoint of this turn's thread."""
        self.check_abandoned()
        assert self._turns is not None  # noqa: S101 - it has begun
        self._turns.checkpoint(self)

    def check_abandoned(self) -> None:
        """Raise `AbandonedError` where nobody waits for the work."""
        if self._abandoned:
            raise AbandonedError

    @contextmanager
    def released(self) -> Iterator[None]:
        """Let others run during the block, which only waits."""
        assert self._turns is not None  # noqa: S101 - it has begun
        self._turns.leave(self)
        try:
            yield
        finally:
            self._turns.enter(self)


def checkpoint() -> None:
    """A place at which this thread's work may pause for that of others, or end because nobody waits for it.

    Called between the steps of a group, each of which is bounded: an answer, a pair, a batch of a model.
    """
    turn: Turn | None = getattr(_here, "turn", None)
    if turn is not None:
        turn.check()


def result_of(future: Future[T]) -> T:
    """The result of what happens elsewhere: other threads run meanwhile.

    Raises:
        AbandonedError: nobody waits for it any more.
    """
    turn: Turn | None = getattr(_here, "turn", None)
    if turn is not None:
        with turn.released():
            while not wait([future], POLL_SECONDS).done:
                turn.check_abandoned()
    return future.result()

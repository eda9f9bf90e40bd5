"""A pool of processes that score groups, for the server and the command line.

Each worker process has a scorer of its own and one pipe to the pool. It exits when the pipe is closed, so after a
SIGKILL of the pool's process it is there for no longer than its current groups take. (The processes of
`concurrent.futures` stay, and none of them can be stopped in the middle of a task or replaced after its death.)
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

from empo_rewards.errors import EmpoError, WorkerError
from empo_rewards.group import Group, GroupScore

START_SECONDS = 120.0
"""Time limit for a worker to import everything and build its scorer: generous, for a cold disk and a busy machine."""

EXIT_CODE_SECONDS = 1.0
"""How long the exit code of a worker whose pipe has ended is waited for."""

STOP_SIGNAL = getattr(signal, "SIGUSR2", signal.SIGTERM)
"""Ends a busy worker. Not SIGTERM where there is a choice: process managers send that to all processes of a server at
once, which may still finish the groups that are being scored."""


class StreamScorer(Protocol):
    """What a worker needs of a scorer; a `Scorer` has it. It must pickle."""

    def score_many(self, groups: Iterable[Group], /) -> Iterator[GroupScore]:
        """One score a group, in order."""
        ...

    def close(self) -> None:
        """End the processes and threads that scoring started."""
        ...


class WorkerPool:
    """Worker processes that score groups; thread-safe. A worker that dies or hangs is replaced.

    Args:
        scorer: copied into each process.
        workers: the most processes there are at a time. They are started when they are needed.
        score_seconds: a worker that takes longer for one submission is killed; None: no limit.
        closing_seconds: how long `close` lets workers close their scorers before it kills them.
    """

    def __init__(
        self, scorer: StreamScorer, workers: int, *, score_seconds: float | None = None, closing_seconds: float = 5.0
    ) -> None:
        self._scorer, self._score_seconds, self._closing_seconds = scorer, score_seconds, closing_seconds
        # One thread waits for each busy worker. A task takes an idle worker, or starts one: there are never more
        # workers than threads.
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="empo-rewards-worker")
        self._workers = workers
        self._lock, self._closed = threading.Lock(), False
        self._all: set[_Worker] = set()
        self._idle: list[_Worker] = []

    def start(self) -> None:
        """Start all workers now, and return when they are ready.

        Raises:
            WorkerError: one of them did not start.
        """
        self._idle = [self._new_worker() for _ in range(self._workers)]
        for worker in self._idle:
            worker.await_ready()

    def submit(self, groups: Sequence[Group]) -> Future[list[GroupScore]]:
        """Have one worker score these groups; their scores come in order.

        The future raises `WorkerError` where the worker died or took too long, and `EmpoError` where its scorer raised
        one or the pool was closed meanwhile.

        Raises:
            EmpoError: the pool is closed.
        """
        self._check_open()
        return self._threads.submit(self._score, groups)

    def close(self) -> None:
        """End all workers. Busy ones are stopped in the middle of their groups; all may close their scorers."""
        with self._lock:
            self._closed = True
            idle = list(self._idle)
            busy = self._all.difference(idle)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in idle:
            worker.pipe.close()
        for worker in busy:
            worker.stop()
        deadline = time.monotonic() + self._closing_seconds
        for worker in self._all:
            if not wait([worker.process.sentinel], timeout=max(0.0, deadline - time.monotonic())):
                worker.process.kill()
        self._threads.shutdown()
        for worker in self._all:
            worker.end()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _new_worker(self) -> _Worker:
        with self._lock:
            self._check_open()
            worker = _Worker(self._scorer)
            self._all.add(worker)
            return worker

    def _check_open(self) -> None:
        if self._closed:
            raise EmpoError("the pool of scoring processes is closed")

    def _score(self, groups: Sequence[Group]) -> list[GroupScore]:
        with self._lock:
            self._check_open()
            worker = self._idle.pop() if self._idle else None
        worker = worker or self._new_worker()
        try:
            worker.await_ready()
            scores, error = worker.exchange(groups, self._score_seconds, "for a group")
        except WorkerError:
            with self._lock:
                self._check_open()  # then `close` ended the worker
                self._all.discard(worker)
            worker.process.kill()
            worker.end()
            raise
        with self._lock:
            self._idle.append(worker)
        if error is not None:
            raise EmpoError(error)
        assert isinstance(scores, list)  # noqa: S101 - one of the two is given
        return scores


class _Worker:
    """One process, and the pool's end of its pipe."""

    def __init__(self, scorer: StreamScorer) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        with closing(theirs):
            self.process: SpawnProcess = context.Process(
                target=_work, args=(scorer, theirs), name="empo-rewards worker"
            )
            self.process.start()
        self._ready = False

    def await_ready(self) -> None:
        """Wait until the worker has built its scorer.

        Raises:
            WorkerError: it died, or took longer than `START_SECONDS`.
        """
        if not self._ready:
            self.exchange(None, START_SECONDS, "to start")
            self._ready = True

    def exchange(self, groups: Sequence[Group] | None, seconds: float | None, purpose: str) -> Any:
        """Send groups (None: nothing), and return the worker's next message.

        Raises:
            WorkerError: it died, or took longer than `seconds`.
        """
        try:
            if groups is not None:
                self.pipe.send(groups)
            # The process is waited for as well: a child of its own may keep the pipe open for a while.
            if not wait([self.pipe, self.process.sentinel], timeout=seconds):
                raise WorkerError(f"a worker process took longer than {seconds:g} s {purpose} and was killed")
            if not self.pipe.poll():
                raise EOFError
            return self.pipe.recv()
        except (EOFError, OSError) as error:
            self.process.join(EXIT_CODE_SECONDS)
            raise WorkerError(f"a worker process died (exit code {self.process.exitcode})") from error

    def stop(self) -> None:
        """Ask the process to close its scorer and exit, whatever it is doing."""
        if self.process.pid is not None and self.process.exitcode is None:
            with suppress(ProcessLookupError):  # it has just exited
                os.kill(self.process.pid, STOP_SIGNAL)

    def end(self) -> None:
        """Free what belongs to a process that was ended."""
        self.process.join()
        self.process.close()
        self.pipe.close()


def _work(scorer: StreamScorer, pipe: Connection) -> None:
    """Worker main loop: score each list of groups read from the pipe; exit on EOF."""
    # A terminal and a process manager send these to all processes; the pool's process decides what follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(STOP_SIGNAL, lambda number, frame: sys.exit(128 + number))
    with closing(scorer), closing(pipe):
        answer: tuple[list[GroupScore] | None, str | None] = None, None  # the first says that the scorer is built
        while True:
            try:
                pipe.send(answer)
                groups = pipe.recv()
            except (EOFError, OSError):
                return
            try:
                answer = list(scorer.score_many(groups)), None
            except EmpoError as error:
                answer = None, str(error)

"""Scoring in other processes, one group at a time each; a process that dies or hangs is replaced.

Each worker has a scorer of its own and a pipe, and ends when the pipe does: however the server ended, none of them
outlives it for longer than the group that it is at. A thread of this process waits for each busy worker, so the event
loop never does.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

from empo_rewards.errors import EmpoError
from empo_rewards.group import Answer, AnswerKind, Cause, Group, GroupScore, Status

log = logging.getLogger("empo_rewards")

ATTEMPTS = 2
"""How many workers may die of one group: whatever ended the first need not have been the group."""

START_SECONDS = 120.0
"""What a worker may take to import everything and build its scorer: a cold disk and a busy machine, not a hang."""

CLOSING_SECONDS = 1.0
"""What the workers have to close their scorers in, before they are killed."""


class ScoresOne(Protocol):
    """What is needed of a scorer; it also pickles."""

    def score(self, group: Group, /) -> GroupScore:
        """The group's score."""
        ...

    def close(self) -> None:
        """Ends what scoring started."""
        ...


class CrewClosedError(EmpoError):
    """The crew was closed before the group was scored."""


class WorkerLostError(Exception):
    """A worker process died or hung while it scored a group."""


class Crew:
    """Worker processes that score groups.

    Args:
        scorer: copied into each process.
        workers: how many processes.
        score_seconds: a worker that takes longer for a group is killed.

    Raises:
        EmpoError: a worker did not start.
    """

    def __init__(self, scorer: ScoresOne, workers: int, score_seconds: float) -> None:
        self._scorer, self._seconds = scorer, score_seconds
        self._lock, self._closed = threading.Lock(), False
        self._all: set[_Worker] = set()
        self._idle = [self._start() for _ in range(workers)]
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="empo-rewards-crew")
        try:
            for worker in self._idle:
                worker.await_start()
        except WorkerLostError as error:
            self.close()
            raise EmpoError(f"cannot score in processes: {error}") from error

    async def score(self, group: Group) -> GroupScore:
        """The group's score, off the event loop; one that workers die of, or take too long for, is unscored.

        Raises:
            CrewClosedError: the crew was closed.
            EmpoError: what the scorer raises.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._score, group)

    def close(self) -> None:
        """End all workers; one that is busy is killed, because nobody waits for it any more."""
        with self._lock:
            self._closed = True
            busy = self._all.difference(self._idle)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in busy:
            worker.process.kill()
        self._threads.shutdown()
        for worker in self._all:
            worker.pipe.close()
        deadline = time.monotonic() + CLOSING_SECONDS
        for worker in self._all:
            worker.end(max(0.0, deadline - time.monotonic()))

    def _start(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise CrewClosedError("the server is stopping")
            worker = _Worker(self._scorer)
            self._all.add(worker)
            return worker

    def _score(self, group: Group) -> GroupScore:
        for attempt in range(1, ATTEMPTS + 1):
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            worker = worker or self._start()
            try:
                worker.await_start()
                score = worker.score(group, self._seconds)
            except WorkerLostError as error:
                with self._lock:
                    if self._closed:
                        raise CrewClosedError(str(error)) from error
                    self._all.discard(worker)
                worker.end(0)
                log.error("%s (attempt %d of %d)", error, attempt, ATTEMPTS)
                if attempt == ATTEMPTS:
                    return _unscored(group, str(error))
            except Exception:
                self._give_back(worker)
                raise
            else:
                self._give_back(worker)
                return score
        raise AssertionError("the last attempt returned or raised")

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            self._idle.append(worker)


def _unscored(group: Group, why: str) -> GroupScore:
    return GroupScore(
        rewards=(None,) * len(group),
        answers=tuple(Answer("", AnswerKind.BLANK) for _ in group.responses),
        clusters=(),
        cluster_shares=(),
        entropy=None,
        status=Status.UNSCORED,
        cause=Cause.SCORING_FAILED,
        detail=why,
        id=group.id,
        size=len(group),
        expected_size=group.expected_size or len(group),
    )


class _Worker:
    """One process and our end of its pipe."""

    def __init__(self, scorer: ScoresOne) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        with closing(theirs):
            self.process: SpawnProcess = context.Process(target=_work, args=(scorer, theirs), name="empo-rewards serve")
            self.process.start()
        self._started = False

    def await_start(self) -> None:
        """Returns once it can score."""
        if not self._started:
            self._exchange(None, START_SECONDS, "to start")
            self._started = True

    def score(self, group: Group, seconds: float) -> GroupScore:
        """The group's score."""
        score, fault = self._exchange(group, seconds, "for a group")
        if fault is not None:
            raise EmpoError(fault)
        assert isinstance(score, GroupScore)  # noqa: S101 - one of the two is given
        return score

    def _exchange(self, group: Group | None, seconds: float, purpose: str) -> Any:
        """What it says next, after it was sent a group (or None: nothing)."""
        try:
            if group is not None:
                self.pipe.send(group)
            # Its end is waited for as well: a child of its own may hold the pipe open for a while.
            if not wait([self.pipe, self.process.sentinel], timeout=seconds):
                raise WorkerLostError(f"a worker took longer than {seconds:g} s {purpose} and was killed")
            if not self.pipe.poll():
                raise EOFError
            return self.pipe.recv()
        except (EOFError, OSError) as error:
            self.process.join(CLOSING_SECONDS)
            raise WorkerLostError(f"a worker process died (exit code {self.process.exitcode})") from error

    def end(self, seconds: float) -> None:
        """Wait so long for it to end by itself, then kill it."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()
        self.process.close()


def _work(scorer: ScoresOne, pipe: Connection) -> None:
    """A worker's life: scores what comes through the pipe until the pipe ends."""
    # What follows from a signal to the whole process group is for the server to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with closing(scorer), closing(pipe):
        try:
            pipe.send(None)
        except OSError:
            return
        while True:
            try:
                group = pipe.recv()
            except (EOFError, OSError):
                return
            answer: tuple[GroupScore | None, str | None]
            try:
                answer = scorer.score(group), None
            except EmpoError as error:
                answer = None, str(error)
            try:
                pipe.send(answer)
            except OSError:
                return

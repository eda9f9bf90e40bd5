"""Scoring in several processes: in input order, with a bounded number of groups under way.

Each worker process has a scorer of its own and a pipe. The pipe is all that ties it to its parent: where it ends,
however the parent ended, the worker closes its scorer and goes, at the latest with the batch that it is at. (The
workers of `concurrent.futures` outlive a parent that was killed, and cannot be stopped in the middle of a task: after
a SIGKILL they would stay beside the run that resumes.)
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, Protocol, TypeVar

from empo_rewards.errors import EmpoError
from empo_rewards.group import Group, GroupScore

BATCH = 16
"""Groups that travel to a worker at once: few enough to keep all workers busy to the end, enough to hide the trip."""

AHEAD = 2
"""Batches a worker that may be read before the oldest of them is done; they wait for it in memory."""

CLOSING_SECONDS = 5.0
"""What a worker has to close its scorer in, before it is killed."""


class ScoresMany(Protocol):
    """What is needed of a scorer; it also pickles."""

    def score_many(self, groups: Iterable[Group], /) -> Iterator[GroupScore]:
        """One score a group, in order."""
        ...

    def close(self) -> None:
        """Ends what scoring started."""
        ...


class HasGroup(Protocol):
    """An item of the input: a group with whatever its score must be matched with."""

    @property
    def group(self) -> Group:
        """The group to score."""
        ...


Item = TypeVar("Item", bound=HasGroup)


def score_stream(
    scorer: ScoresMany, items: Iterable[Item], workers: int = 1, batch: int = BATCH
) -> Generator[tuple[Item, GroupScore], None, None]:
    """Each item with its score, in the order of the items.

    Args:
        scorer: used as it is for one worker (and left open), copied into each process for more.
        items: read as scoring gets on; never more than `workers * AHEAD * batch` are held.
        workers: how many processes score; 1: this one.
        batch: how many groups a process is handed at once.

    Returns:
        A generator. Close it (`contextlib.closing`) where it may not be used up: that ends the processes.

    Raises:
        EmpoError: a worker process died, or its scorer refused.
    """
    if workers < 1 or batch < 1:
        raise EmpoError(f"workers and batch must be at least 1, not {workers} and {batch}")
    return _scored(scorer, items, workers, batch)


def _scored(
    scorer: ScoresMany, items: Iterable[Item], workers: int, batch: int
) -> Generator[tuple[Item, GroupScore], None, None]:
    faults: list[EmpoError] = []
    readable = _until_fault(items, faults)
    yield from _here(scorer, readable) if workers == 1 else _elsewhere(scorer, readable, workers, batch)
    for fault in faults:
        raise fault


def _until_fault(items: Iterable[Item], faults: list[EmpoError]) -> Iterator[Item]:
    """The items up to where reading fails: what was read before that is still scored, and only then does it fail."""
    try:
        yield from items
    except EmpoError as fault:
        faults.append(fault)


def _here(scorer: ScoresMany, items: Iterable[Item]) -> Iterator[tuple[Item, GroupScore]]:
    waiting: deque[Item] = deque()

    def groups() -> Iterator[Group]:
        for item in items:
            waiting.append(item)
            yield item.group

    for score in scorer.score_many(groups()):
        yield waiting.popleft(), score


@dataclass
class _Batch(Generic[Item]):
    """Items that travel together, and their scores once they are back."""

    items: list[Item]
    scores: list[GroupScore] | None = None


@dataclass
class _Worker(Generic[Item]):
    process: SpawnProcess
    pipe: Connection
    batch: _Batch[Item] | None = None

    def hand(self, batch: _Batch[Item]) -> None:
        """Gives the worker something to do."""
        try:
            self.pipe.send([item.group for item in batch.items])
        except OSError as error:
            raise self._death() from error
        self.batch = batch

    def collect(self) -> None:
        """Takes the scores of its batch; it waits for another then."""
        if not self.pipe.poll():
            raise self._death()
        try:
            scores, fault = self.pipe.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error
        if fault is not None:
            raise EmpoError(fault)
        if self.batch is not None:
            self.batch.scores, self.batch = scores, None

    def _death(self) -> EmpoError:
        self.process.join(CLOSING_SECONDS)
        return EmpoError(f"a worker process died (exit code {self.process.exitcode}): run again with --resume")


def _elsewhere(scorer: ScoresMany, items: Iterable[Item], workers: int, size: int) -> Iterator[tuple[Item, GroupScore]]:
    source = iter(items)
    under_way: deque[_Batch[Item]] = deque()
    team: list[_Worker[Item]] = []
    with _dismissed(team):
        while True:
            while len(under_way) < workers * AHEAD:
                idle = next((worker for worker in team if worker.batch is None), None)
                if idle is None and len(team) == workers:
                    break
                if not (chunk := list(islice(source, size))):
                    break
                if idle is None:
                    idle = _start(scorer)
                    team.append(idle)
                under_way.append(_Batch(chunk))
                idle.hand(under_way[-1])
            if not under_way:
                return
            oldest = under_way[0]
            if oldest.scores is not None:
                under_way.popleft()
                yield from zip(oldest.items, oldest.scores, strict=True)
            else:
                for worker in _answering(team):
                    worker.collect()


def _answering(team: Iterable[_Worker[Item]]) -> list[_Worker[Item]]:
    """The busy workers that have answered or died; waits for one."""
    # A worker's end is waited for as well as its answer: a child of its own may hold the pipe open for a while.
    busy = {source: worker for worker in team if worker.batch for source in (worker.pipe, worker.process.sentinel)}
    ready = wait(list(busy))
    return [worker for worker in team if worker.pipe in ready or worker.process.sentinel in ready]


def _start(scorer: ScoresMany) -> _Worker[Any]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with closing(theirs):
        process = context.Process(target=_serve, args=(scorer, theirs), name="empo-rewards score")
        process.start()
    return _Worker(process, ours)


@contextmanager
def _dismissed(team: list[_Worker[Item]]) -> Iterator[None]:
    """At the end of the block no process of the team is left."""
    try:
        yield
    finally:
        for worker in team:
            worker.pipe.close()
            if worker.batch is not None:
                # Nobody waits for what it is doing any more.
                worker.process.terminate()
        deadline = time.monotonic() + CLOSING_SECONDS
        for worker in team:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def _serve(scorer: ScoresMany, pipe: Connection) -> None:
    """A worker's life: scores what comes through the pipe until the pipe ends."""
    # Ctrl-C reaches every process of a terminal; what follows from it is for the parent to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with closing(scorer), closing(pipe):
        while True:
            try:
                groups = pipe.recv()
            except (EOFError, OSError):
                return
            answer: tuple[list[GroupScore] | None, str | None]
            try:
                answer = list(scorer.score_many(groups)), None
            except EmpoError as error:
                answer = None, str(error)
            try:
                pipe.send(answer)
            except OSError:
                return

"""Tasks on a scorer in order, in this process or in several."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from empo_rewards.errors import EmpoError, WorkerDiedError, WorkerError
from empo_rewards.scorer import until_fault
from empo_rewards.workers import StreamScorer, Task, WorkerPool

AHEAD = 4
"""Tasks per worker that may be submitted before the oldest of them is done; they wait for it in memory."""

ATTEMPTS = 3
"""How often a task is begun whose worker dies."""

Key = TypeVar("Key")
Result = TypeVar("Result")

Tasks = Iterable[tuple[Key, "Task[Result] | None"]]
"""Tasks, each with a key that stays in this process; None: nothing to do."""


class InOrder(Protocol):
    """Does tasks: gives each key with the task's result, in their order."""

    def __call__(self, tasks: Tasks[Key, Result], /) -> Iterator[tuple[Key, Result | None]]:
        """Tasks are taken as the work gets on. Where taking one fails, those before it are done first."""
        ...


@contextmanager
def in_order(scorer: StreamScorer, workers: int = 1) -> Iterator[InOrder]:
    """What does tasks in their order.

    Args:
        scorer: used as it is for one worker (and left open), copied into each process for more.
        workers: how many processes there are; 1: this one.

    Raises:
        EmpoError: there are to be fewer than one; while tasks are done: a worker process died `ATTEMPTS` times of one,
            or its scorer refused.
    """
    if workers < 1:
        raise EmpoError(f"workers must be at least 1, not {workers}")
    if workers == 1:
        yield partial(_done_here, scorer)
    else:
        with WorkerPool(scorer, workers) as pool:
            yield partial(_done_by, pool, workers * AHEAD)


def _done_here(scorer: StreamScorer, tasks: Tasks[Key, Result]) -> Iterator[tuple[Key, Result | None]]:
    for key, task in tasks:
        yield key, None if task is None else task(scorer)


def _done_by(
    pool: WorkerPool, ahead: int, tasks: Tasks[Key, Result]
) -> Generator[tuple[Key, Result | None], None, None]:
    faults: list[Exception] = []
    remaining = until_fault(tasks, faults)
    pending: deque[tuple[Key, Task[Result] | None, Future[Result] | None]] = deque()
    while True:
        for key, task in islice(remaining, ahead - len(pending)):
            pending.append((key, task, None if task is None else pool.run(task)))
        if not pending:
            break
        key, task, future = pending.popleft()
        yield key, None if task is None or future is None else _result(pool, task, future)
    for fault in faults:
        raise fault


def _result(pool: WorkerPool, task: Task[Result], future: Future[Result]) -> Result:
    """The result of a task, which is begun again where its worker dies: it may have died of another one."""
    attempts = 1
    while True:
        try:
            return future.result()
        except WorkerError as error:
            if attempts == ATTEMPTS or not isinstance(error, WorkerDiedError):
                raise EmpoError(f"{error}: run again with --resume") from error
        attempts += 1
        future = pool.run(task)

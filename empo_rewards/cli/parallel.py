"""Scoring a stream of items in order, in this process or in several."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from typing import Protocol, TypeVar

from empo_rewards.errors import EmpoError, WorkerError
from empo_rewards.group import Group, GroupScore
from empo_rewards.scorer import BATCH_SIZE, until_fault
from empo_rewards.workers import StreamScorer, WorkerPool

WORKER_BATCH = 16
"""Groups that are sent to a worker at once: few enough to keep all workers busy to the end, enough to hide the trip."""

AHEAD = 2
"""Batches per worker that may be read before the oldest of them is scored; they wait for it in memory."""


class HasGroup(Protocol):
    """An item of the input: a group, with whatever its score must be matched with."""

    @property
    def group(self) -> Group:
        """The group to score."""
        ...


Item = TypeVar("Item", bound=HasGroup)


def score_stream(
    scorer: StreamScorer, items: Iterable[Item], workers: int = 1, batch: int | None = None
) -> Generator[tuple[Item, GroupScore], None, None]:
    """Each item with its score, in the order of the items. Where reading fails, what was read before is scored first.

    Args:
        scorer: used as it is for one worker (and left open), copied into each process for more.
        items: read as scoring gets on; never more than `workers * AHEAD * batch` are held.
        workers: how many processes score; 1: this one.
        batch: how many groups are scored at once; None: `BATCH_SIZE` here, `WORKER_BATCH` in several processes.

    Returns:
        A generator. Close it (`contextlib.closing`) where it may not be used up: that ends the processes.

    Raises:
        EmpoError: a worker process died, or its scorer refused.
        Exception: what reading the items raises, after the scores of the items read before.
    """
    batch = (BATCH_SIZE if workers == 1 else WORKER_BATCH) if batch is None else batch
    if workers < 1 or batch < 1:
        raise EmpoError(f"workers and batch must be at least 1, not {workers} and {batch}")
    return _scored(scorer, items, workers, batch)


def _scored(
    scorer: StreamScorer, items: Iterable[Item], workers: int, size: int
) -> Generator[tuple[Item, GroupScore], None, None]:
    faults: list[Exception] = []
    batches = _batches(until_fault(items, faults), size)
    if workers == 1:
        for batch in batches:
            yield from zip(batch, scorer.score_many(item.group for item in batch), strict=True)
    else:
        yield from _scored_by_workers(scorer, batches, workers)
    for fault in faults:
        raise fault


def _scored_by_workers(
    scorer: StreamScorer, batches: Iterator[list[Item]], workers: int
) -> Iterator[tuple[Item, GroupScore]]:
    pending: deque[tuple[list[Item], Future[list[GroupScore]]]] = deque()
    with WorkerPool(scorer, workers) as pool:
        while True:
            for batch in islice(batches, workers * AHEAD - len(pending)):
                pending.append((batch, pool.submit([item.group for item in batch])))
            if not pending:
                return
            batch, future = pending.popleft()
            try:
                scores = future.result()
            except WorkerError as error:
                raise EmpoError(f"{error}: run again with --resume") from error
            yield from zip(batch, scores, strict=True)


def _batches(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while batch := list(islice(items, size)):
        yield batch

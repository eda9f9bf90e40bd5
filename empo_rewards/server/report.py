"""The report of the last groups, which the server shows at `/`: kept and written in a process of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from empo_rewards.group import Group, GroupScore
from empo_rewards.report.contents import Contents
from empo_rewards.report.live import LiveAnswer, LiveReport
from empo_rewards.workers import WorkerPool

log = logging.getLogger("empo_rewards.server")

TITLE = "The last groups of the reward server"

KEPT_BYTES = 64 * 2**20
"""The texts of the groups that are kept, before they are compressed."""

PENDING_BYTES = 32 * 2**20
"""Groups that wait to be taken in. Further ones are left out: the report never holds up scoring."""

MEMBER_BYTES = 500
"""What a member takes beside its text, about."""

MAX_NAME = 200
"""Characters of a group's id and data source that are kept."""

ANSWER_SECONDS = 30.0
"""What taking in a group, or answering a page, may take."""

CLOSING_SECONDS = 0.5
"""How long the process may take to end before it is killed."""


@dataclass
class LastGroups:
    """What the report's process holds: the last groups, within bounds of their number and their bytes.

    Args:
        most: how many.
    """

    most: int
    _sizes: deque[int] = field(default_factory=deque)

    @cached_property
    def live(self) -> LiveReport:
        """The report. Made where it is used: it does not pickle."""
        return LiveReport(Contents(TITLE, max_bytes=KEPT_BYTES))

    def add(self, group: Group, score: GroupScore, phase: str) -> None:
        """Take in a group. Past a bound the oldest ones are forgotten, down to seven eighths of it."""
        source = (group.data_source or phase)[:MAX_NAME]
        group = replace(group, data_source=source, metadata=None)  # the steps of callers would feed a monitor
        score = replace(score, id=score.id and score.id[:MAX_NAME])
        self._sizes.append(group_bytes(group))
        held, forgotten = sum(self._sizes), 0
        if len(self._sizes) > self.most or held > KEPT_BYTES:
            while self._sizes and (8 * len(self._sizes) > 7 * self.most or 8 * held > 7 * KEPT_BYTES):
                held -= self._sizes.popleft()
                forgotten += 1

        def change(contents: Contents) -> None:
            contents.add(group, score)
            contents.forget(forgotten)

        try:
            self.live.add(change)
        except BaseException:  # whatever stopped it, half a row must not stay: the report begins anew
            self._sizes.clear()
            del self.live
            raise

    def close(self) -> None:
        """Nothing is open."""


def group_bytes(group: Group) -> int:
    """About what a group's texts take."""
    return sum(map(len, group.responses)) + len(group.prompt_text) + MEMBER_BYTES * len(group)


class GroupReport:
    """The report, seen from the server's event loop.

    Args:
        pool: of one process with `LastGroups`, which does one thing after the other.
    """

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._pending = 0

    def add(self, group: Group, score: GroupScore, phase: str) -> bool:
        """Show a group; whether it is taken in: not where groups come faster than that."""
        return self._run(partial(_add, group, score, phase), group_bytes(group))

    def add_packed(self, group: bytes, score: bytes, phase: str) -> bool:
        """The same for a group that is pickled, and its score as JSON."""
        return self._run(partial(_add_packed, group, score, phase), len(group) + len(score))

    async def answer(self, address: str) -> LiveAnswer:
        """What a page's request for data is answered (see `LiveReport.answer`).

        Raises:
            EmpoError: the process died, or took too long.
        """
        return await asyncio.wrap_future(self._pool.run(partial(_answer, address)))

    def _run(self, task: partial[None], size: int) -> bool:
        with self._lock:
            if self._pending and self._pending + size > PENDING_BYTES:
                return False
            self._pending += size
        self._pool.run(task).add_done_callback(partial(self._taken_in, size))
        return True

    def _taken_in(self, size: int, done: Future[None]) -> None:
        with self._lock:
            self._pending -= size
        if not done.cancelled() and (error := done.exception()) is not None:
            log.warning("a group is not in the report: %s", error)


def report_pool(most: int, set_up: Callable[[], object]) -> WorkerPool:
    """The process of a report of so many groups; `set_up`: see `WorkerPool`."""
    return WorkerPool(LastGroups(most), 1, score_seconds=ANSWER_SECONDS, closing_seconds=CLOSING_SECONDS, set_up=set_up)


def _add(group: Group, score: GroupScore, phase: str, last: LastGroups) -> None:
    last.add(group, score, phase)


def _add_packed(group: bytes, score: bytes, phase: str, last: LastGroups) -> None:
    last.add(pickle.loads(group), GroupScore.from_dict(json.loads(score)), phase)  # noqa: S301 - the server's own


def _answer(address: str, last: LastGroups) -> LiveAnswer:
    return last.live.answer(address)

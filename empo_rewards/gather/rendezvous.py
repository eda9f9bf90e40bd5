"""`Gather`: assigns submissions to groups, ends groups, and hands out verdicts."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import Generic, TypeVar

from empo_rewards.errors import EmpoError, described
from empo_rewards.gather.diagnosis import DIAGNOSED_GROUPS, GatheredGroup, diagnose
from empo_rewards.gather.groups import DelayQueue, GatheringGroup, GatherPhase, GroupEntry, GroupIdentity, Slot
from empo_rewards.gather.room import Room
from empo_rewards.gather.types import (
    Collected,
    Ending,
    GatherClosedError,
    GatherConflictError,
    GatherError,
    GatherFullError,
    GatherLimits,
    GatherOutcome,
    GatherScoreError,
    GatherSizeError,
    GatherStats,
    Member,
)

log = logging.getLogger("empo_rewards")

P = TypeVar("P")
V = TypeVar("V")

CANCEL_SECONDS = 1.0
"""How long `close` waits for a cancelled `score` to clean up; one that ignores its cancellation is abandoned."""


class Gather(Generic[P, V]):
    """Suspends the members of a group until it has gathered, and returns the group's one verdict to all of them.

    It belongs to the event loop that first uses it; no method may be called from another thread.

    Args:
        score: returns the verdict of a group: `await score(collected)`, once per group, in a task of its own. It is
            called for incomplete groups too, and decides about them (a `Scorer` does: `Group.expected_size` and its
            `incomplete` setting). Its work must run off the event loop. What it raises reaches every member as a
            `GatherScoreError`. Without ids it must not depend on the order of the payloads.
        size: of a group where submissions do not give one; None: each group's first submission must.
        limits: deadlines and bounds.
        reuse_keys: what a key means in submissions without a member id. True: a prompt, which may have any number of
            groups. False: one group, so that submissions after it is full get its verdict.
        measure: the size of a payload in bytes. The default is right for texts; a composed payload needs its own.
        measure_verdict: the size of a verdict in bytes, which a remembered group keeps.
        belong: whether two payloads can be of one group, asked of those whose key names a group; None: any can.
        room: what bounds it, shared with others; None: a room of its own, by `limits`.

    Raises:
        GatherSizeError: `size` is less than 1.
    """

    def __init__(
        self,
        score: Callable[[Collected[P]], Awaitable[V]],
        size: int | None = None,
        limits: GatherLimits | None = None,
        *,
        reuse_keys: bool = True,
        measure: Callable[[P], int] = sys.getsizeof,
        measure_verdict: Callable[[V], int] = lambda verdict: 0,
        belong: Callable[[P, P], bool] | None = None,
        room: Room | None = None,
    ) -> None:
        self.limits = limits or GatherLimits()
        self._score = score
        self._size = size if size is None else _checked(size)
        self._keyed = GroupIdentity.PROMPT if reuse_keys else GroupIdentity.ONCE
        self._measure, self._measure_verdict, self._belong = measure, measure_verdict, belong
        self._room = room or Room(self.limits)
        self._room.forgets_by(self._forget_oldest)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = math.inf  # kept here: for a time in the past uvloop's handle does not have it
        self._closed = False

        # By slot: where the key names one group, that group in any phase; else the group that is being filled.
        self._groups: dict[Slot, GatheringGroup[P, V]] = {}
        # Members without an id whose caller was cancelled; the earliest first.
        self._abandoned: dict[tuple[Slot, P], OrderedDict[GroupEntry[P, V], None]] = {}
        self._tasks: set[asyncio.Task[V]] = set()

        self._total: DelayQueue[GatheringGroup[P, V]] = DelayQueue(self.limits.total_seconds)  # every gathering group
        self._idle: DelayQueue[GatheringGroup[P, V]] = DelayQueue(self.limits.idle_seconds)  # those that have a member
        self._unattended: DelayQueue[GatheringGroup[P, V]] = DelayQueue(
            self.limits.abandoned_seconds
        )  # those without caller, in any phase before their end
        self._scoring: DelayQueue[GatheringGroup[P, V]] = DelayQueue(self.limits.score_seconds)
        self._ended_unnamed: DelayQueue[GatheringGroup[P, V]] = DelayQueue(self.limits.abandoned_seconds)
        self._ended: DelayQueue[GatheringGroup[P, V]] = DelayQueue(self.limits.remember_seconds)

        self._stats = GatherStats()
        self._recent: deque[GatheredGroup] = deque(maxlen=DIAGNOSED_GROUPS)

    async def submit(
        self, key: Hashable, member: Member | None, payload: P, size: int | None = None, client: Hashable = None
    ) -> GatherOutcome[V]:
        """Join a group and wait for its verdict.

        Args:
            key: of the group: its id, or (where `member` is None and keys are reused) its prompt.
            member: the member's id within the group; None where the framework has none. Groups with and without ids are
                separate, even under one key.
            payload: the member's answer. Without ids it must be hashable: an equal payload takes the entry of a member
                whose caller was cancelled, and is a new member otherwise.
            size: of the group; None: as its other members gave it, else the default.
            client: whose room a group takes that this opens.

        Returns:
            The verdict and the member's position.

        Raises:
            GatherFullError: refused at once, and nothing changed; or its group had to make room for another client.
            GatherConflictError: a member with this id has another payload, or the payload does not belong to the group.
            GatherSizeError: there is no size, or it differs from the group's.
            GatherScoreError: the group could not be scored.
            GatherClosedError: closed before the group was scored.
            asyncio.CancelledError: the caller was cancelled; its answer stays in the group.
        """
        group, entry = self._enter(key, member, payload, size, client)
        if group.phase in (GatherPhase.GATHERING, GatherPhase.SCORING):
            await self._wait(group, entry)
        return group.outcome(entry)

    def forget(
        self, key: Hashable, member: Member | None = None, size: int | None = None, client: Hashable = None
    ) -> bool:
        """Report that a member will not come, so that its group does not wait for it.

        A member that is reported twice is lost once; one that was reported and still comes in time is a member. It may
        be called before any member came. Without an id each call counts one loss, in the group that the next submission
        of that key (and size) would join.

        Returns:
            Whether it made a difference: not for a member that is in the group, and not once the group has gathered.

        Raises:
            GatherFullError, GatherSizeError, GatherClosedError: as for `submit`.
        """
        now = self._now()
        slot = self._slot(key, member, size)
        group = self._groups.get(slot)
        if group is not None:
            self._check_size(group, size)
            if group.phase is not GatherPhase.GATHERING or (
                member is not None and (member in group.entries or member in group.lost)
            ):
                return False
        self._take(client if group is None else group.client, group, members=int(group is None or not group.entries))
        group = group or self._open(slot, size, now, client)
        if not group.entries:
            group.reserved += 1
        group.lost.add(object() if member is None else member)
        self._stats.forgotten += 1
        if group.entries:
            self._idle.put(group, now)
        if group.is_full:
            self._gathered(group, Ending.LOST)
        self._set_timer()
        return True

    async def close(self, grace_seconds: float = 0.0) -> None:
        """End gathering: waiting callers get a `GatherClosedError`, and so do later submissions.

        Groups in scoring may finish within `grace_seconds`; then their callers get that error too. When this returns,
        no caller waits.
        """
        self._closed = True
        error = "the rendezvous was closed before the group was scored"
        for group in list(self._total):
            self._end(group, GatherClosedError(error))
        if self._tasks and grace_seconds > 0:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for group in list(self._scoring):
            self._end(group, GatherClosedError(error))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CANCEL_SECONDS)
        for group in [*self._ended, *self._ended_unnamed]:
            self._drop(group)
        self._set_timer()

    def stats(self) -> GatherStats:
        """Gauges of the present state, and counters since the start."""
        oldest = next((group for group in self._total if group.entries), None)
        return replace(
            self._stats,
            open_groups=len(self._total),
            scoring_groups=len(self._scoring),
            remembered_groups=len(self._ended) + len(self._ended_unnamed),
            oldest_seconds=0.0 if oldest is None or self._loop is None else self._loop.time() - oldest.opened,
        )

    def diagnosis(self) -> str | None:
        """Why groups keep ending incomplete, where nearly all do with the same fraction of members; else None."""
        return diagnose(self._recent)

    def _now(self) -> float:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if loop is not self._loop:
            raise GatherError("a Gather belongs to the event loop that first used it; make one for each loop")
        if self._closed:
            raise GatherClosedError("the rendezvous is closed")
        return loop.time()

    def _slot(self, key: Hashable, member: Member | None, size: int | None) -> Slot:
        if member is not None:
            return GroupIdentity.NAMED, key, 0
        if self._keyed is GroupIdentity.ONCE:
            return GroupIdentity.ONCE, key, 0
        return GroupIdentity.PROMPT, key, self._resolved(size)

    def _resolved(self, size: int | None) -> int:
        if size is not None:
            return _checked(size)
        if self._size is None:
            raise GatherSizeError("a group's first submission must give its size: this Gather has no default")
        return self._size

    def _check_size(self, group: GatheringGroup[P, V], size: int | None) -> None:
        if size is not None and size != group.size:
            raise GatherSizeError(f"{group} has {group.size} members; a submission says {size}")

    def _enter(
        self, key: Hashable, member: Member | None, payload: P, size: int | None, client: Hashable
    ) -> tuple[GatheringGroup[P, V], GroupEntry[P, V] | None]:
        """Find or make the submission's entry; None where the verdict does not include it."""
        now = self._now()
        slot = self._slot(key, member, size)
        group, entry = self._groups.get(slot), None
        if member is None and (deserted := self._abandoned.get((slot, payload))):
            entry = next(iter(deserted))
            group = entry.group
        elif group is not None:
            entry = group.find(member, payload)
        if group is not None:
            self._check_size(group, size)
            self._check_conflict(group, entry, payload)
            if entry is not None or group.phase is not GatherPhase.GATHERING:
                self._repeat(group, entry)
                return group, entry
        weight = self._measure(payload)
        members = 0
        if group is None or not group.entries:  # from its first member on it has room for all of them
            members = self._resolved(size) if group is None else group.size - group.reserved
        self._take(client if group is None else group.client, group, members=members, bytes=weight)
        group = group or self._open(slot, size, now, client)
        group.reserved += members
        return group, self._add(group, member, payload, weight, now)

    def _check_conflict(self, group: GatheringGroup[P, V], entry: GroupEntry[P, V] | None, payload: P) -> None:
        """Refuse a payload that contradicts its group: what was detected must not be paid."""
        why = None
        if entry is not None and entry.payload != payload:
            why = f"its member {entry.id!r} came before with another answer"
        elif self._belong is not None and group.slot[0] is not GroupIdentity.PROMPT and group.entries:
            first = next(iter(group.entries.values())).payload
            if not self._belong(first, payload):
                why = "its first member has another prompt"
        if why is not None:
            self._stats.conflicts += 1
            raise GatherConflictError(f"{group}: {why}: an id stands for one group, once; put the run and step into it")

    def _repeat(self, group: GatheringGroup[P, V], entry: GroupEntry[P, V] | None) -> None:
        """Count a submission that adds no member."""
        if group.phase is not GatherPhase.ENDED and self._stats.waiting >= self.limits.max_members:
            self._stats.refused += 1
            raise GatherFullError(f"{self._stats.waiting} callers wait already (max_members)")
        if entry is not None:
            self._take_up(entry)
            self._let_go(group)
            self._stats.joined += 1
        elif len(group.entries) < group.size:
            self._stats.late += 1
        else:
            self._stats.surplus += 1

    def _take(
        self,
        client: Hashable,
        group: GatheringGroup[P, V] | None,
        *,
        members: int = 0,
        bytes: int = 0,  # noqa: A002 - as `Room`
    ) -> None:
        """Take room for a group, which is new where it is None; refuse where there is none."""
        try:
            self._room.take(client, groups=int(group is None), members=members, bytes=bytes)
        except GatherFullError:
            self._stats.refused += 1
            raise

    def _open(self, slot: Slot, size: int | None, now: float, client: Hashable) -> GatheringGroup[P, V]:
        group: GatheringGroup[P, V] = GatheringGroup(slot, self._resolved(size), client)
        self._room.opened(client, group, partial(self._evict, group))
        self._groups[slot] = group
        self._total.put(group, now)
        return group

    def _evict(self, group: GatheringGroup[P, V]) -> None:
        """Give up an open group, so that another client has room."""
        self._stats.evicted += 1
        log.warning("%s is given up with %d of %d members: others need its room", group, len(group.entries), group.size)
        self._end(group, GatherFullError(f"{group} was given up: its client holds most, and others need the room"))
        self._drop(group)

    def _forget_oldest(self) -> bool:
        """Forget the group that ended first; whether there was one."""
        oldest = self._ended.first or self._ended_unnamed.first
        if oldest is not None:
            self._drop(oldest)
        return oldest is not None

    def _add(
        self, group: GatheringGroup[P, V], member: Member | None, payload: P, weight: int, now: float
    ) -> GroupEntry[P, V]:
        entry = GroupEntry(group, len(group.entries) if member is None else member, payload, weight)
        is_first = not group.entries
        if is_first:  # a group that had losses only starts to wait now
            group.opened = now
            self._total.put(group, now)
        group.entries[entry.id] = entry
        group.lost.discard(entry.id)
        group.weight += weight
        self._stats.members += 1
        self._stats.held_members += 1
        self._stats.held_bytes += weight
        self._idle.put(group, now)
        if group.is_full:
            self._gathered(group, Ending.LOST if group.lost else Ending.COMPLETE)
        elif is_first:  # later members only postpone deadlines
            self._set_timer()
        return entry

    async def _wait(self, group: GatheringGroup[P, V], entry: GroupEntry[P, V] | None) -> None:
        assert self._loop is not None  # noqa: S101 - set on entry
        waiter = self._loop.create_future()
        group.waiters.add(waiter)
        self._unattended.drop(group)
        self._stats.waiting += 1
        try:
            await waiter
        except asyncio.CancelledError:
            # Also where the caller was cancelled after the verdict was set and before it ran.
            self._stats.withdrawn += 1
            if entry is not None:
                self._leave(entry)
            raise
        finally:
            self._stats.waiting -= 1
            group.waiters.discard(waiter)
            self._attend(group)
            self._let_go(group)

    def _leave(self, entry: GroupEntry[P, V]) -> None:
        """Keep the entry of a cancelled caller, for a retry that only its payload identifies."""
        slot = entry.group.slot
        if slot[0] is not GroupIdentity.NAMED and entry.group.phase is not GatherPhase.GONE:
            deserted = self._abandoned.setdefault((slot, entry.payload), OrderedDict())
            entry.group.abandoned += entry not in deserted
            deserted[entry] = None

    def _take_up(self, entry: GroupEntry[P, V]) -> None:
        """Mark the entry as no longer abandoned."""
        if entry.group.slot[0] is GroupIdentity.NAMED:  # never in there, and its payload need not be hashable
            return
        deserted = self._abandoned.get((entry.group.slot, entry.payload))
        if deserted is not None and entry in deserted:
            del deserted[entry]
            entry.group.abandoned -= 1
            if not deserted:
                del self._abandoned[entry.group.slot, entry.payload]

    def _let_go(self, group: GatheringGroup[P, V]) -> None:
        """Forget a prompt's ended group once its callers have the verdict, unless one has gone: it may come again."""
        is_over = group.phase is GatherPhase.ENDED and group.slot[0] is GroupIdentity.PROMPT
        if is_over and not group.waiters and not group.abandoned:
            self._drop(group)

    def _attend(self, group: GatheringGroup[P, V]) -> None:
        """Start to give up a group without waiting callers: where it is being scored, for nobody, and where it gathers
        and its entries could be mistaken for a new group's."""
        in_time = group.phase is GatherPhase.SCORING or (
            group.phase is GatherPhase.GATHERING and group.slot[0] is GroupIdentity.PROMPT
        )
        if in_time and not group.waiters:
            assert self._loop is not None  # noqa: S101 - it has members
            self._unattended.put(group, self._loop.time())
            self._set_timer()

    def _gathered(self, group: GatheringGroup[P, V], ending: Ending) -> None:
        """End gathering, and have the group scored."""
        if not group.entries:
            self._end(group, GatherError("no member came"))
            self._drop(group)
            return
        assert self._loop is not None  # noqa: S101 - set on entry
        self._stop_gathering(group)
        group.phase = GatherPhase.SCORING
        collected = group.collect(ending)
        self._recent.append(GatheredGroup(len(group.entries), group.size, ending))
        self._stats.completed += ending is Ending.COMPLETE
        self._stats.shortened += ending is Ending.LOST
        self._stats.expired_idle += ending is Ending.IDLE
        self._stats.expired_total += ending is Ending.TOTAL
        if not collected.whole:
            log.warning("%s ended (%s) with %d of %d members", group, ending.value, len(group.entries), group.size)
        self._scoring.put(group, self._loop.time())
        self._attend(group)
        group.task = task = self._loop.create_task(self._verdict(collected))
        self._tasks.add(task)
        task.add_done_callback(partial(self._scored, group))
        self._set_timer()

    async def _verdict(self, collected: Collected[P]) -> V:
        return await self._score(collected)

    def _scored(self, group: GatheringGroup[P, V], task: asyncio.Task[V]) -> None:
        self._tasks.discard(task)
        group.task = None  # a group is remembered for a while, and a task holds its coroutine
        if task.cancelled():
            self._fail(group, "scoring was cancelled", None)
        elif (fault := task.exception()) is not None:
            self._fail(group, f"scoring failed: {described(fault)}", fault)
        elif group.phase is GatherPhase.SCORING:
            group.verdict = task.result()
            self._end(group, None, self._measure_verdict(group.verdict))

    def _fail(self, group: GatheringGroup[P, V], why: str, fault: BaseException | None) -> None:
        if group.phase is not GatherPhase.SCORING:
            return
        error = GatherScoreError(f"{group}: {why}")
        error.__cause__ = fault
        log.error("%s", error, exc_info=None if isinstance(fault, EmpoError) else fault)  # ours say all in their words
        self._stats.failed += 1
        self._end(group, error)

    def _stop_gathering(self, group: GatheringGroup[P, V]) -> None:
        for queue in (self._total, self._idle, self._unattended):
            queue.drop(group)
        self._room.closed(group.client, group)
        if group.slot[0] is GroupIdentity.PROMPT and self._groups.get(group.slot) is group:
            del self._groups[group.slot]

    def _end(self, group: GatheringGroup[P, V], error: GatherError | None, verdict_weight: int = 0) -> None:
        """Release the callers that wait for the group, and remember it for later ones."""
        assert self._loop is not None  # noqa: S101 - a group was made on it
        if group.phase is GatherPhase.GATHERING:
            self._stop_gathering(group)
        self._scoring.drop(group)
        self._unattended.drop(group)
        group.phase, group.error = GatherPhase.ENDED, error
        for waiter in group.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._room.give(group.client, groups=1, members=group.reserved, bytes=group.weight)
        self._stats.held_members -= len(group.entries)
        self._stats.held_bytes -= group.weight
        group.weight += verdict_weight
        self._stats.remembered_bytes += group.weight
        self._room.remembered_bytes += group.weight
        remembered = self._ended_unnamed if group.slot[0] is GroupIdentity.PROMPT else self._ended
        remembered.put(group, self._loop.time())
        if len(remembered) > self.limits.max_remembered and (oldest := remembered.first) is not None:
            self._drop(oldest)
        self._let_go(group)
        self._set_timer()

    def _drop(self, group: GatheringGroup[P, V]) -> None:
        """Forget an ended group."""
        if group.phase is GatherPhase.GONE:
            return
        group.phase = GatherPhase.GONE
        self._ended.drop(group)
        self._ended_unnamed.drop(group)
        self._stats.remembered_bytes -= group.weight
        self._room.remembered_bytes -= group.weight
        if self._groups.get(group.slot) is group:
            del self._groups[group.slot]
        for entry in group.entries.values():
            self._take_up(entry)
        group.entries.clear()  # an entry refers to its group: break the cycle, so that memory is freed at once

    def _set_timer(self) -> None:
        """Set the timer to the next due time; waking early is harmless, so it is only ever moved earlier."""
        queues = (self._total, self._idle, self._unattended, self._scoring, self._ended_unnamed, self._ended)
        due = min(queue.next_due for queue in queues)
        if self._timer is not None and (due < self._timer_due or due == math.inf):
            self._timer.cancel()
            self._timer = None
        if self._timer is None and due < math.inf and self._loop is not None:
            self._timer, self._timer_due = self._loop.call_at(due, self._wake), due

    def _wake(self) -> None:
        assert self._loop is not None  # noqa: S101 - its timer called
        self._timer = None
        now = self._loop.time()
        for group in self._total.pop_due(now):
            self._gathered(group, Ending.TOTAL)
        for group in self._idle.pop_due(now):
            self._gathered(group, Ending.IDLE)
        for group in self._unattended.pop_due(now):
            self._stats.given_up += 1
            self._end(group, GatherError("nobody waited for the group"))
            self._drop(group)
            if group.task is not None:
                group.task.cancel()
        for group in self._scoring.pop_due(now):
            self._fail(group, f"scoring took longer than {self.limits.score_seconds:g} s (score_seconds)", None)
            assert group.task is not None  # noqa: S101 - it is being scored
            group.task.cancel()
        for queue in (self._ended, self._ended_unnamed):
            for group in queue.pop_due(now):
                self._drop(group)
        self._set_timer()


def _checked(size: int) -> int:
    if size < 1:
        raise GatherSizeError(f"a group has at least one member, not {size}")
    return size

"""`Gather`: who joins which group, when a group ends, and who gets what."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import Generic, NoReturn, TypeVar

from empo_rewards.gather.diagnosis import DIAGNOSED_GROUPS, GatheredGroup, diagnose
from empo_rewards.gather.groups import Gathering, Identity, Phase, Place, Queue, Slot
from empo_rewards.gather.types import (
    Collected,
    Ending,
    GatherClosedError,
    GatherError,
    GatherFullError,
    GatherLimits,
    GatherScoreError,
    GatherSizeError,
    GatherStats,
    Member,
    Outcome,
)

log = logging.getLogger("empo_rewards")

P = TypeVar("P")
V = TypeVar("V")

CANCEL_SECONDS = 1.0
"""How long `close` lets a cancelled `score` clean up; one that ignores its cancellation is left behind."""


class Gather(Generic[P, V]):
    """Parks the members of groups until each group has gathered, and gives all of them the group's one verdict.

    It belongs to the event loop that first uses it; no method may be called from another thread.

    Args:
        score: makes the verdict of a group: `await score(collected)`, once a group, in a task of its own. It is called
            for incomplete groups too, and decides what those are worth (a `Scorer` does: `Group.expected_size` and its
            `incomplete` setting). Its work must run off the event loop. What it raises, every member gets as a
            `GatherScoreError`. Without ids it must not depend on the order of the payloads.
        size: how many members a group has where a submission does not say; None: each group's first must say.
        limits: deadlines and bounds.
        reuse_keys: what a key means in submissions without a member id. True: a prompt, for which any number of groups
            may come. False: one group, once, so that what comes when it is full gets its verdict.
        measure: the bytes that a payload takes. The default is right for texts; a composed payload needs its own.

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
    ) -> None:
        self.limits = limits or GatherLimits()
        self._score = score
        self._size = size if size is None else _checked(size)
        self._keyed = Identity.PROMPT if reuse_keys else Identity.ONCE
        self._measure = measure
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = math.inf  # kept here: what uvloop gives for a time that has come does not know it
        self._closed = False

        # By slot: the group in any phase where its key names one group, else the group that is being filled.
        self._groups: dict[Slot, Gathering[P, V]] = {}
        # Members without an id whose caller went away; the longest gone first.
        self._abandoned: dict[tuple[Slot, P], OrderedDict[Place[P, V], None]] = {}
        self._tasks: set[asyncio.Task[V]] = set()

        self._total: Queue[Gathering[P, V]] = Queue(self.limits.total_seconds)  # every gathering group
        self._idle: Queue[Gathering[P, V]] = Queue(self.limits.idle_seconds)  # those that have a member
        self._unattended: Queue[Gathering[P, V]] = Queue(self.limits.abandoned_seconds)  # those that nobody waits for
        self._scoring: Queue[Gathering[P, V]] = Queue(self.limits.score_seconds)
        self._ended_unnamed: Queue[Gathering[P, V]] = Queue(self.limits.abandoned_seconds)
        self._ended: Queue[Gathering[P, V]] = Queue(self.limits.remember_seconds)

        self._reserved = 0  # the sizes of the groups that have not ended
        self._stats = GatherStats()
        self._recent: deque[GatheredGroup] = deque(maxlen=DIAGNOSED_GROUPS)

    async def submit(self, key: Hashable, member: Member | None, payload: P, size: int | None = None) -> Outcome[V]:
        """Join a group and wait for its verdict.

        Args:
            key: what the group is recognised by: its id, or (where `member` is None and keys are reused) its prompt.
            member: the member's id within the group; None where the framework has none. Groups with and without ids
                never meet, not even under one key.
            payload: the member's answer. Of several under one id the first counts. Without ids it must be hashable: the
                same payload takes the place of a member whose caller went away, and is a new member otherwise.
            size: how many members the group has; None: as its other members said, else the default.

        Returns:
            The verdict and the member's position.

        Raises:
            GatherFullError: refused, at once; nothing changed.
            GatherSizeError: no size, or another than the group has.
            GatherScoreError: the group could not be scored.
            GatherClosedError: closed before the group was scored.
            asyncio.CancelledError: the caller went away; its answer stays in the group.
        """
        group, place = self._enter(key, member, payload, size)
        if group.phase is not Phase.ENDED:
            await self._wait(group, place)
        return group.outcome(place)

    def forget(self, key: Hashable, member: Member | None = None, size: int | None = None) -> bool:
        """Say that a member will not come, so that its group does not wait for it.

        A member that is forgotten twice is lost once; one that was forgotten and still comes in time is a member. It
        may be called before any member came. Without an id it counts one loss each time, in the group that the next
        submission of that key (and size) would join.

        Returns:
            Whether it made a difference: not for a member that has answered, and not once the group has gathered.

        Raises:
            GatherFullError, GatherSizeError, GatherClosedError: as for `submit`.
        """
        now = self._now()
        slot = self._slot(key, member, size)
        group = self._groups.get(slot)
        if group is not None:
            self._check_size(group, size)
            if group.phase is not Phase.GATHERING or (
                member is not None and (member in group.places or member in group.lost)
            ):
                return False
        if group is None:
            self._check_room(self._resolved(size))
            group = self._open(slot, size, now)
        group.lost.add(object() if member is None else member)
        self._stats.forgotten += 1
        if group.places:
            self._idle.put(group, now)
        if group.is_full:
            self._gathered(group, Ending.LOST)
        self._set_timer()
        return True

    async def close(self, grace_seconds: float = 0.0) -> None:
        """End: callers of gathering groups get a `GatherClosedError`, and so do later submissions.

        Groups that are being scored may finish within `grace_seconds`; then their callers get that error too. When it
        returns, nobody waits.
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
        """How much there is now, and what has happened since the start."""
        oldest = next((group for group in self._total if group.places), None)
        return replace(
            self._stats,
            open_groups=len(self._total),
            scoring_groups=len(self._scoring),
            remembered_groups=len(self._ended) + len(self._ended_unnamed),
            oldest_seconds=0.0 if oldest is None or self._loop is None else self._loop.time() - oldest.opened,
        )

    def diagnosis(self) -> str | None:
        """Why groups keep ending short, where nearly all of them do and at the same fraction; else None."""
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
            return Identity.NAMED, key, 0
        if self._keyed is Identity.ONCE:
            return Identity.ONCE, key, 0
        return Identity.PROMPT, key, self._resolved(size)

    def _resolved(self, size: int | None) -> int:
        if size is not None:
            return _checked(size)
        if self._size is None:
            raise GatherSizeError("a group's first submission must give its size: this Gather has no default")
        return self._size

    def _check_size(self, group: Gathering[P, V], size: int | None) -> None:
        if size is not None and size != group.size:
            raise GatherSizeError(f"{group} has {group.size} members; a submission says {size}")

    def _enter(
        self, key: Hashable, member: Member | None, payload: P, size: int | None
    ) -> tuple[Gathering[P, V], Place[P, V] | None]:
        """Find or make the submission's place; no place where the verdict is made without it."""
        now = self._now()
        slot = self._slot(key, member, size)
        group, place = self._groups.get(slot), None
        if member is None and (deserted := self._abandoned.get((slot, payload))):
            place = next(iter(deserted))
            group = place.group
        elif group is not None:
            place = group.find(member, payload)
        if group is not None:
            self._check_size(group, size)
            if place is not None or group.phase is not Phase.GATHERING:
                self._repeat(group, place, payload)
                return group, place
        weight = self._measure(payload)
        if group is None:
            self._check_room(self._resolved(size))
        self._make_room(weight)
        group = group or self._open(slot, size, now)
        return group, self._add(group, member, payload, weight, now)

    def _repeat(self, group: Gathering[P, V], place: Place[P, V] | None, payload: P) -> None:
        """Count a submission that adds no member."""
        if group.phase is not Phase.ENDED and self._stats.waiting >= self.limits.max_members:
            self._refuse(f"{self._stats.waiting} callers wait already (max_members)")
        if place is not None:
            self._take_up(place)
            self._stats.joined += 1
            self._stats.conflicts += place.payload != payload
        elif len(group.places) < group.size:
            self._stats.late += 1
        else:
            self._stats.surplus += 1

    def _check_room(self, size: int) -> None:
        """Refuse a group that would pass a bound."""
        if len(self._total) + len(self._scoring) >= self.limits.max_groups:
            self._refuse(f"{self.limits.max_groups} groups are open (max_groups)")
        if self._reserved + size > self.limits.max_members:
            self._refuse(
                f"the open groups have {self._reserved} members, and {size} more would pass {self.limits.max_members} "
                "(max_members)"
            )

    def _open(self, slot: Slot, size: int | None, now: float) -> Gathering[P, V]:
        group: Gathering[P, V] = Gathering(slot, self._resolved(size))
        self._reserved += group.size
        self._groups[slot] = group
        self._total.put(group, now)
        return group

    def _make_room(self, weight: int) -> None:
        """Refuse what does not fit beside the groups that have not ended; what is remembered gives way."""
        limit = self.limits.max_bytes
        if self._stats.held_bytes + weight > limit:
            self._refuse(f"{self._stats.held_bytes} bytes are held, and {weight} more would pass {limit} (max_bytes)")
        while self._stats.held_bytes + self._stats.remembered_bytes + weight > limit:
            oldest = self._ended.first or self._ended_unnamed.first
            assert oldest is not None  # noqa: S101 - the remembered bytes are those of these groups
            self._drop(oldest)

    def _refuse(self, why: str) -> NoReturn:
        self._stats.refused += 1
        raise GatherFullError(why)

    def _add(self, group: Gathering[P, V], member: Member | None, payload: P, weight: int, now: float) -> Place[P, V]:
        place = Place(group, len(group.places) if member is None else member, payload, weight)
        is_first = not group.places
        if is_first:  # a group that only losses were known of starts to wait now
            group.opened = now
            self._total.put(group, now)
        group.places[place.id] = place
        group.lost.discard(place.id)
        group.weight += weight
        self._stats.members += 1
        self._stats.held_members += 1
        self._stats.held_bytes += weight
        self._idle.put(group, now)
        if group.is_full:
            self._gathered(group, Ending.LOST if group.lost else Ending.COMPLETE)
        elif is_first:  # later members only put deadlines off
            self._set_timer()
        return place

    async def _wait(self, group: Gathering[P, V], place: Place[P, V] | None) -> None:
        assert self._loop is not None  # noqa: S101 - set on entry
        waiter = self._loop.create_future()
        group.waiters.add(waiter)
        self._unattended.drop(group)
        self._stats.waiting += 1
        try:
            await waiter
        except asyncio.CancelledError:
            # Also when the verdict was there and the caller was cancelled before it could take it.
            self._stats.withdrawn += 1
            if place is not None:
                self._leave(place)
            raise
        finally:
            self._stats.waiting -= 1
            group.waiters.discard(waiter)
            self._attend(group)

    def _leave(self, place: Place[P, V]) -> None:
        """Keep the place of a caller who went away, for a retry that can only be told by its payload."""
        slot = place.group.slot
        if slot[0] is not Identity.NAMED and place.group.phase is not Phase.GONE:
            self._abandoned.setdefault((slot, place.payload), OrderedDict())[place] = None

    def _take_up(self, place: Place[P, V]) -> None:
        """The place is no longer abandoned."""
        if place.group.slot[0] is Identity.NAMED:  # never in there, and its payload need not be hashable
            return
        deserted = self._abandoned.get((place.group.slot, place.payload))
        if deserted is not None and place in deserted:
            del deserted[place]
            if not deserted:
                del self._abandoned[place.group.slot, place.payload]

    def _attend(self, group: Gathering[P, V]) -> None:
        """Start to give up a group that nobody waits for, where its leftovers could be mistaken for a new group's."""
        if group.slot[0] is Identity.PROMPT and group.phase is Phase.GATHERING and not group.waiters:
            assert self._loop is not None  # noqa: S101 - it has had a waiter
            self._unattended.put(group, self._loop.time())
            self._set_timer()

    def _gathered(self, group: Gathering[P, V], ending: Ending) -> None:
        """Stop gathering, and have the group scored."""
        if not group.places:
            self._end(group, GatherError("no member came"))
            self._drop(group)
            return
        assert self._loop is not None  # noqa: S101 - set on entry
        self._stop_gathering(group)
        group.phase = Phase.SCORING
        collected = group.collect(ending)
        self._recent.append(GatheredGroup(len(group.places), group.size, ending))
        self._stats.completed += ending is Ending.COMPLETE
        self._stats.shortened += ending is Ending.LOST
        self._stats.expired_idle += ending is Ending.IDLE
        self._stats.expired_total += ending is Ending.TOTAL
        if not collected.whole:
            log.warning("%s ended (%s) with %d of %d members", group, ending.value, len(group.places), group.size)
        self._scoring.put(group, self._loop.time())
        group.task = task = self._loop.create_task(self._verdict(collected))
        self._tasks.add(task)
        task.add_done_callback(partial(self._scored, group))
        self._set_timer()

    async def _verdict(self, collected: Collected[P]) -> V:
        return await self._score(collected)

    def _scored(self, group: Gathering[P, V], task: asyncio.Task[V]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            self._fail(group, "scoring was cancelled", None)
        elif (fault := task.exception()) is not None:
            self._fail(group, f"scoring failed: {type(fault).__name__}: {fault}", fault)
        elif group.phase is Phase.SCORING:
            group.verdict = task.result()
            self._end(group, None)

    def _fail(self, group: Gathering[P, V], why: str, fault: BaseException | None) -> None:
        if group.phase is not Phase.SCORING:
            return
        error = GatherScoreError(f"{group}: {why}")
        error.__cause__ = fault
        log.error("%s", error, exc_info=fault)
        self._stats.failed += 1
        self._end(group, error)

    def _stop_gathering(self, group: Gathering[P, V]) -> None:
        for queue in (self._total, self._idle, self._unattended):
            queue.drop(group)
        if group.slot[0] is Identity.PROMPT and self._groups.get(group.slot) is group:
            del self._groups[group.slot]

    def _end(self, group: Gathering[P, V], error: GatherError | None) -> None:
        """Let everyone go who waits for the group, and remember it for those who come later."""
        assert self._loop is not None  # noqa: S101 - a group was made on it
        self._stop_gathering(group)
        self._scoring.drop(group)
        group.phase, group.error = Phase.ENDED, error
        for waiter in group.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._reserved -= group.size
        self._stats.held_members -= len(group.places)
        self._stats.held_bytes -= group.weight
        self._stats.remembered_bytes += group.weight
        remembered = self._ended_unnamed if group.slot[0] is Identity.PROMPT else self._ended
        remembered.put(group, self._loop.time())
        if len(remembered) > self.limits.max_remembered and (oldest := remembered.first) is not None:
            self._drop(oldest)
        self._set_timer()

    def _drop(self, group: Gathering[P, V]) -> None:
        """Remember an ended group no more."""
        group.phase = Phase.GONE
        self._ended.drop(group)
        self._ended_unnamed.drop(group)
        self._stats.remembered_bytes -= group.weight
        if self._groups.get(group.slot) is group:
            del self._groups[group.slot]
        for place in group.places.values():
            self._take_up(place)
        group.places.clear()  # a place knows its group: break the cycle, so that memory is freed at once

    def _set_timer(self) -> None:
        """Wake up when the next thing falls due; early is harmless, so a timer is moved only to an earlier time."""
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

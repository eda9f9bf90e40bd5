"""State of the rendezvous: groups with their entries, and queues of deadlines."""

from __future__ import annotations

import asyncio
import math
import reprlib
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from enum import Enum
from typing import Generic, TypeAlias, TypeVar

from empo_rewards.gather.types import Collected, Ending, GatherError, GatherOutcome, Member

P = TypeVar("P")
V = TypeVar("V")
T = TypeVar("T")


class GroupIdentity(Enum):
    """What identifies a group."""

    NAMED = "named"  # its key; the members have ids
    ONCE = "once"  # its key; the members have no ids
    PROMPT = "prompt"  # a key that several groups share: those of the same key and size are filled one after another


class GatherPhase(Enum):
    """The state of a group."""

    GATHERING = "gathering"
    SCORING = "scoring"  # takes no more members
    ENDED = "ended"  # has its verdict or error, and is remembered for retries and late members
    GONE = "gone"


Slot: TypeAlias = tuple[GroupIdentity, Hashable, int]
"""The lookup key of a group: identity, key, and size (0 where the size is not part of it)."""


class GroupEntry(Generic[P, V]):
    """A member of a group: its id, payload, and position once the group has gathered."""

    __slots__ = ("group", "id", "payload", "position", "weight")

    def __init__(self, group: GatheringGroup[P, V], member: Member, payload: P, weight: int) -> None:
        self.group = group
        self.id = member
        self.payload = payload
        self.weight = weight
        self.position: int | None = None


class GatheringGroup(Generic[P, V]):
    """One group, from its first member (or loss) until it is forgotten.

    `client` is the one that opened it; `reserved` are the members that it takes of the room; of `abandoned` members
    all callers have gone away.
    """

    __slots__ = (
        "abandoned", "client", "entries", "error", "lost", "opened", "phase", "reserved", "size", "slot", "task",
        "verdict", "waiters", "weight",
    )  # fmt: skip

    def __init__(self, slot: Slot, size: int, client: Hashable) -> None:
        self.slot = slot
        self.size = size
        self.client = client
        self.reserved = self.abandoned = 0
        self.phase = GatherPhase.GATHERING
        self.opened = 0.0
        self.entries: dict[Member, GroupEntry[P, V]] = {}
        self.lost: set[object] = set()
        self.waiters: set[asyncio.Future[None]] = set()
        self.weight = 0
        self.task: asyncio.Task[V] | None = None
        self.verdict: V
        self.error: GatherError | None = None

    def __str__(self) -> str:
        return f"group {reprlib.repr(self.slot[1])}"  # a key may be a whole prompt

    @property
    def is_full(self) -> bool:
        """Whether no further member is expected."""
        return len(self.entries) + len(self.lost) >= self.size

    def find(self, member: Member | None, payload: P) -> GroupEntry[P, V] | None:
        """The entry that a submission repeats: the one with its id.

        Without an id a repetition cannot be told from another member with the same payload while the group gathers;
        afterwards the same payload is the same member.
        """
        if member is not None:
            return self.entries.get(member)
        if self.phase is GatherPhase.GATHERING:
            return None
        return next((entry for entry in self.entries.values() if entry.payload == payload), None)

    def collect(self, ending: Ending) -> Collected[P]:
        """The collected group; its members are in the order of their ids, or of arrival without ids."""
        entries = list(self.entries.values())
        named = self.slot[0] is GroupIdentity.NAMED
        if named:
            entries.sort(key=lambda entry: (True, 0, entry.id) if isinstance(entry.id, str) else (False, entry.id, ""))
        for position, entry in enumerate(entries):
            entry.position = position
        return Collected(
            key=self.slot[1],
            payloads=tuple(entry.payload for entry in entries),
            members=tuple(entry.id for entry in entries) if named else (),
            expected=self.size,
            lost=len(self.lost),
            ending=ending,
        )

    def outcome(self, entry: GroupEntry[P, V] | None) -> GatherOutcome[V]:
        """The outcome of a member, or (None) of a caller that the verdict does not include."""
        if self.error is not None:
            # A copy: raising one exception in many tasks would grow its traceback with each.
            raise type(self.error)(str(self.error)) from self.error.__cause__
        return GatherOutcome(self.verdict, None if entry is None else entry.position)


class DelayQueue(Generic[T]):
    """Items that fall due a fixed time after they were put in: insertion order is due order.

    An OrderedDict, because repeatedly removing the first item of a dict is quadratic.
    """

    __slots__ = ("_delay", "_due")

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._due: OrderedDict[T, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._due)

    def __iter__(self) -> Iterator[T]:
        return iter(self._due)

    def put(self, item: T, now: float) -> None:
        """Put an item in, or postpone its due time."""
        self._due[item] = now + self._delay
        self._due.move_to_end(item)

    def drop(self, item: T) -> None:
        """Take an item out, if it is here."""
        self._due.pop(item, None)

    @property
    def first(self) -> T | None:
        """The item that falls due first."""
        return next(iter(self._due), None)

    @property
    def next_due(self) -> float:
        """The due time of that item; infinity where there is none."""
        return next(iter(self._due.values()), math.inf)

    def pop_due(self, now: float) -> Iterator[T]:
        """Take out the items that have fallen due."""
        while self._due and self.next_due <= now:
            yield self._due.popitem(last=False)[0]

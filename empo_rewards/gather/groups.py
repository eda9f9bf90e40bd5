"""The rendezvous' own state: groups and their places, and queues of what falls due."""

from __future__ import annotations

import asyncio
import math
import reprlib
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from enum import Enum
from typing import Generic, TypeAlias, TypeVar

from empo_rewards.gather.types import Collected, Ending, GatherError, Member, Outcome

P = TypeVar("P")
V = TypeVar("V")
T = TypeVar("T")


class Identity(Enum):
    """What a group is recognised by."""

    NAMED = "named"  # its key; the members have ids
    ONCE = "once"  # its key; the members have none
    PROMPT = "prompt"  # a key that other groups have too: groups of the same key and size are filled one after another


class Phase(Enum):
    """How far a group has come."""

    GATHERING = "gathering"
    SCORING = "scoring"  # takes no more members
    ENDED = "ended"  # has its verdict (or error), and is remembered for those who come later
    GONE = "gone"


Slot: TypeAlias = tuple[Identity, Hashable, int]
"""What a submission looks its group up by."""


class Place(Generic[P, V]):
    """One member of a group."""

    __slots__ = ("group", "id", "payload", "position", "weight")

    def __init__(self, group: Gathering[P, V], member: Member, payload: P, weight: int) -> None:
        self.group = group
        self.id = member
        self.payload = payload
        self.weight = weight
        self.position: int | None = None


class Gathering(Generic[P, V]):
    """One group, from its first member (or loss) until it is remembered no more."""

    __slots__ = ("error", "lost", "opened", "phase", "places", "size", "slot", "task", "verdict", "waiters", "weight")

    def __init__(self, slot: Slot, size: int) -> None:
        self.slot = slot
        self.size = size
        self.phase = Phase.GATHERING
        self.opened = 0.0
        self.places: dict[Member, Place[P, V]] = {}
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
        """Whether nobody else is expected."""
        return len(self.places) + len(self.lost) >= self.size

    def find(self, member: Member | None, payload: P) -> Place[P, V] | None:
        """The place that a submission repeats.

        By its id. Without one a repetition cannot be told from a peer with the same text while there is room for one;
        once the group has gathered, the same payload is the same member.
        """
        if member is not None:
            return self.places.get(member)
        if self.phase is Phase.GATHERING:
            return None
        return next((place for place in self.places.values() if place.payload == payload), None)

    def collect(self, ending: Ending) -> Collected[P]:
        """The members in an order that their arrival has no part in, where they have ids."""
        places = list(self.places.values())
        named = self.slot[0] is Identity.NAMED
        if named:
            places.sort(key=lambda place: (True, 0, place.id) if isinstance(place.id, str) else (False, place.id, ""))
        for position, place in enumerate(places):
            place.position = position
        return Collected(
            key=self.slot[1],
            payloads=tuple(place.payload for place in places),
            members=tuple(place.id for place in places) if named else (),
            expected=self.size,
            lost=len(self.lost),
            ending=ending,
        )

    def outcome(self, place: Place[P, V] | None) -> Outcome[V]:
        """What the member in `place` gets, or (None) a caller whom the verdict was made without."""
        if self.error is not None:
            # A copy: raising one exception in many tasks would grow its traceback in all of them.
            raise type(self.error)(str(self.error)) from self.error.__cause__
        return Outcome(self.verdict, None if place is None else place.position)


class Queue(Generic[T]):
    """Items that fall due a fixed time after they were put in: insertion order is due order.

    An OrderedDict, because taking the first item of a dict again and again is quadratic.
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
        """Put an item in, or put its due time off."""
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
        """When that is; infinity where there is none."""
        return next(iter(self._due.values()), math.inf)

    def pop_due(self, now: float) -> Iterator[T]:
        """Take out the items that have fallen due."""
        while self._due and self.next_due <= now:
            yield self._due.popitem(last=False)[0]

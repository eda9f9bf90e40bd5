"""What goes into the rendezvous and what comes out of it: limits, collected groups, outcomes, counts, errors."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, fields
from enum import Enum
from typing import Generic, TypeAlias, TypeVar

from empo_rewards.errors import ConfigError, EmpoError

P = TypeVar("P")
V = TypeVar("V")

Member: TypeAlias = int | str
"""What tells the members of one group apart."""


class GatherError(EmpoError):
    """The base of what `Gather` raises."""


class GatherFullError(GatherError):
    """Refused: one more would pass a bound. Nothing was changed, and the same submission may be tried again later."""


class GatherClosedError(GatherError):
    """The rendezvous was closed: the group was not scored, or the submission came too late."""


class GatherSizeError(GatherError, ValueError):
    """The size of a group is missing, is less than 1, or is not the size that its other members gave."""


class GatherScoreError(GatherError):
    """Scoring the group failed or took too long. Every member of the group gets this error; its cause is the fault."""


class Ending(str, Enum):
    """Why a group stopped gathering."""

    COMPLETE = "complete"
    """All of its members came."""
    LOST = "lost"
    """All came but those that were forgotten."""
    IDLE = "idle"
    """Nothing was heard of it for `idle_seconds`."""
    TOTAL = "total"
    """Its first member has waited for `total_seconds`."""


@dataclass(frozen=True)
class Collected(Generic[P]):
    """What was gathered of one group: what `score` is given.

    Args:
        key: the group's key, as submitted.
        payloads: what its members submitted: at least one, in the order of their ids (numbers first, then texts);
            without ids in order of arrival.
        members: their ids, in the same order; empty without ids.
        expected: how many members the group has.
        lost: how many of the missing were forgotten.
        ending: why the group stopped gathering.
    """

    key: Hashable
    payloads: tuple[P, ...]
    members: tuple[Member, ...]
    expected: int
    lost: int
    ending: Ending

    @property
    def whole(self) -> bool:
        """Whether all of the group is here."""
        return len(self.payloads) == self.expected


@dataclass(frozen=True)
class Outcome(Generic[V]):
    """What one caller gets: the group's verdict, and where its own member stands in `Collected.payloads`.

    `position` is None where the verdict was made without this member: it came late, or it was one more than the group
    has. Such a member has no reward of its own and must be treated as unscored.
    """

    verdict: V
    position: int | None


@dataclass(frozen=True)
class GatherLimits:
    """How long and how much a `Gather` waits for and holds. Times are in seconds of the event loop's clock.

    Args:
        idle_seconds: a group ends when nothing new was heard of it for so long. It must outlast the difference between
            a group's shortest and its longest generation.
        total_seconds: a group ends so long after its first member came, whatever still comes.
        score_seconds: how long scoring one group may take.
        abandoned_seconds: without ids: for how long after its end a group's abandoned members can still be taken up by
            a retry, and after which a group that nobody waits for is given up.
        remember_seconds: with ids: for how long after its end a group's verdict is kept for retries and late members.
        max_groups: groups that may be open or being scored.
        max_members: members that these groups may have, by their sizes: a group that was let in can always become
            whole. Also the number of waiting callers at which a repeated submission is refused.
        max_bytes: the payloads of all groups, the remembered ones included; these go first when room is needed.
        max_remembered: ended groups that are remembered, of each kind (with ids, without).

    Raises:
        ConfigError: a limit is not a positive, finite number.
    """

    idle_seconds: float = 600.0
    total_seconds: float = 3600.0
    score_seconds: float = 600.0
    abandoned_seconds: float = 60.0
    remember_seconds: float = 3600.0
    max_groups: int = 65_536
    max_members: int = 1_048_576
    max_bytes: int = 2**30
    max_remembered: int = 4_096

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not (value > 0 and math.isfinite(value)):
                raise ConfigError(f"gather: {limit.name} must be positive and finite, not {value!r}")


@dataclass
class GatherStats:
    """A copy of the state: how much there is now, and what has happened since the start.

    Now: `open_groups` gather, `scoring_groups` are being scored, `remembered_groups` have ended; `waiting` callers;
    `held_members` and `held_bytes` of groups that have not ended, `remembered_bytes` of those that have;
    `oldest_seconds` is the age of the oldest open group.

    Since the start: `members` taken in; groups that stopped gathering `completed`, `shortened` (the rest was lost),
    `expired_idle`, `expired_total`, or were `given_up`; groups that `failed` to be scored; `joined`: submissions that
    joined a member that was there already (retries, padding); `conflicts`: those of them with another payload;
    `withdrawn` waits; `forgotten` members; `late` and `surplus`: submissions that got a verdict made without them,
    because their group had ended short or because it was full; `refused` submissions.
    """

    open_groups: int = 0
    scoring_groups: int = 0
    remembered_groups: int = 0
    waiting: int = 0
    held_members: int = 0
    held_bytes: int = 0
    remembered_bytes: int = 0
    oldest_seconds: float = 0.0
    members: int = 0
    completed: int = 0
    shortened: int = 0
    expired_idle: int = 0
    expired_total: int = 0
    given_up: int = 0
    failed: int = 0
    joined: int = 0
    conflicts: int = 0
    withdrawn: int = 0
    forgotten: int = 0
    late: int = 0
    surplus: int = 0
    refused: int = 0

"""Types of the rendezvous: limits, collected groups, outcomes, statistics, errors."""

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
"""The id of a member within its group."""


class GatherError(EmpoError):
    """The base of the errors that `Gather` raises."""


class GatherFullError(GatherError):
    """A submission would pass a bound. Nothing was changed; it may be tried again later."""


class GatherConflictError(GatherError):
    """A submission contradicts its group: another answer under a member's id, or what its group's members are not."""


class GatherClosedError(GatherError):
    """The rendezvous was closed before the group was scored, or before the submission."""


class GatherSizeError(GatherError, ValueError):
    """The size of a group is missing, is less than 1, or differs from the size that its other members gave."""


class GatherScoreError(GatherError):
    """Scoring the group failed or took too long. Every member of the group gets this error, with its cause."""


class Ending(str, Enum):
    """Why a group stopped gathering."""

    COMPLETE = "complete"
    """All of its members arrived."""
    LOST = "lost"
    """All arrived but those that were reported lost."""
    IDLE = "idle"
    """No member arrived and no loss was reported for `idle_seconds`."""
    TOTAL = "total"
    """Its first member has waited for `total_seconds`."""


@dataclass(frozen=True)
class Collected(Generic[P]):
    """The gathered part of one group: the argument of `score`.

    Args:
        key: the group's key, as submitted.
        payloads: of its members, at least one; in the order of their ids (numbers first, then texts), without ids in
            order of arrival.
        members: their ids, in the same order; empty without ids.
        expected: how many members the group has.
        lost: how many of the missing were reported lost.
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
        """Whether all members arrived."""
        return len(self.payloads) == self.expected


@dataclass(frozen=True)
class GatherOutcome(Generic[V]):
    """The result of one submission: the group's verdict, and the member's index in `Collected.payloads`.

    `position` is None where the verdict does not include this member: it was late, or one more than the group has.
    Such a member has no reward of its own and must be treated as unscored.
    """

    verdict: V
    position: int | None


@dataclass(frozen=True)
class GatherLimits:
    """Deadlines and bounds of a `Gather`. Times are in seconds of the event loop's clock.

    Args:
        idle_seconds: a group ends when no member arrived and no loss was reported for so long. It must exceed the
            difference between a group's shortest and longest generation.
        total_seconds: a group ends so long after its first member at the latest.
        score_seconds: how long scoring one group may take.
        abandoned_seconds: how long a group is scored without waiting callers. Without ids also: how long after its end
            a group's abandoned members can still be taken up by a retry (a group without any is forgotten at its end),
            and after which an open group without waiting callers is given up.
        remember_seconds: with ids: how long after its end a group's verdict is kept for retries and late members.
        max_groups: groups that may be open or in scoring.
        max_members: members that these groups may have, by their sizes: an accepted group can always become complete.
            A group without members counts as its losses. Also the number of waiting callers at which a repeated
            submission is refused.
        max_bytes: the payloads of all groups, the remembered ones included, which are dropped first.
        max_remembered: ended groups that are remembered, with ids and without each.

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
    """Gauges of the present state, and counters since the start.

    Gauges: `open_groups` gather, `scoring_groups` are in scoring, `remembered_groups` have ended; `waiting` callers;
    `held_members` and `held_bytes` of groups that have not ended, `remembered_bytes` of those that have;
    `oldest_seconds` is the age of the oldest open group.

    Counters: accepted `members`; groups that ended `completed`, `shortened` (the rest was lost), `expired_idle`,
    `expired_total`, `given_up` or `evicted` (others needed the room); groups whose scoring `failed`; `joined`:
    submissions that repeated an existing member (retries, padding); `conflicts`: submissions that contradict their
    group; `withdrawn` waits; `forgotten` members; `late` and `surplus`: submissions whose verdict does not include
    them, because their group had ended incomplete or because it was full; `refused` submissions.
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
    evicted: int = 0
    failed: int = 0
    joined: int = 0
    conflicts: int = 0
    withdrawn: int = 0
    forgotten: int = 0
    late: int = 0
    surplus: int = 0
    refused: int = 0

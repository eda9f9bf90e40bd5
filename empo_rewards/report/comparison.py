"""What differs between two scores of the same group, and over many groups."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from empo_rewards.errors import GroupError
from empo_rewards.group import AnswerKind, GroupScore
from empo_rewards.report.numbers import majority_is_right, mean

TOLERANCE = 1e-9
"""Rewards and entropies that differ by less are the same."""


class Change(str, Enum):
    """What can differ between two scores of one group."""

    FOUND = "answers found"
    """Some responses have an answer in the second score only."""
    LOST = "answers lost"
    ANSWERS = "other answers"
    """Some responses have another text for their answer."""
    JOINED = "clusters joined"
    """Some responses with an answer share a cluster in the second score only."""
    SPLIT = "clusters split"
    REWARDS = "rewards"
    ENTROPY = "entropy"
    MAJORITY = "majority"
    """The largest cluster has other responses in common: none of the first one's."""
    GAINED = "majority right"
    """It is right in the second score only."""
    SPOILT = "majority wrong"
    OUTCOME = "outcome"
    """Scored, partial, unscored, or its cause."""


def changes(one: GroupScore, other: GroupScore) -> tuple[Change, ...]:
    """What differs, from the first score of a group to the second.

    Raises:
        GroupError: they are not scores of the same number of responses.
    """
    if one.size != other.size:
        raise GroupError(f"group {one.id!r} has {one.size} responses in one score and {other.size} in the other")
    before, after = _answers(one), _answers(other)
    both = [k for k in range(one.size) if before[k] is not None and after[k] is not None]
    pairs = [(one.clusters[k], other.clusters[k]) for k in both] if one.clusters and other.clusters else []
    right = [majority_is_right(score.metrics) for score in (one, other)]
    found = {
        Change.FOUND: any(a is None and b is not None for a, b in zip(before, after, strict=True)),
        Change.LOST: any(a is not None and b is None for a, b in zip(before, after, strict=True)),
        Change.ANSWERS: any(before[k] != after[k] for k in both),
        Change.JOINED: len({*pairs}) > len({is_ for _, is_ in pairs}),
        Change.SPLIT: len({*pairs}) > len({was for was, _ in pairs}),
        Change.REWARDS: not all(map(_same, one.rewards, other.rewards)),
        Change.ENTROPY: not _same(one.entropy, other.entropy),
        Change.MAJORITY: _largest(one).isdisjoint(_largest(other)) and bool(_largest(one) or _largest(other)),
        Change.GAINED: right == [False, True],
        Change.SPOILT: right == [True, False],
        Change.OUTCOME: (one.status, one.cause) != (other.status, other.cause),
    }
    return tuple(change for change, there in found.items() if there)


@dataclass
class Differences:
    """Totals of the differences between two scores of each of many groups."""

    groups: int = 0
    changed: list[tuple[int, str | None, tuple[Change, ...]]] = field(default_factory=list)
    """The number (from 1), the id and the changes of each group that differs."""
    metrics: tuple[dict[str, list[float]], dict[str, list[float]]] = field(default_factory=lambda: ({}, {}))
    """Values of the first scores' metrics and of the second's."""

    def add(self, one: GroupScore, other: GroupScore) -> tuple[Change, ...]:
        """Take in two scores of a group, and return what differs."""
        self.groups += 1
        for score, values in zip((one, other), self.metrics, strict=True):
            for name in SHOWN & score.metrics.keys():
                values.setdefault(name, []).append(score.metrics[name])
        if found := changes(one, other):
            self.changed.append((self.groups, other.id, found))
        return found

    def to_dict(self) -> dict[str, Any]:
        """The totals, JSON-ready: groups, how many changed and how, means before and after, and the changed groups."""
        counts = Counter(change for _, _, found in self.changed for change in found)
        means = [{name: mean(of) for name, of in sorted(values.items())} for values in self.metrics]
        return {
            "groups": self.groups,
            "changed": len(self.changed),
            "by_change": {change.value: counts[change] for change in Change if counts[change]},
            "means": {
                name: [means[0].get(name), means[1].get(name)] for name in sorted(means[0].keys() | means[1].keys())
            },
            "changed_groups": [
                {"number": number, "id": name, "changes": [change.value for change in found]}
                for number, name, found in self.changed
            ],
        }


SHOWN = frozenset(
    ("entropy", "largest_share", "unanimous", "blanks", "accuracy", "pseudo_label_accuracy", "reward_accuracy")
)
"""Metrics whose means are compared."""


def _answers(score: GroupScore) -> list[str | None]:
    return [answer.text if answer.kind is AnswerKind.ANSWER else None for answer in score.answers]


def _largest(score: GroupScore) -> set[int]:
    """The responses of the largest clusters of answers."""
    voters = [k for k, answer in enumerate(score.answers) if answer.kind is AnswerKind.ANSWER and score.clusters]
    share = max((score.cluster_shares[score.clusters[k]] for k in voters), default=0.0)
    return {k for k in voters if score.cluster_shares[score.clusters[k]] == share}


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) < TOLERANCE

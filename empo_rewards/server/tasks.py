"""What worker processes do for the server, so that its event loop never does it: read bodies, score, write answers."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeVar

from empo_rewards.group import Cause, Group, GroupScore
from empo_rewards.server.bodies import decode, encode, finite
from empo_rewards.server.schemas import read_groups
from empo_rewards.workers import StreamScorer

T = TypeVar("T")


class PackedGroups(NamedTuple):
    """The groups of a body of `/score`, each pickled by itself; `many`: they are answered as a list."""

    many: bool
    groups: list[bytes]


class PackedScore(NamedTuple):
    """A group's score as JSON, and what the metrics want of it: the score with its answers' kinds only."""

    json: bytes
    score: GroupScore


def parse(read: Callable[[bytes], T], body: bytes, scorer: StreamScorer) -> T:
    """What a function reads in a body. The scorer is not needed.

    Raises:
        RequestError: what the function raises.
    """
    return read(body)


def pack_groups(body: bytes, scorer: StreamScorer) -> PackedGroups:
    """The groups of a body of `/score`.

    Raises:
        RequestError: it is not JSON, or not one or several groups.
        GroupError: one of them is no group.
    """
    many, groups = read_groups(decode(body))
    return PackedGroups(many, [pickle.dumps(group) for group in groups])


def score_group(group: Group, scorer: StreamScorer) -> GroupScore:
    """The score of one group."""
    return next(iter(scorer.score_many([group])))


def score_packed(packed: bytes, scorer: StreamScorer) -> PackedScore:
    """The score of one group of `pack_groups`."""
    return _packed(score_group(pickle.loads(packed), scorer))  # noqa: S301 - `pack_groups` has made it


def unscored_packed(packed: bytes, why: str) -> PackedScore:
    """The same where scoring failed."""
    return _packed(GroupScore.unscored(pickle.loads(packed), Cause.SCORING_FAILED, why))  # noqa: S301 - as above


def _packed(score: GroupScore) -> PackedScore:
    kinds = tuple(replace(answer, text="") for answer in score.answers)
    return PackedScore(encode(finite(score.to_dict())), replace(score, answers=kinds))

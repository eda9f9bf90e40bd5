"""The reward of one row, with the same metrics as every other row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from empo_rewards.gather.samples import LOG_PREFIX, SAMPLE_METRICS, SampleReward
from empo_rewards.group import GroupScore

OWN_CAUSES = ("refused", "failed", "unreachable", "surplus")
"""Why a row has no reward, beside the causes of its group: the rendezvous refused it (a bound); scoring failed or took
too long; the rendezvous could not be reached; the group was scored without this row, which was late or one too many."""

KEYS = ("acc", "group_size", "group_expected", *SAMPLE_METRICS, *(f"unscored/{cause}" for cause in OWN_CAUSES))
"""The keys of `reward_extra_info`, in every row of training and validation.

A training row has floats, NaN for a missing value. A validation row has `acc`, and None elsewhere: verl leaves None out
of its validation metrics, and would bootstrap anything else a thousand times.
"""

DETAILS = tuple(LOG_PREFIX + name for name in ("answer", "cluster", "reward", "cause"))
"""Further keys, for verl's dumps of rollouts: the extracted answer, the number of its meaning cluster (0: the largest),
the reward where the row has one of its own, and otherwise why not. The prefix keeps them apart from a data set's
columns.
"""

ANSWER_CHARS = 200
"""Longer answers are cut in a dump."""


class RowDetails(NamedTuple):
    """The values of `DETAILS`; None for what a row lacks."""

    answer: str | None = None
    cluster: int | None = None
    reward: float | None = None
    cause: str | None = None


class RowReward(NamedTuple):
    """The reward and the metrics of one row; compact, because each row's is sent on its own.

    Args:
        reward: finite, in training.
        numbers: the values of `KEYS`.
        details: see `DETAILS`.
    """

    reward: float
    numbers: tuple[float | None, ...]
    details: RowDetails

    @property
    def metrics(self) -> dict[str, float | int | str | None]:
        """The metrics and the details by name."""
        return dict(zip((*KEYS, *DETAILS), (*self.numbers, *self.details), strict=True))

    def as_result(self) -> dict[str, object]:
        """In verl's format."""
        return {"reward_score": self.reward, "reward_extra_info": self.metrics}


def of_sample_reward(result: SampleReward) -> RowReward:
    """The reward of a training row."""
    score = result.score
    metrics: dict[str, float | None] = dict.fromkeys(KEYS, 0.0)
    metrics.update(result.metrics())
    metrics["acc"] = _number(result.correct)
    metrics["group_size"], metrics["group_expected"] = float(score.size), float(score.expected_size)
    if result.position is None:
        metrics["unscored/surplus"] = 1.0
    is_told_apart = not result.trained and votes_are_told_apart(score)
    reward = vote_reward(result.reward, score) if is_told_apart else result.reward
    return _row_reward(reward, metrics, _details(score, result.position, result.scored))


def votes_are_told_apart(score: GroupScore) -> bool:
    """Whether the votes of a group have a reward of their own, by which the advantage estimator knows them.

    Where all rewards are the same and nothing is added to advantages, every advantage is 0: then votes have that one,
    too, so that DAPO's filter sees that nothing differs.
    """
    given = {reward for reward in score.rewards if reward is not None}
    return score.trained is not None and bool(given) and (len(given) > 1 or score.advantage_shift != 0)


def vote_reward(neutral: float, score: GroupScore) -> float:
    """The reward of a row that only voted: the neutral value, or the next one above that no row of the group has.

    By it the advantage estimator tells votes from rows that are trained on, in single precision, as verl keeps rewards.
    """
    taken = {np.float32(reward) for reward in (*score.rewards, neutral) if reward is not None}
    vote = np.nextafter(np.float32(neutral), np.float32(np.inf))
    while vote in taken:
        vote = np.nextafter(vote, np.float32(np.inf))
    return float(vote)


def of_fault(cause: str, neutral: float) -> RowReward:
    """The reward of a training row without a score.

    Args:
        cause: one of `OWN_CAUSES`.
        neutral: the reward.
    """
    metrics: dict[str, float | None] = {
        key: 0.0 if key.startswith("unscored/") or key in ("scored", "partial", "labelled") else math.nan
        for key in KEYS
    }
    metrics["advantage_scale"], metrics["advantage_shift"] = 1.0, 0.0
    metrics[f"unscored/{cause}"] = 1.0
    return _row_reward(neutral, metrics, RowDetails(cause=cause))


def of_validation(score: GroupScore) -> RowReward:
    """The reward of a validation row: 1 right, 0 wrong, NaN without a label or where the comparison failed."""
    correct = None if score.correct is None else score.correct[0]
    metrics: dict[str, float | None] = dict.fromkeys(KEYS)
    metrics["acc"] = _number(correct)
    details = _details(score, 0, has_reward=False)
    return _row_reward(_number(correct), metrics, details._replace(cluster=None))


def _details(score: GroupScore, position: int | None, has_reward: bool) -> RowDetails:
    """The details of the response at a position of its group; None: the group was scored without it."""
    if position is None:
        return RowDetails(cause="surplus")
    return RowDetails(
        score.answers[position].text[:ANSWER_CHARS] if position < len(score.answers) else None,
        score.clusters[position] if position < len(score.clusters) else None,
        score.rewards[position] if has_reward else None,
        None if score.cause is None else score.cause.value,
    )


def _row_reward(reward: float, metrics: Mapping[str, float | None], details: RowDetails) -> RowReward:
    return RowReward(reward, tuple(metrics[key] for key in KEYS), details)


def _number(correct: bool | None) -> float:
    return math.nan if correct is None else float(correct)

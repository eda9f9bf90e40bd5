"""What one row is given: a number, and the same metrics as every other row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from empo_rewards.gather.samples import SAMPLE_METRICS, SampleReward
from empo_rewards.group import GroupScore

OWN_CAUSES = ("refused", "failed", "unreachable", "surplus")
"""Why a row has no reward, beside the causes of a group.

The rendezvous refused it (a bound); scoring failed or took too long; the rendezvous could not be reached; the group was
scored without this row, which came late or was one too many.
"""

KEYS = ("acc", "group_size", "group_expected", *SAMPLE_METRICS, *(f"unscored/{cause}" for cause in OWN_CAUSES))
"""The keys of `reward_extra_info`, in every row of every phase.

A training row has floats, NaN where there is no such number. A validation row has `acc`, and None elsewhere: verl
leaves None out of its validation metrics, and would bootstrap anything else a thousand times.
"""


class Verdict(NamedTuple):
    """What one row is given; small, as each row's travels on its own.

    Args:
        reward: finite, in training.
        numbers: one for each of `KEYS`.
    """

    reward: float
    numbers: tuple[float | None, ...]

    @property
    def metrics(self) -> dict[str, float | None]:
        """The numbers by name."""
        return dict(zip(KEYS, self.numbers, strict=True))

    def as_result(self) -> dict[str, object]:
        """In verl's own form."""
        return {"reward_score": self.reward, "reward_extra_info": self.metrics}


def of_sample_reward(result: SampleReward) -> Verdict:
    """What the rendezvous gave for a training row."""
    score = result.score
    metrics: dict[str, float | None] = dict.fromkeys(KEYS, 0.0)
    metrics.update(result.metrics())
    metrics["acc"] = _number(result.correct)
    metrics["group_size"], metrics["group_expected"] = float(score.size), float(score.expected_size)
    if result.position is None:
        metrics["unscored/surplus"] = 1.0
    return _verdict(result.reward, metrics)


def of_fault(cause: str, neutral: float) -> Verdict:
    """A training row that got no score at all.

    Args:
        cause: one of `OWN_CAUSES`.
        neutral: the value that means no signal.
    """
    metrics: dict[str, float | None] = {
        key: 0.0 if key.startswith("unscored/") or key in ("scored", "partial", "labelled") else math.nan
        for key in KEYS
    }
    metrics["advantage_scale"] = 1.0
    metrics[f"unscored/{cause}"] = 1.0
    return _verdict(neutral, metrics)


def of_validation(score: GroupScore) -> Verdict:
    """A validation row, scored by itself: right 1, wrong 0, NaN where there is no label or it could not be compared."""
    correct = None if score.correct is None else score.correct[0]
    metrics: dict[str, float | None] = dict.fromkeys(KEYS)
    metrics["acc"] = _number(correct)
    return _verdict(_number(correct), metrics)


def _verdict(reward: float, metrics: Mapping[str, float | None]) -> Verdict:
    return Verdict(reward, tuple(metrics[key] for key in KEYS))


def _number(correct: bool | None) -> float:
    return math.nan if correct is None else float(correct)

"""What the latest groups look like together: whether their answers still depend on their prompts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from empo_rewards.monitor.estimates import mean_and_error, pair_chance
from empo_rewards.monitor.observation import Observation, commonest

DISSENT = 2
"""Prompts that agree with none, added to each window: where all of a few agree, the next ones need not."""


@dataclass(frozen=True)
class Reading:
    """What a window of groups looks like.

    Args:
        prompts: how many different ones; of each, its last group counts.
        agreement: the chance that two different prompts have the same majority answer; unbiased for any number of them.
        distinct_majorities: different majority answers, by the number of prompts.
        commonest: the commonest majority answer; None: no answer.
        commonest_prompts: how many prompts have it.
        commonest_share: the share of the commonest answer of all responses in all of them.
        majority_share, deviation: the mean of the majorities' shares of their groups, and its standard deviation.
        unanimous: the share of unanimous groups.
        blanks: the share of responses without an answer, or with one that a guard caught.
        entropy: mean semantic entropy in nats; NaN where none is known.
        length: mean length of the responses in characters.
    """

    prompts: int
    agreement: float
    distinct_majorities: float
    commonest: str | None
    commonest_prompts: int
    commonest_share: float
    majority_share: float
    deviation: float
    unanimous: float
    blanks: float
    entropy: float
    length: float


def read(window: Sequence[Observation]) -> Reading:
    """The reading of a window, oldest group first; at least one group."""
    latest = list({seen.prompt: seen for seen in window}.values())
    majorities = Counter(seen.majority for seen in latest)
    prompts = len(latest)
    most = commonest(majorities)
    answers: Counter[str | None] = Counter()
    for seen in latest:
        answers.update(seen.answers)
    responses = sum(answers.values())
    shares = [0.0 if seen.majority is None else seen.answers[seen.majority] / seen.size for seen in latest]
    mean, error = mean_and_error(shares)
    entropies = [seen.entropy for seen in latest if seen.entropy is not None]
    return Reading(
        prompts=prompts,
        agreement=pair_chance(majorities.values(), prompts) if prompts > 1 else 0.0,
        distinct_majorities=len(majorities) / prompts,
        commonest=most,
        commonest_prompts=majorities[most],
        commonest_share=max(answers.values()) / responses,
        majority_share=mean,
        deviation=error,
        unanimous=sum(seen.unanimous for seen in latest) / prompts,
        blanks=answers[None] / responses,
        entropy=math.fsum(entropies) / len(entropies) if entropies else math.nan,
        length=math.fsum(seen.length for seen in latest) / prompts,
    )


def odds(reading: Reading) -> float:
    """The odds of agreement, kept finite: `DISSENT` prompts that agree with none are added."""
    prompts = reading.prompts
    whole = prompts + DISSENT
    chance = reading.agreement * prompts * (prompts - 1) / (whole * (whole - 1))
    return chance / (1 - chance)

"""Statistics of a sliding window of groups: whether answers still depend on prompts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from empo_rewards.monitor.estimates import mean_and_error, pair_chance
from empo_rewards.monitor.observation import Observation, commonest


@dataclass(frozen=True)
class WindowStatistics:
    """Statistics of a window of groups.

    Args:
        prompts: the number of different prompts; of each, its last group counts.
        agreement: the chance that two different prompts have the same majority answer; unbiased for any number of them.
        distinct_majorities: the number of different majority answers, divided by `prompts`.
        commonest: the commonest majority answer; None: no answer.
        commonest_prompts: how many prompts have it.
        commonest_share: the share of the commonest answer in all responses.
        majority_share, majority_error: the mean share of a majority in its group, and its standard error.
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
    majority_error: float
    unanimous: float
    blanks: float
    entropy: float
    length: float

    def odds(self, pseudo_prompts: int) -> float:
        """The odds of agreement, kept finite by so many further prompts that agree with none."""
        prompts = self.prompts + pseudo_prompts
        chance = self.agreement * self.prompts * (self.prompts - 1) / (prompts * (prompts - 1))
        return chance / (1 - chance)


def window_statistics(window: Sequence[Observation]) -> WindowStatistics:
    """The statistics of a window of one group or more, the oldest first."""
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
    return WindowStatistics(
        prompts=prompts,
        agreement=pair_chance(majorities.values(), prompts) if prompts > 1 else 0.0,
        distinct_majorities=len(majorities) / prompts,
        commonest=most,
        commonest_prompts=majorities[most],
        commonest_share=max(answers.values()) / responses,
        majority_share=mean,
        majority_error=error,
        unanimous=sum(seen.unanimous for seen in latest) / prompts,
        blanks=answers[None] / responses,
        entropy=math.fsum(entropies) / len(entropies) if entropies else math.nan,
        length=math.fsum(seen.length for seen in latest) / prompts,
    )

"""Measures of an evaluation, computed from the answers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Evaluation:
    """Means over problems.

    Args:
        pass_1: fraction of right samples.
        greedy: fraction of problems whose greedy answer is right.
        pass_k: fraction of problems with a right sample.
        majority_k: fraction of problems whose most frequent answer is right; of tied answers, the fraction that is.
        entropy: semantic entropy of the k answers in nats, by exact text; a response without an answer is a singleton.
        token_entropy: entropy of the model's next-token distributions along its own samples, in nats.
        majority_share: share of the most frequent answer in a problem's samples.
        unanimous, unanimous_wrong: fraction of problems with one answer only, and with one wrong answer only.
        blank: fraction of samples without an answer.
        distinct_majorities: number of different majority answers, divided by the number of problems.
        problems, k: the number of problems, and of samples each.
    """

    pass_1: float
    greedy: float
    pass_k: float
    majority_k: float
    entropy: float
    token_entropy: float
    majority_share: float
    unanimous: float
    unanimous_wrong: float
    blank: float
    distinct_majorities: float
    problems: int
    k: int

    def to_dict(self) -> dict[str, float]:
        """As JSON."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


def measure(
    groups: Sequence[Sequence[str | None]],
    labels: Sequence[Sequence[bool]],
    greedy: Sequence[bool],
    token_entropy: float,
) -> Evaluation:
    """Compute the measures.

    Args:
        groups: the answers to each problem (None: blank); equal ones mean the same.
        labels: whether each of them is right. An answer is right where most of its samples are.
        greedy: whether each problem's greedy answer is right.
    """
    count, k = len(groups), len(groups[0])
    pass_1 = pass_k = majority_k = entropy = share = unanimous = unanimous_wrong = blank = 0.0
    majorities = set()
    for answers, right in zip(groups, labels, strict=True):
        votes = Counter(answer for answer in answers if answer is not None)
        good = Counter(answer for answer, is_right in zip(answers, right, strict=True) if is_right)
        blanks = k - sum(votes.values())
        pass_1 += sum(right) / k
        pass_k += any(right)
        blank += blanks / k
        entropy -= sum(n / k * math.log(n / k) for n in votes.values()) + blanks / k * math.log(1 / k)
        if votes:
            top = max(votes.values())
            modal = sorted(answer for answer, n in votes.items() if n == top)
            majorities.add(modal[0])
            rights = sum(2 * good[answer] > top for answer in modal)
            majority_k += rights / len(modal)
            share += top / k
            unanimous += top == k
            unanimous_wrong += top == k and not rights
    return Evaluation(
        pass_1=pass_1 / count,
        greedy=sum(greedy) / count,
        pass_k=pass_k / count,
        majority_k=majority_k / count,
        entropy=entropy / count,
        token_entropy=token_entropy,
        majority_share=share / count,
        unanimous=unanimous / count,
        unanimous_wrong=unanimous_wrong / count,
        blank=blank / count,
        distinct_majorities=len(majorities) / count,
        problems=count,
        k=k,
    )

"""Numbers of an evaluation, from the answers alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Evaluation:
    """Means over problems.

    Args:
        pass_1: share of right samples.
        greedy: share of problems whose greedy answer is right.
        pass_k: share of problems with a right sample.
        majority_k: share of problems whose commonest answer is right; of tied ones, the part that is.
        entropy: semantic entropy of the k answers in nats, by exact text; each response without an answer by itself.
        token_entropy: of the model's next-token distributions along its own samples, in nats.
        majority_share: share of the commonest answer in a problem's samples.
        unanimous, unanimous_wrong: problems with one answer only, and those of them whose answer is wrong.
        blank: share of samples without an answer.
        distinct_majorities: different majority answers over problems.
        problems, k: how many, and samples of each.
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
    groups: Sequence[Sequence[str | None]], right: Sequence[str], greedy: Sequence[str | None], token_entropy: float
) -> Evaluation:
    """The numbers, from each problem's sampled answers (None: blank), its right answer and its greedy one."""
    count, k = len(groups), len(groups[0])
    pass_1 = pass_k = majority_k = entropy = share = unanimous = unanimous_wrong = blank = 0.0
    majorities = set()
    for answers, truth in zip(groups, right, strict=True):
        votes = Counter(answer for answer in answers if answer is not None)
        blanks = k - sum(votes.values())
        pass_1 += votes[truth] / k
        pass_k += votes[truth] > 0
        blank += blanks / k
        entropy -= sum(n / k * math.log(n / k) for n in votes.values()) + blanks / k * math.log(1 / k)
        if votes:
            top = max(votes.values())
            modal = sorted(answer for answer, n in votes.items() if n == top)
            majorities.add(modal[0])
            majority_k += (truth in modal) / len(modal)
            share += top / k
            unanimous += top == k
            unanimous_wrong += top == k and truth not in modal
    return Evaluation(
        pass_1=pass_1 / count,
        greedy=sum(answer == truth for answer, truth in zip(greedy, right, strict=True)) / count,
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

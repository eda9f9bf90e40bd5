"""Metrics of a group: pure functions of its answers and clusters."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from empo_rewards.errors import PluginError
from empo_rewards.group import MAX_NUMBER, Answer, AnswerKind
from empo_rewards.protocols import Clusters


def of_answers(answers: Sequence[Answer], flags: Sequence[Sequence[str]]) -> dict[str, float]:
    """Fractions of the responses that are blank, refusals, truncated, or flagged by a guard."""
    size = len(answers)
    return {
        "blanks": sum(answer.kind is AnswerKind.BLANK for answer in answers) / size,
        "refusals": sum(answer.kind is AnswerKind.REFUSAL for answer in answers) / size,
        "truncated": sum(answer.truncated for answer in answers) / size,
        "flagged": sum(bool(names) for names in flags) / size,
    }


def of_clusters(clusters: Clusters) -> dict[str, float]:
    """The number of clusters, the share of the largest, and whether it has all responses (1 or 0)."""
    return {
        "clusters": float(len(clusters.sizes)),
        "largest_share": clusters.largest_share,
        "unanimous": float(clusters.largest_share == 1),
    }


def of_labels(clusters: Clusters, correct: Sequence[bool]) -> dict[str, float]:
    """Accuracy of the responses and of the majority (the pseudo-label) against the reference, and pass@G.

    With tied largest clusters, `pseudo_label_accuracy` is the fraction of them that is correct. `reward_accuracy` is
    the fraction of responses whose pseudo-reward, 1 in a largest cluster and 0 elsewhere, is what the label gives.
    """
    right = {label for label, good in zip(clusters.labels, correct, strict=True) if good}
    modal = clusters.modal
    agreed = sum((label in modal) == good for label, good in zip(clusters.labels, correct, strict=True))
    return {
        "accuracy": sum(correct) / len(correct),
        "pass_at_g": float(any(correct)),
        "reward_accuracy": agreed / len(correct),
        "pseudo_label_accuracy": len(right & modal) / len(modal) if modal else 0.0,
    }


Z95 = 1.959964
"""The 97.5% quantile of the normal distribution: intervals of 95%."""

MAJORITY_DRAWS = 256
"""Samples of a group from which majority@k is estimated."""


def powers(size: int) -> list[int]:
    """1, 2, 4, ... below a size, and the size: the k of pass@k and majority@k."""
    return [*(2**power for power in range(size.bit_length()) if 2**power < size), size]


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The unbiased estimate of pass@k, 1 - C(n-c, k)/C(n, k) (Chen et al. 2021, arXiv 2107.03374, eq. 1)."""
    return 1.0 - math.comb(samples - right, k) / math.comb(samples, k)


def majority_at_k(labels: Sequence[int], voters: int, right: Sequence[bool], k: int) -> float:
    """The chance that the majority of k of n responses is right: of tied majorities, the fraction that is.

    An unbiased estimate, by `MAJORITY_DRAWS` draws of k responses without replacement (one where k = n), from the same
    seed for every group. Without an answer among the k there is no majority, and it counts as wrong.

    Args:
        labels, voters: the clusters of the n responses (`Clusters`).
        right: for each response whether it agrees with the label.
        k: 1 <= k <= n.
    """
    size = len(labels)
    good = {label for label, is_right in zip(labels, right, strict=True) if is_right}
    dice = random.Random(0)  # noqa: S311 - a sample, not a secret
    total, draws = 0.0, 1 if k == size else MAJORITY_DRAWS
    for _ in range(draws):
        drawn = labels if k == size else dice.sample(labels, k)
        counts = Counter(label for label in drawn if label < voters)
        most = max(counts.values(), default=0)
        modal = [label for label, count in counts.items() if count == most]
        total += sum(label in good for label in modal) / len(modal) if modal else 0.0
    return total / draws


def wilson(successes: float, trials: int) -> tuple[float, float, float]:
    """A proportion and its 95% interval by Wilson (1927).

    Of trials that are fractions in [0, 1] instead of 0 or 1, `successes` is the sum: their variance is at most that of
    a proportion, so that the interval is wide enough.
    """
    rate = successes / trials
    scale = 1 + Z95**2 / trials
    middle = (rate + Z95**2 / (2 * trials)) / scale
    half = Z95 * math.sqrt(rate * (1 - rate) / trials + Z95**2 / (4 * trials**2)) / scale
    return rate, max(0.0, middle - half), min(1.0, middle + half)


def numbers(given: Mapping[str, float]) -> dict[str, float]:
    """The metrics of a plugin as plain floats, for loggers and JSON.

    Raises:
        PluginError: they are no mapping, or a value is no usable number.
    """
    if not isinstance(given, Mapping):
        raise PluginError(f"metrics must be a mapping of names to numbers, not {type(given).__name__}")
    return {str(name): finite(value, f"the metric {name!r}") for name, value in given.items()}


def finite(value: float, what: str) -> float:
    """A number of a plugin as a plain float.

    Raises:
        PluginError: it is no number, NaN, or larger than `MAX_NUMBER`.
    """
    try:
        number = math.nan if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        shown = repr(value) if isinstance(value, float) else f"a value of type {type(value).__name__}"
        raise PluginError(f"{what} is {shown}; it must be a finite number")
    if abs(number) > MAX_NUMBER:
        raise PluginError(f"{what} is {number!r}; its size must be at most {MAX_NUMBER:g}")
    return number

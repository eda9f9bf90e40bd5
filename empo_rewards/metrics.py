"""Metrics of a group: pure functions of its answers and clusters."""

from __future__ import annotations

import math
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

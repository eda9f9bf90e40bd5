"""Metrics of a group: pure functions of its answers and clusters."""

from __future__ import annotations

from collections.abc import Sequence

from empo_rewards.group import Answer, AnswerKind
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

    With tied largest clusters, `pseudo_label_accuracy` is the fraction of them that is correct.
    """
    right = {label for label, good in zip(clusters.labels, correct, strict=True) if good}
    modal = clusters.modal
    return {
        "accuracy": sum(correct) / len(correct),
        "pass_at_g": float(any(correct)),
        "pseudo_label_accuracy": len(right & modal) / len(modal) if modal else 0.0,
    }

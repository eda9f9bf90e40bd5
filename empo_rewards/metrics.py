"""Numbers about a group, for a logger: pure functions of its answers and clusters."""

from __future__ import annotations

from collections.abc import Sequence

from empo_rewards.group import Answer, AnswerKind
from empo_rewards.protocols import Clusters


def of_answers(answers: Sequence[Answer], flags: Sequence[Sequence[str]]) -> dict[str, float]:
    """Parts of the responses that are blank, refuse, were cut off, or were caught by a guard."""
    size = len(answers)
    return {
        "blanks": sum(answer.kind is AnswerKind.BLANK for answer in answers) / size,
        "refusals": sum(answer.kind is AnswerKind.REFUSAL for answer in answers) / size,
        "truncated": sum(answer.truncated for answer in answers) / size,
        "flagged": sum(bool(names) for names in flags) / size,
    }


def of_clusters(clusters: Clusters) -> dict[str, float]:
    """How many meanings there are, and how strong the strongest is."""
    return {
        "clusters": float(len(clusters.sizes)),
        "largest_share": clusters.largest_share,
        "unanimous": float(clusters.largest_share == 1),
    }


def of_labels(clusters: Clusters, correct: Sequence[bool]) -> dict[str, float]:
    """What the reference says of the answers and of their majority.

    Tied clusters are equally good pseudo-labels: `pseudo_label_accuracy` is the expectation of picking one of them.
    """
    right = {label for label, good in zip(clusters.labels, correct, strict=True) if good}
    modal = clusters.modal
    return {
        "accuracy": sum(correct) / len(correct),
        "pass_at_g": float(any(correct)),
        "pseudo_label_accuracy": len(right & modal) / len(modal) if modal else 0.0,
    }

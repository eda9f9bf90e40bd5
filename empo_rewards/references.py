"""Which responses agree with a reference; for metrics, and for the one strategy that says so by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from empo_rewards.protocols import AnswerSet, Clusters, Relation

Relate = Callable[[Sequence[AnswerSet]], Sequence["Relation | Exception"]]


@dataclass(frozen=True)
class Question:
    """Which responses agree with one of the accepted answers.

    Args:
        clusters: the clusters of the responses.
        accepted: the texts of the accepted answers; at least one.
        prompt: the prompt's text.
    """

    clusters: Clusters
    accepted: tuple[str, ...]
    prompt: str


def check(questions: Sequence[Question], relate: Relate) -> list[tuple[bool, ...] | Exception]:
    """For each question one verdict a response, or why there is none.

    Asked apart from the answers, once their clusters are fixed, so that a reference cannot change one. One comparison
    for each cluster and accepted answer, by the cluster's representative; equal comparisons are made once.
    """
    sets: dict[tuple[str, str, str], AnswerSet] = {}
    for question in questions:
        for text in question.clusters.representatives:
            for gold in question.accepted:
                if text != gold:
                    sets[text, gold, question.prompt] = AnswerSet(tuple(sorted((text, gold))), question.prompt)
    found = dict(zip(sets, relate(list(sets.values())), strict=True))

    def verdict(question: Question) -> tuple[bool, ...] | Exception:
        right = set()
        for label, text in enumerate(question.clusters.representatives):
            for gold in question.accepted:
                relation = found.get((text, gold, question.prompt))
                if isinstance(relation, Exception):
                    return relation
                if relation is None or relation.equal:  # None: the very text of the reference
                    right.add(label)
        return tuple(label in right for label in question.clusters.labels)

    return [verdict(question) for question in questions]

"""Which responses agree with a reference; for metrics, and for the one strategy that says so by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from empo_rewards.clustering import Clusters
from empo_rewards.equivalence import AnswerSet, Relation

Relate = Callable[[Sequence[AnswerSet]], Sequence["Relation | Exception"]]


@dataclass(frozen=True)
class Question:
    """Which responses of these clusters agree with this reference?"""

    clusters: Clusters
    reference: str
    prompt: str


def check(questions: Sequence[Question], relate: Relate) -> list[tuple[bool, ...] | Exception]:
    """For each question one verdict a response, or why there is none.

    Asked apart from the answers, once their clusters are fixed, so that a reference cannot change one. One comparison
    for each cluster, by its representative; equal comparisons are made once.
    """
    sets: dict[tuple[str, str, str], AnswerSet] = {}
    for question in questions:
        for text in question.clusters.representatives:
            if text != question.reference:
                pair = tuple(sorted((text, question.reference)))
                sets[text, question.reference, question.prompt] = AnswerSet(pair, question.prompt)
    found = dict(zip(sets, relate(list(sets.values())), strict=True))

    def verdict(question: Question) -> tuple[bool, ...] | Exception:
        right = set()
        for label, text in enumerate(question.clusters.representatives):
            relation = found.get((text, question.reference, question.prompt))
            if isinstance(relation, Exception):
                return relation
            if relation is None or relation.equal:  # None: the very text of the reference
                right.add(label)
        return tuple(label in right for label in question.clusters.labels)

    return [verdict(question) for question in questions]

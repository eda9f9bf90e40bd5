"""Comparison of responses with a reference, for metrics and for the strategy `reference`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from empo_rewards.protocols import AnswerSet, Clusters, Relation

Relate = Callable[[Sequence[AnswerSet]], Sequence["Relation | Exception"]]


@dataclass(frozen=True)
class LabelledClusters:
    """Input of `check`: the clusters of a group, and its accepted answers.

    Args:
        clusters: the clusters of the responses.
        accepted: the texts of the accepted answers; at least one.
        prompt: the prompt's text.
    """

    clusters: Clusters
    accepted: tuple[str, ...]
    prompt: str


def check(questions: Sequence[LabelledClusters], relate: Relate) -> list[tuple[bool, ...] | Exception]:
    """For each question one boolean per response (whether it agrees), or the exception that prevented the comparison.

    References are compared after clustering, in sets of their own, so that they cannot influence clusters. Each
    cluster's representative is compared with each accepted answer; duplicate comparisons are made once.
    """
    sets: dict[tuple[str, str, str], AnswerSet] = {}
    for question in questions:
        for text in question.clusters.representatives:
            for gold in question.accepted:
                if text != gold:
                    sets[text, gold, question.prompt] = AnswerSet(tuple(sorted((text, gold))), question.prompt)
    found = dict(zip(sets, relate(list(sets.values())), strict=True))

    def verdict(question: LabelledClusters) -> tuple[bool, ...] | Exception:
        right = set()
        for label, text in enumerate(question.clusters.representatives):
            for gold in question.accepted:
                relation = found.get((text, gold, question.prompt))
                if isinstance(relation, Exception):
                    return relation
                if relation is None or relation.equal:  # None: the text equals the reference
                    right.add(label)
        return tuple(label in right for label in question.clusters.labels)

    return [verdict(question) for question in questions]

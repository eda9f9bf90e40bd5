"""Meaning clusters from a relation between answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from empo_rewards.protocols import AnswerSet, Clusters, Relation


def connected_components(size: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `size` nodes the smallest node of its connected component (union-find, almost linear time)."""
    parent = list(range(size))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for left, right in edges:
        a, b = root(left), root(right)
        parent[max(a, b)] = min(a, b)
    return [root(node) for node in range(size)]


def answer_set(votes: Sequence[str | None], prompt: str, *, similarities: bool = False) -> AnswerSet:
    """The distinct answers among `votes` (None: no vote) in canonical order: by decreasing count, then by text."""
    counts = Counter(vote for vote in votes if vote is not None)
    return AnswerSet(tuple(sorted(counts, key=lambda text: (-counts[text], text))), prompt, similarities)


def cluster(votes: Sequence[str | None], answers: AnswerSet, relation: Relation) -> Clusters:
    """Connected components of the relation, and a singleton cluster for each response without a vote."""
    component = connected_components(len(answers.texts), relation.equal)
    component_of = dict(zip(answers.texts, component, strict=True))
    sizes = Counter(component_of[vote] for vote in votes if vote is not None)
    ranked = sorted(sizes, key=lambda first: (-sizes[first], first))
    id_of = {first: k for k, first in enumerate(ranked)}
    labels: list[int] = []
    singles = len(ranked)
    for vote in votes:
        if vote is None:
            labels.append(singles)
            singles += 1
        else:
            labels.append(id_of[component_of[vote]])
    return Clusters(
        labels=tuple(labels),
        sizes=(*(sizes[first] for first in ranked), *(1 for _ in range(singles - len(ranked)))),
        voters=len(ranked),
        representatives=tuple(answers.texts[first] for first in ranked),
    )


def expand_similarities(
    votes: Sequence[str | None], answers: AnswerSet, similarities: Sequence[Sequence[float]]
) -> tuple[tuple[float, ...], ...]:
    """Similarities of responses from those of their distinct answers: G rows of G numbers, symmetric, diagonal 1.

    Equal texts have similarity 1; a response without a vote has similarity 0 to every other.
    """
    position = {text: index for index, text in enumerate(answers.texts)}
    places = [None if vote is None else position[vote] for vote in votes]

    def alike(a: int, b: int) -> float:
        i, j = places[a], places[b]
        if a == b or (i is not None and i == j):
            return 1.0
        if i is None or j is None:
            return 0.0
        return min(1.0, max(0.0, float(similarities[min(i, j)][max(i, j)])))  # rounding may have left [0, 1]

    size = range(len(votes))
    return tuple(tuple(alike(a, b) for b in size) for a in size)

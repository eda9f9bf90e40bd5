"""Meaning clusters from a relation between answers."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

from empo_rewards.protocols import AnswerSet, Clusters, Relation


class UnionFind:
    """Disjoint sets of the numbers below `size`. A set's root is its least member, whatever the order of unions."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, node: int) -> int:
        """The root of a node's set."""
        parent = self._parent
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def union(self, a: int, b: int) -> None:
        """Joins the sets of two nodes."""
        a, b = self.find(a), self.find(b)
        self._parent[max(a, b)] = min(a, b)


def connected_components(size: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `size` nodes the smallest node of its connected component (almost linear time)."""
    sets = UnionFind(size)
    for left, right in edges:
        sets.union(left, right)
    return [sets.find(node) for node in range(size)]


def components(size: int, relation: Relation) -> list[int]:
    """For each of `size` texts the first text of its meaning cluster.

    Connected components of the equal pairs, where no pair is known to be different. Else the equal pairs join clusters
    level by level, the strongest first. Where a level would bring two together that differ, these two stay as they are
    at that level: "1994 World Cup" and "2014 World Cup" are not joined by "World Cup". The outcome is a function of the
    relation alone, whatever its order.
    """
    if not relation.different:
        return connected_components(size, relation.equal)
    levels: dict[float, list[tuple[int, int]]] = defaultdict(list)
    for pair in relation.equal:
        levels[relation.strengths.get(pair, 1.0)].append(pair)
    label = list(range(size))
    for strength in sorted(levels, reverse=True):
        apart = {(label[i], label[j]) for i, j in relation.different}
        edges = {(label[i], label[j]) for i, j in levels[strength]}
        joined = connected_components(size, _without_conflicts(size, edges, apart))
        label = [joined[first] for first in label]
    return label


def _without_conflicts(
    size: int, edges: Iterable[tuple[int, int]], apart: Collection[tuple[int, int]]
) -> list[tuple[int, int]]:
    """The edges without those of nodes that differ from one that the edges connect them to."""
    kept = list(edges)
    while True:
        component = connected_components(size, kept)
        torn = {node for two in apart if component[two[0]] == component[two[1]] for node in two}
        if not torn:
            return kept
        kept = [edge for edge in kept if torn.isdisjoint(edge)]


def answer_set(votes: Sequence[str | None], prompt: str, *, similarities: bool = False) -> AnswerSet:
    """The distinct answers among `votes` (None: no vote) in canonical order: by decreasing count, then by text."""
    counts = Counter(vote for vote in votes if vote is not None)
    return AnswerSet(tuple(sorted(counts, key=lambda text: (-counts[text], text))), prompt, similarities)


def cluster(
    votes: Sequence[str | None], answers: AnswerSet, relation: Relation, weights: Sequence[float] | None = None
) -> Clusters:
    """The components of the relation, and a singleton cluster for each response without a vote.

    Args:
        votes: for each response its answer; None: it does not vote.
        answers: the distinct ones (`answer_set`).
        relation: of these.
        weights: of the responses' votes; None: all the same.
    """
    component = components(len(answers.texts), relation)
    component_of = dict(zip(answers.texts, component, strict=True))
    sizes = Counter(component_of[vote] for vote in votes if vote is not None)
    parts: dict[int, list[float]] = defaultdict(list)
    for vote, weight in zip(votes, weights or (1,) * len(votes), strict=True):
        if vote is not None:
            parts[component_of[vote]].append(weight)
    mass_of = {first: math.fsum(part) for first, part in parts.items()}
    ranked = sorted(sizes, key=lambda first: (-mass_of[first], -sizes[first], first))
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
        masses=() if weights is None else (*(mass_of[first] for first in ranked), *_blank_weights(votes, weights)),
    )


def _blank_weights(votes: Sequence[str | None], weights: Sequence[float]) -> list[float]:
    return [float(weight) for vote, weight in zip(votes, weights, strict=True) if vote is None]


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

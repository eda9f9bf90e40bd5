"""Agglomerative clustering, held to a slow definition of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.clustering import connected_components
from empo_rewards.equivalence.linkage import Linkage, agglomerate

SIMILARITY: dict[Linkage, Callable[[list[float]], Fraction]] = {
    "single": lambda values: Fraction(max(values)),
    "average": lambda values: sum(map(Fraction, values), Fraction(0)) / len(values),
    "complete": lambda values: Fraction(min(values)),
}


def slowly(
    size: int, similarities: dict[tuple[int, int], float], threshold: float, linkage: Linkage
) -> set[frozenset[int]]:
    """Each similarity of two clusters from their members, in exact arithmetic."""
    clusters = [frozenset((node,)) for node in range(size)]

    def similarity(a: frozenset[int], b: frozenset[int]) -> Fraction:
        return SIMILARITY[linkage]([similarities[min(x, y), max(x, y)] for x, y in product(a, b)])

    while len(clusters) > 1:
        a, b = min(combinations(clusters, 2), key=lambda pair: (-similarity(*pair), sorted(map(min, pair))))
        if similarity(a, b) < threshold:
            break
        clusters = [cluster for cluster in clusters if cluster not in (a, b)] + [a | b]
    return set(clusters)


def clusters_of(size: int, pairs: list[tuple[int, int]]) -> set[frozenset[int]]:
    component = connected_components(size, pairs)
    return {frozenset(node for node in range(size) if component[node] == first) for first in component}


@given(
    data=st.data(),
    size=st.integers(1, 7),
    threshold=st.sampled_from([0.0, 0.25, 0.5, 0.75]),
    linkage=st.sampled_from(sorted(SIMILARITY)),
)
def test_clusters_are_those_of_the_definition(
    data: st.DataObject, size: int, threshold: float, linkage: Linkage
) -> None:
    # Powers of two apart, so that no two means are so close that floating point could order them otherwise.
    values = data.draw(st.permutations([2.0**-k for k in range(1, size * (size - 1) // 2 + 1)]))
    similarities = dict(zip(combinations(range(size), 2), values, strict=True))
    joined = agglomerate(size, similarities, threshold, linkage)
    assert all(a < b for a, b in joined)
    assert clusters_of(size, joined) == slowly(size, similarities, threshold, linkage)


def test_a_chain_is_one_cluster_by_single_linkage_only() -> None:
    chain = {(0, 1): 0.9, (1, 2): 0.9, (0, 2): 0.1}
    assert clusters_of(3, agglomerate(3, chain, 0.8, "single")) == {frozenset((0, 1, 2))}
    assert agglomerate(3, chain, 0.8, "average") == [(0, 1)]
    assert agglomerate(3, chain, 0.5, "average") == [(0, 1), (0, 2)]
    assert agglomerate(3, chain, 0.5, "complete") == [(0, 1)]


@pytest.mark.parametrize("linkage", ["average", "complete"])
def test_what_is_apart_is_not_joined_through_a_third(linkage: Linkage) -> None:
    similarities = {(0, 1): 1.0, (1, 2): 1.0, (0, 2): -math.inf, (0, 3): 1.0, (1, 3): 1.0, (2, 3): -math.inf}
    assert clusters_of(4, agglomerate(4, similarities, 0.5, linkage)) == {frozenset((0, 1, 3)), frozenset((2,))}

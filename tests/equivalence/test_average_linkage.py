"""Agglomerative clustering with average linkage, compared with a direct implementation of its definition."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product

from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.clustering import connected_components
from empo_rewards.equivalence.embedding import average_linkage


def slowly(size: int, similarities: dict[tuple[int, int], float], threshold: float) -> set[frozenset[int]]:
    """Each mean from its members, in exact arithmetic."""
    clusters = [frozenset((node,)) for node in range(size)]

    def mean(a: frozenset[int], b: frozenset[int]) -> Fraction:
        values = [Fraction(similarities[min(x, y), max(x, y)]) for x, y in product(a, b)]
        return sum(values, Fraction(0)) / len(values)

    while len(clusters) > 1:
        a, b = min(combinations(clusters, 2), key=lambda pair: (-mean(*pair), sorted(map(min, pair))))
        if mean(a, b) < threshold:
            break
        clusters = [cluster for cluster in clusters if cluster not in (a, b)] + [a | b]
    return set(clusters)


@given(data=st.data(), size=st.integers(1, 7), threshold=st.sampled_from([0.0, 0.25, 0.5, 0.75]))
def test_clusters_are_those_of_the_definition(data: st.DataObject, size: int, threshold: float) -> None:
    # Powers of two apart, so that no two means are so close that floating point could order them otherwise.
    values = data.draw(st.permutations([2.0**-k for k in range(1, size * (size - 1) // 2 + 1)]))
    similarities = dict(zip(combinations(range(size), 2), values, strict=True))
    joined = average_linkage(size, similarities, threshold)
    assert all(a < b for a, b in joined)
    component = connected_components(size, joined)
    found = {frozenset(node for node in range(size) if component[node] == first) for first in component}
    assert found == slowly(size, similarities, threshold)


def test_a_chain_is_not_one_cluster() -> None:
    chain = {(0, 1): 0.9, (1, 2): 0.9, (0, 2): 0.1}
    assert average_linkage(3, chain, 0.8) == [(0, 1)]
    assert average_linkage(3, chain, 0.5) == [(0, 1), (0, 2)]

"""Agglomerative clustering: how near two clusters are, from how alike their members are."""

from __future__ import annotations

from typing import Literal

Linkage = Literal["single", "average", "complete"]
"""The similarity of two clusters: of their most similar members, of all on the mean (UPGMA), of the least similar."""


def agglomerate(
    size: int, similarities: dict[tuple[int, int], float], threshold: float, linkage: Linkage
) -> list[tuple[int, int]]:
    """A spanning set of pairs (i, j), i < j, of the clusters of `size` things.

    Args:
        size: how many things there are.
        similarities: of each pair (i, j), i < j; minus infinity keeps two apart, with average and complete linkage also
            through others.
        threshold: clusters are joined, the most similar two first (of several, those of the smallest members), while
            their similarity is at least this.
        linkage: the similarity of two clusters.
    """
    if linkage == "single":
        return [pair for pair, similarity in similarities.items() if similarity >= threshold]
    members = dict.fromkeys(range(size), 1)
    between = dict(similarities)
    joined = []
    while between:
        a, b = min(between, key=lambda pair: (-between[pair], pair))
        if between[a, b] < threshold:
            break
        joined.append((a, b))
        weight, other_weight = members[a], members.pop(b)
        del between[a, b]
        for node in members.keys() - {a}:
            kept, gone = _pair(a, node), between.pop(_pair(b, node))
            if linkage == "complete":
                between[kept] = min(between[kept], gone)
            else:
                between[kept] = (weight * between[kept] + other_weight * gone) / (weight + other_weight)
        members[a] += other_weight
    return joined


def _pair(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)

"""Semantic entropy from cluster sizes: pure functions, and the estimators built on them.

Sizes n_k are counts of the responses in each of K clusters, n = Σ n_k. Every result is in nats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from empo_rewards.protocols import EntropyEstimator, EntropyInput


def plug_in(sizes: Sequence[int]) -> float:
    """H = -Σ (n_k/n) ln(n_k/n), the maximum-likelihood estimate (EMPO, arXiv 2504.05812, eq. 4)."""
    total = sum(sizes)
    # From ln n - Σ n_k ln n_k / n: exactly 0 on unanimity, and no negative zero.
    return math.log(total) - sum(size * math.log(size) for size in sizes) / total if len(sizes) > 1 else 0.0


def miller_madow(sizes: Sequence[int]) -> float:
    """The plug-in estimate plus its first-order bias (K-1)/2n (Miller 1955)."""
    return plug_in(sizes) + (len(sizes) - 1) / (2 * sum(sizes))


def zhang(sizes: Sequence[int]) -> float:
    """Zhang's estimate in Turing's perspective (Neural Computation 24, 2012).

    In the closed form Σ_k (n_k/n) [ψ(n) - ψ(n_k)] (Schürmann, arXiv 1512.03992), where the difference of digamma
    functions is Σ 1/j over j = n_k … n-1.
    """
    total = sum(sizes)
    harmonic = [0.0]  # harmonic[m] = Σ_{j=1}^{m} 1/j
    for j in range(1, total):
        harmonic.append(harmonic[-1] + 1 / j)
    return sum(size / total * (harmonic[total - 1] - harmonic[size - 1]) for size in sizes)


def chao_shen(sizes: Sequence[int]) -> float:
    """Chao and Shen's coverage-adjusted Horvitz-Thompson estimate (Environ. Ecol. Stat. 10, 2003); may exceed ln n.

    With f_1 singletons the coverage is C = 1 - f_1/n, and -Σ C p_k ln(C p_k) / (1 - (1 - C p_k)^n). A sample of
    singletons alone would have no coverage; one of them is then not counted (the usual f_1 = n - 1).
    """
    total = sum(sizes)
    singletons = sum(size == 1 for size in sizes)
    coverage = 1 - min(singletons, total - 1) / total
    terms = (coverage * size / total for size in sizes)
    return sum((-p * math.log(p) / (1 - (1 - p) ** total) for p in terms if p < 1), 0.0)


@dataclass(frozen=True)
class PlugIn(EntropyEstimator):
    """The maximum-likelihood estimate; the ranking of groups barely depends on the estimator, so it is the default."""

    def __call__(self, given: EntropyInput) -> float:
        """`plug_in` of the cluster sizes."""
        return plug_in(given.clusters.sizes)


@dataclass(frozen=True)
class MillerMadow(EntropyEstimator):
    """The plug-in estimate with its first-order bias taken off."""

    def __call__(self, given: EntropyInput) -> float:
        """`miller_madow` of the cluster sizes."""
        return miller_madow(given.clusters.sizes)


@dataclass(frozen=True)
class Zhang(EntropyEstimator):
    """Zhang's estimate: less biased, and 0 on unanimity."""

    def __call__(self, given: EntropyInput) -> float:
        """`zhang` of the cluster sizes."""
        return zhang(given.clusters.sizes)


@dataclass(frozen=True)
class ChaoShen(EntropyEstimator):
    """The coverage-adjusted estimate: the closest for small groups, but it can exceed ln G; not for relative gates."""

    def __call__(self, given: EntropyInput) -> float:
        """`chao_shen` of the cluster sizes."""
        return chao_shen(given.clusters.sizes)

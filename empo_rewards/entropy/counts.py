"""Semantic entropy from cluster sizes: pure functions, and the estimators built on them.

n_k is the number of responses in cluster k of K, and n = Σ n_k. All results are in nats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from empo_rewards.protocols import EntropyEstimator, EntropyInput


def plug_in(sizes: Sequence[int]) -> float:
    """H = -Σ (n_k/n) ln(n_k/n), the maximum-likelihood estimate (EMPO, arXiv 2504.05812, eq. 4)."""
    total = sum(sizes)
    # Computed as ln n - Σ n_k ln n_k / n; a single cluster gives exactly 0, not a negative zero.
    return math.log(total) - sum(size * math.log(size) for size in sizes) / total if len(sizes) > 1 else 0.0


def miller_madow(sizes: Sequence[int]) -> float:
    """The plug-in estimate plus its first-order bias (K-1)/2n (Miller 1955)."""
    return plug_in(sizes) + (len(sizes) - 1) / (2 * sum(sizes))


def zhang(sizes: Sequence[int]) -> float:
    """Zhang's estimate (Neural Computation 24, 2012).

    Closed form: Σ_k (n_k/n) [ψ(n) - ψ(n_k)] (Schürmann, arXiv 1512.03992), with the digamma function ψ; the difference
    is Σ 1/j over j = n_k … n-1.
    """
    total = sum(sizes)
    harmonic = [0.0]  # harmonic[m] = Σ_{j=1}^{m} 1/j
    for j in range(1, total):
        harmonic.append(harmonic[-1] + 1 / j)
    return sum(size / total * (harmonic[total - 1] - harmonic[size - 1]) for size in sizes)


def chao_shen(sizes: Sequence[int]) -> float:
    """Chao and Shen's coverage-adjusted Horvitz-Thompson estimate (Environ. Ecol. Stat. 10, 2003); may exceed ln n.

    H = -Σ C p_k ln(C p_k) / (1 - (1 - C p_k)^n), with p_k = n_k/n, coverage C = 1 - f_1/n and f_1 singletons. A sample
    of singletons only would have C = 0; f_1 = n - 1 is then used, as is usual.
    """
    total = sum(sizes)
    singletons = sum(size == 1 for size in sizes)
    coverage = 1 - min(singletons, total - 1) / total
    terms = (coverage * size / total for size in sizes)
    return sum((-p * math.log(p) / (1 - (1 - p) ** total) for p in terms if p < 1), 0.0)


@dataclass(frozen=True)
class PlugIn(EntropyEstimator):
    """The maximum-likelihood estimate. The default, because the ranking of groups barely depends on the estimator."""

    def __call__(self, given: EntropyInput) -> float:
        """`plug_in` of the cluster sizes."""
        return plug_in(given.clusters.sizes)


@dataclass(frozen=True)
class MillerMadow(EntropyEstimator):
    """The plug-in estimate with its first-order bias corrected."""

    def __call__(self, given: EntropyInput) -> float:
        """`miller_madow` of the cluster sizes."""
        return miller_madow(given.clusters.sizes)


@dataclass(frozen=True)
class Zhang(EntropyEstimator):
    """Zhang's estimate: less biased than the plug-in estimate, and 0 for a unanimous group."""

    def __call__(self, given: EntropyInput) -> float:
        """`zhang` of the cluster sizes."""
        return zhang(given.clusters.sizes)


@dataclass(frozen=True)
class ChaoShen(EntropyEstimator):
    """Coverage-adjusted estimate: the most accurate for small groups. Not for relative gates: it can exceed ln G."""

    def __call__(self, given: EntropyInput) -> float:
        """`chao_shen` of the cluster sizes."""
        return chao_shen(given.clusters.sizes)

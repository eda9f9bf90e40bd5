"""Semantic entropy: pure functions of cluster sizes and log-likelihoods, and the estimators built on them.

Sizes n_k are counts of the responses in each of K clusters, n = Σ n_k. Every result is in nats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from empo_rewards.clustering import Clusters
from empo_rewards.errors import GroupError
from empo_rewards.group import Group


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


def logsumexp(values: Sequence[float]) -> float:
    """ln Σ e^x without overflow; -inf for values that are all -inf."""
    top = max(values)
    return top if math.isinf(top) else top + math.log(sum(math.exp(value - top) for value in values))


def rao(log_likelihoods: Sequence[float], labels: Sequence[int]) -> float:
    """Rao-Blackwellised semantic entropy (Kuhn et al., ICLR 2023; Farquhar et al., Nature 630, 2024).

    Cluster probabilities are the normalised sums of the responses' likelihoods: p_k = Σ_{i in k} e^{l_i} / Σ_i e^{l_i}.

    Args:
        log_likelihoods: l_i <= 0, one a response; length-normalised (the mean over tokens) to be comparable.
        labels: the cluster id of each response.
    """
    total = logsumexp(log_likelihoods)
    members: dict[int, list[float]] = {}
    for value, label in zip(log_likelihoods, labels, strict=True):
        members.setdefault(label, []).append(value)
    log_shares = [logsumexp(values) - total for values in members.values()]
    return max(0.0, -sum(math.exp(share) * share for share in log_shares if not math.isinf(share)))


@dataclass(frozen=True)
class Evidence:
    """What an entropy estimate may rest on.

    Args:
        group: the group, without its reference.
        clusters: its meaning clusters.
        similarities: how alike two responses are, from 0 to 1: G rows of G numbers in the order of the responses,
            symmetric, 1 on the diagonal. None but for an estimator that says `uses_similarities = True`.
    """

    group: Group
    clusters: Clusters
    similarities: tuple[tuple[float, ...], ...] | None = None


@runtime_checkable
class EntropyEstimator(Protocol):
    """Estimates the semantic entropy of a group, in nats.

    A class attribute `uses_similarities = True` asks for `Evidence.similarities`; the equivalence backend must then say
    `gives_similarities = True`.
    """

    def __call__(self, evidence: Evidence) -> float:
        """The estimate. Raises where the evidence does not carry what it needs."""
        ...


@dataclass(frozen=True)
class PlugIn:
    """The maximum-likelihood estimate; the ranking of groups barely depends on the estimator, so it is the default."""

    def __call__(self, evidence: Evidence) -> float:
        """`plug_in` of the cluster sizes."""
        return plug_in(evidence.clusters.sizes)


@dataclass(frozen=True)
class MillerMadow:
    """The plug-in estimate with its first-order bias taken off."""

    def __call__(self, evidence: Evidence) -> float:
        """`miller_madow` of the cluster sizes."""
        return miller_madow(evidence.clusters.sizes)


@dataclass(frozen=True)
class Zhang:
    """Zhang's estimate: less biased, and 0 on unanimity."""

    def __call__(self, evidence: Evidence) -> float:
        """`zhang` of the cluster sizes."""
        return zhang(evidence.clusters.sizes)


@dataclass(frozen=True)
class ChaoShen:
    """The coverage-adjusted estimate: the closest for small groups, but it can exceed ln G; not for relative gates."""

    def __call__(self, evidence: Evidence) -> float:
        """`chao_shen` of the cluster sizes."""
        return chao_shen(evidence.clusters.sizes)


@dataclass(frozen=True)
class Rao:
    """Cluster probabilities from the sampler's token log-probabilities instead of counts."""

    def __call__(self, evidence: Evidence) -> float:
        """`rao` of the mean token log-probabilities."""
        likelihoods = mean_logprobs(evidence.group)
        if likelihoods is None:
            raise GroupError("the entropy estimator `rao` needs token_logprobs for every response of the group")
        return rao(likelihoods, evidence.clusters.labels)


def mean_logprobs(group: Group) -> list[float] | None:
    """The mean token log-probability of each response; None where a response has none."""
    if group.token_logprobs is None or not all(group.token_logprobs):
        return None
    return [sum(values) / len(values) for values in group.token_logprobs]

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
    return top if math.isinf(top) else top + math.log(math.fsum(math.exp(value - top) for value in values))


def rao(log_likelihoods: Sequence[float], labels: Sequence[int]) -> float:
    """Rao-Blackwellised semantic entropy (Kuhn et al., ICLR 2023; Farquhar et al., Nature 630, 2024).

    Cluster probabilities are the normalised sums of the responses' likelihoods: p_k = Σ_{i in k} e^{l_i} / Σ_i e^{l_i}.

    Args:
        log_likelihoods: l_i <= 0, one a response, not all of them -inf.
        labels: the cluster id of each response.
    """
    total = logsumexp(log_likelihoods)
    members: dict[int, list[float]] = {}
    for value, label in zip(log_likelihoods, labels, strict=True):
        members.setdefault(label, []).append(value)
    log_shares = [logsumexp(values) - total for values in members.values()]
    return max(0.0, -math.fsum(math.exp(share) * share for share in log_shares if not math.isinf(share)))


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
    `gives_similarities = True`. One that measures uncertainty otherwise than as an entropy says `in_nats = False`:
    nothing then sets it against ln G.
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
    """Cluster probabilities from the sampler's token log-probabilities instead of counts.

    Args:
        length_normalized: likelihoods per token, so that long responses count like short ones (Farquhar et al.); else
            those of the sequence, which are a response's probability, and favour short ones (Kuhn et al. compare both).
    """

    length_normalized: bool = True

    def __call__(self, evidence: Evidence) -> float:
        """`rao` of the responses' log-likelihoods."""
        likelihoods = needed_log_likelihoods(evidence.group, "rao", self.length_normalized)
        return rao(likelihoods, evidence.clusters.labels)


def log_likelihoods(group: Group, *, length_normalized: bool = True) -> list[float] | None:
    """The log-likelihood of each response: the mean over its tokens, or the sum; None where a response has none."""
    if group.token_logprobs is None or not all(group.token_logprobs):
        return None
    return [math.fsum(values) / (len(values) if length_normalized else 1) for values in group.token_logprobs]


def needed_log_likelihoods(group: Group, who: str, length_normalized: bool) -> list[float]:
    """The same, for the estimator `who`, which cannot do without.

    Raises:
        GroupError: a response has none, or all are impossible by theirs.
    """
    found = log_likelihoods(group, length_normalized=length_normalized)
    if found is None:
        raise GroupError(f"the entropy estimator `{who}` needs token_logprobs for every response of the group")
    if math.isinf(max(found)):
        raise GroupError(f"the entropy estimator `{who}` finds every response impossible by its token_logprobs")
    return found

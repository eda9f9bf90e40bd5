"""Uncertainty from the similarities of responses: pure functions of a similarity matrix, and estimators built on them.

W is an n x n matrix of similarities in [0, 1], symmetric, with ones on the diagonal: the edge weights of a graph whose
nodes are the responses. D is the diagonal matrix of its row sums. Eigenvalues are computed by numpy (extra `spectral`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from empo_rewards.entropy.likelihoods import logsumexp, needed_log_likelihoods
from empo_rewards.errors import ConfigError, GroupError
from empo_rewards.extras import require
from empo_rewards.protocols import EntropyEstimator, EntropyInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Matrix = Sequence[Sequence[float]]


def kernel_language_entropy(similarities: Matrix, time: float = 0.3) -> float:
    """The von Neumann entropy of the graph's heat kernel, in nats (Nikitin et al., NeurIPS 2024, arXiv 2405.20003).

    K = e^{-t(D-W)}, scaled to a unit diagonal and then to a trace of 1; the result is -Tr K ln K, in [0, ln n]. For a
    unanimous group it is small but not 0, because K is uniform only for t → ∞.

    Args:
        similarities: W.
        time: the diffusion time t > 0; the larger it is, the more similar two responses count.
    """
    import numpy as np  # noqa: PLC0415 - an extra

    w = np.asarray(similarities, dtype=float)
    values, vectors = np.linalg.eigh(np.diag(w.sum(axis=1)) - w)
    kernel = (vectors * np.exp(-time * values)) @ vectors.T
    root = np.sqrt(np.diag(kernel))
    spectrum = np.linalg.eigvalsh(kernel / np.outer(root, root) / len(w))
    return max(0.0, -math.fsum(p * math.log(p) for p in spectrum if p > 0))


def _affinity(similarities: Matrix) -> NDArray[np.float64]:
    """D^-½ W D^-½; the symmetric normalised Laplacian is I - D^-½ W D^-½."""
    import numpy as np  # noqa: PLC0415 - an extra

    w = np.asarray(similarities, dtype=float)
    root = np.sqrt(w.sum(axis=1))  # at least 1, because the diagonal is 1
    return np.asarray(w / np.outer(root, root))


def eigenvalue_sum(similarities: Matrix) -> float:
    """U_EigV = Σ_k max(0, 1 - λ_k) over the eigenvalues of the symmetric normalised Laplacian.

    A continuous count of the meanings: 1 for a unanimous group, n if all similarities are 0 (Lin et al., TMLR 2024,
    arXiv 2305.19187).
    """
    import numpy as np  # noqa: PLC0415 - an extra

    return math.fsum(max(0.0, value) for value in np.linalg.eigvalsh(_affinity(similarities)))


def degree(similarities: Matrix) -> float:
    """U_Deg = Tr(nI - D)/n²: the mean dissimilarity of two responses drawn with replacement, in [0, 1 - 1/n].

    From Lin et al., TMLR 2024, arXiv 2305.19187.
    """
    size = len(similarities)
    return max(0.0, 1 - math.fsum(value for row in similarities for value in row) / size**2)


def eccentricity(similarities: Matrix, threshold: float = 0.9) -> float:
    """U_Ecc: distance of the responses from their centre in the spectral embedding; 0 for a unanimous group.

    The embedding of response i is row i of the eigenvectors of the symmetric normalised Laplacian with λ < `threshold`;
    the result is the Frobenius norm of the centred rows (Lin et al., TMLR 2024, arXiv 2305.19187).
    """
    import numpy as np  # noqa: PLC0415 - an extra

    values, vectors = np.linalg.eigh(_affinity(similarities))
    kept = vectors[:, 1 - values < threshold]
    return float(np.linalg.norm(kept - kept.mean(axis=0)))


def nearest_neighbour_entropy(similarities: Matrix, temperature: float = 1.0) -> float:
    """SNNE = -(1/n) Σ_i ln Σ_j e^{s_ij/τ} (Nguyen et al., ACL Findings 2025, arXiv 2506.00245).

    The result is negative: from -1/τ - ln n for a unanimous group up to -ln(n - 1 + e^{1/τ}).

    Args:
        similarities: s.
        temperature: τ > 0; the lower, the larger the weight of the nearest neighbours.
    """
    return -math.fsum(logsumexp([s / temperature for s in row]) for row in similarities) / len(similarities)


def density_entropy(similarities: Matrix, log_likelihoods: Sequence[float]) -> float:
    """-Σ_i p_i ln SD_i, where SD_i = Σ_j p_j s_ij is the semantic density of response i, in nats.

    Semantic density (Qiu and Miikkulainen, NeurIPS 2024, arXiv 2405.13845) is the confidence in one response: the sum
    of a kernel over the distinct responses, weighted by their normalised likelihoods p. The kernel, 1 minus the
    expected squared distance, is the similarity. The mean logarithm is the similarity-sensitive entropy of order 1
    (Leinster and Cobbold, Ecology 93, 2012), in [0, ln n]; for similarities of 0 and 1 it equals Rao-Blackwellised
    semantic entropy.

    Args:
        similarities: s, of distinct responses.
        log_likelihoods: l_i <= 0, one per response; p_i = e^{l_i} / Σ_j e^{l_j}.
    """
    total = logsumexp(log_likelihoods)
    weights = [math.exp(value - total) for value in log_likelihoods]
    terms = (
        weight * math.log(math.fsum(p * s for p, s in zip(weights, row, strict=True)))
        for weight, row in zip(weights, similarities, strict=True)
        if weight > 0
    )
    return max(0.0, -math.fsum(terms))


def _similarities(given: EntropyInput) -> Matrix:
    if given.similarities is None:
        raise GroupError("the estimator needs the similarities of the responses")
    return given.similarities


def _ordered(given: EntropyInput) -> Matrix:
    """The similarities with the responses sorted by text, so that rounding does not depend on their order."""
    rows, responses = _similarities(given), given.group.responses
    order = sorted(range(len(responses)), key=responses.__getitem__)
    return [[rows[i][j] for j in order] for i in order]


def _positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ConfigError(f"{name} is {value}; it must be above 0")


@dataclass(frozen=True)
class KernelLanguageEntropy(EntropyEstimator):
    """Kernel language entropy with the heat kernel, in nats (see `kernel_language_entropy`).

    Args:
        time: the diffusion time t > 0.
    """

    time: float = 0.3

    uses_similarities = True

    def __post_init__(self) -> None:
        require("spectral", "the entropy estimator 'kle'")
        _positive("time", self.time)

    def __call__(self, given: EntropyInput) -> float:
        """The von Neumann entropy."""
        return kernel_language_entropy(_ordered(given), self.time)


@dataclass(frozen=True)
class EigV(EntropyEstimator):
    """Continuous count of meanings (see `eigenvalue_sum`)."""

    uses_similarities = True
    in_nats = False

    def __post_init__(self) -> None:
        require("spectral", "the entropy estimator 'eigv'")

    def __call__(self, given: EntropyInput) -> float:
        """The sum of eigenvalues, in [1, G]."""
        return eigenvalue_sum(_ordered(given))


@dataclass(frozen=True)
class Degree(EntropyEstimator):
    """Mean dissimilarity of the responses (see `degree`)."""

    uses_similarities = True
    in_nats = False

    def __call__(self, given: EntropyInput) -> float:
        """The mean dissimilarity, in [0, 1 - 1/G]."""
        return degree(_ordered(given))


@dataclass(frozen=True)
class Eccentricity(EntropyEstimator):
    """Spread of the responses in the spectral embedding (see `eccentricity`).

    Args:
        threshold: upper bound of the eigenvalues whose eigenvectors span the embedding; in (0, 1].
    """

    threshold: float = 0.9

    uses_similarities = True
    in_nats = False

    def __post_init__(self) -> None:
        require("spectral", "the entropy estimator 'eccentricity'")
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"threshold is {self.threshold}; it lies in (0, 1]")

    def __call__(self, given: EntropyInput) -> float:
        """The Frobenius norm, at least 0."""
        return eccentricity(_ordered(given), self.threshold)


@dataclass(frozen=True)
class Snne(EntropyEstimator):
    """Semantic nearest-neighbour entropy (see `nearest_neighbour_entropy`); it is negative.

    Args:
        temperature: τ > 0.
    """

    temperature: float = 1.0

    uses_similarities = True
    in_nats = False

    def __post_init__(self) -> None:
        _positive("temperature", self.temperature)

    def __call__(self, given: EntropyInput) -> float:
        """SNNE, below 0."""
        return nearest_neighbour_entropy(_ordered(given), self.temperature)


@dataclass(frozen=True)
class SemanticDensity(EntropyEstimator):
    """Entropy of semantic density, from likelihoods and similarities, in nats (see `density_entropy`).

    Args:
        length_normalized: use the mean log-probability per token, so that length does not matter; otherwise the sum.
    """

    length_normalized: bool = True

    uses_similarities = True
    uses_logprobs = True

    def __call__(self, given: EntropyInput) -> float:
        """The entropy over the distinct responses."""
        likelihoods = needed_log_likelihoods(given.group, "semantic_density", self.length_normalized)
        # The same text may have several likelihoods (other tokens); the greatest is taken, whatever the order.
        pairs = sorted(zip(given.group.responses, likelihoods, range(len(likelihoods)), strict=True))
        last = {response: (value, position) for response, value, position in pairs}
        rows = _similarities(given)
        similarities = [[rows[i][j] for _, j in last.values()] for _, i in last.values()]
        return density_entropy(similarities, [value for value, _ in last.values()])

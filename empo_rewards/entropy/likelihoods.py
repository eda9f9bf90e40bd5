"""Log-likelihoods of responses, and the Rao-Blackwellised estimator of semantic entropy built on them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from empo_rewards.errors import GroupError
from empo_rewards.group import Group
from empo_rewards.protocols import EntropyEstimator, EntropyInput


def logsumexp(values: Sequence[float]) -> float:
    """ln Σ e^x without overflow; -inf if all values are -inf."""
    top = max(values)
    return top if math.isinf(top) else top + math.log(math.fsum(math.exp(value - top) for value in values))


def rao_blackwell(log_likelihoods: Sequence[float], labels: Sequence[int]) -> float:
    """Rao-Blackwellised semantic entropy (Kuhn et al., ICLR 2023; Farquhar et al., Nature 630, 2024).

    Cluster probabilities are the normalised sums of the responses' likelihoods: p_k = Σ_{i in k} e^{l_i} / Σ_i e^{l_i}.

    Args:
        log_likelihoods: l_i <= 0, one per response, not all of them -inf.
        labels: the cluster id of each response.
    """
    total = logsumexp(log_likelihoods)
    members: dict[int, list[float]] = {}
    for value, label in zip(log_likelihoods, labels, strict=True):
        members.setdefault(label, []).append(value)
    log_shares = [logsumexp(values) - total for values in members.values()]
    return max(0.0, -math.fsum(math.exp(share) * share for share in log_shares if not math.isinf(share)))


@dataclass(frozen=True)
class RaoBlackwell(EntropyEstimator):
    """Semantic entropy with cluster probabilities from token log-probabilities instead of counts (`rao_blackwell`).

    Args:
        length_normalized: use the mean log-probability per token, so that length does not matter (Farquhar et al.).
            Otherwise the sum, which favours short responses (Kuhn et al. compare both).
    """

    length_normalized: bool = True

    uses_logprobs = True

    def __call__(self, given: EntropyInput) -> float:
        """`rao_blackwell` of the responses' log-likelihoods."""
        likelihoods = needed_log_likelihoods(given.group, "rao_blackwell", self.length_normalized)
        return rao_blackwell(likelihoods, given.clusters.labels)


@dataclass(frozen=True)
class Rao(RaoBlackwell):
    """Deprecated alias of `rao_blackwell`."""

    def __post_init__(self) -> None:
        warnings.warn("entropy: rao is now called rao_blackwell", DeprecationWarning, stacklevel=2)


def log_likelihoods(group: Group, *, length_normalized: bool = True) -> list[float] | None:
    """Mean or sum of each response's token log-probabilities; None if any response has none."""
    if group.token_logprobs is None or not all(group.token_logprobs):
        return None
    return [math.fsum(values) / (len(values) if length_normalized else 1) for values in group.token_logprobs]


def finite_log_likelihoods(group: Group, who: str, *, length_normalized: bool = True) -> list[float] | None:
    """`log_likelihoods` for the strategy named `who`, whose rewards are made of them.

    Raises:
        GroupError: a response has a log-likelihood of -inf.
    """
    found = log_likelihoods(group, length_normalized=length_normalized)
    if found is not None and not all(map(math.isfinite, found)):
        position = [math.isfinite(value) for value in found].index(False)
        raise GroupError(f"the strategy `{who}` finds response {position} impossible by its token_logprobs")
    return found


def needed_log_likelihoods(group: Group, who: str, length_normalized: bool) -> list[float]:
    """`log_likelihoods` for the estimator named `who`, which requires them.

    Raises:
        GroupError: a response has no log-probabilities, or all log-likelihoods are -inf.
    """
    found = log_likelihoods(group, length_normalized=length_normalized)
    if found is None:
        raise GroupError(f"the entropy estimator `{who}` needs token_logprobs for every response of the group")
    if math.isinf(max(found)):
        raise GroupError(f"the entropy estimator `{who}` finds every response impossible by its token_logprobs")
    return found

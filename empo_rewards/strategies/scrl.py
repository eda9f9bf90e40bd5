"""SCRL: selective positive and entropy-gated negative pseudo-labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from empo_rewards.entropy.likelihoods import log_likelihoods
from empo_rewards.errors import ConfigError
from empo_rewards.protocols import Rewards, Strategy, StrategyInput


@dataclass(frozen=True)
class Scrl(Strategy):
    """SCRL: selective positive and entropy-gated negative pseudo-labels (arXiv 2603.19880).

    +1 for the majority if its share is at least `positive` and exceeds the second share by more than `margin`; -1 for
    clusters whose share is below `negative` and whose mean uncertainty is at least that of the group; `abstain` for all
    other responses.

    The uncertainty of a response is its mean negative token log-probability, a one-sample estimate of its token
    entropy. Without token log-probabilities no response is labelled negative.

    Args:
        positive, margin, negative: shares in [0, 1].
        abstain: the reward of a response without a label; None: no reward, if the trainer supports that.
    """

    positive: float = 0.5
    margin: float = 0.15
    negative: float = 0.15
    abstain: float | None = 0.0

    def __post_init__(self) -> None:
        for name, share in (("positive", self.positive), ("margin", self.margin), ("negative", self.negative)):
            if not 0 <= share <= 1:
                raise ConfigError(f"{name} is {share}; a share lies in [0, 1]")

    def __call__(self, given: StrategyInput) -> Rewards:
        """+1, -1 or `abstain`."""
        clusters = given.clusters
        shares = clusters.shares[: clusters.voters]
        second = shares[1] if len(shares) > 1 else 0.0
        trusted = clusters.largest_share >= self.positive and clusters.largest_share - second > self.margin
        doubtful = self._doubtful(given)

        def label(k: int) -> float | None:
            if trusted and k in clusters.modal:
                return 1.0
            return -1.0 if k in doubtful else self.abstain

        return Rewards(tuple(label(k) for k in clusters.labels))

    def _doubtful(self, given: StrategyInput) -> frozenset[int]:
        """The clusters with a small share and a high uncertainty."""
        likelihoods = log_likelihoods(given.group)
        if likelihoods is None:
            return frozenset()
        clusters = given.clusters
        group_mean = -math.fsum(likelihoods) / len(likelihoods)
        doubtful = set()
        for k in range(clusters.voters):
            members = [-value for value, label in zip(likelihoods, clusters.labels, strict=True) if label == k]
            if clusters.shares[k] < self.negative and math.fsum(members) / len(members) >= group_mean:
                doubtful.add(k)
        return frozenset(doubtful)

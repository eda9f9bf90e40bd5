"""Strategies that reward agreement: EMPO's cluster share, and majority votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from empo_rewards.errors import ConfigError
from empo_rewards.protocols import Rewards, Strategy, StrategyInput


@dataclass(frozen=True)
class Empo(Strategy):
    """EMPO: r_i = n_k/G, the share of the response's cluster; 0 without a valid answer (arXiv 2504.05812, eq. 6)."""

    formula = "p_k; 0 without an answer"
    paper = "EMPO, arXiv 2504.05812, eq. 6"

    uses_weights = True

    def __call__(self, given: StrategyInput) -> Rewards:
        """The cluster share of each response."""
        clusters = given.clusters
        shares = clusters.shares
        return Rewards(
            tuple(shares[label] if label < clusters.voters else 0.0 for label in clusters.labels),
        )


@dataclass(frozen=True)
class Majority(Strategy):
    """TTRL's majority vote: 1 for the members of the largest cluster, 0 for the others (arXiv 2504.16084).

    Args:
        ties: if several clusters are largest, `all` of them get 1, or `none`. Neither depends on order or spelling.
    """

    formula = "1 in a largest cluster, else 0"
    paper = "TTRL, arXiv 2504.16084"

    ties: Literal["all", "none"] = "all"

    uses_weights = True

    def __call__(self, given: StrategyInput) -> Rewards:
        """1 or 0."""
        modal = given.clusters.modal
        if self.ties == "none" and len(modal) > 1:
            modal = frozenset()
        return Rewards(tuple(float(label in modal) for label in given.clusters.labels))


@dataclass(frozen=True)
class MajorityThreshold(Strategy):
    """SRT's majority vote, which abstains if the majority is too small (arXiv 2505.21444).

    Args:
        threshold: the minimum share of the largest cluster, in (0, 1].
    """

    formula = "`majority`; no reward where the largest share is below `threshold`"
    paper = "SRT, arXiv 2505.21444"

    threshold: float = 0.5

    uses_weights = True

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"threshold is {self.threshold}; a share lies in (0, 1]")

    def __call__(self, given: StrategyInput) -> Rewards:
        """1 or 0, or None for the whole group."""
        if given.clusters.largest_share < self.threshold:
            return Rewards((None,) * len(given.clusters.labels))
        return Majority()(given)

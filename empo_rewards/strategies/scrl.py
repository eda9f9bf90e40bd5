"""SCRL: selective positive and entropy-gated negative pseudo-labels (arXiv 2603.19880, ACL'26)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from empo_rewards.entropy.likelihoods import finite_log_likelihoods
from empo_rewards.errors import ConfigError, GroupError
from empo_rewards.protocols import Clusters, Rewards, Strategy, StrategyInput


@dataclass(frozen=True)
class Scrl(Strategy):
    """SCRL, with the constants of its authors' training script (Jasper-Yan/SCRL, run_example.sh).

    p_a is the share of answer a among all responses, H_a the mean uncertainty of its responses, H that of all. The
    majority y is a pseudo-positive label if p_y >= `positive`, and exceeds the next share by more than `margin`. Other
    answers with p_a < `negative` and H_a >= H are negative. The rewards of `continuous` are

        p_a - λ(H_a - H) for y;   -(`negative` - p_a) - λ(H_a - H) for negatives;   -λ(H_a - H) for other answers

    with λ = `entropy_weight`; those of `binary` are 1, -1 and `abstain`. A response without an answer gets `blank`.

    The authors' uncertainty is the mean entropy of a response's token distributions; here it is the mean negative
    log-probability of its tokens, which estimates that from one sample.

    Args:
        mode: "continuous", as in the authors' runs, or "binary".
        positive, margin, negative: shares in [0, 1].
        entropy_weight: λ.
        blank: the reward of a response without an answer.
        abstain: in `binary`, the reward of an answer without a label; None: no reward, if the trainer supports that.
        logprobs: "required": a group without token log-probabilities is unscored. "optional": such a group has no
            negatives and H_a = H = 0. That is not SCRL any more, but its positive labels alone.
    """

    formula = "see [SCRL](#scrl)"
    paper = "SCRL, arXiv 2603.19880; Jasper-Yan/SCRL"

    mode: Literal["continuous", "binary"] = "continuous"
    positive: float = 0.375
    margin: float = 0.125
    negative: float = 0.125
    entropy_weight: float = 0.1
    blank: float | None = -1.0
    abstain: float | None = 0.0
    logprobs: Literal["required", "optional"] = "required"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.entropy_weight) and self.entropy_weight >= 0):
            raise ConfigError(f"entropy_weight is {self.entropy_weight}; it must be a finite number from 0 on")
        for name, share in (("positive", self.positive), ("margin", self.margin), ("negative", self.negative)):
            if not 0 <= share <= 1:
                raise ConfigError(f"{name} is {share}; a share lies in [0, 1]")
        object.__setattr__(self, "uses_logprobs", self.logprobs == "required")

    def __call__(self, given: StrategyInput) -> Rewards:
        """One reward for each response."""
        clusters = given.clusters
        excess = self._excess(given)
        label = self._positive(clusters)
        by_answer = [self._reward(clusters.shares[k], k == label, excess[k]) for k in range(clusters.voters)]
        return Rewards(tuple(by_answer[k] if k < clusters.voters else self.blank for k in clusters.labels))

    def _positive(self, clusters: Clusters) -> int | None:
        """The id of the pseudo-positive answer, if there is one. A single answer needs no margin."""
        shares = clusters.shares[: clusters.voters]
        if not shares or shares[0] < self.positive:
            return None
        return 0 if len(shares) == 1 or shares[0] - shares[1] > self.margin else None

    def _excess(self, given: StrategyInput) -> Sequence[float | None]:
        """H_a - H for each answer; None for each without log-probabilities."""
        found = finite_log_likelihoods(given.group, "scrl")
        clusters = given.clusters
        if found is None:
            if self.logprobs == "required":
                raise GroupError("the strategy `scrl` needs token_logprobs for every response of the group")
            return (None,) * clusters.voters
        mean = -math.fsum(found) / len(found)
        sums = [0.0] * clusters.voters
        for value, label in zip(found, clusters.labels, strict=True):
            if label < clusters.voters:
                sums[label] -= value
        return [total / size - mean for total, size in zip(sums, clusters.sizes, strict=False)]

    def _reward(self, share: float, is_positive: bool, excess: float | None) -> float | None:
        is_negative = not is_positive and share < self.negative and excess is not None and excess >= 0
        if self.mode == "binary":
            return 1.0 if is_positive else -1.0 if is_negative else self.abstain
        base = share if is_positive else share - self.negative if is_negative else 0.0
        return base - self.entropy_weight * (excess or 0.0)

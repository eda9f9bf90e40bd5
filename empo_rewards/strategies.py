"""Reward strategies: from meaning clusters to one reward a response."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from empo_rewards.clustering import Clusters
from empo_rewards.entropy import log_likelihoods
from empo_rewards.errors import ConfigError, GroupError
from empo_rewards.group import Group


@dataclass(frozen=True)
class Verdict:
    """What a strategy is given.

    Args:
        group: the group, without its reference (no label leaks).
        clusters: its meaning clusters.
        entropy: its semantic entropy in nats.
        correct: for each response whether it agrees with the reference. None but for a strategy whose class says
            `uses_reference = True`, and there None where the group has no reference.
    """

    group: Group
    clusters: Clusters
    entropy: float
    correct: tuple[bool, ...] | None = None


@dataclass(frozen=True)
class Rewards:
    """What a strategy gives: one reward a response (None: it abstains), and the scale of the group's advantages."""

    rewards: tuple[float | None, ...]
    advantage_scale: float = 1.0


@runtime_checkable
class Strategy(Protocol):
    """Turns a group's clusters into rewards.

    A class attribute `uses_reference = True` asks for `correct`; `uses_nats = True` says that the strategy sets the
    entropy against ln G, so that an estimator that measures something else is refused.
    """

    def __call__(self, verdict: Verdict) -> Rewards:
        """One reward a response, in the order of the responses."""
        ...


@dataclass(frozen=True)
class Empo:
    """EMPO: the share of the response's cluster, r_i = n_k/G; 0 without a vote (arXiv 2504.05812, eq. 6)."""

    def __call__(self, verdict: Verdict) -> Rewards:
        """The shares."""
        clusters = verdict.clusters
        shares = clusters.shares
        return Rewards(
            tuple(shares[label] if label < clusters.voters else 0.0 for label in clusters.labels),
        )


@dataclass(frozen=True)
class Majority:
    """TTRL's majority vote: 1 for the members of the largest cluster, 0 for the others (arXiv 2504.16084).

    Args:
        ties: where several clusters are largest: `all` of them get 1 (order and spelling cannot matter), or `none`.
    """

    ties: Literal["all", "none"] = "all"

    def __call__(self, verdict: Verdict) -> Rewards:
        """1 or 0."""
        modal = verdict.clusters.modal
        if self.ties == "none" and len(modal) > 1:
            modal = frozenset()
        return Rewards(tuple(float(label in modal) for label in verdict.clusters.labels))


@dataclass(frozen=True)
class MajorityThreshold:
    """SRT's majority vote where the majority is large enough; elsewhere it abstains (arXiv 2505.21444).

    Args:
        threshold: the least share of the largest cluster, in (0, 1].
    """

    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"threshold is {self.threshold}; a share lies in (0, 1]")

    def __call__(self, verdict: Verdict) -> Rewards:
        """1 or 0, or None for the whole group."""
        if verdict.clusters.largest_share < self.threshold:
            return Rewards((None,) * len(verdict.clusters.labels))
        return Majority()(verdict)


@dataclass(frozen=True)
class Scrl:
    """SCRL: selective positive and entropy-gated negative pseudo-labels (arXiv 2603.19880).

    +1 for the majority where its share is at least `positive` and leads the second by more than `margin`; -1 for
    answers whose share is below `negative` and whose members were sampled with at least the group's mean uncertainty;
    `abstain` for the rest.

    The uncertainty of a response is its mean negative token log-probability, a one-sample estimate of its token
    entropy. Without token log-probabilities nothing can be called uncertain, and no response is labelled negative.

    Args:
        positive, margin, negative: shares in [0, 1].
        abstain: the reward of a response without a label; None leaves it out where the trainer can.
    """

    positive: float = 0.5
    margin: float = 0.15
    negative: float = 0.15
    abstain: float | None = 0.0

    def __call__(self, verdict: Verdict) -> Rewards:
        """+1, -1 or `abstain`."""
        clusters = verdict.clusters
        shares = clusters.shares[: clusters.voters]
        second = shares[1] if len(shares) > 1 else 0.0
        trusted = clusters.largest_share >= self.positive and clusters.largest_share - second > self.margin
        doubtful = self._doubtful(verdict)

        def label(k: int) -> float | None:
            if trusted and k in clusters.modal:
                return 1.0
            return -1.0 if k in doubtful else self.abstain

        return Rewards(tuple(label(k) for k in clusters.labels))

    def _doubtful(self, verdict: Verdict) -> frozenset[int]:
        """The clusters of small share and high uncertainty."""
        likelihoods = log_likelihoods(verdict.group)
        if likelihoods is None:
            return frozenset()
        clusters = verdict.clusters
        group_mean = -math.fsum(likelihoods) / len(likelihoods)
        doubtful = set()
        for k in range(clusters.voters):
            members = [-value for value, label in zip(likelihoods, clusters.labels, strict=True) if label == k]
            if clusters.shares[k] < self.negative and math.fsum(members) / len(members) >= group_mean:
                doubtful.add(k)
        return frozenset(doubtful)


@dataclass(frozen=True)
class EntropyScaled:
    """SEED-GRPO: the base strategy's rewards, with advantages scaled down by uncertainty (arXiv 2505.12346, eq. 6).

    The scale is f(α·H/ln G), with f(x) = 1 - x (linear), e^-x (exponential) or (1 - x)² (focal); never below 0. It
    comes back as `advantage_scale`, for a trainer's advantage estimator to multiply by.

    Args:
        base: whose rewards to give.
        alpha: the sensitivity α > 0.
        form: the function f.
    """

    base: Literal["empo", "majority"] = "empo"
    alpha: float = 1.0
    form: Literal["linear", "exponential", "focal"] = "linear"

    uses_nats = True

    def __post_init__(self) -> None:
        if self.alpha <= 0:
            raise ConfigError(f"alpha is {self.alpha}; it must be above 0")

    def __call__(self, verdict: Verdict) -> Rewards:
        """The base's rewards and the scale."""
        base: Strategy = Empo() if self.base == "empo" else Majority()
        size = len(verdict.clusters.labels)
        x = self.alpha * verdict.entropy / math.log(size) if size > 1 else 0.0
        scale = {"linear": max(0.0, 1 - x), "exponential": math.exp(-x), "focal": max(0.0, 1 - x) ** 2}[self.form]
        return Rewards(base(verdict).rewards, scale)


@dataclass(frozen=True)
class Random:
    """A control: 1 with a fixed probability, whatever the answer. What a method gains over it is its own.

    Drawn from the seed, the prompt, the response and how often the same text came before it: the same group gets the
    same rewards, in any order and any process.

    Args:
        probability: of a reward of 1.
        seed: another seed gives other rewards.
    """

    probability: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"probability is {self.probability}; it lies in [0, 1]")

    def __call__(self, verdict: Verdict) -> Rewards:
        """1 or 0."""
        seen: Counter[str] = Counter()
        rewards = []
        for response in verdict.group.responses:
            parts = (str(self.seed), verdict.group.prompt_text, response, str(seen[response]))
            seen[response] += 1
            text = "".join(f"{len(part)}:{part}" for part in parts)
            digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            rewards.append(float(int.from_bytes(digest, "big") / 2**64 < self.probability))
        return Rewards(tuple(rewards))


@dataclass(frozen=True)
class Format:
    """A control: 1 for a response that has an answer, 0 without."""

    def __call__(self, verdict: Verdict) -> Rewards:
        """1 or 0."""
        clusters = verdict.clusters
        return Rewards(tuple(float(label < clusters.voters) for label in clusters.labels))


@dataclass(frozen=True)
class Reference:
    """The supervised control: 1 for an answer that agrees with the reference. The one strategy that uses a label."""

    uses_reference = True

    def __call__(self, verdict: Verdict) -> Rewards:
        """1 or 0."""
        if verdict.correct is None:
            raise GroupError("the strategy `reference` needs a reference, and this group has none")
        return Rewards(tuple(float(right) for right in verdict.correct))

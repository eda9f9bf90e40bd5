"""Controls: strategies that do not use agreement, as baselines for comparison."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

from empo_rewards.errors import ConfigError, GroupError
from empo_rewards.protocols import Rewards, Strategy, StrategyInput


@dataclass(frozen=True)
class Random(Strategy):
    """Random control: reward 1 with a fixed probability, independent of the answer.

    Drawn from a hash of the seed, the prompt, the response and the number of equal responses before it: the same group
    gets the same rewards, in any order and any process.

    Args:
        probability: the probability of a reward of 1.
        seed: the seed of the hash.
    """

    probability: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"probability is {self.probability}; it lies in [0, 1]")

    def __call__(self, given: StrategyInput) -> Rewards:
        """1 or 0."""
        seen: Counter[str] = Counter()
        rewards = []
        for response in given.group.responses:
            parts = (str(self.seed), given.group.prompt_text, response, str(seen[response]))
            seen[response] += 1
            text = "".join(f"{len(part)}:{part}" for part in parts)
            digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            rewards.append(float(int.from_bytes(digest, "big") / 2**64 < self.probability))
        return Rewards(tuple(rewards))


@dataclass(frozen=True)
class Format(Strategy):
    """Format control: 1 for a response with a valid answer, 0 without."""

    def __call__(self, given: StrategyInput) -> Rewards:
        """1 or 0."""
        clusters = given.clusters
        return Rewards(tuple(float(label < clusters.voters) for label in clusters.labels))


@dataclass(frozen=True)
class Reference(Strategy):
    """Supervised control: 1 for an answer that agrees with the reference, else 0. No other strategy uses labels."""

    uses_reference = True

    def __call__(self, given: StrategyInput) -> Rewards:
        """1 or 0."""
        if given.correct is None:
            raise GroupError("the strategy `reference` needs a reference, and this group has none")
        return Rewards(tuple(float(right) for right in given.correct))

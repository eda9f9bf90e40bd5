"""Controls: strategies that do not use agreement, as baselines for comparison."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from empo_rewards.errors import ConfigError, GroupError
from empo_rewards.protocols import Rewards, Strategy, StrategyInput


@dataclass(frozen=True)
class Random(Strategy):
    """Random control of EMPO's experiments: a reward that does not depend on the answer (arXiv 2504.05812).

    Drawn from a hash of the seed, the prompt, the response and the number of equal responses before it: the same group
    gets the same rewards, in any order and any process.

    Args:
        distribution: "uniform" on [0, 1), as in the authors' code, or "coin": 1 with `probability`, else 0.
        probability: of a reward of 1, for "coin".
        answered_only: 0 for a response without an answer (the authors' TRL code), so that the format is learned.
        seed: the seed of the hash.
    """

    formula = "uniform on [0, 1)"
    paper = "control of EMPO's code"

    distribution: Literal["uniform", "coin"] = "uniform"
    probability: float = 0.5
    answered_only: bool = False
    seed: int = 0

    uses_weights = True
    uses_sides = True

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"probability is {self.probability}; it lies in [0, 1]")

    def __call__(self, given: StrategyInput) -> Rewards:
        """Numbers in [0, 1]."""
        seen: Counter[str] = Counter()
        rewards = []
        for position, response in enumerate(given.group.responses):
            parts = (str(self.seed), given.group.prompt_text, response, str(seen[response]))
            seen[response] += 1
            drawn = _uniform("".join(f"{len(part)}:{part}" for part in parts))
            if self.answered_only and not given.clusters.votes(position):
                rewards.append(0.0)
            else:
                rewards.append(drawn if self.distribution == "uniform" else float(drawn < self.probability))
        return Rewards(tuple(rewards))


def _uniform(text: str) -> float:
    """A number in [0, 1) by the hash of a text, with the 53 bits that a float holds."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


@dataclass(frozen=True)
class Format(Strategy):
    """Format control: 1 for a response with a valid answer, 0 without."""

    formula = "1 with an answer, else 0"
    paper = "control"

    uses_weights = True
    uses_sides = True

    def __call__(self, given: StrategyInput) -> Rewards:
        """1 or 0."""
        clusters = given.clusters
        return Rewards(tuple(float(label < clusters.voters) for label in clusters.labels))


@dataclass(frozen=True)
class Reference(Strategy):
    """Supervised control: 1 for an answer that agrees with the reference, else 0. No other strategy uses labels."""

    formula = "1 if the answer agrees with the label, else 0"
    paper = "supervised control"

    uses_reference = True
    uses_weights = True
    uses_sides = True

    def __call__(self, given: StrategyInput) -> Rewards:
        """1 or 0."""
        if given.correct is None:
            raise GroupError("the strategy `reference` needs a reference, and this group has none")
        return Rewards(tuple(float(right) for right in given.correct))


@dataclass(frozen=True)
class Best(Strategy):
    """Supervised control of EMPO's code: labels where the majority is wrong, and 0 for every response elsewhere.

    What such a run gains is what agreement cannot teach. With tied largest clusters the majority counts as wrong.
    """

    formula = "`reference` where the majority is wrong, else 0"
    paper = "control of EMPO's code"

    uses_reference = True
    uses_weights = True

    def __call__(self, given: StrategyInput) -> Rewards:
        """1 or 0."""
        if given.correct is None:
            raise GroupError("the strategy `best` needs a reference, and this group has none")
        modal = given.clusters.modal
        agreed = [right for right, k in zip(given.correct, given.clusters.labels, strict=True) if k in modal]
        hit = len(modal) == 1 and all(agreed)
        return Rewards(tuple(float(right and not hit) for right in given.correct))

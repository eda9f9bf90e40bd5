"""A weighted sum of strategies."""

from __future__ import annotations

import math
from dataclasses import dataclass

from empo_rewards.errors import ConfigError
from empo_rewards.protocols import Rewards, Strategy, StrategyInput


@dataclass(frozen=True)
class Mix(Strategy):
    """The weighted sum of other strategies' rewards; a response on which one of them abstains has none.

    With `reference` among them it mixes a verifiable reward with a label-free one. Scales of advantages are multiplied.

    Args:
        parts: each a strategy, given by its name, or by its name and options.
        weights: one for each part, by default 1 divided by their number.
    """

    formula = "the weighted sum of `parts`"

    parts: list[Strategy]
    weights: list[float] | None = None

    def __post_init__(self) -> None:
        if not self.parts:
            raise ConfigError("parts is empty; a mix needs strategies")
        if self.weights is not None and len(self.weights) != len(self.parts):
            raise ConfigError(f"there are {len(self.weights)} weights for {len(self.parts)} parts")
        if not all(math.isfinite(weight) for weight in self.weights or ()):
            raise ConfigError(f"weights are {self.weights}; each must be a finite number")
        for name in ("uses_reference", "uses_nats", "uses_logprobs", "scales_advantages"):
            object.__setattr__(self, name, any(getattr(part, name) for part in self.parts))
        for name in ("uses_weights", "uses_sides"):
            object.__setattr__(self, name, all(getattr(part, name) for part in self.parts))
        if any(part.gives_advantages for part in self.parts):
            raise ConfigError("a strategy that gives advantages is no part of a mix: its rewards have no other scale")

    def close(self) -> None:
        """Close the parts."""
        for part in self.parts:
            part.close()

    def __call__(self, given: StrategyInput) -> Rewards:
        """The sum for each response."""
        weights = self.weights or [1 / len(self.parts)] * len(self.parts)
        found = [part(given) for part in self.parts]
        rewards = []
        for each in zip(*(one.rewards for one in found), strict=True):
            terms = [None if value is None else weight * value for weight, value in zip(weights, each, strict=True)]
            rewards.append(None if None in terms else math.fsum(term for term in terms if term is not None))
        shift = math.fsum(weight * one.advantage_shift for weight, one in zip(weights, found, strict=True))
        return Rewards(tuple(rewards), math.prod(one.advantage_scale for one in found), shift)

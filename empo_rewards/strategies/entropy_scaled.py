"""SEED-GRPO: advantages scaled down by the group's semantic entropy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from empo_rewards.errors import ConfigError
from empo_rewards.protocols import DefaultComponent, Rewards, Strategy, StrategyInput
from empo_rewards.strategies.consensus import Empo


@dataclass(frozen=True)
class EntropyScaled(Strategy):
    """SEED-GRPO: the base strategy's rewards, with advantages scaled down by uncertainty (arXiv 2505.12346, eq. 6).

    The scale is f(α·H/ln G), with f(x) = 1 - x (linear), e^-x (exponential) or (1 - x)² (focal), and at least 0. It is
    returned as `advantage_scale`, a factor for the trainer's advantage estimator.

    Args:
        base: the strategy that gives the rewards.
        alpha: the sensitivity α > 0.
        form: the function f.
    """

    formula = "those of `base`; advantages times f(αH/ln G)"
    paper = "SEED-GRPO, arXiv 2505.12346, eq. 6"

    base: Annotated[Strategy, DefaultComponent("empo")] = field(default_factory=Empo)
    alpha: float = 1.0
    form: Literal["linear", "exponential", "focal"] = "linear"

    uses_nats = True
    scales_advantages = True

    def __post_init__(self) -> None:
        for name in ("uses_reference", "uses_logprobs", "gives_advantages"):
            object.__setattr__(self, name, getattr(self.base, name))
        if self.alpha <= 0:
            raise ConfigError(f"alpha is {self.alpha}; it must be above 0")

    def close(self) -> None:
        """Close the base."""
        self.base.close()

    def __call__(self, given: StrategyInput) -> Rewards:
        """The base strategy's rewards, and the scale, times the base's where it has one."""
        size = len(given.clusters.labels)
        x = self.alpha * given.entropy / math.log(size) if size > 1 else 0.0
        scale = {"linear": max(0.0, 1 - x), "exponential": math.exp(-x), "focal": max(0.0, 1 - x) ** 2}[self.form]
        found = self.base(given)
        return Rewards(found.rewards, scale * found.advantage_scale, scale * found.advantage_shift)

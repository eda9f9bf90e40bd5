"""RESTRAIN: every answer is a label by its weight, and groups without a consensus are penalised (arXiv 2510.02172)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from empo_rewards.errors import ConfigError, GroupError, described
from empo_rewards.protocols import Rewards, Strategy, StrategyInput


@dataclass(frozen=True)
class Restrain(Strategy):
    """RESTRAIN: GRPO's loss for each answer as if it were the label, weighted by how many give it (arXiv 2510.02172).

    With the share f_j of answer j among n responses, g(f) = exp(-(f - `centre`)²/(2 `width`²)) and w_j = g(f_j)/Σ g,
    the advantage of a response in cluster k is

        w_k sqrt((1 - f_k)/f_k) - Σ_{j≠k} w_j sqrt(f_j/(1 - f_j)),    and 0 where all give one answer.

    Where no answer has `least_votes`, the rewards are 0 and every advantage is -`penalty`. The loss of a prompt counts
    u times, u = g of the largest share among a frozen base's responses to it.

    The rewards are these advantages, which the trainer must not divide by their deviation; u is `advantage_scale`, and
    -u `penalty` is `advantage_shift`. The paper's constants could not be read: there are no defaults.

    Args:
        centre, width: of g; a share in [0, 1], and a number above 0.
        least_votes: κ, at least 1.
        penalty: δ, at least 0.
        base: a file of JSON lines with `prompt` (its text) and `largest_share` of a frozen base's responses. None: u is
            1 for every prompt. A group whose prompt is not in it is unscored.
    """

    formula = "see [RESTRAIN](#restrain)"
    paper = "RESTRAIN, arXiv 2510.02172"

    centre: float
    width: float
    least_votes: int
    penalty: float
    base: Path | None = None
    _shares: dict[str, float] = field(init=False, repr=False, compare=False)

    scales_advantages = True
    gives_advantages = True

    def __post_init__(self) -> None:
        if not 0 <= self.centre <= 1:
            raise ConfigError(f"centre is {self.centre}; a share lies in [0, 1]")
        if not (self.width > 0 and math.isfinite(self.width)):
            raise ConfigError(f"width is {self.width}; it must be above 0 and finite")
        if self.least_votes < 1:
            raise ConfigError(f"least_votes is {self.least_votes}; it must be at least 1")
        if not (self.penalty >= 0 and math.isfinite(self.penalty)):
            raise ConfigError(f"penalty is {self.penalty}; it must be a finite number from 0 on")
        object.__setattr__(self, "_shares", {} if self.base is None else _read_shares(self.base))

    def __call__(self, given: StrategyInput) -> Rewards:
        """The advantages, and the weight and the penalty of the prompt."""
        clusters = given.clusters
        scale = self._scale(given)
        if max(clusters.sizes[: clusters.voters], default=0) < self.least_votes:
            return Rewards((0.0,) * len(clusters.labels), scale, -scale * self.penalty)
        shares = clusters.shares[: clusters.voters]
        logs = [-((share - self.centre) ** 2) / (2 * self.width**2) for share in shares]
        masses = [math.exp(value - max(logs)) for value in logs]  # relative to the largest: a narrow g underflows
        total = math.fsum(masses)
        weights = [mass / total for mass in masses]
        others = [w * math.sqrt(f / (1 - f)) if f < 1 else 0.0 for w, f in zip(weights, shares, strict=True)]
        own = [w * math.sqrt((1 - f) / f) for w, f in zip(weights, shares, strict=True)]
        against = -math.fsum(others)
        answers = [against + other + mine for other, mine in zip(others, own, strict=True)]
        return Rewards(tuple(answers[k] if k < clusters.voters else against for k in clusters.labels), scale)

    def _scale(self, given: StrategyInput) -> float:
        if self.base is None:
            return 1.0
        share = self._shares.get(given.group.prompt_text)
        if share is None:
            raise GroupError(f"the strategy `restrain` has no share of this prompt in {self.base}")
        return math.exp(-((share - self.centre) ** 2) / (2 * self.width**2))


def _read_shares(path: Path) -> dict[str, float]:
    """The largest share by prompt.

    Raises:
        ConfigError: the file cannot be read, or a line is not as it should be.
    """
    found: dict[str, float] = {}
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row = json.loads(line)
                    prompt, share = row["prompt"], row["largest_share"]
                    if not isinstance(prompt, str) or isinstance(share, bool) or not 0 <= share <= 1:
                        raise ValueError("prompt must be a text, and largest_share a number in [0, 1]")
                except (ValueError, TypeError, KeyError, RecursionError) as error:
                    raise ConfigError(f"base: {path}:{number}: {described(error)}") from error
                if found.setdefault(prompt, share) != share:
                    raise ConfigError(f"base: {path}:{number}: another share of the same prompt")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"base: {path} cannot be read: {described(error)}") from error
    return found

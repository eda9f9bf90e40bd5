"""Rewards by the model's own confidence in its tokens: no answer is compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from empo_rewards.entropy.likelihoods import finite_log_likelihoods, log_likelihoods
from empo_rewards.errors import GroupError
from empo_rewards.protocols import Rewards, Strategy, StrategyInput


@dataclass(frozen=True)
class Likelihood(Strategy):
    """The likelihood of each response by the log-probabilities of its sampled tokens.

    "sum" is EM-RL's sequence reward (arXiv 2505.15134), "probability" RLSC's (arXiv 2506.06395). RENT (arXiv
    2505.22660) and Intuitor (arXiv 2505.19590) need the distributions of all tokens: "mean" estimates RENT's negative
    entropy from one sample of each token, and is a proxy for it; for Intuitor's divergence from uniform there is none.

    It fails by shortening ("sum", "probability") or by repeating itself ("mean"): both are likely text.

    Args:
        form: "mean" or "sum" of a response's token log-probabilities, or "probability", the exponential of their sum.
    """

    formula = "mean or sum of the log-probabilities of its tokens, or exp of the sum"
    paper = "EM-RL, arXiv 2505.15134; RLSC, arXiv 2506.06395"

    form: Literal["mean", "sum", "probability"] = "mean"

    uses_logprobs = True
    uses_weights = True
    uses_sides = True

    def __call__(self, given: StrategyInput) -> Rewards:
        """One number for each response: at most 0, or in [0, 1] for "probability"."""
        if self.form == "probability":  # an impossible response has the probability 0
            found = log_likelihoods(given.group, length_normalized=False)
        else:
            found = finite_log_likelihoods(given.group, "likelihood", length_normalized=self.form == "mean")
        if found is None:
            raise GroupError("the strategy `likelihood` needs token_logprobs for every response of the group")
        return Rewards(tuple(math.exp(value) for value in found) if self.form == "probability" else tuple(found))

"""The methods compared: rewards, and remedies against collapse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Method:
    """One method of training.

    Args:
        scorer: the configuration of empo_rewards.
        kl: the weight of the KL divergence from the base (TRL's `beta`).
        scale: divisor of a group's rewards (TRL's `scale_rewards`): `group`, their standard deviation; `batch`, that of
            the batch; `none`.
        labelled: whether the trainer's prompts have answers.
        logprobs: whether the scorer needs the log-probabilities of the sampled tokens.
        about: description for a legend.
    """

    scorer: Mapping[str, Any]
    kl: float = 0.0
    scale: str = "group"
    labelled: bool = False
    logprobs: bool = False
    about: str = ""


EMPO = {"preset": "empo-math"}


def _restrain(**constants: float) -> Method:
    """RESTRAIN with constants of our own, since the paper's could not be read."""
    strategy = {"name": "restrain", "centre": 1.0, **constants}
    return Method({**EMPO, "strategy": strategy}, scale="none", about="RESTRAIN's rule, with constants chosen here")


METHODS: Mapping[str, Method] = {
    "empo": Method(EMPO, about="share of the answer's cluster"),
    "majority": Method({"preset": "ttrl"}, about="1 for the majority's answer"),
    "reference": Method(
        {"preset": "supervised"}, labelled=True, about="1 for the right answer: the supervised ceiling"
    ),
    "random": Method({"preset": "random"}, about="a coin: the control"),
    "band": Method(
        {**EMPO, "gates": {"entropy": {"high": 0.6, "unit": "relative"}}},
        about="empo, only groups with an entropy below 0.6 ln G",
    ),
    "share": Method(
        {**EMPO, "gates": {"min_share": 0.3}}, about="empo, only groups with a majority share of 0.3 or more"
    ),
    "guards": Method(
        {**EMPO, "guards": [{"name": "blank", "reward": -0.5}, {"name": "repetition", "reward": -0.5}]},
        about="empo, -0.5 for blank and degenerate responses",
    ),
    "srt": Method({"preset": "srt"}, about="majority, only groups with a majority share of 0.5 or more"),
    "scrl": Method(
        {
            "preset": "empo-math",
            "strategy": {"name": "scrl", "mode": "binary", "positive": 0.5, "margin": 0.15, "negative": 0.15}
            | {"blank": 0.0, "logprobs": "optional"},
        },
        about="selective majority (no negative labels: the trainer gives no likelihoods)",
    ),
    "kl": Method(EMPO, kl=0.05, about="empo, with a KL term of 0.05"),
    "kl-strong": Method(EMPO, kl=0.2, about="empo, with a KL term of 0.2"),
    "kl-stiff": Method(EMPO, kl=0.5, about="empo, with a KL term of 0.5"),
    "unscaled": Method(EMPO, scale="batch", about="empo, advantages not scaled by each group's own deviation"),
    "scrl-32": Method({"preset": "scrl"}, logprobs=True, about="SCRL as published: 32 votes, 16 trained on"),
    "votes": Method({**EMPO, "trained": 16}, about="empo, 32 votes, 16 trained on"),
    "votes-kl": Method({**EMPO, "trained": 16}, kl=0.2, about="empo, 32 votes, 16 trained on, with a KL term of 0.2"),
    "restrain": _restrain(width=0.25, least_votes=3, penalty=0.5),
    "restrain-wide": _restrain(width=0.5, least_votes=3, penalty=0.5),
    "restrain-strict": _restrain(width=0.25, least_votes=5, penalty=1.0),
}

WORDS: Mapping[str, Any] = {"preset": "empo-natural", "equivalence": {"name": "auto", "semantic": None}}
"""Answers in words, compared by rules; no second model."""

_CONTROL: Mapping[str, Any] = {**WORDS, "gates": {"min_share": 0}, "guards": []}
"""The controls take every group and response."""

WORDS_METHODS: Mapping[str, Method] = {
    "empo": Method(WORDS, about="share of the answer's cluster"),
    "reference": Method(
        {**_CONTROL, "strategy": "reference"}, labelled=True, about="1 for the right answer: the supervised ceiling"
    ),
    "random": Method({**_CONTROL, "strategy": {"name": "random", "distribution": "coin"}}, about="a coin: the control"),
    "exact": Method({**WORDS, "equivalence": "exact"}, about="empo, only equal texts are one answer"),
    "minilm": Method({"preset": "empo-natural"}, about="empo, a sentence model decides what rules leave open"),
    "kl": Method(WORDS, kl=0.04, about="empo, with a KL term of 0.04"),
    "majority": Method({**WORDS, "strategy": "majority"}, about="1 for the majority's answer"),
}
"""The methods of the size `smollm`."""

"""Deprecated aliases of `empo_rewards.filters.guards`, until the next release."""

from __future__ import annotations

from empo_rewards._moved import moved

__getattr__ = moved(
    __name__,
    {
        "Guard": "empo_rewards.protocols:Guard",
        "Penalty": "empo_rewards.protocols:Penalty",
        "Blank": "empo_rewards.filters.guards:Blank",
        "Refusal": "empo_rewards.filters.guards:Refusal",
        "Copied": "empo_rewards.filters.guards:Copied",
        "Repetition": "empo_rewards.filters.guards:Repetition",
    },
)

"""Reward strategies: compute one reward per response from meaning clusters."""

from __future__ import annotations

from empo_rewards._moved import moved

__getattr__ = moved(
    __name__,
    {
        "Verdict": "empo_rewards.protocols:StrategyInput",
        "Rewards": "empo_rewards.protocols:Rewards",
        "Strategy": "empo_rewards.protocols:Strategy",
        "Empo": "empo_rewards.strategies.consensus:Empo",
        "Majority": "empo_rewards.strategies.consensus:Majority",
        "MajorityThreshold": "empo_rewards.strategies.consensus:MajorityThreshold",
        "Scrl": "empo_rewards.strategies.scrl:Scrl",
        "EntropyScaled": "empo_rewards.strategies.entropy_scaled:EntropyScaled",
        "Random": "empo_rewards.strategies.controls:Random",
        "Format": "empo_rewards.strategies.controls:Format",
        "Reference": "empo_rewards.strategies.controls:Reference",
    },
)

"""Equivalence backends: which answers of a group mean the same."""

from __future__ import annotations

from empo_rewards._moved import moved

__getattr__ = moved(
    __name__,
    {
        "AnswerSet": "empo_rewards.protocols:AnswerSet",
        "Relation": "empo_rewards.protocols:Relation",
        "EquivalenceBackend": "empo_rewards.protocols:EquivalenceBackend",
    },
)

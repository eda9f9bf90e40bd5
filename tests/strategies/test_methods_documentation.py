"""docs/methods.md: its table against the registered strategies and their capabilities."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import quoted, table

from empo_rewards.config import Component
from empo_rewards.plugins.registry import load
from empo_rewards.protocols import Strategy

PAGE = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
ROWS = {quoted(row[0])[0]: row for row in table(PAGE, "strategy", "reward of a response")}
CAPABILITIES = {
    "logprobs": "uses_logprobs",
    "labels": "uses_reference",
    "nats": "uses_nats",
    "scale": "scales_advantages",
}
REGISTRY = load()
OF_PARTS = {"mix": {"parts": ["empo"]}}


def test_every_strategy_has_its_row() -> None:
    assert set(ROWS) == set(REGISTRY.entries["strategy"])


@pytest.mark.parametrize("name", sorted(set(ROWS) - {"evol"}))  # evol needs sentence-transformers
def test_the_needs_are_those_that_it_declares(name: str) -> None:
    made = REGISTRY.create(Strategy, Component(name=name, **OF_PARTS.get(name, {})), "strategy")
    declared = {need for need, capability in CAPABILITIES.items() if getattr(made, capability)}
    assert declared == set(quoted(ROWS[name][2]))

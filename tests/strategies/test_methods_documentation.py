"""docs/methods.md: its table is the one that the registered strategies give."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

from empo_rewards.plugins.registry import load
from empo_rewards.protocols import Strategy
from empo_rewards.strategies.mix import Mix
from empo_rewards.strategies.scrl import Scrl

PAGE = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
STRATEGIES: dict[str, type[Strategy]] = {
    name: entry.factory for name, entry in load().entries["strategy"].items() if inspect.isclass(entry.factory)
}
NEEDS = {
    "logprobs": "uses_logprobs",
    "labels": "uses_reference",
    "nats": "uses_nats",
    "scale": "scales_advantages",
    "undivided": "gives_advantages",
}
"""The words of the page for capabilities."""

ADAPTERS = ("files", "server", "verl", "OpenRLHF", "slime", "TRL")
LACK = {
    "logprobs": set(),
    "scale": {"OpenRLHF", "slime", "TRL"},
    "undivided": set(),
    "sides": {"verl", "OpenRLHF", "slime", "TRL"},
}
"""The adapters that do not carry what a strategy needs."""

MODELS = {"evol": "an embedding", "group_judge": "a judge", "synthesis": "an anchor"}
SIDED = {"co_rewarding", "self_harmony"}
"""What no capability says: a model beside the policy, rollouts of two sides."""


def row(name: str, strategy: type[Strategy]) -> str:
    """A strategy's line of the table."""
    made = Scrl() if strategy is Scrl else strategy  # whether it needs log-probabilities depends on its options
    needs = [need for need, capability in NEEDS.items() if getattr(made, capability)]
    needs += ["sides"] * (name in SIDED)
    lacking = set().union(*(LACK.get(need, set()) for need in needs))
    carried = ", ".join(adapter for adapter in ADAPTERS if adapter not in lacking) if lacking else "all"
    if strategy is Mix:
        needed, carried = "those of its parts", "those of its parts"
    else:
        needed = ", ".join([*(f"`{need}`" for need in needs), *([MODELS[name]] if name in MODELS else [])])
    follows = ", ".join(what for what in ("weights", "sides") if getattr(strategy, f"uses_{what}"))
    cells = [f"`{name}`", strategy.formula, needed, "of its parts" if strategy is Mix else follows, carried]
    return " | ".join(["", *cells, strategy.paper, ""]).strip().replace("|  |", "| |").replace("|  |", "| |")


def generated() -> str:
    """The table of the page."""
    lines = [
        "| strategy | reward of a response | needs | follows | carried by | source |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *(row(name, strategy) for name, strategy in STRATEGIES.items())])


def test_the_table_is_that_of_the_registry() -> None:
    assert generated() in PAGE, f"docs/methods.md should have this table:\n\n{generated()}\n"


def test_every_strategy_says_what_it_does_and_where_it_is_from() -> None:
    assert set(STRATEGIES) == set(load().entries["strategy"])
    for name, strategy in STRATEGIES.items():
        assert strategy.formula, name
        assert strategy.paper or name == "mix", name
        assert strategy.__doc__, name
        assert importlib.import_module(strategy.__module__).__doc__, name

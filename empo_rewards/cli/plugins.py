"""`empo-rewards plugins`: the registered components, and the plugin that each comes from."""

from __future__ import annotations

import inspect
from typing import Any

from rich.table import Table

from empo_rewards.cli.console import JsonOption, err, out, print_json
from empo_rewards.plugins.registry import KINDS, PLUGINS_VARIABLE, Registered, load


def plugins(as_json: JsonOption = False) -> None:
    """Show everything that can be chosen in a configuration, its options, and the plugin it comes from."""
    registry = load()
    if as_json:
        print_json(
            {kind: [_record(entry) for entry in registry.entries[kind].values()] for kind in KINDS}
            | {"left out": list(registry.skipped)}
        )
        return
    for kind in KINDS:
        entries = registry.entries[kind]
        if not entries:
            continue
        columns = ["name", "from"] if kind == "preset" else ["name", "from", "options"]
        table = Table(*columns, title=KINDS[kind].removeprefix("register_").replace("_", " "), title_justify="left")
        for entry in sorted(entries.values(), key=lambda entry: entry.name):
            row = [entry.name, entry.plugin]
            options = ", ".join(k if v is None else f"{k}={v}" for k, v in _options(entry).items())
            table.add_row(*row) if kind == "preset" else table.add_row(*row, options)
        out.print(table)
    for name in registry.skipped:
        err.print(f"the plugin {name!r} is installed, but {PLUGINS_VARIABLE} leaves it out")


def _record(entry: Registered) -> dict[str, Any]:
    return {"name": entry.name, "from": entry.plugin, "options": _options(entry)}


def _options(entry: Registered) -> dict[str, str | None]:
    """The factory's keyword parameters with their defaults as Python writes them; None for one without a default."""
    if not callable(entry.factory):  # a preset's mapping or path
        return {}
    parameters = inspect.signature(entry.factory).parameters.values()
    return {p.name: None if p.default is p.empty else repr(p.default) for p in parameters}

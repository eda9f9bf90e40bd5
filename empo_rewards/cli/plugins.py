"""`empo-rewards plugins`: the registered components, and the plugin that each comes from."""

from __future__ import annotations

import inspect

from rich.table import Table

from empo_rewards.cli.console import err, out
from empo_rewards.plugins.registry import KINDS, PLUGINS_VARIABLE, Registered, load


def plugins() -> None:
    """Show everything that can be chosen in a configuration, its options, and the plugin it comes from."""
    registry = load()
    for kind in KINDS:
        entries = registry.entries[kind]
        if not entries:
            continue
        columns = ["name", "from"] if kind == "preset" else ["name", "from", "options"]
        table = Table(*columns, title=f"{kind}s", title_justify="left")
        for entry in sorted(entries.values(), key=lambda entry: entry.name):
            row = [entry.name, entry.plugin]
            table.add_row(*row) if kind == "preset" else table.add_row(*row, _options(entry))
        out.print(table)
    for name in registry.skipped:
        err.print(f"the plugin {name!r} is installed, but {PLUGINS_VARIABLE} leaves it out")


def _options(entry: Registered) -> str:
    """The factory's keyword parameters with their defaults."""
    parameters = inspect.signature(entry.factory).parameters.values()
    return ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters)

"""`empo-rewards doctor`: what is installed here, and what each missing part would add."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Any

import typer
from rich.table import Table

from empo_rewards._version import __version__
from empo_rewards.cli.console import JsonOption, out, print_json
from empo_rewards.cli.verl_check import show
from empo_rewards.errors import InputError
from empo_rewards.extras import EXTRAS, FRAMEWORKS, Extra, hook_of, installed_version, require
from empo_rewards.plugins.registry import load


def doctor(
    verl: Annotated[bool, typer.Option("--verl", help="Check verl's environment as well.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is installed, what each extra would add, and which hook each framework found here offers."""
    registry = load()
    if as_json and verl:
        raise InputError("--json has no form for the checks of --verl: leave one of them out")
    if as_json:
        print_json(_record(registry.skipped))
        return
    out.print(f"empo-rewards {__version__} on Python {platform.python_version()}")
    extras = Table("extra", "adds", "state")
    for name, extra in EXTRAS.items():
        extras.add_row(name, extra.adds, _state(name, extra))
    out.print(extras)
    frameworks = Table("framework", "version", "hook")
    for name in FRAMEWORKS:
        version = installed_version(name)
        if version is None:
            frameworks.add_row(name, "not installed", "")
        else:
            frameworks.add_row(name, version, hook_of(name, version) or "none that a group reward can use")
    out.print(frameworks)
    for name in registry.skipped:
        out.print(f"the plugin {name!r} is installed, but left out")
    if verl:
        require("verl", "doctor --verl")
        show(import_module("empo_rewards.integrations.verl.check").environment())


def _record(skipped: Iterable[str]) -> dict[str, Any]:
    versions = {name: installed_version(name) for name in FRAMEWORKS}
    return {
        "version": __version__,
        "python": platform.python_version(),
        "extras": {name: {"adds": extra.adds, "missing": list(extra.missing())} for name, extra in EXTRAS.items()},
        "frameworks": {
            name: {"version": version, "hook": None if version is None else hook_of(name, version)}
            for name, version in versions.items()
        },
        "left out": list(skipped),
    }


def _state(name: str, extra: Extra) -> str:
    """Whether an extra is installed, and how to install it where it is not; in rich's markup."""
    missing = extra.missing()
    return f"missing {', '.join(missing)}: pip install 'empo-rewards\\[{name}]'" if missing else "installed"

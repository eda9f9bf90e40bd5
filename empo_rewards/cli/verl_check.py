"""`empo-rewards verl-check`: a dry run of a verl configuration on CPUs."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from empo_rewards import extras
from empo_rewards.cli.console import out

FAILED = 1
"""The exit code where a check found something wrong."""


def verl_check(
    config: Annotated[Path, typer.Argument(help="The primary configuration file that verl is started with.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Overrides, as on verl's command line.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Reward workers to start for the dry run.")] = 1,
) -> None:
    """Run a verl configuration's reward in verl's own reward workers, on generated rollouts."""
    extras.require("verl", "verl-check")
    checks = import_module("empo_rewards.integrations.verl.check")
    show(checks.environment())
    composed = checks.compose(config, overrides or [])
    show(checks.configuration(composed))
    show(checks.dry_run(composed, workers))


def show(checks: Iterable[Any]) -> None:
    """Print checks as a table; exit with `FAILED` where one of them failed."""
    found = list(checks)
    table = Table("check", "", "found")
    for check in found:
        table.add_row(check.name, "ok" if check.fine else "[red]no[/red]", check.says)
    out.print(table)
    if not all(check.fine for check in found):
        raise typer.Exit(FAILED)

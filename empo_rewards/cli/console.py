"""What the commands share: the consoles (results to standard output, the rest to standard error) and options."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from empo_rewards.config import merge, parse_assignments
from empo_rewards.errors import InputError
from empo_rewards.scorer import Scorer

out = Console(soft_wrap=False)
err = Console(stderr=True)

ConfigOption = Annotated[
    str, typer.Option("--config", "-c", metavar="PRESET|FILE", help="A preset's name or a YAML file.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, as in strategy=majority. May be repeated."),
]
GroupSizeOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="How many responses a group has. Longer ones of flat rows are cut, shorter ones count as incomplete.",
    ),
]


def fail(message: str) -> None:
    """Print an error as one line on standard error."""
    err.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True, highlight=False)


def scorer_of(what: str) -> Scorer:
    """The scorer of a preset's name, a YAML file, or a JSON mapping of settings."""
    if not what.lstrip().startswith("{"):
        return Scorer(what)
    try:
        return Scorer(json.loads(what))
    except ValueError as error:
        raise InputError(f"not a JSON mapping of settings: {error}: {what}") from error


def scorer_from(config: str, assignments: list[str] | None) -> Scorer:
    """The scorer that the options `--config` and `--set` describe."""
    overrides = parse_assignments(assignments or [])
    return Scorer(merge({"preset": config}, overrides))

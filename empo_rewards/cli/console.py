"""What the commands share: the consoles (results to standard output, the rest to standard error) and options."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from empo_rewards.config import merge, parse_assignments
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
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=PATH",
        help="Where a field stands in a row, as in responses=generations or prompt=doc.question. May be repeated.",
    ),
]


def fail(message: str) -> None:
    """Print an error as one line on standard error."""
    err.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True, highlight=False)


def scorer_from(config: str, assignments: list[str] | None) -> Scorer:
    """The scorer that the options `--config` and `--set` describe."""
    overrides = parse_assignments(assignments or [])
    return Scorer(merge({"preset": config}, overrides))

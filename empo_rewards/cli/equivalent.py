"""`empo-rewards equivalent`: whether two answers are equivalent."""

from __future__ import annotations

from typing import Annotated

import typer

from empo_rewards import compare
from empo_rewards.cli.console import JsonOption, out, print_json
from empo_rewards.config import parse_assignments

_WORDS = {True: ("equal", 0), False: ("different", 1), None: ("undecided", 3)}


def equivalent(
    a: Annotated[str, typer.Argument(help="An answer.")],
    b: Annotated[str, typer.Argument(help="Another answer.")],
    backend: Annotated[str, typer.Option("--backend", "-b", help="The equivalence backend.")] = "math",
    option: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the backend.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether two answers mean the same; put -- before an answer that starts with a minus."""
    word, code = _WORDS[compare.equivalent(a, b, backend, **parse_assignments(option or []))]
    if as_json:
        print_json({"a": a, "b": b, "backend": backend, "relation": word})
    else:
        out.print(word)
    raise typer.Exit(code)

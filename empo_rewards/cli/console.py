"""What the commands share: the consoles (results to standard output, the rest to standard error) and options."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.text import Text
from typing_extensions import Buffer

from empo_rewards.config import merge, parse_assignments
from empo_rewards.datasets import INSTRUCTIONS
from empo_rewards.errors import InputError, printable
from empo_rewards.plugins.registry import load
from empo_rewards.reading import ReadOptions
from empo_rewards.reading.forms import OWN
from empo_rewards.reading.mapping import parse_mapping
from empo_rewards.scorer import Scorer

out = Console(soft_wrap=False)
err = Console(stderr=True)


def complete_preset(incomplete: str) -> list[str]:
    """The names of the presets that begin so, for the shell."""
    return [name for name in load().presets if name.startswith(incomplete)]


def complete_format(incomplete: str) -> list[str]:
    """The names of the formats of rollouts that begin so, for the shell."""
    return [name for name in (OWN, *load().entries["reader"]) if name.startswith(incomplete)]


ConfigOption = Annotated[
    str,
    typer.Option(
        "--config",
        "-c",
        metavar="PRESET|FILE",
        help="A preset's name or a YAML file.",
        autocompletion=complete_preset,
    ),
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
SourcesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Rollouts: JSON lines, JSON, CSV or Parquet (also .gz, .bz2, .xz, .zst), folders, patterns, or - for"
        " standard input.",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="The form of all rows, where it is not to be recognised (docs/formats.md).",
        autocompletion=complete_format,
    ),
]
InstructionOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|TEXT",
        help=f"What is asked beside the prompt: {', '.join(INSTRUCTIONS)}; or a text, put after the prompt.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, in place of tables.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Stop after N groups.")]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=PATH",
        help="Where a field stands in a row, as in responses=generations or prompt=doc.question. May be repeated.",
    ),
]


class _StandardStream(io.FileIO):
    """File descriptor 1 or 2 of the process. Once it cannot be written, it discards what follows.

    Raises:
        InputError: standard output cannot be written (a full disk, a closed descriptor): the command has failed. Where
            standard error cannot be, the command goes on, because its results do not depend on it.
        SystemExit: the reader of standard output has exited, as in `| head`: 141, as a shell reports SIGPIPE.
    """

    def write(self, data: Buffer) -> int:
        """Write bytes to the descriptor."""
        try:
            return super().write(data)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if self.fileno() == 2:
                return memoryview(data).nbytes
            if isinstance(error, BrokenPipeError):
                sys.exit(141)
            raise InputError(f"standard output: cannot be written: {error.strerror}") from error


def check_standard_streams() -> None:
    """Have what is written to standard output and error checked, also where they are closed or on a full disk.

    A character that their encoding does not have is written as Python's escape of it.

    Python sets a closed one to None, and whatever is opened next gets its descriptor: then an output file would receive
    what C libraries print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest free number, so this one; writing to it fails
    sys.stdout, sys.stderr = _checked(sys.stdout, 1), _checked(sys.stderr, 2)


def _checked(stream: TextIO | None, number: int) -> TextIO:
    if isinstance(stream, io.TextIOWrapper) and stream.isatty():
        stream.reconfigure(errors="backslashreplace")
        return stream
    raw = _StandardStream(number, "w", closefd=False)
    encoding = "utf-8" if stream is None else stream.encoding
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=True)


def foreign(text: str) -> Text:
    """Text that others wrote (responses, prompts, ids, file names), for a console: one line without markup."""
    return Text(printable(text))


def ascii_output() -> bool:
    """Whether standard output takes ASCII only: a terminal, which other characters can control, or no Unicode."""
    return sys.stdout.isatty() or not codecs.lookup(sys.stdout.encoding or "utf-8").name.startswith("utf")


def print_json(record: Mapping[str, Any]) -> None:
    """Print a record as a line of JSON on standard output."""
    typer.echo(json.dumps(record, ensure_ascii=ascii_output()))


WRONG = 2
"""The exit code of wrong usage, configuration or input."""


def fail(message: str) -> int:
    """Print an error as one line on standard error; the exit code of what the user can mend."""
    err.print(Text.assemble(("error: ", "bold red"), foreign(message)), soft_wrap=True, highlight=False)
    return WRONG


def reading_from(
    group_size: int | None, form: str | None, mapping: list[str] | None, limit: int | None = None
) -> ReadOptions:
    """How rows become groups, by the options `--group-size`, `--format`, `--map` and `--limit`."""
    return ReadOptions(
        group_size=group_size, readers=load().readers, form=form, mapping=parse_mapping(mapping or []), limit=limit
    )


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

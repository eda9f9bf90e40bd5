"""`empo-rewards score`: the rewards of every group in a file of rollouts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from empo_rewards.cli.blanks import BlankWatch
from empo_rewards.cli.console import (
    ConfigOption,
    FormatOption,
    GroupSizeOption,
    JsonOption,
    LimitOption,
    MapOption,
    SetOption,
    SourcesArgument,
    err,
    foreign,
    out,
    print_json,
    reading_from,
    scorer_from,
)
from empo_rewards.cli.journal import beside, open_journal, read_records
from empo_rewards.cli.parallel import score_stream
from empo_rewards.cli.summary import Summary
from empo_rewards.errors import InputError
from empo_rewards.files import resolved
from empo_rewards.group import GroupScore
from empo_rewards.reading import Located, ReadGroup, Rejected, read_groups
from empo_rewards.reading.sources import STDIN

SHOWN_REJECTIONS = 10
"""So many bad rows are shown on standard error; the file of rejected rows has them all."""


def score(
    sources: SourcesArgument,
    config: ConfigOption = "empo-math",
    assignments: SetOption = None,
    target: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where the scores go, one JSON line a group; - for standard output."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Take an interrupted run up where it stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that score.")] = 1,
    group_size: GroupSizeOption = None,
    form: FormatOption = None,
    mapping: MapOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score every group, and show what came out as a table."""
    summary = Summary()
    to_file = target is not None and str(target) != STDIN
    if as_json and target is not None and not to_file:
        raise InputError("--json and --out - would both write to standard output: name a file")
    if resume and not to_file:
        raise InputError("--resume needs an output file: --out FILE")
    with ExitStack() as stack:
        scorer = stack.enter_context(scorer_from(config, assignments))
        reading = reading_from(group_size, form, mapping, limit)
        located = _watched(read_groups(sources, reading), summary, strict)
        journal = None
        if to_file and target is not None:
            settings = {"config": scorer.config.model_dump(mode="json"), **reading.settings()}
            opening = open_journal(
                target,
                source=sources,
                settings=settings,
                endings=reading.endings,
                resume=resume,
                overwrite=overwrite,
            )
            journal = stack.enter_context(opening)
            for record in read_records(resolved(target)):
                summary.add(GroupScore.from_dict(record))
        pending = journal.pending(located) if journal else _groups(located)
        advance = stack.enter_context(_progress(sources, journal.groups_done if journal else 0))
        blanks = BlankWatch(scorer)
        for read, result in stack.enter_context(closing(score_stream(scorer, pending, workers))):
            record = {"id": result.id, "source": read.source, "line": read.line, **result.to_dict()}
            if journal:
                journal.write(record)
            elif target is not None:
                print_json(record)
            summary.add(result, read.group)
            blanks.add(read.group, result)
            advance(read.line)
        blanks.close()
    if summary.rejected and not summary.groups:
        raise InputError(f"none of the {summary.rejected:,} rows can be read: {summary.first_rejection}")
    if as_json:
        print_json(summary.to_dict())
    else:
        (err if target is not None and not to_file else out).print(summary.table())
    if summary.rejected and to_file and target is not None:
        err.print(foreign(f"{summary.rejected} rows were rejected: {beside(target)[0]}"), soft_wrap=True)
    for remark in summary.remarks(group_size):
        err.print(foreign(remark), soft_wrap=True)
    raise typer.Exit(summary.exit_code)


def _groups(located: Iterable[Located]) -> Iterator[ReadGroup]:
    return (item for item in located if isinstance(item, ReadGroup))


def _watched(located: Iterable[Located], summary: Summary, strict: bool) -> Iterator[Located]:
    """The same items; bad rows are counted, and the first of them shown.

    Raises:
        InputError: a bad row, where `strict` is on.
    """
    for item in located:
        if isinstance(item, Rejected):
            if strict:
                raise InputError(f"{item.source}, line {item.line}: {item.cause} (--strict stops here)")
            summary.reject(str(item))
            if summary.rejected <= SHOWN_REJECTIONS:
                err.print(foreign(str(item)), soft_wrap=True)
            elif summary.rejected == SHOWN_REJECTIONS + 1:
                err.print("more rows are bad; no more of them are shown")
        yield item


@contextmanager
def _progress(sources: list[str], done: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, where that is a terminal; gives a function that takes the line reached."""
    if not err.is_terminal:
        yield lambda line: None
        return
    rows = _count_rows(Path(sources[0])) if len(sources) == 1 else None
    unit = TextColumn("groups" if rows is None else "rows")
    columns = (MofNCompleteColumn(), unit, BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("", total=rows)
        if done:
            progress.console.print(f"resumed after {done:,} groups")

        def advance(line: int) -> None:
            if rows is None:
                progress.advance(task)
            else:
                progress.update(task, completed=line)

        yield advance


def _count_rows(source: Path) -> int | None:
    """How many rows a plain file of JSON lines has; None for any other input."""
    if not source.is_file() or source.suffix != ".jsonl":
        return None
    with source.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(2**20), b""))

"""`empo-rewards score`: the rewards of every group in a file of rollouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

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
    ascii_output,
    err,
    foreign,
    out,
    print_json,
    reading_from,
    scorer_from,
)
from empo_rewards.cli.journal import beside, open_journal, read_records
from empo_rewards.cli.parallel import in_order
from empo_rewards.cli.pieces import WORKER_ROWS, PieceScorer, ScoringRun
from empo_rewards.cli.progress import progress
from empo_rewards.cli.ray import score_on_ray
from empo_rewards.cli.summary import Summary
from empo_rewards.config import load_config, merge, parse_assignments
from empo_rewards.errors import InputError, counted
from empo_rewards.files import resolved
from empo_rewards.group import GroupScore
from empo_rewards.plugins.registry import load
from empo_rewards.reading import Rejected
from empo_rewards.reading.containers import CHUNK_ROWS
from empo_rewards.reading.rollouts import read_pieces
from empo_rewards.reading.sources import STDIN

SHOWN_REJECTIONS = 10
"""So many bad rows are shown on standard error; the file of rejected rows has them all."""


class ScoringEngine(str, Enum):
    """What scores."""

    LOCAL = "local"
    RAY = "ray"


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
    engine: Annotated[
        ScoringEngine,
        typer.Option(help="What scores: processes of this machine, or Ray Data (then --out is a folder, of Parquet)."),
    ] = ScoringEngine.LOCAL,
) -> None:
    """Score every group, and show what came out as a table."""
    if engine is ScoringEngine.RAY:
        refused = {"--resume": resume, "--strict": strict, "--limit": limit is not None}
        if named := [name for name, given in refused.items() if given]:
            raise InputError(f"--engine ray has no {named[0]}: it does again what fails, and scores all that it can")
        resolved_config = load_config(merge({"preset": config}, parse_assignments(assignments or [])), load().presets)
        reading = reading_from(group_size, form, mapping)
        done = score_on_ray(sources, target, resolved_config, reading, workers, overwrite)
        _show(done, target, group_size, Path(f"{target}.rejected"), as_json)
    summary = Summary()
    to_file = target is not None and str(target) != STDIN
    if as_json and target is not None and not to_file:
        raise InputError("--json and --out - would both write to standard output: name a file")
    if resume and not to_file:
        raise InputError("--resume needs an output file: --out FILE")
    with ExitStack() as stack:
        scorer = stack.enter_context(scorer_from(config, assignments))
        reading = reading_from(group_size, form, mapping, limit)
        files = read_pieces(sources, reading, rows=CHUNK_ROWS if workers == 1 else WORKER_ROWS)
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
        advance = stack.enter_context(_progress(sources, journal.groups_done if journal else 0))
        blanks = BlankWatch(scorer)
        pieces = PieceScorer(scorer, reading, strict, encode=target is not None, ascii_only=to_file or ascii_output())
        do = stack.enter_context(in_order(pieces, workers))
        run = ScoringRun(files, reading, journal, lambda: not blanks.judged)
        for part in stack.enter_context(closing(run.parts(do))):
            if journal:
                journal.write_lines(part.lines)
            else:
                for line in part.lines:
                    typer.echo(line)
            summary.merge(part.summary)
            blanks.add(part.blanks)
            for row in part.rejected:
                _reject(row, summary, strict)
                if journal:
                    journal.reject(row)
            advance(part.summary.groups, part.line)
        blanks.close()
    rejected = beside(target)[0] if to_file and target is not None else None
    _show(summary, target, group_size, rejected, as_json)


def _show(
    summary: Summary, target: Path | None, group_size: int | None, rejected: Path | None, as_json: bool
) -> NoReturn:
    """Print what came out, and where bad rows are, and end with the exit code."""
    summary.check_read()
    if as_json:
        print_json(summary.to_dict())
    else:
        (out if target is None or rejected is not None else err).print(summary.table())
    if summary.rejected and rejected is not None:
        err.print(foreign(f"{counted(summary.rejected, 'row')} rejected: {rejected}"), soft_wrap=True)
    for remark in summary.remarks(group_size):
        err.print(foreign(remark), soft_wrap=True)
    raise typer.Exit(summary.exit_code)


def _reject(row: Rejected, summary: Summary, strict: bool) -> None:
    """Count a bad row, and show the first of them.

    Raises:
        InputError: `strict` is on.
    """
    if strict:
        raise InputError(f"{row.source}, line {row.line}: {row.cause} (--strict stops here)")
    summary.reject(str(row))
    if summary.rejected <= SHOWN_REJECTIONS:
        err.print(foreign(str(row)), soft_wrap=True)
    elif summary.rejected == SHOWN_REJECTIONS + 1:
        err.print("more rows are bad; no more of them are shown")


@contextmanager
def _progress(sources: list[str], done: int) -> Iterator[Callable[[int, int], None]]:
    """A progress bar; gives a function that takes the number of groups that were scored and the line reached."""
    rows = _count_rows(Path(sources[0])) if len(sources) == 1 and err.is_terminal else None
    if done and err.is_terminal:
        err.print(f"resumed after {done:,} groups")
    with progress("groups" if rows is None else "rows", rows) as shown:
        groups = 0

        def advance(more: int, line: int) -> None:
            nonlocal groups
            groups += more
            if more:
                shown(groups if rows is None else line)

        yield advance


def _count_rows(source: Path) -> int | None:
    """How many rows a plain file of JSON lines has; None for any other input."""
    if not source.is_file() or source.suffix != ".jsonl":
        return None
    with source.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(2**20), b""))

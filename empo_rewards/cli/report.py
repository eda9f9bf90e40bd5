"""`empo-rewards report`: scored groups as one page for a browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.text import Text

from empo_rewards.cli.console import GroupSizeOption, SetOption, out, scorer_from
from empo_rewards.cli.journal import read_records, record_of
from empo_rewards.cli.rollouts import ReadGroup, read_groups
from empo_rewards.errors import InputError
from empo_rewards.group import Group, GroupScore
from empo_rewards.report import Contents, write_page
from empo_rewards.report.live import HOST, LiveReport, serve

POLL_SECONDS = 2.0
"""How often a file that grows is looked at, and how often the page asks for what is new."""


def report(
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="What `score --out` wrote.")],
    rollouts: Annotated[
        Path | None,
        typer.Argument(metavar="ROLLOUTS", help="The rollouts that were scored: prompts and responses are shown too."),
    ] = None,
    target: Annotated[Path, typer.Option("--out", "-o", help="The page.")] = Path("report.html"),
    config: Annotated[
        str | None,
        typer.Option(
            "--config", "-c", metavar="PRESET|FILE", help="What scored them: the page then says why answers are equal."
        ),
    ] = None,
    assignments: SetOption = None,
    group_size: GroupSizeOption = None,
    ids: Annotated[list[str] | None, typer.Option("--id", help="Only the group of this id. May be repeated.")] = None,
    max_megabytes: Annotated[
        float, typer.Option(min=0.1, help="Compressed texts that the page holds; past it a sample of the groups.")
    ] = 32,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Serve the page on this machine while SCORES grows, instead of writing it."),
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port of --follow.")] = 8765,
) -> None:
    """Write a page that shows what was scored, and why: an overview, and every group with its clusters."""
    if config is not None and rollouts is None:
        raise InputError("--config says why answers are equal, which needs the rollouts too: report SCORES ROLLOUTS")
    with ExitStack() as stack:
        why = stack.enter_context(scorer_from(config, assignments)).why if config is not None else None
        contents = Contents(scores.name, max_bytes=int(max_megabytes * 2**20), why=why)
        if follow:
            _follow(LiveReport(contents), scores, rollouts, group_size, port)
        for group, score in scored_groups(scores, rollouts, group_size):
            if not ids or score.id in ids:
                contents.add(group, score)
    if not contents.numbers:
        raise InputError(f"{scores}: it holds no {'such group' if ids else 'scores'}")
    write_page(contents, target)
    out.print(Text(f"{len(contents.numbers):,} groups: {target}"), soft_wrap=True)


def _follow(live: LiveReport, scores: Path, rollouts: Path | None, group_size: int | None, port: int) -> NoReturn:
    """Serve the report, and add what is appended to the file of scores, until the user interrupts."""
    server = serve(live, port, POLL_SECONDS)
    out.print(Text(f"http://{HOST}:{server.server_port}/ follows {scores}; Ctrl-C ends it"), soft_wrap=True)
    try:
        for group, score in scored_groups(scores, rollouts, group_size, records=appended_records(scores)):
            live.add(lambda contents, group=group, score=score: contents.add(group, score))  # type: ignore[misc]  # the default binds it
    finally:
        server.shutdown()
    raise AssertionError  # the records of a file that is followed do not end


def appended_records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file of scores, those of its later lines too, whenever they are whole. It does not end.

    Raises:
        InputError: a line is not JSON, or the file became shorter.
    """
    number = position = 0
    while True:
        size = path.stat().st_size if path.exists() else 0
        if size < position:
            raise InputError(f"{path} has become shorter: it is being written anew; start again")
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    number, position = number + 1, position + len(line)
                    yield record_of(line, f"{path}, line {number}")
        time.sleep(POLL_SECONDS)


def scored_groups(
    scores: Path,
    rollouts: Path | None,
    group_size: int | None,
    *,
    records: Iterator[dict[str, Any]] | None = None,
) -> Iterator[tuple[Group | None, GroupScore]]:
    """The scores of a file (or these records of it), each with its group where the rollouts are given.

    Raises:
        InputError: the scores are not those of the rollouts.
    """
    records = read_records(scores) if records is None else records
    if rollouts is None:
        yield from ((None, GroupScore.from_dict(record)) for record in records)
        return
    groups = (item for item in read_groups(rollouts, group_size=group_size) if isinstance(item, ReadGroup))
    for record, read in zip(records, chain(groups, iter(lambda: None, 0)), strict=False):
        score = GroupScore.from_dict(record)
        if read is None or record.get("line", read.line) != read.line or score.size != len(read.group):
            where = "they end before" if read is None else f"line {read.line} has {len(read.group)} responses for"
            raise InputError(
                f"{scores} does not hold the scores of {rollouts}: {where} group {score.id!r} "
                f"of line {record.get('line')} with {score.size}; were they scored with another --group-size?"
            )
        yield read.group, score

"""`empo-rewards report`: scored groups as one page for a browser."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from empo_rewards.cli.console import (
    FormatOption,
    GroupSizeOption,
    MapOption,
    SetOption,
    foreign,
    out,
    reading_from,
    scorer_from,
)
from empo_rewards.cli.journal import read_records, record_of
from empo_rewards.errors import GroupError, InputError
from empo_rewards.group import Group, GroupScore
from empo_rewards.reading import ReadGroup, ReadOptions, read_groups
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
    form: FormatOption = None,
    mapping: MapOption = None,
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
    reading = reading_from(group_size, form, mapping)
    with ExitStack() as stack:
        why = stack.enter_context(scorer_from(config, assignments)).why if config is not None else None
        contents = Contents(scores.name, max_bytes=int(max_megabytes * 2**20), why=why)
        if follow:
            _follow(LiveReport(contents), scores, rollouts, reading, port, ids or [])
        check_target(target, scores, rollouts)
        for group, score in scored_groups(scores, rollouts, reading):
            if not ids or score.id in ids:
                contents.add(group, score)
    if not contents.numbers:
        raise InputError(f"{scores}: it holds no {'such group' if ids else 'scores'}")
    write_page(contents, target)
    out.print(foreign(f"{len(contents.numbers):,} groups: {target}"), soft_wrap=True)


def check_target(target: Path, *read: Path | None) -> None:
    """Check that a page does not take the place of what it is made from.

    Raises:
        InputError: it does.
    """
    for path in read:
        if path is not None and path.exists() and target.exists() and target.samefile(path):
            raise InputError(f"--out {target} is what the page is made from: choose another name")


def _follow(
    live: LiveReport, scores: Path, rollouts: Path | None, reading: ReadOptions, port: int, ids: list[str]
) -> NoReturn:
    """Serve the report, and add what is appended to the file of scores, until the user interrupts.

    Raises:
        InputError: the scores cannot be followed.
    """
    if scores.suffix == ".gz":
        raise InputError(f"{scores}: --follow reads plain JSON lines, which are whole sooner than compressed ones")
    server = serve(live, scores.name, port, POLL_SECONDS)
    out.print(foreign(f"http://{HOST}:{server.server_port}/ follows {scores}; Ctrl-C ends it"), soft_wrap=True)
    try:
        for group, score in scored_groups(scores, rollouts, reading, records=appended_records(scores)):
            if not ids or score.id in ids:
                live.add(lambda contents, group=group, score=score: contents.add(group, score))  # type: ignore[misc]  # the default binds it
    finally:
        server.shutdown()
    raise AssertionError  # the records of a file that is followed do not end


def appended_records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file of scores, those of its later lines too, whenever they are whole. It does not end.

    Raises:
        InputError: a line is not JSON, or the file became shorter, or another one.
    """
    number = position = 0
    followed: tuple[int, int] | None = None
    while True:
        if followed is None and not path.exists():
            time.sleep(POLL_SECONDS)
            continue
        try:
            file = path.open("rb")
        except FileNotFoundError as error:
            raise InputError(f"{path} is gone") from error
        with file:
            status = os.fstat(file.fileno())
            if followed not in (None, (status.st_dev, status.st_ino)) or status.st_size < position:
                raise InputError(f"{path} has become shorter or another file: it is written anew; start again")
            followed = (status.st_dev, status.st_ino)
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
    reading: ReadOptions,
    *,
    records: Iterator[dict[str, Any]] | None = None,
) -> Iterator[tuple[Group | None, GroupScore]]:
    """The scores of a file (or these records of it), each with its group where the rollouts are given.

    Raises:
        InputError: a record is no score, or the scores are not those of the rollouts.
    """
    records = read_records(scores) if records is None else records
    groups = () if rollouts is None else (g for g in read_groups(rollouts, reading) if isinstance(g, ReadGroup))
    for (number, record), read in zip(enumerate(records, 1), chain(groups, iter(lambda: None, 0)), strict=False):
        try:
            score = GroupScore.from_dict(record)
        except GroupError as error:
            raise InputError(f"{scores}, score {number}: {error}") from error
        if rollouts is not None and (wrong := _mismatch(record, score, read)) is not None:
            raise InputError(
                f"{scores} does not hold the scores of {rollouts}: {wrong}, and score {number} is of group "
                f"{score.id!r} of line {record.get('line')} with {score.size} responses; are these the rollouts, and "
                "the --group-size, that were scored?"
            )
        yield None if read is None else read.group, score


def _mismatch(record: Mapping[str, Any], score: GroupScore, read: ReadGroup | None) -> str | None:
    """What shows that a score is not that of a group: its place, its id, its size, or where its answers stand."""
    if read is None:
        return "the rollouts have ended"
    group = read.group
    if (record.get("line", read.line), score.id, score.size) != (read.line, group.id, len(group)):
        return f"line {read.line} has group {group.id!r} with {len(group)} responses"
    for position, (answer, response) in enumerate(zip(score.answers, group.responses, strict=True)):
        if not 0 <= (answer.start or 0) <= (answer.end or 0) <= len(response):
            return f"response {position} of line {read.line} ends before the place of its answer"
    return None

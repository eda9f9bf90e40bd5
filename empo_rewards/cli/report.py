"""`empo-rewards report`: scored groups as one page for a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, NoReturn

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
from empo_rewards.cli.shown import Shown, following, shown
from empo_rewards.errors import InputError
from empo_rewards.report import Contents, write_page
from empo_rewards.report.live import HOST, LiveReport, serve

REFRESH_SECONDS = 2.0
"""How often a page that is followed asks for what is new."""


def report(
    scores: Annotated[
        Path,
        typer.Argument(
            metavar="SCORES",
            help="What `score --out` wrote, the folder of the observer `record`, or rollouts (a file or folder), which "
            "--config scores here.",
        ),
    ],
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
    ask_model: Annotated[
        bool, typer.Option("--ask-model", help="Have the judge or NLI model of --config asked why, for each pair.")
    ] = False,
    group_size: GroupSizeOption = None,
    form: FormatOption = None,
    mapping: MapOption = None,
    ids: Annotated[list[str] | None, typer.Option("--id", help="Only the group of this id. May be repeated.")] = None,
    groups_per_step: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Groups that have no step: N of them, in their order, are a step."),
    ] = None,
    max_megabytes: Annotated[
        float, typer.Option(min=0.1, help="Texts that the page holds; past it a sample of the groups.")
    ] = 128,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Serve the page on this machine while SCORES grows, instead of writing it."),
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port of --follow.")] = 8765,
) -> None:
    """Write a page that shows what was scored, and why: an overview, and every group with its clusters."""
    reading = reading_from(group_size, form, mapping)
    knows_groups = False
    with ExitStack() as stack:
        scorer = None if config is None else stack.enter_context(scorer_from(config, assignments))
        why = None if scorer is None or (scorer.asks_a_model and not ask_model) else scorer.why
        contents = Contents(
            scores.name or str(scores), max_bytes=int(max_megabytes * 2**20), why=why, groups_per_step=groups_per_step
        )
        if scorer is not None and why is None:
            contents.why_not = "This configuration asks a model: write the report with --ask-model, and it says why."
        if follow:
            _follow(LiveReport(contents), port, scores, following(scores, rollouts, reading, scorer), ids or [])
        check_target(target, scores, rollouts)
        for group, score in shown(scores, rollouts, reading, scorer):
            knows_groups = knows_groups or group is not None
            if not ids or score.id in ids:
                contents.add(group, score)
    if contents.numbers and config is not None and not knows_groups:
        raise InputError("--config says why answers are equal, which needs the rollouts too: report SCORES ROLLOUTS")
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


def _follow(live: LiveReport, port: int, scores: Path, growing: Iterator[Shown], ids: list[str]) -> NoReturn:
    """Serve the report, and add what comes, until the user interrupts.

    Raises:
        InputError: the scores cannot be followed.
    """
    server = serve(live, scores.name or str(scores), port, REFRESH_SECONDS)
    out.print(foreign(f"http://{HOST}:{server.server_port}/ follows {scores}; Ctrl-C ends it"), soft_wrap=True)
    try:
        for group, score in growing:
            if not ids or score.id in ids:
                live.add(lambda contents, group=group, score=score: contents.add(group, score))  # type: ignore[misc]  # the default binds it
    finally:
        server.shutdown()
    raise AssertionError  # what is followed does not end

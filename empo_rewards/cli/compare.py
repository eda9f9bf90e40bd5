"""`empo-rewards compare`: what differs between two configurations, or two files of scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import tee, zip_longest
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from empo_rewards.cli.console import (
    FormatOption,
    GroupSizeOption,
    MapOption,
    err,
    foreign,
    out,
    print_json,
    reading_from,
    scorer_of,
)
from empo_rewards.cli.journal import read_records
from empo_rewards.cli.report import check_target
from empo_rewards.cli.shown import scored_groups
from empo_rewards.errors import InputError
from empo_rewards.group import Group, GroupScore
from empo_rewards.reading import ReadGroup, ReadOptions, read_groups
from empo_rewards.report import Contents, write_page
from empo_rewards.report.comparison import Differences
from empo_rewards.scorer import Scorer

SHOWN_GROUPS = 20


def compare(
    one: Annotated[
        str, typer.Argument(metavar="A", help="A preset, a YAML file, a JSON mapping of settings, or a file of scores.")
    ],
    other: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    rollouts: Annotated[
        Path | None,
        typer.Argument(metavar="ROLLOUTS", help="What configurations score. Score files do not need it."),
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the groups that differ as a page, too.")
    ] = None,
    group_size: GroupSizeOption = None,
    form: FormatOption = None,
    mapping: MapOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with all groups that differ.")] = False,
) -> None:
    """Show how many groups differ, which ones, and how: clusters, answers, rewards, entropy, majorities."""
    reading = reading_from(group_size, form, mapping)
    comparison = Differences()
    with ExitStack() as stack:
        scorers = [_scorer(stack, what, rollouts) for what in (one, other)]
        sides = [_side(what, scorer, rollouts, reading) for what, scorer in zip((one, other), scorers, strict=True)]
        second = scorers[1]
        why = None if second is None or second.asks_a_model else second.why
        contents = Contents(f"{one} → {other}", why=why)
        if target is not None:
            check_target(target, rollouts, *map(Path, (one, other)))
        for number, (left, right) in enumerate(zip_longest(*sides), 1):
            if left is None or right is None:
                shorter, longer = (one, other) if left is None else (other, one)
                raise InputError(f"{shorter} ends before {longer}, which has a group number {number}")
            (group, before, line), (_, after, other_line) = left, right
            elsewhere = None not in (line, other_line) and line != other_line
            if before.id != after.id or before.size != after.size or elsewhere:
                raise InputError(
                    f"group number {number} is {_told(before, line)} in {one}, and {_told(after, other_line)} in "
                    f"{other}: they are not scores of the same rollouts in one order"
                )
            if (found := comparison.add(before, after)) and target is not None:
                contents.add(group, after, before=before, changes=found)
    totals = comparison.to_dict()
    if target is not None:
        contents.comparison = totals
        write_page(contents, target)
        err.print(foreign(f"{totals['changed']:,} groups: {target}"), soft_wrap=True)
    if as_json:
        print_json(totals)
        return
    table = Table("", "", show_header=False)
    table.add_row("groups", f"{totals['groups']:,}")
    table.add_row("groups that differ", f"{totals['changed']:,}")
    for change, count in totals["by_change"].items():
        table.add_row(f"  {change}", f"{count:,}")
    out.print(table)
    means = Table("mean", "A", "B")
    for name, values in totals["means"].items():
        means.add_row(name, *("none" if value is None else f"{value:.4f}" for value in values))
    out.print(means)
    for changed in totals["changed_groups"][:SHOWN_GROUPS]:
        name = changed["id"] or f"number {changed['number']}"
        out.print(foreign(f"{name}: {', '.join(changed['changes'])}"), soft_wrap=True)
    if totals["changed"] > SHOWN_GROUPS:
        out.print(f"and {totals['changed'] - SHOWN_GROUPS:,} more: --json prints all, --out writes a page")


def _told(score: GroupScore, line: int | None) -> str:
    return f"{score.id!r}{'' if line is None else f' of line {line}'} with {score.size} responses"


def _scorer(stack: ExitStack, what: str, rollouts: Path | None) -> Scorer | None:
    """The scorer of a side that is a configuration; None of one that is a file of scores.

    Raises:
        InputError: a configuration has no rollouts to score.
    """
    path = Path(what)
    if path.is_file() and path.suffix not in (".yaml", ".yml"):
        return None
    if rollouts is None:
        raise InputError(f"{what} is no file of scores; a configuration needs rollouts to score: compare A B ROLLOUTS")
    return stack.enter_context(scorer_of(what))


def _side(
    what: str, scorer: Scorer | None, rollouts: Path | None, reading: ReadOptions
) -> Iterator[tuple[Group | None, GroupScore, int | None]]:
    """The scores of one side, of a file or computed, each with its line in the rollouts where the file names it."""
    if scorer is None or rollouts is None:
        return _of_file(Path(what), rollouts, reading)
    groups = (item.group for item in read_groups(rollouts, reading) if isinstance(item, ReadGroup))
    return ((group, score, None) for group, score in scorer.score_many(groups, with_groups=True))


def _of_file(
    path: Path, rollouts: Path | None, reading: ReadOptions
) -> Iterator[tuple[Group | None, GroupScore, int | None]]:
    records, for_lines = tee(read_records(path))
    for record, (group, score) in zip(for_lines, scored_groups(path, rollouts, reading, records=records), strict=True):
        yield group, score, record.get("line")

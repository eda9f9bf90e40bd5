"""`empo-rewards compare`: what differs between two configurations, or two files of scores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from empo_rewards.cli.console import GroupSizeOption, err, out, scorer_of
from empo_rewards.cli.report import scored_groups
from empo_rewards.cli.rollouts import ReadGroup, read_groups
from empo_rewards.errors import InputError
from empo_rewards.group import Group, GroupScore
from empo_rewards.report import Contents, write_page
from empo_rewards.report.comparison import Differences

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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with all groups that differ.")] = False,
) -> None:
    """Show how many groups differ, which ones, and how: clusters, answers, rewards, entropy, majorities."""
    comparison = Differences()
    contents = Contents(f"{one} → {other}")
    with ExitStack() as stack:
        sides = [_side(stack, what, rollouts, group_size) for what in (one, other)]
        for number, (left, right) in enumerate(zip_longest(*sides), 1):
            if left is None or right is None:
                shorter, longer = (one, other) if left is None else (other, one)
                raise InputError(f"{shorter} ends before {longer}, which has a group number {number}")
            (group, before), (_, after) = left, right
            if before.id != after.id or before.size != after.size:
                raise InputError(
                    f"group number {number} is {before.id!r} with {before.size} responses in {one}, "
                    f"and {after.id!r} with {after.size} in {other}: they are not scores of the same rollouts"
                )
            if (found := comparison.add(before, after)) and target is not None:
                contents.add(group, after, before=before, changes=found)
    totals = comparison.to_dict()
    if target is not None:
        contents.comparison = totals
        write_page(contents, target)
        err.print(Text(f"{totals['changed']:,} groups: {target}"), soft_wrap=True)
    if as_json:
        typer.echo(json.dumps(totals))
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
        out.print(Text(f"{changed['id']}: {', '.join(changed['changes'])}"), soft_wrap=True)
    if totals["changed"] > SHOWN_GROUPS:
        out.print(f"and {totals['changed'] - SHOWN_GROUPS:,} more: --json prints all, --out writes a page")


def _side(
    stack: ExitStack, what: str, rollouts: Path | None, group_size: int | None
) -> Iterator[tuple[Group | None, GroupScore]]:
    """The scores of one side: of a file, or computed."""
    path = Path(what)
    if path.is_file() and path.suffix not in (".yaml", ".yml"):
        return scored_groups(path, rollouts, group_size)
    if rollouts is None:
        raise InputError(f"{what} is no file of scores; a configuration needs rollouts to score: compare A B ROLLOUTS")
    scorer = stack.enter_context(scorer_of(what))
    groups = (item.group for item in read_groups(rollouts, group_size=group_size) if isinstance(item, ReadGroup))
    return scorer.score_many(groups, with_groups=True)

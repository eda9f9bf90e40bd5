"""A progress bar with rate and time left, on standard error where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from empo_rewards.cli.console import err


class _Rate(ProgressColumn):
    """How many are done in a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.1f}/s")


@contextmanager
def progress(unit: str, total: int | None, done: int = 0) -> Iterator[Callable[[int], None]]:
    """A progress bar; gives a function that takes how many are done.

    Args:
        unit: what is counted.
        total: how many there are; None: not known.
        done: how many are done already.
    """
    if not err.is_terminal:
        yield lambda completed: None
        return
    columns = (
        MofNCompleteColumn(),
        TextColumn(unit),
        BarColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as shown:
        task = shown.add_task("", total=total, completed=done)
        yield lambda completed: shown.update(task, completed=completed)

"""Rollouts scored in this process, with their totals: for the commands that need each group beside its score."""

from __future__ import annotations

from collections.abc import Iterator

from empo_rewards.cli.console import err, foreign
from empo_rewards.cli.summary import Summary
from empo_rewards.group import Group, GroupScore
from empo_rewards.reading import ReadOptions, Rejected, read_groups
from empo_rewards.scorer import Scorer


def score_rollouts(
    sources: list[str], reading: ReadOptions, scorer: Scorer, summary: Summary
) -> Iterator[tuple[Group, GroupScore]]:
    """The groups of files with their scores. A row that cannot be read is told; all are counted in the summary.

    Raises:
        InputError: no row can be read.
    """

    def groups() -> Iterator[Group]:
        for item in read_groups(sources, reading):
            if isinstance(item, Rejected):
                summary.reject(str(item))
                err.print(foreign(str(item)), soft_wrap=True)
            else:
                yield item.group

    for group, score in scorer.score_many(groups(), with_groups=True):
        summary.add(score, group)
        yield group, score
    summary.check_read()

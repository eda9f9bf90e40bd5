"""`empo-rewards explain`: why each reward of a group is what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from empo_rewards.cli.console import ConfigOption, GroupSizeOption, SetOption, out, scorer_from
from empo_rewards.reading.rollouts import ReadGroup, read_groups
from empo_rewards.errors import InputError
from empo_rewards.group import Group, GroupScore

PROMPT_CHARS = 400


def explain(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Rollouts, as for `score`.")],
    group_id: Annotated[str | None, typer.Option("--id", help="The id of the group; by default the first.")] = None,
    config: ConfigOption = "empo-math",
    assignments: SetOption = None,
    group_size: GroupSizeOption = None,
) -> None:
    """Show one group response by response: its answer, what found it, its cluster, its guards, its reward."""
    group = _find(source, group_id, group_size)
    with scorer_from(config, assignments) as scorer:
        show(group, scorer.score(group))


def _find(source: Path, group_id: str | None, group_size: int | None) -> Group:
    for located in read_groups(source, group_size=group_size):
        if isinstance(located, ReadGroup) and group_id in (None, located.group.id):
            return located.group
    raise InputError(f"{source}: no group has the id {group_id!r}" if group_id else f"{source}: there is no group")


def show(group: Group, score: GroupScore) -> None:
    """Print the group's explanation."""
    prompt = group.prompt_text
    out.print(Text(prompt if len(prompt) <= PROMPT_CHARS else prompt[:PROMPT_CHARS] + "…"), style="italic")
    table = Table("#", "answer", "found by", "cluster", "share", "guards", "reward")
    for position, (answer, reward) in enumerate(zip(score.answers, score.rewards, strict=True)):
        cluster = score.clusters[position] if score.clusters else None
        table.add_row(
            str(position),
            Text(answer.text + (" (cut off)" if answer.truncated else "") or f"({answer.kind.value})"),
            answer.extractor or "",
            "" if cluster is None else str(cluster),
            "" if cluster is None else f"{score.cluster_shares[cluster]:.3f}",
            ", ".join(score.flags[position]) if score.flags else "",
            "none" if reward is None else f"{reward:.4f}",
        )
    out.print(table)
    if score.entropy is not None:
        voted = sorted(set(score.clusters))
        terms = " ".join(f"- {score.cluster_shares[k]:.3f} ln {score.cluster_shares[k]:.3f}" for k in voted)
        out.print(f"semantic entropy {score.entropy:.4f} nats (from counts: {terms})", highlight=False)
    outcome = score.status.value + (f": {score.cause.value}: {score.detail}" if score.cause else "")
    out.print(Text(f"{outcome}; {score.size} of {score.expected_size} members"))
    if "accuracy" in score.metrics:
        out.print(
            f"accuracy {score.metrics['accuracy']:.3f}, "
            f"pseudo-label accuracy {score.metrics['pseudo_label_accuracy']:.3f} (the reference touched no reward)",
            highlight=False,
        )

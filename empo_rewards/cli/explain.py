"""`empo-rewards explain`: why each reward of a group is what it is."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from empo_rewards.cli.console import (
    ConfigOption,
    FormatOption,
    GroupSizeOption,
    MapOption,
    SetOption,
    SourcesArgument,
    out,
    reading_from,
    scorer_from,
)
from empo_rewards.errors import InputError
from empo_rewards.group import Group, GroupScore
from empo_rewards.reading import ReadGroup, ReadOptions, Rejected, read_groups

PROMPT_CHARS = 400


def explain(
    sources: SourcesArgument,
    group_id: Annotated[str | None, typer.Option("--id", help="The id of the group; by default the first.")] = None,
    config: ConfigOption = "empo-math",
    assignments: SetOption = None,
    group_size: GroupSizeOption = None,
    form: FormatOption = None,
    mapping: MapOption = None,
) -> None:
    """Show one group response by response: its answer, what found it, its cluster, its guards, its reward."""
    group = _find(sources, group_id, reading_from(group_size, form, mapping))
    with scorer_from(config, assignments) as scorer:
        show(group, scorer.score(group))


def _find(sources: list[str], group_id: str | None, reading: ReadOptions) -> Group:
    first = None
    for located in read_groups(sources, reading):
        if isinstance(located, ReadGroup) and group_id in (None, located.group.id):
            return located.group
        if isinstance(located, Rejected):
            first = first or f"{located.source}:{located.line}: {located.cause}"
    if group_id is not None:
        raise InputError(f"{', '.join(sources)}: no group has the id {group_id!r}")
    raise InputError(f"{', '.join(sources)}: there is no group" + (f"; {first}" if first else ""))


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

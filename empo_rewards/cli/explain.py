"""`empo-rewards explain`: why each reward of a group is what it is."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from itertools import count
from typing import Annotated, Any

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
    err,
    foreign,
    out,
    print_json,
    reading_from,
    scorer_from,
)
from empo_rewards.errors import InputError, StageError
from empo_rewards.group import Group, GroupScore, Status
from empo_rewards.reading import ReadGroup, ReadOptions, Rejected, read_groups
from empo_rewards.scorer import PairReason, Scorer

PROMPT_CHARS = 400

EXCERPT_CHARS = 30
"""Characters of a response that are shown before its answer, and after it."""


class Worst(str, Enum):
    """By what groups are ranked, the worst first."""

    ENTROPY = "entropy"
    SHARE = "share"
    UNDECIDED = "undecided"
    CAUSE = "cause"


_BADNESS: dict[Worst, Callable[[GroupScore], float]] = {
    Worst.ENTROPY: lambda score: -1.0 if score.entropy is None else score.entropy,
    Worst.SHARE: lambda score: 1 - score.metrics.get("largest_share", 1.0),
    Worst.UNDECIDED: lambda score: score.metrics.get("undecided_pairs", 0.0),
    Worst.CAUSE: lambda score: 0.0 if score.cause is None else 1.0 + score.cause.is_fault,
}


def explain(
    sources: SourcesArgument,
    ids: Annotated[list[str] | None, typer.Option("--id", help="The id of a group. May be repeated.")] = None,
    lines: Annotated[
        list[int] | None, typer.Option("--line", min=1, help="The line on which a group begins. May be repeated.")
    ] = None,
    worst: Annotated[Worst | None, typer.Option(help="The worst groups of all: by what they are ranked.")] = None,
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, help="How many groups: the first ones, or of --worst.")
    ] = 1,
    why: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="I J", help="Why two responses, counted from 0, are in one cluster or not."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each group.")] = False,
    config: ConfigOption = "empo-math",
    assignments: SetOption = None,
    group_size: GroupSizeOption = None,
    form: FormatOption = None,
    mapping: MapOption = None,
) -> None:
    """Show groups response by response: the answer, what found it, its cluster, its guards, its reward.

    Exit code 1 where a group that is shown is unscored.
    """
    if worst is not None and (ids or lines):
        raise InputError("--worst looks at all groups; leave out --id and --line")
    unscored = False
    reading = reading_from(group_size, form, mapping)
    with scorer_from(config, assignments) as scorer:
        for read, score in _chosen(sources, ids or [], lines or [], worst, number, scorer, reading):
            reasons = [] if why is None else _reasons(scorer, read.group, why)
            unscored = unscored or score.status is Status.UNSCORED
            if as_json:
                print_json(_record(read, score, why, reasons))
            else:
                show(read.group, score)
                for reason in reasons:
                    _show_reason(why or (0, 0), reason)
    raise typer.Exit(int(unscored))


def _reasons(scorer: Scorer, group: Group, pair: tuple[int, int]) -> list[PairReason]:
    """The reason for a pair; none, which is told, where the answers of the group cannot be compared."""
    try:
        return scorer.why(group, [pair])
    except StageError as error:
        err.print(foreign(f"responses {pair[0]} and {pair[1]} cannot be compared: {error}"), soft_wrap=True)
        return []


def _chosen(
    sources: list[str],
    ids: list[str],
    lines: list[int],
    worst: Worst | None,
    number: int,
    scorer: Scorer,
    reading: ReadOptions,
) -> Iterator[tuple[ReadGroup, GroupScore]]:
    """The groups to show, in the order of the input or from the worst on.

    Raises:
        InputError: a group is not there.
    """
    rejected: list[Rejected] = []
    groups = _readable(sources, reading, rejected)
    if worst is not None:
        ties = count()
        badness = _BADNESS[worst]
        scored = ((read, scorer.score(read.group)) for read in groups)
        ranked = heapq.nlargest(number, ((badness(score), -next(ties), read, score) for read, score in scored))
        yield from ((read, score) for _, _, read, score in ranked)
        return
    wanted: set[str | int] = {*ids, *lines}
    left = len(wanted) or number
    for read in groups:
        found = wanted & {read.line, read.group.id}
        if found or not wanted:
            yield read, scorer.score(read.group)
            wanted -= found
            left -= max(1, len(found))
            if left <= 0:
                return
    if wanted:
        missing = ", ".join(f"line {one}" if isinstance(one, int) else f"the id {one!r}" for one in wanted)
        raise InputError(f"{', '.join(sources)}: no group has {missing}")
    if left == number:
        first = "".join(f"; {one}" for one in rejected[:1])
        raise InputError(f"{', '.join(sources)}: there is no group{first}")


def _readable(sources: list[str], reading: ReadOptions, rejected: list[Rejected]) -> Iterable[ReadGroup]:
    """The groups of the input. Bad rows are added to `rejected`; the first is told at once, how many at the end."""
    for located in read_groups(sources, reading):
        if isinstance(located, ReadGroup):
            yield located
            continue
        rejected.append(located)
        if len(rejected) == 1:
            err.print(foreign(str(located)), soft_wrap=True)
    if len(rejected) > 1:
        err.print(f"{len(rejected):,} rows cannot be read; `score` shows each of them")


def _record(
    read: ReadGroup, score: GroupScore, why: tuple[int, int] | None, reasons: list[PairReason]
) -> dict[str, Any]:
    record = {"id": score.id, "source": read.source, "line": read.line, "prompt": read.group.prompt_text}
    said = [{"pair": why, **vars(reason)} for reason in reasons]
    return {**record, **score.to_dict(), "responses": list(read.group.responses), **({"why": said} if said else {})}


def show(group: Group, score: GroupScore) -> None:
    """Print the group's explanation."""
    prompt = group.prompt_text
    shown = prompt if len(prompt) <= PROMPT_CHARS else prompt[:PROMPT_CHARS] + "…"
    for line in shown.split("\n"):
        out.print(Text("> ").append(foreign(line)), style="italic")
    table = Table("#", "answer", "found by", "cluster", "share", "guards", "reward")
    trained = score.trained or (True,) * score.size
    for position, (answer, reward) in enumerate(zip(score.answers, score.rewards, strict=True)):
        cluster = score.clusters[position] if score.clusters else None
        table.add_row(
            str(position),
            foreign(answer.text + (" (cut off)" if answer.truncated else "") or f"({answer.kind.value})"),
            answer.extractor or "",
            "" if cluster is None else str(cluster),
            "" if cluster is None else f"{score.cluster_shares[cluster]:.3f}",
            ", ".join(score.flags[position]) if score.flags else "",
            f"{reward:.4f}" if reward is not None else "none" if trained[position] else "only votes",
        )
    out.print(table)
    for position, (response, answer) in enumerate(zip(group.responses, score.answers, strict=True)):
        out.print(Text(f"{position:>3} ").append(excerpt(response, answer.start, answer.end)), no_wrap=True, crop=True)
    if score.entropy is not None:
        counts = Counter(score.clusters)
        shares = [counts[k] / score.size for k in sorted(counts)]  # without the weights of votes
        terms = " ".join(f"- {share:.3f} ln {share:.3f}" for share in shares)
        out.print(f"semantic entropy {score.entropy:.4f} nats (from counts: {terms})", highlight=False)
    outcome = score.status.value + (f": {score.cause.value}: {score.detail}" if score.cause else "")
    out.print(foreign(f"{outcome}; {score.size} of {score.expected_size} members"))
    if "accuracy" in score.metrics:
        out.print(
            f"accuracy {score.metrics['accuracy']:.3f}, "
            f"pseudo-label accuracy {score.metrics['pseudo_label_accuracy']:.3f} (the reference touched no reward)",
            highlight=False,
        )


def excerpt(response: str, start: int | None, end: int | None) -> Text:
    """The part of a response around its answer, which is marked; its end where it has none."""
    if start is None or end is None:
        return Text("…" if len(response) > EXCERPT_CHARS else "").append(foreign(response[-EXCERPT_CHARS:]))
    before, after = response[max(0, start - EXCERPT_CHARS) : start], response[end : end + EXCERPT_CHARS]
    text = Text("…" if start > EXCERPT_CHARS else "").append(foreign(before))
    text.append(foreign(response[start:end]).plain, style="reverse")
    return text.append(foreign(after)).append("…" if end + EXCERPT_CHARS < len(response) else "")


def _show_reason(pair: tuple[int, int], reason: PairReason) -> None:
    out.print(foreign(f"responses {pair[0]} and {pair[1]}: {reason.relation}, by {reason.rule}"))
    for name, value in reason.facts.items():
        out.print(Text("  ").append(foreign(f"{name}: {value}")))

"""`empo-rewards select`: the prompts worth training on, as a trainer's data set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from empo_rewards.cli.console import (
    ConfigOption,
    FormatOption,
    GroupSizeOption,
    JsonOption,
    LimitOption,
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
from empo_rewards.cli.outputs import check_place
from empo_rewards.cli.scored import score_rollouts
from empo_rewards.cli.summary import Summary
from empo_rewards.datasets import DatasetFormat, Difficulty, Prompt, write_dataset
from empo_rewards.datasets.writing import check_new
from empo_rewards.errors import InputError, counted
from empo_rewards.files import resolved
from empo_rewards.group import GroupScore, read_label
from empo_rewards.reading import ReadOptions
from empo_rewards.scorer import Scorer


@dataclass(frozen=True)
class Bounds:
    """A closed range of numbers; an end that is left out is open."""

    low: float = -math.inf
    high: float = math.inf

    @classmethod
    def parse(cls, text: str, option: str) -> Bounds:
        """From `LO..HI`, `LO..` or `..HI`.

        Raises:
            InputError: the text is none of these, or LO is above HI.
        """
        low, dots, high = text.partition("..")
        try:
            parsed = cls(float(low or "-inf"), float(high or "inf"))
        except ValueError:
            parsed = None
        if parsed is None or not dots or not parsed.low <= parsed.high:
            raise InputError(
                f"{option} {text}: a range is LO..HI with LO <= HI, as in 0.2..1.5; an end may be left out"
            )
        return parsed

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def select(
    sources: SourcesArgument,
    target: Annotated[
        Path, typer.Option("--out", "-o", help="The data set; without --for: .parquet for verl, .jsonl for OpenRLHF.")
    ],
    entropy: Annotated[
        str | None, typer.Option(metavar="LO..HI", help="Keep prompts whose semantic entropy (nats) lies in there.")
    ] = None,
    pass_rate: Annotated[
        str | None, typer.Option(metavar="LO..HI", help="Keep prompts whose part of right responses lies in there.")
    ] = None,
    trainer: Annotated[
        DatasetFormat | None, typer.Option("--for", help="The trainer that reads the data set; plain: as it was read.")
    ] = None,
    config: ConfigOption = "empo-math",
    assignments: SetOption = None,
    group_size: GroupSizeOption = None,
    form: FormatOption = None,
    mapping: MapOption = None,
    limit: LimitOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Keep the prompts worth training on, and write them with their estimated difficulty."""
    wanted = {
        name: Bounds.parse(text, f"--{name.replace('_', '-')}")
        for name, text in {"entropy": entropy, "pass_rate": pass_rate}.items()
        if text is not None
    }
    if not wanted:
        raise InputError("nothing to select by: give --entropy LO..HI, --pass-rate LO..HI, or both")
    reading = reading_from(group_size, form, mapping, limit)
    check_place(resolved(target), sources, reading.endings)
    trainer = check_new(target, trainer, overwrite)
    summary = Summary()
    with scorer_from(config, assignments) as scorer:
        kept = list(_kept(sources, scorer, wanted, summary, reading))
    several = any(isinstance(prompt.reference, tuple) for prompt in kept)
    count = write_dataset(kept, target, form=trainer, several=several, overwrite=overwrite)
    if as_json:
        print_json({"kept": count, "prompts": summary.groups, "rejected_rows": summary.rejected, "out": str(target)})
        raise typer.Exit(summary.exit_code)
    out.print(foreign(f"kept {count:,} of {summary.groups:,} prompts: {target}"), soft_wrap=True)
    raise typer.Exit(summary.exit_code)


def _kept(
    sources: list[str], scorer: Scorer, wanted: dict[str, Bounds], summary: Summary, reading: ReadOptions
) -> Iterator[Prompt]:
    """The prompts in range; the others are counted, with why where that may surprise."""
    unlabelled = 0
    ability = "math" if scorer.config.equivalence.name == "math" else None
    for group, score in score_rollouts(sources, reading, scorer, summary):
        if score.cause is not None and score.cause.is_fault:
            continue  # not known to be worth anything; the exit code says that there were such
        difficulty = estimate(score)
        unlabelled += "pass_rate" in wanted and difficulty.pass_rate is None
        measured = {"entropy": difficulty.entropy, "pass_rate": difficulty.pass_rate}
        if all((value := measured[name]) is not None and value in within for name, within in wanted.items()):
            yield Prompt(group.prompt, read_label(group.reference), group.data_source, ability, difficulty)
    if unlabelled:
        err.print(f"{counted(unlabelled, 'prompt')} left out: no reference, so no pass rate")


def estimate(score: GroupScore) -> Difficulty:
    """How hard a group's prompt was, from its score."""
    return Difficulty(
        entropy=score.entropy,
        largest_share=score.metrics.get("largest_share"),
        pass_rate=score.metrics.get("accuracy"),
        responses=score.size,
    )

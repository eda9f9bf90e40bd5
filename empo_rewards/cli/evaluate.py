"""`empo-rewards evaluate` and `empo-rewards collapse-step`: what labels say about rollouts."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

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
from empo_rewards.cli.scored import score_rollouts
from empo_rewards.cli.summary import Summary
from empo_rewards.errors import InputError
from empo_rewards.report.benchmarks import COLLAPSED, collapse_step, evaluation, reward_accuracy_by_step


def evaluate(
    sources: SourcesArgument,
    config: ConfigOption = "empo-math",
    assignments: SetOption = None,
    ks: Annotated[
        list[int] | None, typer.Option("--k", min=1, help="The k of pass@k and majority@k. May be repeated.")
    ] = None,
    group_size: GroupSizeOption = None,
    form: FormatOption = None,
    mapping: MapOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show accuracy, pass@k and majority@k of labelled rollouts, by benchmark, with confidence intervals."""
    summary = Summary()
    with scorer_from(config, assignments) as scorer:
        found = evaluation(
            score_rollouts(sources, reading_from(group_size, form, mapping, limit), scorer, summary), ks or ()
        )
    if not any(benchmark.values for benchmark in found.values()):
        raise InputError("no group has a label that its responses could be compared with")
    if as_json:
        print_json({"benchmarks": {name: benchmark.to_dict() for name, benchmark in found.items()}})
        raise typer.Exit(summary.exit_code)
    for name, benchmark in found.items():
        said = benchmark.to_dict()
        table = Table("metric", "mean", "95% interval", "problems", title=foreign(name) if name else None)
        for metric, value in said["metrics"].items():
            interval = f"{value['least']:.4f} to {value['most']:.4f}"
            table.add_row(metric, f"{value['mean']:.4f}", interval, f"{value['problems']:,}")
        out.print(table)
        if left_out := benchmark.unlabelled + benchmark.failed:
            err.print(
                f"{left_out:,} of {benchmark.groups:,} groups are left out: no label, or it could not be compared"
            )
    raise typer.Exit(summary.exit_code)


def collapse(
    sources: SourcesArgument,
    config: ConfigOption = "empo-math",
    assignments: SetOption = None,
    below: Annotated[
        float, typer.Option(min=0, max=1, help="The reward accuracy that counts as collapsed.")
    ] = COLLAPSED,
    group_size: GroupSizeOption = None,
    form: FormatOption = None,
    mapping: MapOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the first training step of labelled rollouts whose reward accuracy is below 1%."""
    summary = Summary()
    with scorer_from(config, assignments) as scorer:
        by_step = reward_accuracy_by_step(
            score_rollouts(sources, reading_from(group_size, form, mapping), scorer, summary)
        )
    if not by_step:
        raise InputError("no group has a label and a training step (field step)")
    step = collapse_step(by_step, below)
    if as_json:
        rows = [{"step": one, "reward_accuracy": value} for one, value in by_step.items()]
        print_json({"collapse_step": step, "below": below, "steps": rows})
    elif step is None:
        least = min(by_step, key=by_step.__getitem__)
        out.print(
            f"no collapse in {len(by_step):,} steps: the least reward accuracy is {by_step[least]:.4f}, at {least:g}"
        )
    else:
        out.print(f"collapse step {step:g}: reward accuracy {by_step[step]:.4f}, below {below:g}")
    raise typer.Exit(summary.exit_code)

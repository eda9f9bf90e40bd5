"""`empo-rewards evaluate` and `empo-rewards collapse-step`: what labels say about rollouts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from empo_rewards.cli import sampling
from empo_rewards.cli.console import (
    ConfigOption,
    FormatOption,
    GroupSizeOption,
    InstructionOption,
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
from empo_rewards.datasets import Prompt, read_prompts
from empo_rewards.errors import InputError, counted
from empo_rewards.generation import Sampling
from empo_rewards.reading.mapping import parse_mapping
from empo_rewards.report.benchmarks import COLLAPSED, collapse_step, evaluation, reward_accuracy_by_step


def evaluate(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Labelled rollouts, in any form that `score` reads; with --url or --vllm labelled prompts.",
        ),
    ],
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
    urls: sampling.UrlOption = None,
    model: sampling.ModelOption = None,
    vllm: sampling.VllmOption = None,
    target: Annotated[Path | None, typer.Option("--out", "-o", help="Where sampled rollouts go.")] = None,
    n: sampling.NumberOption = 16,
    temperature: sampling.TemperatureOption = 1.0,
    top_p: sampling.TopPOption = None,
    max_tokens: sampling.MaxTokensOption = None,
    seed: sampling.SeedOption = None,
    completions: sampling.CompletionsOption = False,
    instruction: InstructionOption = None,
    requested: Annotated[
        list[str] | None, typer.Option("--request", metavar="KEY=VALUE", help=sampling.REQUEST_HELP)
    ] = None,
    api_key_variable: sampling.ApiKeyOption = None,
    concurrency: sampling.ConcurrencyOption = 32,
    split: sampling.SplitOption = "train",
    resume: sampling.ResumeOption = False,
    overwrite: sampling.OverwriteOption = False,
) -> None:
    """Show accuracy, pass@k and majority@k of labelled rollouts, by benchmark, with confidence intervals.

    With --url or --vllm, INPUT has prompts: their responses are sampled first, as by `generate`.
    """
    summary = Summary()
    with scorer_from(config, assignments) as scorer:
        if urls or vllm is not None:
            if len(sources) > 1 or target is None:
                raise InputError("sampling takes one file of prompts, and writes one of rollouts: --out FILE")
            _check_labels(sources[0], parse_mapping(mapping or []), split, limit)
            done = sampling.sample_rollouts(
                sources[0],
                target,
                Sampling(n, temperature, top_p, max_tokens, seed, chat=not completions),
                urls=urls,
                model=model,
                vllm=vllm,
                assignments=requested,
                instruction=instruction,
                mapping=mapping,
                split=split,
                limit=limit,
                api_key_variable=api_key_variable,
                concurrency=concurrency,
                resume=resume,
                overwrite=overwrite,
            )
            if done.refused:
                summary.reject(f"{counted(done.refused, 'prompt')} without responses")
            sources, mapping, limit = [str(target)], None, None
        elif target is not None or model is not None or resume or overwrite:
            raise InputError("--out, --model, --resume and --overwrite are for sampling: give --url or --vllm as well")
        reading = reading_from(group_size, form, mapping, limit)
        found = evaluation(score_rollouts(sources, reading, scorer, summary), ks or ())
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


def _check_labels(source: str, mapping: dict[str, str], split: str, limit: int | None) -> None:
    """Refuse prompts of which none has a label before, not after, they are sampled."""
    prompts = read_prompts(source, mapping=mapping, split=split, limit=limit)
    if not any(isinstance(prompt, Prompt) and prompt.reference is not None for prompt in prompts):
        raise InputError(f"{source}: no prompt has a label to evaluate by (--map reference=PATH says where it stands)")


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

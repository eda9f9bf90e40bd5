"""`empo-rewards generate`: groups of responses to prompts, from servers or by vLLM in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from empo_rewards.cli import sampling
from empo_rewards.cli.console import InstructionOption, MapOption, foreign, out
from empo_rewards.generation import Sampling


def generate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PROMPTS",
            help="Prompts: text (one a line), JSON lines, JSON, CSV, Parquet, or a dataset of the Hugging Face Hub.",
        ),
    ],
    target: Annotated[Path, typer.Option("--out", "-o", help="Where the groups go, one JSON line a prompt.")],
    urls: sampling.UrlOption = None,
    model: sampling.ModelOption = None,
    vllm: sampling.VllmOption = None,
    n: sampling.NumberOption = 16,
    temperature: sampling.TemperatureOption = 1.0,
    top_p: sampling.TopPOption = None,
    max_tokens: sampling.MaxTokensOption = None,
    seed: sampling.SeedOption = None,
    logprobs: Annotated[
        bool, typer.Option("--logprobs", help="Keep the log-probabilities of the tokens, where they are given.")
    ] = False,
    completions: sampling.CompletionsOption = False,
    instruction: InstructionOption = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=sampling.REQUEST_HELP)
    ] = None,
    api_key_variable: sampling.ApiKeyOption = None,
    concurrency: sampling.ConcurrencyOption = 32,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds for one request.")] = 600.0,
    attempts: Annotated[
        int, typer.Option(min=1, help="Attempts at a request. A server that is away is waited for 8 s between two.")
    ] = 40,
    mapping: MapOption = None,
    split: sampling.SplitOption = "train",
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Read so many rows.")] = None,
    resume: sampling.ResumeOption = False,
    overwrite: sampling.OverwriteOption = False,
) -> None:
    """Sample a group of responses to each prompt, as rollouts for `score`."""
    done = sampling.sample_rollouts(
        source,
        target,
        Sampling(n, temperature, top_p, max_tokens, seed, logprobs, chat=not completions),
        urls=urls,
        model=model,
        vllm=vllm,
        assignments=assignments,
        instruction=instruction,
        mapping=mapping,
        split=split,
        limit=limit,
        api_key_variable=api_key_variable,
        concurrency=concurrency,
        timeout=timeout,
        attempts=attempts,
        resume=resume,
        overwrite=overwrite,
    )
    tally = done.tally
    tokens = f", {tally.tokens:,} tokens ({tally.tokens / done.seconds:,.0f} a second)" if tally.tokens else ""
    out.print(foreign(f"{target}: {done.groups:,} groups; now {tally.responses:,} responses{tokens}"), soft_wrap=True)
    raise typer.Exit(3 if done.refused else 0)

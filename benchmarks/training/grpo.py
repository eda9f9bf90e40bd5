"""One run of TRL's GRPOTrainer: a base, a method, a seed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from datasets import Dataset
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from empo_rewards.integrations.trl import EMPOReward
from empo_rewards.integrations.trl.reward import LogProbs

from .methods import Method
from .record import Recorder
from .settings import Settings
from .smollm import SmolLM


class _Curve(TrainerCallback):  # type: ignore[misc] # transformers is untyped
    """Evaluates during training."""

    def __init__(self, every: int, measure: Callable[[LlamaForCausalLM], dict[str, float]]) -> None:
        self.points: list[dict[str, float]] = []
        self.seconds = self.cpu_seconds = 0.0
        self._every, self._measure = every, measure

    def at(self, step: int, model: LlamaForCausalLM) -> None:
        """Evaluate now."""
        start, cpu_start = time.perf_counter(), time.process_time()
        self.points.append({"step": step, **self._measure(model)})
        self.seconds += time.perf_counter() - start
        self.cpu_seconds += time.process_time() - cpu_start

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **objects: Any
    ) -> None:
        """Evaluate at regular steps, and after the last."""
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            self.at(state.global_step, objects["model"])


class ShowProgress(TrainerCallback):  # type: ignore[misc] # transformers is untyped
    """Reports progress."""

    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self._progress = progress

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **objects: Any
    ) -> None:
        """Report each step."""
        self._progress(state.global_step, state.max_steps)


class _Trainer(GRPOTrainer):  # type: ignore[misc] # transformers is untyped
    """TRL's trainer, which also applies the scales and shifts that a strategy gives to advantages."""

    def __init__(self, recorder: Recorder, **options: Any) -> None:
        super().__init__(**options)
        self._recorder = recorder

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        output = super()._generate_and_score_completions(inputs)
        advantages = output["advantages"]
        scale, shift = torch.tensor(self._recorder.adjustments, device=advantages.device).unbind(-1)
        self._recorder.adjustments.clear()
        output["advantages"] = scale * advantages + shift
        return output


class Asked(Protocol):
    """A problem, as the trainer sees it."""

    @property
    def prompt(self) -> Any:
        """The prompt: a text, or a conversation."""
        ...

    @property
    def answer(self) -> Any:
        """The right answer, or all accepted ones."""
        ...


class Problems(NamedTuple):
    """The problems of a run.

    Args:
        trained: problems to train on, in an order given by the seed; the trainer is given their answers only if the
            method is labelled.
        probes: problems on which the trainer evaluates, without labels if it trains without; there may be none.
    """

    trained: Sequence[Asked]
    probes: Sequence[Asked] = ()


class Trainee(NamedTuple):
    """The model of a run, trained in place.

    Args:
        model, tokenizer: the base.
        tokens: maximum length of a completion.
        measure: makes a point of the curve.
        options: further arguments of the trainer.
    """

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerBase
    tokens: int
    measure: Callable[[LlamaForCausalLM], dict[str, float]]
    options: Mapping[str, Any]


def train(
    trainee: Trainee,
    method: Method,
    settings: Settings,
    seed: int,
    problems: Problems,
    recorder: Recorder,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train a model in place.

    Args:
        trainee: the base.
        recorder: where the run's groups are kept; `Trainee.measure` may record probes of its own.
        progress: called with the step and the number of steps.

    Returns:
        The run (settings, curve, the trainer's log, quantities of each step), and every group with its step, in the
        order of scoring; groups of probes follow their step.
    """
    curve = _Curve(settings.evaluate_every, trainee.measure)
    logprobs = partial(token_logprobs, trainee) if method.logprobs else None
    with tempfile.TemporaryDirectory() as folder, closing(reward_of(method, recorder, logprobs)) as reward:
        arguments = GRPOConfig(**arguments_of(trainee, method, settings, seed, folder, len(problems.probes)))
        trainer = _Trainer(
            recorder,
            model=trainee.model,
            reward_funcs=reward,
            args=arguments,
            train_dataset=rows(problems.trained, method),
            eval_dataset=rows(problems.probes, method) if problems.probes else None,
            processing_class=trainee.tokenizer,
            callbacks=[curve, ShowProgress(progress)],
        )
        trainer.remove_callback(PrinterCallback)
        restore_forward(trainee.model)
        curve.at(0, trainee.model)
        curve.seconds = curve.cpu_seconds = 0.0
        start, cpu_start = time.perf_counter(), time.process_time()
        trainer.train()
        seconds = time.perf_counter() - start - curve.seconds
        cpu_seconds = time.process_time() - cpu_start - curve.cpu_seconds
        log = [entry for entry in trainer.state.log_history if "loss" in entry]
    run = {
        "settings": asdict(settings),
        "scorer": method.scorer,
        "kl": method.kl,
        "scale": method.scale,
        "curve": curve.points,
        "steps": [_logged(entry) for entry in log],
        "train_seconds": round(seconds, 1),
        "train_cpu_seconds": round(cpu_seconds, 1),
    }
    return run, list(_with_steps(recorder.groups, settings.prompts))


def restore_forward(model: LlamaForCausalLM) -> None:
    """Let a model that gives TRL what its fused head would compute do so. On CPUs TRL's head computes all positions."""
    if isinstance(model, SmolLM):
        vars(model).pop("forward", None)


def arguments_of(
    trainee: Trainee, method: Method, settings: Settings, seed: int, folder: str, probes: int
) -> dict[str, Any]:
    """The trainer's arguments."""
    evaluated = {
        "eval_strategy": "steps",
        "eval_steps": settings.probe_every,
        "eval_on_start": True,
        "per_device_eval_batch_size": probes * settings.group,
    }
    return {
        "output_dir": folder,
        "seed": seed,
        "max_steps": settings.steps,
        "per_device_train_batch_size": settings.prompts * settings.group,
        "gradient_accumulation_steps": 1,
        "num_generations": settings.group,
        "max_completion_length": trainee.tokens,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "beta": method.kl,
        "scale_rewards": method.scale,
        "loss_type": "dapo",
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": settings.warm_up,
        "weight_decay": 0.0,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": trainee.model.device.type == "cpu",
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        **(evaluated if probes else {}),
        **trainee.options,
    }


def rows(problems: Sequence[Asked], method: Method) -> Dataset:
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


def reward_of(method: Method, recorder: object, logprobs: LogProbs | None = None) -> EMPOReward:
    """The method's reward, with a plugin that registers the observer `recorder`."""
    scorer = {**method.scorer, "observers": ["recorder"]}
    reference = "answer" if method.labelled else None
    return EMPOReward(scorer, reference=reference, logprobs=logprobs, plugins=[recorder])


@torch.no_grad()
def token_logprobs(trainee: Trainee, prompts: Sequence[str], columns: Mapping[str, Any]) -> list[list[float]]:
    """The log-probabilities of the tokens of each completion at temperature 1, by a forward pass of the model."""
    asked = trainee.tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
    rows = [torch.tensor(prompt + ids) for prompt, ids in zip(asked, columns["completion_ids"], strict=True)]
    ids = pad_sequence(rows, batch_first=True).to(trainee.model.device)  # nothing sees what stands behind it
    found = trainee.model(ids).logits[:, :-1].float().log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return [
        row[len(prompt) - 1 : len(tokens) - 1].tolist() for row, prompt, tokens in zip(found, asked, rows, strict=True)
    ]


_LOGGED = ("learning_rate", "loss", "grad_norm", "reward", "reward_std", "entropy", "kl", "step_time")


def _logged(entry: dict[str, Any]) -> dict[str, float]:
    """The trainer's numbers of a step, renamed."""
    return {f"trl/{name}": entry[name] for name in _LOGGED if name in entry}

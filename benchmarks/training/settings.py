"""The sizes of the experiment, and the settings shared by all methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .task import Task


@dataclass(frozen=True)
class Settings:
    """Settings of GRPO. The defaults were selected at size `small`, on development prompts, seed and bases.

    Args:
        steps: optimizer steps, each on fresh samples.
        prompts: prompts per step, each with `group` samples at temperature 1.
        learning_rate: learning rate, reached after `warm_up` steps, then constant.
        evaluate_every: steps between two points of the curve.
        watched: number of problems of the test set on which the curve is measured.
        probes, probe_every: number of prompts sampled repeatedly without labels for the monitor, and the steps
            between. They follow the evaluation problems in the test set.
        trained_layers: the number of layers, from the last, that are trained, of a model that was not made here; None:
            all of it.
    """

    steps: int = 40
    prompts: int = 16
    group: int = 16
    learning_rate: float = 1e-4
    warm_up: int = 6
    evaluate_every: int = 5
    watched: int = 32
    probes: int = 48
    probe_every: int = 3
    trained_layers: int | None = None

    def label(self, usual: Settings) -> str:
        """The differences from the default settings, for a name; empty if there are none."""
        return "".join(f",{name}={value}" for name, value in vars(self).items() if value != vars(usual)[name])


@dataclass(frozen=True)
class Size:
    """The size of the experiment.

    Args:
        task: the problems.
        hidden, layers, heads: dimensions of the Llama; the MLP is three times as wide as `hidden`.
        pretrain_batch, pretrain_rate: solutions per step, and the maximum learning rate.
        checkpoints: steps of pre-training after which a base is stored, in increasing order.
        settings: settings of GRPO.
        judged: number of problems of the test set on which the end result is measured.
    """

    task: Task
    hidden: int
    layers: int
    heads: int
    pretrain_batch: int
    pretrain_rate: float
    checkpoints: tuple[int, ...]
    settings: Settings = Settings()
    judged: int = 128


SIZES: Mapping[str, Size] = {
    "tiny": Size(Task(3), 16, 1, 2, 16, 1e-2, (4, 8), Settings(3, 2, 4, 1e-3, 1, 3, 4, 3, 2), 8),
    "small": Size(Task(3), 64, 3, 4, 64, 2e-3, (300, 350, 400, 500, 700, 1200)),
    "large": Size(
        Task(6, "+-"), 512, 8, 8, 512, 1e-3, (500, 1000, 1500, 2000, 3000, 4000), Settings(200, 32, watched=128), 192
    ),
}
"""`tiny` is for tests, `small` (0.2M parameters) for two cores, `large` (25M, two operations mixed) for a GPU."""


@dataclass(frozen=True)
class Words:
    """The size of the experiment with SmolLM2 and questions in words.

    Args:
        tokens: maximum length of a response.
        rows: responses that are differentiated at a time.
        k: samples of each question in an evaluation.
        judged: number of held-out questions on which the end result is measured.
        seen: number of training questions on which it is measured, too.
        settings: settings of GRPO. `watched` are those of the probes on which the curve is measured, `group` samples
            each, without labels for whoever trains; the monitor is shown the same samples.
    """

    tokens: int = 16
    rows: int = 64
    k: int = 16
    judged: int = 64
    seen: int = 16
    settings: Settings = Settings(
        steps=20, prompts=8, group=8, learning_rate=3e-5, warm_up=2, evaluate_every=5, watched=16, trained_layers=10
    )


SMOLLM = Words()

"""What can be chosen: the sizes of the experiment, and the settings that all methods share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .task import Task


@dataclass(frozen=True)
class Settings:
    """How GRPO is run. The defaults were chosen at size `small`, on development prompts, seed and bases.

    Args:
        steps: optimizer steps, each on fresh samples.
        prompts: a step; each with `group` samples at temperature 1.
        learning_rate: reached after `warm_up` steps, then constant.
        evaluate_every: steps between two points of the curve.
        watched: problems of the test set that the curve is measured on.
        probes, probe_every: prompts that are asked again and again without labels, and the steps between: for the
            monitor. They stand in the test set behind those that are judged by.
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

    def label(self, usual: Settings) -> str:
        """What differs from the usual ones, to stand in a name; empty where nothing does."""
        return "".join(f",{name}={value}" for name, value in vars(self).items() if value != vars(usual)[name])


@dataclass(frozen=True)
class Size:
    """What grows with the machine.

    Args:
        task: the problems.
        hidden, layers, heads: of the Llama; the MLP is three times as wide as `hidden`.
        pretrain_batch, pretrain_rate: solutions a step, and the highest learning rate.
        checkpoints: steps of pre-training after which a base is kept, rising.
        settings: of GRPO.
        judged: problems of the test set that the end result is measured on.
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

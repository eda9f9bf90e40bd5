"""Accuracy, pass@k and majority@k of labelled groups, by benchmark, and the step at which a run collapses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from empo_rewards.group import AnswerKind, Group, GroupScore
from empo_rewards.metrics import majority_at_k, pass_at_k, powers, wilson
from empo_rewards.report.numbers import step_of

COLLAPSED = 0.01
"""Reward accuracy below which a run has collapsed (model collapse step, arXiv 2603.08660)."""


@dataclass
class Benchmark:
    """The labelled groups of one benchmark.

    Args:
        groups: all of them; `unlabelled` without a label, `failed` whose label could not be compared.
        values: for each metric and problem its value in [0, 1].
    """

    groups: int = 0
    unlabelled: int = 0
    failed: int = 0
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, group: Group, score: GroupScore, ks: Sequence[int]) -> None:
        """Take in a group: its metrics for these k, or for powers of 2 and its size without any."""
        self.groups += 1
        if not group.accepted:
            self.unlabelled += 1
            return
        if score.correct is None:
            self.failed += 1
            return
        right, labels = score.correct, score.clusters
        voted = {k for k, answer in zip(labels, score.answers, strict=True) if answer.kind is AnswerKind.ANSWER}
        voters = max(voted, default=-1) + 1
        self._append("accuracy", sum(right) / len(right))
        for k in ks or powers(len(right)):
            if k <= len(right):
                self._append(f"pass@{k}", pass_at_k(len(right), sum(right), k))
                self._append(f"majority@{k}", majority_at_k(labels, voters, right, k))

    def _append(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: each metric with its 95% interval (Wilson's, over problems) and the number of problems."""
        metrics = {}
        for name, values in self.values.items():
            rate, least, most = wilson(math.fsum(values), len(values))
            metrics[name] = {"mean": rate, "least": least, "most": most, "problems": len(values)}
        return {"groups": self.groups, "unlabelled": self.unlabelled, "failed": self.failed, "metrics": metrics}


def evaluation(pairs: Iterable[tuple[Group, GroupScore]], ks: Sequence[int] = ()) -> dict[str, Benchmark]:
    """The benchmarks of scored groups, by data source (the empty text for none), in the order of their first group."""
    found: dict[str, Benchmark] = {}
    for group, score in pairs:
        found.setdefault(group.data_source or "", Benchmark()).add(group, score, ks)
    return found


def reward_accuracy_by_step(pairs: Iterable[tuple[Group, GroupScore]]) -> dict[float, float]:
    """The mean reward accuracy of the labelled groups of each training step, by ascending step."""
    found: dict[float, list[float]] = {}
    for group, score in pairs:
        step, value = step_of(group.metadata), score.metrics.get("reward_accuracy")
        if step is not None and value is not None:
            found.setdefault(step, []).append(value)
    return {step: math.fsum(found[step]) / len(found[step]) for step in sorted(found)}


def collapse_step(by_step: dict[float, float], below: float = COLLAPSED) -> float | None:
    """The first step with a reward accuracy below a bound; None if there is none."""
    return next((step for step, value in by_step.items() if value < below), None)

"""The collapse monitor over runs that were made without it: what it would have said, and when."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from empo_rewards import Group, Scorer
from empo_rewards.monitor import Alarm

from .methods import METHODS
from .store import Store
from .summary import LEAST_GAIN
from .task import Problem


def replay(store: Store) -> dict[str, Any]:
    """Each kept run against the monitor at its defaults.

    Returns:
        For each run: the step at which pass@1 was first seen fallen (see `fallen_at`), the step of the monitor's alarm
        with its reason; None where there was none.
    """
    found = {}
    for path in sorted(store.results.glob("*/*/*.groups.jsonl.gz")):
        name = str(path.relative_to(store.results)).removesuffix(".groups.jsonl.gz")
        run, groups = store.read(name), read_groups(path)
        if METHODS[run["method"]].labelled:
            groups = [(step, replace(group, reference=_sum(group.prompt_text))) for step, group in groups]
        step, reason = first_alarm(groups, run["scorer"])
        found[name] = {"fallen": fallen_at(run["curve"]), "alarm": step, "reason": reason}
    return found


def read_groups(path: Path) -> list[tuple[int, Group]]:
    """The groups of a run with their steps, made anew: each response is its answer in a box, as long as it was."""
    lines = gzip.decompress(path.read_bytes()).splitlines()
    return [(record["step"], _group(record)) for record in map(json.loads, lines)]


def _group(record: Mapping[str, Any]) -> Group:
    boxes = ["" if answer is None else f"\\boxed{{{answer}}}" for answer in record["answers"]]
    responses = [box.rjust(length, ".") for box, length in zip(boxes, record["lengths"], strict=True)]
    return Group(record["prompt"], responses)


def _sum(prompt: str) -> str:
    """What is right, as the trainer was told it."""
    operation = "-" if "-" in prompt else "+"
    a, b = prompt.removesuffix("=").split(operation)
    return Problem(int(a), int(b), operation, len(a)).answer


def first_alarm(groups: Sequence[tuple[int, Group]], config: Mapping[str, Any]) -> tuple[int | None, str | None]:
    """The step and the reason of the monitor's alarm over a run's groups, scored anew; None where it gives none."""
    alarms: list[Alarm] = []
    with Scorer({**config, "observers": [{"name": "monitor", "on_alarm": alarms.append}]}) as scorer:
        for step, group in groups:
            scorer.score(group)
            if alarms:
                return step, alarms[0].reason
    return None, None


def fallen_at(curve: Sequence[Mapping[str, float]]) -> int | None:
    """The first step of a curve at which pass@1 has lost half of what it had gained, or a quarter of where it began.

    The latter counts where it had gained less than `LEAST_GAIN`. None: it never fell so far.
    """
    start = best = curve[0]["pass_1"]
    for point in curve:
        level = point["pass_1"]
        best = max(best, level)
        gain = best - start
        if level < (best - gain / 2 if gain >= LEAST_GAIN else 0.75 * start):
            return int(point["step"])
    return None

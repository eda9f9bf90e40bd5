"""Replay of recorded runs against the collapse monitor: its alarms, and when it raises them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from empo_rewards import Group, Scorer
from empo_rewards.monitor import Alarm

from .methods import METHODS, WORDS, WORDS_METHODS
from .plans import MONITOR_BASES
from .questions import by_text
from .store import Store
from .summary import LEAST_GAIN
from .task import Problem


def replay(store: Store, probes: int | None = None) -> dict[str, Any]:
    """Replay each recorded run against the monitor at its defaults.

    Args:
        store: the store with the runs.
        probes: the number of a run's probes shown to the monitor; None: all.

    Returns:
        For each run: the step at which pass@1 was first seen fallen (see `fallen_at`), and whether it kept its gain
        (`has_kept`); the step of the monitor's alarm, with its reason; and the step at which the rule for pass@1
        detects a fall on the probes, by their labels, which the monitor does not see. None if there is none.
    """
    found = {}
    runs = store.runs()
    for name, records in store.groups():
        run = runs[name]
        methods = WORDS_METHODS if "/smollm/" in name else METHODS
        shown = groups_of(fewer(records, probes), methods[run["method"]].labelled)
        step, reason = first_alarm(shown, WORDS if run["method"] == "minilm" else run["scorer"])  # without its model
        probed = probe_curve(records)
        found[name] = {
            "method": run["method"],
            "runs": _kind(name, bool(probed)),
            "fallen": fallen_at(run["curve"]),
            "kept": has_kept(run["curve"]),
            "alarm": step,
            "reason": reason,
            "fallen_by_probes": fallen_at(probed) if probed else None,
        }
    return found


def fewer(records: Sequence[Mapping[str, Any]], probes: int | None) -> list[Mapping[str, Any]]:
    """The groups, with only the first `probes` probes (None: all)."""
    asked = list(dict.fromkeys(record["prompt"] for record in records if record.get("probe")))
    kept = set(asked[:probes])
    return [record for record in records if not record.get("probe") or record["prompt"] in kept]


def groups_of(records: Iterable[Mapping[str, Any]], labelled: bool = False) -> list[tuple[int, Group]]:
    """Reconstruct the groups with their steps: each response is its answer in a box, padded to the original length."""
    return [(record["step"], _group(record, labelled)) for record in records]


def _group(record: Mapping[str, Any], labelled: bool) -> Group:
    boxes = ["" if answer is None else f"\\boxed{{{answer}}}" for answer in record["answers"]]
    responses = [box.rjust(length, ".") for box, length in zip(boxes, record["lengths"], strict=True)]
    question = by_text().get(record["prompt"])
    right = question.answer if question else Problem.from_prompt(record["prompt"]).answer
    return Group(record["prompt"], responses, reference=right if labelled else None)


def _share_right(record: Mapping[str, Any]) -> float:
    """The share of a group's answers that are right by label."""
    question, answers = by_text().get(record["prompt"]), record["answers"]
    if question:
        return sum(answer is not None and question.is_right(answer) for answer in answers) / len(answers)
    return answers.count(Problem.from_prompt(record["prompt"]).answer) / len(answers)


def probe_curve(records: Iterable[Mapping[str, Any]]) -> list[dict[str, float]]:
    """pass@1 on the probes, at each step at which they were sampled."""
    shares: dict[int, list[float]] = {}
    for record in records:
        if record.get("probe"):
            shares.setdefault(record["step"], []).append(_share_right(record))
    return [{"step": step, "pass_1": sum(found) / len(found)} for step, found in shares.items()]


def _kind(name: str, is_probed: bool) -> str:
    """The purpose of a run: selection of the monitor's settings, or its evaluation on other bases."""
    prompts, place, _ = name.split("/")
    if (prompts == "fresh") if place == "smollm" else int(place.split("-")[0]) >= min(MONITOR_BASES):
        return "judged"
    return "chosen on" if is_probed else "without probes"


def tally(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Table of the runs of each kind that fell, by time of the alarm: before the fall was seen, with it, later, never.

    Of the runs that did not fall, the number that kept their gain and the number of the rest, each with the number of
    alarms.
    """
    lines = [
        "| runs | method | fell | before | then | later | never | kept | alarm | rest | alarm |",
        "| --- " * 11 + "|",
    ]
    for kind, method in sorted({(run["runs"], run["method"]) for run in found.values()}):
        runs = [run for run in found.values() if (run["runs"], run["method"]) == (kind, method)]
        fallen = [run for run in runs if run["fallen"] is not None]
        called = [run["alarm"] - run["fallen"] for run in fallen if run["alarm"] is not None]
        cells = [len(fallen), sum(late < 0 for late in called), called.count(0), sum(late > 0 for late in called)]
        cells.append(len(fallen) - len(called))
        for kept in (True, False):
            held = [run["alarm"] is not None for run in runs if run["fallen"] is None and run["kept"] is kept]
            cells += [len(held), sum(held)]
        lines.append(f"| {kind} | {method} | " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def first_alarm(groups: Sequence[tuple[int, Group]], config: Mapping[str, Any]) -> tuple[int | None, str | None]:
    """The step and reason of the monitor's alarm when a run's groups are scored again; None without an alarm."""
    alarms: list[Alarm] = []
    with Scorer({**config, "observers": [{"name": "monitor", "on_alarm": alarms.append}]}) as scorer:
        for step, group in groups:
            scorer.score(group)
            if alarms:
                return step, alarms[0].reason
    return None, None


def fallen_at(curve: Sequence[Mapping[str, float]]) -> int | None:
    """The first step of a curve at which pass@1 has lost half of its gain; None if there is none.

    If the gain was less than `LEAST_GAIN`: at which it has lost a quarter of its first value.
    """
    start = best = curve[0]["pass_1"]
    for point in curve:
        level = point["pass_1"]
        best = max(best, level)
        gain = best - start
        if level < (best - gain / 2 if gain >= LEAST_GAIN else 0.75 * start):
            return int(point["step"])
    return None


def has_kept(curve: Sequence[Mapping[str, float]]) -> bool:
    """Whether pass@1 gained at least `LEAST_GAIN`, and keeps three quarters of its maximum gain at the end."""
    levels = [point["pass_1"] for point in curve]
    gain = max(levels) - levels[0]
    return gain >= LEAST_GAIN and levels[-1] - levels[0] >= 0.75 * gain

"""Summary of all runs: each method's end result, and the fraction of the supervised gain that it recovers."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from .methods import METHODS
from .store import Store

LEAST_GAIN = 0.05
"""Minimum gain of pass@1 with labels; below it, recovery is undefined."""

END = ("pass_1", "greedy", "pass_k", "majority_k", "entropy", "blank", "distinct_majorities")
"""The measures reported for a trained model."""


def summarize(store: Store) -> dict[str, Any]:
    """All measured bases, with all runs on them.

    Returns:
        `fresh` and `development`: a list of bases by strength; each with its evaluations (`base`, and `colder`,
        sampled at temperature 0.3), and for each method the runs' ends and their recovery: (method - base) / (mean of
        reference - base), in pass@1; None if labels gain less than `LEAST_GAIN`, or were not used.
        `recovery`: for each method its mean, standard deviation and number of runs over the fresh bases whose majority
        of 16 is right on at least 90% of problems.
    """
    summary: dict[str, Any] = {}
    for prompts in ("fresh", "development"):
        places: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for name, result in store.runs().items():
            kind, *where = name.split("/")
            if kind == prompts:
                places[where[0]].append(result)
        bases = [_base(place, results) for place, results in places.items() if any("colder" in r for r in results)]
        summary[prompts] = sorted(bases, key=lambda base: base["base"]["pass_1"])
    summary["recovery"] = _strong(summary["fresh"])
    return summary


def _base(place: str, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One base, from its measurement and its runs."""
    (measured,) = (result for result in results if "colder" in result)
    runs = [result for result in results if "after" in result]
    level = measured["base"]["pass_1"]
    labelled = [run["after"]["pass_1"] for run in runs if run["method"] == "reference" and not run["changed"]]
    gain = statistics.mean(labelled) - level if labelled else 0.0
    methods: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        recovery = (run["after"]["pass_1"] - level) / gain if gain >= LEAST_GAIN else None
        label = run["method"] + run["changed"]
        methods[label].append({"seed": run["seed"], "recovery": recovery, **{k: run["after"][k] for k in END}})
    return {"place": place, "base": measured["base"], "colder": measured["colder"], "methods": dict(methods)}


def _strong(bases: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Recovery over the runs of all strong bases."""
    recoveries: dict[str, list[float]] = defaultdict(list)
    for base in bases:
        if base["base"]["majority_k"] >= 0.9:
            for method, runs in base["methods"].items():
                recoveries[method] += [run["recovery"] for run in runs if run["recovery"] is not None]
    return {
        method: {"mean": statistics.mean(values), "sd": statistics.pstdev(values), "runs": len(values)}
        for method, values in recoveries.items()
        if values
    }


def table(summary: Mapping[str, Any]) -> str:
    """The summary as a Markdown table: one row per base and method, means over seeds."""
    lines = ["| base | method | seeds | pass@1 | greedy | pass@16 | maj@16 | entropy | recovery |", "| --- " * 9 + "|"]
    for base in summary["fresh"]:
        for name, evaluation in (("base", base["base"]), ("base, T = 0.3", base["colder"])):
            lines.append(f"| {base['place']} | {name} | | {_cells(evaluation)} | |")
        for method in sorted(base["methods"], key=lambda label: (list(METHODS).index(label.split(",")[0]), label)):
            runs = base["methods"][method]
            means = {key: statistics.mean(run[key] for run in runs) for key in END}
            recoveries = [run["recovery"] for run in runs if run["recovery"] is not None]
            recovery = f"{statistics.mean(recoveries):.2f}" if recoveries else ""
            lines.append(f"| {base['place']} | {method} | {len(runs)} | {_cells(means)} | {recovery} |")
    return "\n".join(lines)


def _cells(values: Mapping[str, float]) -> str:
    return " | ".join(f"{values[key]:.3f}" for key in ("pass_1", "greedy", "pass_k", "majority_k", "entropy"))

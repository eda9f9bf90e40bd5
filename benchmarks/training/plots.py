"""Plots: curves by step, and the map."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from .methods import METHODS, WORDS_METHODS, Method
from .plans import PROOF_BASES, PROOF_METHODS
from .store import Store

_SEQUENCES = (mpl.color_sequences[name] for name in ("tab10", "Dark2", "Set1"))
COLOURS = dict(zip((*METHODS, "exact", "minilm"), chain.from_iterable(_SEQUENCES), strict=False))

CURVES = {
    "pass_1": "pass@1",
    "greedy": "greedy",
    "pass_k": "pass@16",
    "majority_k": "maj@16",
    "entropy": "entropy, nats",
}


WORDS_CURVES = {
    "pass_1": "pass@1",
    "greedy": "greedy",
    "majority_k": "maj@8",
    "bare": "only an answer",
    "entropy": "entropy, nats",
}


def draw_words(summary: Mapping[str, Any], store: Store) -> None:
    """Draw the curves of the runs on questions in words, into the results folder."""
    mpl.rcParams["svg.hashsalt"] = "empo_rewards"
    runs = summary.get("fresh", {}).get("runs", {})
    curves = {method: [run["curve"] for run in runs[method]] for method in WORDS_METHODS if method in runs}
    if curves:
        _draw_curves({"SmolLM2-135M": curves}, WORDS_METHODS, WORDS_CURVES, store.results / "proof.svg")


def draw(summary: Mapping[str, Any], store: Store) -> None:
    """Draw the plots that the results allow, into the results folder."""
    mpl.rcParams["svg.hashsalt"] = "empo_rewards"  # equal results give equal files
    curves = _curves(store)
    strong = {place: methods for place, methods in curves.items() if set(PROOF_METHODS) <= set(methods)}
    if strong:
        proof = {method: METHODS[method] for method in PROOF_METHODS}
        _draw_curves(strong, proof, CURVES, store.results / "proof.svg")
    mapped = [base for base in summary["fresh"] if int(base["place"].split("-")[0]) in PROOF_BASES]
    if any(base["methods"] for base in mapped):
        _draw_map(mapped, store.results / "map.svg")


def _curves(store: Store) -> dict[str, dict[str, list[list[dict[str, float]]]]]:
    """The curve of each run on fresh prompts, by base and method."""
    curves: dict[str, dict[str, list[list[dict[str, float]]]]] = defaultdict(lambda: defaultdict(list))
    for name, run in store.runs().items():
        prompts, *where = name.split("/")
        if prompts == "fresh" and "curve" in run and not run["changed"]:
            curves[where[0]][run["method"]].append(run["curve"])
    return curves


def _draw_curves(
    curves: Mapping[str, Mapping[str, Sequence[Sequence[Mapping[str, float]]]]],
    methods: Mapping[str, Method],
    quantities: Mapping[str, str],
    path: Path,
) -> None:
    """One row per quantity, one column per base: means over seeds by step, with a band from minimum to maximum."""
    figure, grid = plt.subplots(
        len(quantities),
        len(curves),
        figsize=(max(6.5, 4.5 * len(curves)), 2.2 * len(quantities)),
        sharex=True,
        sharey="row",
        squeeze=False,
    )
    for column, (place, by_method) in enumerate(curves.items()):
        for row, (key, name) in enumerate(quantities.items()):
            axes = grid[row][column]
            for method, runs in by_method.items():
                if method not in methods:
                    continue
                steps = [point["step"] for point in runs[0]]
                values = list(zip(*([point[key] for point in run] for run in runs), strict=True))
                means = [sum(at) / len(at) for at in values]
                axes.plot(steps, means, color=COLOURS[method], label=f"{method}: {methods[method].about}")
                axes.fill_between(
                    steps, list(map(min, values)), list(map(max, values)), color=COLOURS[method], alpha=0.2, linewidth=0
                )
            axes.set_ylabel(name if column == 0 else "")
            axes.grid(alpha=0.3)
        grid[0][column].set_title(f"base {place}, {max(map(len, by_method.values()))} seed(s)")
        grid[-1][column].set_xlabel("step")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=2, frameon=False, fontsize="small")
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    _save(path)


PREDICTORS = {
    "pass_1": "pass@1 of the base",
    "majority_share": "majority share of the base's samples (no label needed)",
    "entropy": "semantic entropy of the base's samples, nats (no label needed)",
}


def _draw_map(bases: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Recovery of each method against properties of the base; below 0 the method made the base worse."""
    figure, row = plt.subplots(1, len(PREDICTORS), figsize=(5 * len(PREDICTORS), 4.6), sharey=True)
    for axes, (key, name) in zip(row, PREDICTORS.items(), strict=True):
        for method in METHODS:
            if method not in ("reference", "random"):
                _draw_recovery(axes, bases, method, key)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.axhline(1, color="black", linewidth=0.8, linestyle=":")
        axes.set_xlabel(name)
        axes.grid(alpha=0.3)
    row[0].set_ylabel("recovery of the supervised gain")
    row[0].set_ylim(-1.1, 1.2)
    handles, labels = row[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=3, frameon=False, fontsize="small")
    figure.tight_layout(rect=(0, 0, 1, 0.86))
    _save(path)


def _draw_recovery(axes: Axes, bases: Sequence[Mapping[str, Any]], method: str, key: str) -> None:
    """One point per run, and a line through the means."""
    means = []
    for base in bases:
        recoveries = [run["recovery"] for run in base["methods"].get(method, ()) if run["recovery"] is not None]
        if recoveries:
            at = base["base"][key]
            axes.plot([at] * len(recoveries), recoveries, ".", color=COLOURS[method], alpha=0.4)
            means.append((at, sum(recoveries) / len(recoveries)))
    if means:
        places, values = zip(*sorted(means), strict=True)
        axes.plot(places, values, color=COLOURS[method], label=f"{method}: {METHODS[method].about}")


def _save(path: Path) -> None:
    plt.savefig(path, metadata={"Date": None})
    plt.close()

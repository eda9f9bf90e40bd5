"""Figures of results beside the published numbers."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from . import shown
from .tables import Experiment


def draw(experiment: Experiment, results: shown.Results, path: Path) -> None:
    """Draw the figure of an experiment."""
    mpl.rcParams["svg.hashsalt"] = "empo_rewards"  # equal results give equal files
    {"accuracy": _draw_accuracies, "pass@k": _draw_curves, "entropy": _draw_curves}[experiment.shows](
        experiment, results
    )
    plt.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close()


def _draw_accuracies(experiment: Experiment, results: shown.Results) -> None:
    """Bars by set and model, with 95% intervals; the published average is a mark beside ours."""
    groups = [*((prompts.name, prompts.title) for prompts in experiment.sets)]
    groups += [("average", "average")] if experiment.averaged else []
    width = 0.8 / len(experiment.models)
    _, axes = plt.subplots(figsize=(max(6.5, 1.6 * len(groups)), 4))
    for place, model in enumerate(experiment.models):
        found = results.get(model.name, {})
        offset = (place - (len(experiment.models) - 1) / 2) * width
        colour = f"C{place}"
        for group, (name, _) in enumerate(groups):
            result = found.get(name)
            if name == "average":
                mean = shown.average(experiment, found)
                if mean is not None:
                    axes.bar(group + offset, mean, width, color=colour)
                if model.name in experiment.published:
                    axes.plot(group + offset, experiment.published[model.name], "_k", markersize=12)
            elif result is not None:
                metric = result["metrics"]["accuracy"]
                mean, least, most = (100 * metric[key] for key in ("mean", "least", "most"))
                axes.bar(group + offset, mean, width, color=colour)
                axes.errorbar(group + offset, mean, [[mean - least], [most - mean]], color="black", linewidth=0.8)
        axes.bar(0, 0, color=colour, label=model.name)
    if experiment.published:
        axes.plot([], [], "_k", markersize=12, label="published")
    axes.set_xticks(range(len(groups)), [title for _, title in groups])
    axes.set_ylabel("accuracy, %")
    _finish(axes)


def _draw_curves(experiment: Experiment, results: shown.Results) -> None:
    """One panel for each set: pass@k by k, or accuracy by semantic entropy."""
    _, row = plt.subplots(
        1, len(experiment.sets), figsize=(4.2 * len(experiment.sets), 3.6), sharey=True, squeeze=False
    )
    for axes, prompts in zip(row[0], experiment.sets, strict=True):
        for model in experiment.models:
            found = results.get(model.name, {}).get(prompts.name)
            if found is None:
                continue
            if experiment.shows == "pass@k":
                points = [(k, shown.value(found, f"pass@{k}")) for k in shown.known_ks({"": {"": found}})]
            else:
                points = [(entropy, 100 * accuracy) for entropy, accuracy in shown.by_entropy(found["pairs"])]
                axes.plot(*zip(*((h, 100 * a) for h, a in found["pairs"]), strict=True), ".", alpha=0.2)
            if points:
                axes.plot(*zip(*points, strict=True), "o-", label=model.name)
        axes.set_title(prompts.title)
        if experiment.shows == "pass@k":
            axes.set_xscale("log", base=2)
        axes.set_xlabel("k" if experiment.shows == "pass@k" else "semantic entropy, nats")
    row[0][0].set_ylabel("pass@k, %" if experiment.shows == "pass@k" else "accuracy, %")
    _finish(row[0][0])


def _finish(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize="small")

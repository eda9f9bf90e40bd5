"""Figures of results beside the published numbers."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from . import shown
from .tables import Experiment


def draw(experiment: Experiment, results: shown.Results, path: Path) -> None:
    """Draw the figure of an experiment."""
    mpl.rcParams.update({"svg.hashsalt": "empo_rewards", "svg.fonttype": "none"})  # equal results give equal files
    figure = plt.figure(figsize=(10, 4.5), layout="constrained")
    drawing = {"accuracy": _draw_accuracies, "pass@k": _draw_pass_at_k, "entropy": _draw_entropies}
    drawing[experiment.shows](figure, experiment, results)
    if shown.stand_in(results):
        figure.suptitle("tiny models and made-up problems in the place of the real ones")
    for axes in figure.axes:
        axes.grid(alpha=0.3)
    labels = {
        label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(list(labels.values()), list(labels), loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _draw_accuracies(figure: Figure, experiment: Experiment, results: shown.Results) -> None:
    """Bars by set and model, with 95% intervals; the published average is a mark beside ours."""
    axes = figure.subplots()
    width = 0.8 / len(experiment.models)
    for place, model in enumerate(experiment.models):
        found, colour = results[model.name], f"C{place}"
        offset = (place - (len(experiment.models) - 1) / 2) * width
        axes.bar(0, 0, color=colour, label=model.name)
        for group, prompts in enumerate(experiment.sets):
            if prompts.name in found:
                metric = found[prompts.name]["metrics"]["accuracy"]
                mean, least, most = (100 * metric[key] for key in ("mean", "least", "most"))
                axes.bar(group + offset, mean, width, color=colour)
                axes.errorbar(group + offset, mean, [[mean - least], [most - mean]], color="black", linewidth=0.8)
        last = len(experiment.sets) + offset
        if (ours := shown.average(experiment, found)) is not None:
            axes.bar(last, ours, width, color=colour)
        if (theirs := shown.published(experiment, model, results)) is not None:
            axes.plot(last, theirs, "_k", markersize=12, label="published")
    titles = [prompts.title for prompts in experiment.sets] + ["average"] * bool(experiment.averaged)
    axes.set_xticks(range(len(titles)), titles)
    axes.set_ylabel("accuracy, %")


def _draw_pass_at_k(figure: Figure, experiment: Experiment, results: shown.Results) -> None:
    """A panel for each set: pass@k by k."""
    row = figure.subplots(1, len(experiment.sets), sharey=True, squeeze=False)[0]
    ks = shown.known_ks(results)
    for axes, prompts in zip(row, experiment.sets, strict=True):
        for place, model in enumerate(experiment.models):
            if (found := results[model.name].get(prompts.name)) is not None:
                points = [(k, value) for k in ks if (value := shown.value(found, f"pass@{k}")) is not None]
                axes.plot(*zip(*points, strict=True), "o-", color=f"C{place}", label=model.name)
        axes.set(title=prompts.title, xlabel="k", xticks=ks)
        axes.set_xscale("log", base=2)
    row[0].set_ylabel("pass@k, %")


def _draw_entropies(figure: Figure, experiment: Experiment, results: shown.Results) -> None:
    """A panel for each set: accuracy by semantic entropy, of each problem and of equal parts of the problems."""
    row = figure.subplots(1, len(experiment.sets), sharey=True, squeeze=False)[0]
    for axes, prompts in zip(row, experiment.sets, strict=True):
        for place, model in enumerate(experiment.models):
            if pairs := results[model.name].get(prompts.name, {}).get("pairs"):
                for points, style in ((pairs, "."), (shown.by_entropy(pairs), "o-")):
                    entropies, accuracies = [h for h, _ in points], [100 * accuracy for _, accuracy in points]
                    label = model.name if style == "o-" else None
                    axes.plot(entropies, accuracies, style, color=f"C{place}", alpha=1 if label else 0.2, label=label)
        axes.set(title=prompts.title, xlabel="semantic entropy, nats")
    row[0].set_ylabel("accuracy, %")

"""Results beside the published numbers, as a table in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from .tables import Experiment, Model

Results = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By model and set (`steps.evaluate`)."""

NONE = "–"
"""What was not produced."""

PARTS = 3
"""Equal parts of the problems, by their semantic entropy."""


def markdown(experiment: Experiment, results: Results) -> str:
    """The table of an experiment, in percent.

    What was not produced is a dash; `*`: not of all problems of the set. Of tiny models it has no published numbers.
    """
    header, rows = {"accuracy": _accuracies, "pass@k": _pass_at_k, "entropy": _entropies}[experiment.shows](
        experiment, results
    )
    lines = [("model", "trained by", *header), ("---",) * (2 + len(header)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _accuracies(experiment: Experiment, results: Results) -> tuple[list[str], Iterator[tuple[str, ...]]]:
    """A column for each set, the average, and the published average."""
    header = [prompts.title for prompts in experiment.sets]
    header += ["average", "published"] if experiment.averaged else []

    def rows() -> Iterator[tuple[str, ...]]:
        for model in experiment.models:
            found = results.get(model.name, {})
            cells = [_percent(found.get(prompts.name), "accuracy") for prompts in experiment.sets]
            if experiment.averaged:
                whole = all(_is_whole(found.get(name), "accuracy") for name in experiment.averaged)
                cells.append(_shown(average(experiment, found)) + ("" if whole else "*"))
                cells.append(_shown(published(experiment, model, results)))
            yield *_names(model, results), *cells

    return header, rows()


def average(experiment: Experiment, found: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The mean accuracy over the sets that the published average is over, in percent; None where any is missing."""
    accuracies = [value(found.get(name), "accuracy") for name in experiment.averaged]
    known = [accuracy for accuracy in accuracies if accuracy is not None]
    return statistics.fmean(known) if known and len(known) == len(accuracies) else None


def _pass_at_k(experiment: Experiment, results: Results) -> tuple[list[str], Iterator[tuple[str, ...]]]:
    """A row for each model and set, a column for each k."""
    ks = known_ks(results)

    def rows() -> Iterator[tuple[str, ...]]:
        for model in experiment.models:
            for prompts in experiment.sets:
                found = results.get(model.name, {}).get(prompts.name)
                yield *_names(model, results), prompts.title, *(_percent(found, f"pass@{k}") for k in ks)

    return ["set", *(f"k = {k}" for k in ks)], rows()


def known_ks(results: Results) -> list[int]:
    """The k of pass@k in any result, ascending."""
    names = {name for sets in results.values() for found in sets.values() for name in found["metrics"]}
    return sorted(int(name.removeprefix("pass@")) for name in names if name.startswith("pass@"))


def _entropies(experiment: Experiment, results: Results) -> tuple[list[str], Iterator[tuple[str, ...]]]:
    """A row for each model and set: accuracy by thirds of the problems, ordered by entropy, and the correlation."""

    def rows() -> Iterator[tuple[str, ...]]:
        for model in experiment.models:
            for prompts in experiment.sets:
                pairs = results.get(model.name, {}).get(prompts.name, {}).get("pairs", ())
                parts = [_shown(100 * accuracy) for _, accuracy in by_entropy(pairs)] or [NONE] * PARTS
                found = correlation(pairs)
                yield *_names(model, results), prompts.title, *parts, NONE if found is None else f"{found:.2f}"

    return ["set", "lowest third of the entropies", "middle", "highest", "correlation"], rows()


def by_entropy(pairs: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """The mean entropy and mean accuracy of equal parts of the problems, by ascending entropy; none of too few."""
    if len(pairs) < PARTS:
        return []
    ordered = sorted(pairs)
    bounds = [len(ordered) * part // PARTS for part in range(PARTS + 1)]
    parts = [ordered[start:end] for start, end in pairwise(bounds)]
    return [(statistics.fmean(h for h, _ in part), statistics.fmean(a for _, a in part)) for part in parts]


def correlation(pairs: Sequence[Sequence[float]]) -> float | None:
    """Pearson's correlation of entropy and accuracy; None where one of them is constant."""
    entropies, accuracies = [h for h, _ in pairs], [a for _, a in pairs]
    if len(set(entropies)) < 2 or len(set(accuracies)) < 2:
        return None
    return statistics.correlation(entropies, accuracies)


def value(found: Mapping[str, Any] | None, metric: str) -> float | None:
    """A metric of one result, in percent; None where it was not produced."""
    return None if found is None or metric not in found["metrics"] else 100 * found["metrics"][metric]["mean"]


def _percent(found: Mapping[str, Any] | None, metric: str) -> str:
    return _shown(value(found, metric)) + ("" if _is_whole(found, metric) else "*")


def _is_whole(found: Mapping[str, Any] | None, metric: str) -> bool:
    """Whether a metric is of all problems of its set; what was not produced lacks none."""
    return found is None or found["metrics"].get(metric, {"problems": found["prompts"]})["problems"] == found["prompts"]


def _shown(number: float | None) -> str:
    return NONE if number is None else f"{number:.1f}"


def published(experiment: Experiment, model: Model, results: Results) -> float | None:
    """The published average; None where it is not known, or tiny models stand in for those that it is of."""
    return None if stand_in(results) else experiment.published.get(model.name)


def stand_in(results: Results) -> bool:
    """Whether any result is of a tiny model in the place of the one that is named."""
    return any("stands_in" in found for sets in results.values() for found in sets.values())


def _names(model: Model, results: Results) -> tuple[str, str]:
    method = model.method if model.is_trained else ""
    if stand_in(results):
        return f"tiny, for {model.base.title}", method and f"({method})"
    return model.base.title, method

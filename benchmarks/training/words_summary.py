"""Summary of the runs on questions in words, and its tables."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .methods import WORDS_METHODS
from .store import Store
from .summary import LEAST_GAIN

KEPT = (
    *("pass_1", "greedy", "pass_k", "majority_k", "majority_share", "unanimous", "unanimous_wrong"),
    *("entropy", "blank", "bare", "right_of_bare", "bare_and_right"),
)
"""The measures that are kept."""

LEAST_MAJORITY = 0.6
"""The share of right majorities of a base from which recovery is summarized."""


def summarize(store: Store) -> dict[str, Any]:
    """The base and all runs, on held-out questions.

    Returns:
        For `fresh` and `development`, where the base is measured: `base` and `colder` (at T = 0.3), and `runs` by
        method: each with `after`, its `curve`, and `recovery`: (pass@1 after - base) / (mean of reference - base), None
        where labels gain less than `LEAST_GAIN`. An evaluation has `KEPT`, the same of each family in `families`, and
        of training questions in `seen`; recovery likewise. `development` also has runs with other settings.
    """
    found: dict[str, Any] = {}
    runs = store.runs()
    for prompts in ("fresh", "development"):
        name = f"{prompts}/smollm/"
        if not {f"{name}base", f"{name}colder"} <= set(runs):
            continue
        base, colder = (_evaluation(runs[f"{name}{key}"][key]) for key in ("base", "colder"))
        ends: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for job, run in runs.items():
            if job.startswith(name) and "after" in run:
                shown = {key: run.get(key) for key in ("seed", "train_seconds", "train_cpu_seconds")}
                curve = [{key: point[key] for key in ("step", *KEPT)} for point in run["curve"]]
                ends[run["method"] + run["changed"]].append(
                    {**shown, "after": _evaluation(run["after"]), "curve": curve}
                )
        labelled = [run["after"] for run in ends.get("reference", ())]
        for method in ends.values():
            for run in method:
                run["recovery"] = _recovery(base, run["after"], labelled)
        found[prompts] = {"base": base, "colder": colder, "runs": dict(ends)}
    return found


def _evaluation(found: Mapping[str, Any]) -> dict[str, Any]:
    """The measures of an evaluation, without its responses."""
    numbers: dict[str, Any] = {key: found[key] for key in (*KEPT, "problems", "k")}
    if "families" in found:
        numbers["families"] = {family: _evaluation(part) for family, part in found["families"].items()}
    if "seen" in found:
        numbers["seen"] = _evaluation(found["seen"])
    return numbers


def _recovery(base: Mapping[str, Any], after: Mapping[str, Any], labelled: Sequence[Mapping[str, Any]]) -> Any:
    """Of all held-out questions, of each family, and of training questions."""

    def of(start: Mapping[str, Any], end: Mapping[str, Any], ceilings: Sequence[Mapping[str, Any]]) -> float | None:
        gain = statistics.mean(ceiling["pass_1"] for ceiling in ceilings) - start["pass_1"] if ceilings else 0.0
        return round((end["pass_1"] - start["pass_1"]) / gain, 4) if gain >= LEAST_GAIN else None

    families = base["families"]
    return {
        "all": of(base, after, labelled),
        "seen": of(base["seen"], after["seen"], [one["seen"] for one in labelled]),
        "families": {
            family: of(families[family], after["families"][family], [one["families"][family] for one in labelled])
            for family in families
        },
    }


def tables(found: Mapping[str, Any]) -> dict[str, str]:
    """The tables of the documentation, as Markdown, from a summary."""
    made = {"strength": _table(_strength(found))}
    if found.get("fresh", {}).get("runs"):
        made["methods"] = _table(_methods(found["fresh"]))
        made["families"] = _table(_families(found["fresh"]))
        made["form"] = _table(_form(found["fresh"]))
        made["hardened"] = _table(_hardened(found["fresh"]))
    return made


def demonstration(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """The tables of one run of `demo_train.py`, from its evaluations."""
    part = {"base": before, "runs": {"empo": [{"seed": 1, "after": after}]}}
    return {
        "change": _table(_change(before, after)),
        "form": _table(_form(part)),
        "hardened": _table(_hardened(part)),
    }


def _change(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """The measures before and after, of all questions and by family."""
    keys = {"pass_1": "pass@1", "greedy": "greedy", "majority_k": f"maj@{before['k']}", "pass_k": f"pass@{before['k']}"}
    keys |= {"bare": "only an answer", "entropy": "entropy"}
    yield "", "questions", *keys.values()
    families = [(family, before["families"][family], after["families"][family]) for family in before["families"]]
    for name, start, end in [("all", before, after), *families]:
        yield name, str(start["problems"]), *(f"{_number(start[key])} → {_number(end[key])}" for key in keys)


def _table(rows: Iterator[Sequence[str]]) -> str:
    head, *rest = rows
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rest)]
    return "\n".join(lines)


def _number(value: float | None, places: int = 2) -> str:
    return "" if value is None else f"{value:.{places}f}".replace("0.", ".", 1)


def _strength(found: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """The base by family."""
    yield "family", "questions", "pass@1", "T = 0.3", "greedy", "maj@16", "pass@16", "only an answer"
    for part in found.values():
        for family, base in part["base"]["families"].items():
            colder = part["colder"]["families"][family]
            measured = [base["pass_1"], colder["pass_1"]] + [base[key] for key in ("greedy", "majority_k", "pass_k")]
            yield family, str(base["problems"]), *map(_number, measured), _number(base["bare"])


_SHOWN = ("pass_1", "greedy", "majority_k", "pass_k", "bare")


def _methods(part: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """The base and each method, means over seeds; recovery by seed."""
    yield "", "seeds", "pass@1", "greedy", "maj@16", "pass@16", "only an answer", "entropy", "recovery", "pass@1, seen"
    for name, one in (("the base", part["base"]), ("the base at T = 0.3", part["colder"])):
        yield name, "", *(_number(one[key]) for key in (*_SHOWN, "entropy")), "", _number(one["seen"]["pass_1"])
    for method in WORDS_METHODS:
        runs = part["runs"].get(method, ())
        if runs:
            means = [statistics.mean(run["after"][key] for run in runs) for key in (*_SHOWN, "entropy")]
            recovery = ", ".join(_number(run["recovery"]["all"]) for run in runs)
            seen = _number(statistics.mean(run["after"]["seen"]["pass_1"] for run in runs))
            yield f"`{method}`", str(len(runs)), *map(_number, means), recovery, seen
        else:
            yield f"`{method}`", "not run", *[""] * 8


def _families(part: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """pass@1 by family: the base and each method that was run, means over seeds; recovery by seed."""
    ran = [method for method in WORDS_METHODS if part["runs"].get(method)]
    others = [method for method in ran if method != "reference"]
    yield "family", "maj@16", "base", *(f"`{method}`" for method in ran), *(f"recovery, `{one}`" for one in others)
    for family, base in part["base"]["families"].items():
        means = [statistics.mean(run["after"]["families"][family]["pass_1"] for run in part["runs"][m]) for m in ran]
        recoveries = [
            ", ".join(_number(run["recovery"]["families"][family]) for run in part["runs"][method]) for method in others
        ]
        yield family, *map(_number, (base["majority_k"], base["pass_1"], *means)), *recoveries


def _form(part: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """The gain in pass@1, divided in what a change of form alone would give, and the rest."""
    yield "", "only an answer", "right of these", "right of the others", "gain", "by form", "by fact"
    base = part["base"]
    yield "the base", *map(_number, (base["bare"], base["right_of_bare"], _right_of_others(base))), "", "", ""
    for method in WORDS_METHODS:
        for run in part["runs"].get(method, ()):
            after = run["after"]
            by_form = (after["bare"] - base["bare"]) * (base["right_of_bare"] - _right_of_others(base))
            gain = after["pass_1"] - base["pass_1"]
            numbers = (after["bare"], after["right_of_bare"], _right_of_others(after), gain, by_form, gain - by_form)
            yield f"`{method}`, seed {run['seed']}", *map(_number, numbers)


def _hardened(part: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """The share of questions with the same wrong answer in all samples, by family: means over seeds."""
    ran = [method for method in WORDS_METHODS if part["runs"].get(method)]
    yield "family", "base", *(f"`{method}`" for method in ran)
    for family, base in part["base"]["families"].items():
        means = [
            statistics.mean(run["after"]["families"][family]["unanimous_wrong"] for run in part["runs"][method])
            for method in ran
        ]
        yield family, *map(_number, (base["unanimous_wrong"], *means))


def _right_of_others(found: Mapping[str, float]) -> float:
    """The share of right responses among those that are more than an answer."""
    return (found["pass_1"] - found["bare_and_right"]) / (1 - found["bare"]) if found["bare"] < 1 else 0.0

"""Benchmark of mathematical equivalence against math-verify: cost, agreement and safety, in one run.

    python benchmarks/bench_math.py [--data FILE] [--pairs FILE] [--json FILE] [--disagreements FILE]

- *Cost.* CPU time and wall time a group of what a user pays: `Scorer.score` with the preset `empo-math`, extraction
  and all, with cold caches (a group for the first time) and warm ones (the same group again); beside it comparing the
  extracted answers alone, (mv) math-verify's parse and `verify` for each pair of answers, and (mv text) math-verify's
  parse and clusters of equal text. They take turns of a few groups, so that they meet the same machine; garbage is
  collected between turns.
- *Agreement.* The clusterings of ours and (mv), pair by pair, a response without an answer being like no other; each
  pair of answers on which they differ is written to a file, with who is right from `judged_pairs.json` (decided by
  reading, once).
- *Pairs.* Recall, false merges and undecided on the equivalence pairs, beside math-verify; symmetry and reflexivity.
- *Safety.* Adversarial inputs, each against its partner and against 42: CPU time and memory over the base.
- *Soak* (`--soak N`, nothing else then): N groups, no two alike, through one scorer: memory, threads, descriptors.

Groups and pairs are those of the files given, and otherwise generated ones; the adversarial inputs are generated.
"""

from __future__ import annotations

import argparse
import functools
import gc
import itertools
import json
import logging
import os
import random
import re
import resource
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from data import Hostile, add_data_option, hostile_texts, math_rows, pair_rows
from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
from rich.console import Console
from rich.progress import track
from rich.table import Table

from empo_rewards import Group, Scorer
from empo_rewards.equivalence.math import MathEquivalence
from empo_rewards.extraction.boxed import LastBox
from empo_rewards.extraction.containers import AnswerTag, Hashes
from empo_rewards.extraction.phrases import FinalAnswer
from empo_rewards.extraction.whole import LastMath, LastNumber
from empo_rewards.protocols import AnswerSet, Extractor

JUDGED = Path(__file__).parent / "judged_pairs.json"

Row = dict[str, Any]
Clusters = list[int | None]
"""The cluster of each response; None if no answer was found."""

BLOCK = 14
"""Number of consecutive groups per turn of a system, so that systems meet the same load and stay warm."""


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """The result, CPU seconds and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


# --- the systems -----------------------------------------------------------------------------------------------------


def components(size: int, equal: Iterable[tuple[int, int]]) -> list[int]:
    """Connected components, labelled by their smallest member."""
    labels = list(range(size))
    for i, j in equal:
        low, high = sorted((labels[i], labels[j]))
        labels = [low if label == high else label for label in labels]
    return labels


class Ours:
    """What a user runs: `Scorer.score`. Called twice for each group, its caches are cold, then warm."""

    def __init__(self) -> None:
        self.scorer = Scorer("empo-math")
        self.metrics: Counter[str] = Counter()

    def __call__(self, prompt: str, responses: Sequence[str]) -> tuple[Clusters, list[str]]:
        """Clusters and answers of a group."""
        score = self.scorer.score(Group(prompt, responses))
        prefix = "equivalence/"
        self.metrics.update({k.removeprefix(prefix): v for k, v in score.metrics.items() if k.startswith(prefix)})
        answers = [answer.text.strip() for answer in score.answers]
        return [label if answer else None for label, answer in zip(score.clusters, answers, strict=True)], answers


class Comparison:
    """The comparison of the answers that a scorer extracts, without their extraction; its caches are cold."""

    def __init__(self, groups: Sequence[Row]) -> None:
        self.backend = MathEquivalence()
        scorer = Scorer("empo-math")
        self.answers = {
            tuple(g["responses"]): [scorer.extract(r, g["prompt"]).text for r in g["responses"]] for g in groups
        }

    def __call__(self, prompt: str, responses: Sequence[str]) -> tuple[Clusters, list[str]]:
        """Clusters and answers of a group."""
        answers = self.answers[tuple(responses)]
        counts = Counter(answer for answer in answers if answer)
        texts = tuple(sorted(counts, key=lambda text: (-counts[text], text)))
        (relation,) = self.backend.relate([AnswerSet(texts, prompt)])
        labels = dict(zip(texts, components(len(texts), relation.equal), strict=True))
        return [labels.get(answer) for answer in answers], answers


class MathVerify:
    """math-verify as used for rewards: parse each response, then verify each pair, or compare the texts."""

    def __init__(self, verify_pairs: bool, timeout: int) -> None:
        logging.getLogger("math_verify").setLevel(logging.CRITICAL)
        logging.getLogger("latex2sympy2_extended").setLevel(logging.CRITICAL)
        self.parse = lambda text: parse(
            text, [LatexExtractionConfig(), ExprExtractionConfig()], parsing_timeout=timeout
        )
        self.verify = lambda a, b: verify(a, b, timeout_seconds=timeout)
        self.verify_pairs = verify_pairs

    def __call__(self, prompt: str, responses: Sequence[str]) -> tuple[Clusters, list[str]]:
        """Clusters and answers of a group."""
        parsed = [self.parse(response) for response in responses]
        answers = [str(found[-1]) if found else "" for found in parsed]
        if not self.verify_pairs:
            first: dict[str, int] = {}
            return [first.setdefault(a, i) if a else None for i, a in enumerate(answers)], answers
        known = [i for i, found in enumerate(parsed) if found]
        equal = [(i, j) for i, j in itertools.combinations(known, 2) if self.verify(parsed[i], parsed[j])]
        labels = components(len(parsed), equal)
        return [labels[i] if parsed[i] else None for i in range(len(parsed))], answers

    def same(self, a: str, b: str) -> bool:
        """Whether math-verify accepts `b` for the gold answer `a`."""
        left, right = self.parse(a), self.parse(b)
        return bool(left and right and self.verify(left, right))


# --- cost and agreement ----------------------------------------------------------------------------------------------


def measure_groups(groups: Sequence[Row], systems: dict[str, Any], console: Console) -> tuple[Row, list[Row]]:
    """Costs by system, and the pairs of responses on which (ours) and (mv) disagree."""
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in systems}
    apart: list[Row] = []
    compared = 0
    gc.freeze()  # exclude imported objects from collections
    for start in range(0, len(groups), BLOCK):
        block = groups[start : start + BLOCK]
        console.print(f"groups: {start} of {len(groups)}")
        found: dict[str, list[tuple[Clusters, list[str]]]] = {}
        for name, system in systems.items():  # "warm" is the system of "cold", called again
            gc.collect()  # none pays for another's garbage
            found[name] = []
            for group in block:
                work = functools.partial(system, group["prompt"], group["responses"])
                result, cpu, wall = timed(work)
                found[name].append(result)
                costs[name].append((cpu, wall))
        if "mv" not in found:
            continue
        for number, ((ours, answers), (theirs, _)) in enumerate(zip(found["cold"], found["mv"], strict=True), start):
            count, differing = disagreements(ours, theirs, answers)
            compared += count
            apart += [{"group": number, "source": groups[number].get("source"), **row} for row in differing]
    summary: Row = {"groups": len(groups), "pairs_compared": compared}
    for name, measured in costs.items():
        cpu, wall = ([1e3 * value for value in column] for column in zip(*measured, strict=True))
        summary[name] = {
            "cpu_ms_mean": statistics.fmean(cpu),
            "cpu_ms_median": statistics.median(cpu),
            "cpu_ms_p99": percentile(cpu, 99),
            "wall_ms_mean": statistics.fmean(wall),
            "wall_ms_p99": percentile(wall, 99),
            "wall_ms_max": max(wall),
        }
    return summary, apart


def disagreements(ours: Clusters, theirs: Clusters, answers: Sequence[str]) -> tuple[int, list[Row]]:
    """How many pairs of responses there are, and the pairs of answers on which the two part ways."""
    compared = 0
    rows: dict[tuple[str, str, bool], Row] = {}
    for i, j in itertools.combinations(range(len(answers)), 2):
        compared += 1
        verdict, other = (side[i] is not None and side[i] == side[j] for side in (ours, theirs))
        a, b = sorted((answers[i], answers[j]))
        if verdict != other:
            rows[a, b, verdict] = {"a": a, "b": b, "ours": verdict}
    return compared, list(rows.values())


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that is not below `percent` of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-len(ordered) * percent // 100) - 1)]


def judgements() -> Row:
    """Manual judgements: pairs of answers, and pairs that are decided by a declared policy."""
    table: Row = json.loads(JUDGED.read_text(encoding="utf-8"))
    return table


def judge(apart: list[Row]) -> Counter[str]:
    """Adds who is right to each disagreement, from the table beside this file; a blank of ours is no verdict."""
    table = {(row["a"], row["b"]): row for row in judgements()["judged"]}
    for row in apart:
        judged = table.get((row["a"], row["b"]))
        if judged is None or judged["same"] is None:
            row["right"] = "open" if row["a"] and row["b"] else "we have no answer"
        else:
            row["right"] = "ours" if judged["same"] == row["ours"] else "mv"
        row["why"] = "" if judged is None else judged["why"]
    return Counter(row["right"] for row in apart)


# --- pairs -----------------------------------------------------------------------------------------------------------


ANNOUNCED: tuple[Extractor, ...] = (LastBox(), AnswerTag(), FinalAnswer(), Hashes())
WORD = re.compile(r"(?<![\\A-Za-z])(?!(?:and|or)\b)[A-Za-z]{2,}")
MATHEMATICS = re.compile(r"\$\$.*?\$\$|\$[^$]*\$|\\\(.*?\\\)|\\\[.*?\\\]", re.DOTALL)
PROSE_WORDS = 3


def answer_of(text: str) -> str:
    """The answer in a text: a marked one, else the whole of a formula or quantity, else its last formula or number."""
    for extractor in ANNOUNCED:
        found = extractor(text, "")
        if found is not None:
            return found.text
    words = len(WORD.findall(MATHEMATICS.sub(" ", text)))
    if not words or len(text.split()) == 1 or (words < PROSE_WORDS and not text.lstrip()[:1].isalpha()):
        return text
    last = [found for extractor in (LastMath(), LastNumber()) if (found := extractor(text, "")) is not None]
    return max(last, key=lambda found: (found.end, -found.start)).text if last else text


def measure_pairs(rows: Sequence[Row], system: MathVerify | None, console: Console) -> tuple[Row, list[Row]]:
    """Recall, false merges and undecided by kind of pair; and the pairs that are not decided as expected."""
    backend = MathEquivalence()
    counts: dict[str, Counter[str]] = {}
    missed: list[Row] = []
    flaws: Counter[str] = Counter()
    policies = {(row["a"], row["b"]): row["policy"] for row in judgements()["policies"]}
    for row in track(rows, "pairs", console=console):
        kind = f"{row['form']}, {'derived' if row.get('derived') else 'asserted'}"
        count = counts.setdefault(kind, Counter())
        a, b = row["a"], row["b"]
        if row["form"] == "response":
            a, b = answer_of(a), answer_of(b)
        verdict, mirrored, same = (decide(backend, *pair) for pair in ((a, b), (b, a), (a, a)))
        flaws.update(asymmetric=verdict is not mirrored, irreflexive=same is not True and bool(a.strip()))
        expected = row["expected"] is row.get("truth", True)
        theirs = None if system is None else system.same(*(in_math(row[side], row["form"]) for side in "ab"))
        policy = policies.get((row["a"], row["b"]))
        if policy is not None and (verdict is True) != expected:
            count["by policy"] += 1
            missed.append({"kind": kind, "a": a, "b": b, "expected": expected, "ours": verdict, "policy": policy})
            continue
        count["expected" if expected else "refuted"] += 1
        count["undecided"] += verdict is None
        if expected:
            count["found"] += verdict is True
            count["mv found"] += theirs is True
        else:
            count["false merges"] += verdict is True
            count["mv false merges"] += theirs is True
        if (verdict is True) != expected:
            missed.append({"kind": kind, "a": a, "b": b, "expected": expected, "ours": verdict, "mv": theirs,
                           "source": row["source"]})  # fmt: skip
    return {"by_kind": {kind: dict(count) for kind, count in sorted(counts.items())}, **flaws}, missed


def in_math(text: str, form: str) -> str:
    """An answer in math-verify's input form: between dollars, unless it is a response or has delimiters."""
    return text if form == "response" or "$" in text or r"\boxed" in text else f"${text}$"


def decide(backend: MathEquivalence, a: str, b: str) -> bool | None:
    """The verdict on two answers."""
    if a == b:
        return True if a.strip() else None
    if not a.strip() or not b.strip():
        return False  # a blank never agrees
    (relation,) = backend.relate([AnswerSet((a, b))])
    if relation.equal:
        return True
    return None if relation.undecided else False


# --- safety ----------------------------------------------------------------------------------------------------------


def measure_hostile(rows: Sequence[Hostile]) -> Row:
    """Each input against its partner and against 42."""
    backend = MathEquivalence()
    decide(backend, r"\sin 2x", r"2\sin x\cos x")
    gc.collect()
    gc.freeze()  # what math-verify left behind is not ours to walk
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    costs: list[tuple[float, str]] = []
    verdicts: Counter[str] = Counter()
    for row in rows:
        text = answer_of(row.text)
        for other in (answer_of(row.other), "42"):
            verdict, cpu, _ = timed(functools.partial(decide, backend, text, other))
            costs.append((1e3 * cpu, f"{row.kind}: {text[:40]}"))
            verdicts[str(verdict)] += 1
    return {
        "comparisons": len(costs),
        "verdicts": dict(verdicts),
        "cpu_ms_median": statistics.median(cost for cost, _ in costs),
        "cpu_ms_worst": max(costs)[0],
        "worst_input": max(costs)[1],
        "mib_over_base": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024,
        "works_afterwards": [decide(backend, "x+1", other) for other in ("1+x", "x")] == [True, False],
    }


# --- soak ------------------------------------------------------------------------------------------------------------


def altered(text: str, seed: int) -> str:
    """The text with other digits, so that it is in no cache."""
    digits = list("123456789")
    random.Random(seed).shuffle(digits)
    return text.translate(str.maketrans("123456789", "".join(digits)))


def footprint() -> Row:
    """What this process holds: threads, descriptors, resident memory."""
    status = Path("/proc/self/status").read_text()
    kib = sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return {
        "threads": threading.active_count(),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "resident_mib": kib / 1024,
    }


def soak(groups: Sequence[Row], count: int, console: Console) -> list[Row]:
    """The footprint along the way: ten times, the first after a tenth of the groups."""
    ours = Ours()
    rows: list[Row] = []
    for number in range(1, count + 1):
        group = groups[number % len(groups)]
        ours(group["prompt"], [altered(response, number // len(groups)) for response in group["responses"]])
        if number % max(1, count // 10) == 0:
            rows.append({"groups": number, **footprint()})
            console.print(rows[-1])
    return rows


# --- report ----------------------------------------------------------------------------------------------------------

NAMES = {
    "cold": "ours: Scorer.score, caches cold",
    "warm": "ours: Scorer.score, caches warm",
    "compare": "ours: comparison alone, caches cold",
    "mv": "math-verify, parse and verify pairs",
    "mv text": "math-verify, parse and compare text",
}


COLUMNS = ("cpu_ms_mean", "cpu_ms_median", "cpu_ms_p99", "wall_ms_mean", "wall_ms_p99", "wall_ms_max")


def show(report: Row, console: Console) -> None:
    """Print the tables."""
    groups = report["groups"]
    table = Table(title=f"Cost a group, {groups['groups']} groups (ms)")
    for heading in ("", "CPU mean", "median", "p99", "wall mean", "p99", "max"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, label in NAMES.items():
        if name in groups:
            table.add_row(label, *(f"{groups[name][column]:,.2f}" for column in COLUMNS))
    console.print(table)
    for name in ("cold", "warm", "compare") if "mv" in groups else ():
        mean, median = (groups["mv"][f"cpu_ms_{x}"] / groups[name][f"cpu_ms_{x}"] for x in ("mean", "median"))
        console.print(f"{NAMES[name]}: CPU below math-verify's pairs: mean {mean:,.1f} times, median {median:,.1f}")
    console.print(f"how pairs were decided: {report['decided']}")
    if "disagreements" in report:
        console.print(f"pairs of responses compared: {groups['pairs_compared']:,}; right where the two part ways: "
                      f"{report['disagreements']}")  # fmt: skip
    table = Table(title="Equivalence pairs")
    for heading in (
        "kind",
        "expected",
        "found",
        "math-verify",
        "refuted",
        "false merges",
        "math-verify",
        "undecided",
        "by policy",
    ):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind, count in report["pairs"]["by_kind"].items():
        keys = ("expected", "found", "mv found", "refuted", "false merges", "mv false merges", "undecided", "by policy")
        table.add_row(kind, *(str(count.get(key, 0)) for key in keys))
    console.print(table)
    console.print(f"asymmetric: {report['pairs']['asymmetric']}, irreflexive: {report['pairs']['irreflexive']}")
    table = Table(title="Adversarial inputs", show_header=False)
    for key, value in report["hostile"].items():
        table.add_row(key.replace("_", " "), f"{value:,.1f}" if isinstance(value, float) else str(value))
    console.print(table)


def main() -> int:
    """Runs it all; 1 where comparison does not work after the adversarial inputs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_data_option(parser)
    parser.add_argument("--pairs", type=Path, help="JSON lines with a, b, expected, form (default: the tests' cases)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--disagreements", type=Path, help="write each disagreement here, one JSON object a line")
    parser.add_argument("--groups", type=int, help="only the first N groups")
    parser.add_argument("--skip-math-verify", action="store_true", help="measure ours alone: seconds, not minutes")
    parser.add_argument("--timeout", type=int, default=5, help="math-verify's own timeout in seconds (its default: 5)")
    parser.add_argument("--soak", type=int, metavar="N", help="only the soak, with N groups")
    options = parser.parse_args()
    console = Console()

    if options.soak:
        rows = soak(math_rows(options.data), options.soak, console)
        if options.json:
            options.json.write_text(json.dumps({"soak": rows}, indent=2) + "\n", encoding="utf-8")
        return 0
    groups = math_rows(options.data)[: options.groups]
    ours = Ours()
    systems: dict[str, Any] = {"cold": ours, "warm": ours, "compare": Comparison(groups)}
    if not options.skip_math_verify:
        systems["mv"] = MathVerify(verify_pairs=True, timeout=options.timeout)
        systems["mv text"] = MathVerify(verify_pairs=False, timeout=options.timeout)
    ours("q", [r"\boxed{\sin 2q}", r"\boxed{2\sin q\cos q}"])  # imports are no group's cost
    ours.metrics.clear()
    summary, apart = measure_groups(groups, systems, console)
    report: Row = {"groups": summary, "decided": {key: value / 2 for key, value in ours.metrics.items()}}
    if "mv" in systems:
        report["disagreements"] = dict(judge(apart))
    pairs = pair_rows(options.pairs)
    report["pairs"], missed = measure_pairs(pairs, systems.get("mv"), console)
    report["hostile"] = measure_hostile(hostile_texts())

    show(report, console)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.disagreements:
        lines = [json.dumps(row, ensure_ascii=False) for row in (*apart, *missed)]
        options.disagreements.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0 if report["hostile"]["works_afterwards"] else 1


if __name__ == "__main__":
    sys.exit(main())

"""Fuzz of mathematical equivalence: what one comparison of hostile answers costs, and that none raises.

    python benchmarks/fuzz_answers.py [--count N] [--seed S] [--data FILE] [--json FILE]

Answers are made by a small grammar of mathematical notation and by mutating real-looking ones: spliced, nested,
repeated, their numbers and exponents widened, characters lost. Each is compared with a neighbour (a mutation of it, or
the answer before it) in this process, by a backend that keeps its cache as a scorer does. Reported are

- CPU time of the calling thread for each comparison, without the pauses of Python's garbage collector, which are
  reported apart: they depend on all that the process holds,
- the peak of resident memory over the base after imports and the seeds,
- faults: exceptions out of the backend, and those that it counted as `answers_failed` or `pairs_failed`.

The status is 1 where a comparison took more than 50 ms of CPU, memory grew by more than 64 MiB, or anything failed.
Seeds are the answers in `--data` (JSON lines with `responses`, or with `a` and `b`), and otherwise the tests' cases and
generated groups.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import heapq
import json
import random
import re
import resource
import statistics
import sys
import time
import traceback
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from data import hostile_texts, math_rows, pair_rows, read_rows

from empo_rewards import Scorer
from empo_rewards.equivalence.math import MathEquivalence, functions, names
from empo_rewards.equivalence.math.table import TABLE
from empo_rewards.protocols import AnswerSet

LIMIT_MS, LIMIT_MIB = 50.0, 64.0
SHOWN = 20
"""Slowest comparisons that are reported."""

LONGEST = 3_000
"""Characters of most answers; one in fifty may have ten times as many."""

_NUMBER = re.compile(r"\d+")
_COMMANDS = [f"\\{name} " for name in names.COMMANDS if name.isalpha()]
_FUNCTIONS = [(spelling, row.arity) for row in TABLE.values() for spelling in row.spellings]
_SHAPES = (
    "({},{})", "[{},{})", r"\{{{},{}\}}", "x={},y={}", "{}\\cup{}", "({},{})\\cup({},\\infty)", "x<{}", "{}<x\\le {}",
    r"\begin{{pmatrix}}{}&{}\\{}&{}\end{{pmatrix}}", r"\begin{{vmatrix}}{}&{}\\{}&{}\end{{vmatrix}}", "{}:{}",
    "{}={}", "x\\equiv {}\\pmod{{{}}}", "{}\\pm {}", r"{}\text{{ cm}}", "{} to {}", "{}, {}, {}",
    r"{} \text{{ or }} {}", r"\{{x\mid x>{}\}}", "f(x)={}", "y'={}", "{}_{{7}}", "{}\\%", "{}^\\circ",
)  # fmt: skip
_FORMS = (
    "{}+{}", "{}-{}", "{}{}", r"{}\cdot {}", r"\frac{{{}}}{{{}}}", "({})^{{{}}}", "({})/({})", r"\sqrt{{{}}}",
    r"\sqrt[{}]{{{}}}", "|{}|", r"\max({},{})", r"\min({},{},{})", r"\lfloor {}\rfloor", r"\lceil {}\rceil", "({})!",
    r"\binom{{{}}}{{{}}}", "e^{{{}}}", "{}!!", r"\log_{{{}}}({})", r"({}) \bmod ({})", "-({})", "i({})",
    r"\sum_{{k=1}}^{{{}}} {}", r"\int_0^{{{}}} {} dx", "({})^2", "({})^{{-1}}", "({})^{{1/3}}", r"\pi({})",
)  # fmt: skip


class Fuzzer:
    """Makes answers, the same ones for the same seed."""

    def __init__(self, seeds: list[str], seed: int) -> None:
        self.dice = random.Random(seed)
        self.seeds = seeds
        self.mutations: tuple[Callable[[str], str], ...] = (
            self._splice, self._nest, self._nest, self._repeat, self._widen, self._widen, self._raise, self._lose,
            self._insert, self._twice,
        )  # fmt: skip

    def answers(self) -> Iterator[tuple[str, str]]:
        """Pairs of an answer and its neighbour, without end."""
        before = "x"
        while True:
            text = (
                self._expression(self.dice.randint(1, 6)) if self.dice.random() < 0.4 else self.dice.choice(self.seeds)
            )
            longest = LONGEST * (10 if self.dice.random() < 0.02 else 1)
            for _ in range(self.dice.choice((0, 1, 1, 2, 3, 5))):
                text = self.dice.choice(self.mutations)(text)[:longest]
            other = self.dice.choice(
                (before, self._near(text), self._near(text), self.dice.choice(self.mutations)(text))
            )
            yield text, other[: 10 * LONGEST]
            before = text

    # Grammar

    def _number(self) -> str:
        dice = self.dice
        digits = dice.choice((1, 1, 1, 2, 3, 5, 20, 60, 300))
        return str(dice.randrange(10**digits)) + (f".{dice.randrange(1000)}" if dice.random() < 0.1 else "")

    def _expression(self, depth: int) -> str:
        dice = self.dice
        if depth <= 0 or dice.random() < 0.1:
            return dice.choice(("x", "y", "n", "a_1", "i", "e", r"\pi", r"\infty", self._number(), self._number()))
        kind = dice.random()
        if kind < 0.2:
            spelling, (low, high) = dice.choice(_FUNCTIONS)
            args = ",".join(self._expression(depth - 1) for _ in range(dice.randint(low, min(high, 3))))
            return f"\\{spelling}({args})"
        form = dice.choice(_SHAPES if kind < 0.3 else _FORMS)
        return form.format(*(self._expression(depth - 1 - dice.randint(0, 1)) for _ in range(form.count("{}"))))

    # Mutation

    def _piece(self, text: str) -> tuple[int, int]:
        start = self.dice.randrange(len(text) + 1)
        return start, min(len(text), start + self.dice.choice((1, 2, 5, 12, 40)))

    def _splice(self, text: str) -> str:
        other = self.dice.choice(self.seeds)
        (_, end), (start, _) = self._piece(text), self._piece(other)
        return text[:end] + other[start:]

    def _nest(self, text: str) -> str:
        form = self.dice.choice((*_FORMS, *(f"\\{spelling}({{}})" for spelling, _ in _FUNCTIONS)))
        for _ in range(self.dice.choice((1, 1, 2, 4, 9, 20))):
            if len(text) < LONGEST:
                text = form.format(text, *(self._expression(1) for _ in range(form.count("{}") - 1)))
        return text

    def _repeat(self, text: str) -> str:
        start, end = self._piece(text)
        return text[:start] + text[start:end] * self.dice.choice((2, 3, 10, 40, 400)) + text[end:]

    def _widen(self, text: str) -> str:
        found = list(_NUMBER.finditer(text))
        if not found:
            return text + self._number()
        match = self.dice.choice(found)
        return text[: match.start()] + match[0][:99] * self.dice.choice((2, 3, 20, 100)) + text[match.end() :]

    def _raise(self, text: str) -> str:
        power = self.dice.choice(("2", "3", "-1", "12", "60", "1/2", "1/7", "999", "10^6", self._number(), "n", "x"))
        return f"({text})^{{{power}}}"

    def _lose(self, text: str) -> str:
        start, end = self._piece(text)
        return text[:start] + text[end:]

    def _insert(self, text: str) -> str:
        start, _ = self._piece(text)
        return text[:start] + self.dice.choice((*_COMMANDS, *"0123456789xy+-*/^_(){}[]|,;:=<>!%&'.~")) + text[start:]

    def _twice(self, text: str) -> str:
        sign = self.dice.choice(("+", "-", "*", ",", "/", "=", "<", " and ", ""))
        return sign.join(f"({text})" for _ in range(self.dice.choice((2, 2, 3, 8))))

    def _near(self, text: str) -> str:
        return self.dice.choice((f"{text}+x", f"({text})+1-1", f"2({text})/2", f"{text} ", text.replace("x", "(x+0)"),
                                 f"\\sqrt{{({text})^2}}", f"{text}+10^{{-9}}", text.replace("+", "-")))  # fmt: skip


class Collector:
    """The time of Python's garbage collector in this thread, in seconds."""

    def __init__(self) -> None:
        self.spent = 0.0
        self._since = 0.0
        gc.callbacks.append(self._watch)

    def _watch(self, phase: str, info: object) -> None:
        if phase == "start":
            self._since = time.thread_time()
        else:
            self.spent += time.thread_time() - self._since


def peak_mib() -> float:
    """The largest resident memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(seeds: list[str], count: int, seed: int) -> dict[str, Any]:
    """The costs of `count` comparisons, and what failed."""
    backend, collector = MathEquivalence(), Collector()
    backend.relate([AnswerSet((r"\sin 2x", r"2\sin x\cos x"))])
    base, spent = peak_mib(), collector.spent
    times, pauses = array("d"), array("d")
    slowest: list[tuple[float, str, str]] = []
    growth: list[tuple[float, str]] = []
    failed: list[tuple[str, str, str]] = []
    decided = {"equal": 0, "undecided": 0}
    pairs = Fuzzer(seeds, seed).answers()
    for _ in range(count):
        a, b = next(pairs)
        before, pause = peak_mib(), collector.spent
        began = time.thread_time()
        try:
            (relation,) = backend.relate([AnswerSet((a, b) if a != b else (a,))])
        except Exception as error:  # noqa: BLE001 - what this looks for
            failed.append((a, b, "".join(traceback.format_exception(error)[-3:])))
            continue
        pauses.append(1e3 * (collector.spent - pause))
        times.append(1e3 * (time.thread_time() - began) - pauses[-1])
        if len(slowest) < SHOWN or times[-1] > slowest[0][0]:
            (heapq.heappush if len(slowest) < SHOWN else heapq.heapreplace)(slowest, (times[-1], a, b))
        if peak_mib() - before > 1:
            growth.append((peak_mib() - before, a))
        for metric in ("answers_failed", "pairs_failed"):
            if relation.metrics.get(metric):
                failed.append((a, b, metric))
        decided["equal"] += bool(relation.equal)
        decided["undecided"] += bool(relation.undecided)
    ordered = sorted(times)
    return {
        "comparisons": len(times),
        "decided": decided,
        "cpu_ms": {"median": statistics.median(times), "p99": ordered[-(len(times) // 100) - 1], "worst": ordered[-1]},
        "collector_ms": {"total": 1e3 * (collector.spent - spent), "worst": max(pauses)},
        "memory_mib": {"base": base, "growth": peak_mib() - base},
        "failed": failed,
        "slowest": [{"ms": cost, "a": a, "b": b} for cost, a, b in sorted(slowest, reverse=True)],
        "growth": [{"mib": mib, "a": text} for mib, text in growth],
    }


def answers_of(path: Path | None) -> list[str]:
    """The answers in a file, extracted from its responses; without one, those of the tests' cases and generators."""
    found: set[str] = set()
    with Scorer("empo-math") as scorer:
        for row in pair_rows(None) + math_rows(None) if path is None else read_rows(path):
            for side in ("a", "b"):
                found.update([row[side]] if side in row else [])
            found.update(scorer.extract(text, row["prompt"]).text for text in row.get("responses", ()))
    found.update(text for hostile in hostile_texts() for text in (hostile.text, hostile.other))
    return sorted(text for text in found if text)


def main() -> int:
    """Fuzzes; 1 where a bound was passed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="comparisons (default: 10,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="JSON lines with responses, or with a and b; .gz for gzipped")
    parser.add_argument("--json", type=Path, help="write the figures and the slowest comparisons here")
    options = parser.parse_args()
    with contextlib.redirect_stderr(sys.stdout):
        report = run(answers_of(options.data), options.count, options.seed)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for key in ("comparisons", "decided", "cpu_ms", "collector_ms", "memory_mib"):
        print(f"{key}: {report[key]}")
    for row in report["slowest"][:5]:
        print(f"{row['ms']:.1f} ms: {row['a'][:100]!r} and {row['b'][:100]!r}")
    for a, b, why in report["failed"][:5]:
        print(f"FAILED {why}: {a[:100]!r} and {b[:100]!r}")
    within = report["cpu_ms"]["worst"] <= LIMIT_MS and report["memory_mib"]["growth"] <= LIMIT_MIB
    return 0 if within and not report["failed"] else 1


if __name__ == "__main__":
    assert functions  # the rows of the table stand there
    sys.exit(main())

"""Data that benchmarks run on: rows of a file, or generated ones."""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

from generated import Hostile, hostile_texts, math_groups, short_answer_groups

__all__ = ["Hostile", "add_data_option", "hostile_texts", "math_rows", "pair_rows", "read_rows", "short_answer_rows"]

Row = dict[str, Any]

CASES = Path(__file__).resolve().parents[1] / "tests" / "equivalence" / "math" / "cases.json"


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add `--data FILE`."""
    parser.add_argument(
        "--data", type=Path, help="JSON lines with prompt, responses, reference; .gz for gzipped (default: generated)"
    )


def read_rows(path: Path) -> list[Row]:
    """The rows of a JSON-lines file."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def math_rows(path: Path | None, size: int = 8) -> list[Row]:
    """Groups of responses to mathematical problems; generated ones have `size` responses."""
    return math_groups(200, size) if path is None else read_rows(path)


def short_answer_rows(path: Path | None) -> list[Row]:
    """Groups of short answers."""
    return short_answer_groups(102) if path is None else read_rows(path)


def pair_rows(path: Path | None) -> list[Row]:
    """Pairs of answers with what is expected of them; by default the project's own cases."""
    if path is not None:
        return read_rows(path)
    cases = json.loads(CASES.read_text(encoding="utf-8"))
    return [
        {"a": a, "b": b, "expected": kind == "same", "form": "answer", "source": case["source"]}
        for case in cases
        for kind in ("same", "different")
        for a, b in combinations(case.get(kind, ()), 2)
    ]

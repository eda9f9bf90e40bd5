"""The summary of the runs on questions in words: recovery, the division of the gain, and the documented tables."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from training.store import Store
from training.words_summary import KEPT, demonstration, summarize, tables

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "training" / "smollm"


def evaluation(pass_1: float, *, bare: float = 0.5, **families: float) -> dict[str, Any]:
    """An evaluation whose other measures are equal in all runs."""
    numbers = dict.fromkeys(KEPT, 0.25) | {"pass_1": pass_1, "bare": bare, "problems": 4, "k": 16}
    parts = {family: dict.fromkeys(KEPT, 0.25) | numbers | {"pass_1": level} for family, level in families.items()}
    return numbers | ({"families": parts} if parts else {})


def job(method: str, seed: int, after: dict[str, Any], changed: str = "") -> dict[str, Any]:
    curve = [{"step": 0, **evaluation(0.2)}]
    return {"method": method, "seed": seed, "changed": changed, "after": after, "curve": curve}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A base, two runs with labels, and others without."""
    store = Store(tmp_path / "results", tmp_path / "work")
    base = evaluation(0.2, bare=0.25, a=0.1, b=0.3) | {"seen": evaluation(0.3)}
    for at in ("base", "colder"):
        store.write(f"fresh/smollm/{at}", {at: base})
    for method, seed, level, a, seen in (
        ("reference", 1, 0.6, 0.5, 0.32),
        ("reference", 2, 0.7, 0.7, 0.32),
        ("empo", 1, 0.65, 0.35, 0.5),
        ("random", 1, 0.2, 0.1, 0.3),
    ):
        after = evaluation(level, bare=0.75, a=a, b=0.3) | {"seen": evaluation(seen)}
        store.write(f"fresh/smollm/{method}-{seed}", job(method, seed, after))
    return store


def test_recovery_is_the_share_of_the_gain_with_labels(store: Store) -> None:
    runs = summarize(store)["fresh"]["runs"]
    (empo,), (random,) = runs["empo"], runs["random"]
    assert empo["recovery"]["all"] == pytest.approx((0.65 - 0.2) / (0.65 - 0.2))
    assert empo["recovery"]["families"]["a"] == pytest.approx((0.35 - 0.1) / (0.6 - 0.1))
    assert empo["recovery"]["families"]["b"] is None  # labels gain nothing there
    assert empo["recovery"]["seen"] is None  # .02 is less than what counts
    assert random["recovery"]["all"] == 0


def test_the_tables_tell_what_was_not_run_and_divide_the_gain(store: Store) -> None:
    made = tables(summarize(store))
    assert "| `exact` | not run |" in made["methods"]
    assert "| `reference` | 2 | .65 |" in made["methods"]
    assert "| a | .25 | .10 | .35 | .60 | .10 | .50 | .00 |" in made["families"]
    row = next(line for line in made["form"].splitlines() if line.startswith("| `empo`, seed 1"))
    gain, by_form, by_fact = (float(cell) for cell in row.split("|")[-4:-1])
    assert gain == pytest.approx(by_form + by_fact, abs=0.011)


def test_the_documented_tables_are_those_of_the_runs() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    made = {f"demonstration, {name}": table for name, table in demonstration(*map(read, ("before", "after"))).items()}
    if (RESULTS / "summary.json").is_file():
        made |= tables(read("../summary"))
    for name, table in made.items():
        assert table in page, f"docs/training.md lacks the table {name}"


def read(name: str) -> Any:
    return json.loads((RESULTS / "demo" / f"{name}.json").read_text(encoding="utf-8"))

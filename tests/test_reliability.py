"""docs/reliability.md quotes the results of the last `make stress`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import median
from typing import Any

from pages import quoted, table

ROOT = Path(__file__).parents[1]


def quotable() -> dict[str, str]:
    """The figures by the names that the page gives them, as it writes them."""
    results = json.loads((ROOT / "benchmarks" / "results" / "stress.json").read_text(encoding="utf-8"))
    soak = results["test_every_reward_that_is_paid_under_faults_is_the_offline_score_of_its_group"]
    fuzz = results["test_fuzzed_requests_break_nothing_and_innocent_groups_are_paid"]
    figures: dict[str, Any] = {f"fuzz.{name}": value for name, value in fuzz.items()}
    figures |= {f"soak.{name}": value for name, value in soak.items()}
    figures |= {f"soak.faults.{name}": value for name, value in soak["faults"].items()}
    figures["disk.kills"] = sum(found["kills"] for name, found in results.items() if "test_killed_anywhere" in name)
    figures["soak.minutes"] = soak["seconds"] / 60
    figures["soak.wrong"] = len(soak["wrong"])
    figures["soak.unscored"] = sum(soak["unscored"].values())
    figures["soak.slowest_exit"], figures["soak.median_exit"] = max(soak["exits"]), median(soak["exits"])
    return {
        name: f"{value:.1f}" if name.endswith("_exit") else f"{value:,.0f}"
        for name, value in figures.items()
        if isinstance(value, int | float)
    }


def test_the_figures_are_those_of_the_last_run() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    quoted = re.findall(r"<!-- (\w[^>]*?) -->([^<]*)<!-- -->", page)
    assert len(quoted) > 20
    expected = quotable()
    assert [(name, text) for name, text in quoted if expected[name] != text] == []


def test_what_broke_once_is_held_by_tests_that_are_there() -> None:
    rows = table((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"), "broke", "held by")
    assert len(rows) >= 13
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for broke, held_by in rows:
        assert quoted(held_by), broke
        assert set(quoted(held_by)) <= there, broke

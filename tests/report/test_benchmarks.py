"""Accuracy, pass@k and majority@k by benchmark, and the collapse step: numbers by hand, and the commands."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empo_rewards.cli.app import run as command
from empo_rewards.metrics import majority_at_k, powers, wilson
from empo_rewards.report.benchmarks import collapse_step


def majorities(labels: tuple[int, ...], voters: int, right: tuple[bool, ...], k: int) -> float:
    """The mean over all subsets of k responses."""
    good = {label for label, is_right in zip(labels, right, strict=True) if is_right}
    total = []
    for subset in combinations(labels, k):
        counts = Counter(label for label in subset if label < voters)
        modal = [label for label in counts if counts[label] == max(counts.values())]
        total.append(sum(label in good for label in modal) / len(modal) if modal else 0)
    return sum(total) / len(total)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(0, 3), st.data())
def test_majority_at_k_is_the_mean_over_subsets(drawn: list[int], good: int, data: st.DataObject) -> None:
    labels, right = tuple(drawn), tuple(label == good for label in drawn)
    k = data.draw(st.integers(1, len(labels)))
    found = majority_at_k(labels, 3, right, k)
    # The standard error of 256 draws is at most 1/32.
    assert found == pytest.approx(majorities(labels, 3, right, k), abs=1e-12 if k == len(labels) else 0.16)


def test_majority_at_k_by_hand() -> None:
    labels, right = (0, 0, 0, 1, 1, 2), (False, False, False, True, True, False)
    assert majority_at_k(labels, 2, right, 6) == 0
    assert majority_at_k((0, 0, 1, 1), 2, (True, True, False, False), 4) == 0.5
    assert majority_at_k((0, 1), 0, (False, False), 2) == 0  # two blanks
    assert majority_at_k(labels, 2, right, 1) == pytest.approx(1 / 3, abs=0.16)


def test_powers_end_with_the_size() -> None:
    assert (powers(1), powers(4), powers(12)) == ([1], [1, 2, 4], [1, 2, 4, 8, 12])


def test_wilsons_interval_of_fractions() -> None:
    assert wilson(1.5, 3) == wilson(1.5, 3)
    assert wilson(2.0, 4) == wilson(2, 4)


def write(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def group(answers: str, label: str | None, **fields: Any) -> dict[str, Any]:
    return {"prompt": f"{answers}?", "responses": [rf"\boxed{{{a}}}" for a in answers], "reference": label, **fields}


@pytest.fixture
def rollouts(tmp_path: Path) -> str:
    return write(
        tmp_path / "rollouts.jsonl",
        group("1122", "1", data_source="amc"),
        group("1111", "1", data_source="amc"),
        group("1222", "1", data_source="amc"),
        group("3333", None, data_source="amc"),
        group("45", "4", data_source="aime"),
    )


def test_evaluate_by_hand(rollouts: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["evaluate", rollouts, "--json", "--k", "2", "--k", "4"]) == 0
    found = json.loads(capsys.readouterr().out)["benchmarks"]
    assert list(found) == ["amc", "aime"]
    amc = found["amc"]
    assert (amc["groups"], amc["unlabelled"], amc["failed"]) == (4, 1, 0)
    means = {name: value["mean"] for name, value in amc["metrics"].items()}
    assert means["accuracy"] == pytest.approx((2 / 4 + 4 / 4 + 1 / 4) / 3)
    assert means["pass@2"] == pytest.approx((5 / 6 + 1 + 3 / 6) / 3)  # 1 - C(4 - c, 2)/C(4, 2)
    assert means["pass@4"] == 1
    assert means["majority@4"] == pytest.approx((0.5 + 1 + 0) / 3)
    accuracy = amc["metrics"]["accuracy"]
    assert accuracy["problems"] == 3
    assert (accuracy["least"], accuracy["most"]) == pytest.approx(wilson(1.75, 3)[1:])
    assert set(found["aime"]["metrics"]) == {"accuracy", "pass@2", "majority@2"}  # 4 of 2 responses there are none


def test_evaluate_shows_a_table(rollouts: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["evaluate", rollouts]) == 0
    said = capsys.readouterr()
    for shown in ("amc", "aime", "pass@1", "pass@4", "majority@2", "0.5833"):
        assert shown in said.out
    assert "1 of 4 groups are left out" in said.err


def test_evaluate_without_labels_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["evaluate", write(tmp_path / "bare.jsonl", group("11", None))]) == 2
    assert "no group has a label" in " ".join(capsys.readouterr().err.split())


def test_the_collapse_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At step 20 all responses agree on a wrong answer: no pseudo-reward is what the label gives."""
    run = write(
        tmp_path / "run.jsonl",
        group("2222", "1", step=20),
        group("1112", "1", step=0),
        group("1122", "1", step=3),
        group("3333", "1", step=30),
    )
    assert command(["collapse-step", run, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["collapse_step"] == 20
    assert found["steps"][0] == {"step": 0, "reward_accuracy": 1}
    assert [row["step"] for row in found["steps"]] == [0, 3, 20, 30]
    assert command(["collapse-step", run]) == 0
    assert "collapse step 20" in capsys.readouterr().out
    assert command(["collapse-step", write(tmp_path / "fine.jsonl", group("1112", "1", step=0))]) == 0
    assert "no collapse in 1 steps" in capsys.readouterr().out
    assert command(["collapse-step", write(tmp_path / "no.jsonl", group("1112", "1"))]) == 2
    assert "training step" in " ".join(capsys.readouterr().err.split())


def test_the_first_step_below_counts() -> None:
    assert collapse_step({1.0: 0.5, 2.0: 0.009, 3.0: 0.6, 4.0: 0}) == 2
    assert collapse_step({1.0: 0.01}) is None
    assert collapse_step({}) is None

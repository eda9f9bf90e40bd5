"""The training benchmark end to end at its smallest size: training data, results, and plots."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from training import plots, runner, summary
from training.jobs import Job, Measurement, Training
from training.plans import PROOF_METHODS
from training.settings import SIZES
from training.store import Store
from training.task import held_out

SIZE = SIZES["tiny"]
BASE, CHECKPOINT = 11, SIZE.checkpoints[-1]
SCRL = Training("tiny", BASE, CHECKPOINT, "fresh", "scrl-32", 1, replace(SIZE.settings, group=32))


def run_of(method: str) -> Training:
    return Training("tiny", BASE, CHECKPOINT, "fresh", method, 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The runs of all methods of the proof, and one that votes, on one base."""
    folder = tmp_path_factory.mktemp("training")
    store = Store(folder / "results", folder / "work")
    jobs: list[Job] = [Measurement("tiny", BASE, CHECKPOINT, "fresh"), *map(run_of, PROOF_METHODS), SCRL]
    waiting = runner.pending(jobs, store)
    assert len(waiting) == len(jobs) + 1  # and the base that they start from
    for job in waiting:
        job.run(store, lambda done, total: None)
    assert runner.pending(jobs, store) == []
    return store


@pytest.mark.parametrize("method", PROOF_METHODS)
def test_a_run_keeps_its_curve_its_steps_and_its_groups(store: Store, method: str) -> None:
    run = store.runs()[run_of(method).name]
    settings = SIZE.settings
    assert [point["step"] for point in run["curve"]] == [0, settings.steps]
    rates = [step["trl/learning_rate"] for step in run["steps"]]
    assert rates == [0, *[settings.learning_rate] * (settings.steps - 1)]  # the warm-up takes place

    groups = dict(store.groups())[run_of(method).name]
    assert [group["step"] for group in groups if not group["probe"]] == [1, 1, 2, 2, 3, 3]
    assert [group["step"] for group in groups if group["probe"]] == [0, 0, 0, 2, 2, 2, 3, 3, 3]
    assert all(len(group["answers"]) == len(group["lengths"]) == settings.group for group in groups)
    sets = held_out(SIZE.task)
    trained, test = ({problem.prompt for problem in sets[name]} for name in ("prompts", "test"))
    assert {group["prompt"] for group in groups if not group["probe"]} <= trained
    assert len({group["prompt"] for group in groups if group["probe"]} & test) == SIZE.settings.probes


def test_log_probabilities_reach_the_rewards_of_scrl(store: Store) -> None:
    """Without them its groups would have no rewards, and TRL's mean would be NaN."""
    assert all(math.isfinite(step["trl/reward"]) for step in store.runs()[SCRL.name]["steps"])


def test_methods_and_seeds_start_from_the_same_base_on_the_same_problems(store: Store) -> None:
    starts = [store.runs()[run_of(method).name]["curve"][0] for method in PROOF_METHODS]
    assert all(start == starts[0] for start in starts)


def test_the_report_has_every_run_and_its_plots(store: Store) -> None:
    store.pack()
    found = summary.summarize(store)
    (base,) = found["fresh"]
    assert set(base["methods"]) == {*PROOF_METHODS, "scrl-32,group=32"}
    plots.draw(found, store)
    for name in ("proof.svg", "map.svg"):
        assert (store.results / name).read_text(encoding="utf-8").rstrip().endswith("</svg>")
    assert all(f"| {method} | 1 |" in summary.table(found) for method in PROOF_METHODS)

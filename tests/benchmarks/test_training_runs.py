"""The training benchmark without torch: problems, measures, and resuming of runs."""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from training import plans, runner, summary
from training.jobs import Job
from training.measures import measure
from training.replay import fallen_at, fewer, groups_of, has_kept, probe_curve, replay, tally
from training.store import Store
from training.task import HELD_OUT, TOKENS, Noise, Task, boxed, held_out, solution

TASKS = (Task(3), Task(5, "+-"))
NO_NOISE = Noise(0, 0, 0)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_a_teacher_that_does_not_err_is_right(task: Task) -> None:
    dice = random.Random(1)
    for _ in range(300):
        problem = task.draw(dice)
        left, right = problem.prompt[:-1].replace("-", "+-").split("+")
        text = solution(problem, NO_NOISE, dice)
        assert int(boxed(text) or "") == int(left) + int(right)
        assert len(text.replace("\\boxed{", "B")) + 1 == task.solution_tokens
        assert len(problem.prompt) == task.prompt_tokens
        assert set(text.replace("\\boxed{", "")) <= set(TOKENS)


def test_a_teacher_that_forgets_carries_is_wrong_where_there_is_one() -> None:
    dice = random.Random(2)
    problems = [Task(3).draw(dice) for _ in range(300)]
    wrong = [boxed(solution(problem, Noise(0, 0, 1), dice)) != problem.answer for problem in problems]
    carries = [any(int(x) + int(y) > 9 for x, y in zip(f"{p.a:03d}", f"{p.b:03d}", strict=True)) for p in problems]
    assert wrong == carries


def test_the_sets_are_disjoint_and_always_the_same() -> None:
    sets = held_out(Task(3))
    assert {name: len(problems) for name, problems in sets.items()} == HELD_OUT
    assert len(set().union(*map(set, sets.values()))) == sum(HELD_OUT.values())
    assert held_out(Task(3)) == sets


def test_measures_of_known_answers() -> None:
    groups = [["1", "1", "2", None], ["3", "4", "3", "4"], [None] * 4, ["5"] * 4]
    labels = [[answer == right for answer in group] for group, right in zip(groups, "1496", strict=True)]
    found = measure(groups, labels, [True, False, False, True], token_entropy=0.5)
    assert found.pass_1 == pytest.approx((0.5 + 0.5) / 4)
    assert found.pass_k == 0.5
    assert found.majority_k == pytest.approx((1 + 0.5) / 4)
    assert found.greedy == 0.5
    assert found.entropy == pytest.approx((1.5 * math.log(2) + math.log(2) + math.log(4)) / 4)
    assert (found.unanimous, found.unanimous_wrong) == (0.25, 0.25)
    assert found.blank == pytest.approx(5 / 16)
    assert found.distinct_majorities == 0.75


@dataclass(frozen=True)
class Toy:
    """A job whose process writes its result, unless it is told to fail."""

    name: str
    needs: tuple[Job, ...] = ()

    def is_done(self, store: Store) -> bool:
        return store.has(self.name)

    def run(self, store: Store, progress: object) -> None:
        if self.name == "fails":
            raise RuntimeError("told to")
        store.write(self.name, {"seen": [needed.name for needed in self.needs if needed.is_done(store)]})


TOYS: dict[str, Toy] = {}
for name, needs in {"base": "", "fails": "", "a": "base", "b": "base", "c": "fails"}.items():
    TOYS[name] = Toy(name, tuple(TOYS[need] for need in needs.split()))

CHILD = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from test_training_runs import TOYS
from training.runner import make_here
from training.store import Store
raise SystemExit(not make_here([TOYS[name] for name in sys.argv[1:]], Store(Path({folder!r}), Path({folder!r}))))
"""


def test_runs_are_made_after_what_they_need_and_resumed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path, tmp_path)
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "benchmarks")]
    command = (sys.executable, "-c", CHILD.format(paths=paths, folder=str(tmp_path)))
    jobs = runner.pending([TOYS["a"], TOYS["b"], TOYS["c"]], store)
    assert [job.name for job in jobs] == ["base", "a", "b", "fails", "c"]

    missing = asyncio.run(runner.make(jobs, store, command, workers=2, batch=2))
    assert missing == ["fails", "c"]
    assert "told to" in capfd.readouterr().err
    assert store.runs()["a"]["seen"] == ["base"]
    assert [job.name for job in runner.pending(list(TOYS.values()), store)] == ["fails", "c"]


def test_a_plan_names_each_run_once_and_the_map_reuses_the_proof() -> None:
    proof, atlas = ({job.name for job in plan("small")} for plan in (plans.proof, plans.atlas))
    assert len(proof) == len(plans.proof("small"))
    assert len(atlas) == len(plans.atlas("small"))
    assert proof & atlas
    assert not {job.name for job in plans.development("small")} & (proof | atlas)
    assert proof | atlas < set(plans.every_job("small"))


def test_recovery_is_the_part_of_the_supervised_gain(tmp_path: Path) -> None:
    def run(method: str, seed: int, level: float) -> dict[str, object]:
        end = dict.fromkeys(summary.END, 0.0) | {"pass_1": level}
        return {"method": method, "seed": seed, "changed": "", "after": end}

    store = Store(tmp_path, tmp_path)
    store.write("fresh/1-9/base", {"base": {"pass_1": 0.4, "majority_k": 0.95}, "colder": {}})
    for result in (run("reference", 1, 0.8), run("reference", 2, 1.0), run("empo", 1, 0.9), run("empo", 2, 0.4)):
        store.write(f"fresh/1-9/{result['method']}-{result['seed']}", result)
    found = summary.summarize(store)
    (base,) = found["fresh"]
    assert [entry["recovery"] for entry in base["methods"]["empo"]] == pytest.approx([1.0, 0.0])
    assert found["recovery"]["empo"] == {"mean": pytest.approx(0.5), "sd": pytest.approx(0.5), "runs": 2}
    json.dumps(found)


@pytest.mark.parametrize(
    ("curve", "step", "kept"),
    [
        ([0.5, 0.7, 0.9, 0.9], None, True),
        ([0.5, 0.7, 0.9, 0.81], None, True),
        ([0.5, 0.7, 0.9, 0.79], None, False),  # a quarter of the gain is lost
        ([0.5, 0.7, 0.9, 0.69], 30, False),
        ([0.5, 0.9, 0.72, 0.9], None, True),
        ([0.4, 0.41, 0.31, 0.29], 30, False),
        ([0.4, 0.41, 0.29, 0.6], 20, True),
        ([0.4, 0.44, 0.44], None, False),  # no gain to speak of
    ],
)
def test_a_fall_is_half_of_the_gain_or_a_quarter_of_the_level(curve: list[float], step: int | None, kept: bool) -> None:
    points = [{"step": 10 * at, "pass_1": level} for at, level in enumerate(curve)]
    assert fallen_at(points) == step
    assert has_kept(points) is kept


def test_the_monitor_sees_a_kept_run_as_it_was(tmp_path: Path) -> None:
    def record(step: int, answers: list[str | None]) -> dict[str, object]:
        return {"prompt": f"{step}+1=", "answers": answers, "lengths": [30, 25, 30], "step": step}

    healthy = [record(n, [str(n), str(n), None]) for n in range(64)]
    collapsed = [record(n, ["0000", "0000", "0000"]) for n in range(64, 128)]
    store = Store(tmp_path, tmp_path)
    curve = [{"step": 0, "pass_1": 0.5}, {"step": 128, "pass_1": 0.1}]
    for name, records in (("well", healthy + healthy), ("badly", healthy + collapsed)):
        store.write_groups(f"fresh/1-9/{name}", records)
        how = {"method": "empo", "scorer": {"preset": "empo-math"}}
        store.write(f"fresh/1-9/{name}", {**how, "curve": curve if name == "badly" else curve[:1]})
    _, group = groups_of(dict(store.groups())["fresh/1-9/well"])[5]
    assert [len(response) for response in group.responses] == [30, 25, 30]
    found = replay(store)
    assert (found["fresh/1-9/well"]["fallen"], found["fresh/1-9/well"]["alarm"]) == (None, None)
    assert found["fresh/1-9/badly"]["fallen"] == 128
    assert 64 <= found["fresh/1-9/badly"]["alarm"] < 128
    assert "'0'" in found["fresh/1-9/badly"]["reason"] or "'0000'" in found["fresh/1-9/badly"]["reason"]
    assert tally(found).splitlines()[-1] == "| without probes | empo | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 1 | 0 |"


def test_packed_runs_are_what_was_kept_but_for_the_order_in_a_group(tmp_path: Path) -> None:
    """Answers of the right length, of others, without digits, with digits of another script, and none."""
    answers = ["0003", "0004", "0003", "9993", "3", "", "00003", "+003", "٠٠٠٣", None, None, "0004"]
    group = {"step": 3, "prompt": "001+002=", "probe": True, "answers": answers, "lengths": [30] * 11 + [7]}
    store = Store(tmp_path / "results", tmp_path / "work")
    store.write_groups("fresh/1-9/empo-1", [group, {**group, "probe": False, "lengths": [20] * 12}])
    store.write("fresh/1-9/empo-1", {"method": "empo", "curve": [0.25]})
    store.pack()
    assert not [path for path in store.work.rglob("*") if path.is_file()]
    assert store.has("fresh/1-9/empo-1")
    assert not store.has("fresh/1-9/empo-2")

    store.write("fresh/1-9/base", {"base": {}})  # a later one is put beside it
    store.pack()
    assert store.runs() == {"fresh/1-9/base": {"base": {}}, "fresh/1-9/empo-1": {"method": "empo", "curve": [0.25]}}
    ((name, (first, second)),) = store.groups()
    assert name == "fresh/1-9/empo-1"
    assert (first["step"], first["prompt"], first["probe"], second["probe"]) == (3, "001+002=", True, False)
    assert first["answers"][:6] == ["0003"] * 2 + ["0004"] * 2 + [None] * 2
    for kept, lengths in ((first, group["lengths"]), (second, [20] * 12)):
        found = zip(kept["answers"], kept["lengths"], strict=True)
        assert Counter(found) == Counter(zip(answers, lengths, strict=True))


def test_probes_are_judged_by_their_labels_and_shown_to_the_monitor_without() -> None:
    def record(step: int, answer: str) -> dict[str, object]:
        return {"prompt": "001+002=", "probe": True, "answers": [answer, "0009"], "lengths": [20, 20], "step": step}

    records = [record(0, "0003"), record(5, "0003"), record(10, "0004")]
    assert probe_curve(records) == [{"step": step, "pass_1": level} for step, level in ((0, 0.5), (5, 0.5), (10, 0))]
    assert [group.reference for _, group in groups_of(records)] == [None] * 3
    assert groups_of(records, labelled=True)[0][1].reference == "0003"
    trained, other = {**record(1, "0003"), "probe": False}, {**record(10, "0003"), "prompt": "001+003="}
    assert fewer([*records, trained, other], 1) == [*records, trained]
    assert fewer([*records, trained, other], 0) == [trained]
    assert fewer([*records, trained, other], None) == [*records, trained, other]

"""What the report's data say: of reasons and their faults, of majorities and steps, and which texts are held."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace

import pytest

from empo_rewards import Group, Scorer
from empo_rewards.errors import StageError
from empo_rewards.group import Answer, AnswerKind, Cause, GroupScore, Status
from empo_rewards.report import Contents
from empo_rewards.report.contents import advantages
from empo_rewards.scorer import PairReason

GROUP = Group("What is 1/2?", [r"\boxed{1/2}", r"\boxed{0.5}", r"\boxed{2}"], id="half")


def made_by(config: object, why: object = None, group: Group = GROUP) -> Contents:
    contents = Contents("t", why=why)  # type: ignore[arg-type] # a function of the tests
    with Scorer(config) as scorer:  # type: ignore[arg-type] # a preset or a mapping
        contents.add(group, scorer.score(group))
    return contents


def test_reasons_of_another_configuration_are_told() -> None:
    exact = {"preset": "empo-math", "equivalence": "exact"}
    with Scorer("empo-math") as scorer:
        assert made_by("empo-math", scorer.why).index()["notices"] == []
        (notice,) = made_by(exact, scorer.why).index()["notices"]
    assert "In 1 groups the reasons contradict the clusters" in notice


def test_a_backend_that_fails_when_asked_for_reasons_costs_the_reasons_only() -> None:
    def dead(group: Group, pairs: Iterable[tuple[int, int]]) -> list[PairReason]:
        raise StageError(Cause.EQUIVALENCE_FAILED, OSError("the judge is down"))

    contents = made_by("empo-math", dead)
    assert "the judge is down" in contents.detail(0)["why_not"]
    assert contents.detail(0)["clusters"] == [0, 0, 1]


@pytest.mark.parametrize("answer", ["I don't know.", ""])
def test_a_group_without_votes_has_no_majority(answer: str) -> None:
    contents = made_by("empo-math", group=Group("?", [answer] * 3))
    assert contents.columns["majority"] == [""]


def unscored(number: int, cause: Cause | None) -> GroupScore:
    return GroupScore(
        rewards=(None,), answers=(Answer(f"{number}"),), clusters=(0,), cluster_shares=(1.0,), entropy=0.0,
        status=Status.UNSCORED, cause=cause, id=str(number), size=1, expected_size=1,
    )  # fmt: skip


def test_texts_of_faults_are_held_before_those_of_gates() -> None:
    contents = Contents("t", max_bytes=30_000)
    for number in range(1_000):
        contents.add(None, unscored(number, Cause.EQUIVALENCE_FAILED if number % 100 == 50 else Cause.ENTROPY_LOW))
    assert all(contents.detail(number) is not None for number in range(50, 1_000, 100))
    assert sum(contents.detail(number) is not None for number in range(1_000)) < 500


@pytest.mark.parametrize("step", ["x", None, "nan", 10**400, [1], {"a": 1}])
def test_a_step_that_is_no_number_is_no_step(step: object) -> None:
    group = Group("?", [r"\boxed{1}"], metadata={"step": step})
    contents = made_by("empo-math", group=group)
    assert contents.numbers[0].step is None


def test_steps_that_are_texts_are_numbers_in_their_order() -> None:
    contents = Contents("t")
    with Scorer("empo-math") as scorer:
        for step in ("10", "9", "9"):
            group = Group("?", [r"\boxed{1}"] * 2, metadata={"step": step})
            contents.add(group, scorer.score(group))
    assert [row["step"] for row in contents.index()["overview"]["steps"]["rows"]] == [9, 10]


def test_the_overview_grows_with_the_groups() -> None:
    contents = Contents("t")
    for number in range(3):
        contents.add(None, unscored(number, None))
        assert contents.index()["overview"]["groups"] == number + 1


def test_the_overview_of_a_growing_report_is_not_computed_all_the_time() -> None:
    contents = Contents("t")
    for number in range(3_000):
        contents.add(None, unscored(number, None))
        if number == 2_000:
            contents.index(fresh=False)
    behind = contents.index(after=2_999, fresh=False)
    assert (behind["rows"], behind["columns"]["id"]) == (3_000, ["2999"])
    assert behind["overview"]["groups"] in (2_001, 3_000)
    assert contents.index()["overview"]["groups"] == 3_000


def test_a_page_of_differences_expects_nothing_of_training() -> None:
    """Groups that differ are no sample of the rollouts."""
    contents = Contents("t")
    with Scorer("empo-math") as scorer:
        score = scorer.score(GROUP)
    for _ in range(10):
        contents.add(GROUP, score)
    assert contents.index()["overview"]["expectation"] is not None
    compared = Contents("t")
    compared.comparison = {}
    for _ in range(10):
        compared.add(GROUP, score, before=score)
    assert compared.index()["overview"]["expectation"] is None


def test_advantages_by_hand() -> None:
    def score(*rewards: float | None, scale: float = 1.0) -> GroupScore:
        blank = (Answer("", AnswerKind.BLANK),) * len(rewards)
        return GroupScore(rewards, blank, (), (), None, Status.SCORED, advantage_scale=scale, size=len(rewards))

    assert advantages(score(1.0, 0.0, None)) == pytest.approx([2**-0.5, -(2**-0.5), None], abs=1e-5)
    assert advantages(score(1.0, 0.0, scale=0.5)) == pytest.approx([2**-1.5, -(2**-1.5)], abs=1e-5)
    assert advantages(score(0.25, 0.25)) == [0, 0]
    assert advantages(score(1.0, None)) is None
    assert advantages(score(None)) is None


def test_groups_without_a_step_have_one_by_their_order() -> None:
    contents = Contents("t", groups_per_step=2)
    for number in range(5):
        contents.add(None, unscored(number, None))
    steps = contents.index()["overview"]["steps"]
    assert [(row["step"], row["unscored"]) for row in steps["rows"]] == [(1, 1), (2, 1), (3, 1)]


def test_many_steps_are_drawn_as_means_of_several() -> None:
    contents = Contents("t", groups_per_step=1)
    for number in range(1_001):
        contents.add(None, replace(unscored(number, None), metrics={"entropy": float(number)}))
    steps = contents.index()["overview"]["steps"]
    assert steps["steps_a_point"] == 4
    assert len(steps["rows"]) == 251
    assert [(row["step"], row["entropy"]) for row in steps["rows"]][:2] == [(4, 1.5), (8, 5.5)]
    assert (steps["rows"][-1]["step"], steps["rows"][-1]["entropy"]) == (1_001, 1_000)


@pytest.mark.parametrize("rewards", [(1e308, -1e308), (1.7e308, 1.7e308), (5e-324, 0.0), (-1e308,)])
def test_absurd_rewards_are_counted(rewards: tuple[float, ...]) -> None:
    answers = tuple(Answer(str(k)) for k in range(len(rewards)))
    score = GroupScore(rewards, answers, (), (), None, Status.SCORED, size=len(rewards), expected_size=len(rewards))
    contents = Contents("t", groups_per_step=1)
    contents.add(None, score)
    contents.add(None, score)
    index = contents.index()
    json.dumps(index, allow_nan=False)
    assert sum(index["overview"]["rewards"]["counts"]) == 2 * len(rewards)
    assert all(advantage is None or math.isfinite(advantage) for advantage in advantages(score) or [])


def test_a_backend_that_asks_a_model_is_asked_for_reasons_only_where_the_user_says_so() -> None:
    with Scorer({"preset": "empo-math", "equivalence": {"name": "judge", "url": "http://127.0.0.1:9/v1"}}) as judge:
        assert judge.asks_a_model
    with Scorer("empo-math") as mathematics:
        assert not mathematics.asks_a_model

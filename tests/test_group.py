"""What travels: a score to JSON and back, unscored scores, and labels."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards import Cause, Group, GroupError, GroupScore, Scorer, Status

EXACT = {"equivalence": "exact", "guards": ["blank", {"name": "refusal", "reward": None}]}
GROUPS = [
    Group("q", [r"\boxed{1}", r"\boxed{2}", "no"], reference="1", id="a"),
    Group("q", [r"\boxed{1}"] * 2, expected_size=3),
    Group([{"role": "user", "content": "q"}], ["", "I cannot answer that."]),
]


@pytest.mark.parametrize("group", GROUPS, ids=["labelled", "incomplete", "blank"])
def test_a_score_survives_json(group: Group) -> None:
    with Scorer(EXACT) as scorer:
        score = scorer.score(group)
    assert GroupScore.from_dict(json.loads(json.dumps(score.to_dict()))) == score
    assert GroupScore.from_dict({**score.to_dict(), "line": 7}) == score, "keys of a file around it do not matter"


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "fine"},
        {"answers": [{"text": "x", "kind": "riddle"}] * 3},
        {"answers": [{"text": 1, "kind": "answer"}] * 3},
        {"answers": []},
        {"rewards": [1.0]},
        {"rewards": None},
        {"rewards": "abc"},
        {"rewards": [math.nan] * 3},
        {"rewards": {"a": 1, "b": 2, "c": 3}},
        {"clusters": [0]},
        {"flags": "abc"},
        {"metrics": None},
        {"metrics": {"a": "b"}},
        {"metrics": {"a": math.inf}},
        {"advantage_scale": None},
        {"size": "three"},
        {"id": 3},
        {"correct": [True]},
    ],
)
def test_what_is_no_score_is_refused(broken: dict[str, object]) -> None:
    with Scorer(EXACT) as scorer:
        whole = scorer.score(GROUPS[0]).to_dict()
    with pytest.raises(GroupError, match="not a group's score"):
        GroupScore.from_dict({**whole, **broken})


@pytest.mark.parametrize("values", [None, 3, "score", [], [1], {}, {"rewards": [1.0]}])
def test_what_is_no_mapping_of_all_fields_is_no_score(values: Any) -> None:
    with pytest.raises(GroupError, match="not a group's score"):
        GroupScore.from_dict(values)


def test_an_unscored_score_has_one_of_everything_a_response_has() -> None:
    score = GroupScore.unscored(GROUPS[1], Cause.SCORING_FAILED, "the worker died")
    assert (score.status, score.cause, score.detail) == (Status.UNSCORED, Cause.SCORING_FAILED, "the worker died")
    assert (score.rewards, len(score.answers), score.size, score.expected_size) == ((None, None), 2, 2, 3)


def test_scores_come_with_their_groups_where_asked() -> None:
    with Scorer(EXACT) as scorer:
        plain = list(scorer.score_many(iter(GROUPS), batch_size=2))
        pairs = list(scorer.score_many(iter(GROUPS), batch_size=2, with_groups=True))
    assert [group for group, _ in pairs] == GROUPS
    assert [score for _, score in pairs] == plain


@pytest.mark.parametrize(
    "label", [None, "", [], [None, ""], math.nan, " ", Decimal("NaN"), Decimal("sNaN"), np.array([])]
)
def test_no_label_is_no_label_everywhere(label: object) -> None:
    group = Group("q", [r"\boxed{1}"], reference=label)  # type: ignore[arg-type] # what a file may hold
    assert group.accepted == ()
    with Scorer({**EXACT, "strategy": "reference"}) as scorer:
        score = scorer.score(group)
    assert score.rewards == (None,)
    assert "accuracy" not in score.metrics


def test_any_of_the_accepted_answers_is_correct() -> None:
    group = Group("capital of France?", [r"\boxed{Paris}", r"\boxed{City of Paris}", r"\boxed{Lyon}"],
                  reference=["Paris", "City of Paris"])  # fmt: skip
    with Scorer(EXACT) as scorer:
        assert scorer.score(group).correct == (True, True, False)


@given(st.lists(st.one_of(st.text(min_size=1), st.integers(), st.none()), max_size=5))
def test_accepted_answers_are_the_texts_of_the_list_once_each(labels: list[object]) -> None:
    group = Group("q", ["a"], reference=labels)  # type: ignore[arg-type] # what a file may hold
    texts = [str(label) for label in labels if label is not None]
    assert group.accepted == tuple(dict.fromkeys(text for text in texts if text.strip()))


@pytest.mark.parametrize(
    ("label", "accepted"),
    [
        (0, ("0",)),
        (Decimal("1.50"), ("1.50",)),
        (Fraction(1, 3), ("1/3",)),
        (np.int64(3), ("3",)),
        (np.float32(0.5), ("0.5",)),
        (np.array(["a", "b"]), ("a", "b")),
        ((1, "1", 2), ("1", "2")),
        ("None", ("None",)),
    ],
)
def test_texts_and_numbers_of_any_type_are_labels(label: Any, accepted: tuple[str, ...]) -> None:
    assert Group("q", ["a"], reference=label).accepted == accepted


@pytest.mark.parametrize(
    "label",
    [True, [True], [[1]], {1}, {"a": 1}, b"x", bytearray(b"x"), 1j, np.array(3), np.array([[1]]), object()],
)
def test_what_is_no_label_is_refused(label: Any) -> None:
    with pytest.raises(GroupError, match="a reference "):
        Group("q", ["a"], reference=label)


@pytest.mark.parametrize("size", ["3", 2.5, True, 0, -1])
def test_an_expected_size_is_an_integer_that_fits(size: Any) -> None:
    with pytest.raises(GroupError, match="expected_size"):
        Group("q", ["a"], expected_size=size)


@pytest.mark.parametrize("value", [0.5, math.nan, math.inf, "x", None, -(10**400)])
def test_a_log_probability_is_a_number_that_is_not_positive(value: Any) -> None:
    with pytest.raises(GroupError, match="log-probability"):
        Group("q", ["a"], token_logprobs=[[value]])


def test_an_integer_that_python_does_not_write_as_text_is_no_label() -> None:
    with pytest.raises(GroupError, match="cannot be written"):
        Group("q", ["a"], reference=10**5000)

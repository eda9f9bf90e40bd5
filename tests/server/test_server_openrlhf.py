"""Request bodies of OpenRLHF."""

from __future__ import annotations

from typing import Any

import pytest

from empo_rewards.gather.samples import SAMPLE_METRICS, Sample, SampleReward
from empo_rewards.group import Answer, Cause, GroupScore, Status
from empo_rewards.server.errors import RequestError
from empo_rewards.server.openrlhf import ScoresField, Submission, answer, read


def test_a_body_of_one_sample() -> None:
    submission = read({"query": ["Q: A"], "prompts": ["Q: "], "labels": ["7"]})
    assert submission == Submission((Sample("Q: ", "A", "7"),), bare=True)


def test_bodies_of_many_and_of_none_and_without_labels() -> None:
    many = read({"query": ["pa", "qb"], "prompts": ["p", "q"], "labels": [1, None], "more": 3})
    assert many == Submission((Sample("p", "a", "1"), Sample("q", "b")), bare=False)
    assert read({"query": [], "prompts": [], "labels": []}) == Submission((), bare=False)
    assert read({"query": ["pa"], "prompts": ["p"]}) == Submission((Sample("p", "a"),), bare=False)


def test_an_empty_label_is_none() -> None:
    assert read({"query": ["pa"], "prompts": ["p"], "labels": [""]}).samples == (Sample("p", "a"),)


def test_a_query_without_its_prompt_is_all_response() -> None:
    assert read({"query": ["a"], "prompts": ["p"]}) == Submission((Sample("p", "a"),), bare=False, whole_queries=1)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (None, "not null"),
        ([1], "not a list"),
        ("x", "not a text"),
        ({}, "`query` is missing"),
        ({"query": ["a"]}, "`prompts` is missing"),
        ({"query": "a", "prompts": ["a"]}, "`query` must be a list of texts, not a text"),
        ({"query": [1.5], "prompts": ["a"]}, r"query\[0\] must be a text, not a number"),
        ({"query": ["a"], "prompts": [None]}, r"prompts\[0\] must be a text, not null"),
        ({"query": ["a"], "prompts": []}, "`prompts` has 0 entries, but `query` has 1"),
        ({"query": ["a"], "prompts": ["a"], "labels": []}, "`labels` has 0 entries"),
        ({"query": ["a"], "prompts": ["a"], "labels": "a"}, "`labels` must be a list, not a text"),
        ({"query": ["a"], "prompts": ["a"], "labels": [{}]}, r"labels\[0\]: .* not dict"),
        ({"query": ["a"], "prompts": ["a"], "labels": [True]}, r"labels\[0\]: .* not bool"),
    ],
)
def test_what_is_wrong_is_named(body: Any, part: str) -> None:
    with pytest.raises(RequestError, match=part) as caught:
        read(body)
    assert caught.value.status == 422


def result(reward: float, correct: bool | None, scored: bool = True) -> SampleReward:
    """What one sample is given."""
    cause = None if scored else Cause.INCOMPLETE
    score = GroupScore(
        rewards=(reward if scored else None,),
        answers=(Answer("1"),),
        clusters=(0,),
        cluster_shares=(1.0,),
        entropy=0.0,
        status=Status.SCORED if scored else Status.UNSCORED,
        cause=cause,
        metrics={"entropy": 0.25},
        correct=None if correct is None else (correct,),
    )
    return SampleReward(reward, scored, correct, score, 0)


def test_one_sample_is_answered_with_numbers_and_many_with_lists() -> None:
    one = read({"query": ["pa"], "prompts": ["p"], "labels": ["1"]})
    assert answer(one, [result(0.5, True)], ScoresField.ACCURACY)["rewards"] == 0.5
    assert answer(one, [result(0.5, True)], ScoresField.ACCURACY)["scores"] == 1.0
    assert answer(one, [result(0.5, True)], ScoresField.REWARD)["scores"] == 0.5
    many = read({"query": ["pa", "pb", "pc"], "prompts": ["p"] * 3, "labels": ["1", "1", None]})
    given = [result(0.5, True), result(0.25, False), result(0.125, None, scored=False)]
    body = answer(many, given, ScoresField.ACCURACY)
    assert (body["rewards"], body["scores"]) == ([0.5, 0.25, 0.125], [1.0, 0.0, 0.125])
    assert body["extra_logs"]["empo/scored"] == [1, 1, 0]
    assert body["extra_logs"]["empo/unscored/incomplete"] == [0, 0, 1]
    assert body["extra_logs"]["empo/labelled"] == [1, 1, 0]


def test_the_logs_are_numbers_under_the_same_keys_whatever_there_is_of_them() -> None:
    empty = answer(read({"query": [], "prompts": [], "labels": []}), [], ScoresField.ACCURACY)
    assert (empty["rewards"], empty["scores"]) == ([], [])
    one = answer(read({"query": ["pa"], "prompts": ["p"], "labels": [None]}), [result(1.0, None)], ScoresField.ACCURACY)
    assert list(empty["extra_logs"]) == list(one["extra_logs"]) == ["empo/" + name for name in SAMPLE_METRICS]
    assert all(values == [] for values in empty["extra_logs"].values())
    assert all(isinstance(value, float) for value in one["extra_logs"].values())
    assert (one["extra_logs"]["empo/entropy"], one["extra_logs"]["empo/accuracy"]) == (0.25, 0.0)

"""What travels: a score to JSON and back, unscored scores, and labels."""

from __future__ import annotations

import json
import math

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
    "broken", [{}, {"rewards": [1.0]}, {"status": "fine"}, {"answers": [{"text": "x", "kind": "riddle"}]}]
)
def test_what_is_no_score_is_refused(broken: dict[str, object]) -> None:
    with Scorer(EXACT) as scorer:
        whole = scorer.score(GROUPS[0]).to_dict()
    with pytest.raises(GroupError, match="not a group's score"):
        GroupScore.from_dict({**whole, **broken} if broken.keys() & {"status", "answers"} else broken)


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


@pytest.mark.parametrize("label", [None, "", [], [None, ""], math.nan])
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
    assert group.accepted == tuple(dict.fromkeys(str(label) for label in labels if label is not None))

"""The questions in words of the training benchmark: their sets and the label of a response."""

from __future__ import annotations

import json
import re
import sys
from itertools import combinations
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from training.methods import WORDS_METHODS
from training.questions import DEVELOPMENT_FAMILIES, SETS, by_text, is_bare, questions, sets

from empo_rewards import Group, Scorer


def test_there_are_enough_and_no_two_are_the_same() -> None:
    assert len(questions()) >= 600
    assert len({question.family for question in questions()}) == 6
    assert len(by_text()) == len(questions())


def test_the_sets_are_disjoint_and_only_development_sets_have_its_families() -> None:
    texts = {name: {question.text for question in chosen} for name, chosen in sets().items()}
    assert set(texts) == {f"{prefix}{name}" for prefix in ("", "development ") for name in SETS}
    assert all(not a & b for a, b in combinations(texts.values(), 2))
    assert sum(map(len, texts.values())) == len(questions())
    for name, chosen in sets().items():
        families = {question.family for question in chosen}
        assert all((family in DEVELOPMENT_FAMILIES) is name.startswith("development") for family in families)
        assert {question.family for question in chosen[: len(families)]} == families  # they take turns


def test_every_accepted_answer_is_right_and_no_rival_is() -> None:
    for question in questions():
        assert question.rivals
        for answer in question.accepted:
            assert question.is_right(answer), (question.text, answer)
            assert question.is_right(f"It is {answer.upper()}."), (question.text, answer)
            assert is_bare(answer)
        for rival in question.rivals:
            assert not question.is_right(rival), (question.text, rival)


def test_the_answer_to_a_choice_is_one_of_its_options() -> None:
    for question in questions():
        if question.family == "choice":
            assert len(question.rivals) == 2
            assert re.findall(r"\w+", question.text).count(question.accepted[0]) == 1


@pytest.mark.parametrize(
    ("subject", "response", "is_right"),
    [
        ("capital of Peru", "lima", True),
        ("capital of Peru", "The capital of Peru is Lima, not Quito.", True),
        ("capital of Peru", "Lima or Quito", False),
        ("capital of Peru", "not Lima", False),
        ("capital of Peru", "Limassol", False),
        ("capital of Colombia", "Bogota", True),
        ("capital of Haiti", "Port au Prince", True),
        ("capital of Mexico", "Mexico", False),
        ("capital of India", "New Delhi", True),
        ('plural of "mouse"', "mouse", False),
        ('plural of "mouse"', 'The plural of "mouse" is "mice".', True),
        ('opposite of "big"', "The opposite of big is small", True),
        ("Is a whale a fish?", "No, a whale is a mammal.", True),
        ("Is a whale a fish?", "Yes", False),
        ("Is a whale a fish?", "Yes and no", False),
        ("symbol of sodium", "Na", True),
        ("symbol of sodium", "Sodium", False),
        ("currency of Poland", "zloty", True),
        ("currency of Japan", "Japanese Yen (JPY)", True),
        ("currency of Japan", "", False),
    ],
)
def test_the_label_of_a_response(subject: str, response: str, is_right: bool) -> None:
    (question,) = (question for question in questions() if subject in question.text)
    assert question.is_right(response) is is_right


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("Paris", True),
        ("Port-au-Prince.", True),
        ("The capital is Paris", False),
        ("It is the city of Paris", False),
        ("", False),
        ("...", False),
        ("Paris\n\nIt is", False),
    ],
)
def test_the_form_of_a_response(response: str, expected: bool) -> None:
    assert is_bare(response) is expected


def test_the_label_is_that_by_hand() -> None:
    """200 responses before and after a training, judged by hand: no wrong one is taken, and two right ones are not."""
    judged = json.loads((Path(__file__).parents[2] / "benchmarks" / "judged_words.json").read_text(encoding="utf-8"))
    labels = [(by_text()[text].is_right(response), is_right) for text, response, is_right in judged]
    assert len(labels) == 200
    assert labels.count((True, False)) == 0
    assert labels.count((False, True)) <= 2


@pytest.mark.parametrize(("method", "expected"), [("reference", {0.0, 1.0}), ("random", {0.0, 1.0}), ("empo", {0.0})])
def test_the_controls_take_groups_without_a_majority(method: str, expected: set[float]) -> None:
    responses = ["Lima", "Rome", "Oslo", "Quito", "Cairo", "Bern", "Paris", "Dakar"]
    question = next(question for question in questions() if "capital of Peru" in question.text)
    chosen = WORDS_METHODS[method]
    group = Group(question.prompt, responses, reference=question.answer if chosen.labelled else None)
    with Scorer(chosen.scorer) as scorer:
        rewards = scorer.score(group).rewards
    assert rewards is not None
    assert set(rewards) == expected
    assert method != "reference" or rewards == (1, 0, 0, 0, 0, 0, 0, 0)

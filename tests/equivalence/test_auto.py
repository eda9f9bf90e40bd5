"""Each answer by what it is; the semantic backend is a stand-in that says what it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards import ConfigError, Group, Scorer, equivalent
from empo_rewards.clustering import connected_components
from empo_rewards.equivalence import AnswerSet, Relation
from empo_rewards.equivalence.auto import AutoEquivalence, Kind, kind_of
from empo_rewards.errors import MissingExtraError
from empo_rewards.extras import EXTRAS, Extra


class Initials:
    """Answers that begin with the same letter mean the same, and are alike by half."""

    gives_similarities = True

    def __init__(self, failing: str = "no such text") -> None:
        self.asked: list[tuple[str, ...]] = []
        self._failing = failing

    def relate(self, sets: Sequence[AnswerSet]) -> list[Relation | Exception]:
        self.asked += [answers.texts for answers in sets]
        return [
            TimeoutError("the judge is silent") if self._failing in answers.texts else self._relation(answers)
            for answers in sets
        ]

    @staticmethod
    def _relation(answers: AnswerSet) -> Relation:
        places = range(len(answers.texts))
        equal = [(i, j) for i, j in combinations(places, 2) if answers.texts[i][:1] == answers.texts[j][:1]]
        rows = [[1.0 if i == j else 0.5 for j in places] for i in places] if answers.similarities else None
        return Relation(tuple(equal), metrics={"model_evaluations": 1.0}, similarities=rows)


def auto(semantic: Initials | None = None) -> AutoEquivalence:
    backend = AutoEquivalence(semantic=None)
    backend._semantic = semantic
    return backend


def clusters(answers: AnswerSet, relation: Relation | Exception) -> set[frozenset[str]]:
    assert isinstance(relation, Relation), relation
    component = connected_components(len(answers.texts), relation.equal)
    return {
        frozenset(text for text, mine in zip(answers.texts, component, strict=True) if mine == first)
        for first in component
    }


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("5", "number"),
        ("five", "number"),
        ("40,000 km", "number"),
        ("$5.50", "number"),
        ("50%", "number"),
        (r"\frac{1}{2}", "number"),
        ("x^2 + 1", "number"),
        (r"\oint f = 3", "number"),
        ("(3, 4)", "number"),
        ("B", "choice"),
        ("(B)", "choice"),
        ("C.", "choice"),
        ("Paris", "short_text"),
        (r"\text{Paris}", "short_text"),
        ("in 1936", "short_text"),
        ("SW19", "short_text"),
        ("World War 2", "short_text"),
        ("1215 (the barons rebelled)", "short_text"),
        ("A. Paris", "short_text"),
        ("Пушкин", "short_text"),
        ("the supply of money grew faster than the demand for it", "long_text"),
        ("?", "short_text"),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    assert kind_of(text) is Kind(kind)


def test_each_kind_goes_its_way() -> None:
    semantic = Initials()
    answers = AnswerSet(("1/2", "0.5", "harbour", "heart", "HARBOUR!", "B", "(B)", "C", "2", "two (just)"))
    (relation,) = auto(semantic).relate([answers])
    assert semantic.asked == [("harbour", "heart", "two (just)")], "one of those that are equal so far"
    assert clusters(answers, relation) == {
        frozenset(("1/2", "0.5")),
        frozenset(("harbour", "heart", "HARBOUR!")),
        frozenset(("B", "(B)")),
        frozenset(("C",)),
        frozenset(("2", "two (just)")),
    }
    assert isinstance(relation, Relation)
    assert {name: relation.metrics[f"{name}s"] for name in ("number", "choice", "short_text", "long_text")} == {
        "number": 3,
        "choice": 3,
        "short_text": 4,
        "long_text": 0,
    }
    assert relation.metrics["model_evaluations"] == 1


def test_no_model_is_asked_about_numbers() -> None:
    semantic = Initials()
    sets = [AnswerSet(("1936", "1937", "1938.0", "1938")), AnswerSet(("A", "B")), AnswerSet(("Paris", "7"))]
    found = auto(semantic).relate(sets)
    assert semantic.asked == []
    assert [len(clusters(answers, relation)) for answers, relation in zip(sets, found, strict=True)] == [3, 2, 2]


def test_brackets_and_signs_of_mathematics_count() -> None:
    answers = AnswerSet(("[0, 1)", "(0, 1)", "-5", "5", "{1, 2}", "(1, 2)"))
    (relation,) = auto().relate([answers])
    assert clusters(answers, relation) == {frozenset((text,)) for text in answers.texts}


def test_a_fault_stays_a_fault_and_costs_only_its_group() -> None:
    sets = [AnswerSet(("Rome", "Oslo")), AnswerSet(("Bern", "Bonn")), AnswerSet(("1", "2"))]
    failed, *others = auto(Initials(failing="Oslo")).relate(sets)
    assert isinstance(failed, TimeoutError)
    assert [clusters(answers, relation) for answers, relation in zip(sets[1:], others, strict=True)] == [
        {frozenset(("Bern", "Bonn"))},
        {frozenset(("1",)), frozenset(("2",))},
    ]


def test_similarities_are_those_of_texts_and_ones_of_what_is_equal() -> None:
    answers = AnswerSet(("Rome", "1/2", "0.5", "rome", "Oslo"), similarities=True)
    (relation,) = auto(Initials()).relate([answers])
    assert isinstance(relation, Relation)
    assert relation.similarities == [
        [1, 0, 0, 1, 0.5],
        [0, 1, 1, 0, 0],
        [0, 1, 1, 0, 0],
        [1, 0, 0, 1, 0.5],
        [0.5, 0, 0, 0.5, 1],
    ]


@given(
    texts=st.lists(
        st.sampled_from(["1/2", "0.5", "half", "heart", "B", "(B)", "2", "two (just)", "Paris", "Paris, France", "?"]),
        unique=True,
    ),
    seed=st.randoms(use_true_random=False),
)
def test_order_does_not_matter(texts: list[str], seed: object) -> None:
    moved = list(texts)
    seed.shuffle(moved)  # type: ignore[attr-defined]
    sets = [AnswerSet(tuple(order)) for order in (texts, moved)]
    first, second = (clusters(answers, auto(Initials()).relate([answers])[0]) for answers in sets)
    assert first == second


def test_without_a_semantic_backend_words_decide() -> None:
    options = {"semantic": None}
    assert equivalent("Jupiter", "Jupiter (the fifth planet)", "auto", **options) is True
    assert equivalent("Jupiter", "the fifth planet", "auto", **options) is False
    assert equivalent("Jupiter", "Jupiter (the fifth planet)", "auto", **options, words=False) is False
    assert equivalent("50%", "0.5", "auto", **options) is True


def test_the_preset_scores_each_kind_in_the_light_install() -> None:
    with Scorer.from_config({"preset": "empo-natural", "equivalence": {"semantic": None}}) as scorer:
        numbers, words = scorer.score_many(
            [
                Group("What is a half?", [r"\boxed{0.5}", r"\boxed{\frac12}", r"\boxed{2}"]),
                Group("The largest planet?", ["Jupiter", "The answer is Jupiter.", "Saturn", ""]),
            ]
        )
    assert numbers.rewards == pytest.approx((2 / 3, 2 / 3, 1 / 3))
    assert words.rewards == (0.5, 0.5, 0.25, -0.5)
    assert numbers.metrics["equivalence/numbers"] == 3


def test_what_is_missing_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "embedding", Extra("x", ("no_such_module_here",)))  # type: ignore[arg-type] # a dict
    with pytest.raises(MissingExtraError, match=r"no_such_module_here.*pip install 'empo-rewards\[embedding\]'"):
        Scorer.from_config("empo-natural")
    with pytest.raises(ConfigError, match="equivalence: semantic: no equivalence backend is called 'embeding'"):
        Scorer.from_config({"preset": "empo-natural", "equivalence": {"semantic": {"name": "embeding"}}})

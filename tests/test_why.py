"""`Scorer.why`: the reason for each pair of responses, which agrees with the clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest

from empo_rewards import Group, Scorer, hookimpl
from empo_rewards.errors import GroupError, PluginError, StageError
from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Reason, Relation

ANSWERS = [
    r"\boxed{1/2}",
    r"\boxed{0.5}",
    r"\boxed{5\text{ cm}}",
    r"\boxed{\frac12}",
    "no answer",
    r"\boxed{0.5}",
    r"\boxed{x+1}",
]


@pytest.mark.parametrize(
    "equivalence", ["math", "exact", {"name": "auto", "semantic": None}, {"name": "exact", "normalize": False}]
)
def test_reasons_agree_with_the_clusters(equivalence: object) -> None:
    group = Group("q", ANSWERS)
    pairs = list(combinations(range(len(group)), 2))
    with Scorer({"preset": "empo-math", "equivalence": equivalence}) as scorer:
        score = scorer.score(group)
        reasons = scorer.why(group, [*pairs, *((j, i) for i, j in pairs)])
    for (i, j), reason, reverse in zip(pairs, reasons, reasons[len(pairs) :], strict=False):
        assert (reason.relation == "equal") == (score.clusters[i] == score.clusters[j])
        assert (reason.relation, reason.rule) == (reverse.relation, reverse.rule)
    assert reasons[pairs.index((1, 5))].rule == "the same text"
    blank = reasons[pairs.index((0, 4))]
    assert (blank.rule, blank.facts) == ("not compared", {"response 4": "it has no answer (blank)"})


def test_mathematics_says_its_canonical_forms() -> None:
    with Scorer("empo-math") as scorer:
        same, other = scorer.why(Group("q", ANSWERS), [(0, 3), (6, 0)])
    assert same.rule == other.rule == "canonical forms"
    assert same.facts["one"] == same.facts["other"]
    assert "x" in str(other.facts["one"])
    assert "x" not in str(other.facts["other"])


def test_a_guard_that_voids_an_answer_is_named() -> None:
    copied = "the speed of light in empty space"
    guards = [{"name": "copied", "void": True}]
    with Scorer({"preset": "empo-math", "equivalence": "exact", "guards": guards}) as scorer:
        (reason,) = scorer.why(Group(f"What is {copied}?", [r"\boxed{1}", rf"\boxed{{{copied}}}"]), [(0, 1)])
    assert reason.facts == {"response 1": "a guard took its vote"}


class Alike(EquivalenceBackend):
    """Joins texts of one length; its similarity is 1 or 0."""

    gives_similarities = True

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation]:
        found = []
        for answers in sets:
            pairs = combinations(range(len(answers.texts)), 2)
            equal = tuple((i, j) for i, j in pairs if len(answers.texts[i]) == len(answers.texts[j]))
            rows = [[float(len(a) == len(b)) for b in answers.texts] for a in answers.texts]
            found.append(Relation(equal, similarities=rows if answers.similarities else None))
        return found


class Wrong(Alike):
    """Its reason is no reason."""

    def why(self, answers: AnswerSet, i: int, j: int) -> Reason:
        return "because"  # type: ignore[return-value] # that is what is wrong


class Broken(Alike):
    """Cannot compare."""

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation]:
        raise RuntimeError("no model")


class Plugin:
    """Registers them."""

    @hookimpl
    def register_equivalence_backends(self, register: object) -> None:
        for backend in (Alike, Wrong, Broken):
            register(backend.__name__.lower(), backend)  # type: ignore[operator] # a function


def test_a_backend_without_reasons_of_its_own_compares_the_pair_alone() -> None:
    with Scorer({"preset": "empo-math", "equivalence": "alike"}, plugins=[Plugin()]) as scorer:
        same, other = scorer.why(Group("q", [r"\boxed{ab}", r"\boxed{cd}", r"\boxed{efg}"]), [(0, 1), (0, 2)])
    assert (same.relation, same.facts) == ("equal", {"alone": "equal", "similarity": 1.0})
    assert (other.relation, other.facts) == ("different", {"alone": "different", "similarity": 0.0})


def test_faults_are_told() -> None:
    group = Group("q", [r"\boxed{ab}", r"\boxed{cd}"], id="g")
    with Scorer({"preset": "empo-math", "equivalence": "wrong"}, plugins=[Plugin()]) as scorer:
        with pytest.raises(StageError, match="gave a str, not a Reason") as caught:
            scorer.why(group, [(0, 1)])
        assert isinstance(caught.value.__cause__, PluginError)
        with pytest.raises(GroupError, match="group 'g': no pair 0, 2 among 2 responses"):
            scorer.why(group, [(0, 2)])
    with (
        Scorer({"preset": "empo-math", "equivalence": "broken"}, plugins=[Plugin()]) as scorer,
        pytest.raises(StageError, match="no model"),
    ):
        scorer.why(group, [(0, 1)])


class Odd(Alike):
    """Says as facts what JSON has no form for."""

    def why(self, answers: AnswerSet, i: int, j: int) -> Reason:
        facts: dict[Any, Any] = {"nan": math.nan, "half": Decimal("0.5"), "sure": True, 1: [2]}
        return Reason("odd", facts)


class OddPlugin:
    @hookimpl
    def register_equivalence_backends(self, register: Any) -> None:
        register("odd", Odd)


def test_facts_of_a_plugin_are_made_fit_for_json() -> None:
    with Scorer({"preset": "empo-math", "equivalence": "odd"}, plugins=[OddPlugin()]) as scorer:
        (reason,) = scorer.why(Group("q", ANSWERS), [(0, 6)])
    assert reason.facts == {"nan": "nan", "half": 0.5, "sure": "True", "1": "[2]"}


class Chained(EquivalenceBackend):
    """Joins texts that differ by one in length, so that some are joined through others alone."""

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation]:
        return [
            Relation(
                tuple(
                    (i, j)
                    for i, j in combinations(range(len(answers.texts)), 2)
                    if abs(len(answers.texts[i]) - len(answers.texts[j])) <= 1
                )
            )
            for answers in sets
        ]


class ChainedPlugin:
    @hookimpl
    def register_equivalence_backends(self, register: Any) -> None:
        register("chained", Chained)


def test_a_pair_that_is_joined_through_a_third_says_so() -> None:
    with Scorer({"preset": "empo-math", "equivalence": "chained"}, plugins=[ChainedPlugin()]) as scorer:
        direct, through = scorer.why(Group("q", [r"\boxed{a}", r"\boxed{ab}", r"\boxed{abc}"]), [(0, 1), (0, 2)])
    assert (direct.relation, direct.facts) == ("equal", {"alone": "equal"})
    assert (through.relation, through.facts) == (
        "equal",
        {"alone": "different", "clusters": "joined through other answers"},
    )

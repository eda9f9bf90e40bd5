"""The relation engine: the pairs it asks for, and a result that depends on the answers alone."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import ClassVar
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards import Group, Scorer, hookimpl
from empo_rewards.clustering import connected_components
from empo_rewards.equivalence.rounds import Pair, PairVerdict, relate_in_rounds
from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Relation

TWO_EVALUATIONS = {"model_evaluations": 2.0}


def initials(pairs: Sequence[Pair]) -> list[PairVerdict]:
    """The stand-in for a model: texts that begin with the same letter mean the same."""
    return [PairVerdict(pair.left[0] == pair.right[0], cost=TWO_EVALUATIONS) for pair in pairs]


class Recorded:
    """A `Compare` that keeps what it was asked."""

    def __init__(
        self, close: set[frozenset[str]] = frozenset(), failing: Mapping[str, Exception] | None = None
    ) -> None:
        self.rounds: list[list[Pair]] = []
        self._close, self._failing = close, failing or {}

    def __call__(self, pairs: Sequence[Pair]) -> list[bool | Exception]:
        self.rounds.append(list(pairs))
        return [
            next((fault for word, fault in self._failing.items() if word in (pair.left, pair.right)), None)
            or frozenset((pair.left, pair.right)) in self._close
            for pair in pairs
        ]


class Kept:
    """A memory that holds everything."""

    def __init__(self) -> None:
        self.verdicts: dict[Pair, PairVerdict] = {}

    def get_many(self, pairs: Sequence[Pair]) -> dict[Pair, PairVerdict]:
        return {pair: self.verdicts[pair] for pair in pairs if pair in self.verdicts}

    def put_many(self, verdicts: Mapping[Pair, PairVerdict]) -> None:
        self.verdicts.update(verdicts)


def clusters(answers: AnswerSet, relation: Relation | Exception) -> set[frozenset[str]]:
    assert isinstance(relation, Relation)
    component = connected_components(len(answers.texts), relation.equal)
    return {
        frozenset(text for text, mine in zip(answers.texts, component, strict=True) if mine == first)
        for first in component
    }


def test_a_round_asks_one_representative_a_group_and_shares_equal_pairs() -> None:
    compare = Recorded({frozenset(("x", "z")), frozenset(("p", "q"))})
    sets = [AnswerSet(("x", "y", "z", "w")), AnswerSet(("x", "w", "y")), AnswerSet(("p", "q")), AnswerSet(("alone",))]
    found = relate_in_rounds(sets, compare)
    assert compare.rounds == [
        [Pair("p", "q"), Pair("w", "x"), Pair("x", "y"), Pair("x", "z")],
        [Pair("w", "y")],
    ]
    assert [clusters(answers, relation) for answers, relation in zip(sets, found, strict=True)] == [
        {frozenset("xz"), frozenset("y"), frozenset("w")},
        {frozenset("x"), frozenset("w"), frozenset("y")},
        {frozenset("pq")},
        {frozenset(("alone",))},
    ]


def test_equal_normal_forms_are_not_asked_about() -> None:
    compare = Recorded()
    (relation,) = relate_in_rounds([AnswerSet(("Paris", "paris.", "the Paris", "Rome"))], compare)
    assert compare.rounds == [[Pair("Paris", "Rome")]]
    assert isinstance(relation, Relation)
    assert relation.equal == ((0, 1), (0, 2))
    assert relation.metrics["distinct_texts"] == 2


@pytest.mark.parametrize("complete", [False, True])
def test_what_the_caller_has_settled_is_not_asked(complete: bool) -> None:
    compare = Recorded({frozenset(("x", "y")), frozenset(("x", "z")), frozenset(("y", "z"))})
    answers = AnswerSet(("x", "y", "X", "z"), settled=frozenset({(0, 1), (1, 3)}))
    (relation,) = relate_in_rounds([answers], compare, complete=complete)
    assert compare.rounds == [[Pair("x", "z")]]
    assert clusters(answers, relation) == {frozenset("xXz"), frozenset("y")}


def test_all_pairs_where_the_relation_is_to_be_complete() -> None:
    chain = {frozenset("ab"), frozenset("bc"), frozenset("cd")}
    answers = AnswerSet(("a form", "b form", "c form", "d form"))
    close = {frozenset(f"{letter} form" for letter in pair) for pair in chain}
    (by_rounds,), (whole,) = (relate_in_rounds([answers], Recorded(close), complete=flag) for flag in (False, True))
    assert clusters(answers, by_rounds) == {frozenset(answers.texts[:2]), frozenset(answers.texts[2:])}
    assert clusters(answers, whole) == {frozenset(answers.texts)}


def test_similarities_ask_all_pairs_and_leave_the_clusters() -> None:
    alike = {"xy": 0.9, "xz": 0.2, "yz": 0.8}

    def compare(pairs: Sequence[Pair]) -> list[PairVerdict]:
        values = [alike[pair.left[0] + pair.right[0]] for pair in pairs]
        return [PairVerdict(value > 0.5, value) for value in values]

    texts = ("x", "X", "y", "z")
    (asked,) = relate_in_rounds([AnswerSet(texts, similarities=True)], compare)
    (plain,) = relate_in_rounds([AnswerSet(texts)], compare)
    assert isinstance(asked, Relation)
    assert isinstance(plain, Relation)
    assert asked.similarities == [[1, 1, 0.9, 0.2], [1, 1, 0.9, 0.2], [0.9, 0.9, 1, 0.8], [0.2, 0.2, 0.8, 1]]
    assert plain.similarities is None
    assert asked.equal == plain.equal


def test_a_pair_that_fails_costs_its_groups_and_no_other() -> None:
    fault = TimeoutError("the server is gone")
    compare = Recorded({frozenset("xy")}, {"bad": fault})
    sets = [AnswerSet(("x", "bad", "u", "v")), AnswerSet(("x", "y")), AnswerSet(("x", "u", "v"))]
    failed, first, second = relate_in_rounds(sets, compare)
    assert failed is fault
    assert clusters(sets[1], first) == {frozenset("xy")}
    assert clusters(sets[2], second) == {frozenset("x"), frozenset("u"), frozenset("v")}
    assert len(compare.rounds) == 2, "the failed group asks no more"


def test_the_prompt_is_the_context_by_choice() -> None:
    sets = [AnswerSet(("x", "y"), "first"), AnswerSet(("x", "y"), "second")]
    for in_context, asked in ((False, {""}), (True, {"first", "second"})):
        compare = Recorded()
        relate_in_rounds(sets, compare, in_context=in_context)
        assert {pair.prompt for pair in compare.rounds[0]} == asked


def test_the_work_of_shared_pairs_is_counted_once() -> None:
    sets = [AnswerSet(("x1", "y1")), AnswerSet(("y1", "x1")), AnswerSet(("x1", "y1", "x2"))]
    memory = Kept()
    first = relate_in_rounds(sets, initials, memory=memory)
    assert sum(relation.metrics["model_evaluations"] for relation in first) == pytest.approx(2 * 2)  # type: ignore[union-attr]
    assert [relation.metrics["cache_hits"] for relation in first] == [0, 0, 0]  # type: ignore[union-attr]
    again = relate_in_rounds(sets, initials, memory=memory)
    assert all("model_evaluations" not in relation.metrics for relation in again)  # type: ignore[union-attr]
    assert [relation.metrics["cache_hits"] for relation in again] == [1, 1, 2]  # type: ignore[union-attr]


words = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=9, unique=True)


@given(groups=st.lists(words, min_size=1, max_size=5), seed=st.integers(0, 9), complete=st.booleans())
def test_order_and_memory_change_nothing(groups: list[list[str]], seed: int, complete: bool) -> None:
    pairs = [sorted((a, b)) for group in groups for a in group for b in group]
    close = {frozenset(pair) for pair in pairs if crc32(f"{seed} {pair}".encode()) % 3 == 0}
    sets = [AnswerSet(tuple(group)) for group in groups]
    plain = relate_in_rounds(sets, Recorded(close), complete=complete)
    order = list(range(len(sets)))
    random.Random(seed).shuffle(order)
    moved = relate_in_rounds([sets[i] for i in order], Recorded(close), complete=complete)
    assert moved == [plain[i] for i in order]
    memory = Kept()
    relate_in_rounds(sets[::2], Recorded(close), memory=memory)
    warm = relate_in_rounds(sets, Recorded(close), memory=memory, complete=complete)
    assert [relation.equal for relation in warm] == [relation.equal for relation in plain]  # type: ignore[union-attr]


@given(groups=st.lists(words, min_size=1, max_size=5))
def test_an_equivalence_is_found_within_the_budget(groups: list[list[str]]) -> None:
    sets = [AnswerSet(tuple(group)) for group in groups]
    found = relate_in_rounds(sets, initials)
    evaluations, budget = 0.0, 0
    for answers, relation in zip(sets, found, strict=True):
        expected = {frozenset(text for text in answers.texts if text[0] == letter) for letter in "abc"} - {frozenset()}
        assert clusters(answers, relation) == expected
        assert isinstance(relation, Relation)
        evaluations += relation.metrics.get("model_evaluations", 0)
        budget += 2 * len(answers.texts) * len(expected)
    assert evaluations <= budget + 1e-9


def test_a_scorer_leaves_unscored_what_could_not_be_compared() -> None:
    class Flaky(EquivalenceBackend):
        CALLS: ClassVar[list[int]] = []

        def relate(self, sets: Sequence[AnswerSet]) -> list[Relation | Exception]:
            self.CALLS.append(len(sets))
            return relate_in_rounds(sets, Recorded(failing={"y": ConnectionError("down")}))

    class Plugin:
        @hookimpl
        def register_equivalence_backends(self, register):  # type: ignore[no-untyped-def]
            register("flaky", Flaky)

    with Scorer({"equivalence": "flaky"}, plugins=[Plugin()]) as scorer:
        bad, good = scorer.score_many([Group("?", [r"\boxed{x}", r"\boxed{y}"]), Group("?", [r"\boxed{x}"] * 2)])
    assert (bad.status.value, bad.cause.value, bad.detail) == (  # type: ignore[union-attr]
        "unscored",
        "equivalence_failed",
        "ConnectionError: down",
    )
    assert good.rewards == (1, 1)
    assert Flaky.CALLS == [2], "a fault that names its group is not asked about again"

"""What answers in words say word by word; the cases are judged by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.clustering import components
from empo_rewards.equivalence.auto import AutoEquivalence
from empo_rewards.equivalence.words import relate_words
from empo_rewards.equivalence.words.reading import MAX_CHARS, read
from empo_rewards.protocols import AnswerSet, Relation

HERE = Path(__file__).parent
CASES: dict[str, dict[str, list[list[str]]]] = json.loads((HERE / "words_cases.json").read_text("utf-8"))
JUDGED = json.loads((HERE.parents[1] / "benchmarks" / "judged_short_answers.json").read_text("utf-8"))
BACKEND = AutoEquivalence()
"""Without a model."""


def clusters(texts: Sequence[str], prompt: str = "") -> set[frozenset[str]]:
    (relation,) = BACKEND.relate([AnswerSet(tuple(texts), prompt)])
    assert isinstance(relation, Relation)
    component = components(len(texts), relation)
    return {
        frozenset(text for text, mine in zip(texts, component, strict=True) if mine == first) for first in component
    }


def joined(pair: Sequence[str]) -> bool:
    a, b, *prompt = pair
    return len(clusters(sorted((a, b)), *prompt)) == 1


@pytest.mark.parametrize("kind", CASES)
def test_the_same_is_one_and_another_is_not(kind: str) -> None:
    assert [pair for pair in CASES[kind]["different"] if joined(pair)] == []
    assert [pair for pair in CASES[kind]["same"] if not joined(pair)] == []


def test_on_judged_pairs_words_are_precise() -> None:
    assert [pair for pair in JUDGED["different"] if joined(pair)] == []
    assert sum(map(joined, JUDGED["same"])) >= 15


@pytest.mark.parametrize(
    ("text", "answer", "said"),
    [
        ("Jupiter (the fifth planet)", "jupiter", "planet 5"),
        ("Jupiter, by far", "jupiter", "by far"),
        ("Jupiter - a planet", "jupiter", "planet"),
        ("Jupiter. It has rings", "jupiter", "ring"),
        ("Jupiter because it is large", "jupiter", "big"),
        ("Fred Perry, the champion of 1936", "fred perry", "champion of 1936"),
        ("It is Jupiter", "jupiter", ""),
        ("The answer is Jupiter", "jupiter", ""),
        ("the price of oil", "oil price", ""),
        ("a rise in prices", "price ↑", ""),
        ("Prices went up", "price ↑", ""),
        ("not reversible", "¬ reversible", ""),
        ("the Second World War", "world war 2", ""),
        ("World War II", "world war 2", ""),
        ("The heart is supplied by the aorta", "aorta supply heart", ""),
        ("The voltage lags the current", "current lead voltage", ""),
        ("Malmö", "malmo", ""),
        ("U.S. Army", "usa army", ""),
        ("不会增加", "¬ ↑", ""),
        ("北京。", "北 京", ""),
    ],
)
def test_a_text_is_an_answer_and_what_is_said_about_it(text: str, answer: str, said: str) -> None:
    reading = read(text)
    assert (" ".join(reading.head.words), " ".join(reading.tail)) == (answer, said)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("land, labour and capital", [("land",), ("labor",), ("capital",)]),
        ("salt & pepper", [("salt",), ("pepper",)]),
        ("Paris, the capital", []),
        ("Paris, France", []),
        ("in 1936, when he won", []),
    ],
)
def test_enumerations(text: str, items: list[tuple[str, ...]]) -> None:
    assert [item.content for item in read(text).items] == items


def test_what_differs_is_not_joined_through_a_third() -> None:
    cups = ["the World Cup", "1994 World Cup", "2014 World Cup"]
    assert len(clusters(cups, "Which tournament was it?")) == 3
    assert clusters(["Curie", "Marie Curie", "Pierre Curie", "M. Curie"], "Who discovered polonium?") >= {
        frozenset(("Pierre Curie",))
    }
    assert clusters(["Curie", "Marie Curie"], "Who discovered polonium?") == {frozenset(("Curie", "Marie Curie"))}
    assert len(clusters(["increases", "supply increases", "demand increases"], "How do supply and demand react?")) == 3
    assert len(clusters(["Cats", "Cats (film)", "Cats (musical)"])) == 3
    assert len(clusters(["the cell", "into the cell", "through the cell"])) == 3
    assert len(clusters(["Cats", "Cats (film)", "Cats (musical)"], "Which musical is it?")) == 2


def test_a_hedge_joins_nothing() -> None:
    roles = ["Roger Moore", "Sean Connery", "Sean Connery, perhaps Roger Moore", "Sean Connery (Roger Moore)"]
    assert len(clusters(roles, "Who played the part?")) == 4
    assert len(clusters(["Sean Connery", "Sean Connery (a Scot)"], "Who played the part?")) == 1


def test_an_abbreviation_in_brackets_is_no_hedge() -> None:
    assert len(clusters(["gross domestic product (GDP)", "GDP", "gross domestic product"])) == 1


def test_a_sentence_that_repeats_the_question_gives_the_rest_of_it() -> None:
    prompt = "Which title character was called Anna?"
    sentences = ["Anna is the heroine of Tolstoy's novel *Anna Karenina*.", "Anna Karenina", "Anna is no character."]
    assert clusters(sentences, prompt) == {frozenset(sentences[:2]), frozenset(sentences[2:])}


@pytest.mark.parametrize(
    ("prompt", "same", "others"),
    [
        ("What is the plural of 'wolf'?", ["wolves", "Wolves.", "The plural of wolf is wolves."], ["wolf", "wolfs"]),
        ("Give the past tense of jump.", ["jumped", "The past tense of jump is jumped."], ["jumps", "jump"]),
        ("How is the river spelled?", ["Mississippi"], ["Missisippi", "Mississipi"]),
    ],
)
def test_a_question_for_a_form_of_a_word_tells_its_forms_apart(prompt: str, same: list[str], others: list[str]) -> None:
    assert clusters([*same, *others], prompt) == {frozenset(same), *(frozenset((other,)) for other in others)}
    assert len(clusters(["dog", "dogs"], "Which animals bark?")) == 1


def test_words_that_a_question_sets_against_each_other_are_not_repeated_from_it() -> None:
    prompt = "Is the correlation positive or negative?"
    assert len(clusters(["correlation", "positive correlation", "negative correlation"], prompt)) == 3


@given(
    st.lists(
        st.text(st.sampled_from("aZ1 ,.()-²é不\n\"*'"), max_size=30) | st.text(max_size=30), max_size=6, unique=True
    )
)
def test_any_texts_have_a_relation_in_which_nothing_is_same_and_different(texts: list[str]) -> None:
    found = relate_words(texts, "Who or what is it?")
    pairs = [*found.same, *found.different, *found.other, *found.spelled]
    assert all(0 <= i < j < len(texts) for i, j in pairs)
    assert found.same.keys().isdisjoint(found.different | found.other)
    assert all(0 < strength <= 1 for strength in found.same.values())


TEXTS = [text for kind in CASES.values() for pairs in kind.values() for pair in pairs for text in pair[:2]]


@given(st.lists(st.sampled_from(TEXTS), max_size=8, unique=True), st.randoms(use_true_random=False))
def test_order_does_not_matter(texts: list[str], random: object) -> None:
    moved = list(texts)
    random.shuffle(moved)  # type: ignore[attr-defined] # hypothesis gives a random.Random
    assert clusters(moved, "Who was it?") == clusters(texts, "Who was it?")


def test_a_long_text_is_not_read() -> None:
    long = "the supply of money grew " * (MAX_CHARS // 20)
    assert read(long).long
    assert clusters([long, long + "not", "the supply of money grew"]) == {
        frozenset((text,)) for text in (long, long + "not", "the supply of money grew")
    }


@pytest.mark.parametrize(
    "piece", ["(", "a, ", "A.", "of ", "- ", "is ", "and ", "1", "*", '"', "é", "不", " ", "\\text{"]
)
def test_hostile_texts_are_read(piece: str) -> None:
    reading = read(piece * (MAX_CHARS // len(piece)))
    assert not reading.long
    assert len(clusters([piece * 2, piece * (MAX_CHARS // len(piece)), "Paris"])) >= 1

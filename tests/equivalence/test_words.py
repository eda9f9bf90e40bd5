"""Comparison of short answers word by word."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.equivalence.words import MAX_CHARS, contrast, equal_by_words, words_of

JUDGED = json.loads((Path(__file__).parents[2] / "benchmarks" / "judged_short_answers.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Beatles", "beatles"),
        ("Malmö", "malmo"),
        ("40,000 km", "40000 km"),
        ("40,000km", "40000 km"),
        ("the 2nd derivative", "2 derivative"),
        ("Newton’s Second Law", "newtons 2 law"),
        ("Henry VIII", "henry 8"),
        ("eight maids-a-milking", "8 maids milking"),
        ("Smith & Jones", "smith and jones"),
        ("-5", "-5"),
        ("1.5 %", "1.5 %"),
        ("10-12", "10 12"),
        ("Пётр I", "петр i"),
        ("北京", "北京"),
        ("a" * (MAX_CHARS + 1), ""),
    ],
)
def test_words(text: str, words: str) -> None:
    assert words_of(text) == tuple(words.split())


@pytest.mark.parametrize(
    ("answer", "explained"),
    [
        ("1215", "1215 (the barons rebelled)"),
        ("Jupiter", "Jupiter, the largest one"),
        ("Jupiter", "Jupiter - by far"),
        ("B", "B. Paris"),
        ("Paris", "Paris. It has been so since 987"),
        ("SW19", "SW19, as the courts are at 1 Church Road"),
        ("Moaning Myrtle", "She plays Moaning Myrtle in it"),
        ("five", "5"),
    ],
)
def test_an_answer_and_what_is_said_about_it(answer: str, explained: str) -> None:
    assert equal_by_words([answer, explained]) == [(0, 1)]
    assert equal_by_words([explained, answer]) == [(0, 1)]


@pytest.mark.parametrize(
    ("answer", "other"),
    [
        ("flush", "royal flush"),
        ("Botswana", "Botswana and South Africa"),
        ("South Africa", "Botswana and South Africa"),
        ("Toy Story", "Toy Story 3"),
        ("Paris", "not Paris"),
        ("US", "U.S. Army"),
        ("Paris", "Paris, not really"),
        ("3", "3, 4"),
        ("3", "3.4"),
        ("5", "-5"),
        ("5", "5!"),
        ("Paris", "a" * 2_000 + " Paris (France)"),
    ],
)
def test_what_is_another_answer(answer: str, other: str) -> None:
    assert equal_by_words([answer, other]) == []


def test_a_hedge_joins_nothing() -> None:
    assert equal_by_words(["Roger Moore", "Sean Connery", "Sean Connery, perhaps Roger Moore"]) == []
    assert equal_by_words(["Sean Connery", "Sean Connery, perhaps Roger Moore"]) == [(0, 1)]


def test_the_larger_of_two_nested_answers_is_meant() -> None:
    assert equal_by_words(["White House", "House", "White House (Washington)"]) == [(0, 2)]


def test_words_in_any_order_by_choice() -> None:
    texts = ["World War Two", "the Second World War", "World War One", "Red and gold", "Gold, red"]
    assert equal_by_words(texts) == []
    assert equal_by_words(texts, any_order=True) == [(0, 1)]


@given(st.permutations(["Jupiter", "Jupiter (a planet)", "jupiter!", "Saturn", "Saturn or Jupiter", "5", "five"]))
def test_order_does_not_matter(texts: list[str]) -> None:
    pairs = {frozenset((texts[i], texts[j])) for i, j in equal_by_words(texts)}
    joined = {frozenset(("5", "five"))}
    assert joined <= pairs
    reached = {"Jupiter"}
    for _ in texts:
        reached |= {text for pair in pairs if pair & reached for text in pair}
    assert reached == {"Jupiter", "Jupiter (a planet)", "jupiter!"}


@given(st.lists(st.text(max_size=40), max_size=6, unique=True))
def test_any_text_has_pairs_in_order_and_a_symmetric_contrast(texts: list[str]) -> None:
    assert all(0 <= i < j < len(texts) for i, j in equal_by_words(texts, any_order=True))
    for a, b in itertools.product(texts, texts):
        assert contrast(a, b) is contrast(b, a)
        assert a != b or not contrast(a, b)


@pytest.mark.parametrize(
    ("a", "b", "apart"),
    [
        ("left hand", "right hand", True),
        ("5 years", "6 years", True),
        ("Henry VII", "Henry VIII", True),
        ("Toy Story", "Toy Story 3", True),
        ("it is possible", "it is not possible", True),
        ("peas", "peas and beans", True),
        ("Shakespeare", "William Shakespeare", False),
        ("aluminium", "aluminum", False),
        ("the colour red", "red color", False),
        ("Fred Perry", "Fred Perry, the champion of 1936", False),
    ],
)
def test_contrast(a: str, b: str, apart: bool) -> None:
    assert contrast(a, b) is apart


def test_long_texts_are_left_to_the_model() -> None:
    long = "the supply of money grew faster than the demand for it in"
    assert contrast(f"{long} 1923", f"{long} 1924") is False


def test_on_judged_pairs_words_are_precise() -> None:
    """The pairs are judged by hand."""

    def joined(kind: str, any_order: bool) -> list[list[str]]:
        return [pair for pair in JUDGED[kind] if equal_by_words(sorted(pair), any_order=any_order)]

    assert joined("different", any_order=False) == []
    assert joined("different", any_order=True) == [["supply exceeds demand", "demand exceeds supply"]]
    assert len(joined("same", any_order=False)) >= 18
    assert sum(contrast(*pair) for pair in JUDGED["different"]) >= 58

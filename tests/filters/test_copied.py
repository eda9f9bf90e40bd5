"""Answers copied from the prompt."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from empo_rewards.filters.copied import MIN_WORDS, common_subsequence, copied_as_in_paper, copied_from_prompt

QUESTION = "Explain in your own words why the leaves of most trees change their colour in the autumn months."


@pytest.mark.parametrize(
    "answer",
    [
        QUESTION,
        QUESTION.upper(),
        "why the leaves of most trees change their colour",
        "Why the leaves  of most trees, change their colour?",
        QUESTION.replace("most", "many"),
        "Explain in own words why leaves of most trees change their colour in the autumn months",
    ],
)
def test_copied(answer: str) -> None:
    assert copied_from_prompt(answer, QUESTION)


@pytest.mark.parametrize(
    "answer",
    [
        "Because chlorophyll breaks down and the other pigments of the leaf become visible in its place.",
        "the leaves of most trees",
        "autumn",
        "",
        "their most the of colour change why leaves trees the explain in own your words months autumn in the",
    ],
)
def test_not_copied(answer: str) -> None:
    assert not copied_from_prompt(answer, QUESTION)


def test_short_answers_occur_in_questions() -> None:
    assert not copied_from_prompt("7", "Which is larger, 7 or 9?")
    assert not copied_from_prompt("the sum of the primes", "Which is larger, 7 or the sum of the primes?")


def test_a_listed_choice_is_an_answer() -> None:
    prompt = "Why?\nA. Because the pigments of the leaf break down\nB. Because the days are longer than the nights"
    assert not copied_from_prompt("because the pigments of the leaf break down.", prompt)
    assert copied_from_prompt("of the leaf break down B Because the days", prompt)


def test_the_threshold() -> None:
    answer = QUESTION.replace("most", "many")  # 16 of 17 words: F = 16/17
    assert copied_from_prompt(answer, QUESTION, rouge_l=0.94)
    assert not copied_from_prompt(answer, QUESTION, rouge_l=0.95)


def test_scripts_other_than_latin() -> None:
    question = "почему листья большинства деревьев меняют цвет осенью"
    assert copied_from_prompt(question, question)
    assert not copied_from_prompt("потому что хлорофилл распадается и видны другие краски", question)


def _f_measure(a: list[str], b: list[str]) -> float:
    """ROUGE-L by its definition, with the textbook recursion over rows."""
    row = [0] * (len(b) + 1)
    for x in a:
        above, row = row, [0]
        for position, y in enumerate(b):
            row.append(above[position] + 1 if x == y else max(above[position + 1], row[-1]))
    return 2 * row[-1] / (len(a) + len(b))


_words = st.lists(st.sampled_from("abcdefgh"), min_size=MIN_WORDS, max_size=14)


@given(_words, _words)
@example(list("aaaaaaaaab"), list("aaaaaaabba"))  # exactly at the threshold, where rounding must not decide
def test_against_the_definition(answer: list[str], prompt: list[str]) -> None:
    contained = f" {' '.join(answer)} " in f" {' '.join(prompt)} "
    expected = contained or _f_measure(answer, prompt) > 0.8
    assert copied_from_prompt(" ".join(answer), " ".join(prompt)) == expected


def test_long_texts_are_bounded() -> None:
    assert copied_from_prompt("word " * 200_000, "word " * 200_000)
    assert not copied_from_prompt("left right " * 100_000, "right left up " * 100_000)


words = st.lists(st.sampled_from("abc"), max_size=9)


@given(words, words)
def test_the_longest_common_subsequence(a: list[str], b: list[str]) -> None:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]  # the textbook's recurrence
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if left == right else max(table[i][j + 1], table[i + 1][j])
    assert common_subsequence(a, b) == table[-1][-1]


@pytest.mark.parametrize(
    ("answer", "prompt", "copied"),
    [
        ("7", "Which is larger, 7 or 9?", True),  # any substring, right or not
        ("LARGER", "Which is larger, 7 or 9?", True),
        ("what is the speed of light now", "What is the speed of light?", True),  # precision 6/7
        ("the speed of light in vacuum", "What is the speed of light?", False),  # 4/6
        ("299792458 m/s", "What is the speed of light?", False),
        ("?!", "What is the speed of light", True),  # no words: there ROUGE fails, and counts as 1
    ],
)
def test_the_papers_rule_by_hand(answer: str, prompt: str, copied: bool) -> None:
    """`rep > 0.8 or prediction in question` of rewards.py (QingyangZhang/EMPO), ROUGE-L's precision by hand."""
    assert copied_as_in_paper(answer, prompt) is copied

"""The ordered extractors on one response."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.errors import PluginError
from empo_rewards.extraction.boxed import LastBox
from empo_rewards.extraction.choice import Choice
from empo_rewards.extraction.containers import AnswerTag
from empo_rewards.extraction.phrases import FinalAnswer
from empo_rewards.extraction.pipeline import MAX_CHARS, extract, reference_answer
from empo_rewards.extraction.whole import WholeText
from empo_rewards.group import Answer, AnswerKind
from empo_rewards.protocols import Extracted, Extractor, check_contract

MATH: list[tuple[str, Extractor]] = [("boxed", LastBox()), ("final_answer", FinalAnswer())]


def plugin(function: Callable[[str, str], object]) -> Extractor:
    """The extractor that a plugin's function is taken for."""
    return check_contract(function, Extractor, ())


def test_the_first_that_finds_something_wins() -> None:
    response = r"The answer is 6. \boxed{5}"
    assert extract(response, "", MATH) == Answer("5", AnswerKind.ANSWER, "boxed", 24, 25)
    assert extract(response, "", MATH[::-1]) == Answer("6", AnswerKind.ANSWER, "final_answer", 14, 15)


CONTAINERS: list[tuple[str, Extractor]] = [("boxed", LastBox()), ("answer_tag", AnswerTag())]


def test_within_one_level_the_last_counts() -> None:
    both = r"\boxed{5} and then <answer>6</answer>"
    assert extract(both, "", CONTAINERS).text == "6"
    assert extract(both, "", CONTAINERS[::-1]).text == "6"
    assert extract(r"<answer>6</answer>, no, \boxed{5}", "", CONTAINERS).text == "5"
    assert extract(r"<answer>6</answer> \boxed{\frac{1}", "", CONTAINERS).text == "6"
    nested = extract(r"<answer>\boxed{5}</answer>", "", CONTAINERS)
    assert (nested.text, nested.extractor) == ("5", "boxed")


def test_levels_are_tried_in_their_order() -> None:
    response = r"\boxed{5}. The answer is 6. <answer>7</answer>"
    assert extract(response, "", [*CONTAINERS, *MATH]).text == "7"
    assert extract(response, "", [("final_answer", FinalAnswer()), *CONTAINERS]).text == "6"


def test_an_extractor_without_a_level_is_one() -> None:
    class First(Extractor):
        def __call__(self, response: str, prompt: str) -> Extracted:
            return Extracted(response[0], 0, 1)

    assert extract(r"1 \boxed{5}", "", [("first", First()), ("boxed", LastBox())]).text == "1"
    assert extract(r"1 \boxed{5}", "", [("boxed", LastBox()), ("first", First())]).text == "5"


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("42", "42"),
        (r"So \boxed{42}.", "42"),
        ("6 * 7 = <<6*7=42>>42\n#### 42", "42"),
        ("Nothing is the answer to all", "Nothing is the answer to all"),
        ("The answer is 5", "The answer is 5"),
        ("The Q: Tip", "The Q: Tip"),
        (" 5 ", "5"),
        ("#1 hit", "#1 hit"),
        ("<think>", "<think>"),
        ("I don't know", "I don't know"),
    ],
)
def test_a_reference_is_taken_as_it_is_written(reference: str, answer: str) -> None:
    assert reference_answer(reference, "What?", [*CONTAINERS, *MATH]) == answer


@pytest.mark.parametrize(
    ("reference", "letter"), [("B", "B"), ("(B)", "B"), ("7", "B"), ("B) 7", "B"), ("none", "none")]
)
def test_a_reference_to_a_choice_is_its_letter(reference: str, letter: str) -> None:
    assert reference_answer(reference, "Which?\nA) 4\nB) 7\nC) 9", [("choice", Choice())]) == letter


def test_a_blank_passes_on_to_the_next() -> None:
    assert extract(r"\boxed{}. The answer is 6.", "", MATH).extractor == "final_answer"

    def gives_blank(response: str, prompt: str) -> Extracted:
        return Extracted("...", 0, 3)

    assert extract("...The answer is 6.", "", [("blank", plugin(gives_blank)), *MATH]).text == "6"


def test_blank() -> None:
    assert extract("no answer here", "", MATH) == Answer("", AnswerKind.BLANK)
    assert extract("", "", [("whole_text", WholeText())]) == Answer("", AnswerKind.BLANK)


def test_refusals() -> None:
    boxed = extract(r"\boxed{\text{I cannot answer}}", "", MATH)
    assert (boxed.kind, boxed.extractor) == (AnswerKind.REFUSAL, "boxed")
    assert extract("I'm sorry, but I can't help with that.", "", MATH) == Answer("", AnswerKind.REFUSAL)
    whole = extract("I don't know.", "", [("whole_text", WholeText())])
    assert (whole.kind, whole.extractor) == (AnswerKind.REFUSAL, "whole_text")
    assert extract(r"\boxed{\text{no solution}}", "", MATH).kind is AnswerKind.ANSWER


def test_truncation_is_passed_on() -> None:
    assert extract(r"\boxed{\frac{1}{2}", "", MATH).truncated


def test_thinking_is_skipped_and_positions_count_in_the_whole() -> None:
    response = r"<think>\boxed{4}</think> So \boxed{5}."
    answer = extract(response, "", MATH)
    assert answer.text == "5"
    assert response[answer.start : answer.end] == "5"
    assert extract(r"<think>\boxed{4}", "", MATH).kind is AnswerKind.BLANK
    assert extract(r"\boxed{4}", "Assistant: <think>\n", MATH).kind is AnswerKind.BLANK
    assert extract(r"<think>\boxed{4}", "", MATH, skip=False).text == "4"


def test_only_the_end_of_a_long_response_is_looked_at() -> None:
    response = r"\boxed{4}" + " " * MAX_CHARS + r"\boxed{5}"
    answer = extract(response, "", MATH)
    assert (answer.text, answer.start) == ("5", len(response) - 2)
    assert extract(r"\boxed{4}" + "x" * 100, "", MATH, max_chars=100).kind is AnswerKind.BLANK


@pytest.mark.parametrize(
    "nonsense",
    [
        "5",
        ("5", 0, 1),
        Extracted(5, 0, 1),  # type: ignore[arg-type] # what a plugin may do
        Extracted("5", -1, 1),
        Extracted("5", 2, 1),
        Extracted("5", 0, 99),
        Extracted("5", 0.0, 1),  # type: ignore[arg-type] # what a plugin may do
        Extracted("5", True, 1),
    ],
)
def test_a_plugin_that_gives_nonsense_is_named(nonsense: object) -> None:
    def broken(response: str, prompt: str) -> object:
        return nonsense

    with pytest.raises(PluginError, match="'theirs'"):
        extract("5 apples", "", [("theirs", plugin(broken))])


def test_what_an_extractor_raises_goes_through() -> None:
    def broken(response: str, prompt: str) -> Extracted:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        extract("5", "", [("theirs", plugin(broken))])


@given(st.text())
def test_positions_name_the_text(response: str) -> None:
    answer = extract(response, "", [*MATH, ("whole_text", WholeText())])
    if answer.kind is AnswerKind.ANSWER:
        assert response[answer.start : answer.end] == answer.text
    else:
        assert answer.text == "" or answer.kind is AnswerKind.REFUSAL

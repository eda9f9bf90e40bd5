"""Blanks and refusals, and answers that resemble them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.extraction.refusals import REFUSAL_CHARS, is_blank, is_refusal


@pytest.mark.parametrize(
    "text",
    [
        "", " \n\t", "?", "...", "…", "-", "\u200b", r"\quad\,", r"\ldots", r"\boxed{?}", r"\boxed{}",
        r"\text{}", "$$", "[ ]",
        "your answer here", r"\text{Your final answer}", "[insert answer here]", "<answer>", "ANSWER", "N/A",
        "(n/a).", "TBD",
        r"\underline{\hspace{2cm}}", "____",
    ],
)  # fmt: skip
def test_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize(
    "text",
    [
        "0", "∅", r"\emptyset", r"\{\}", r"\{ \}", "none", "None of these", "no solution", "x", "+", "=", "%",
        "½", "答", "π",
        "NA", "the", "the answer is 5", "answer 5", r"\infty", "undefined",
    ],
)  # fmt: skip
def test_not_blank(text: str) -> None:
    assert not is_blank(text)


@pytest.mark.parametrize(
    "text",
    [
        "I cannot answer", "I can’t answer this question.", r"\text{I cannot answer}", "I can't.", "I must decline.",
        "I'm sorry, but I can't assist with that.", "Sorry, I cannot help with that request.",
        "I am sorry. I cannot answer.",
        "Unfortunately, I am unable to determine the answer.", "I'm unable to solve this problem.", "I don't know",
        "I do not know.", "I don't know the answer",
        "As an AI language model, I don't have access to real-time data.",
        "I'm sorry, but the question is incomplete.", "I apologize, but I cannot provide that.",
        "**I cannot comply.**",
    ],
)  # fmt: skip
def test_refusal(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "cannot be determined", "It cannot be determined from what is given.", "no solution", "none",
        "does not exist",
        "We cannot determine it", "there is not enough information", "impossible", "unknown", "I", "i", "", "5",
        "I Can't Help Myself", "I Can't Get No Satisfaction", "I cannot tell a lie", "I'm Sorry", "Sorry",
        "I Don't Know How to Love Him", "I'm sorry, but the answer is 5.", "I think it is 5", "Unfortunately, no",
        "I don't know, but probably 5", "The witness said: I cannot answer",
    ],
)  # fmt: skip
def test_not_a_refusal(text: str) -> None:
    assert not is_refusal(text)


def test_a_long_text_is_no_refusal() -> None:
    assert is_refusal("I cannot answer this. " + "x" * 100)
    assert not is_refusal("I cannot answer this. " + "x" * REFUSAL_CHARS)


@given(st.text())
def test_never_raise(text: str) -> None:
    assert is_blank(text) in (True, False)
    assert is_refusal(text) in (True, False)
    if any(char.isdigit() for char in text):
        assert not is_blank(text)

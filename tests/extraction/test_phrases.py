"""Answers introduced by a phrase."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.phrases import FinalAnswer

FINAL = {
    "The final answer is 5. I hope it is correct.": "5",
    "Final Answer: The final answer is $27.39$. I hope it is correct.": "27.39",
    "final answer is $5$ I hope it is correct.": "5",
    "The answer is 3.5.": "3.5",
    "The answer is: Paris": "Paris",
    "So the answer is $x=1$ and $y=2$.": "$x=1$ and $y=2$",
    "**Answer:** B": "B",
    "**Answer: B**": "B",
    "Answer: **B**": "B",
    "Answer: `x`": "x",
    "Answer: -5 apples": "-5 apples",
    "Answer: 1,234.5<|im_end|>": "1,234.5",
    "Answer：12": "12",
    "the final answer is **\\(7\\)**.": "7",
    "**The final answer is:**\n\n**12**": "12",
    "the answer is\n\\[\n x^2\n\\]": "x^2",
    "The answer is given by:\n$$5$$": "5",
    "Final answer is: $$\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}$$": "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}",
    "Final Answer\n\n\\( 5 \\)": "5",
    "### Final Answer\n\n42\n": "42",
    "**Final Answer**\n\nThe number of ways is $42$.": "42",
    "Final answer: The velocity \\(\\omega is it\\) is 1000 radians per second.\n\nNext": "1000 radians per second",
    "The answer to the second question is: 12": "12",
    "The answer is \\$5.00.": "\\$5.00",
    "The answer is $5 in cash. Then": "$5 in cash",
    "The final answer is 5, because 2+3=5": "5",
    "The final answer is 3/4, i.e. 0.75.": "3/4",
    "The answer is The Lion King, which came out in 1994": "The Lion King",
    "The answer is $(1, which)$": "(1, which)",
    "The answer is $\\boxed{5}$.": "5",
    "The answer is J. R. R. Tolkien.": "J. R. R. Tolkien",
    "The answer is John F. Kennedy. He": "John F. Kennedy",
    "The answer is St. Louis. It": "St. Louis",
    "The answer is B. The rest is wrong.": "B",
    "The answer is 3. No: the answer is 4.": "4",
    "The answer is 3.\nAnswer:": "3",
    "The answer is not 5.": None,
    "I wonder whether the answer is 5": None,
    "If the correct answer is 5, fine": None,
    "I think that's the final answer.": None,
    "Final Answers:\n\n- a: 5\n- b: 6": None,
    "Final Answer\n\nTo summarize: \nit holds": None,
    "no phrase at all": None,
}


@pytest.mark.parametrize(("response", "text"), FINAL.items())
def test_final_answer(response: str, text: str | None) -> None:
    found = FinalAnswer()(response)
    assert (None if found is None else found.text) == text
    assert found is None or response[found.start : found.end] == text


def test_only_near_the_end() -> None:
    response = "Perhaps the answer is 3. " + "But let us look again. " * 200
    assert FinalAnswer()(response) is None
    assert FinalAnswer(within=len(response))(response) is not None


def test_mathematics_that_never_closes_is_text() -> None:
    found = FinalAnswer()("the answer is \\( 5\nand more")
    assert found is not None
    assert found.text == "\\( 5"


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="within"):
        FinalAnswer(within=0)


_words = [
    "the answer is",
    "Answer:",
    "Final Answer",
    "**",
    "$",
    "\\(",
    "\\)",
    "5",
    ".",
    " ",
    "\n",
    "because",
    "not",
    "\\boxed{",
    "}",
    ":",
    "x is y",
]


@given(st.lists(st.sampled_from(_words), max_size=40).map("".join) | st.text())
def test_spans_fit_whatever_the_text(response: str) -> None:
    found = FinalAnswer()(response)
    if found is not None and "\\boxed" not in response:
        without_emphasis = str.maketrans("", "", "*_")
        spanned = response[found.start : found.end].translate(without_emphasis)
        assert spanned == found.text.translate(without_emphasis)

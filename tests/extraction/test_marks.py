"""Answers marked by tags and hashes, and the fallback extractors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.hashes import Hashes
from empo_rewards.extraction.tags import AnswerTag
from empo_rewards.extraction.whole import LastMath, LastNumber, WholeText
from empo_rewards.protocols import Extractor

TAGS = [
    ("<answer>4</answer>", "4"),
    ("<ANSWER> 4 </Answer> bye", "4"),
    ("<answer>1</answer> or <answer>2</answer>", "2"),
    ("<answer>1</answer>, written in <answer> </answer>", "1"),
    ("<answer>It is $\\boxed{5}$.</answer>", "5"),
    ("<answer>**B**</answer>", "B"),
    ("<answer>$x$.</answer>", "x"),
    ("<answer><answer>3</answer></answer>", "3"),
    ("<answer>1</answer> <answer>2", "1"),
    ("</answer> 4", None),
    ("<answers>4</answers>", None),
    ("<answer></answer>", None),
    ("4", None),
]


@pytest.mark.parametrize(("response", "text"), TAGS)
def test_answer_tag(response: str, text: str | None) -> None:
    found = AnswerTag()(response)
    assert (None if found is None else found.text) == text
    assert found is None or (response[found.start : found.end] == text and not found.truncated)


def test_a_tag_that_never_closes() -> None:
    found = AnswerTag()("So <answer> 42 <|im_end|>")
    assert found is not None
    assert (found.text, found.truncated) == ("42", True)
    assert AnswerTag(truncated="skip")("So <answer> 42") is None
    assert AnswerTag()("So <answer>") is None


def test_another_tag() -> None:
    found = AnswerTag(tag="solution")("<answer>1</answer><solution>2</solution>")
    assert found is not None
    assert found.text == "2"


def test_tag_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="tag"):
        AnswerTag(tag="a>.*")
    with pytest.raises(ConfigError, match="truncated"):
        AnswerTag(truncated="no")  # type: ignore[arg-type] # what a configuration file may hold


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ("12 - 5 = 7\n#### 7", "7"),
        ("#### -1,234.5", "-1,234.5"),
        ("####$18", "$18"),
        ("#### 7.\n\nQuestion: and now?\n", "7"),
        ("#### 7\nQuestion: more\n#### 8\n", "8"),
        ("#### Step 1\nWe add.\n#### 2 apples", "2 apples"),
        ("#### Paris </s>", "Paris"),
        ("#### Step 1\nWe add.\nDone", None),
        ("#### 1. First step\nWe add.", None),
        ("##### 7", None),
        ("### 7", None),
        ("####", None),
        ("", None),
    ],
)
def test_hashes(response: str, text: str | None) -> None:
    found = Hashes()(response)
    assert (None if found is None else found.text) == text
    assert found is None or response[found.start : found.end] == text


@pytest.mark.parametrize(
    ("extractor", "response", "text"),
    [
        (WholeText(), "  Paris \n", "Paris"),
        (WholeText(), "Paris<|im_end|>\n", "Paris"),
        (WholeText(), "Paris\nQ: next", "Paris\nQ: next"),
        (WholeText(first_line=True), "\n Paris \nQ: next", "Paris"),
        (WholeText(), " \n ", None),
        (LastMath(), "$a$ and \\( b \\) so", "b"),
        (LastMath(), "\\[ a \\] costs \\$5", "a"),
        (LastMath(), "$$ a+b $$ $ $", "a+b"),
        (LastMath(), "an open $x", None),
        (LastNumber(), "from 3 to 1,234.50 apples", "1,234.50"),
        (LastNumber(), "-1/2", "-1/2"),
        (LastNumber(), "x = .5", ".5"),
        (LastNumber(), "none", None),
    ],
)
def test_last_resorts(extractor: Extractor, response: str, text: str | None) -> None:
    found = extractor(response, "")
    assert (None if found is None else found.text) == text
    assert found is None or response[found.start : found.end] == text


_pieces = ["<answer>", "</answer>", "####", "$", "$$", "\\(", "\\)", "5", "1,000", ".", " ", "\n", "**", "<|end|>", "#"]


@given(st.lists(st.sampled_from(_pieces), max_size=40).map("".join) | st.text())
def test_spans_fit_whatever_the_text(response: str) -> None:
    for extractor in (AnswerTag(), Hashes(), WholeText(), WholeText(first_line=True), LastMath(), LastNumber()):
        found = extractor(response, "")
        if found is not None and "\\boxed" not in response:
            assert response[found.start : found.end] == found.text

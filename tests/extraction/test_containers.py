"""Answers in containers; and the extractors of last resort."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.containers import AnswerKey, AnswerTag, Hashes, Pattern
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
        ("#### 7.", "7"),
        ("#### 7\nThe rest is talk.", "7"),
        ("#### 1.\nWe add.", None),
        ("#### 1\nWe add.\n#### 2\nWe divide.", None),
        ("We add.\n#### Step 3: multiply", None),
        ("#### Setup\nWe add.\n#### Summary", None),
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


KEYS = [
    ('{"answer": 42}', "42"),
    ('{"answer": "x = 42", "unit": "m"}', "x = 42"),
    ("{'final_answer': 'Paris'}", "Paris"),
    ('{"answer": 41}, or rather {"answer": 42}', "42"),
    ('{"answer": "\\\\frac{1}{2}"}', r"\frac{1}{2}"),
    (r'{"answer": "\frac{1}{2}"}', r"\frac{1}{2}"),
    (r'{"answer": "\boxed{42}"}', "42"),
    ('{"answer": "4\\u00b2"}', "4²"),
    ('{"answer": "\\"42\\""}', "42"),
    ('{"answer": ["a", "b"]}', "a, b"),
    ('{"答案": "42"}', "42"),
    ('{"answer": ""}', None),
    ('{"answer": null}', None),
    ('{"answer": {"x": 1}}', None),
    ('{"answer": "never closed', None),
    ('{"answered": 42}', None),
    ('the "answer" is 42', None),
]


@pytest.mark.parametrize(("response", "text"), KEYS)
def test_answer_key(response: str, text: str | None) -> None:
    found = AnswerKey()(response)
    assert (None if found is None else found.text) == text
    assert found is None or 0 <= found.start < found.end <= len(response)


PATTERNS = [
    ("Result => {answer} <=", "Result => 41 <= no, Result  =>\n42 <=", "42"),
    ("Result: {answer}", "Result: 42\nResult", "42"),
    ("{answer} is my result", "We add.\n42 is my result.", "42"),
    ("[[{answer}]]", "[[ $42$ ]] and [[", "42"),
    ("**{answer}**", "**42** and **", "42"),
    ("(?:{answer})+", "(?:42)+", "42"),
    ("Result: {answer};", "Result: Result: 42;", "42"),
    ("Result: {answer}", "result: 42", None),
    ("Result: {answer} <=", "Result: 42", None),
    ("Result: {answer}", "Result: \n", None),
]


@pytest.mark.parametrize(("template", "response", "text"), PATTERNS)
def test_pattern(template: str, response: str, text: str | None) -> None:
    found = Pattern(template)(response)
    assert (None if found is None else found.text) == text
    assert found is None or response[found.start : found.end] == text


def test_pattern_options() -> None:
    found = Pattern("R: {answer}.", ignore_case=True)("R: 41. r: 42.")
    assert found is not None
    assert found.text == "42"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"template": "Result"}, "must hold {answer} once"),
        ({"template": "{answer} {answer}"}, "must hold {answer} once"),
        ({"template": " {answer} "}, "more than {answer}"),
        ({"template": "x" * 200 + "{answer}"}, "at most 200"),
    ],
)
def test_patterns_are_checked(options: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Pattern(**options)  # type: ignore[arg-type] # what a configuration file may hold


@given(st.text(min_size=1, max_size=8), st.text(max_size=8), st.text(alphabet="0123456789", min_size=1))
def test_a_pattern_finds_what_was_put_in_its_place(before: str, after: str, answer: str) -> None:
    template = f"<{before}:{{answer}}:{after}>"
    assume(template.count("{answer}") == 1 and not any(char.isdigit() or char.isspace() for char in before + after))
    found = Pattern(template)("We add. " + template.replace("{answer}", answer) + " Done.")
    assert found is not None
    assert found.text == answer


@pytest.mark.parametrize(
    ("extractor", "response", "text"),
    [
        (WholeText(), "We add. " * 60 + "So the", None),
        (WholeText(truncated="keep"), "We add. " * 60 + "So the", "We add. " * 60 + "So the"),
        (WholeText(), "We add. " * 60 + "Done.", "We add. " * 60 + "Done."),
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
    for extractor in (
        AnswerTag(),
        AnswerKey(),
        Hashes(),
        Pattern("####{answer}$"),
        WholeText(),
        WholeText(first_line=True),
        LastMath(),
        LastNumber(),
    ):
        found = extractor(response, "")
        if found is not None and "\\boxed" not in response:
            assert response[found.start : found.end] == found.text

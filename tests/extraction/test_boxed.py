"""The last box: a table of forms, an independent oracle on generated nestings, and hostile input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.boxed import LastBox, find_boxes

CASES = {
    "plain": (r"So \boxed{5}.", "5"),
    "fbox": (r"\fbox{7}", "7"),
    "nested braces": (r"\boxed{\frac{1}{2^{3}}}", r"\frac{1}{2^{3}}"),
    "escaped braces": (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    "one escaped brace": (r"\boxed{\left\{ x \right.} and } more", r"\left\{ x \right."),
    "line break inside": (r"\boxed{a \\ b}", r"a \\ b"),
    "space before the brace": ("\\boxed {7} or\n", "7"),
    "space inside": ("\\boxed{\n 7 \n}", "7"),
    "no braces, word": (r"we get \boxed 52 in all", "52"),
    "no braces, mathematics": (r"we get $\boxed x+1$ in all", "x+1"),
    "no braces, command": (r"$\boxed \frac{1}{2}$", r"\frac{1}{2}"),
    "no braces, prose": (r"use \boxed for it: \fbox{3} is \boxed to show", "3"),
    "command alone": (r"\boxed", None),
    "another command": (r"\boxedalign{3}", None),
    "no box": ("the answer is 5", None),
    "twice escaped": (r"\\boxed{5}", "5"),
    "line break before": (r"x \\\boxed{5}", "5"),
    "box in a box": (r"\boxed{\boxed{3}}", "3"),
    "boxes in a box, with space": (r"\boxed{ \fbox{ \boxed{3} } }", "3"),
    "box within an outer box's text": (r"\boxed{x=\boxed{2}}", r"x=\boxed{2}"),
    "last of several": (r"\boxed{1} no no \boxed{2}", "2"),
    "comma": (r"\boxed{1},\boxed{2}", "1, 2"),
    "and, between dollars": (r"$\boxed{1}$, $\boxed{2}$, and $\boxed{3}$", "1, 2, 3"),
    "and, in text": (r"\boxed{1} \text{ and } \boxed{2}", "1, 2"),
    "wide space": (r"\boxed{1} \quad \boxed{2}", "1, 2"),
    "narrow space": (r"\boxed{1} \boxed{2}", "2"),
    "words between": (r"\boxed{7}$ goats and $\boxed{4}$", "4"),
    "only the last ones stand together": (r"\boxed{9}. Then \boxed{1} and \boxed{2}", "1, 2"),
    "said twice": (r"\boxed{16} and \boxed{16}", "16"),
    "empty": (r"\boxed{}", None),
    "empty again and again": (r"\boxed{}. \boxed{}. \boxed", None),
    "empty ones behind": (r"\boxed{4}. \boxed{}. \boxed{ }.", "4"),
    "placeholder behind": (r"\boxed{4}, as asked in \boxed{\text{your answer}}", "4"),
    "an empty set is an answer": (r"\boxed{\{\}}", r"\{\}"),
    "stray braces": (r"} {{ \boxed{5} }", "5"),
    "an unclosed one before": (r"\boxed{ oops. So \boxed{5}.", "5"),
    "an unclosed one around": (r"\boxed{\boxed{3}", "3"),
    "an unclosed one behind": (r"\boxed{1} then \boxed{\frac{2}", "1"),
}


@pytest.mark.parametrize(("response", "text"), CASES.values(), ids=CASES)
def test_table(response: str, text: str | None) -> None:
    found = LastBox()(response)
    assert (None if found is None else found.text) == text
    assert found is None or not found.truncated


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (r"\boxed{\frac{1}{2}", r"\frac{1}{2}"),
        (r"$\boxed{\frac{1}{2}$. And so on {", r"\frac{1}{2}"),
        (r"\[ \boxed{12 \] We are done.", "12"),
        ("\\boxed{\n12\nWe are done.", "12"),
        (r"\boxed{1 \boxed{2", "2"),
    ],
)
def test_truncated(response: str, text: str) -> None:
    found = LastBox()(response)
    assert found is not None
    assert found.text == text
    assert found.truncated
    assert response[found.start : found.end] == text
    assert LastBox(truncated="skip")(response) is None


def test_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="truncated"):
        LastBox(truncated="no")  # type: ignore[arg-type] # what a configuration file may hold


# A nesting as a tree: text, a brace group, or a box.
_leaf = st.sampled_from(["x", "1+", r"\{", r"\}", r"\\", r"\frac", " ", "y"]).map(lambda text: ("text", text))
_tree = st.recursive(
    _leaf, lambda inner: st.tuples(st.sampled_from(["group", "box"]), st.lists(inner, max_size=4)), max_leaves=20
)


def _render(node: tuple[str, object]) -> str:
    kind, content = node
    if kind == "text":
        return f"{content} "
    inner = "".join(_render(child) for child in content)  # type: ignore[attr-defined] # a list, by construction
    return f"\\boxed{{{inner}}} " if kind == "box" else f"{{{inner}}} "


def _outermost_by_recursion(node: tuple[str, object]) -> list[str]:
    kind, content = node
    if kind == "text":
        return []
    if kind == "box":
        return ["".join(_render(child) for child in content)]  # type: ignore[attr-defined] # as above
    return [box for child in content for box in _outermost_by_recursion(child)]  # type: ignore[attr-defined] # as above


@given(st.lists(_tree, max_size=6))
def test_outermost_boxes_of_a_tree(nodes: list[tuple[str, object]]) -> None:
    text = "".join(_render(node) for node in nodes)
    expected = [box for node in nodes for box in _outermost_by_recursion(node)]
    covered = 0
    found = []
    for box in find_boxes(text):
        assert box.closed
        if box.start >= covered:
            found.append(text[box.inner_start : box.inner_end])
            covered = box.end
    assert found == expected


@given(st.text(), st.text(alphabet="abc $.,\n{}0123456789"))
def test_text_behind_changes_nothing(before: str, after: str) -> None:
    response = before.replace("\\", "/") + r" \boxed{42}"
    found = LastBox()(response + " " + after)
    assert found is not None
    assert found.text == "42"


_pieces = [*"ab{}\\$ ,\n", r"\boxed", r"\fbox{", r"\boxed{", r"\text{", "and"]


@given(st.lists(st.sampled_from(_pieces), max_size=60).map("".join))
def test_never_raises_and_spans_fit(response: str) -> None:
    found = LastBox()(response)
    assert found is None or 0 <= found.start <= found.end <= len(response)


HOSTILE = {
    "unclosed boxes": r"\boxed{" * 150_000,
    "nested boxes": r"\boxed{" * 70_000 + "1" + "}" * 70_000,
    "commands": r"\boxed" * 170_000,
    "commands and spaces": r"\boxed   " * 110_000,
    "empty boxes": r"\boxed{}. " * 100_000,
    "joined boxes": r"\boxed{1}, " * 90_000,
    "open braces": r"\boxed" + "{" * 1_000_000,
    "closing braces": r"\boxed{1" + "}" * 1_000_000,
    "backslashes": "\\" * 1_000_000 + r"\boxed{1}",
    "one long box": r"\boxed{" + " " * 1_000_000,
    "digits": r"\boxed{" + "7" * 1_000_000 + "}",
}


@pytest.mark.parametrize("response", HOSTILE.values(), ids=HOSTILE)
def test_hostile_input_of_a_megabyte(response: str) -> None:
    found = LastBox()(response)
    assert found is None or found.end <= len(response)

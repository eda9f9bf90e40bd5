"""Degenerate repetition: exact loops at the end, and legitimate texts with similar parts."""

from __future__ import annotations

import random

import pytest
from generated import looping_response, math_groups
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.filters.repetition import is_degenerate

UNIT = "Wait, let me check the sum again: 1/2 + 1/3 is 5/6, and 5/6 is below 1.\n"


@pytest.mark.parametrize(
    "text",
    [
        "Find k. " + r"\boxed{}. " * 100,
        "Find k. " + r"\boxed{}. " * 100 + r"\boxed",
        "We begin. " + UNIT * 10,
        "We begin. " + UNIT * 10 + UNIT[:33],
        "0." + "3" * 1_000,
        "ab " * 5_000 + "\n\n",
        # A unit whose own last 32 characters occur twice in it.
        ("so the sum of the first n odd numbers is n^2, and " * 2 + "we know that. ") * 20
        + "so the sum of the first n odd",
    ],
)
def test_loops(text: str) -> None:
    assert is_degenerate(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "=" * 300,
        r"\boxed{}. " * 100 + "We now solve it: k = 2, as the powers agree.",
        "\n".join(f"n = {n}: Bob wins, for Alice must leave {n + 1} tokens." for n in range(400)),
        UNIT * 2,
        "".join(random.Random(0).choices("abcdefgh \n", k=20_000)),
    ],
)
def test_honest(text: str) -> None:
    assert not is_degenerate(text)


def test_loops_that_count() -> None:
    text = "\n".join(f"What is the sum of the first {n} numbers?" for n in range(100, 200))
    assert not is_degenerate(text)
    assert is_degenerate(text, ignore_digits=True)


def test_thresholds() -> None:
    assert not is_degenerate(UNIT * 10, min_repeats=11)
    assert not is_degenerate(UNIT * 10, min_chars=len(UNIT) * 10 + 1)
    assert is_degenerate("ha" * 20, min_chars=40)


@given(st.text(min_size=1, max_size=200).filter(lambda unit: unit.strip() == unit), st.text(max_size=100))
def test_any_unit_repeated_often_enough(unit: str, before: str) -> None:
    repeats = -(-600 // len(unit)) + 3
    assert is_degenerate(before + unit * repeats)


def test_on_generated_responses() -> None:
    """Every loop is found, wherever it stops; nothing else is."""
    dice = random.Random(3)
    honest = [response for group in math_groups(40) for response in group["responses"]]
    flagged = [is_degenerate(response) for response in honest + [looping_response(dice) for _ in range(60)]]
    assert flagged == [False] * len(honest) + [True] * 60

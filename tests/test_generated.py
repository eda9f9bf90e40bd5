"""The generated data: not empty, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from generated import hostile_texts, math_groups, short_answer_groups


@pytest.mark.parametrize("make", [math_groups, short_answer_groups])
def test_groups_are_whole_and_the_same_for_the_same_seed(make: Callable[..., list[dict[str, Any]]]) -> None:
    rows = make(30, 6)
    assert make(30, 6) == rows
    assert make(30, 6, seed=1) != rows
    assert [len(row["responses"]) for row in rows] == [6] * 30
    assert all(row["prompt"] and row["reference"] for row in rows)


def test_hostile_texts_are_of_every_kind_and_the_same_for_the_same_seed() -> None:
    found = hostile_texts()
    assert hostile_texts() == found
    assert len(found) > 150
    kinds = Counter(one.kind for one in found)
    assert len(kinds) > 10
    assert min(kinds.values()) > 5

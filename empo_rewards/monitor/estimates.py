"""Estimates of chances and means from a sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def pair_chance(counts: Iterable[int], size: int) -> float:
    """The chance that two of `size` items, at least 2, are of one kind; unbiased for any size.

    Args:
        counts: the items of each kind.
        size: all items, those too that are of no kind.
    """
    return sum(count * (count - 1) for count in counts) / (size * (size - 1))


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean of one value or more, and its standard error (0 for one value)."""
    count = len(values)
    mean = math.fsum(values) / count
    squares = math.fsum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(squares / max(1, count - 1) / count)

"""What a sample tells of chances and means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def pair_chance(counts: Iterable[int], size: int) -> float:
    """The chance that two of `size` things, at least 2, are of one kind; without bias for any size.

    Args:
        counts: how many there are of each kind.
        size: all of them, those too that are like none.
    """
    return sum(count * (count - 1) for count in counts) / (size * (size - 1))


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean of one value or more, and its standard error; of one value that is 0."""
    count = len(values)
    mean = math.fsum(values) / count
    squares = math.fsum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(squares / max(1, count - 1) / count)

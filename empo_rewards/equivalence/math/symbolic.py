"""Symbolic comparison."""

from __future__ import annotations

from latex2sympy2_extended import NormalizationConfig, latex2sympy


class Reading:
    """What a text says."""

    def __init__(self, value: object) -> None:
        self.value = value


def warm_up() -> None:
    """Loads what the first comparison would load."""
    read("x^2+1")


def read(text: str) -> Reading | None:
    """The text's meaning."""
    try:
        return Reading(latex2sympy(text, normalization_config=NormalizationConfig(boxed="none")))
    except Exception:  # noqa: BLE001  (the parser raises bare Exceptions)
        return None


def compare(a: Reading | None, b: Reading | None) -> tuple[bool | None, bool]:
    """Equal or not, and whether that was probed."""
    if a is None or b is None:
        return None, False
    return (True, False) if a.value == b.value else (None, False)

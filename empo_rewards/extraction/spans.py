"""Spans of a response: trimming them without losing where they stand."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import TypeVar

from empo_rewards.protocols import Extracted

_MATH = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"))
_EMPHASIS = ("**", "__", "*", "_", "`")
_SPECIAL_TOKEN = re.compile(r"<\|[\w/]{1,40}\|>|</s>")
_FULL_STOP = re.compile(r"[^.]\.\Z", re.DOTALL)
SPECIAL_TOKENS_TAIL = 400
"""Special tokens are looked for in so many characters at a response's end."""


T = TypeVar("T")


def last_of(items: Iterable[T]) -> T | None:
    """The last of the items, in constant memory; None where there is none."""
    last = deque(items, maxlen=1)
    return last[0] if last else None


def strip_span(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without the whitespace at its ends."""
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    return (start + left, start + len(piece.rstrip())) if left < len(piece) else (start, start)


def cut(text: str, start: int, end: int, *, truncated: bool = False) -> Extracted:
    """What stands in a span, without the whitespace at its ends."""
    start, end = strip_span(text, start, end)
    return Extracted(text[start:end], start, end, truncated)


def text_end(text: str) -> int:
    """Where a text ends once the whitespace and special tokens (`<|im_end|>`, `</s>`) at its end are left out."""
    end = len(text.rstrip())
    tail = max(0, end - SPECIAL_TOKENS_TAIL)
    for token in reversed(list(_SPECIAL_TOKEN.finditer(text, tail, end))):
        if token.end() != end:
            break
        end = strip_span(text, tail, token.start())[1]
    return end


def bare_span(text: str, start: int, end: int) -> tuple[int, int]:
    r"""The span of a short answer without what belongs to its sentence: Markdown, one full stop, `$...$` around it all.

    An answer in several pieces of mathematics (`$x=1$ and $y=2$`) keeps its delimiters; a decimal and "..." keep
    their points. Each round takes something off, so the work is linear but for the few rounds.
    """
    start, end = strip_span(text, start, end)
    for _ in range(8):  # e.g. **$\textbf{B}$.**: the wrappers that stand around a real answer are few
        before = (start, end)
        start, end = _without_emphasis(text, start, end)
        if _FULL_STOP.search(text, max(start, end - 2), end):
            end -= 1
        start, end = _without_math(text, start, end)
        start, end = strip_span(text, start, end)
        if (start, end) == before:
            break
    return start, end


def _without_emphasis(text: str, start: int, end: int) -> tuple[int, int]:
    for mark in _EMPHASIS:
        size = len(mark)
        opens, closes = text.startswith(mark, start, end), text.endswith(mark, start, end)
        if opens and closes and end - start > 2 * size:
            return start + size, end - size
        if mark == "**" and (opens or closes) and text.count(mark, start, end) % 2:  # its partner stands outside
            return (start + size, end) if opens else (start, end - size)
    return start, end


def _without_math(text: str, start: int, end: int) -> tuple[int, int]:
    for opening, closing in _MATH:
        inner_start, inner_end = start + len(opening), end - len(closing)
        if (
            text.startswith(opening, start, end)
            and text.endswith(closing, start, end)
            and inner_start < inner_end
            and text.find(closing, inner_start, end) == inner_end
        ):
            return inner_start, inner_end
    return start, end

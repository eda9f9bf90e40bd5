"""Spans of a response: trimming them without losing where they stand, and mathematics within them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import TypeVar

from empo_rewards.extraction.wording import END_OF_TEXT
from empo_rewards.protocols import Extracted

CLOSING = {"$$": "$$", "$": "$", r"\(": r"\)", r"\[": r"\]"}
MATH_CHARS = 2_000
"""An answer's mathematics is closed within so many characters, or its opening delimiter is not one."""
_EMPHASIS = ("**", "__", "*", "_", "`")
_QUOTES = (('"', '"'), ("'", "'"), ("“", "”"), ("「", "」"), ("『", "』"), ("«", "»"))
_SPECIAL_TOKEN = re.compile(rf"{END_OF_TEXT}|<\|[\w/]{{1,40}}\|>|<eo[eh]>")
_FULL_STOP = re.compile(r"[^.。]\.\Z|[。।]\Z", re.DOTALL)
_PROSE = re.compile(r"(?<![\\{A-Za-z])[A-Za-z]{3,}[ \t,]{1,3}[a-z]{2,}(?![A-Za-z}])")
SPECIAL_TOKENS_TAIL = 400
"""Special tokens are looked for in so many characters at a response's end."""


_DENIAL = re.compile(r"\b(?:not|rather than|instead of)[\s$\\(\[*]{1,8}\Z")
_DENIAL_CHARS = 24


def denied(text: str, start: int) -> bool:
    """Whether what begins at `start` is what the answer is not: "\\boxed{8}, not \\boxed{9}"."""
    before = text[max(0, start - _DENIAL_CHARS) : start]
    return ("not" in before or "than" in before or " of" in before) and _DENIAL.search(before) is not None


T = TypeVar("T")


def last_of(items: Iterable[T]) -> T | None:
    """The last of the items, in constant memory; None where there is none."""
    last = deque(items, maxlen=1)
    return last[0] if last else None


def latest(found: Iterable[Extracted | None]) -> Extracted | None:
    """The one that stands last; a cut-off one only where all are; of those that begin alike, the first given."""
    given = [one for one in found if one is not None]
    return max(given, key=lambda one: (not one.truncated, one.start), default=None)


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
    if text[end - 1 : end] not in (">", "]"):
        return end
    tail = max(0, end - SPECIAL_TOKENS_TAIL)
    for token in reversed(list(_SPECIAL_TOKEN.finditer(text, tail, end))):
        if token.end() != end:
            break
        end = strip_span(text, tail, token.start())[1]
    return end


def math_end(text: str, start: int, limit: int) -> int | None:
    r"""Where the mathematics ends that a delimiter at `start` opens; None where it opens none.

    A dollar sign may be a currency ("$5. You save $3."). It opens mathematics where another closes it that is set
    against the text as a closing one is: no space before it that has no partner, no digit behind it, no blank line and
    no prose between the two.
    """
    opening = next((mark for mark in CLOSING if text.startswith(mark, start)), None)
    if opening is None:
        return None
    inner = start + len(opening)
    close = text.find(CLOSING[opening], inner, min(limit, inner + MATH_CHARS))
    if close <= inner:
        return None
    end = close + len(opening)
    if opening == "$":
        content = text[inner:close]
        if (content[-1].isspace() and not content[0].isspace()) or text[end : end + 1].isdigit():
            return None
        if "\n\n" in content or (content.lstrip()[:1].isdigit() and _PROSE.search(content)):
            return None
    return end


def bare_span(text: str, start: int, end: int) -> tuple[int, int]:
    r"""The span of a short answer without what belongs to its sentence: Markdown, quotes, one full stop, `$...$`.

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
    for opening, closing in (*((mark, mark) for mark in _EMPHASIS), *_QUOTES):
        size = len(opening)
        opens, closes = text.startswith(opening, start, end), text.endswith(closing, start, end)
        if opens and closes and end - start > 2 * size and text.find(opening, start + size, end - size) < 0:
            return start + size, end - len(closing)
        script = closes and text.startswith("^", end - size - 1)  # x^*
        if opening in _EMPHASIS and (opens or closes) and not script and text.count(opening, start, end) % 2:
            return (start + size, end) if opens else (start, end - size)  # its partner stands outside
    return start, end


def _without_math(text: str, start: int, end: int) -> tuple[int, int]:
    for opening, closing in CLOSING.items():
        inner_start, inner_end = start + len(opening), end - len(closing)
        if (
            text.startswith(opening, start, end)
            and text.endswith(closing, start, end)
            and inner_start < inner_end
            and text.find(closing, inner_start, end) == inner_end
        ):
            return inner_start, inner_end
    return start, end

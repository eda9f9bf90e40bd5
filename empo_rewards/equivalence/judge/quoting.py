"""Quotes what a model wrote, so that it stays a thing that is judged and cannot speak to the judge.

Three things could let an answer out of its place: characters that a reader does not see, texts that a tokenizer reads
as its control tokens (`<|im_end|>`, `</s>`, `[INST]`), and in a prompt without quotation marks the prompt's own
headings. What is put in their place means the same to a reader: `a<b` becomes `a< b`.

No quoting keeps an answer from *arguing* with the judge; what that leaves open stands in docs/judge.md.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

GAP = " … "
"""What stands where a text was cut."""

_JOINERS = frozenset("\u200c\u200d")  # invisible, but part of the spelling of Persian, Hindi and emoji
_CONTROL_TOKEN = re.compile(r"[<＜](?=[^\s=])|\[(?=/?[A-Z_]+\])")
_HEADING = re.compile(r"#{2,}")
_ROLE = re.compile(
    r"\b(final\s+decision|user|human|system|assistant|question|(?:ground\s+truth|student)\s+answer)\s*[:：]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Quoted:
    """A text that may stand in a prompt, and whether some of it was left out."""

    text: str
    truncated: bool


def quote(text: str, limit: int) -> Quoted:
    """At most `limit` characters of a text (its start and its end), without what a tokenizer or reader would trip over.

    Lone surrogates, which are half of a character and which no server takes, become the replacement character.
    """
    truncated = len(text) > limit
    if truncated:
        head = (limit + 1) // 2
        text = text[:head] + GAP + text[len(text) - (limit - head) :]
    return Quoted(_CONTROL_TOKEN.sub(lambda found: found[0] + " ", "".join(map(_visible, text))), truncated)


def without_headings(text: str, *, one_line: bool) -> str:
    """The text without what a prompt that has no quotation marks uses to tell its parts apart."""
    text = _ROLE.sub(lambda found: found[1] + " -", _HEADING.sub("#", text))
    return " ".join(text.split()) if one_line else text.strip()


def _visible(char: str) -> str:
    if char in "\n\t" or char in _JOINERS:
        return char
    category = unicodedata.category(char)
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    if category == "Cf":
        return ""
    return " " if category == "Cc" else char

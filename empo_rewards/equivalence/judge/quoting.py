"""Quoting of responses in the judge's prompt, against prompt injection.

Removed or broken up are invisible characters, texts that a tokenizer reads as control tokens (`<|im_end|>`, `</s>`,
`[INST]`), and in a prompt without quotation marks the prompt's own headings. The replacement reads the same: `a<b`
becomes `a< b`.

Quoting does not keep an answer from arguing with the judge; docs/judge.md names what remains possible.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

GAP = " … "
"""Replaces the middle of a text that is too long."""

_JOINERS = frozenset("\u200c\u200d")  # invisible, but part of the spelling of Persian, Hindi and emoji
_CONTROL_TOKEN = re.compile(r"[<＜](?=[^\s=])|\[(?=/?[A-Z_]+\])")
_HEADING = re.compile(r"#{2,}")
_ROLE = re.compile(
    r"\b(final\s+decision|user|human|system|assistant|question|(?:ground\s+truth|student)\s+answer)\s*[:：]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Quoted:
    """A text for a prompt, and whether it was shortened."""

    text: str
    truncated: bool


def quote(text: str, limit: int) -> Quoted:
    """At most `limit` characters of a text (its start and its end), without control tokens and invisible characters.

    Lone surrogates, which servers refuse, become the replacement character.
    """
    truncated = len(text) > limit
    if truncated:
        head = (limit + 1) // 2
        text = text[:head] + GAP + text[len(text) - (limit - head) :]
    return Quoted(_CONTROL_TOKEN.sub(lambda found: found[0] + " ", "".join(map(_visible, text))), truncated)


def without_headings(text: str, *, one_line: bool) -> str:
    """The text without the headings by which a prompt without quotation marks separates its parts."""
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

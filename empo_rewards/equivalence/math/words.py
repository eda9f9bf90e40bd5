"""Answers in words: which they are, and what they say."""

from __future__ import annotations

from empo_rewards.equivalence.math import units
from empo_rewards.equivalence.math.algebra import atom, constant
from empo_rewards.equivalence.math.lexer import Token
from empo_rewards.equivalence.math.shapes import Shape, Text

_FORMULA = frozenset(
    {"=", "≈", "<", ">", "≤", "≥", "≠", "+", "*", "/", "^", "_", "frac", "sqrt", "∈", "∪", "func", ":"}
)


SILENT = frozenset({"quad", "skip", ".", ",", "!", "?", "'", '"', "`", "$", "{", "}", "(", ")"})


_SPOKEN_NUMBERS = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    )
}


def words_of(tokens: list[Token]) -> Shape | None:
    """The answer as words, where it is a sentence or a word and no formula."""
    spoken = [token for token in tokens if token.kind in ("word", "run")]
    if not spoken:
        return None
    long = any(len(token.text) >= 3 for token in spoken)
    if any(token.text.lower() in units.PROSE and (long or token.kind == "word") for token in spoken):
        return _text(tokens)
    first = tokens[0]
    if any(token.kind in _FORMULA or (token.kind == "num" and token is first) for token in tokens):
        return None
    wordy = len(first.text) >= 3 if first.kind == "run" else len(first.text) >= 2
    if first.kind in ("word", "run") and (wordy or first.text.lower() == "no"):
        return _text(tokens)
    if first.kind == "sym" and len(spoken) >= 2 and all(token.kind in ("word", "run", "sym") for token in tokens):
        return _text(tokens)
    return None


def _text(tokens: list[Token]) -> Shape:
    words = [token.text.casefold() for token in tokens if token.kind not in SILENT]
    return _said(words)


def words_of_text(folded: str) -> Shape | None:
    """Words in a text that is no sequence of tokens."""
    words = folded.casefold().replace("\\text", " ").replace("{", " ").replace("}", " ").split()
    return _said(words) if words and words[0].isalpha() and len(words[0]) > 2 else None


def _said(words: list[str]) -> Shape:
    if len(words) == 1 and words[0] in _SPOKEN_NUMBERS:
        return constant(_SPOKEN_NUMBERS[words[0]])
    if len(words) == 2 and words[0] in ("option", "choice", "answer") and len(words[1]) == 1:
        return atom(words[1].upper())
    return Text(" ".join(words))

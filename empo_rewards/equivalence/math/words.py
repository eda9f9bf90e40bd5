"""Answers in words: which they are, and what they say."""

from __future__ import annotations

from collections.abc import Mapping

from empo_rewards.equivalence.math import shapes, units
from empo_rewards.equivalence.math.algebra import atom, constant
from empo_rewards.equivalence.math.lexer import Token
from empo_rewards.equivalence.math.parser import is_word
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


def name_in_words(tokens: list[Token]) -> tuple[str | None, list[Token]]:
    """What the words before a sign of equality call the value, and the tokens after it: Area = 5, Total cost: $5."""
    if len(tokens) > 1 and tokens[0].text == "pH":
        return "pH", tokens[1 + (tokens[1].kind == "=") :]
    at = next((k for k, token in enumerate(tokens) if token.kind in ("=", ":")), 0)
    if (
        not at
        or at + 1 >= len(tokens)
        or sum(token.kind in ("=", ":") for token in tokens) > 1
        or any(token.kind not in ("word", "run", "sym") for token in tokens[:at])
    ):
        return None, tokens
    named = [token.text for token in tokens[:at]]
    if not any(
        len(name) > 2 and name[1:].islower() and (is_word(name) or tokens[k].kind == "word")
        for k, name in enumerate(named)
    ):
        return None, tokens
    if all(token.kind in ("word", "run") for token in tokens[at + 1 :]):
        return None, tokens
    if tokens[at].kind == ":" and tokens[at + 1].kind not in ("num", "$", "frac", "sqrt", "-"):
        return None, tokens
    return " ".join(named).casefold(), tokens[at + 1 :]


def _text(tokens: list[Token]) -> Shape:
    words = [token.text.casefold() for token in tokens if token.kind not in SILENT]
    return _said(words)


def words_of_text(folded: str) -> Shape | None:
    """Words in a text that is no sequence of tokens."""
    words = folded.casefold().replace("\\text", " ").replace("{", " ").replace("}", " ").split()
    return _said(words) if words and words[0].isalpha() and len(words[0]) > 2 else None


_PHRASES: Mapping[str, Shape] = (
    dict.fromkeys(
        ("all real numbers", "all reals", "any real number", "every real number", "the set of all real numbers",
         "the set of real numbers", "set of all real numbers", "all real number", "real numbers"), shapes.REALS
    )
    | dict.fromkeys(
        ("no solution", "no solutions", "no real solution", "no real solutions", "there is no solution",
         "there are no solutions", "there is no real solution", "empty set", "the empty set", "null set"), shapes.EMPTY
    )
    | dict.fromkeys(("dne", "d . n . e", "does not exist", "the limit does not exist", "limit does not exist"),
                    Text("does not exist"))
    | dict.fromkeys(("infinitely many solutions", "infinitely many", "infinite solutions"), Text("infinitely many"))
)  # fmt: skip
"""Phrases that say what a sign says too, or each other."""


def _said(words: list[str]) -> Shape:
    phrase = _PHRASES.get(" ".join(words))
    if phrase is not None:
        return phrase
    if len(words) == 1 and words[0] in _SPOKEN_NUMBERS:
        return constant(_SPOKEN_NUMBERS[words[0]])
    if len(words) == 2 and words[0] in ("option", "choice", "answer") and len(words[1]) == 1:
        return atom(words[1].upper())
    return Text(" ".join(words))

"""Answers in words: which they are, and what they say."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

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


def name_in_words(tokens: list[Token]) -> tuple[dict[str, Hashable], list[Token]]:
    """What the words before a sign of equality call the value, and the tokens after it: Area = 5, Total cost: $5.

    `called` holds the words, `label` the letters among them: side AB = 5. The tokens as they are where none name it.
    """
    if len(tokens) > 1 and tokens[0].text == "pH":
        return {"called": "pH"}, tokens[1 + (tokens[1].kind == "=") :]
    marks = [k for k, token in enumerate(tokens) if token.kind in ("=", ":")]
    before, after = (tokens[: marks[0]], tokens[marks[0] + 1 :]) if len(marks) == 1 else ([], [])
    if not after or any(token.kind not in ("word", "run", "sym") for token in before):
        return {}, tokens
    if all(token.kind in ("word", "run") for token in after):
        return {}, tokens
    if tokens[marks[0]].kind == ":" and after[0].kind not in ("num", "$", "frac", "sqrt", "-"):
        return {}, tokens
    letters = [token.text for token in before if token.kind == "sym" or token.text.isupper()]
    words = [token.text for token in before if token.kind != "sym" and not token.text.isupper()]
    spoken = {token.text for token in before if token.kind == "word" and len(token.text) > 2}
    if len(letters) > 1 or not any(is_word(word) or word in spoken for word in words):
        return {}, tokens
    called: dict[str, Hashable] = {"called": " ".join(words).casefold()}
    return called | ({"label": letters[0]} if letters else {}), after


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

"""What an answer is, as far as it decides how it is compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from empo_rewards.equivalence.math import MathEquivalence
from empo_rewards.equivalence.math.algebra import Value
from empo_rewards.equivalence.math.numerals import ORDINALS, SCALES, SMALL
from empo_rewards.equivalence.math.shapes import Opaque, Text
from empo_rewards.equivalence.words import SHORT
from empo_rewards.equivalence.words.reading import MAX_CHARS, read
from empo_rewards.latex import STYLE

MAX_ANSWER_WORDS = 60
"""A text of more words that ends in the middle of a sentence is a response that was cut off, and no answer."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CHOICE = re.compile(r"(?:(?:option|choice|answer) )?[(\[]?([A-Z])[)\].:]{0,2}", re.IGNORECASE)
_CHOICE_AND_TEXT = re.compile(r"[(\[]?([A-Z])[)\].:]{1,2}\s+(\S.*)")
_COMMAND = re.compile(rf"{STYLE}|\\[A-Za-z]*")
_LETTERS = re.compile(r"[^\W\d_]+")
_SYMBOLIC = re.compile(
    r"[\\^_=<>≤≥≠≈√∫∑∏±×÷·→+*/²³¹⁰⁴-⁹₀-₉½⅓⅔¼¾|]|\w!(?!\w)|\d[A-Za-z]|[A-Za-z]\d|^-|\b[A-Za-z]-[A-Za-z]\b|[A-Za-z]-$"
)
"""What makes a formula of letters: an operator, a relation, a script, a digit beside a letter."""
_BETWEEN_WORDS = re.compile(r"[ ,.;:?!()\"'’“”–-]+")
_COUNTING = frozenset({*SMALL, *SCALES, *ORDINALS}) | _set(
    "half halves quarter quarters third thirds infinity pi alpha beta gamma delta theta lambda phi empty no all real "
    "noon midnight square cube root minus over times divided per greater less least most equals"
)
"""Words of answers that mathematics reads without a digit or a sign."""
_FUNCTIONS = _set("sin cos tan cot sec csc log exp lim max min det arg arcsin arccos arctan sinh cosh tanh")
_SAID = _COUNTING | _FUNCTIONS
_TWO_LETTER_WORDS = _set("am an as at be by do go he if in is it me my no of on or so to up us we")
_DECADE = re.compile(r"1\d\d0s|20\d0s")
_CODE = re.compile(r"[A-Za-z]{1,4}\d{1,4}")
_VOWEL = re.compile(r"[aeiouy]", re.IGNORECASE)


class Kind(str, Enum):
    """What an answer is."""

    NUMBER = "number"
    """A number, a quantity, a formula, or a collection of them."""
    CHOICE = "choice"
    SHORT_TEXT = "short_text"
    LONG_TEXT = "long_text"


class Kinded(NamedTuple):
    """An answer's kind.

    Args:
        kind: the kind.
        form: what mathematics compares of it: the answer without what is said about it. None for words.
    """

    kind: Kind
    form: str | None = None


MATH = MathEquivalence()
"""Reads answers for their kind, and compares those that are mathematics: each is read once."""

MATHEMATICS = frozenset({Kind.NUMBER, Kind.CHOICE})


def kind_of(text: str, choices: Mapping[str, str] | None = None) -> Kinded:
    """The kind of an answer.

    Args:
        text: the answer.
        choices: the choices that the question lists, by letter.
    """
    letter = _letter(text.strip(), choices or {})
    return Kinded(Kind.CHOICE, letter) if letter else _kind_of(text)


def _letter(text: str, choices: Mapping[str, str]) -> str | None:
    if (match := _CHOICE.fullmatch(text)) and (match[1].isupper() or match[1].upper() in choices):
        return match[1].upper()
    if not choices or len(text) > MAX_CHARS:
        return None
    match = _CHOICE_AND_TEXT.fullmatch(text)
    said = read(match[2] if match else text).head.content
    named = [letter for letter, choice in choices.items() if read(choice).head.content == said]
    return named[0] if len(named) == 1 and (match is None or match[1] == named[0]) else None


@lru_cache(maxsize=16_384)
def _short_kind(text: str) -> Kinded:
    if is_mathematics(text):
        return Kinded(Kind.NUMBER, text)
    if text[:3].lower() == "on " and is_mathematics(text[3:]):
        return Kinded(Kind.NUMBER, text[3:])  # a date
    said = read(text)
    if said.tail and said.answer and not said.hedged and is_mathematics(said.answer):
        return Kinded(Kind.NUMBER, said.answer)
    return Kinded(Kind.SHORT_TEXT if len(text.split()) <= SHORT else Kind.LONG_TEXT)


def _kind_of(text: str) -> Kinded:
    if len(text) <= MAX_CHARS:
        return _short_kind(text)
    return Kinded(Kind.NUMBER, text) if is_mathematics(text) else Kinded(Kind.LONG_TEXT)


def is_mathematics(text: str) -> bool:
    """Whether its key is a value, and its letters are units or symbols rather than words."""
    if _only_words(text) or _DECADE.fullmatch(text):  # most answers: not worth to be read as a formula
        return False
    shape = MATH.key(text).shape
    if isinstance(shape, Text):
        return False
    if isinstance(shape, Opaque) or _with_symbols(shape):
        return is_formula(text)
    return True


def _only_words(text: str) -> bool:
    """Whether a text has words and prose punctuation only, and no word that mathematics reads; or is a sentence."""
    words = [word for word in _BETWEEN_WORDS.split(text.lower()) if word]
    longest = max(map(len, words), default=0)
    if longest > 2 and "".join(words).isalpha() and _SAID.isdisjoint(words):
        return True
    return len(words) > SHORT and sum(len(word) > 3 and word.isalpha() for word in words) > SHORT


def _with_symbols(shape: object) -> bool:
    if isinstance(shape, Value):
        return bool(shape.symbols)
    return isinstance(shape, (tuple, frozenset)) and any(map(_with_symbols, shape))


def is_formula(text: str) -> bool:
    """Whether a text holds what makes a formula, and no word."""
    letters = _LETTERS.findall(_COMMAND.sub(" ", text))
    marked = _SYMBOLIC.search(text) is not None or (len(letters) > 1 and not _FUNCTIONS.isdisjoint(letters))
    return marked and all(map(_is_symbol, letters))


def is_code(text: str) -> bool:
    """Whether a text is letters and a number behind them, which may be a name: WW1, sp3, SW19."""
    return _CODE.fullmatch(text) is not None


def _is_symbol(letters: str) -> bool:
    """Whether letters are a product of symbols or the name of a function: GMm, kq, cos; not a word."""
    if len(letters) <= 2:
        return letters.lower() not in _TWO_LETTER_WORDS
    mixed = letters[1:] != letters[1:].lower() and letters != letters.upper()
    return mixed or letters in _FUNCTIONS or _VOWEL.search(letters) is None


def cut_off(text: str) -> bool:
    """Whether a text is a response that ends in the middle of a sentence."""
    return text.rstrip()[-1:] not in tuple(".!?。！？)]}\"'”’*`$") and len(text[:20_000].split()) > MAX_ANSWER_WORDS

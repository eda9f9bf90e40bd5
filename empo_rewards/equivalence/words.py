"""What short answers say word by word, before a model of meaning is asked, and where it would be wrong to ask one.

Sentence embeddings find "5 years" and "6 years", "left hand" and "right hand", "Henry VII" and "Henry VIII" closer than
many a paraphrase, and miss that "Jupiter (the fifth planet)" answers "Jupiter". Words tell both. Nothing here is
learned, and nothing depends on order.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import combinations
from typing import NamedTuple

from empo_rewards.equivalence.exact import normal_form

SHORT = 8
"""An answer of at most so many words is short: a word that differs then tells it from another."""

MAX_CHARS = 1_000
"""A longer text is not read word by word: what it says is not in its single words."""

ALIKE = 0.8
"""Two words are spellings of one from this similarity on (matching letters, as `difflib` counts them)."""

_CARDINALS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_ROMAN = "ii iii iv vi vii viii ix"  # not the letters i, v and x, which are words and names
_NUMBERS = {
    **{word: str(number) for number, word in enumerate(_CARDINALS.split())},
    **{word: str(number) for number, word in enumerate(_ORDINALS.split(), start=1)},
    **dict(zip(_ROMAN.split(), ("2", "3", "4", "6", "7", "8", "9"), strict=True)),
}
_NEGATIONS = frozenset({"not", "no", "never", "neither", "nor", "non", "without", "cannot"})
_COORDINATIONS = frozenset({"and", "or", "nor", "plus", "versus", "vs"})
_FUNCTION_WORDS = frozenset(
    {"of", "in", "on", "at", "to", "for", "by", "with", "from", "into", "as", "and", "or", "s"}
    | {"is", "are", "was", "were", "be", "it", "its", "his", "her", "their", "this", "that"}
)
_MARK = re.compile(r"\s*[(\[\n\t;]|\s[-–—~]+\s|(?<!\.\w)[.?!:]\s|,\s(?!\d)")
"""Where an answer that is given ends and what is said about it begins; not within initials, as in "U.S. Army"."""
_WORD = re.compile(r"(?<![^\s(])-?\d+(?:\.\d+)?|\d+(?:\.\d+)?|[^\W\d_]+|[^\w\s-]")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ORDINAL_END = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b")
_TYPOGRAPHY = str.maketrans("‘’“”–—−", "''\"\"---")


class _Said(NamedTuple):
    """A text's words, and how many of them stand before each mark."""

    words: tuple[str, ...]
    marks: frozenset[int]


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text: its normal form without accents, numbers in digits. Empty for a long text."""
    return _read(text).words


def equal_by_words(texts: Sequence[str], *, any_order: bool = False) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of texts that have the same words, or of which one gives the other and says more about it.

    A text gives another where it begins with its words and a mark follows them ("1215 (the barons rebelled)"), or where
    it holds its words as a phrase of two or more ("She plays Moaning Myrtle"). One that holds several of the answers,
    none of them part of another, gives none: a hedge cannot join what it cannot decide between.

    Args:
        texts: the answers of one group.
        any_order: short texts with the same words in any order, small ones aside, are equal too ("World War Two", "the
            second world war"). Order can carry the meaning ("demand exceeds supply"), but a caller whose model sees
            none, as sentence embeddings hardly do, loses nothing.
    """
    said = [_read(text) for text in texts]
    places: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for position, one in enumerate(said):
        if one.words:
            places[one.words].append(position)
    equal = [(same[0], other) for same in places.values() for other in same[1:]]
    for position, one in enumerate(said):
        given = _given(one, places)
        if given is not None:
            first, second = sorted((position, places[given][0]))
            equal.append((first, second))
    if any_order:
        bags: dict[frozenset[str], int] = {}
        for position, one in enumerate(said):
            if 0 < len(one.words) <= SHORT:
                bag = frozenset(one.words) - (_FUNCTION_WORDS - _COORDINATIONS)
                if bags.setdefault(bag, position) != position:
                    equal.append((bags[bag], position))
    return equal


def contrast(a: str, b: str) -> bool:
    """Whether two texts are in contrast; see `contrasts`."""
    return bool(contrasts((a, b)))


def contrasts(texts: Sequence[str]) -> set[tuple[int, int]]:
    """Pairs (i, j), i < j, of texts that differ in what no closeness of meaning makes up for.

    Short texts do where their numbers differ or a number is all that one adds ("Toy Story" and "Toy Story 3"), where
    only one is negated or an enumeration, and where each has a word that the other lacks in any spelling ("left hand"
    and "right hand"). One may say more than the other, but not another thing.
    """
    short = [(k, _Short.of(words)) for k, words in enumerate(map(words_of, texts)) if 0 < len(words) <= SHORT]
    return {(i, j) for (i, left), (j, right) in combinations(short, 2) if _apart(left, right)}


class _Short(NamedTuple):
    """A short text as contrasts look at it."""

    words: frozenset[str]
    meant: frozenset[str]
    """The words with a meaning of their own."""
    numbers: frozenset[str]
    negated: bool
    enumeration: bool

    @classmethod
    def of(cls, words: Sequence[str]) -> _Short:
        every = frozenset(words)
        return cls(
            every,
            every - _FUNCTION_WORDS,
            frozenset(word for word in every if word[-1].isdigit()),
            not _NEGATIONS.isdisjoint(every),
            not _COORDINATIONS.isdisjoint(every),
        )


def _apart(left: _Short, right: _Short) -> bool:
    if left.numbers != right.numbers and (
        (left.numbers and right.numbers) or left.meant - left.numbers == right.meant - right.numbers
    ):
        return True
    if left.negated != right.negated or left.enumeration != right.enumeration:
        return True
    return _lacks(left.meant, right.words) and _lacks(right.meant, left.words)


def _read(text: str) -> _Said:
    if len(text) > MAX_CHARS:
        return _Said((), frozenset())
    words: list[str] = []
    marks: list[int] = []
    for part in _MARK.split(text.strip()):
        words += _words(part)
        marks.append(len(words))
    return _Said(tuple(words), frozenset(marks[:-1]) - {0})


def _words(part: str) -> list[str]:
    plain = normal_form(part.translate(_TYPOGRAPHY)).replace("&", " and ")
    plain = "".join(char for char in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(char))
    plain = _ORDINAL_END.sub("", _THOUSANDS.sub("", plain))
    return [_NUMBERS.get(word, word) for word in _WORD.findall(plain)]


def _given(one: _Said, places: dict[tuple[str, ...], list[int]]) -> tuple[str, ...] | None:
    """The one answer of the set that a text gives and says more about."""
    words, size = one.words, len(one.words)
    held: set[tuple[str, ...]] = set()
    given: set[tuple[str, ...]] = set()
    for start in range(size):
        for end in range(start + 1, min(start + SHORT, size) + 1):
            phrase = words[start:end]
            if phrase == words or phrase not in places:
                continue
            held.add(phrase)
            if (start == 0 and end in one.marks) or (end - start > 1 and _stands_alone(words, start, end)):
                given.add(phrase)
    largest = {phrase for phrase in held if not any(phrase != other and _holds(other, phrase) for other in held)}
    if len(largest) != 1 or not largest <= given:
        return None
    (answer,) = largest
    return None if _NEGATIONS.intersection(words) - set(answer) else answer


def _stands_alone(words: Sequence[str], start: int, end: int) -> bool:
    """Whether a phrase is no part of an enumeration, and has no number after it as "Toy Story" has in "Toy Story 3"."""
    before, after = words[max(start - 1, 0) : start], words[end : end + 1]
    return not (_COORDINATIONS.intersection((*before, *after)) or (after and after[0][-1].isdigit()))


def _holds(words: Sequence[str], phrase: Sequence[str]) -> bool:
    return any(words[start : start + len(phrase)] == phrase for start in range(len(words) - len(phrase) + 1))


def _lacks(meant: frozenset[str], others: frozenset[str]) -> bool:
    """Whether `meant` holds a word that `others` has in no spelling."""
    return any(not any(_alike(word, other) for other in others) for word in meant - others)


def _alike(a: str, b: str) -> bool:
    enough = ALIKE * (len(a) + len(b)) / 2
    if a[-1].isdigit() or b[-1].isdigit() or min(len(a), len(b)) < enough:
        return a == b
    if sum(map(set(b).__contains__, a)) < enough:  # fewer letters of the one than must match occur in the other
        return False
    low, high = sorted((a, b))  # the matcher is not symmetric
    return SequenceMatcher(None, low, high, autojunk=False).ratio() >= ALIKE

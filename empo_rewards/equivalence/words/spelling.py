"""Whether two words are spellings of one."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import lru_cache

from empo_rewards.equivalence.words import vocabulary as say

ALIKE = 0.8
"""Two words may be spellings of one from this similarity on (matching letters, as `difflib` counts them)."""

MAX_LETTERS = 40
"""A longer word is its own spelling only."""

MIN_SLIP = 6
"""A shorter name with another letter is another name."""

MIN_WORD = 8
"""A shorter word with another letter is another word: desert and dessert, marital and martial."""

LONG = 9
"""In so long a name the consonants alone tell it."""

_KEPT = ("is", "us", "os")
"""Endings that a stem keeps."""
_DOUBLED = re.compile(r"(.)\1+")
_UMLAUT = re.compile(r"(?<=[aou])e")
_VOWELS = frozenset("aeiouy")
_VOWEL = re.compile(r"[aeiou]")
_CHEMICAL = re.compile(r"[ai](?:te|de|ne|se)s?$|[aeo]n[el]s?$|[ao]l$")


@lru_cache(maxsize=16_384)
def alike(a: str, b: str) -> bool:
    """Whether two words may be spellings of one: they begin alike, and most of their letters match."""
    if a[0] != b[0]:
        return False
    enough = ALIKE * (len(a) + len(b)) / 2
    if not (a.isalpha() and b.isalpha()) or min(len(a), len(b)) < enough or len(a) + len(b) > 2 * MAX_LETTERS:
        return a == b
    if sum(map(set(b).__contains__, a)) < enough:  # fewer letters of the one than must match occur in the other
        return False
    low, high = sorted((a, b))  # the matcher is not symmetric
    return SequenceMatcher(None, low, high, autojunk=False).ratio() >= ALIKE


def derived(a: str, b: str) -> bool:
    """Whether two words differ in a suffix that makes another word: "economics", "economic"."""
    return a[:3] == b[:3] and not _bases(a).isdisjoint(_bases(b))


def _bases(word: str) -> set[str]:
    return {
        word,
        *(word[: -len(suffix)] for suffix in say.SUFFIXES if word.endswith(suffix) and len(word) > len(suffix) + 2),
    }


def slip(a: str, b: str, *, name: bool, beside: bool) -> bool:  # noqa: PLR0911 - one return a kind of slip
    """Whether one of two different words is surely a slip, or another custom, of spelling the other.

    A plural that its ending hides ("taxis", "viruses", of which the last s is gone), a doubled letter, two letters
    exchanged; in a name "oe" for "ö", in a long one vowels too many; in a name beside an equal one another vowel or a
    letter too many. Not where words are told by that letter: nitrate and nitrite.

    Args:
        a, b: the words in small letters.
        name: they are written as names.
        beside: they stand beside equal words.
    """
    least = min(len(a), len(b))
    short, long = sorted((a, b), key=len)
    if not name and ((long == short + "s" and say.takes_s(short)) or (long == short + "e" and short.endswith(_KEPT))):
        return True
    if least < MIN_SLIP or a[0] != b[0]:
        return False
    if name and _UMLAUT.sub("", a) == _UMLAUT.sub("", b):
        return True
    if least < MIN_WORD and not (name and beside):
        return False
    if _DOUBLED.sub(r"\1", a) == _DOUBLED.sub(r"\1", b):
        return True
    if len(a) == len(b):
        places = [k for k in range(len(a)) if a[k] != b[k]]
        if len(places) == 2 and places[1] == places[0] + 1:
            return (a[places[0]], a[places[1]]) == (b[places[1]], b[places[0]])
        vowels = len(places) == 1 and a[places[0]] in _VOWELS and b[places[0]] in _VOWELS and a[-2:] == b[-2:]
        return name and beside and vowels and not (_CHEMICAL.search(a) or _CHEMICAL.search(b))
    if not name or a[-2:] != b[-2:]:
        return False
    if len(short) >= LONG and _VOWEL.sub("", a) == _VOWEL.sub("", b):
        return True
    one_more = len(long) == len(short) + 1 and any(short == long[:k] + long[k + 1 :] for k in range(2, len(short)))
    return beside and len(long) >= LONG and one_more

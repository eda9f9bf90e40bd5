"""Whether two names name one person: initials, middle names, titles, a surname alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from empo_rewards.equivalence.math import numerals
from empo_rewards.equivalence.words import vocabulary as say
from empo_rewards.equivalence.words.reading import Words

MAX_NAMES = 6

_PATRONYMIC = re.compile(r"(?:[oe]vi(?:ch|c|tch)|lyi(?:ch|c)|[oe]vna|ichna)$")
"""The forms of a father's name, which belongs to all of a person's names and may be left out."""


class Name(NamedTuple):
    """A name as it is written, in small letters and without accents.

    Args:
        given: given names and what stands between them and the family name; an initial has one letter.
        family: the last name.
        titles: what they are called by.
        numeral: whether a numeral follows.
    """

    given: tuple[str, ...]
    family: str
    titles: frozenset[str]
    numeral: bool


@lru_cache(maxsize=16_384)
def name_of(words: Words) -> Name | None:
    """The name that words as they are written make, or None where they cannot make one."""
    raw = [word.removesuffix("'s") for word in words]
    titles: set[str] = set()
    while len(raw) > 1 and (title := say.TITLES.get(say.plain(raw[0].rstrip(".")))):
        titles.add(title)
        raw.pop(0)
    while len(raw) > 1 and say.plain(raw[-1].rstrip(".")) in ("jr", "sr", "junior", "senior"):
        titles.add(say.plain(raw.pop().rstrip("."))[0] + "r")
    numeral = len(raw) > 1 and (raw[-1] in say.ROMAN_LETTERS or say.plain(raw[-1]) in say.ROMAN)
    if numeral:
        raw.pop()
    elif len(raw) > 2 and raw[-2] == "the" and say.plain(raw[-1]) in numerals.ORDINALS:
        numeral = True
        del raw[-2:]
    if not 0 < len(raw) <= MAX_NAMES or not all(word[0].isupper() or word in say.PARTICLES for word in raw):
        return None
    if not all(char.isalpha() or char in ".'" for word in raw for char in word):
        return None
    names = [letters for word in raw for letters in _letters(word, alone=len(raw) == 1)]
    return Name(tuple(names[:-1]), names[-1], frozenset(titles), numeral)


def _letters(word: str, *, alone: bool) -> Sequence[str]:
    """Initials one by one, a name as it is."""
    plain = say.plain(word.replace(".", ""))
    initials = "." in word or (word.isupper() and len(word) <= 3 and not alone)
    return tuple(plain) if initials else (plain,)


FULL, PART = 0.8, 0.65
"""How sure one person is: by all given names, or by some, or by the surname alone."""


def same_person(a: Name, b: Name, *, person: bool) -> float | None:  # noqa: PLR0911 - one return a case
    """How surely two names name one person: 0 where they name two, None where names do not tell.

    Args:
        a, b: the names; their numerals, if both have one, are equal.
        person: the question asks for a person. Without that only initials say enough: "New York" is not "York".
    """
    if (a.titles and b.titles and a.titles != b.titles) or (a.titles ^ b.titles) & say.RELATIVES:
        return None
    if a.numeral != b.numeral:
        return None
    if (a.given, a.family) == (b.given, b.family):
        return FULL if a.given or a.numeral or person else None
    shorter, longer = sorted((a, b), key=lambda name: len(name.given))
    if len(shorter.family) == 1 and shorter.given:  # cut at an initial: "George W"
        whole = (*longer.given, longer.family)
        return PART if person and whole[: len(shorter.given) + 1] == (*shorter.given, shorter.family) else None
    if a.family != b.family:
        return None
    if say.PARTICLES.issuperset(shorter.given):  # the surname alone: "Nadal", "Van Gogh"; not "Van Morrison"
        ends = longer.given[len(longer.given) - len(shorter.given) :] == shorter.given
        office = say.is_role(a.family) or not say.MODIFIERS.isdisjoint(longer.given)  # "Prime Minister"
        return PART if person and ends and not office and len(shorter.family) > 1 else None
    initials = any(len(name) == 1 for name in (*a.given, *b.given))
    if not _compatible(a.given[0], b.given[0]):
        return 0.0 if (person or initials) and not _close(a.given[0], b.given[0]) else None
    between, others = shorter.given[1:], longer.given[1:]
    if others and not between:  # a middle name may tell a family apart: "George W. Bush", "John Quincy Adams"
        return PART if person and all(map(_PATRONYMIC.search, others)) else None
    if not (person or initials):
        return None
    return FULL if len(between) == len(others) and all(map(_compatible, between, others)) else 0.0


def _compatible(a: str, b: str) -> bool:
    return a == b or (1 in (len(a), len(b)) and a[0] == b[0])


def _close(a: str, b: str) -> bool:
    """Names that differ in their ends, as in two languages: Marie, Maria."""
    return a[:3] == b[:3] and abs(len(a) - len(b)) < 2

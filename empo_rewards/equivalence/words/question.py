"""What the question says about its answers: which words they may leave out, and what kind of thing they name."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from empo_rewards.equivalence.words.reading import infinitive, words_in

MAX_CHARS = 4_000
"""Of a longer prompt its end is read: the question stands there."""

_PEOPLE = (
    "actor|actress|president|king|queen|monarch|author|writer|novelist|poet|playwright|composer|singer|musician"
    "|artist|painter|sculptor|architect|scientist|physicist|chemist|biologist|mathematician|philosopher|economist"
    "|psychologist|inventor|explorer|general|emperor|pope|minister|player|footballer|golfer|boxer|driver|director"
    "|character|detective|hero|senator|governor|captain|man|woman|person|leader|politician|judge|lawyer|comedian|chef"
    "|designer|astronaut"
)
_PERSON = re.compile(
    rf"\b(?:(?<!what or )who(?! or what)|whom|whose|(?:which|what)\b.{{0,60}}\b(?:{_PEOPLE}))\b",
    re.IGNORECASE,
)
_ORDERED = re.compile(
    r"\b(?:in (?:\w+ ){0,2}order(?! to)|ordered|order of|sequence|rank(?:ed|ing)?|respectively|steps|chronological)",
    re.IGNORECASE,
)
_WORK = re.compile(
    r"\b(?:title|(?:which|what)(?: \w+){0,3} (?:novel|book|film|movie|song|poem|painting|album|opera|musical|play"
    r"|series|show|band))\b",
    re.IGNORECASE,
)
_NAMED = re.compile(
    rf"(?:\A|[.?!,:;]\s|\n)\s*(?:who|whose|whom|where)\b(?! or )|\b(?:which|what)(?: [\w'-]+){{0,3}} (?:{_PEOPLE}"
    "|city|town|village|country|state|county|province|region|continent|river|lake|sea|ocean|island|mountain|desert|planet"
    r"|constellation|god|goddess|family|team|club|company|brand|group|newspaper|magazine)\b",
    re.IGNORECASE,
)
_CHEMICAL = re.compile(
    r"\b(?:chem|element|compound|substance|molecul|formula|symbol|gas|oxide|ion\b|acid|metal)", re.IGNORECASE
)
_WORD_FORM = re.compile(
    r"\b(?:(?:plural|singular|comparative|superlative|infinitive|gerund|genitive)(?: (?:form|noun))? (?:of|for)"
    r"|(?:past|present|future) tense|participle|conjugat|inflect|pluralis|pluraliz|(?:mis)?spell?(?:ed|ing|s)?\b)",
    re.IGNORECASE,
)
_ALTERNATIVES = frozenset({"or", "vs", "versus"})


class Question(NamedTuple):
    """What is known from a prompt.

    Args:
        words: its canonical words, without those that it sets against each other ("elastic or inelastic").
        person: it asks for a person.
        names: it asks for a person, a work or something else that has a name of its own: "Adams" is not "Adam".
        ordered: it asks for things in an order, or for a title.
        chemical: it asks for a substance: `CO` is not `Co`.
        word_form: it asks for a form of a word, or its spelling: "dog" is not "dogs".
    """

    words: frozenset[str] = frozenset()
    person: bool = False
    names: bool = False
    ordered: bool = False
    chemical: bool = False
    word_form: bool = False


@lru_cache(maxsize=1_024)
def ask(prompt: str) -> Question:
    """Reads a prompt."""
    text = prompt[-MAX_CHARS:]
    words: set[str] = set()
    alternatives: set[str] = set()
    for line in re.split(r"[\n.?!;]", text):
        said = words_in(line)
        words.update(said)
        words.update(infinitive(word) for word in said if word.endswith("ed") and len(word) > 4)
        for k, word in enumerate(said):
            if word in _ALTERNATIVES:
                alternatives.update(said[max(k - 2, 0) : k + 3])
    person, work = _PERSON.search(text), _WORK.search(text)
    names, ordered = work or _NAMED.search(text), work or _ORDERED.search(text)
    found = (person, names, ordered, _CHEMICAL.search(text), _WORD_FORM.search(text))
    return Question(frozenset(words - alternatives), *map(bool, found))

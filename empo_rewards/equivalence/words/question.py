"""What the question says about its answers: which words they may leave out, and what kind of thing they name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from empo_rewards.equivalence.words import vocabulary as say
from empo_rewards.equivalence.words.reading import in_pairs, infinitive, words_in

MAX_CHARS = 4_000
"""Of a longer prompt its end is read: the question stands there."""

_PEOPLE = "|".join(sorted(say.PEOPLE))
_PERSON = re.compile(
    rf"\b(?:(?<!what or )who(?! or what)|whom|whose|(?:which|what)\b.{{0,60}}\b(?:{_PEOPLE}))\b",
    re.IGNORECASE,
)
_ORDERED = re.compile(
    r"\b(?:in (?:\w+ ){0,2}order(?! to)|ordered|order of|sequence|rank(?:ed|ing)?|respectively|steps|chronological"
    r"|from (?:the )?\w+est to|who (?:is|are|was|were) the \w+ and who"
    r"|(?:what|who|name|give|state|find|identify)(?: (?:is|are|was|were))? the \w*[^\Ws] and (?:the )?\w*[^\Ws]"
    r"(?= of|[?.!]|\Z))",
    re.IGNORECASE,
)
_WORK = re.compile(
    rf"\b(?:title|(?:which|what)(?: \w+){{0,3}} (?:{'|'.join(sorted(say.WORKS))}))\b",
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
WINDOW = 2
"""So many words before and behind "or" and "and" are what it joins."""


class Question(NamedTuple):
    """What is known from a prompt.

    Args:
        words: its canonical words, without those that it sets against each other ("elastic or inelastic").
        aside: words that name something else than what it asks about: "when the price rises", "than iron".
        several: words of which it asks about more than one: "wages and profits".
        person: it asks for a person.
        names: it asks for a person, a work or something else that has a name of its own: "Adams" is not "Adam".
        ordered: it asks for things in an order, or for a title.
        work: it asks for a work, which has an author.
        chemical: it asks for a substance: `CO` is not `Co`.
        word_form: it asks for a form of a word, or its spelling: "dog" is not "dogs".
    """

    words: frozenset[str] = frozenset()
    aside: frozenset[str] = frozenset()
    several: frozenset[str] = frozenset()
    person: bool = False
    names: bool = False
    ordered: bool = False
    work: bool = False
    chemical: bool = False
    word_form: bool = False

    def about_another(self, subject: Collection[str], said: Collection[str]) -> bool:
        """Whether what is said in an answer is said of a subject that the question does not ask about, or not alone."""
        named = frozenset(subject) - say.CONNECTING - say.NEUTRAL_PREPOSITIONS
        if say.MOVING.isdisjoint(said):
            return bool(named) and named <= self.aside
        return not named.isdisjoint(self.aside | self.several)


@lru_cache(maxsize=1_024)
def ask(prompt: str) -> Question:
    """Reads a prompt."""
    text = prompt[-MAX_CHARS:]
    words: set[str] = set()
    alternatives: set[str] = set()
    about: set[str] = set()
    several: set[str] = set()
    for clause, leads_up in chain.from_iterable(map(_clauses, re.split(r"[\n.?!;]", text))):
        words.update(clause, in_pairs(clause))
        words.update(infinitive(word) for word in clause if word.endswith("ed") and len(word) > 4)
        about.update(_asked_about(clause, leads_up))
        for k, word in enumerate(clause):
            joined = (*clause[max(k - WINDOW, 0) : k], *clause[k + 1 : k + 1 + WINDOW])
            if word in _ALTERNATIVES:
                alternatives.update((word, *joined))
            elif word == "and" and say.ASKING.isdisjoint(joined[-WINDOW:]):
                several.update(joined)
    person, work = _PERSON.search(text), _WORK.search(text)
    names, ordered = work or _NAMED.search(text), work or _ORDERED.search(text)
    found = (person, names, ordered, work, _CHEMICAL.search(text), _WORD_FORM.search(text))
    said = frozenset(words)
    return Question(said - alternatives, said - about, frozenset(several), *map(bool, found))


def _clauses(sentence: str) -> Iterator[tuple[list[str], bool]]:
    """The canonical words of a sentence, cut at commas behind an asking word or a clause; whether more follows."""
    held: list[str] = []
    for piece in sentence.split(","):
        if held and (held[0] in say.ASIDE or not say.ASKING.isdisjoint(held)):
            yield held, True
            held = []
        held += words_in(piece)
    yield held, False


def _asked_about(said: list[str], leads_up: bool) -> Iterator[str]:
    """The words of a clause but those that stand behind `say.ASIDE`, and those of what acts on what it asks about."""
    aside = False
    acts = next(
        (k for k, word in enumerate(said) if word in say.AFFECTING and k and said[k - 1] not in ("of", "the")), 0
    )
    for k, word in enumerate(said):
        if word in say.ASKING and (word != "when" or (k == 0 and not leads_up)):
            aside = False
        elif word in say.ASIDE:
            aside = aside or not (word == "to" and k > 0 and said[k - 1].startswith(("happen", "occur")))
        elif word == "on" and k > acts:
            aside = False
        if not aside and (k >= acts or word in say.ASKING):
            yield word
        if word in say.AFFECTING and said[k + 1 : k + 2] == ["of"]:
            aside = True

"""What words say of two answers."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from empo_rewards.equivalence.words import vocabulary as say
from empo_rewards.equivalence.words.names import Name, name_of, same_person
from empo_rewards.equivalence.words.question import Question
from empo_rewards.equivalence.words.reading import Part, Reading, Words
from empo_rewards.equivalence.words.spelling import alike, derived, slip

SHORT = 8
"""An answer of at most so many words is short: a number, negation or direction that differs then tells it apart."""

MAX_RESTATED = 30
"""An answer adds at most so many words of its question."""

MAX_RESPELLED = 8
"""Two phrases differ in the spelling of at most so many words."""


class Verdict(Enum):
    """What words say of two answers."""

    SAME = "same"
    DIFFERENT = "different"
    """Another quantity, negation, direction, name or number of things, whatever a model finds."""
    OTHER = "other"
    """Each has a word that the other lacks in any spelling: not the same, unless a model that reads says so."""
    MORE = "more"
    """The same words in another order, or one has more of them: open, and nothing that an embedding can see."""
    SPELLED = "spelled"
    """The words differ in their spelling alone: open."""


class Found(NamedTuple):
    """A verdict and how sure it is, in (0, 1]."""

    verdict: Verdict
    strength: float = 1.0


_EXPANDED = Found(Verdict.SAME, 0.9)
"""An abbreviation and what it stands for; a place and the country it lies in."""
_NAMED = Found(Verdict.SAME, 0.8)
_RESTATED = Found(Verdict.SAME, 0.7)
"""One repeats words of the question."""
_MISSPELT = Found(Verdict.SAME, 0.6)
_DIFFERENT, _OTHER, _MORE, _SPELLED = map(Found, (Verdict.DIFFERENT, Verdict.OTHER, Verdict.MORE, Verdict.SPELLED))


def compare(a: Reading, b: Reading, question: Question) -> Found:
    """What words say of two answers with different keys; symmetric."""
    if a.long or b.long:
        return _MORE
    if a.items or b.items:
        return _lists(a, b, question)
    if a.head.content == b.head.content:
        return _twins(a, b)
    return _phrases(a, b, question)


def _twins(a: Reading, b: Reading) -> Found:
    """What two answers with the same words say, of which one or both say more: where, what kind of thing, which one."""
    if (a.place, a.kind, a.lead) == (b.place, b.kind, b.lead):  # told apart by their number
        return _OTHER
    left, right = ({*one.place, *one.kind} for one in (a, b))
    if not (left <= right or right <= left):
        return _DIFFERENT if a.place and b.place else _OTHER
    return _EXPANDED if a.lead == b.lead or not (a.lead and b.lead) else _OTHER


def _lists(a: Reading, b: Reading, question: Question) -> Found:  # noqa: PLR0911 - one return a kind of list
    if a.items and b.items:
        if a.choice != b.choice:
            return _DIFFERENT
        left, right = ([item.content for item in one.items] for one in (a, b))
        if sorted(left) == sorted(right):
            return _DIFFERENT if question.ordered or left == right else _MORE
        if set(left) < set(right) or set(right) < set(left):
            return _DIFFERENT
        return _weigh(a.head, b.head)
    if a.head.content == b.head.content:
        return _EXPANDED
    listed, single = (a, b) if a.items else (b, a)
    if listed.inverted:
        return _phrases(listed._replace(head=listed.inverted), single, question)
    if abbreviates(single.head, listed.head):
        return _EXPANDED
    if any(item.content == single.head.content for item in listed.items):
        return _DIFFERENT
    return _weigh(a.head, b.head)


def _phrases(one: Reading, other: Reading, question: Question) -> Found:  # noqa: PLR0911 - one return a kind
    a, b = one.head, other.head
    if a.content == b.content:
        return _NAMED
    if abbreviates(a, b) or abbreviates(b, a) or _compounds(a.content, b.content):
        return _EXPANDED
    names: tuple[Name | None, Name | None] = (None, None)
    if not a.bag.isdisjoint(b.bag):
        if without_form(a) == without_form(b):
            return _NAMED
        if _restates(a, b, question):
            return _RESTATED
        if not (one.definite or other.definite):  # "the President" is nobody's name
            names = name_of(a.raw), name_of(b.raw)
    found = _weigh(*map(_untitled, (a, b), names))
    if found.verdict is Verdict.SPELLED and _misspelt(*map(_untitled, (a, b), names)):
        return _MISSPELT
    if names[0] and names[1] and found.verdict is not Verdict.DIFFERENT:
        sure = same_person(names[0], names[1], person=question.person)
        if sure is not None:
            return Found(Verdict.SAME, sure) if sure else _DIFFERENT
    return found


def _untitled(part: Part, name: Name | None) -> Part:
    """A name without its titles, as far as the words go."""
    if name is None or not name.titles:
        return part
    content = tuple(word for word in part.content if say.TITLES.get(word) not in name.titles)
    return part._replace(content=content, bag=frozenset(content))


def _compounds(a: Words, b: Words) -> bool:
    """Whether two phrases differ in what is written as one word: "well-being", "wellbeing"."""
    return len(a) != len(b) and "".join(a[:1])[:1] == "".join(b[:1])[:1] and "".join(a) == "".join(b)


def _weigh(a: Part, b: Part) -> Found:
    """What two phrases' words alone say."""
    left, right = a.bag, b.bag
    if a.numbers != b.numbers:
        one_adds_a_number = left.difference(a.numbers) == right.difference(b.numbers)
        return _DIFFERENT if _short(a, b) and (one_adds_a_number or (a.numbers and b.numbers)) else _MORE
    if a.ways != b.ways:
        contrary = say.NOT in a.ways ^ b.ways or (a.ways - {say.NOT} and b.ways - {say.NOT})
        return _MORE if not contrary else _DIFFERENT if _short(a, b) else _OTHER
    only_left, only_right = (left, right) if left.isdisjoint(right) else (left - right, right - left)
    if not only_left or not only_right:
        return _MORE
    if say.MODIFIERS.issuperset(only_left) and say.MODIFIERS.issuperset(only_right):
        return _DIFFERENT
    if len(only_left) == len(only_right) == 1 and _opposed(*only_left, *only_right):
        return _DIFFERENT
    shared = len(only_left) < len(left) or a.initials == b.initials
    return _respelled(a, b, only_left, only_right) if shared else _OTHER


def _short(a: Part, b: Part) -> bool:
    return max(len(a.content), len(b.content)) <= SHORT


def _respelled(a: Part, b: Part, left: frozenset[str], right: frozenset[str]) -> Found:
    """Whether each word of one alone may be a spelling of one of the other alone, and all else is in order."""
    if max(len(left), len(right)) > MAX_RESPELLED:
        return _OTHER
    if not all(any(alike(word, other) for other in right) for word in left) or not all(
        any(alike(word, other) for word in left) for other in right
    ):
        return _OTHER
    if len(left) == len(right) == 1 and derived(*left, *right):
        return _OTHER
    shared = a.bag & b.bag
    in_order = [word for word in a.content if word in shared] == [word for word in b.content if word in shared]
    return _SPELLED if in_order else _MORE  # "Greece is conquered by Rome", "Greece conquered Rome"


def _opposed(a: str, b: str) -> bool:
    """Whether one of two words is the other with a negative prefix, or they have opposite prefixes or endings."""
    if a[-3:] != b[-3:] and a[:3] != b[:3]:
        return a.lower() == b.lower()  # symbols of elements
    short, long = sorted((a, b), key=len)
    negative = len(short) > 3 and any(long == start + short for start in say.NEGATIVE_STARTS)
    return (
        negative
        or any(
            (a.startswith(one) and b.startswith(other) and len(a) > len(one) + 2 and a[len(one) :] == b[len(other) :])
            for pair in say.CONTRASTING_STARTS
            for one, other in (pair, pair[::-1])
        )
        or any(
            a.endswith(one) and b.endswith(other) and a[: -len(one)] == b[: -len(other)]
            for pair in say.CONTRASTING_ENDS
            for one, other in (pair, pair[::-1])
        )
    )


def abbreviates(short: Part, long: Part) -> bool:
    """Whether one word in capitals is made of the first letters of the other phrase: "WWII", "UK", "DNA"."""
    token = short.abbreviation
    if not 2 <= len(token) <= 8 or len(long.raw) < 2:
        return False
    letters = token.rstrip("0123456789IVX") or token
    forms = {token.lower(), letters.lower() + token[len(letters) :], *_with_digits(letters, token[len(letters) :])}
    named = [word for word in long.raw if say.plain(word) not in say.SMALL_WORDS]
    if not named or len(named) > len(token):
        return False
    if len(token) == 2 and not all(word[0].isupper() for word in named):
        return False
    initials = "".join(_first_letter(word, last=k > 0) for k, word in enumerate(named))
    return initials in forms or "".join(word[0] for word in long.content) in forms


def _first_letter(word: str, *, last: bool) -> str:
    """What an abbreviation has of a word: a numeral in digits."""
    numeral = say.ROMAN_LETTERS.get(word) if last else None
    return numeral or say.number_of(say.plain(word)) or word[0].lower()


def _with_digits(letters: str, numeral: str) -> set[str]:
    digits = say.number_of(numeral.lower()) or say.ROMAN_LETTERS.get(numeral)
    return {letters.lower() + digits} if digits else set()


def _restates(a: Part, b: Part, question: Question) -> bool:
    """Whether the longer of two phrases adds words of the question, and nothing that changes the answer."""
    short, long = sorted((a, b), key=lambda part: len(part.content))
    extra = len(long.content) - len(short.content)
    if not 0 < extra <= MAX_RESTATED:
        return False
    repeated = long.bag - short.bag - say.CONNECTING
    if not repeated or not repeated - say.CARRIERS <= question.words:
        return False
    subject = "of" not in long.raw or ("of" in long.words and short.words == long.words[: len(short.words)])
    acts = any(word in (say.UP, say.DOWN) or word in say.RELATIONS for word in long.content)
    for start in range(extra + 1):
        end = start + len(short.content)
        if long.content[start:end] == short.content:
            added = (*long.content[:start], *long.content[end:])
            joined = long.content[start - 1] if start else long.lead
            states = bool(long.sides) or not say.MOVING.isdisjoint(long.content)
            if states and question.about_another(long.content[:start], long.content[start:]):
                return False
            if short.lead and joined in say.LEADS and joined != short.lead:
                return False
            changes = any(word in say.MODIFIERS or word in say.CHANGING for word in added)
            counts = sum(any(map(str.isdigit, word)) for word in added)
            names_place = start == 0 and say.plain(" ".join(short.raw)) in say.PLACES
            return (
                (subject or "of" in short.raw)
                and (question.words | say.CARRIERS | say.CONNECTING).issuperset(added)
                and not (changes or names_place or (acts and 0 < start < extra))
                and (counts == 0 or extra > 2 * counts)
            )
    return False


def without_form(part: Part) -> Words:
    """A company's name without its legal form."""
    content = part.content
    while len(content) > 1 and content[-1] in say.LEGAL_FORMS and part.raw[-1][:1].isupper():
        content = content[:-1]
    while len(content) > 1 and content[0] in say.CLUBS and part.raw[0].isupper():
        content = content[1:]
    return content


def _misspelt(a: Part, b: Part) -> bool:
    """Whether two phrases differ in one word, by a slip."""
    if len(a.content) != len(b.content):
        return False
    differing = [(one, other) for one, other in zip(a.content, b.content, strict=True) if one != other]
    name = all(word[0].isupper() or word in say.PARTICLES for part in (a, b) for word in part.raw)
    return len(differing) == 1 and slip(*differing[0], name=name, beside=len(a.content) > 1)

"""What answers in words say, word by word: which are the same, which are not, and which a model must be asked about.

Sentence embeddings find "5 years" and "6 years", "left hand" and "right hand", "A exceeds B" and "B exceeds A" closer
than many a paraphrase. Words tell them apart. What words do not tell is left open, and so is whatever contains an
answer and more: an explanation stands apart from what it explains and adds ("Jupiter (the fifth planet)"), a modifier
stands in front or inside and changes ("more than 5 years"). Nothing here is learned, and nothing depends on order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from itertools import chain, combinations
from typing import NamedTuple

from empo_rewards.equivalence.words import vocabulary as say
from empo_rewards.equivalence.words.compare import SHORT, Verdict, abbreviates, compare, without_form
from empo_rewards.equivalence.words.names import name_of
from empo_rewards.equivalence.words.question import Question, ask
from empo_rewards.equivalence.words.reading import FORMULA, Part, Reading, Words, part, read

__all__ = ["SHORT", "WordRelation", "relate_words"]


_YES_OR_NO = (("yes",), (say.NOT,))


class WordRelation(NamedTuple):
    """What words say of the texts of one group; pairs are positions (i, j), i < j.

    Args:
        same: a spanning set of the pairs that say the same, each with its strength.
        different: pairs that differ, whatever a model finds.
        other: pairs that do, unless a model that reads finds otherwise.
        spelled: pairs whose words differ in spelling alone.
    """

    same: dict[tuple[int, int], float]
    different: set[tuple[int, int]]
    other: set[tuple[int, int]]
    spelled: set[tuple[int, int]]


def relate_words(texts: Sequence[str], prompt: str = "", decided: Collection[int] = ()) -> WordRelation:
    """What words say of every two of the answers to one question.

    Args:
        texts: the answers.
        prompt: the question.
        decided: positions of answers of which every two are compared elsewhere.
    """
    question = ask(prompt)
    readings = _of_the_kind([_answering(read(text), question) for text in texts], question)
    classes: dict[Hashable, list[int]] = defaultdict(list)
    hedgers = _hedgers(readings, question)
    for position, reading in enumerate(readings):
        classes[position if reading.long else _key(reading, question, position in hedgers)].append(position)
    told = sorted(part for members in classes.values() for part in _told_apart(members, readings, question))
    relation = WordRelation({}, set(), set(), set())
    for members in told:
        relation.same.update({(members[0], other): 1.0 for other in members[1:]})
    stands = [
        (members, reading, reading.marks, all(position in decided for position in members))
        for members, reading in ((members, readings[members[0]]) for members in told)
        if members[0] not in hedgers
    ]
    for (one, a, marks, closed), (two, b, other_marks, also_closed) in combinations(stands, 2):
        pairs = ((one[0], two[0]),) if len(one) == len(two) == 1 else _between(one, two)
        if marks and other_marks and marks.isdisjoint(other_marks):  # most pairs, told at the least cost
            relation.other.update(pairs)
            continue
        if closed and also_closed:
            continue
        verdict, strength = compare(a, b, question)
        if question.word_form and verdict is not Verdict.DIFFERENT:
            verdict = Verdict.OTHER
        if verdict is Verdict.SAME:
            relation.same[one[0], two[0]] = strength
        elif verdict is Verdict.OTHER:
            relation.other.update(pairs)
        elif verdict is Verdict.DIFFERENT:
            relation.different.update(pairs)
        elif verdict is Verdict.SPELLED:
            relation.spelled.update(pairs)
    return relation


def _between(one: Sequence[int], two: Sequence[int]) -> list[tuple[int, int]]:
    """Each position of the one with each of the other, the lesser first."""
    return [(i, j) if i < j else (j, i) for i in one for j in two]


def _answering(reading: Reading, question: Question) -> Reading:
    """A sentence of which one side repeats the question gives the other: "Canberra is the capital of Australia".

    Where that side has a phrase in quotation marks, or emphasised, it gives this.
    """
    symbols = "".join(reading.head.raw) if question.chemical and len(reading.head.raw) == 1 else ""
    if symbols.isalpha() and FORMULA.fullmatch(symbols):
        return reading._replace(
            head=reading.head._replace(content=reading.head.raw, bag=frozenset(reading.head.raw), marks=frozenset())
        )
    first = reading.items[0] if reading.items else reading.head
    if first.content in _YES_OR_NO and _repeats_only(reading.whole, question, denies=first.content == _YES_OR_NO[1]):
        return reading._replace(head=first, items=(), hedged=False)
    if question.work and " by " in reading.answer and not reading.kind:
        work, _, name = reading.answer.rpartition(" by ")
        author = part(name).raw
        if len(author) > 1 and name_of(author):
            return reading._replace(head=part(work), items=())
    if say.NOT in reading.head.ways or say.NOT in reading.tail:
        return reading
    if reading.items:
        return reading._replace(items=(_other_side(reading.items[0], question), *reading.items[1:]))
    head = _other_side(reading.head, question)
    return reading if head is reading.head else reading._replace(head=reading.marked or head)


def _repeats_only(said: Words, question: Question, *, denies: bool) -> bool:
    """Whether a "yes" or a "no" and what follows add nothing to the question: "No, they cannot"."""
    words = say.SHORT_ANSWERS | (question.words - question.aside)
    return words.issuperset(said) and (denies or say.NOT not in said)


def _of_the_kind(readings: list[Reading], question: Question) -> list[Reading]:
    """Readings of which those that name no kind are of the kind that the question asks for, if another says it."""
    asked = {reading.kind for reading in readings if reading.kind and question.words.issuperset(reading.kind)}
    if len(asked) != 1:
        return readings
    (kind,) = asked
    return [reading if reading.kind else reading._replace(kind=kind) for reading in readings]


def _other_side(part: Part, question: Question) -> Part:
    """Of a sentence whose one side has only words of the question, the other side; else all of it.

    A form of the question's word is none of its words in a canonical form: there the shorter side is the answer.
    """
    repeats = [question.words.issuperset(side.content) for side in part.sides]
    if repeats == [True, False] and question.about_another(*(side.content for side in part.sides)):
        return part
    if question.word_form and repeats == [True, True]:
        return min(part.sides, key=lambda side: len(side.content))
    return part.sides[repeats.index(False)] if repeats.count(True) == 1 else part


def _key(reading: Reading, question: Question, hedged: bool) -> Hashable:
    """Texts with one key say the same."""
    if hedged:
        return ("hedged", reading.whole)
    if reading.items:
        items = [_said(item, question) for item in reading.items]
        ordered = reading.sequence or question.ordered
        return (reading.choice, ordered, tuple(items if ordered else sorted(items)))
    return (_said(reading.head, question), reading.place)


def _told_apart(members: list[int], readings: Sequence[Reading], question: Question) -> Iterable[list[int]]:
    """The texts of one key; those apart of which two say another kind, preposition ("by sea", "in the sea") or name."""
    if len(members) == 1:
        return (members,)
    said = [readings[k] for k in members]
    columns: list[list[Hashable]] = [[one.kind for one in said], [one.lead for one in said]]
    if question.names:
        columns.append(_numbers([one.head.raw for one in said]))
    telling = [column for column in columns if len(set(column) - {(), ""}) > 1]
    parts: dict[Hashable, list[int]] = defaultdict(list)
    for k, *aspects in zip(members, *telling, strict=True):
        parts[tuple(aspects)].append(k)
    return parts.values()


def _numbers(phrases: Sequence[Words]) -> list[Hashable]:
    """Of each phrase, the names which the phrases have with and without a last s: "Adams" and "Adam".

    Only where both forms are written as names each time: "Cats" are "Cat", and where one says "a marigold", "Marigolds"
    are "Marigold".
    """
    written = set(chain.from_iterable(phrases))
    names = {say.plain(word) for word in written if word[0].isupper()} - written
    plural = {name for name in names if name[-1] == "s" and say.singular(name) in names - {name}}
    told = plural.union(map(say.singular, plural))
    return [frozenset(told.intersection(map(say.plain, phrase))) for phrase in phrases]


def _said(part: Part, question: Question) -> Words:
    """What a phrase is compared by; where the question asks for a form of a word, its words as they are written."""
    return tuple(word.casefold() for word in part.raw) if question.word_form else part.content


def _hedgers(readings: Sequence[Reading], question: Question) -> set[int]:
    """The texts that take back what they answer, or say another answer of the group beside it: they give neither."""
    if not any(reading.tail or reading.hedged for reading in readings):
        return set()
    answers = {without_form(one.head): one.head for one in readings if not one.items and one.head.content}
    spoken = [
        (f" {' '.join(answer)} ", frozenset(answer), head)
        for answer, head in answers.items()
        if not question.words.issuperset(answer)
    ]
    found = set()
    for position, reading in enumerate(readings):
        tail, own = f" {' '.join(reading.tail)} ", reading.head
        if reading.hedged or any(
            said in tail and not words <= own.bag and not abbreviates(head, own) and not abbreviates(own, head)
            for said, words, head in (spoken if reading.tail else ())
        ):
            found.add(position)
    return found

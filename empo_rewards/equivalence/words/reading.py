"""A text in words, read once: the answer that it gives in canonical words, and what it says about that answer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, takewhile
from typing import NamedTuple

from empo_rewards.equivalence.math.chemistry import ELEMENT
from empo_rewards.equivalence.words import vocabulary as say
from empo_rewards.latex import FONTS, TEXT, command

MAX_CHARS = 1_000
"""A longer text is not read word by word: what it says is not in its single words."""

MAX_ITEM_WORDS = 4
"""What stands between two commas is an item of an enumeration where it has at most so many words."""

READINGS = 16_384
"""Readings that are kept."""

Words = tuple[str, ...]

_TYPOGRAPHY = str.maketrans(
    {**dict.fromkeys("‘’`´ʼ", "'"), **dict.fromkeys("“”«»„*", '"'), **dict.fromkeys("–—−‐‑", "-")}
)
_LATEX = re.compile(rf"{command(*TEXT, *FONTS)}\s?\{{([^{{}}]*)\}}")
_SPACING = re.compile(r"\\[ ,;:!]|[$~](?!\d)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NUMBERED = re.compile(r"(?<=\w)(?: ?\((?=[IVX]{1,4}\))|\((?=\d{1,2}\)|[a-rt-z]\)))([IVX\d]+|[a-z])\)")
_IN_A_ROW = re.compile(r"\s\d{1,2}[.)]\s(?=[^\W\d])")
_SUFFIX = re.compile(r",\s(?=(?:Inc|Ltd|LLC|Corp|Jr|Sr)\b)")
_BRACKET = re.compile(r"\s*[(\[]([^()\[\]]*)(?:[)\]]|$)")
_ABBREVIATED = "".join(rf"(?<!{title})" for title in say.SHORTENED)
_BREAK = re.compile(rf"\s?[;\n]\s?|\s-+\s|(?<=[^\W\d_]{{3}}){_ABBREVIATED}[.?!]\s(?!\d)|(?<=\d)[.?!]\s(?=[A-Z])")
_BREAKING = frozenset(";\n-.?!")
_MARKED = re.compile(r"\*{1,2}([^*\n]{1,80})\*|[\"“]([^\"“”\n]{1,80})[\"”]")
_MARKS = frozenset('*"“')
_CONTRAST = re.compile(r"not (?:the )?[A-Z]")
"""The name of what the answer is not: "Ankara, not Istanbul"."""
_COPULA = re.compile(r"\b(?:is|was|are|were)\b")
_COMMA = re.compile(r",\s")
_AND = re.compile(r"\s(?:and|&|or|as well as)\s|&", re.IGNORECASE)
_JOINED = re.compile(r"\b(?:and|or|as)\b", re.IGNORECASE)
_LISTED = re.compile(r"\s*[;\n]\s*")
_BULLET = re.compile(r"\A(?:\d{1,2}[.)]|[-•])\s+")
_ITEM_LEAD = re.compile(r"\A(?:and|or|&)\s", re.IGNORECASE)
_BOTH = re.compile(r"\bboth\s", re.IGNORECASE)
_THEN = re.compile(r"\Athen\s", re.IGNORECASE)
_IN_SEQUENCE = re.compile(r"\A(?:first|then|finally|lastly)\s", re.IGNORECASE)
_CALLED = "|".join(sorted((say.PEOPLE | say.WORKS) - say.TITLES.keys()))
_OF_A_KIND = re.compile(
    rf"(?:in )?(?:the )?((?:[A-Z][a-z]*(?:an|ish|ese|ch) )?(?:{_CALLED})|(?:{'|'.join(say.PLACE_NOUNS)}) of) "
    r"(?:the )?(?=[A-Z])"
)
"""What stands before a name and says what it names: "the city of Vienna", "the composer Mozart"."""
_YEAR = re.compile(r"[12]\d{3}")
FORMULA = re.compile(rf"(?:{ELEMENT}\d{{0,2}}){{1,6}}")
"""Symbols of elements, as a bracket explains a name by them: "salt (NaCl)"."""
_OR = re.compile(r"\bor\b", re.IGNORECASE)
_INITIALS = re.compile(r"(?<!\w)(?:[^\W\d_]\.)+[^\W\d_](?!\w)\.?|(?<!\w)(?:[^\W\d_]\. ?){2,}|(?<!\w)[A-Z]\.(?= [A-Z])")
_ENDS_IN_INITIALS = re.compile(r"\.[^\W\d_]\.$")
_TOKEN = re.compile(
    r"(?<![A-Za-z\d-])[A-Za-z]+\d[A-Za-z\d]*(?!\w)|(?<![\w.-])\d+s(?!\w)"  # sp3, WW2, 1920s
    r"|(?<![\w)])-?\d+(?:\.\d+)?(?:st|nd|rd|th)?|\d+(?:\.\d+)?"
    r"|[^\W\d_]+(?:'[^\W\d_]+)*|[^\w\s]"
)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_EMPTY = "|".join(sorted(say.FILLERS | say.COPULAS | say.NEUTRAL_PREPOSITIONS, key=len, reverse=True))
_BOUND = re.compile(rf"(?<![\w'-])((?:{_EMPTY}))-(?=[^\W\d_])|(?<=[^\W\d_])-(?=(?:{_EMPTY})(?![\w'-]))", re.IGNORECASE)
"""The hyphen between a word that says nothing by itself and another one: together they say something."""
_ORDINAL_END = re.compile(r"(?<=\d)(?:st|nd|rd|th)$")
_AROUND = ("around", "about")
_RELATING = frozenset({"exceed", *say.CONVERSES, *say.CONVERSE_COMPARATIVES})
_MOVES = frozenset(first for first, _ in say.PAIRS)
_DIGIT = re.compile(r"\d")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_WAYS = frozenset((say.NOT, say.UP, say.DOWN))
_THE = ("the", "The")
_NO_SYMBOLS = ("No", "He", "In", "As", "At")
_LEADING = say.CARRIERS | say.ANSWERS | say.RIGHT
_SILENT = frozenset(".,;:?!\"'()[]{}-_/…·#。、，？！；：（）《》")


class Part(NamedTuple):
    """A phrase in canonical words.

    Args:
        words: without what says nothing (articles, copulas, fillers), in the order of `_in_order`.
        content: `words` without the prepositions that say nothing; what two phrases are compared by.
        raw: the words as they are written, with their capitals, without a first "the".
        bag: the set of `content`.
        numbers: those of `content` that hold a digit, sorted.
        ways: the tokens of negation, rise and fall in `content`.
        initials: the first letters of `content`.
        lead: the class of the preposition with which it begins; else empty.
        abbreviation: of one word in capitals, its letters; else empty.
        marks: two phrases that share none of them share no word, and neither may be made of the other's letters: the
            words, the first letter, all first letters, the ending. Empty where more decides: a number, a negation or a
            direction, an abbreviation, modifiers alone.
        sides: of a sentence with one copula, its subject and its predicate.
    """

    words: Words
    content: Words
    raw: Words
    bag: frozenset[str]
    numbers: Words
    ways: frozenset[str]
    initials: frozenset[str]
    lead: str = ""
    abbreviation: str = ""
    marks: frozenset[str] = frozenset()
    sides: tuple[Part, ...] = ()


class Reading(NamedTuple):
    """What a text says.

    Args:
        answer: the part of the text that gives the answer.
        head: the answer that it gives.
        items: where that is an enumeration, its items; else empty.
        choice: whether it leaves open which of the items is meant.
        sequence: whether it says itself that they are in an order.
        place: the country or state in which, it says, the answer lies; or a name or a year in a bracket:
            "Adams (John)".
        kind: the kind of thing that, it says, the answer is, in a bracket or before a name: "Cats (film)", "the poet
            Heine".
        inverted: where two names stand with a comma between, the second before the first: "Taylor, Zachary".
        marked: what alone is set in quotation marks or emphasised, in a sentence.
        tail: the canonical words of what is said about the answer.
        hedged: whether that takes the answer back, or leaves it open.
        long: whether it is too long to be read; nothing else is filled in then.
    """

    answer: str
    head: Part
    items: tuple[Part, ...]
    choice: bool
    sequence: bool
    place: Words
    kind: Words
    inverted: Part | None
    marked: Part | None
    tail: Words
    hedged: bool
    long: bool = False

    @property
    def marks(self) -> frozenset[str]:
        """The marks of its head; none for an enumeration, of which more decides."""
        return frozenset() if self.items else self.head.marks

    @property
    def lead(self) -> str:
        """The class of the preposition with which it begins; of an enumeration none."""
        return "" if self.items else self.head.lead

    @property
    def definite(self) -> bool:
        """Whether an article stands before its head."""
        return self.answer[:4].lower() == "the " and self.answer[4:].startswith(self.head.raw[:1])

    @property
    def whole(self) -> Words:
        """The canonical words of the whole text."""
        return self.head.words + self.tail


NOTHING = Part((), (), (), frozenset(), (), frozenset(), frozenset())


@lru_cache(maxsize=READINGS)
def read(text: str) -> Reading:
    """Reads a text; the work is bounded by `MAX_CHARS`."""
    if len(text) > MAX_CHARS:
        return Reading(text, NOTHING, (), False, False, (), (), None, None, (), False, long=True)
    tidy = _tidied(text)
    given, said = _split(tidy)
    answer, kind = _of_a_kind(given)
    head = part(answer)
    if not head.content:
        answer, said, head = tidy, [], part(tidy)
    items, choice = _items(answer)
    sequence = len(items) > 1 and any(map(_THEN.match, items))
    if sequence:
        items = [_IN_SEQUENCE.sub("", item) for item in items]
    place: Words = ()
    inverted = None
    if len(items) in (2, 3) and _COMMA.search(answer) and all(item[0].isupper() for item in items):
        if where := _where(items):
            head, items, place = part(items[0]), [], part(where).content
        elif " " not in items[0] and len(items) == 2:
            inverted = part(f"{items[1]} {items[0]}")
    tails = [part(piece).words for piece in said]
    hedged = any(map(_takes_back, said)) or (head.content != (say.NOT,) and any(map(_changes, said, tails)))
    if len(items) == 1 and not place and tidy[-1:] == ")":
        place, kind = _bracket(tidy, kind)
    parts = tuple(map(part, items)) if len(items) > 1 else ()
    found = () if _MARKS.isdisjoint(text) else _MARKED.findall(text)
    marked = part("".join(found[0])) if len(found) == 1 and _COPULA.search(text) else None
    told = tuple(chain.from_iterable(tails))
    return Reading(given, head, parts, choice, sequence, place, kind, inverted, marked, told, hedged)


def _split(tidy: str) -> tuple[str, list[str]]:
    """The answer that a text gives, and the pieces that stand apart from it: brackets, sentences, clauses."""
    head, tails = _without_brackets(tidy)
    if ";" in head or "\n" in head:
        head = _in_commas(head)
    found = None if _BREAKING.isdisjoint(head) else _BREAK.search(head, 1)
    if found:
        doubt = "perhaps " if "?" in found.group() else ""  # an answer, a question mark, and another answer
        head, tails = head[: found.start()], [*tails, doubt + head[found.end() :]]
    for cut in (_before_clause, _before_explaining_comma):
        head, tail = cut(head)
        tails.append(tail)
    return head.strip(" ,.:?!"), [tail for tail in tails if tail]


def _tidied(text: str) -> str:
    if not text.isascii():
        text = "".join(char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    folded = text.replace("`", "'").replace("*", "") if text.isascii() else text.translate(_TYPOGRAPHY)
    folded = folded.replace('"', "")
    if "\\" in folded or "$" in folded or "~" in folded:
        folded = _SPACING.sub(" ", _LATEX.sub(r"\1", folded))
    lines = (" ".join(line.split()) for line in folded.splitlines())
    tidy = "\n".join(filter(None, lines))
    if "," in tidy:
        tidy = _SUFFIX.sub(" ", _THOUSANDS.sub("", tidy))
    if "(" in tidy:
        tidy = _NUMBERED.sub(r" \1", tidy)  # iron(II), 8(b)
    if " and " in tidy:
        tidy = _BOTH.sub("", tidy)
    if _BULLET.match(tidy):
        tidy = _IN_A_ROW.sub("; ", tidy)  # "1. tin 2. lead"
    return tidy.strip() if _ENDS_IN_INITIALS.search(tidy) else tidy.strip(" .。")


def _without_brackets(text: str) -> tuple[str, list[str]]:
    tails: list[str] = []
    if "(" not in text and "[" not in text:
        return text, tails

    def take(match: re.Match[str]) -> str:
        if match.start() == 0:
            return match.group()
        if not _is_formula(match[1]):
            tails.append(match[1])
        return ""

    return _BRACKET.sub(take, text), tails


def _is_formula(text: str) -> bool:
    """Whether a bracket gives the symbols of what stands before it: "salt (NaCl)"; not an acronym, nor a word."""
    return FORMULA.fullmatch(text) is not None and not (text.isalpha() and text.isupper()) and text not in _NO_SYMBOLS


def _in_commas(head: str) -> str:
    """A list over lines or between semicolons as one between commas, as far as its pieces are items."""
    pieces = [_BULLET.sub("", piece) for piece in _LISTED.split(head)]
    listed = list(takewhile(_is_item, pieces))
    return "\n".join([", ".join(listed), *pieces[len(listed) :]]) if len(listed) > 1 else head


def _is_item(piece: str) -> bool:
    """Whether a piece is short, no sentence, and does not begin as an explanation does."""
    words = piece.lower().split()
    return (
        0 < len(words) <= MAX_ITEM_WORDS
        and say.COPULAS.isdisjoint(words)
        and (words[0] not in say.EXPLAINERS or words[0] in say.ARTICLES)
        and piece[-1] not in ".:"
    )


def _before_clause(head: str) -> tuple[str, str]:
    words = head.split()
    if say.CLAUSES.isdisjoint(words):
        return head, ""
    for k, word in enumerate(words):
        if k > 0 and word in say.CLAUSES:  # with a capital it is a name: "the Who"
            after = "".join(words[k + 1 : k + 2])
            if after == "to" if word == "due" else not (word == "since" and after[:1].isdigit()):
                return " ".join(words[:k]), " ".join(words[k:])
    return head, ""


def _before_explaining_comma(head: str) -> tuple[str, str]:
    """Splits at the first comma behind which an explanation begins rather than a further item."""
    pieces = _COMMA.split(head) if "," in head else [head]
    for k, piece in enumerate(pieces[1:], start=1):
        if _explains(piece, pieces[0], last=k == len(pieces) - 1):
            return ", ".join(pieces[:k]), ", ".join(pieces[k:])
    return head, ""


def _explains(piece: str, first: str, *, last: bool) -> bool:
    words = piece.split()
    if not words or _ITEM_LEAD.match(piece):
        return False
    low = words[0].lower()
    if _CONTRAST.match(piece):
        return True
    if low in say.EXPLAINERS and not _THEN.match(piece):
        return low not in say.ARTICLES or first.split(" ", 1)[0].lower() not in say.ARTICLES
    if words[0].isdigit():
        return not first[:1].isdigit()
    if _AND.search(piece):
        return False
    apposition = last and len(words) > 2 and first[:1].isupper() and piece[:1].islower()
    return apposition or len(words) > MAX_ITEM_WORDS


def _items(head: str) -> tuple[list[str], bool]:
    """The items of an enumeration, and whether it leaves open which of them is meant; one item where it is none."""
    if not ("," in head or "&" in head or _JOINED.search(head)):
        return [head], False
    pieces: list[str] = []
    for piece in _COMMA.split(head):
        pieces += _AND.split(_ITEM_LEAD.sub("", piece, count=1))
    return [piece.strip() for piece in pieces if piece.strip()], _OR.search(head) is not None


def _takes_back(said: str) -> bool:
    """Whether what is said about an answer takes it back, leaves it open, or makes it depend on a condition."""
    words = [say.plain(word) for word in _WORD.findall(said)]
    if _CONTRAST.match(said):
        return False
    return not (say.HEDGES.isdisjoint(words[:2]) and say.DOUBTS.isdisjoint(words)) or not say.CONDITIONS.isdisjoint(
        words[:1]
    )


def _changes(said: str, words: Words) -> bool:
    """Whether what stands behind an answer changes it: it says how much or which way alone, or ends in a denial.

    Args:
        said: as it is written.
        words: in canonical words.
    """
    modifies = bool(words) and all(word in say.MODIFIERS or word in (say.NOT, say.UP, say.DOWN) for word in words)
    return modifies or said.lower().endswith(" not")


def _where(items: Sequence[str]) -> str:
    """The country or the state, or both, in which the first item lies, by the others; empty for a list of countries."""
    names = [say.STATES.get(item, "USA" if item == "United States" else item) for item in items[1:]]
    if not all(say.plain(name) in say.PLACES for name in names):
        return ""
    if names[0] in say.STATES.values():
        return f"{names[0]} USA" if names[1:] in ([], ["USA"], ["US"]) else ""
    return names[0] if len(names) == 1 and items[0] not in say.COUNTRIES else ""


def _of_a_kind(given: str) -> tuple[str, Words]:
    """A name without what says before it which kind of thing it names, and that kind."""
    found = _OF_A_KIND.match(given)
    if not found or not all(word[0].isupper() or word in say.PARTICLES for word in given[found.end() :].split()):
        return given, ()
    return given[found.end() :], tuple(word for word in found[1].lower().split() if word != "of")


def _bracket(tidy: str, kind: Words) -> tuple[Words, Words]:
    """The words of a bracket at the end that holds a name or a year alone; the kind that one names, or else `kind`."""
    text = tidy[tidy.rfind("(") + 1 : -1].removeprefix("the ")
    words = text.split() if "(" in tidy[1:] else []
    if not 0 < len(words) <= MAX_ITEM_WORDS or _is_formula(text):
        return (), kind
    content = part(text).content
    if all(word.isalpha() and (word.istitle() or say.plain(word) in say.PLACES) for word in words):
        return content, kind
    numbers = [word for word in content if _DIGIT.search(word)]
    if len(words) <= 2 and len(numbers) == 1 and _YEAR.fullmatch(numbers[0]):
        return content, kind
    noun = len(words) <= 2 and words[-1].islower() and words[0].lower() not in say.EXPLAINERS
    return (), content if noun and "".join(words).replace(".", "").replace("'", "").isalpha() else kind


# --------------------------------------------------------------------------------------------------- canonical words


def words_in(text: str) -> list[str]:
    """The canonical words of a text, in its own order."""
    return [word.lstrip("#") for word in _meant(_raw(text)) if word not in say.COPULAS]


def part(text: str) -> Part:
    """A phrase in canonical words."""
    raw = _raw(text)
    whole = _phrase(raw)
    if say.COPULAS.isdisjoint(raw):
        return whole
    copulas = [k for k, token in enumerate(raw) if token in say.COPULAS]
    if len(copulas) != 1 or not 0 < copulas[0] < len(raw) - 1:
        return whole
    name = _named(raw, copulas[0] + 1)
    sides = (_phrase(raw[: copulas[0]]), _phrase(raw[name:]))
    if not all(side.words for side in sides) or _LEADING.issuperset(sides[0].words):
        return whole
    if name > copulas[0] + 1:  # "the process is called osmosis"
        return sides[1]._replace(sides=sides)
    if _relates(_meant(raw)):
        return whole
    passive = ("be",) if _undergoes(raw, copulas[0]) else ()
    return _made((*sides[0].words, *passive, *sides[1].words), whole.raw)._replace(sides=sides)


def _named(raw: Sequence[str], k: int) -> int:
    """Where, from position k on, a name begins behind "called" or "known as"; else k."""
    if raw[k] in say.NAMED and k + 1 < len(raw):
        return k + 1
    return k + 2 if list(raw[k : k + 2]) in say.KNOWN_AS and k + 2 < len(raw) else k


def _phrase(raw: Sequence[str]) -> Part:
    said = tuple(token for token in raw if token not in _SILENT)
    return _made(_in_order(_meant(raw)), said[1:] if len(said) > 1 and said[0] in _THE else said)


def _made(words: Words, raw: Words) -> Part:
    content = words
    numbers: Words = ()
    lead = _lead(words[0], raw) if len(words) > 1 else ""
    if not say.NEUTRAL_PREPOSITIONS.isdisjoint(words):
        kept = tuple(say.DIRECTED.get(word, word) for k, word in enumerate(words) if not _says_nothing(words, k))
        content = kept or words
    if not "".join(content).isalpha():
        numbers = tuple(sorted(word for word in content if _DIGIT.search(word)))
    bag = frozenset(content)
    ways = bag & _WAYS
    capitals = raw[0].replace(".", "") if len(raw) == 1 else ""
    abbreviation = capitals if capitals[:2].isupper() else ""
    initials = frozenset([word[0] for word in content])
    marks: frozenset[str] = frozenset()
    if not (numbers or ways or abbreviation or say.MODIFIERS.issuperset(bag)):
        said = bag if content is words else bag - say.CONNECTING
        marks = said.union((f"{content[0][0]}…", f"…{content[-1][-3:]}", " ".join(sorted(initials))))
    return Part(words, content, raw, bag, numbers, ways, initials, lead, abbreviation, marks)


def _lead(first: str, raw: Words) -> str:
    """The class of the preposition with which a phrase begins; at a place is in it."""
    if first not in say.NEUTRAL_PREPOSITIONS:
        return ""
    return "in" if first == "at" and raw[-1][0].isupper() else say.LEADS.get(first, first)


def _says_nothing(words: Words, k: int) -> bool:
    """Whether a word is a preposition that may be left out; not the one of an amount: "rises to 25%", "by 25%"."""
    if words[k] not in say.NEUTRAL_PREPOSITIONS:
        return False
    if words[k] not in say.DIRECTED:
        return True
    before, after = words[max(k - 1, 0)], words[min(k + 1, len(words) - 1)]
    if words[k] in ("to", "by") and after[0].isdigit():
        return before[0].isdigit()
    return k == 0


def _raw(text: str) -> list[str]:
    """The words as written; initials in a row are one word with its stops, and so are "so-called" and "re-elected"."""
    if "-" in text:
        text = _BOUND.sub(r"\1", text)
    found: list[str] = []
    rest = 0
    for match in _INITIALS.finditer(text) if "." in text else ():
        found += _TOKEN.findall(text[rest : match.start()])
        found.append(match.group().replace(" ", ""))
        rest = match.end()
    return found + _TOKEN.findall(text[rest:])


def _meant(raw: Sequence[str]) -> list[str]:
    """Canonical words, each by itself; copulas are still there."""
    if "A" in raw:
        words = _with_the_name_a(raw)
    else:
        words = [
            word for k, token in enumerate(raw) for word in _canonical(token, bool(k) and raw[k - 1][:1].isalpha())
        ]
    if "would" in words:
        words = [
            "would have" if word == "would" and beyond == "have" else word
            for word, beyond in zip(words, [*words[1:], ""], strict=True)
        ]
    if len(words) > 1:
        after = [*words[1:], ""]
        words = [word for word, beyond in zip(words, after, strict=True) if not _empty(word, beyond)] or words
    if len(words) < 2:
        return words
    carried = _carried(words)
    words = words[carried:]
    for lead in say.COUNTED:
        k = int(words[0] in say.NEUTRAL_PREPOSITIONS)
        if _counts(words[k:], lead):
            words = [*words[:k], *words[k + len(lead) :]]
    start = int(words[0] == "from" and "to" in words[2:])  # from pole to pole
    if words[:2] in say.KNOWN_AS and len(words) > 2:
        start = 2
    if carried == 0 and words[0] in say.LEADING_ARTICLES:
        start = 1
    return words[start:]


def _carried(words: Sequence[str]) -> int:
    """How many words lead over to the answer: "it is", "I think that", "the answer is"."""
    k = 0
    while k < len(words) - 1:
        told = k + (words[k] in say.RIGHT)
        if len(words) > told + 2 and words[told] in say.ANSWERS and words[told + 1] in say.COPULAS:
            k = told
        elif words[k] in say.OPINIONS:
            if words[max(k - 1, 0)] not in ("i", "we"):
                break
        elif words[k] not in say.CARRIERS and words[k] not in say.COPULAS:
            break
        k += 1
    return k


def _empty(word: str, beyond: str) -> bool:
    """Whether a word before another one, or the last, says nothing."""
    if word in say.ARTICLES:
        return not (beyond in say.COPULAS or not beyond or (word, beyond) in say.AMOUNTS)
    if word in _AROUND:  # "around the lake", "about 300"
        return beyond not in say.ARTICLES and beyond not in say.CARRIERS
    return word in say.FILLERS or (word in say.EXTENTS and beyond in say.NEUTRAL_PREPOSITIONS)


def _counts(words: list[str], lead: list[str]) -> bool:
    """Whether words begin with what may stand before a number, and a number follows."""
    return words[: len(lead)] == lead and any(word[0].isdigit() for word in words[len(lead) : len(lead) + 1])


def _with_the_name_a(raw: Sequence[str]) -> list[str]:
    """Canonical words where a capital A may be a name, behind a word and before none with a capital: "type A blood"."""
    found: list[str] = []
    for before, written, beyond in zip(("", *raw), raw, (*raw[1:], ""), strict=False):
        named = written == "A" and before[:1].isalpha() and beyond[:1].isalpha() and not beyond.istitle()
        found += (written,) if named else _canonical(written, before[:1].isalpha())
    return found


@lru_cache(maxsize=READINGS)
def _canonical(token: str, behind_word: bool) -> Words:
    """The canonical words of one word as it is written."""
    if token in _SILENT:
        return ()
    if token[0].isdigit() or (token[0] == "-" and len(token) > 1):
        bare = _ORDINAL_END.sub("", token)
        return (bare if bare == token else f"#{bare}",)
    if token in say.ROMAN_LETTERS and behind_word:
        return (say.ROMAN_LETTERS[token],)
    return tuple(_chinese(token)) if _CJK.match(token) else _canonical_word(token)


def _canonical_word(token: str) -> Words:
    letters = token.replace(".", "")
    acronym = say.ACRONYMS.get(letters if letters == token else letters.upper())
    if acronym:
        return (acronym,)
    word = say.plain(letters).strip()
    if "'" in word:
        if word.endswith("n't"):
            return (say.NOT,)
        word = word.removesuffix("'s").replace("'", "")
    if not word:
        return ()
    meaning = say.MEANINGS.get(word)
    if meaning:
        return (meaning,)
    if word.startswith("non") and len(word) > 6:
        return (say.NOT, say.stem(word[3:]))
    return (say.stem(word),)


def _chinese(run: str) -> Iterator[str]:
    place = 0
    while place < len(run):
        piece = run[place : place + 2]
        if piece not in say.CHINESE:
            piece = piece[0]
        place += len(piece)
        word = say.CHINESE.get(piece, piece)
        if word:
            yield word


# ------------------------------------------------------------------------------------------ an order of its own kind


def _in_order(words: list[str]) -> Words:
    """Words in an order that does not depend on the construction.

    "X is made by Y" is "Y make X", "X lags Y" is "Y lead X", "the price of oil" is "oil price", "a rise in prices" and
    "rising prices" are "prices rise", "the second law" is "law 2".
    """
    if len(words) == 1:
        return (words[0].lstrip("#"),)
    if words[:1] == ["river"]:  # "the River Severn"
        words = [*words[1:], "river"]
    if not say.COPULAS.isdisjoint(words):
        words = _without_copulas(_active(words))
    if not _MOVES.isdisjoint(words):
        words = in_pairs(words)
    words = _genitive(_converse(words))
    return tuple(word.lstrip("#") for word in _direction_last(_ordinal_last(words)))


def _relates(words: list[str]) -> bool:
    """Whether the sides of a sentence are exchanged or bound: it is not one thing that another is."""
    return _converse(words) is not words or not say.CONVERSES.keys().isdisjoint(words) or _active(words) is not words


def _active(words: list[str]) -> list[str]:
    for k in range(1, len(words) - 3):
        moved = words[k] in say.BE and words[k + 1] in (say.UP, say.DOWN)
        if (moved or _passive(words, k)) and "by" in words[k + 2 :]:
            by = words.index("by", k + 2)
            agent = _up_to_preposition(words[by + 1 :])
            if not agent or (moved and (agent[0][0].isdigit() or not say.MODIFIERS.isdisjoint(agent))):
                return words
            rest = words[by + 1 + len(agent) :]
            verb = words[k + 1] if words[k] in say.PAST else infinitive(words[k + 1])
            patient = (word for word in words[:k] if word not in say.COPULAS)  # "have" of "have been raised"
            return [*agent, verb, *patient, *words[k + 2 : by], *rest]
    return words


def _without_copulas(words: list[str]) -> list[str]:
    """Without forms that carry tense and nothing else, but "be" before a participle and what stands last."""
    said = (
        "be" if word in say.COPULAS else word
        for k, word in enumerate(words[:-1])
        if word not in say.COPULAS or (k and _undergoes(words, k))
    )
    return [*said, words[-1]]


def _passive(words: Sequence[str], k: int) -> bool:
    """Whether a form of "be" and a participle behind it make a passive: Rome was conquered, which conquered nobody."""
    participle = words[k + 1]
    if words[k] not in say.BE or participle in say.FILLERS:
        return False
    return (participle.endswith("ed") and len(participle) > 3) or say.stem(participle) in say.IRREGULAR


def _undergoes(words: Sequence[str], k: int) -> bool:
    """Whether a passive says another thing than its verb without "be": what is doubled doubles."""
    participle = words[k + 1]
    return _passive(words, k) and say.MEANINGS.get(participle, say.stem(participle)) not in say.SCALED


def _up_to_preposition(words: list[str]) -> list[str]:
    for k, word in enumerate(words):
        if word in say.NEUTRAL_PREPOSITIONS and word != "of":
            return words[:k]
    return words


_ENDS_IN_E = re.compile(r"(?:[cgsuvz]|[^aeo][iu]r|[^aeo]at|[^aeiou]ut|iz)$")


def infinitive(participle: str) -> str:
    """The canonical form of a verb, from its regular participle."""
    if not participle.endswith("ed"):
        return participle
    base = participle[:-2]
    if base.endswith("i"):
        return say.stem(base[:-1] + "y")
    if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz":
        return say.stem(base[:-1])
    return say.stem(base + "e" if _ENDS_IN_E.search(base) and not base.endswith("ss") else base)


def in_pairs(words: Sequence[str]) -> list[str]:
    """Words of which two that say one thing are one: "go up", "remain the same"."""
    found: list[str] = []
    for word in words:
        if found and (found[-1], word) in say.PAIRS:
            found[-1] = say.PAIRS[found[-1], word]
        else:
            found.append(word)
    return found


def _converse(words: list[str]) -> list[str]:
    """One of two relations that say the same with their sides exchanged."""
    if _RELATING.isdisjoint(words):
        return words
    for k, word in enumerate(words):
        left, right = words[:k], words[k + 1 :]
        swap, name = word in say.CONVERSES, say.CONVERSES.get(word)
        if word == "exceed":
            name = "greater"
        elif right[:1] == ["than"] and word in say.CONVERSE_COMPARATIVES:
            swap, name, right = word not in say.SAME_SIDE, say.CONVERSE_COMPARATIVES[word], right[1:]
        if name is None or not left or not right:
            continue
        ends = right.index("by") if "by" in right else len(right)
        left, right, rest = (right[:ends], left, right[ends:]) if swap else (left, right[:ends], right[ends:])
        return [*left, name, *right, *rest]
    return words


def _genitive(words: list[str]) -> list[str]:
    """The owner before what it owns; not the parts of a number: "5 of 7"."""
    owned: list[list[str]] = []
    while "of" in words[1:-1]:
        k = words.index("of", 1)
        if words[k - 1][-1].isdigit() or words[k + 1][-1].isdigit() or words[k - 1] in say.UNIVERSITIES:
            break
        owned.append(words[:k])
        words = words[k + 1 :]
    return [*words, *chain.from_iterable(reversed(owned))]


def _direction_last(words: list[str]) -> list[str]:
    """A rise as a noun or as an adjective behind what rises; not a verb that has an object."""
    if words.count(say.UP) + words.count(say.DOWN) != 1 or len(words) < 2:
        return words
    k = words.index(say.UP if say.UP in words else say.DOWN)
    after = words[k + 1 : k + 2]
    if k == 0 or after in (["in"], ["of"]):
        rest = words[k + 2 :] if after in (["in"], ["of"]) else words[k + 1 :]
        return [*words[:k], *rest, words[k]]
    return words


def _ordinal_last(words: list[str]) -> list[str]:
    places = [k for k, word in enumerate(words) if word[0] == "#"]
    if len(places) != 1:
        return words
    (k,) = places
    return [*words[:k], *words[k + 1 :], words[k]]

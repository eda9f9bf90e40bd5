"""A text in words, read once: the answer that it gives in canonical words, and what it says about that answer."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, takewhile
from typing import NamedTuple

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
_NUMBERED = re.compile(r"(?<=\w)(?: ?\((?=[IVX]{1,4}\))|\((?=\d{1,2}\)))([IVX\d]+)\)")
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
_RELATING = frozenset({"exceed", *say.CONVERSES, *say.CONVERSE_COMPARATIVES})
_MOVES = frozenset(verb for verb, _ in say.TWO_WORD_DIRECTIONS)
_DIGIT = re.compile(r"\d")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_WAYS = frozenset((say.NOT, say.UP, say.DOWN))
_THE = ("the", "The")
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
        place: the country or state in which, it says, the answer lies; or a name in a bracket: "Adams (John)".
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
    place: Words
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
    def whole(self) -> Words:
        """The canonical words of the whole text."""
        return self.head.words + self.tail


NOTHING = Part((), (), (), frozenset(), (), frozenset(), frozenset())


@lru_cache(maxsize=READINGS)
def read(text: str) -> Reading:
    """Reads a text; the work is bounded by `MAX_CHARS`."""
    if len(text) > MAX_CHARS:
        return Reading(text, NOTHING, (), False, (), None, None, (), False, long=True)
    tidy = _tidied(text)
    given, said = _split(tidy)
    answer, head = given, part(given)
    if not head.content:
        answer, said, head = tidy, [], part(tidy)
    items, choice = _items(answer)
    place: Words = ()
    inverted = None
    if len(items) == 2 and _COMMA.search(answer) and all(item[0].isupper() for item in items):
        if say.plain(items[1]) in say.PLACES:
            head, place, items = part(items[0]), part(items[1]).content, []
        elif " " not in items[0]:
            inverted = part(f"{items[1]} {items[0]}")
    tails = [part(piece).words for piece in said]
    hedged = any(map(_takes_back, said)) or (head.content != (say.NOT,) and any(map(_changes, said, tails)))
    if len(items) == 1 and not place and tidy[-1:] == ")":
        place = _name_in_bracket(tidy)
    parts = tuple(map(part, items)) if len(items) > 1 else ()
    found = () if _MARKS.isdisjoint(text) else _MARKED.findall(text)
    marked = part("".join(found[0])) if len(found) == 1 and _COPULA.search(text) else None
    return Reading(given, head, parts, choice, place, inverted, marked, tuple(chain.from_iterable(tails)), hedged)


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
        tidy = _NUMBERED.sub(r" \1", tidy)  # iron(II)
    return tidy.strip() if _ENDS_IN_INITIALS.search(tidy) else tidy.strip(" .。")


def _without_brackets(text: str) -> tuple[str, list[str]]:
    tails: list[str] = []
    if "(" not in text and "[" not in text:
        return text, tails

    def take(match: re.Match[str]) -> str:
        if match.start() == 0:
            return match.group()
        tails.append(match[1])
        return ""

    return _BRACKET.sub(take, text), tails


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
    if low in say.EXPLAINERS:
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


def _name_in_bracket(tidy: str) -> Words:
    """The words of a bracket at the end that holds a name and nothing else."""
    name = tidy[tidy.rfind("(") + 1 : -1].removeprefix("the ")
    words = name.split() if "(" in tidy[1:] else []
    named = len(words) <= MAX_ITEM_WORDS and all(word.isalpha() and word.istitle() for word in words)
    return part(name).content if words and named else ()


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
    sides = (_phrase(raw[: copulas[0]]), _phrase(raw[copulas[0] + 1 :]))
    if not all(side.words for side in sides) or (say.CARRIERS | say.ANSWERS).issuperset(sides[0].words):
        return whole
    if _relates(_meant(raw)):
        return whole
    passive = ("be",) if _passive(raw, copulas[0]) else ()
    return _made((*sides[0].words, *passive, *sides[1].words), whole.raw)._replace(sides=sides)


def _phrase(raw: Sequence[str]) -> Part:
    said = tuple(token for token in raw if token not in _SILENT)
    return _made(_in_order(_meant(raw)), said[1:] if len(said) > 1 and said[0] in _THE else said)


def _made(words: Words, raw: Words) -> Part:
    content = words
    numbers: Words = ()
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
    return Part(words, content, raw, bag, numbers, ways, initials, abbreviation, marks)


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
        words = [
            word
            for word, beyond in zip(words, after, strict=True)
            if word not in say.FILLERS and (word not in say.ARTICLES or beyond in say.COPULAS or not beyond)
        ] or words
    if len(words) == 1:
        return words
    start = 1 if len(words) > 2 and words[0] in say.ANSWERS and words[1] in say.COPULAS else 0
    while start < len(words) - 1 and (words[start] in say.CARRIERS or words[start] in say.COPULAS):
        start += 1
    if words[start : start + 2] in say.KNOWN_AS and len(words) > start + 2:
        start += 2
    if start == 0 and words and words[0] in say.LEADING_ARTICLES:
        start = 1
    return words[start:]


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
    if not say.COPULAS.isdisjoint(words):
        words = _without_copulas(_active(words))
    if not _MOVES.isdisjoint(words):
        words = _two_word_directions(words)
    words = _genitive(_converse(words))
    return tuple(word.lstrip("#") for word in _direction_last(_ordinal_last(words)))


def _relates(words: list[str]) -> bool:
    """Whether the sides of a sentence are exchanged or bound: it is not one thing that another is."""
    return _converse(words) is not words or not say.CONVERSES.keys().isdisjoint(words) or _active(words) is not words


def _active(words: list[str]) -> list[str]:
    for k in range(1, len(words) - 3):
        if _passive(words, k) and "by" in words[k + 2 :]:
            by = words.index("by", k + 2)
            agent = _up_to_preposition(words[by + 1 :])
            if not agent:
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
        if word not in say.COPULAS or (k and _passive(words, k))
    )
    return [*said, words[-1]]


def _passive(words: Sequence[str], k: int) -> bool:
    """Whether a form of "be" and a participle behind it make a passive: Rome was conquered, which conquered nobody."""
    participle = words[k + 1]
    if words[k] not in say.BE or participle in say.FILLERS:
        return False
    return (participle.endswith("ed") and len(participle) > 3) or say.stem(participle) in say.IRREGULAR


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


def _two_word_directions(words: list[str]) -> list[str]:
    found: list[str] = []
    for word in words:
        if found and (found[-1], word) in say.TWO_WORD_DIRECTIONS:
            found[-1] = say.TWO_WORD_DIRECTIONS[found[-1], word]
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

"""Numbers as they are written: in digits, with a point, an exponent, a repeated part or a decimal comma; and in words.

Numbers and operations in words become tokens: "2 million" is 2e6, "two and a half" 2.5, "5 squared" 5^2. `spoken`
rewrites the tokens of an answer once, before anything is parsed. It touches words only where they stand as one says a
number or an operation of numbers; every other token is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from flint import fmpz

from empo_rewards.equivalence.math.algebra import Rational, TooLarge, quotient, spend
from empo_rewards.equivalence.math.lexer import Token
from empo_rewards.equivalence.math.limits import MAX_LITERAL_DIGITS
from empo_rewards.equivalence.math.names import listed

_SHORT = 18
"""Digits of a number that needs no check of its size."""


def literal(text: str) -> Rational:
    """The exact value of 12, 1.5, 1e-3 or 0.1(6); raises `TooLarge` past `MAX_LITERAL_DIGITS`."""
    if len(text) <= _SHORT and text.isdecimal():
        return int(text)
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, repeated = mantissa.removesuffix(")").partition("(")
    integer, _, decimals = whole.partition(".")
    if len(exponent) > _SHORT or len(mantissa) + abs(int(exponent or 0)) > MAX_LITERAL_DIGITS:
        raise TooLarge
    spend(len(mantissa) >> 2)
    value: Rational = int(fmpz(integer + decimals or "0"))  # int() refuses more than 4,300 digits
    if repeated:
        value += Fraction(int(fmpz(repeated)), 10 ** len(repeated) - 1)
    shift = int(exponent or 0) - len(decimals)
    return value * 10**shift if shift >= 0 else quotient(value, 10**-shift)


def decimal_comma(tokens: list[Token]) -> Rational | None:
    """0,5 as a decimal: two numbers with nothing but a comma between them; None for others."""
    sign = -1 if tokens[0].kind == "-" else 1
    numbers = tokens[1:] if sign < 0 else tokens
    if [token.kind for token in numbers] != ["num", ",", "num"] or numbers[1].spaced or numbers[2].spaced:
        return None
    whole, decimals = numbers[0].text, numbers[2].text
    return sign * literal(f"{whole}.{decimals}") if whole.isdecimal() and decimals.isdecimal() else None


# Words

_UNITS = listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = listed("twenty thirty forty fifty sixty seventy eighty ninety")
SMALL = {word: value for value, word in enumerate(_UNITS)} | {word: 10 * k for k, word in enumerate(_TENS, 2)}
SCALES = {"hundred": 100, "dozen": 12, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ORDINALS = listed("zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth")
ORDINALS = {word: value for value, word in enumerate(_ORDINALS)}
ORDINALS |= {word + "th": value for word, value in SMALL.items() if value > 12 and value < 20}
ORDINALS |= {word[:-1] + "ieth": value for word, value in SMALL.items() if value >= 20}
_PARTS = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4, "third": 3, "thirds": 3}
_PARTS |= {word + s: value for word, value in ORDINALS.items() if value > 3 for s in ("", "s")}
_PARTS |= {word + "th" + s: value for word, value in SCALES.items() if value != 12 for s in ("", "s")}
_COINS = frozenset(listed("dime dimes nickel nickels penny pennies cent cents"))
"""Words beside which a quarter is a coin."""
_MARKS = frozenset({"st", "nd", "rd", "th"})
_SCALABLE = 18
"""Digits of a number that words may scale."""

Phrases = dict[tuple[str, ...], str]


def _phrases(*rows: tuple[str, str]) -> Phrases:
    """What is said for each of several phrases, which commas tell apart."""
    return {tuple(phrase.split()): text for phrases, text in rows for phrase in phrases.split(",")}


_PREFIXES = _phrases(("minus, negative", "-"), ("square root of", "sqrt"), ("cube root of", "sqrt [ 3 ]"))
_INFIXES = _phrases(
    ("plus", "+"), ("minus", "-"), ("equals", "="), ("times", "*"), ("over, divided by", "/"),
    ("raised to the power of, to the power of, to the power", "^"),
)  # fmt: skip
_POSTFIXES = _phrases(("squared", "^ 2"), ("cubed", "^ 3"), ("factorial", "!"))
"""Operations in words: before the first operand, between two, and after one; as the tokens that say them."""

_BEFORE = _phrases(
    ("approximately, about, roughly, around, approx, circa, an estimated", ""),
    ("more than, greater than, over, above, exceeding", ">"),
    ("less than, fewer than, under, below", "<"),
    ("at least, no less than, no fewer than, not less than", "≥"),
    ("at most, up to, no more than, not more than", "≤"),
)
"""Words before a value: hedges, which say that it is rounded and are dropped, and those that make a bound of it."""

_AFTERWARDS = _phrases(
    ("or more, or greater, or above, and above, and up", "≥"), ("or less, or fewer, or below, and below, or under", "≤")
)
"""Words after a value that make a bound of it."""

_MIDDLES = {"between": ("and",), "from": ("to",)}
"""What stands between the ends of a range, by the word before it."""

_VOCABULARY = SMALL.keys() | SCALES.keys() | _PARTS.keys() | ORDINALS.keys() | _MARKS | {word + "s" for word in SCALES}
_VOCABULARY |= {phrase[0] for table in (_PREFIXES, _INFIXES, _POSTFIXES, _BEFORE) for phrase in table}
_VOCABULARY |= {phrase[1] for phrase in _AFTERWARDS} | {"between", "from", "to", "through"}
"""Words without one of which nothing is rewritten."""

_SPOKEN = frozenset({"word", "run", "sym", "func", "and", "or"})
_ENDS_NUMBER = frozenset({"num", "}", ")", "°", "%"})
_BEGINS_OPERAND = frozenset({"num", "frac", "sqrt", "$", "sym", "("})


def _words(tokens: Sequence[Token]) -> list[str]:
    """What each token says as a word, in small letters; "" for the others."""
    return [token.text.lower() if token.kind in _SPOKEN else "" for token in tokens]


def _said(table: Phrases, words: Sequence[str], at: int) -> tuple[int, str]:
    """How many words the phrase of a table has that is said at a place, and what it stands for; else 0."""
    found = ((len(phrase), text) for phrase, text in table.items() if (*words[at : at + len(phrase)],) == phrase)
    return next(found, (0, ""))


class _Rewriter:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.words = _words(tokens) + [""] * 4
        self.done: list[Token] = []
        self.at = 0

    def run(self) -> list[Token]:
        while self.at < len(self.tokens):
            if not (self.number() or self.operation() or self.ordinal_mark()):
                self.done.append(self.tokens[self.at])
                self.at += 1
        return self.done

    def emit(self, text: str, end: int) -> bool:
        """Puts the tokens of a text, which spaces tell apart, in the place of those up to `end`."""
        first = self.tokens[self.at]
        for k, part in enumerate(text.split()):
            kind = "num" if part[0].isdecimal() else part
            self.done.append(Token(kind, part, first.spaced and k == 0))
        self.at = end
        return True

    def dash(self, at: int) -> int:
        """1 where a hyphen stands at a place, else 0."""
        return int(at < len(self.tokens) and self.tokens[at].kind == "-")

    def number(self) -> bool:
        """A number in words ahead, or a number in digits with its scale or its parts in words."""
        token, word, after = self.tokens[self.at], self.words[self.at], self.words[self.at + 1]
        article = word == "a"
        value = Fraction(1)
        at = self.at + 1
        if token.kind == "num" and len(token.text) <= _SCALABLE and token.text.replace(".", "").isdecimal():
            value = Fraction(token.text)
        elif word in SMALL or (article and after in SCALES):
            total, at = self.cardinal()
            value = Fraction(total)
        elif len(self.tokens) == 1 and word in SCALES:
            value = Fraction(SCALES[word])
        elif word in ("half", "quarter") and not (self.done and self.done[-1].kind in _ENDS_NUMBER):
            at = self.at
        elif not (article and after in _PARTS):
            return False
        start = at
        value, at = self.parted(*self.scaled(value, at))
        return (at > start or word in SMALL or article or len(self.tokens) == 1) and self.emit(_written(value), at)

    def cardinal(self) -> tuple[int, int]:
        """A number in words and where it ends: two hundred and five thousand three hundred twenty-one."""
        total = current = 0
        at = self.at
        if self.words[at] == "a":
            current, at = 1, at + 1
        last = current  # the scale or the small number that was said last
        while True:
            word = self.words[at]
            if word in SMALL and (not last or last >= 100 or (last >= 20 and 0 < SMALL[word] < 10)):
                current, last = current + SMALL[word], SMALL[word] or 1
            elif word in SCALES and last:
                last = SCALES[word]
                if last <= 100:
                    current *= last
                else:
                    total, current = total + (current or 1) * last, 0
            elif not (word == "and" and last >= 100 and self.goes_on(at + 1, last)) and not (
                20 <= last < 100 and self.dash(at) and 0 < SMALL.get(self.words[at + 1], 0) < 10
            ):
                return total + current, at
            at += 1

    def goes_on(self, at: int, scale: int) -> bool:
        """Whether the number goes on after "and": one hundred and five, but not one hundred and two hundred."""
        start = at
        while self.words[at] in SMALL:
            at += 1
        after = SCALES.get(self.words[at])
        if at == start or self.words[at] in _PARTS:
            return False
        return after is None or (after > scale if scale == 100 else after < scale)

    def scaled(self, value: Fraction, at: int) -> tuple[Fraction, int]:
        """2.5 million, 3 dozen, two hundred thousand."""
        while (scale := SCALES.get(self.words[at].removesuffix("s"))) and value < 10**_SCALABLE:
            value, at = value * scale, at + 1
        return value, at

    def parted(self, value: Fraction, at: int) -> tuple[Fraction, int]:
        """Two-thirds, half a million; two and a half, four and three quarters million."""
        if value.denominator != 1:
            return value, at
        place = at + self.dash(at)
        part = _PARTS.get(self.words[place])
        if part and not (part == 4 and not _COINS.isdisjoint(self.words)):
            scale = place + 1 + (self.words[place + 1] == "a")
            if self.words[place] == "half" and value == 1 and self.words[scale] in SCALES:
                return value / 2 * SCALES[self.words[scale]], scale + 1
            return value / part, place + 1
        if self.words[at] != "and":
            return value, at
        top = 1 if self.words[at + 1] in ("a", "half") else SMALL.get(self.words[at + 1], 0)
        place = at + 1 if self.words[at + 1] == "half" else at + 2 + self.dash(at + 2)
        if not top or self.words[place] not in _PARTS:
            return value, at
        return self.scaled(value + Fraction(top, _PARTS[self.words[place]]), place + 1)

    def operation(self) -> bool:
        """minus, plus, times, divided by, squared, to the power of, square root of."""
        if not self.words[self.at]:
            return False
        operand = bool(self.done) and (self.done[-1].kind in _ENDS_NUMBER or self.done[-1].kind == "sym")
        tables = (_INFIXES, _POSTFIXES) if operand else () if self.done else (_PREFIXES,)
        for table in tables:
            size, text = _said(table, self.words, self.at)
            if size and (table is _POSTFIXES or self.operand_at(self.at + size)):
                return self.emit(text, self.at + size)
        return False

    def operand_at(self, at: int) -> bool:
        kind = self.tokens[at].kind if at < len(self.tokens) else ""
        return kind in _BEGINS_OPERAND or self.words[at] in SMALL or self.words[at] == "half"

    def ordinal_mark(self) -> bool:
        """18th, 18^{th}: the mark says nothing that the number does not."""
        if not self.done or self.done[-1].kind != "num" or not self.done[-1].text.isdecimal():
            return False
        kinds = [token.kind for token in self.tokens[self.at : self.at + 4]]
        place = self.at + (2 if kinds[:2] == ["^", "{"] else 1 if kinds[:1] == ["^"] else 0)
        if self.words[place] not in _MARKS or (place == self.at and self.tokens[place].spaced):
            return False
        return self.emit("", place + (2 if kinds[:2] == ["^", "{"] else 1))


def _written(value: Fraction) -> str:
    """A number as tokens: a decimal where it has few places, else a fraction."""
    top, bottom = value.as_integer_ratio()
    if 10**4 % bottom == 0:
        return f"{Decimal(top) / bottom:f}"
    return f"frac {{ {top} }} {{ {bottom} }}"


def spoken(tokens: list[Token]) -> list[Token]:
    """The tokens with numbers and operations in words as such; the same list where no word says one."""
    if not any(token.kind in _SPOKEN and token.text.lower() in _VOCABULARY for token in tokens):
        return tokens
    ordinal = [word or token.kind for word, token in zip(_words(tokens), tokens, strict=True) if token.kind != "."]
    ordinal = ordinal[1:] if ordinal[:1] == ["the"] else ordinal
    if len(ordinal) == 3 and ordinal[0] in _TENS and ordinal[1] == "-" and 0 < ORDINALS.get(ordinal[2], 0) < 10:
        return [tokens[-1]._replace(kind="num", text=str(SMALL[ordinal[0]] + ORDINALS[ordinal[2]]))]
    if len(ordinal) == 1 and ordinal[0] in ORDINALS:
        return [tokens[-1]._replace(kind="num", text=str(ORDINALS[ordinal[0]]))]
    return _bounded(_Rewriter(tokens).run())


def _bounded(tokens: list[Token]) -> list[Token]:
    """Hedges dropped; "more than 5" as > 5, "5 or more" as ≥ 5, "between 3 and 5" and "from 3 to 5" as 3 to 5."""
    words = _words(tokens)
    size, sign = _said(_BEFORE, words, 0)
    if size and _measured(tokens[size:]):
        if sign:
            return [Token(sign, sign, tokens[0].spaced), *tokens[size:]]
        return _bounded(tokens[size + (tokens[size].kind == ".") :])  # approx.
    lead = words[0] if words and words[0] in _MIDDLES else ""
    start = 1 if lead else 0
    if not _measured(tokens[start:]):
        return tokens
    for k in range(1, len(tokens) - 1):
        sign = _AFTERWARDS.get((words[k], words[k + 1]), "")
        if sign and all(token.kind in ("word", "run") for token in tokens[k + 2 :]):
            return [Token(sign, sign, False), *tokens[:k], *tokens[k + 2 :]]
    middles = [k for k, word in enumerate(words) if word in _MIDDLES.get(lead, ("to", "through"))]
    if len(middles) != 1 or not 0 < middles[0] < len(tokens) - 1:
        return tokens
    (middle,) = middles
    to = Token("to", lead or "to", tokens[middle].spaced)
    return [tokens[start]._replace(spaced=False), *tokens[start + 1 : middle], to, *tokens[middle + 1 :]]


def _measured(tokens: Sequence[Token]) -> bool:
    """Whether a value may begin here: a number, its sign or its currency."""
    kinds = [token.kind for token in tokens[:3] if token.kind not in (".", "-", "+", "$", "≈")]
    return bool(kinds) and kinds[0] in ("num", "frac", "sqrt")


_LEADING = frozenset(listed("where for with all any every some each"))


def integer_parameter(tokens: list[Token]) -> tuple[list[Token], list[Token]] | None:
    """The tokens before "k ∈ Z" or "where k is an integer", and the same with k renamed to "∈Z"."""
    if not any(token.kind == "∈" or token.text in ("integer", "integers") for token in tokens):
        return None
    words, kinds = _words(tokens), [token.kind for token in tokens]
    bare = [k for k, kind in enumerate(kinds) if kind not in ("{", "}")][-4:]
    if [kinds[k] for k in bare] == ["sym", "∈", "mathbb", "sym"] and tokens[bare[3]].text == "Z":
        place = at = bare[0]
    elif words[-3:] in (["is", "an", "integer"], ["is", "any", "integer"]) and len(words) > 4:
        place = at = len(tokens) - 4
    elif words[-2:-1] in (["integer"], ["integers"]):
        place, at = len(tokens) - 1, len(tokens) - 2
    else:
        return None
    name = tokens[place].text
    while at and (kinds[at - 1] in (",", ";", "and", "(") or words[at - 1] in _LEADING):
        at -= 1
    letters = [token for token in tokens[:at] if token.kind in ("sym", "run", "word") and name in token.text]
    if kinds[place] != "sym" or not letters or any(token.text != name for token in letters):
        return None
    renamed = [token._replace(text="∈Z") if token.kind == "sym" and token.text == name else token for token in tokens]
    return tokens[:at], renamed[:at]


def is_amount(tokens: Sequence[Token]) -> bool:
    """Whether a number is written with its scale in words, as amounts are: 10 million is not 10 million years."""
    return not {"million", "billion", "trillion"}.isdisjoint(_words(tokens))

"""Numbers as they are written: in digits, with a point, an exponent, a repeated part or a decimal comma; and in words.

Numbers and operations in words become tokens: "2 million" is 2e6, "two and a half" 2.5, "5 squared" 5^2. `spoken`
rewrites the tokens of an answer once, before anything is parsed, by rules: a pattern of what the tokens say, and the
tokens that stand in its place. Words that no rule finds are left as they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import takewhile

from flint import fmpz

from empo_rewards.equivalence.math.algebra import Rational, TooLarge, quotient, spend
from empo_rewards.equivalence.math.lexer import Token
from empo_rewards.equivalence.math.limits import MAX_LITERAL_DIGITS
from empo_rewards.equivalence.math.names import listed

_SHORT = 18  # digits of a number that needs no check of its size


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
    negative = tokens[0].kind == "-"
    match tokens[negative:]:
        case [Token("num", whole), Token(",", _, False), Token("num", part, False)] if (whole + part).isdecimal():
            return literal(f"{whole}.{part}") * (-1 if negative else 1)
    return None


# Words

_UNITS = listed("zero one two three four five six seven eight nine ten eleven twelve")
_UNITS += [stem + "teen" for stem in listed("thir four fif six seven eigh nine")]
_TENS = listed("twenty thirty forty fifty sixty seventy eighty ninety")
SMALL = {word: value for value, word in enumerate(_UNITS)} | {word: 10 * k for k, word in enumerate(_TENS, 2)}
SCALES = {"hundred": 100, "dozen": 12, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SCALES |= {"万": 10**4, "亿": 10**8, "億": 10**8}
_ORDINALS = listed("zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth")
ORDINALS = {word: value for value, word in enumerate(_ORDINALS)}
ORDINALS |= {word + "th": value for word, value in SMALL.items() if 12 < value < 20}
ORDINALS |= {word[:-1] + "ieth": value for word, value in SMALL.items() if value >= 20}
_PARTS = {"half": 2, "halves": 2, "quarter": 4, "quarters": 4, "third": 3, "thirds": 3}
_PARTS |= {word + s: value for word, value in ORDINALS.items() if value > 3 for s in ("", "s")}
_PARTS |= {word + "th" + s: value for word, value in SCALES.items() if value != 12 for s in ("", "s")}
_MARKS = listed("st nd rd th")
_COINS = re.compile(" (?:dimes?|nickels?|penny|pennies|cents?) ")  # beside them a quarter is a coin


def _phrases(*rows: tuple[str, str]) -> dict[str, str]:
    """What each of several phrases stands for."""
    return {phrase: text for phrases, text in rows for phrase in phrases.split(", ")}


_PREFIXES = _phrases(("minus, negative", "-"), ("square root of", "sqrt"), ("cube root of", "sqrt [ 3 ]"))
_INFIXES = _phrases(
    ("plus", "+"), ("minus", "-"), ("equals", "="), ("times", "*"), ("over, divided by", "/"),
    ("raised to the power of, to the power of, to the power", "^"),
)  # fmt: skip
_POSTFIXES = _phrases(("squared", "^ 2"), ("cubed", "^ 3"), ("factorial", "!"))
"""Operations in words: before the first operand, between two, and after one; as the tokens that say them."""

_HEDGES = _phrases(("approximately, about, roughly, around, approx, circa, an estimated", ""))
"""Words before a value that say that it is rounded, and are dropped."""

_BEFORE = _phrases(
    ("more than, greater than, over, above, exceeding", ">"), ("less than, fewer than, under, below", "<"),
    ("at least, no less than, no fewer than, not less than", "≥"),
    ("at most, up to, no more than, not more than", "≤"),
)  # fmt: skip
_AFTER = _phrases(
    ("or more, or greater, or above, and above, and up", "≥"), ("or less, or fewer, or below, and below, or under", "≤")
)
"""Words before and after a value that make a bound of it."""

_MIDDLES = {"between": ("and",), "from": ("to",), "": ("to", "through")}
"""What stands between the ends of a range, by the word before it."""

_PERIODS = listed("second minute hour day week month quarter year person")  # what a rate is of: $14 a day

_VOCABULARY = SMALL.keys() | SCALES.keys() | _PARTS.keys() | ORDINALS.keys() | {word + "s" for word in SCALES}
_VOCABULARY |= {phrase.split()[0] for table in (_PREFIXES, _INFIXES, _POSTFIXES, _HEDGES, _BEFORE) for phrase in table}
_VOCABULARY |= {phrase.split()[1] for phrase in _AFTER} | {*_MIDDLES, *_MARKS, *_PERIODS, "to", "through"}
"""Words without one of which nothing is rewritten."""

_SPOKEN = frozenset({"word", "run", "sym", "func", "and", "or"})


def _said(tokens: Iterable[Token]) -> str:
    """What the tokens say, in small letters and between spaces; the mark of 18th, which touches the number, as -th."""
    words = []
    for kind, text, spaced in tokens:
        if kind == "num":
            words.append(text)
        elif kind not in _SPOKEN or (kind == "sym" and len(text) > 1) or " " in text:
            words.append(kind)
        else:
            words.append("-" + text if text in _MARKS and not spaced else text.lower())
    said = f" {' '.join(words)} "
    return said.replace(" quarter", " coin") if _COINS.search(said) else said


def _any(words: Iterable[str]) -> str:
    """A pattern for one of several words, and the space after it."""
    return f"(?:{'|'.join(words)}) "


_LARGE = listed("thousand million billion trillion")
_SCALE, _PART, _TOP = _any(SCALES), _any(_PARTS), _any(["a", *SMALL])
_BELOW_HUNDRED = rf"(?:{_any(_TENS)}(?:(?:- )?{_any(_UNITS[1:10])})?|{_any(_UNITS)})"
_IN_ORDER = "|".join(
    rf"(?<={scale} and )(?!(?:\S+ ){{1,2}}{_any(greater)})"
    for scale, greater in [("hundred", ["hundred", "dozen"]), *((scale, _LARGE[k:]) for k, scale in enumerate(_LARGE))]
)
"""One hundred and five, but not one hundred and two hundred."""
_AND = rf"(?:and (?!{_BELOW_HUNDRED}(?:- )?{_PART})(?:{_IN_ORDER}))?"
_TIMES = rf"(?:(?:hundred )?{_any(_LARGE)}|hundred )"
_SCALED = rf"((?:{_any(word + 's?' for word in SCALES)}){{0,3}})"
_NUMBER = re.compile(
    "(?<= )"
    r"(?:((?:\d[\d.]{0,17}|\.\d{1,17}) )"
    rf"|((?:a (?={_SCALE})|{_BELOW_HUNDRED})(?:{_TIMES}{_AND}{_BELOW_HUNDRED})*{_TIMES}?)"
    rf"|(?:(?<![\d)}}°%] )(?=(?:half|quarter) )|a (?={_PART})))"
    rf"{_SCALED}(?:(?:(?:- )?({_PART})|and (?:({_TOP})(?:- )?|(?=half ))({_PART}))(?:a (?={_SCALE}))?{_SCALED})?"
)
"""Digits, a number in words, or 1; times its scales; times a part or with one; times the scales of that."""


def _number(match: re.Match[str]) -> str | None:
    """A number as tokens: a decimal where it has few places, else a fraction."""
    digits, words, scales, part, top, rest, again = (found or "" for found in match.groups())
    value = Fraction(digits or _cardinal(words or "one")) * _scale(scales)
    if value.denominator != 1 if part or rest else digits and not scales:
        return None
    if part:
        value /= _PARTS[part.strip()]
    if rest:
        value += Fraction(SMALL.get(top.strip(), 1), _PARTS[rest.strip()])
    top, bottom = (value * _scale(again)).as_integer_ratio()
    return f"{Decimal(top) / bottom:f}" if 10**4 % bottom == 0 else f"frac {{ {top} }} {{ {bottom} }}"


def _cardinal(words: str) -> int:
    """Two hundred and five thousand three hundred twenty-one."""
    total = current = 0
    for word in words.split():
        if word in _LARGE:
            total, current = total + current * SCALES[word], 0
        else:
            current = current * (100 if word == "hundred" else 1) + (1 if word == "a" else SMALL.get(word, 0))
    return total + current


def _scale(words: str) -> int:
    return math.prod(SCALES[word.removesuffix("s")] for word in words.split())


_Saying = Callable[[re.Match[str]], "str | None"]


def _rule(before: str, phrases: dict[str, str], after: str = "") -> tuple[re.Pattern[str], _Saying]:
    """What each of several phrases stands for where it is found."""
    return re.compile(f"{before}({'|'.join(phrases)}) {after}"), lambda match: phrases[match[1]]


_VALUE = r"(?:[.+$≈-] ){0,2}(?:\.?\d|frac |sqrt )"
_AFTER_OPERAND = r"(?:(?<=[\d)}°%] )|(?<= [a-zπ] )|(?<= sym ))"
_BEFORE_OPERAND = r"(?=\.?\d|[$(] |[a-zπ] |sym |frac |sqrt )"
_RULES: tuple[tuple[re.Pattern[str], _Saying], ...] = (
    (_NUMBER, _number),
    (re.compile(rf"(?<=\d )(?:\^ \{{ -?{_any(_MARKS)}\}} |(?:\^ )?-{_any(_MARKS)})"), lambda match: ""),
    _rule(r"(?<=[a-zπ\d)}°%] )", _POSTFIXES),
    _rule(_AFTER_OPERAND, _INFIXES, _BEFORE_OPERAND),
    _rule("(?<=^ )", _PREFIXES, _BEFORE_OPERAND),
    (re.compile(rf"(?<=^ )(?:{_any(_HEDGES)}(?:\. )?)+(?={_VALUE})"), lambda match: ""),
    _rule("(?<=^ )", _BEFORE, f"(?={_VALUE})"),
    _rule(r"(?<=\d )", _phrases(("a, an, each, every", "/")), f"(?={_any(_PERIODS)})"),
)
"""What is rewritten, in this order: numbers, operations, hedges and bounds."""
_ORDINAL = re.compile(
    rf" (?:the )?(?:({'|'.join(_TENS)}) - (?={_any(_ORDINALS[1:10])}))?({'|'.join((*ORDINALS, *SCALES))}) (?:\. )*"
)
"""An answer that is one ordinal, or one scale: the twenty-first, million."""


def spoken(tokens: list[Token]) -> list[Token]:
    """The tokens with numbers and operations in words as such; the same list where no word says one."""
    if not any(token.kind in _SPOKEN and token.text.lower() in _VOCABULARY for token in tokens):
        return tokens
    said = _said(tokens)
    ordinal = _ORDINAL.fullmatch(said)
    if ordinal is not None:
        value = SMALL.get(ordinal[1], 0) + (ORDINALS | SCALES)[ordinal[2]]
        return [tokens[-1]._replace(kind="num", text=str(value))]
    for rule in _RULES:
        if rule[0].search(said) is not None:
            tokens = _rewritten(tokens, said, *rule)
            said = _said(tokens)
    return _bounded(tokens, said[1:-1].split(" "))


def _rewritten(tokens: list[Token], said: str, pattern: re.Pattern[str], say: _Saying) -> list[Token]:
    """The tokens with what a pattern finds as the tokens that `say` gives, which spaces tell apart; None: as it is."""
    result: list[Token] = []
    place, at, done = 1, 0, 0  # in what is said, in the tokens, and up to where they are in the result
    for match in pattern.finditer(said):
        first = at + said.count(" ", place, match.start())
        place, at = match.end(), first + match[0].count(" ")
        text = say(match)
        if text is not None:
            result += tokens[done:first]
            done = at
            for k, part in enumerate(text.split()):
                kind = "num" if part[0].isdecimal() else part
                result.append(Token(kind, part, tokens[first].spaced and not k))
    return [*result, *tokens[done:]]


def _bounded(tokens: list[Token], words: list[str]) -> list[Token]:
    """ "5 or more" as ≥ 5, "between 3 and 5" and "from 3 to 5" as 3 to 5."""
    start = int(words[0] in _MIDDLES)
    lead = words[0] if start else ""
    if not re.match(_VALUE, " ".join([*words[start : start + 3], ""])):
        return tokens
    for k in range(len(tokens) - 2, 0, -1):
        sign = _AFTER.get(f"{words[k]} {words[k + 1]}")
        if sign is not None:
            return [Token(sign, sign, False), *tokens[:k], *tokens[k + 2 :]]
        if tokens[k + 1].kind not in ("word", "run"):
            break
    middle, *others = [k for k, word in enumerate(words) if word in _MIDDLES[lead]] or [0]
    if others or not 0 < middle < len(words) - 1:
        return tokens
    return [*tokens[start:middle], Token("to", lead or "to", tokens[middle].spaced), *tokens[middle + 1 :]]


_LEADING = frozenset(listed("where for with all any every some each , ; ( and ∧"))
_PARAMETER = re.compile(
    r" (?:(\S+) (?:\} )*∈ (?:\{ )*mathbb (?:\{ )*z (?:\} )*|(\S+) is any? integer |integers? (\S+) )$"
)


def integer_parameter(tokens: list[Token]) -> tuple[list[Token], list[Token]] | None:
    """The tokens before "k ∈ Z" or "where k is an integer", and the same with k renamed to "∈Z"."""
    if not any(token.kind == "∈" or token.text in ("integer", "integers") for token in tokens):
        return None
    words = _said(tokens)[1:-1].split(" ")
    tail = f" {' '.join(words[-16:])} "
    match = _PARAMETER.search(tail)
    if match is None:
        return None
    after = tail.count(" ", match.start()) - 1
    name = tokens[-tail.count(" ", match.start(match.lastindex or 1))].text
    leading = takewhile(_LEADING.__contains__, reversed(words[:-after]))
    before = tokens[: len(tokens) - after - len([*leading])]
    if any(name in token.text and token.text != name for token in before if token.kind in ("sym", "run", "word")):
        return None
    renamed = [token._replace(text="∈Z") if token.kind == "sym" and token.text == name else token for token in before]
    return (before, renamed) if renamed != before else None


def is_amount(tokens: Sequence[Token]) -> bool:
    """Whether a number is written with its scale in words, as amounts are: 10 million is not 10 million years."""
    return any(token.text.lower() in _LARGE[1:] for token in tokens)

"""Numbers and operations in words, as tokens: "2 million" is 2e6, "two and a half" 2\\frac{1}{2}, "5 squared" 5^2.

`spoken` rewrites the tokens of an answer once, before anything is parsed. It touches words only where they stand as one
says a number or an operation of numbers; every other token is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from empo_rewards.equivalence.math.lexer import Token
from empo_rewards.equivalence.math.names import listed

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
COINS = frozenset(listed("dime dimes nickel nickels penny pennies cent cents"))
_SUFFIXES = frozenset({"st", "nd", "rd", "th"})
_POSTFIX = {"squared": ("^", "2"), "cubed": ("^", "3"), "factorial": ("!", "")}
_INFIX = {"plus": "+", "minus": "-", "equals": "="}
_LONGEST = 18
"""Digits of a number that words may scale."""

HEDGES = (("approximately",), ("about",), ("roughly",), ("around",), ("approx",), ("circa",), ("an", "estimated"))
"""Words before a value that say that it is rounded: dropped, as the sign ≈ is."""

BOUNDS = {
    ("more", "than"): ">", ("greater", "than"): ">", ("over",): ">", ("above",): ">", ("exceeding",): ">",
    ("less", "than"): "<", ("fewer", "than"): "<", ("under",): "<", ("below",): "<",
    ("at", "least"): "≥", ("no", "less", "than"): "≥", ("no", "fewer", "than"): "≥", ("not", "less", "than"): "≥",
    ("at", "most"): "≤", ("up", "to"): "≤", ("no", "more", "than"): "≤", ("not", "more", "than"): "≤",
}  # fmt: skip
"""Words before a value that make a bound of it."""

_AFTERWARDS = {
    ("or", "more"): "≥", ("or", "greater"): "≥", ("or", "above"): "≥", ("and", "above"): "≥", ("and", "up"): "≥",
    ("or", "less"): "≤", ("or", "fewer"): "≤", ("or", "below"): "≤", ("and", "below"): "≤", ("or", "under"): "≤",
}  # fmt: skip


_SPOKEN = frozenset({"word", "run", "sym", "func", "and", "or"})


def _word(token: Token) -> str:
    return token.text.lower() if token.kind in _SPOKEN else ""


class _Rewriter:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.words = [_word(token) for token in tokens] + [""] * 4
        self.done: list[Token] = []
        self.at = 0

    def run(self) -> list[Token]:
        while self.at < len(self.tokens):
            if not (self.number() or self.operation() or self.ordinal_mark()):
                self.done.append(self.tokens[self.at])
                self.at += 1
        return self.done

    def emit(self, parts: Sequence[tuple[str, str]], size: int) -> bool:
        """Puts new tokens in the place of the next `size` ones."""
        first = self.tokens[self.at]
        for k, (kind, text) in enumerate(parts):
            self.done.append(Token(kind, text, first.spaced and k == 0))
        self.at += size
        return True

    def follows_number(self) -> bool:
        return bool(self.done) and self.done[-1].kind in ("num", "}", ")", "°", "%")

    def number(self) -> bool:
        """A number in words ahead, or a number in digits with its scale or its parts in words."""
        token = self.tokens[self.at]
        if token.kind == "num":
            value, size = self.scaled(token.text, 1)
            if size == 1 and self.words[self.at + 1] not in _PARTS and not self.and_half(self.at + 1):
                return False
        elif len(self.tokens) == 1 and self.words[0] in SCALES:
            value, size = str(SCALES[self.words[0]]), 1
        elif self.words[self.at] in SMALL or (self.article() and self.words[self.at + 1] in SCALES):
            value, size = self.cardinal()
            value, size = self.scaled(value, size)
        elif self.words[self.at] in ("half", "quarter") or (self.article() and self.words[self.at + 1] in _PARTS):
            value, size = "1", int(self.article())
            if not size and self.follows_number():
                return False
        else:
            return False
        return self.fraction(value, size)

    def article(self) -> bool:
        return self.words[self.at] == "a"

    def cardinal(self) -> tuple[str, int]:
        """A number in words: two hundred and five thousand three hundred twenty-one."""
        total = current = 0
        at = self.at
        if self.article():
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
            elif (word == "and" and last >= 100 and self.goes_on(at + 1, last)) or (
                20 <= last < 100 and self.tokens[at : at + 1] and self.tokens[at].kind == "-"
                and 0 < SMALL.get(self.words[at + 1], 0) < 10
            ):  # fmt: skip
                pass
            else:
                return str(total + current), at - self.at
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

    def scaled(self, value: str, size: int) -> tuple[str, int]:
        """2.5 million, 3 dozen, two hundred thousand."""
        while (
            (word := self.words[self.at + size].removesuffix("s")) in SCALES
            and len(value) <= _LONGEST
            and value.replace(".", "").isdigit()
        ):
            number = Decimal(value) * SCALES[word]
            value, size = f"{number.normalize():f}", size + 1
        return value, size

    def and_half(self, at: int) -> int:
        """How many tokens ahead say "and a half", "and three quarters"; 0 where none do."""
        joined = self.tokens[at + 2 : at + 3] and self.tokens[at + 2].kind == "-"  # two and two-thirds
        if self.words[at] == "and" and self.words[at + 2 + bool(joined)] in _PARTS:
            return 3 + bool(joined) if self.words[at + 1] == "a" or self.words[at + 1] in SMALL else 0
        return 2 if self.words[at] == "and" and self.words[at + 1] == "half" else 0

    def fraction(self, value: str, size: int) -> bool:
        """Emits a number with the parts that follow it: two thirds, two and a half, half a million."""
        at = self.at + size
        if at < len(self.tokens) and self.tokens[at].kind == "-" and self.words[at + 1] in _PARTS:
            at += 1  # two-thirds
        part = _PARTS.get(self.words[at])
        if part == 4 and any(word in COINS for word in self.words):
            part = None
        if part is not None and value.isdigit():
            end = at + 1 - self.at
            if self.words[at] == "half":
                scale = at + 1 + (self.words[at + 1] == "a")
                if self.words[scale] in SCALES and value == "1":
                    return self.emit([("num", str(SCALES[self.words[scale]] // 2))], scale + 1 - self.at)
            return self.emit(_fraction(value, str(part)), end)
        more = self.and_half(at)
        if more and value.isdigit():
            top = SMALL.get(self.words[at + 1], 1) if more > 2 else 1
            bottom = _PARTS[self.words[at + more - 1]]
            if bottom in (2, 4) and self.words[at + more] in SCALES:  # four and a half million
                number = (int(value) + Decimal(top) / bottom) * SCALES[self.words[at + more]]
                return self.emit([("num", f"{number.normalize():f}")], size + more + 1)
            return self.emit([("num", value), *_fraction(str(top), str(bottom))], size + more)
        return self.emit([("num", value)], size) if size else False

    def operation(self) -> bool:  # noqa: PLR0911 - one return an operation
        """minus, plus, times, divided by, squared, to the power of, square root of."""
        word, after = self.words[self.at], self.words[self.at + 1]
        ahead = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
        operand_ahead = ahead is not None and (
            ahead.kind in ("num", "frac", "sqrt", "$", "sym") or after in SMALL or after == "half"
        )
        if word in ("minus", "negative") and not self.done and operand_ahead:
            return self.emit([("-", "-")], 1)
        if not self.done and word in ("square", "cube") and (after, self.words[self.at + 2]) == ("root", "of"):
            return self.emit([("sqrt", "sqrt"), *([("[", "["), ("num", "3"), ("]", "]")] if word == "cube" else [])], 3)
        operand = self.follows_number() or (bool(self.done) and self.done[-1].kind == "sym")
        if not operand:
            return False
        if word in _POSTFIX:
            mark, power = _POSTFIX[word]
            return self.emit([(mark, mark), ("num", power)] if power else [(mark, mark)], 1)
        if word in _INFIX and ahead is not None:
            return self.emit([(_INFIX[word], _INFIX[word])], 1)
        if word in ("times", "over") and operand_ahead:
            return self.emit([("*", "*") if word == "times" else ("/", "/")], 1)
        if word == "divided" and after == "by":
            return self.emit([("/", "/")], 2)
        for phrase in (("raised", "to", "the", "power", "of"), ("to", "the", "power", "of"), ("to", "the", "power")):
            if tuple(self.words[self.at : self.at + len(phrase)]) == phrase:
                return self.emit([("^", "^")], len(phrase))
        return False

    def ordinal_mark(self) -> bool:
        """18th, 18^{th}: the mark says nothing that the number does not."""
        if not self.done or self.done[-1].kind != "num" or not self.done[-1].text.isdigit():
            return False
        kinds = [token.kind for token in self.tokens[self.at : self.at + 4]]
        if kinds[:2] == ["^", "{"] and self.words[self.at + 2] in _SUFFIXES and kinds[3:] == ["}"]:
            return self.emit([], 4)
        if kinds[:1] == ["^"] and self.words[self.at + 1] in _SUFFIXES:
            return self.emit([], 2)
        return self.words[self.at] in _SUFFIXES and not self.tokens[self.at].spaced and self.emit([], 1)


def _fraction(top: str, bottom: str) -> list[tuple[str, str]]:
    return [("frac", "frac"), ("{", "{"), ("num", top), ("}", "}"), ("{", "{"), ("num", bottom), ("}", "}")]


_VOCABULARY = (
    frozenset(SMALL) | SCALES.keys() | _PARTS.keys() | ORDINALS.keys() | _POSTFIX.keys() | _INFIX.keys() | _SUFFIXES
)
_VOCABULARY |= {phrase[0] for phrases in (HEDGES, BOUNDS) for phrase in phrases} | {phrase[1] for phrase in _AFTERWARDS}
_VOCABULARY |= {word + "s" for word in SCALES} | set(
    listed("negative square cube times over divided raised to through between from")
)
"""Words without one of which nothing is rewritten."""


def spoken(tokens: list[Token]) -> list[Token]:
    """The tokens with numbers and operations in words as such; the same list where no word says one."""
    if not any(token.kind in _SPOKEN and token.text.lower() in _VOCABULARY for token in tokens):
        return tokens
    ordinal = [_word(token) for token in tokens if token.kind != "."]
    ordinal = ordinal[1:] if ordinal[:1] == ["the"] else ordinal
    if len(ordinal) == 1 and ordinal[0] in ORDINALS:
        return [tokens[-1]._replace(kind="num", text=str(ORDINALS[ordinal[0]]))]
    if len(ordinal) == 3 and ordinal[0] in _TENS and tokens[-2].kind == "-" and 0 < ORDINALS.get(ordinal[2], 0) < 10:
        return [tokens[-1]._replace(kind="num", text=str(SMALL[ordinal[0]] + ORDINALS[ordinal[2]]))]
    return _bounds(_Rewriter(tokens).run())


def _bounds(tokens: list[Token]) -> list[Token]:
    """Hedges dropped; "more than 5" as > 5, "5 or more" as ≥ 5, "between 3 and 5" and "from 3 to 5" as 3 to 5."""
    words = [_word(token) for token in tokens]
    hedge = next((hedge for hedge in HEDGES if tuple(words[: len(hedge)]) == hedge), None)
    if hedge is not None and _measured(tokens[len(hedge) :]):
        return _bounds(tokens[len(hedge) + (tokens[len(hedge)].kind == ".") :])
    for phrase, sign in BOUNDS.items():
        if tuple(words[: len(phrase)]) == phrase and _measured(tokens[len(phrase) :]):
            first = tokens[0]
            return [Token(sign, sign, first.spaced), *tokens[len(phrase) :]]
    if len(tokens) > 2 and _measured(tokens):
        for k in range(1, len(tokens) - 1):
            sign = _AFTERWARDS.get((words[k], words[k + 1]), "")
            if sign and k + 2 + _unit_words(tokens[k + 2 :]) == len(tokens):
                return [Token(sign, sign, False), *tokens[:k], *tokens[k + 2 :]]
    if words[:1] in (["between"], ["from"]) and _measured(tokens[1:]):
        middle = "and" if words[0] == "between" else "to"
        if words.count(middle) == 1:
            tokens = [
                token._replace(kind="to", text=words[0]) if word == middle else token
                for word, token in zip(words[1:], tokens[1:], strict=True)
            ]
            return [tokens[0]._replace(spaced=False), *tokens[1:]]
    if _measured(tokens) and sum(word in ("to", "through") for word in words) == 1:
        return [
            token._replace(kind="to", text="to") if word in ("to", "through") and 0 < k < len(tokens) - 1 else token
            for k, (word, token) in enumerate(zip(words, tokens, strict=True))
        ]
    return tokens


def _measured(tokens: Sequence[Token]) -> bool:
    """Whether a value may begin here: a number, its sign or its currency."""
    kinds = [token.kind for token in tokens[:3] if token.kind not in (".", "-", "+", "$", "quad", "≈")]
    return bool(kinds) and kinds[0] in ("num", "frac", "sqrt")


def _unit_words(tokens: Sequence[Token]) -> int:
    """How many of the tokens are words of a unit: those of "5 or more years"."""
    return sum(token.kind in ("word", "run") for token in tokens)


def integer_parameter(tokens: list[Token]) -> tuple[list[Token], list[Token]] | None:
    """The tokens before "k ∈ Z" or "where k is an integer", and the same with k renamed to "∈Z"."""
    if not any(token.kind == "∈" or token.text in ("integer", "integers") for token in tokens):
        return None
    words, kinds = [_word(token) for token in tokens], [token.kind for token in tokens]
    if kinds[-6:] == listed("sym ∈ mathbb { sym }") and tokens[-2].text == "Z":
        place, size = -6, 6
    elif (kinds[-4:] == ["sym", "∈", "mathbb", "sym"] and tokens[-1].text == "Z") or (
        words[-3:] in (["is", "an", "integer"], ["is", "any", "integer"]) and len(words) > 4
    ):
        place, size = -4, 4
    elif words[-2:-1] in (["integer"], ["integers"]):
        place, size = -1, 2
    else:
        return None
    name, at = tokens[place].text, len(tokens) - size
    while at and (kinds[at - 1] in (",", ";", "quad", "and", "(") or words[at - 1] in _LEADING):
        at -= 1
    before = tokens[:at]
    letters = [token for token in before if token.kind in ("sym", "run", "word") and name in token.text]
    if tokens[place].kind != "sym" or not letters or any(token.text != name for token in letters):
        return None
    return before, [
        token._replace(text="∈Z") if token.kind == "sym" and token.text == name else token for token in before
    ]


_LEADING = frozenset(listed("where for with all any every some each"))


def is_amount(tokens: Sequence[Token]) -> bool:
    """Whether a number is written with its scale in words, as amounts are: 10 million is not 10 million years."""
    return any(_word(token) in ("million", "billion", "trillion") for token in tokens)

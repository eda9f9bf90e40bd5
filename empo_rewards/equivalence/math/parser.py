"""From tokens to syntax: a recursive-descent parser, bounded in depth, that reads each token once.

Notation is ambiguous; these are the readings, in one place:

- Juxtaposition multiplies. It binds closer than a slash (a/bc is a/(bc)), but for a number over a number (1/2x is x/2).
- \\frac12 is a half; ^10 and \\sqrt12 take the whole number, as models mean it; ^ab takes one letter, as TeX does.
- A function without brackets takes the product that follows, up to a sign or another function: \\sin 2x \\cos x.
- 2\\frac13 and 2 1/3 are mixed numbers; 2\\frac{x}{3} and 2\\frac53 are products.
- {1,2} with plain braces is a set where it has a comma, else a group.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import dropwhile
from typing import TypeVar

from empo_rewards.equivalence.math import nodes, units
from empo_rewards.equivalence.math.lexer import Token, Unreadable
from empo_rewards.equivalence.math.limits import MAX_DEPTH
from empo_rewards.equivalence.math.nodes import Node
from empo_rewards.equivalence.math.table import LETTERS, TABLE

T = TypeVar("T")

_VOWELS = frozenset("aeiouy")
_RELATIONS = frozenset("=≈≠<>≤≥∈∉≡⊆⊇")
_ORDERS = frozenset("<>≤≥")
_SEPARATORS = frozenset({",", ";", "and", "or"})
_CLOSERS = frozenset({"choose", ")", "]", "}", r"\}", "|", "⌋", "⌉", "&", "\\\\", "end", ""})
_ENDS_LIST = _CLOSERS | {".", ":"}
_ENDS_LEAF = (_CLOSERS - {"|", "choose"}) | _SEPARATORS | _RELATIONS
"""What may follow a number or symbol that is an operand by itself: the way down to it can be cut short."""
_ENDS_UNIT = (_CLOSERS - {"choose"}) | _SEPARATORS | _RELATIONS | {"to", "+", "-", ".", "num", "∪"}
_BEGINS_UNIT = frozenset({"word", "run", "sym", "func", "/", "*"})
_LENGTHS = frozenset("msgLhKTF")
"""Letters that no unit follows side by side with them, but for one with a negative power."""
_SIGNS = frozenset("+-±∓")
_TURNED = {"": "-", "+": "-", "-": "+", "±": "∓", "∓": "±"}
"""Signs by what a minus after them makes of them."""
_SET_OPERATIONS = frozenset("∪∩∖")
_ENDS_TERM = _ENDS_LEAF | _SIGNS
_AFTER_FACTOR = frozenset({"^", "!", "!!", "°", "'", "_"})
_STARTS = frozenset(
    {"num", "sym", "run", "func", "frac", "sqrt", "binom", "(", "[", "{", r"\{", "accent", "∞", "⌊", "⌈"}
    | {"mathbb", "label", "begin", "large"}
)
"""What may begin a factor beside another one."""
_GRIDS = frozenset({"matrix", "pmatrix", "bmatrix", "vmatrix", "Bmatrix", "smallmatrix", "array", "cases", "aligned"})
_ENCLOSED = {"|": ("|", "abs"), "⌊": ("⌋", "floor"), "⌈": ("⌉", "ceil")}
_CHOSEN = {"C": "binomial", "P": "permutations"}
_CHOICES = tuple("ABCDEFGH")
_NUMBERED = re.compile(r"\((?:1\)[^(].*\(2|i\)[^(].*\(ii|I\)[^(].*\(II|a\)[^(].*\(b|A\)[^(].*\(B)\)")
"""Parts by number: (1) 5 (2) 6."""
_NO_CHOICE = _RELATIONS | frozenset("+-*/^") | {""}


class _Parser:
    """The state of one reading.

    Single letters after a number are its unit where they stand apart from it (5 N), and symbols where they touch it
    (5N); `unsure` holds the unit that either may be, by "spaced" and "glued". `applied` holds the letters that are
    functions: f, g, h, and those right before brackets around a symbol or a number, as T of T(n) = 2T(n/2) + n. `bars`
    counts the open |...|, in which a bar closes one. `integral`: a differential ends the expression. `braced`: in
    braces, where letters are no unit. `congruence`: mod is no operation.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.kinds = [token.kind for token in tokens] + [""] * 8
        self.at = self.depth = self.bars = 0
        self.integral = self.braced = False
        self.unsure: dict[str, units.Unit] = {}
        self.applied = {*"fgh", *LETTERS}
        self.congruence = "≡" in self.kinds

    # Tokens

    def kind(self, ahead: int = 0) -> str:
        """The kind of a token ahead (fewer than eight); "" past the end."""
        return self.kinds[self.at + ahead]

    def texts(self, *kinds: str) -> list[str]:
        """What the tokens ahead say, where they are of these kinds; else empty."""
        end = self.at + len(kinds)
        return [token.text for token in self.tokens[self.at : end]] if self.kinds[self.at : end] == [*kinds] else []

    def replace(self, at: int, token: Token) -> None:
        self.tokens[at] = token
        self.kinds[at] = token.kind

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def accept(self, kind: str) -> bool:
        if self.kinds[self.at] == kind:
            self.at += 1
            return True
        return False

    def expect(self, *kinds: str) -> None:
        if not all(map(self.accept, kinds)):
            raise Unreadable

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable

    def nested(self, parse: Callable[[], T]) -> T:
        """What `parse` reads, one level deeper."""
        self.enter()
        result = parse()
        self.depth -= 1
        return result

    # Lists and relations

    def answer(self) -> nodes.Listing:
        choice = self.choice()
        if choice and self.choice():
            raise Unreadable  # (B) (C) 5
        if self.kinds[0] == "(" and _NUMBERED.match("".join(token.text for token in self.tokens)):
            raise Unreadable
        listing = self.listing()
        while self.accept("."):
            pass
        if self.kind():
            raise Unreadable
        return nodes.Listing((nodes.ChoiceLetter(choice, listing),), ()) if choice else listing

    def choice(self) -> str:
        """The letter of a choice before its value, taken: B of (B) 5; "" where there is none."""
        _, choice, _ = self.texts("(", "sym", ")") or self.texts("(", "word", ")") or ("", "", "")
        if choice not in _CHOICES or self.kind(3) in _NO_CHOICE or not self.tokens[self.at + 3].spaced:
            return ""
        self.at += 3
        return choice

    def listing(self) -> nodes.Listing:
        """Items up to a closing bracket or the end; a separator may stand before it."""
        items, separators = [self.relation()], []
        while (separator := self.separator()) and self.kinds[self.at] not in _ENDS_LIST and not self.closes_outward():
            separators.append(separator)
            items.append(self.relation())
        return nodes.Listing(tuple(items), tuple(separators))

    def separator(self) -> str:
        """The separators between two items as one; "" where there is none."""
        found = ""
        while self.kinds[self.at] in _SEPARATORS:
            token = self.take()
            found = token.text if token.kind in ("and", "or") or not found else found
        return found

    def relation(self) -> Node:
        if self.kinds[self.at] in _ORDERS:
            return nodes.Bound(self.take().kind, self.proportion())
        operands: list[Node] = [self.leaf(_ENDS_LEAF) or self.proportion()]
        operators: list[str] = []
        while (kind := self.kinds[self.at]) in _RELATIONS or (kind == "&" and self.kind(1) in _RELATIONS):
            self.accept("&")
            operators.append(self.take().kind)
            self.accept("&")
            operands.append(self.leaf(_ENDS_LEAF) or self.proportion())
        modulus = self.congruent_by() if kind in ("pmod", "(", "mod", ",") else None
        if modulus is not None:
            return nodes.Modular(operands[-1], modulus, operands[0] if operators == ["≡"] else None, len(operators))
        if not operators:
            return operands[0]
        return nodes.Comparing(tuple(operands), tuple("=" if operator == "≡" else operator for operator in operators))

    def congruent_by(self) -> Node | None:
        """The modulus of \\pmod 7 or (mod 7) ahead."""
        ahead = int(self.kind() == ",")
        bracket = self.kind(ahead) == "(" and self.kind(ahead + 1) == "mod"
        if not bracket and self.kind(ahead) != "pmod" and not (self.kind(ahead) == "mod" and self.congruence):
            return None
        self.at += ahead + 1 + bracket
        modulus = self.sum()
        if bracket:
            self.expect(")")
        return modulus

    def proportion(self) -> Node:
        parts = [self.combination()]
        while self.kinds[self.at] == ":" and not self.bars:  # in {x : condition} it is no ratio
            self.take()
            parts.append(self.combination())
        return parts[0] if len(parts) == 1 else nodes.Proportion(tuple(parts))

    def combination(self) -> Node:
        left, depth = self.quantity(), self.depth
        while self.kinds[self.at] in _SET_OPERATIONS:
            self.enter()
            left = nodes.Combined(self.take().kind, left, self.quantity())
        self.depth = depth
        return left

    # Quantities

    def leaf(self, ends: frozenset[str] = frozenset()) -> Node | None:
        """The number or symbol ahead; where `ends` are given, only if one of them follows."""
        kind = self.kinds[self.at]
        if kind not in ("num", "sym") or (ends and self.kinds[self.at + 1] not in ends):
            return None
        return nodes.Num(self.take().text) if kind == "num" else nodes.Sym(self.take().text)

    def quantity(self) -> Node:
        """A value with its unit; 3 hours 20 minutes; $99 - $72; 3 to 5 days; $300 at 7%."""
        first = self.measured()
        if self.kinds[self.at] in _ENDS_LEAF:
            return first
        if isinstance(first, nodes.Quantity):
            parts = [first]
            while self.kind() == "num":
                parts.append(self.another())
            if len(parts) > 1:
                return nodes.Compound(tuple(parts))
            terms = [nodes.Signed("+", first.body)]
            while self.kind() in ("+", "-"):
                terms.append(nodes.Signed(self.take().kind, self.another(first.unit).body))
            first = nodes.Quantity(nodes.Sum(tuple(terms)), first.unit) if len(terms) > 1 else first
        if self.accept("to"):
            return nodes.Span(first, self.measured())
        if not self.is_qualifier():
            return first
        words: list[str] = []
        while self.kind() not in _SEPARATORS and self.kind():
            words.append(self.take().text.lower())
        return nodes.Qualified(first, " ".join(words))

    def another(self, unit: units.Unit = ()) -> nodes.Quantity:
        """A quantity beside another one; in its unit, where it has to be."""
        part = self.measured()
        if not isinstance(part, nodes.Quantity) or (unit and part.unit != unit):
            raise Unreadable
        return part

    def is_qualifier(self) -> bool:
        """Whether a preposition is ahead that begins to say of what the value before it is one."""
        said = self.kind() in ("word", "run") and self.tokens[self.at].text in units.QUALIFIERS
        return said and (self.kind(1) == "num" or self.kind(1) not in _ENDS_UNIT | {"^"})

    def measured(self) -> Node:
        """One value with its unit and its currency."""
        if self.kinds[self.at] in ("+", "-") and self.kind(1) == "$":  # -$5 is $-5
            sign = self.tokens[self.at]
            self.replace(self.at, self.tokens[self.at + 1])
            self.replace(self.at + 1, sign)
        currency = self.take().text if self.kind() == "$" else ""
        body = self.sum(measured=True)
        if self.kinds[self.at] in _ENDS_LEAF and not currency:
            return body
        if self.kind() == "$":
            currency = self.take().text
        unit = self.unit(joined=self.kind() in ("sym", "run")) if self.kinds[self.at] in _BEGINS_UNIT else {}
        if currency:
            unit = {name: power for name, power in unit.items() if name not in (currency, "pound")} | {currency: 1}
        if unit.keys() == {"%"}:
            return nodes.Postfix("%", body)
        given = units.canonical(unit)
        return nodes.Quantity(body, given) if given else body

    def unit(self, joined: bool = False) -> dict[str, int]:
        """The unit that follows, in words or abbreviations; `joined`: its first name may be a single letter."""
        found, inner = Counter[str](), dict[str, int]()
        side, power, names = 1, 1, 0
        while names < units.MOST_NAMES and self.is_unit(joined=joined) and not self.is_qualifier():
            token = self.take()
            word = token.text if token.kind != "*" else "times"
            if word.lower() in units.POWERS:
                power = units.POWERS[word.lower()]
                if inner and word.endswith("ed"):  # of what stands before it: meters per second squared
                    found.update({name: side * exponent * (power - 1) for name, exponent in inner.items()})
                    power = 1
                continue
            if word in ("per", "/"):
                side, joined = -1, True
                continue
            if word.lower() in units.NOT_UNITS and token.kind != "sym" and word != "in":
                raise Unreadable
            if token.kind == "(":
                inner = self.unit()
                self.expect(")")
            else:
                if self.is_prefix(token):
                    word = ("μ" if word == "mu" else word) + self.take().text.replace("Omega", "Ω")
                inner = {units.name_of(word): power * (self.small_integer() if self.accept("^") else 1)}
            for name, exponent in inner.items():
                found[name] += side * exponent
            power, names = 1, names + 1
            joined = self.kind() in ("/", "*") and self.is_unit(1, joined=True)
            if joined:
                side = -1 if self.take().kind == "/" else side
            else:  # N m, m s^{-1}; but 2 m g is a product
                joined = self.kind() == "sym" and self.is_unit(joined=True) and self.tokens[self.at].spaced
                joined = joined and (word not in _LENGTHS or "-" in self.kinds[self.at + 2 : self.at + 4])
        return found

    def is_unit(self, ahead: int = 0, joined: bool = False) -> bool:  # noqa: PLR0911 - one return a kind of token
        """Whether a unit's name is ahead; `joined`: after another one, where single letters are names too."""
        kind, after = self.kind(ahead), self.kind(ahead + 1)
        if kind == "word":
            return True
        if kind in ("/", "*"):  # $14/day, 10 ×
            text = self.tokens[self.at + ahead + 1].text if after else ""
            plain = after in ("run", "word") and (_is_plain_word(text) or text in units.TIMES)
            return not joined and (plain if kind == "/" else not after)
        if kind not in ("run", "sym", "func"):
            return joined and kind == "(" and after in ("word", "run", "sym")
        _, text, spaced = token = self.tokens[self.at + ahead]
        if kind == "func" or text == "in":  # minutes, seconds, inches: at the end of a quantity
            return text in ("min", "sec", "in") and (after in _ENDS_UNIT or (text == "in" and after == "^"))
        if kind == "sym":
            return joined and (text in units.LETTERS or text in ("Omega", "mu") or self.is_prefix(token, ahead + 1))
        if text in units.PRODUCTS and not joined:
            return spaced
        return joined or text in units.SYMBOLS or (spaced and _is_plain_word(text))

    def is_prefix(self, token: Token, after: int = 0) -> bool:
        """Whether a letter is the prefix of the unit after it: μ m, k Ω."""
        unit = self.tokens[self.at + after].text if self.kind(after) in ("sym", "word") else ""
        return bool(unit) and (token.text == "mu" or (token.text in ("k", "M", "m") and unit == "Omega"))

    def unit_of_letters(self) -> bool:
        """Whether single letters ahead are the unit of the number before them, and all that is left: 5 m/s."""
        start, token = self.at, self.tokens[self.at]
        if self.braced or (token.kind == "run" and token.text not in units.PRODUCTS):
            return False
        try:
            found = self.unit(joined=True)
        except Unreadable:
            found = {}
        names = [other.text for other in self.tokens[start : self.at] if other.text.isalpha()]
        sure = any(len(name) > 1 and name not in units.PRODUCTS for name in names)
        whole = bool(found) and self.kind() in (_ENDS_UNIT if sure else _ENDS_UNIT - _SIGNS)
        if whole and not sure and not self.depth:
            self.unsure["spaced" if token.spaced else "glued"] = units.canonical(found)
        self.at = start
        return whole and (sure or token.spaced)

    def small_integer(self) -> int:
        """An integer of one or two digits, in braces or not: the power of a unit, the base of a number."""
        closing = ["}"] if self.accept("{") else []
        sign = -1 if self.accept("-") else 1
        digits = self.take().text if self.kind() == "num" else ""
        self.expect(*closing)
        if not digits.isdecimal() or len(digits) > 2:
            raise Unreadable
        return sign * int(digits)

    # Sums and products

    def sum(self, *, measured: bool = False) -> Node:
        """A sum, up to another amount of money; `measured`: its first term may have a unit."""
        parts = [self.signed(measured)]
        while self.kinds[self.at] in _SIGNS and self.kind(1) != "$":
            parts.append(self.signed())
        if len(parts) == 1:
            return parts[0]
        return nodes.Sum(tuple(part if isinstance(part, nodes.Signed) else nodes.Signed("+", part) for part in parts))

    def signed(self, measured: bool = False) -> Node:
        sign = ""
        while (mark := self.kinds[self.at]) in _SIGNS:
            self.at += 1
            sign = _TURNED[sign] if mark == "-" else mark if mark in "±∓" else sign or "+"
        body = self.leaf(_ENDS_TERM) or self.product(measured=measured)
        if sign and isinstance(body, nodes.Quantity):  # -2 °C
            return nodes.Quantity(nodes.Signed(sign, body.body), body.unit)
        return nodes.Signed(sign, body) if sign else body

    def product(self, measured: bool = False) -> Node:
        factors: list[tuple[str, Node]] = [("", self.factor())]
        depth = self.depth
        while True:
            kind = self.kinds[self.at]
            if measured and (
                self.is_unit() if kind == "/" else
                kind in ("sym", "run", "func") and _is_number(factors) and self.unit_of_letters()
            ):  # fmt: skip
                break
            if kind in ("*", "/") and self.kind(1):
                sign, before = self.take().text, factors[-1][1]
                factor = self.divisor(before) if kind == "/" else self.perhaps_signed(self.factor)
                if sign == "×" and _is_vector(before):
                    self.enter()
                    kind, factor = factors.pop()[0], nodes.Call("×", (before, factor))
                factors.append((kind, factor))
            elif kind == "%" or (kind == "mod" and not self.congruence):
                self.enter()
                self.take()  # of all that stands before it: 100/3 % is a third
                before = _product(factors)
                wrapped = (
                    nodes.Postfix("%", before) if kind == "%"
                    else nodes.Call("mod", (before, self.juxtaposed(self.perhaps_signed(self.factor))))
                )  # fmt: skip
                factors = [("", wrapped)]
            elif self.starts_factor() or (self.is_product() and not _is_number(factors)):
                self.multiply(factors)
            else:
                break
        self.depth = depth
        return _product(factors)

    def multiply(self, factors: list[tuple[str, Node]]) -> None:
        """Adds the factor ahead, side by side; a fraction after an integer makes a mixed number of it."""
        mark, primary = " " if self.tokens[self.at].spaced else "", self.primary()
        before = factors[-1][1]
        mixed = _mixed(before.text, primary) if isinstance(before, nodes.Num) else None
        if mixed is not None:
            mark, primary = factors.pop()[0], mixed
        match before, primary:
            case nodes.Sym(name), nodes.Bracket("(", nodes.Listing((item,))) if not mark and self.kind() != "^":
                if name not in "eiπ" and isinstance(
                    item.body if isinstance(item, nodes.Signed) else item, (nodes.Sym, nodes.Num)
                ):
                    self.applied.add(name)
        factors.append((mark, self.postfix(primary)))

    def juxtaposed(self, first: Node, goes_on: Callable[[], bool] = lambda: True) -> Node:
        """The factors side by side."""
        factors: list[tuple[str, Node]] = [("", first)]
        while goes_on() and self.starts_factor():
            self.multiply(factors)
        return _product(factors)

    def divisor(self, before: Node) -> Node:
        """What a slash divides by: the juxtaposed factors, but one number alone under a number."""
        first = self.perhaps_signed(self.factor)
        if isinstance(first, nodes.Num) and isinstance(before, nodes.Num):
            return first
        return self.juxtaposed(first, lambda: self.kind() in ("sym", "run", "num") and not self.tokens[self.at].spaced)

    def perhaps_signed(self, parse: Callable[[], Node]) -> Node:
        if self.kind() in ("+", "-"):
            return nodes.Signed(self.take().kind, self.nested(lambda: self.perhaps_signed(parse)))
        return parse()

    def starts_factor(self) -> bool:
        kind = self.kinds[self.at]
        if kind not in _STARTS:
            return kind == "|" and not self.bars
        if (kind == "run" and self.is_unit()) or (kind == "[" and self.closes_outward()):
            return False
        if kind == "(" and self.kinds[self.at + 1] == "mod":
            return False
        return not (self.integral and self.is_differential())

    def is_product(self) -> bool:
        """Whether letters are ahead that are a unit behind a number only: \\mu mg."""
        return self.kinds[self.at] == "run" and self.tokens[self.at].text in units.PRODUCTS

    # Factors

    def factor(self) -> Node:
        return self.postfix(self.primary())

    def postfix(self, base: Node) -> Node:
        depth = self.depth
        while (kind := self.kinds[self.at]) in _AFTER_FACTOR:
            self.enter()
            self.take()
            if kind == "^":
                braced, exponent = self.kind() == "{", self.exponent()
                base = self.indexed(base) if isinstance(base, nodes.Sym) and self.kind() == "_" else base
                match base, exponent:
                    case nodes.Sym(name), nodes.Bracket("(", nodes.Listing((nodes.Num(n) | nodes.Sym(n),))) if (
                        braced and name not in "eiπ"
                    ):  # f^{(3)}, y^{(n)}
                        base = nodes.Sym(name + ("'" * int(n) if n.isdecimal() and len(n) < 3 else f"^({n})"))
                    case nodes.Sym(name), nodes.Num("0") if name not in "ei":
                        raise Unreadable  # K^0, a particle
                    case _:
                        base = nodes.Power(base, exponent)
            elif kind in ("!", "!!") and self.kind() != "=":
                base = nodes.Postfix(kind, base)
            elif kind == "°":
                scale = self.tokens[self.at].text if self.kind() in ("sym", "word") else ""
                if scale in ("C", "F") and (self.kind(1) in _ENDS_LIST or self.kind(1) in _SEPARATORS):
                    base = nodes.Quantity(base, ((f"°{self.take().text}", 1),))
                else:
                    base = nodes.Postfix("°", base)
            elif kind == "'" and isinstance(base, nodes.Sym):
                base = nodes.Sym(base.name + "'")
            elif kind == "_" and (digits := _digits(base)):
                base = nodes.Based(digits, self.small_integer())
            else:
                self.at -= 1
                break
        self.depth = depth
        return base

    def exponent(self) -> Node:
        return self.nested(lambda: self.perhaps_signed(self.tower))

    def tower(self) -> Node:
        """An exponent without its sign."""
        result = self.argument() if self.kind() in ("run", "sym") else self.primary()
        if self.accept("^"):  # right-associative
            return nodes.Power(result, self.exponent())
        return nodes.Postfix("!", result) if self.accept("!") else result

    def primary(self) -> Node:
        reader = _PRIMARIES.get(self.kinds[self.at])
        if reader is None:
            raise Unreadable
        return reader(self, self.take().text)

    def number(self, text: str) -> Node:
        if not text.isdecimal() or self.kind() not in ("sym", "num"):
            return nodes.Num(text)
        _, letter, spaced = self.tokens[self.at]
        if letter in _CHOSEN and not spaced and self.kind(1) == "num" and not self.tokens[self.at + 1].spaced:  # 10C3
            self.at += 2
            return nodes.Call(_CHOSEN[letter], (nodes.Num(text), nodes.Num(self.tokens[self.at - 1].text)))
        match self.texts("num", "/", "num") if spaced else []:
            case [top, "/", bottom] if _is_proper(top, bottom):  # 4 4/9
                self.at += 3
                return nodes.Mixed(text, top, bottom)
        return nodes.Num(text)

    def chosen(self, mark: str) -> Node:
        """^{10}C_3, _{10}C_3: a binomial coefficient."""
        match self.argument(), self.argument():
            case nodes.Num() as above, nodes.Sym(symbol):
                letter, _, below = symbol.partition("_")
                if letter in _CHOSEN and below.isdecimal() and (letter == "C" or below != "0"):  # ^3P_0 is a term
                    return nodes.Call(_CHOSEN[letter], (above, nodes.Num(below)))
        raise Unreadable

    def letters(self, text: str) -> Node:
        """Letters side by side: a product of symbols. An index or a power belongs to the last one."""
        here = self.at - 1
        touching = here > 0 and self.kinds[here - 1] == "num" and not self.tokens[here].spaced
        named = len(text) == 3 and not here and self.kind() == "=" and _is_plain_word(text)
        if (is_word(text) and not touching) or named:
            return nodes.Word(self.indexed(nodes.Sym(text)).name)
        last = self.postfix(self.indexed(nodes.Sym(text[-1])))
        return nodes.Product((*(("", nodes.Sym(letter)) for letter in text[:-1]), ("", last)))

    def worded(self, text: str) -> Node:
        """Words within a formula, as one name, with their index."""
        if len(text) == 1:
            return self.indexed(nodes.Sym(text))
        words = [text]
        while self.kind() == "word":
            words.append(self.take().text)
        if any(word.lower() in units.NOT_UNITS for word in words):
            raise Unreadable
        return nodes.Word(self.indexed(nodes.Sym(" ".join(words))).name)

    def labelled(self, name: str) -> Node:
        """\\angle ABC."""
        letters = ""
        while self.kind() in ("sym", "run"):
            letters += self.take().text
        if not letters:
            raise Unreadable  # 5\\angle 30°
        return nodes.Word(f"{name} {letters}")

    def blackboard(self, name: str) -> Node:
        match self.argument():
            case nodes.Sym(letter):
                return nodes.Constant(letter)
        raise Unreadable

    def accented(self, name: str) -> Node:
        match self.argument():
            case nodes.Product(factors) if name == "overline":
                return nodes.Word("".join(node.name for _, node in factors if isinstance(node, nodes.Sym)))
            case nodes.Sym(letter) as symbol if letter.startswith("unit "):
                return symbol  # \\hat{\\mathbf i}
            case nodes.Sym(letter):
                return self.indexed(nodes.Sym(f"{'bar' if name == 'overline' else name} {letter}"))
        raise Unreadable

    def indexed(self, symbol: nodes.Sym, *, touching: bool = True) -> nodes.Sym:
        """The symbol with the index that follows in its name; digits that touch a letter are one: x2."""
        name, kind = symbol.name, self.kind()
        if kind == "num" and touching and name not in ("e", "i", "π") and name.isalpha():
            digits = self.tokens[self.at]
            if not digits.spaced:
                return nodes.Sym(f"{name}_{self.take().text}")
        if not self.accept("_"):
            return symbol
        kind, index = self.kind(), ""
        if self.accept("{"):
            depth = 1
            while depth:
                if not self.kind():
                    raise Unreadable
                token = self.take()
                depth += (token.kind == "{") - (token.kind == "}")
                index += token.text if depth else ""
        elif kind == "run" and self.kind(1) in ("_", "^"):
            index = self.first()  # F_kF_n
        elif kind in ("num", "sym", "run", "word"):
            index = self.take().text
        elif kind:  # x_ is x_{}
            raise Unreadable
        return nodes.Sym(f"{name}_{index}")

    # Commands and functions

    def argument(self) -> Node:
        """A command's argument: a group in braces, one digit, or one symbol. \\sqrt\\sqrt2 nests as brackets do."""
        kind = self.kind()
        if kind == "num":
            return nodes.Num(self.first() if self.tokens[self.at].text.isdecimal() else self.take().text)
        if kind == "sym":
            return self.indexed(nodes.Sym(self.take().text), touching=False)
        if kind == "run":
            return nodes.Sym(self.first())
        return self.primary() if kind == "{" and self.kind(1) != "}" else self.nested(self.primary)

    def first(self) -> str:
        """The first of the digits or letters ahead; the others stay."""
        kind, text, _ = self.take()
        if len(text) > 1:
            self.at -= 1
            self.replace(self.at, Token("sym" if kind == "run" and len(text) == 2 else kind, text[1:], False))
        return text[0]

    def fraction(self, name: str) -> Node:
        differential = self.kind() == "{" and self.begins_with_d(1)
        top = self.argument()
        differential = differential and self.kind() == "{" and self.begins_with_d(1)
        bottom = self.argument()
        if differential:  # no quotient of products
            return nodes.Call("derivative", (top, bottom))
        return nodes.Product((("", nodes.Bracket("(", nodes.Listing((top,), ()), ")")), ("/", bottom)))

    def begins_with_d(self, ahead: int = 0) -> bool:
        return self.kind(ahead) in ("sym", "run") and self.tokens[self.at + ahead].text[0] in "d∂"

    def root(self, name: str) -> Node:
        degree: tuple[Node, ...] = ()
        if self.accept("["):
            degree = self.nested(self.listing).items[:1]
            self.expect("]")
        radicand = (self.leaf() if self.kind() == "num" else None) or self.argument()
        return nodes.Call("sqrt", (radicand, *degree))

    def function(self, name: str) -> Node:
        base: tuple[Node, ...] = ()
        exponent: Node | None = None
        while self.kind() in ("_", "^"):
            if self.take().kind == "_":
                base = (self.argument(),)
            else:
                exponent = self.exponent()
        if exponent == nodes.Signed("-", nodes.Num("1")) and TABLE[name].inverse:
            name, exponent = TABLE[name].inverse, None
        if base and name not in ("log", "ln", "lg"):
            raise Unreadable
        call = nodes.Call("log" if base else name, (*base, *self.nested(self.arguments)))
        return call if exponent is None else nodes.Power(call, exponent)

    def arguments(self) -> tuple[Node, ...]:
        """A function's arguments: what brackets hold, else the product that follows."""
        if self.kind() in ("(", "[", "{", r"\{"):
            bracket = self.primary()
            return bracket.items.items if isinstance(bracket, nodes.Bracket) else (bracket,)
        if self.kind() == "func":
            return (self.factor(),)
        return (self.perhaps_signed(lambda: self.juxtaposed(self.factor(), lambda: self.kind() != "func")),)

    # Sums, integrals and limits, which are not computed

    def large_operator(self, name: str) -> Node:
        if name == "lim":
            return self.nested(self.limit)
        limits: dict[str, tuple[Node, ...]] = {"_": (), "^": ()}
        while self.kind() in limits:
            mark = self.take().kind
            if self.texts("{", "}"):
                self.at += 2
                continue
            limit = self.bound()
            limits[mark] = (
                limit.operands if isinstance(limit, nodes.Comparing) and limit.operators == ("=",) else (limit,)
            )
        body = self.nested(self.integrand if name == "int" else self.product)
        return nodes.Call(f"{name} {len(limits['_'])} {len(limits['^'])}", (*limits["_"], *limits["^"], body))

    def integrand(self) -> Node:
        """What an integral is of: a sum up to its differentials, \\int f + g dx; as it stands where they come first."""
        outer, self.integral = self.integral, not self.is_differential()
        factors: list[tuple[str, Node]] = [("", self.sum())]
        while self.integral and self.is_differential():
            factors += [("", self.primary()) for _ in range(2 if self.kind() == "sym" else 1)]
        self.integral = outer
        return _product(factors)

    def is_differential(self) -> bool:
        """Whether dx is ahead."""
        return self.begins_with_d() and (
            self.kind(1) == "sym" if self.kind() == "sym" else len(self.tokens[self.at].text) == 2
        )

    def bound(self) -> Node:
        """A limit of a sum or integral: a group, or a number, symbol or ∞ with its sign. A mark after it is not its."""
        return self.perhaps_signed(lambda: self.leaf() or self.argument())

    def limit(self) -> Node:
        """\\lim_{x \\to a}, with the side in its name: x \\to a^+."""
        self.expect("_", "{")
        variable = self.sum()
        if not (self.accept("→") or self.accept("⇒")):
            raise Unreadable
        target, side = self.bound() if self.kind(1) == "^" else self.sum(), ""
        if self.accept("^"):
            braces = ["}"] if self.accept("{") else []
            side, self.at = self.kind(), self.at + 1
            self.expect(*braces)
        self.expect("}")
        if side not in ("", "+", "-"):
            raise Unreadable
        return nodes.Call(f"lim {side}", (variable, target, self.product()))

    # Brackets

    def bracket(self, opening: str) -> Node:
        """(...), [...], {...}, a set, an interval with its ends open or closed, ]a, b[; {n \\choose k}."""
        braces = opening in ("{", r"\{")
        if braces and (self.accept("}") or self.accept(r"\}")):
            if self.kind() in ("^", "_"):
                return self.primary()  # {}^{10}C_3
            if opening == "{" and (self.depth or self.kind()):
                raise Unreadable
            return nodes.Constant("∅")
        if opening == r"\{" and self.kind() == "begin":  # a system, whose brace never closes
            system = self.primary()
            self.accept(r"\}")
            return system
        # in a printed set a bar ends the first part of {x | condition}
        outer, self.bars, self.integral = (self.bars, self.integral, self.braced), int(opening == r"\{"), False
        self.braced = opening == "{"
        listing = self.nested(self.listing)
        if self.accept("choose"):
            listing = nodes.Listing((nodes.Call("binomial", (*listing.items, *self.nested(self.listing).items)),), ())
        condition = self.nested(self.listing) if opening == r"\{" and (self.accept("|") or self.accept(":")) else None
        self.bars, self.integral, self.braced = outer
        closing = self.take().kind if self.kind() else ""
        several, outward = len(listing.items) > 1, opening == "]" or closing == "["
        ends = ("}", r"\}") if braces else (")", "]", "[")
        if closing not in ends or (condition and several) or (outward and not several):
            raise Unreadable
        if condition:
            return nodes.Builder(listing.items[0], condition)
        if opening in "{⟨" and not several:
            return listing.items[0] if opening == "{" else nodes.Call("⟨⟩", listing.items)  # an average
        return nodes.Bracket("(" if opening in "]⟨" else opening, listing, ")" if closing == "[" else closing)

    def closes_outward(self) -> bool:
        """Whether a [ ahead closes an interval, as nothing that it could open follows: ]a, b[."""
        opening, after = self.kinds[self.at : self.at + 2]
        return opening == "[" and (after in _ENDS_LEAF or after in _SET_OPERATIONS or after == ".")

    def enclosed(self, opening: str) -> Node:
        """|...|, ⌊...⌋, ⌈...⌉."""
        closing, name = _ENCLOSED[opening]
        self.bars += closing == "|"
        body = self.nested(self.sum)
        self.bars -= closing == "|"
        self.expect(closing)
        return nodes.Call(name, (body,))

    def grid(self, environment: str) -> Node:
        self.enter()
        rows: list[list[Node]] = [[]]
        while self.kind() != "end":
            if self.accept("\\\\"):
                rows.append([])
            elif not self.accept("&"):
                item = self.listing()
                rows[-1].append(item.items[0] if len(item.items) == 1 else item)
        filled = tuple(tuple(row) for row in rows if row)
        if self.take().text != environment or environment not in _GRIDS or not filled:
            raise Unreadable
        self.depth -= 1
        return nodes.Grid(filled, environment)


_PRIMARIES: dict[str, Callable[[_Parser, str], Node]] = {
    "num": _Parser.number, "run": _Parser.letters, "word": _Parser.worded,
    "sym": lambda parser, name: parser.indexed(nodes.Sym(name)),
    "frac": _Parser.fraction, "sqrt": _Parser.root, "func": _Parser.function, "^": _Parser.chosen, "_": _Parser.chosen,
    "binom": lambda parser, name: nodes.Call("binomial", (parser.argument(), parser.argument())),
    "mathbb": _Parser.blackboard, "accent": _Parser.accented, "label": _Parser.labelled,
    "begin": _Parser.grid, "large": _Parser.large_operator, **dict.fromkeys(_ENCLOSED, _Parser.enclosed),
    **dict.fromkeys("∞∅", lambda parser, name: nodes.Constant(name)),
    **dict.fromkeys(("(", "[", "{", r"\{", "]"), _Parser.bracket),
}  # fmt: skip
"""What reads a primary, by the kind of its first token, from the token's text on."""


def _product(factors: list[tuple[str, Node]]) -> Node:
    return factors[0][1] if len(factors) == 1 else nodes.Product(tuple(factors))


def _is_vector(node: Node) -> bool:
    """Whether × after a node takes no product of numbers: a vector, a named set, a power or × of such."""
    node = nodes.inside(node.base if isinstance(node, nodes.Power) else node)
    named = isinstance(node, (nodes.Sym, nodes.Call)) and node[0].startswith(("vec ", "×"))
    return named or isinstance(node, nodes.Constant)


def _digits(node: Node) -> str:
    """The digits of a number, in brackets too."""
    node = nodes.inside(node)
    return node.text if isinstance(node, nodes.Num) else ""


def _is_proper(top: str, bottom: str) -> bool:
    """Whether digits are a fraction below 1."""
    return top.isdecimal() and bottom.isdecimal() and len(top) <= len(bottom) <= 9 and int(top) < int(bottom)


def _mixed(whole: str, fraction: Node) -> Node | None:
    """The mixed number of an integer and the proper fraction of digits after it, 1\\frac12; None for others."""
    match fraction:
        case nodes.Product(((_, top), ("/", bottom))) if whole.isdecimal():
            digits = _digits(top), _digits(bottom)
            return nodes.Mixed(whole, *digits) if _is_proper(*digits) else None
    return None


def is_word(text: str, shortest: int = 4) -> bool:
    """Whether letters side by side are a word: four or more, with a vowel, and not in alphabetical order as abcd is."""
    lower = text.lower()
    return len(text) >= shortest and text[1:].islower() and not _VOWELS.isdisjoint(lower) and [*lower] != sorted(lower)


def _is_plain_word(text: str) -> bool:
    """Whether letters side by side after a number are rather a word than a product."""
    return text == "per" or (len(text) >= 4 and text[1:].islower()) or is_word(text, shortest=3)


def _is_number(factors: list[tuple[str, Node]]) -> bool:
    """Whether factors are a number, in scientific notation too."""
    bases = (factor.base if isinstance(factor, nodes.Power) else factor for _, factor in factors)
    return all(isinstance(base, (nodes.Num, nodes.Mixed)) for base in bases)


def parse(tokens: list[Token]) -> tuple[nodes.Listing, dict[str, units.Unit], set[str]]:
    """The syntax of an answer, and its `_Parser.unsure` and `_Parser.applied`."""
    tokens = list(dropwhile(lambda token: token.kind in ("=", "≈"), tokens))
    if not tokens:
        raise Unreadable
    if tokens[0].kind == "<" and tokens[-1].kind == ">" and any(token.kind == "," for token in tokens):  # <1, 2>
        tokens = [Token("(", "(", False), *tokens[1:-1], Token(")", ")", False)]
    parser = _Parser(tokens)
    return parser.answer(), parser.unsure, parser.applied

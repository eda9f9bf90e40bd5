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
from collections.abc import Callable, Collection
from contextlib import suppress
from itertools import dropwhile, takewhile
from typing import TypeVar

from empo_rewards.equivalence.math import nodes, units
from empo_rewards.equivalence.math.lexer import SEPARATORS, Token, Unreadable, demand
from empo_rewards.equivalence.math.limits import MAX_DEPTH
from empo_rewards.equivalence.math.nodes import Node
from empo_rewards.equivalence.math.table import LETTERS, TABLE

T = TypeVar("T")

_VOWELS = frozenset("aeiouy")
_RELATIONS = frozenset("=≈≠<>≤≥∈∉≡⊆⊇")
_ORDERS = frozenset("<>≤≥")
_CLOSERS = frozenset({"choose", ")", "]", "}", r"\}", "|", "⌋", "⌉", "&", "\\\\", "end", ""})
_ENDS_LIST = _CLOSERS | {".", ":"}
_ENDS_LEAF = (_CLOSERS - {"|", "choose"}) | SEPARATORS | _RELATIONS
"""What may follow a number or symbol that is an operand by itself: the way down to it can be cut short."""
_ENDS_UNIT = (_CLOSERS - {"choose"}) | SEPARATORS | _RELATIONS | {"to", "+", "-", ".", "num", "∪"}
_BEGINS_UNIT = frozenset({"word", "run", "sym", "func", "/", "*"})
_LENGTHS = frozenset("msgLhKTF")
"""Letters that no unit follows side by side with them, but for one with a negative power."""
_SIGNS = frozenset("+-±∓")
_TURNED = str.maketrans("+-±∓", "-+∓±")  # what a minus makes of the signs before it
_SET_OPERATIONS = frozenset("∪∩∖")
_ENDS_TERM = _ENDS_LEAF | _SIGNS
_AFTER_FACTOR = frozenset({"^", "!", "!!", "°", "'", "_"})
_GRIDS = frozenset({"matrix", "pmatrix", "bmatrix", "vmatrix", "Bmatrix", "smallmatrix", "array", "cases", "aligned"})
_ENCLOSED = {"|": ("|", "abs"), "⌊": ("⌋", "floor"), "⌈": ("⌉", "ceil")}
_CHOSEN = {"C": "binomial", "P": "permutations"}
_CHOICES = tuple("ABCDEFGH")
_NUMBERED = re.compile(r"\((?:1\)[^(].*\(2|i\)[^(].*\(ii|I\)[^(].*\(II|a\)[^(].*\(b|A\)[^(].*\(B)\)")  # (1) 5 (2) 6
_NO_CHOICE = _RELATIONS | frozenset("+-*/^") | {""}


class _Parser:
    """The state of one reading.

    Single letters after a number are its unit where they stand apart from it (5 N), and symbols where they touch it
    (5N); `unsure` holds the unit that either may be, by "spaced" and "glued". `bars` counts the open |...|, in which a
    bar closes one. `integral`: a differential ends the expression. `braced`: in braces, where letters are no unit.
    `congruence`: mod is no operation.
    """

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.kinds = [token.kind for token in tokens] + [""] * 8
        self.at = self.depth = self.bars = 0
        self.integral = self.braced = False
        self.unsure: dict[str, units.Unit] = {}
        self.applied = {*"fgh", *LETTERS}  # letters that are functions: T of T(n) = 2T(n/2) + n, as it is applied to n
        self.congruence = "≡" in self.kinds

    # Tokens

    def kind(self, ahead: int = 0) -> str:
        """The kind of a token ahead (fewer than eight); "" past the end."""
        return self.kinds[self.at + ahead]

    def texts(self, *kinds: str) -> list[str]:
        """What the tokens ahead say, where they are of these kinds; else empty."""
        end = self.at + len(kinds)
        return [token.text for token in self.tokens[self.at : end]] if self.kinds[self.at : end] == [*kinds] else []

    def take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def take_all(self, kinds: Collection[str]) -> list[str]:
        """What the tokens ahead say that are of these kinds."""
        start = self.at
        while self.kinds[self.at] in kinds:
            self.at += 1
        return [token.text for token in self.tokens[start : self.at]]

    def accept(self, kind: str) -> bool:
        accepted = self.kinds[self.at] == kind
        self.at += accepted
        return accepted

    def expect(self, *kinds: str) -> None:
        demand(all(map(self.accept, kinds)))

    def enter(self) -> None:
        self.depth += 1
        demand(self.depth <= MAX_DEPTH)

    def nested(self, parse: Callable[[], T]) -> T:
        """What `parse` reads, one level deeper."""
        self.enter()
        result = parse()
        self.depth -= 1
        return result

    # Lists and relations

    def answer(self) -> nodes.Listing:
        choice = self.choice()
        said = "".join(token.text for token in self.tokens) if self.kinds[0] == "(" else ""
        demand(not (choice and self.choice()) and not _NUMBERED.match(said))  # (B) (C) 5
        listing = self.listing()
        while self.accept("."):
            pass
        demand(not self.kind())
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
        while self.kinds[self.at] in SEPARATORS:
            marks = self.take_all(SEPARATORS)
            if self.kinds[self.at] in _ENDS_LIST or self.closes_outward():
                break
            separators.append(([mark for mark in marks if mark not in ",;"] or marks)[-1])  # ", and" is one of them
            items.append(self.relation())
        return nodes.Listing(tuple(items), tuple(separators))

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
        comma = int(kind == ",")
        kind, after = self.kinds[self.at + comma : self.at + comma + 2]
        bracket = kind == "(" and after == "mod"
        if bracket or kind == "pmod" or (kind == "mod" and self.congruence):
            self.at += comma + 1 + bracket
            modulus = self.sum()
            self.expect(*")" * bracket)
            return nodes.Modular(operands[-1], modulus, operands[0] if operators == ["≡"] else None, len(operators))
        if not operators:
            return operands[0]
        return nodes.Comparing(tuple(operands), tuple("=" if operator == "≡" else operator for operator in operators))

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
                demand(len(parts) <= units.MOST_NAMES)  # years, days, hours, minutes, seconds
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
        words = [*takewhile(lambda token: token.kind not in SEPARATORS, self.tokens[self.at :])]
        self.at += len(words)
        return nodes.Qualified(first, " ".join(token.text.lower() for token in words))

    def another(self, unit: units.Unit = ()) -> nodes.Quantity:
        """A quantity beside another one; in its unit, where it has to be."""
        part = self.measured()
        return demand(part if isinstance(part, nodes.Quantity) and unit in ((), part.unit) else None)

    def is_qualifier(self) -> bool:
        """Whether a preposition is ahead that begins to say of what the value before it is one."""
        said = self.kind() in ("word", "run") and self.tokens[self.at].text in units.QUALIFIERS
        return said and (self.kind(1) == "num" or self.kind(1) not in _ENDS_UNIT | {"^"})

    def measured(self) -> Node:
        """One value with its unit and its currency."""
        if self.kinds[self.at] in ("+", "-") and self.kind(1) == "$":  # -$5 is $-5
            here = slice(self.at, self.at + 2)
            self.tokens[here], self.kinds[here] = self.tokens[here][::-1], self.kinds[here][::-1]
        currency = self.take().text if self.kind() == "$" else ""
        body = self.sum(measured=True)
        if self.kind() == "$":
            currency = self.take().text
        unit = self.unit(joined=self.kind() in ("sym", "run")) if self.kinds[self.at] in _BEGINS_UNIT else {}
        if currency:
            unit = {name: power for name, power in unit.items() if name not in (currency, "pound")} | {currency: 1}
        if unit.keys() == {"%"}:
            return nodes.Postfix("%", body)
        return nodes.Quantity(body, given) if (given := units.canonical(unit)) else body

    def unit(self, joined: bool = False) -> dict[str, int]:
        """The unit that follows, in words or abbreviations; `joined`: its first name may be a single letter."""
        found: Counter[str] = Counter()
        side, power, names = 1, 1, 0
        while names < units.MOST_NAMES and self.is_unit(joined=joined) and not self.is_qualifier():
            token = self.take()
            word = token.text
            if word.lower() in units.POWERS:
                power = units.POWERS[word.lower()]
                continue
            if word in ("per", "/"):
                side, joined = -1, True
                continue
            demand(word.lower() not in units.NOT_UNITS or token.kind == "sym" or word == "in")
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

    def ends_in_unit(self, factors: list[tuple[str, Node]]) -> bool:
        """Whether a unit is ahead after the factors of a value: letters after a number, if nothing else is left."""
        start, kind = self.at, self.kinds[self.at]
        if kind not in ("sym", "run", "func"):
            return kind == "/" and self.is_unit()
        if self.braced or not _is_number(factors) or (kind == "run" and not self.is_product()):
            return False
        found, spaced = dict[str, int](), self.tokens[start].spaced
        with suppress(Unreadable):
            found = self.unit(joined=True)
        names = [other.text for other in self.tokens[start : self.at] if other.text.isalpha()]
        sure = any(len(name) > 1 and name not in units.PRODUCTS for name in names)
        whole = bool(found) and self.kind() in (_ENDS_UNIT if sure else _ENDS_UNIT - _SIGNS)
        if whole and not sure and not self.depth:
            self.unsure["spaced" if spaced else "glued"] = units.canonical(found)
        self.at = start
        return whole and (sure or spaced)

    def small_integer(self) -> int:
        """An integer of one or two digits, in braces or not: the power of a unit, the base of a number."""
        integer = self.exponent()
        match integer:
            case nodes.Num(digits) | nodes.Signed("-", nodes.Num(digits)) if digits.isdecimal() and len(digits) < 3:
                return int(digits) if isinstance(integer, nodes.Num) else -int(digits)
        raise Unreadable

    # Sums and products

    def sum(self, *, measured: bool = False) -> Node:
        """A sum, up to another amount of money; `measured`: its first term may have a unit."""
        parts = [self.signed(measured)]
        while self.kinds[self.at] in _SIGNS and self.kind(1) != "$":
            parts.append(self.signed())
        if len(parts) > 1:
            return nodes.Sum(tuple(parts))
        sign, body = parts[0]
        if isinstance(body, nodes.Quantity) and sign != "+":  # -2 °C
            return nodes.Quantity(nodes.Signed(sign, body.body), body.unit)
        return body if sign == "+" else parts[0]

    def signed(self, measured: bool = False) -> nodes.Signed:
        sign = "+"
        while (mark := self.kinds[self.at]) in _SIGNS:
            self.at += 1
            sign = sign.translate(_TURNED) if mark == "-" else mark if mark in "±∓" else sign
        return nodes.Signed(sign, self.leaf(_ENDS_TERM) or self.product(measured=measured))

    def product(self, measured: bool = False) -> Node:
        factors: list[tuple[str, Node]] = [("", self.factor())]
        depth = self.depth
        while not (measured and self.ends_in_unit(factors)):
            kind = self.kinds[self.at]
            if kind in ("*", "/") and self.kind(1):
                sign, before = self.take().text, nodes.inside(factors[-1][1])
                factor = self.perhaps_signed(self.factor)
                if kind == "/" and not (isinstance(factor, nodes.Num) and isinstance(factors[-1][1], nodes.Num)):
                    factor = self.juxtaposed(factor, lambda t: t.kind in ("sym", "run", "num") and not t.spaced)
                if sign == "×" and (isinstance(before, nodes.Constant) or str(before[0]).startswith(("vec ", "×"))):
                    self.enter()
                    kind, factor = factors.pop()[0], nodes.Call("×", (before, factor))
                factors.append((kind, factor))
            elif kind == "%":
                self.enter()
                factors = [("", nodes.Postfix(self.take().kind, _product(factors)))]  # of all: 100/3 % is a third
            elif kind == "mod" and not self.congruence:
                self.enter()
                self.take()
                modulus = self.juxtaposed(self.perhaps_signed(self.factor))
                factors = [("", nodes.Call("mod", (_product(factors), modulus)))]
            elif self.starts_factor() or (self.is_product() and not _is_number(factors)):
                self.multiply(factors)
            else:
                break
        self.depth = depth
        return _product(factors)

    def multiply(self, factors: list[tuple[str, Node]]) -> None:
        """Adds the factor ahead, side by side; a fraction after an integer makes a mixed number of it."""
        mark, primary = " " if self.tokens[self.at].spaced else "", self.primary()
        match factors[-1][1], primary:
            case nodes.Num(whole), nodes.Product(((_, top), ("/", bottom))) if whole.isdecimal():
                digits = _digits(top), _digits(bottom)
                if _is_proper(*digits):
                    mark, primary = factors.pop()[0], nodes.Mixed(whole, *digits)
            case nodes.Sym(name), nodes.Bracket("(", nodes.Listing((item,))) if not mark and self.kind() != "^":
                if name not in "eiπ" and isinstance(getattr(item, "body", item), (nodes.Sym, nodes.Num)):  # -x, too
                    self.applied.add(name)
        factors.append((mark, self.postfix(primary)))

    def juxtaposed(self, first: Node, goes_on: Callable[[Token], bool] = lambda token: True) -> Node:
        """The factors side by side."""
        factors: list[tuple[str, Node]] = [("", first)]
        while self.starts_factor() and goes_on(self.tokens[self.at]):
            self.multiply(factors)
        return _product(factors)

    def perhaps_signed(self, parse: Callable[[], Node]) -> Node:
        if self.kind() in ("+", "-"):
            return nodes.Signed(self.take().kind, self.nested(lambda: self.perhaps_signed(parse)))
        return parse()

    def starts_factor(self) -> bool:
        kind, after = self.kinds[self.at : self.at + 2]
        if kind not in _STARTS:
            return kind == "|" and not self.bars
        if (kind == "run" and self.is_unit()) or (kind == "[" and self.closes_outward()) or kind + after == "(mod":
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
                named = getattr(base, "name", "e") not in "eiπ"  # f^{(3)} and y^{(n)} are no powers
                braced, exponent = named and self.kind() == "{", self.exponent()
                base = self.indexed(base) if isinstance(base, nodes.Sym) and self.kind() == "_" else base
                match base, exponent:
                    case nodes.Sym(name), nodes.Bracket("(", nodes.Listing((nodes.Num(n) | nodes.Sym(n),))) if braced:
                        base = nodes.Sym(name + ("'" * int(n) if n in [*"123456789"] else f"^({n})"))
                    case _:
                        demand(not (named and exponent == nodes.Num("0") and isinstance(base, nodes.Sym)))  # nor K^0
                        base = nodes.Power(base, exponent)
            elif kind in ("!", "!!") and self.kind() != "=":
                base = nodes.Postfix(kind, base)
            elif kind == "°":
                scale = self.tokens[self.at].text if self.kind() in ("sym", "word") else ""
                if scale in ("C", "F") and (self.kind(1) in _ENDS_LIST or self.kind(1) in SEPARATORS):
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
        return demand(_PRIMARIES.get(self.kinds[self.at]))(self, self.take().text)

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
            case nodes.Num() as above, nodes.Sym(symbol) if symbol[0] in _CHOSEN and symbol[2:].isdecimal():
                demand(symbol != "P_0")  # ^3P_0 is a term
                return nodes.Call(_CHOSEN[symbol[0]], (above, nodes.Num(symbol[2:])))
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
        words = [text, *self.take_all({"word"})]
        demand(units.NOT_UNITS.isdisjoint(word.lower() for word in words))
        return nodes.Word(self.indexed(nodes.Sym(" ".join(words))).name)

    def accented(self, name: str) -> Node:
        match self.argument():
            case nodes.Product(factors) if name == "overline":
                return nodes.Word("".join(node.name for _, node in factors if isinstance(node, nodes.Sym)))
            case nodes.Sym(letter) if name == "mathbb":
                return nodes.Constant(letter)
            case nodes.Sym(letter) as symbol:  # \\hat{\\mathbf i} is a unit vector already
                accented = nodes.Sym(f"{'bar' if name == 'overline' else name} {letter}")
                return symbol if letter.startswith("unit ") else self.indexed(accented)
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
                demand(self.kind())
                token = self.take()
                depth += (token.kind == "{") - (token.kind == "}")
                index += token.text if depth else ""
        elif kind == "run" and self.kind(1) in ("_", "^"):
            index = self.first()  # F_kF_n
        elif kind:  # x_ is x_{}
            demand(kind in ("num", "sym", "run", "word"))
            index = self.take().text
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
            self.kinds[self.at] = kind = "sym" if kind == "run" and len(text) == 2 else kind
            self.tokens[self.at] = Token(kind, text[1:], False)
        return text[0]

    def fraction(self, name: str) -> Node:
        (above, top), (below, bottom) = ((self.begins_with_d(), self.argument()) for _ in range(2))
        if above and below:  # no quotient of products
            return nodes.Call("derivative", (top, bottom))
        return nodes.Product((("", nodes.Bracket("(", nodes.Listing((top,), ()), ")")), ("/", bottom)))

    def begins_with_d(self) -> bool:
        """Whether d or ∂ is ahead, in braces too."""
        ahead = int(self.kind() == "{")
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
        demand(not base or name in ("log", "ln", "lg"))
        call = nodes.Call("log" if base else name, (*base, *self.nested(self.arguments)))
        return call if exponent is None else nodes.Power(call, exponent)

    def arguments(self) -> tuple[Node, ...]:
        """A function's arguments: what brackets hold, else the product that follows."""
        if self.kind() in ("(", "[", "{", r"\{"):
            bracket = self.primary()
            return bracket.items.items if isinstance(bracket, nodes.Bracket) else (bracket,)
        if self.kind() == "func":
            return (self.factor(),)
        return (self.perhaps_signed(lambda: self.juxtaposed(self.factor(), lambda token: token.kind != "func")),)

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
            match self.bound():
                case nodes.Comparing(operands, ("=",)):
                    limits[mark] = operands
                case limit:
                    limits[mark] = (limit,)
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
        return self.begins_with_d() and (bool(self.texts("sym", "sym")) or len(self.tokens[self.at].text) == 2)

    def bound(self) -> Node:
        """A limit of a sum or integral: a group, or a number, symbol or ∞ with its sign. A mark after it is not its."""
        return self.perhaps_signed(lambda: self.leaf() or self.argument())

    def limit(self) -> Node:
        """\\lim_{x \\to a}, with the side in its name: x \\to a^+."""
        self.expect("_", "{")
        variable = self.sum()
        demand(self.accept("→") or self.accept("⇒"))
        target = self.bound() if self.kind(1) == "^" else self.sum()
        marks = "".join(self.take_all({"^", "{", "+", "-"}))
        self.expect(*"}" * (1 + marks.count("{")))
        side = marks.strip("^{")
        demand(side in ("", "+", "-"))
        return nodes.Call(f"lim {side}", (variable, target, self.product()))

    # Brackets

    def bracket(self, opening: str) -> Node:
        """(...), [...], {...}, a set, an interval with its ends open or closed, ]a, b[; {n \\choose k}."""
        braces = opening in ("{", r"\{")
        if braces and (self.accept("}") or self.accept(r"\}")):
            if self.kind() in ("^", "_"):
                return self.primary()  # {}^{10}C_3
            demand(opening == r"\{" or not (self.depth or self.kind()))
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
        demand(closing in ends and not (condition and several) and (several or not outward))
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
        demand(self.take().text == environment and environment in _GRIDS and filled)
        self.depth -= 1
        return nodes.Grid(filled, environment)


_PRIMARIES: dict[str, Callable[[_Parser, str], Node]] = {
    "num": _Parser.number, "run": _Parser.letters, "word": _Parser.worded,
    "sym": lambda parser, name: parser.indexed(nodes.Sym(name)),
    "frac": _Parser.fraction, "sqrt": _Parser.root, "func": _Parser.function, "^": _Parser.chosen, "_": _Parser.chosen,
    "binom": lambda parser, name: nodes.Call("binomial", (parser.argument(), parser.argument())),
    "mathbb": _Parser.accented, "accent": _Parser.accented,
    "label": lambda parser, name: nodes.Word(f"{name} {''.join(demand(parser.take_all({'sym', 'run'})))}"),  # ∠ABC
    "begin": _Parser.grid, "large": _Parser.large_operator, **dict.fromkeys(_ENCLOSED, _Parser.enclosed),
    **dict.fromkeys("∞∅", lambda parser, name: nodes.Constant(name)),
    **dict.fromkeys(("(", "[", "{", r"\{", "]"), _Parser.bracket),
}  # fmt: skip
"""What reads a primary, by the kind of its first token, from the token's text on."""
_STARTS = _PRIMARIES.keys() - {"word", "^", "_", "|", "]", "∅"}  # what may begin a factor beside another one


def _product(factors: list[tuple[str, Node]]) -> Node:
    return factors[0][1] if len(factors) == 1 else nodes.Product(tuple(factors))


def _digits(node: Node) -> str:
    """The digits of a number, in brackets too."""
    node = nodes.inside(node)
    return node.text if isinstance(node, nodes.Num) else ""


def _is_proper(top: str, bottom: str) -> bool:
    """Whether digits are a fraction below 1."""
    return top.isdecimal() and bottom.isdecimal() and len(top) <= len(bottom) <= 9 and int(top) < int(bottom)


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
    demand(tokens)
    if tokens[0].kind == "<" and tokens[-1].kind == ">" and any(token.kind == "," for token in tokens):  # <1, 2>
        tokens = [Token("(", "(", False), *tokens[1:-1], Token(")", ")", False)]
    parser = _Parser(tokens)
    return parser.answer(), parser.unsure, parser.applied

"""From tokens to syntax: a recursive-descent parser, bounded in depth, that reads each token once.

Notation is ambiguous; these are the readings, in one place:

- Juxtaposition multiplies. It binds closer than a slash (a/bc is a/(bc)), but for a number over a number (1/2x is x/2).
- \\frac12 is a half; ^10 and \\sqrt12 take the whole number, as models mean it.
- A function without brackets takes the product that follows, up to a sign or another function: \\sin 2x \\cos x.
- 2\\frac13 and 2 1/3 are mixed numbers; 2\\frac{x}{3} and 2\\frac53 are products.
- {1,2} with plain braces is a set where it has a comma, else a group.
"""

from __future__ import annotations

from empo_rewards.equivalence.math import units
from empo_rewards.equivalence.math.lexer import Token, Unreadable
from empo_rewards.equivalence.math.limits import MAX_DEPTH
from empo_rewards.equivalence.math.nodes import (
    Based,
    Bound,
    Bracket,
    Builder,
    Call,
    ChoiceLetter,
    Combined,
    Comparing,
    Compound,
    Constant,
    Grid,
    Listing,
    Mixed,
    Modular,
    Node,
    Num,
    Postfix,
    Power,
    Product,
    Proportion,
    Qualified,
    Quantity,
    Signed,
    Span,
    Sum,
    Sym,
    Word,
)
from empo_rewards.equivalence.math.table import TABLE

_VOWELS = frozenset("aeiouy")
_RELATIONS = frozenset("=≈≠<>≤≥∈∉≡⊆⊇")
_ORDERS = frozenset("<>≤≥")
_SEPARATORS = frozenset({",", ";", "and", "or"})
_CLOSERS = frozenset({"choose", ")", "]", "}", r"\}", "|", "⌋", "⌉", "&", "\\\\", "end", ""})
_ENDS_LEAF = (_CLOSERS - {"|", "choose"}) | _SEPARATORS | _RELATIONS
"""What may follow a number or symbol that is an operand by itself: the way down to it can be cut short."""
_ENDS_UNIT = (_CLOSERS - {"choose"}) | _SEPARATORS | _RELATIONS | {"to", "+", "-", ".", "num", "∪"}
_SIGNS = frozenset("+-±∓")
_SET_OPERATIONS = frozenset("∪∩∖")
_ENDS_TERM = _ENDS_LEAF | _SIGNS
_AFTER_FACTOR = frozenset({"^", "!", "!!", "°", "'", "_"})
_PLACES = {"∞", "∅"}
_STARTS = frozenset(
    {"num", "sym", "run", "func", "frac", "sqrt", "binom", "(", "[", "{", r"\{", "accent", "∞", "⌊", "⌈"}
    | {"mathbb", "label", "begin", "large"}
)
"""What may begin a factor beside another one."""
_GRIDS = frozenset({"matrix", "pmatrix", "bmatrix", "vmatrix", "Bmatrix", "smallmatrix", "array", "cases", "aligned"})


UNIT_READINGS = ("spaced", "all", "none")
"""Which single letters after a number are its unit: those apart from it (5 N), those that touch it too (5N), none."""


class _Parser:
    def __init__(self, tokens: list[Token], units_read: str) -> None:
        self.units_read = units_read
        self.unit_at = -1
        """Where single letters begin that are the unit of a number."""
        self.unsure: set[str] = set()
        """Which readings of units were met that may as well be a product of symbols: "spaced", "glued"."""
        self.tokens = tokens
        self.kinds = [token.kind for token in tokens] + [""] * 8
        self.at = 0
        self.depth = 0
        self.congruence = "≡" in self.kinds
        """Whether it is a congruence, in which mod is no operation."""
        self.bars = 0
        """How many |...| are open: whether a bar closes one."""
        self.integrals = 0
        """How many integrals are being read."""

    # Tokens

    def kind(self, ahead: int = 0) -> str:
        """The kind of a token ahead (fewer than eight); "" past the end."""
        return self.kinds[self.at + ahead]

    def replace(self, at: int, token: Token) -> None:
        """Puts another token in the place of one."""
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

    def expect(self, kind: str) -> None:
        if not self.accept(kind):
            raise Unreadable

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable

    # Lists and relations

    def answer(self) -> Listing:
        listing = self.listing()
        while self.accept("."):
            pass
        if self.kind():
            raise Unreadable
        return listing

    def listing(self) -> Listing:
        """Items up to a closing bracket or the end."""
        items: list[Node] = []
        separators: list[str] = []
        separator = ""
        while not self.at_end(first=not items):
            if items:
                if not separator:
                    raise Unreadable
                separators.append(separator)
            items.append(self.relation())
            separator = self.separator()
        if not items:
            raise Unreadable
        return Listing(tuple(items), tuple(separators))

    def at_end(self, *, first: bool) -> bool:
        kind = self.kinds[self.at]
        if kind == "|":
            return not first  # a bar may open the first item
        if kind == ":":
            return self.bars > 0
        return kind in _CLOSERS or (kind == "." and not self.kind(1))

    def separator(self) -> str:
        """The separators between two items as one; "" where there is none."""
        found = ""
        while self.kinds[self.at] in _SEPARATORS:
            token = self.take()
            found = token.text if token.kind in ("and", "or") or not found else found
        return found

    def relation(self) -> Node:
        if self.kinds[self.at] in _ORDERS:
            return Bound(self.take().kind, self.proportion())
        operands: list[Node] = []
        operators: list[str] = []
        while True:
            operands.append(self.proportion())
            if self.kinds[self.at] not in _RELATIONS:
                break
            operators.append(self.take().kind)
            if operators[-1] in "<>" and self.kind() == "=":  # < = written apart
                self.take()
                operators[-1] = "≤" if operators[-1] == "<" else "≥"
        modulus = self.congruent_by() if self.kinds[self.at] in ("pmod", "(", "mod", ",") else None
        if modulus is not None:
            return Modular(operands[-1], modulus, operands[0] if operators == ["≡"] else None, len(operators))
        if not operators:
            return operands[0]
        operators = ["=" if operator == "≡" else operator for operator in operators]
        return Comparing(tuple(operands), tuple(operators))

    def congruent_by(self) -> Node | None:
        """The modulus of \\pmod 7 or (mod 7) ahead."""
        start = self.at
        self.accept(",")
        bracket = self.kind() == "(" and self.kind(1) == "mod"
        if bracket or self.kind() == "pmod" or (self.kind() == "mod" and self.congruence):
            self.at += 1 + bracket
            braced = not bracket and self.accept("{")
            modulus = self.sum()
            if braced:
                self.expect("}")
            if bracket:
                self.expect(")")
            return modulus
        self.at = start
        return None

    def proportion(self) -> Node:
        parts = [self.combination()]
        while self.kinds[self.at] == ":" and not self.bars:  # in {x : condition} it is no ratio
            self.take()
            parts.append(self.combination())
        return parts[0] if len(parts) == 1 else Proportion(tuple(parts))

    def combination(self) -> Node:
        left, depth = self.quantity(), self.depth
        while self.kinds[self.at] in _SET_OPERATIONS:
            self.enter()
            operator = self.take().kind
            left = Combined(operator, left, self.quantity())
        self.depth = depth
        return left

    # Quantities

    def leaf(self, ends: frozenset[str]) -> Node | None:
        """The number or symbol ahead, where it is all there is before one of `ends`."""
        if self.kinds[self.at + 1] in ends:
            kind = self.kinds[self.at]
            if kind == "num":
                return Num(self.take().text)
            if kind == "sym":
                return Sym(self.take().text)
        return None

    def quantity(self) -> Node:
        """A value with its unit; 3 hours 20 minutes; $99 - $72; 3 to 5 days."""
        leaf = self.leaf(_ENDS_LEAF)
        if leaf is not None:
            return leaf
        parts = [self.measured()]
        while isinstance(parts[-1], Quantity) and self.kind() == "num":
            parts.append(self.measured())
        if len(parts) > 1:
            if not all(isinstance(part, Quantity) for part in parts):
                raise Unreadable
            return Compound(tuple(part for part in parts if isinstance(part, Quantity)))
        first = parts[0]
        if isinstance(first, Quantity) and self.kind() in ("+", "-"):
            first = self.measured_sum(first)
        if self.accept("to"):
            return Span(first, self.measured())
        return Qualified(first, self.qualifier()) if self.is_qualifier() else first

    def is_qualifier(self) -> bool:
        """Whether a preposition is ahead that begins to say of what the value before it is one."""
        return (
            self.kind() in ("word", "run")
            and self.tokens[self.at].text in units.QUALIFIERS
            and (self.kind(1) == "num" or self.kind(1) not in _ENDS_UNIT)
        )

    def qualifier(self) -> str:
        """The words up to the next item."""
        words: list[str] = []
        while self.kind() not in _SEPARATORS and self.kind():
            words.append(self.take().text.lower())
        return " ".join(words)

    def measured_sum(self, first: Quantity) -> Node:
        """Quantities of one unit, added up: $99 - $72."""
        terms = [Signed("+", first.body)]
        while self.kind() in ("+", "-"):
            sign = self.take().kind
            term = self.measured()
            if not isinstance(term, Quantity) or term.unit != first.unit:
                raise Unreadable
            terms.append(Signed(sign, term.body))
        return Quantity(Sum(tuple(terms)), first.unit)

    def measured(self) -> Node:
        """One value with its unit and its currency."""
        currency = ""
        if self.kind() in ("+", "-") and self.kind(1) == "$":  # -$5 is $-5
            sign, dollar = self.tokens[self.at], self.tokens[self.at + 1]
            self.replace(self.at, dollar)
            self.replace(self.at + 1, sign)
        if self.kind() == "$":
            currency = self.take().text
        body = self.sum(measured=True, one=bool(currency))
        if self.kind() == "$":
            currency = self.take().text
        unit = self.unit()
        if currency:
            unit = {name: power for name, power in unit.items() if name not in (currency, "pound")} | {currency: 1}
        if "%" in unit and len(unit) == 1:
            return Postfix("%", body)
        return Quantity(body, units.canonical(unit)) if unit else body

    def unit(self) -> dict[str, int]:
        """The unit that follows, in words or abbreviations."""
        found: dict[str, int] = {}
        side, power_of_next, words = 1, 1, 0
        joined = self.at == self.unit_at
        while self.is_unit(joined=joined) and not self.is_qualifier():
            token = self.take()
            word = token.text if token.kind != "*" else "times"
            if word.lower() in ("square", "sq", "cubic"):
                power_of_next = 3 if word.lower() == "cubic" else 2
                continue
            if word in ("per", "/"):
                side, joined = -1, True
                continue
            if token.kind == "(":
                inner = self.unit()
                self.expect(")")
                for name, power in inner.items():
                    found[name] = found.get(name, 0) + side * power
            else:
                if word.lower() in units.NOT_UNITS and token.kind != "sym" and word != "in":
                    raise Unreadable
                words += 1
                if words > 5:
                    raise Unreadable
                if self.is_prefix(token):
                    word = ("μ" if word == "mu" else word) + self.take().text.replace("Omega", "Ω")
                name = units.name_of(word)
                found[name] = found.get(name, 0) + side * power_of_next * self.unit_exponent()
                power_of_next = 1
            joined = self.kind() in ("/", "*") and self.is_unit(1, joined=True)
            if joined:
                side = -1 if self.take().kind == "/" else side
            elif self.kind() == "sym" and self.is_unit(joined=True) and self.tokens[self.at].spaced:
                joined = True  # N m, m s^{-1}
            elif self.kind() == "." and self.kind(1):
                raise Unreadable
        return found

    def is_unit(self, ahead: int = 0, joined: bool = False) -> bool:  # noqa: PLR0911 - one return a kind of token
        """Whether a unit's name is ahead; `joined`: after another one, where single letters are names too."""
        kind = self.kind(ahead)
        if kind == "/" and not joined:  # $14/day
            return self.kind(ahead + 1) in ("run", "word") and self.plain_word(self.tokens[self.at + ahead + 1].text)
        if kind == "word" or (kind == "*" and not joined and not self.kind(ahead + 1)):  # 10 ×
            return True
        token = self.tokens[self.at + ahead] if kind in ("run", "sym", "func") else None
        if token is None:
            return (kind == "°" and not joined) or (
                kind == "(" and joined and self.kind(ahead + 1) in ("word", "run", "sym")
            )
        if kind == "func" or token.text == "in":  # minutes, seconds, inches: at the end of a quantity
            return token.text in ("min", "sec", "in") and self.kind(ahead + 1) in _ENDS_UNIT
        if kind == "run":
            if joined or token.text in units.SYMBOLS:
                if token.text in units.PRODUCTS and not joined:
                    return self.units_read == "all" or (token.spaced and self.units_read == "spaced")
                return True
            return token.spaced and self.plain_word(token.text)
        return joined and (
            token.text in units.LETTERS or token.text in ("Omega", "mu") or self.is_prefix(token, ahead + 1)
        )

    def is_prefix(self, token: Token, after: int = 0) -> bool:
        """Whether a letter is the prefix of the unit after it: μ m, k Ω."""
        if self.kind(after) not in ("sym", "word"):
            return False
        return token.text == "mu" or (token.text in ("k", "M", "m") and self.tokens[self.at + after].text == "Omega")

    def unit_of_letters(self) -> bool:
        """Whether single letters ahead are the unit of the number before them, and all that is left: 5 m/s."""
        start = self.at
        token = self.tokens[start]
        if self.units_read == "none" or (token.kind == "run" and token.text not in units.PRODUCTS):
            return False
        self.unit_at = start
        try:
            powers = self.unit()
        except Unreadable:
            powers = {}
        sure = any(len(other.text) > 1 and other.text not in units.PRODUCTS for other in self.tokens[start : self.at]
                   if other.kind in ("word", "run", "sym"))  # fmt: skip
        whole = bool(powers) and self.kind() in _ENDS_UNIT
        end, self.at = self.kind(), start
        if whole and not sure and end in ("+", "-"):
            whole = False
        if whole and not sure:
            self.unsure.add("spaced" if token.spaced else "glued")
            whole = token.spaced or self.units_read == "all"
        self.unit_at = start if whole else -1
        return whole

    @staticmethod
    def plain_word(text: str) -> bool:
        """Whether letters side by side after a number are rather a word than a product."""
        return text == "per" or (len(text) >= 4 and text[1:].islower()) or is_word(text, shortest=3)

    def unit_exponent(self) -> int:
        if self.kind() != "^":
            return 1
        self.take()
        braced = self.accept("{")
        sign = -1 if self.accept("-") else 1
        token = self.take() if self.kind() == "num" else None
        if token is None or not token.text.isdigit() or len(token.text) > 2:
            raise Unreadable
        if braced:
            self.expect("}")
        return sign * int(token.text)

    # Sums and products

    def sum(self, *, measured: bool = False, one: bool = False) -> Node:
        """A sum; `measured`: its first term may have a unit; `one`: it ends where another amount of money begins."""
        parts = [self.signed(measured)]
        while self.kinds[self.at] in _SIGNS and not (one and self.kind(1) == "$"):
            parts.append(self.signed())
        return (
            parts[0] if len(parts) == 1 else Sum(tuple(p if isinstance(p, Signed) else Signed("+", p) for p in parts))
        )

    def signed(self, measured: bool = False) -> Node:
        sign, signs = "+", 0
        while self.kinds[self.at] in _SIGNS:
            mark = self.take().kind
            signs += 1
            if mark in "±∓":
                sign = mark
            elif mark == "-":
                sign = {"+": "-", "-": "+", "±": "∓", "∓": "±"}[sign]
        body = self.leaf(_ENDS_TERM) or self.product(measured=measured)
        return body if sign == "+" and not signs else Signed(sign, body)

    def product(self, stop_at_function: bool = False, measured: bool = False) -> Node:
        factors: list[tuple[str, Node]] = [("", self.factor())]
        depth = self.depth
        while True:
            kind = self.kinds[self.at]
            if measured and kind in ("sym", "run", "func") and _is_number(factors) and self.unit_of_letters():
                return factors[0][1] if len(factors) == 1 else Product(tuple(factors))
            if measured and kind == "/" and self.is_unit():
                return factors[0][1] if len(factors) == 1 else Product(tuple(factors))
            if kind in ("*", "/") and self.kind(1) and not stop_at_function:
                self.take()
                if kind == "/":
                    factors.append(("/", self.divisor(factors)))
                else:
                    factors.append(("*", self.signed_factor()))
            elif kind == "%" and not stop_at_function:
                self.enter()
                self.take()  # of all that stands before it: 100/3 % is a third
                body = factors[0][1] if len(factors) == 1 else Product(tuple(factors))
                factors = [("", Postfix("%", body))]
            elif kind == "mod" and not self.congruence:
                self.enter()
                self.take()
                body = factors[0][1] if len(factors) == 1 else Product(tuple(factors))
                factors = [("", Call("mod", (body, self.modulus())))]
            elif (
                self.starts_factor()
                and not (kind == "(" and self.kind(1) == "mod")
                and not (stop_at_function and (kind == "func" or self.is_measure()))
            ):
                spaced = self.tokens[self.at].spaced
                factors.append((" " if spaced else "", self.factor()))
            else:
                self.depth = depth
                return factors[0][1] if len(factors) == 1 else Product(tuple(factors))

    def is_measure(self) -> bool:
        """Whether the dx of an integral is ahead: \\int \\sin x dx is not the sine of x dx."""
        if not self.integrals or self.tokens[self.at].text[0] != "d":
            return False
        return len(self.tokens[self.at].text) == 2 if self.kind() == "run" else self.kind(1) == "sym"

    def divisor(self, before: list[tuple[str, Node]]) -> Node:
        """What a slash divides by: the juxtaposed factors, but one number alone under a number."""
        first = self.signed_factor()
        if isinstance(first, Num) and isinstance(before[-1][1], Num):
            return first
        factors: list[tuple[str, Node]] = [("", first)]
        while self.kind() in ("sym", "run", "num") and not self.tokens[self.at].spaced and not self.is_unit():
            factors.append(("", self.factor()))
        return first if len(factors) == 1 else Product(tuple(factors))

    def modulus(self) -> Node:
        """What stands after mod: the juxtaposed factors, up to a sign of operation."""
        factors: list[tuple[str, Node]] = [("", self.signed_factor())]
        while self.starts_factor():
            factors.append(("", self.factor()))
        return factors[0][1] if len(factors) == 1 else Product(tuple(factors))

    def signed_factor(self) -> Node:
        if self.kind() in ("+", "-"):
            sign = self.take().kind
            return Signed(sign, self.factor())
        return self.factor()

    def starts_factor(self) -> bool:
        kind = self.kinds[self.at]
        if kind == "run":
            return not self.is_unit()
        if kind == "|":
            return not self.bars
        return kind in _STARTS

    # Factors

    def factor(self) -> Node:
        return self.postfix(self.primary())

    def postfix(self, base: Node) -> Node:
        depth = self.depth
        while (kind := self.kinds[self.at]) in _AFTER_FACTOR:
            self.enter()
            if kind == "^":
                self.take()
                base = self.raised(base)
            elif kind in ("!", "!!") and self.kind(1) != "=":
                self.take()
                base = Postfix(kind, base)
            elif kind == "°":
                self.take()
                base = self.degrees(base)
            elif kind == "'" and isinstance(base, Sym):
                self.take()
                base = Sym(base.name + "'")
            elif kind == "_" and (digits := _digits(base)):
                self.take()
                base = Based(digits, self.base_of_number())
            else:
                break
        self.depth = depth
        return base

    def degrees(self, base: Node) -> Node:
        if (
            self.kind() in ("sym", "word")
            and self.tokens[self.at].text in ("C", "F")
            and (self.kind(1) in _CLOSERS or self.kind(1) in _SEPARATORS)
        ):
            return Quantity(base, ((f"°{self.take().text}", 1),))
        return Postfix("°", base)

    def raised(self, base: Node) -> Node:
        if self.kind() == "{" and self.kind(1) == "'":
            self.take()
            name = base.name if isinstance(base, Sym) else ""
            while self.accept("'"):
                name += "'"
            self.expect("}")
            if not isinstance(base, Sym):
                raise Unreadable
            return Sym(name)
        exponent = self.exponent()
        if isinstance(base, Sym) and self.kind() == "_":
            base = self.indexed(base)
        return Power(base, exponent)

    def exponent(self) -> Node:
        self.enter()
        if self.kind() in ("-", "+"):
            sign = self.take().kind
            result: Node = Signed(sign, self.exponent())
        else:
            result = self.primary()
            if self.kind() == "^":  # right-associative
                self.take()
                result = Power(result, self.exponent())
            elif self.kind() == "!":
                self.take()
                result = Postfix("!", result)
        self.depth -= 1
        return result

    def base_of_number(self) -> int:
        braced = self.accept("{")
        token = self.take() if self.kind() == "num" else None
        if token is None or not token.text.isdigit() or len(token.text) > 2:
            raise Unreadable
        if braced:
            self.expect("}")
        return int(token.text)

    def primary(self) -> Node:  # noqa: PLR0911 - one return a kind of token
        kind = self.kinds[self.at]
        if kind == "num":
            return self.number()
        if kind == "sym":
            return self.indexed(Sym(self.take().text))
        if kind == "run":
            return self.letters()
        if kind == "word":
            text = self.take().text
            return self.indexed(Sym(text)) if len(text) == 1 else self.worded(text)
        if kind == "{" and self.kind(1) == "}" and self.kind(2) in ("^", "_"):
            self.at += 2
            return self.chosen()
        if kind in ("(", "[", "{", r"\{", "]"):
            return self.bracket()
        if kind == "|":
            return self.magnitude()
        return self.named(kind)

    def named(self, kind: str) -> Node:  # noqa: PLR0911, PLR0912 - one return a kind of token
        """A primary that a command or a function's name begins."""
        if kind == "frac":
            return self.fraction()
        if kind == "sqrt":
            return self.root()
        if kind == "func":
            return self.function()
        if kind in ("^", "_"):
            return self.chosen()
        if kind == "binom":
            self.take()
            return Call("binomial", (self.argument(), self.argument()))
        if kind in ("⌊", "⌈"):
            self.take()
            self.enter()
            body = self.listing()
            self.depth -= 1
            self.expect("⌋" if kind == "⌊" else "⌉")
            return Call("floor" if kind == "⌊" else "ceil", body.items)
        if kind in _PLACES:
            return Constant(self.take().kind)
        if kind == "mathbb":
            self.take()
            letter = self.argument()
            if not isinstance(letter, Sym):
                raise Unreadable
            return Constant(letter.name)
        if kind == "accent":
            return self.accented()
        if kind == "label":
            name = self.take().text
            letters = ""
            while self.kind() in ("sym", "run"):
                letters += self.take().text
            return Word(f"{name} {letters}")
        if kind == "begin":
            return self.grid()
        if kind == "large":
            return self.large_operator()
        raise Unreadable

    def chosen(self) -> Node:
        """^{10}C_3, _{10}C_3: a binomial coefficient."""
        self.take()
        above = self.argument()
        symbol = self.indexed(Sym(self.take().text)) if self.kind() == "sym" else Sym("")
        letter, _, below = symbol.name.partition("_")
        if letter not in ("C", "P") or not below.isdigit() or not isinstance(above, Num):
            raise Unreadable
        return Call("binomial" if letter == "C" else "permutations", (above, Num(below)))

    def number(self) -> Node:
        token = self.take()
        if not token.text.isdigit():
            return Num(token.text)
        return self.chosen_from(token.text) or self.mixed(token.text) or Num(token.text)

    def chosen_from(self, total: str) -> Node | None:
        """10C3, 10P3."""
        letter, below = ([*self.tokens[self.at : self.at + 2], Token("", "", True)] * 2)[:2]
        if (letter.kind, below.kind) != ("sym", "num") or letter.text not in "CP" or letter.spaced or below.spaced:
            return None
        self.at += 2
        return Call("binomial" if letter.text == "C" else "permutations", (Num(total), Num(below.text)))

    def mixed(self, whole: str) -> Node | None:
        """The fraction that follows an integer side by side, where it is a proper one: 4 4/9, 1\\frac12."""
        if self.kind() == "num" and self.kind(1) == "/" and self.kind(2) == "num" and self.tokens[self.at].spaced:
            pair = self.tokens[self.at].text, self.tokens[self.at + 2].text
            size = 3
        elif self.kind() == "frac":
            pair, size = self.plain_fraction()
        else:
            return None
        top, bottom = pair
        if not (top.isdigit() and bottom.isdigit() and len(top) <= len(bottom) <= 9 and int(top) < int(bottom)):
            return None
        self.at += size
        return Mixed(whole, top, bottom)

    def plain_fraction(self) -> tuple[tuple[str, str], int]:
        """The digits of \\frac{1}{2}, \\frac1{2}, \\frac12 ahead, and how many tokens they are; else empty."""
        at, parts = 1, []
        if self.kind(1) == "num" and len(self.tokens[self.at + 1].text) == 2 and self.kind(2) != "{":
            return (self.tokens[self.at + 1].text[0], self.tokens[self.at + 1].text[1]), 2
        for _ in range(2):
            if self.kind(at) == "{" and self.kind(at + 1) == "num" and self.kind(at + 2) == "}":
                parts.append(self.tokens[self.at + at + 1].text)
                at += 3
            elif self.kind(at) == "num" and len(self.tokens[self.at + at].text) == 1:
                parts.append(self.tokens[self.at + at].text)
                at += 1
            else:
                return ("", ""), 0
        return (parts[0], parts[1]), at

    def letters(self) -> Node:
        """Letters side by side: a product of symbols. An index or a power belongs to the last one."""
        touching = self.at > 0 and self.kinds[self.at - 1] == "num" and not self.tokens[self.at].spaced
        text = self.take().text
        if (is_word(text) and not touching) or (
            len(text) == 3 and self.at == 1 and self.kind() == "=" and self.plain_word(text)
        ):
            return Word(self.indexed(Sym(text)).name)
        if self.kind() not in ("^", "_", "'", "(", "!", "num"):
            return Product(tuple(("", Sym(letter)) for letter in text))
        last = self.postfix(self.indexed(Sym(text[-1])))
        return Product((*(("", Sym(letter)) for letter in text[:-1]), ("", last)))

    def worded(self, text: str) -> Node:
        """Words within a formula, as one name, with their index."""
        words = [text]
        while self.kind() == "word":
            words.append(self.take().text)
        if any(word.lower() in units.NOT_UNITS for word in words):
            raise Unreadable
        name = self.indexed(Sym(" ".join(words)))
        return Word(name.name)

    def indexed(self, symbol: Sym, *, touching: bool = True) -> Sym:
        """The symbol with the index that follows in its name; digits that touch a letter are one: x2."""
        digits = (
            self.tokens[self.at] if touching and self.kind() == "num" and symbol.name not in ("e", "i", "π") else None
        )
        if digits is not None and not digits.spaced and digits.text.isdigit() and symbol.name.isalpha():
            return Sym(f"{symbol.name}_{self.take().text}")
        if self.kind() != "_":
            return symbol
        self.take()
        if self.kind() == "{":
            self.take()
            depth, parts = 1, []
            while depth:
                if not self.kind():
                    raise Unreadable
                token = self.take()
                depth += (token.kind == "{") - (token.kind == "}")
                if depth:
                    parts.append(token.text)
            index = "".join(parts)
        elif not self.kind():
            index = ""  # x_ is x_{}
        elif self.kind() == "run" and self.kind(1) in ("_", "^"):
            index = self.first_letter()  # F_kF_n
        elif self.kind() in ("num", "sym", "run", "word"):
            index = self.take().text
        else:
            raise Unreadable
        return Sym(f"{symbol.name}_{index}")

    def accented(self) -> Node:
        name = self.take().text
        body = self.argument()
        if name == "overline" and isinstance(body, Product):
            return Word("".join(node.name for _, node in body.factors if isinstance(node, Sym)))
        if isinstance(body, Sym) and body.name.startswith("unit "):
            return body  # \\hat{\\mathbf i}
        if not isinstance(body, Sym):
            raise Unreadable
        return self.indexed(Sym(f"{'bar' if name == 'overline' else name} {body.name}"))

    def argument(self) -> Node:
        """A command's argument: a group in braces, one digit, or one symbol."""
        if self.kind() == "{":
            return self.group()
        if self.kind() == "num":
            token = self.tokens[self.at]
            if len(token.text) == 1 or not token.text.isdigit():
                self.take()
                return Num(token.text)
            self.replace(self.at, token._replace(text=token.text[1:], spaced=False))
            return Num(token.text[0])
        if self.kind() == "sym":
            return self.indexed(Sym(self.take().text), touching=False)
        return Sym(self.first_letter()) if self.kind() == "run" else self.nested_primary()

    def first_letter(self) -> str:
        """The first of the letters ahead; the others stay."""
        token = self.tokens[self.at]
        rest = token.text[1:]
        self.replace(self.at, token._replace(kind="sym" if len(rest) == 1 else "run", text=rest, spaced=False))
        return token.text[0]

    def nested_primary(self) -> Node:
        """A primary without braces as an argument: \\sqrt\\sqrt2 nests as brackets do."""
        self.enter()
        result = self.primary()
        self.depth -= 1
        return result

    def group(self) -> Node:
        """{...} as one expression."""
        self.expect("{")
        self.enter()
        bars, self.bars = self.bars, 0
        listing = self.listing()
        self.bars = bars
        self.depth -= 1
        self.expect("}")
        return listing.items[0] if len(listing.items) == 1 else Bracket("{", listing, "}")

    def fraction(self) -> Node:
        self.take()
        derivative = self.is_differential()
        top = self.argument()
        derivative = self.is_differential() and derivative
        bottom = self.argument()
        if derivative:
            return Call("derivative", (top, bottom))
        return Product((("", Bracket("(", Listing((top,), ()), ")")), ("/", bottom)))

    def is_differential(self) -> bool:
        """Whether d or ∂ begins a group: above and below a bar it makes a derivative, and no quotient of products."""
        token = self.tokens[self.at + 1] if self.kind() == "{" and self.kind(1) else None
        return token is not None and token.kind in ("sym", "run") and token.text[0] in "d∂"

    def root(self) -> Node:
        self.take()
        if self.accept("["):
            self.enter()
            degree = self.listing()
            self.depth -= 1
            self.expect("]")
            return Call("sqrt", (self.radicand(), degree.items[0]))
        return Call("sqrt", (self.radicand(),))

    def radicand(self) -> Node:
        if self.kind() == "num":
            return Num(self.take().text)
        return self.group() if self.kind() == "{" else self.nested_primary()

    def function(self) -> Node:
        name = self.take().text
        base: Node | None = None
        exponent: Node | None = None
        while self.kind() in ("_", "^"):
            mark = self.take().kind
            if mark == "_":
                base = self.group() if self.kind() == "{" else self.argument()
            else:
                exponent = self.exponent()
        if exponent == Signed("-", Num("1")) and TABLE[name].inverse:
            name, exponent = TABLE[name].inverse, None
        args = self.arguments()
        if base is not None:
            if name not in ("log", "ln", "lg"):
                raise Unreadable
            name, args = "log", (base, *args)
        call = Call(name, args)
        return call if exponent is None else Power(call, exponent)

    def large_operator(self) -> Node:
        """A sum, product or integral with its limits; it is not computed."""
        name = self.take().text
        if name == "lim":
            return self.limit()
        limits: dict[str, tuple[Node, ...]] = {}
        while self.kind() in ("_", "^"):
            mark = self.take().kind
            if self.kind() == "{" and self.kind(1) == "}":
                self.at += 2
                continue
            limit = self.bound()
            limits[mark] = limit.operands if isinstance(limit, Comparing) and limit.operators == ("=",) else (limit,)
        self.enter()
        self.integrals += name == "int"
        body = _integrand(self.sum()) if name == "int" else self.product()
        self.integrals -= name == "int"
        self.depth -= 1
        lower, upper = limits.get("_", ()), limits.get("^", ())
        return Call(f"{name} {len(lower)} {len(upper)}", (*lower, *upper, body))

    def bound(self) -> Node:
        """A limit of a sum or integral: a group, or a number, symbol or ∞ with its sign. A mark after it is not its."""
        if self.kind() in ("+", "-"):
            return Signed(self.take().kind, self.bound())
        if self.kind() in ("num", "sym"):
            token = self.take()
            return Num(token.text) if token.kind == "num" else Sym(token.text)
        return self.argument()

    def limit(self) -> Node:
        """\\lim_{x \\to a}, with the side in its name: x \\to a^+."""
        self.expect("_")
        self.expect("{")
        self.enter()
        variable = self.sum()
        if self.kind() not in ("→", "⇒"):
            raise Unreadable
        self.take()
        target: Node = self.bound() if self.kind(1) == "^" else self.sum()
        side = ""
        if self.accept("^"):
            braced = self.accept("{")
            if self.kind() not in ("+", "-"):
                raise Unreadable
            side = self.take().kind
            if braced:
                self.expect("}")
        self.expect("}")
        body = self.product()
        self.depth -= 1
        return Call(f"lim {side}", (variable, target, body))

    def arguments(self) -> tuple[Node, ...]:
        """A function's arguments: what brackets hold, else the product that follows."""
        self.enter()
        if self.kind() in ("(", "[", "{", r"\{"):
            bracket = self.bracket()
            args: tuple[Node, ...] = bracket.items.items if isinstance(bracket, Bracket) else (bracket,)
        elif self.kind() in ("-", "+"):
            sign = self.take().kind
            args = (Signed(sign, self.product(stop_at_function=True)),)
        elif self.kind() == "func":
            args = (self.factor(),)
        else:
            args = (self.product(stop_at_function=True),)
        self.depth -= 1
        return args

    def bracket(self) -> Node:
        """(...), [...], {...}, a set, an interval with its ends open or closed, ]a, b[."""
        self.enter()
        opening = self.take().kind
        # in a printed set a bar ends the first part of {x | condition}
        bars, self.bars = self.bars, int(opening == r"\{")
        if opening in ("{", r"\{") and self.kind() in ("}", r"\}"):
            self.take()
            self.depth -= 1
            return Constant("∅")
        listing = self.bracketed()
        if opening == r"\{" and self.kind() in ("|", ":"):
            return self.builder(listing, bars)
        self.bars = bars
        closing = self.take().kind if self.kind() else ""
        self.depth -= 1
        if opening == "]":
            if closing not in ("[", "]"):
                raise Unreadable
            return Bracket("(", listing, ")" if closing == "[" else "]")
        if opening in ("(", "["):
            if closing not in (")", "]"):
                raise Unreadable
            return Bracket(opening, listing, closing)
        if closing not in ("}", r"\}"):
            raise Unreadable
        if opening == "{" and len(listing.items) == 1:
            return listing.items[0]
        return Bracket(opening, listing, closing)

    def bracketed(self) -> Listing:
        """What brackets hold; {n \\choose k} is the old way to write a binomial."""
        listing = self.listing()
        if self.kind() == "choose" and len(listing.items) == 1:
            self.take()
            below = self.listing()
            return Listing((Call("binomial", (listing.items[0], below.items[0])),), ())
        return listing

    def builder(self, listing: Listing, bars: int) -> Node:
        self.take()
        condition = self.listing()
        self.bars = bars
        if self.kind() not in ("}", r"\}") or len(listing.items) != 1:
            raise Unreadable
        self.take()
        self.depth -= 1
        return Builder(listing.items[0], condition)

    def magnitude(self) -> Node:
        """|...|"""
        self.take()
        self.enter()
        self.bars += 1
        body = self.sum()
        self.bars -= 1
        self.expect("|")
        self.depth -= 1
        return Call("abs", (body,))

    def grid(self) -> Node:
        self.enter()
        environment = self.take().text
        if environment not in _GRIDS:
            raise Unreadable
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while True:
            if self.kind() == "end":
                break
            if self.accept("\\\\"):
                if row:
                    rows.append(tuple(row))
                row = []
                continue
            if self.accept("&"):
                continue
            item = self.listing()
            row.append(item.items[0] if len(item.items) == 1 else item)
        if row:
            rows.append(tuple(row))
        if self.take().text != environment or not rows:
            raise Unreadable
        self.depth -= 1
        return Grid(tuple(rows), environment)


def _digits(node: Node) -> str:
    """The digits of a number, in brackets too."""
    while isinstance(node, Bracket) and len(node.items.items) == 1:
        node = node.items.items[0]
    return node.text if isinstance(node, Num) else ""


def is_word(text: str, shortest: int = 4) -> bool:
    """Whether letters side by side are a word: four or more, with a vowel, and not in alphabetical order as abcd is."""
    lower = text.lower()
    return len(text) >= shortest and text[1:].islower() and not _VOWELS.isdisjoint(lower) and [*lower] != sorted(lower)


def _is_number(factors: list[tuple[str, Node]]) -> bool:
    """Whether factors are a number, in scientific notation too."""
    return all(
        isinstance(factor, (Num, Mixed)) or (isinstance(factor, Power) and isinstance(factor.base, Num))
        for _, factor in factors
    )


def parse(tokens: list[Token]) -> Listing:
    """The syntax of an answer; raises `Unreadable`."""
    return parse_by(tokens)[0]


def parse_by(tokens: list[Token], units_read: str = "spaced") -> tuple[Listing, set[str]]:
    """The syntax of an answer by one reading of units, and which units in it may as well be symbols."""
    kinds = {token.kind for token in tokens}
    tokens = _with_separators(tokens) if kinds & {"quad", "skip"} else list(tokens)
    if "begin" in kinds:
        tokens = _without_alignment(tokens)
    if kinds & _BRACKETS.keys():
        tokens = _without_double_brackets(tokens)
    if "[" in kinds or "]" in kinds:
        tokens = _outward_brackets(tokens)
    if kinds >= {"<", ">", ","} and tokens[0].kind == "<" and tokens[-1].kind == ">":
        tokens = [tokens[0]._replace(kind="("), *tokens[1:-1], tokens[-1]._replace(kind=")")]
    while tokens and tokens[0].kind in ("=", "≈"):
        tokens = tokens[1:]
    if not tokens:
        raise Unreadable
    parser = _Parser(tokens, units_read)
    return _choice(tokens) or parser.answer(), parser.unsure


def _integrand(body: Node) -> Node:
    """A sum that ends with its differential as a product with it: \\int f + g dx is \\int (f + g) dx."""
    final = body.parts[-1] if isinstance(body, Sum) else None
    if not isinstance(body, Sum) or final is None or not isinstance(final.body, Product):
        return body
    sign, last = final.sign, final.body
    before, (mark, end) = last.factors[:-1], last.factors[-1]
    if isinstance(end, Product) and len(end.factors) == 2 and end.factors[0][1] == Sym("d"):
        differential: tuple[tuple[str, Node], ...] = (("", end),)
    elif before and before[-1][1] == Sym("d") and isinstance(end, Sym) and mark != "/":
        differential = (("", Sym("d")), ("", end))
        before = before[:-1]
    else:
        return body
    if any(mark == "/" for mark, _ in last.factors[len(before) :]):
        return body
    rest: Node = Product(before) if before else Num("1")
    whole = Sum((*body.parts[:-1], Signed(sign, rest)))
    return Product((("", Bracket("(", Listing((whole,), ()), ")")), *differential))


def _choice(tokens: list[Token]) -> Listing | None:
    """(B) 5: a choice's letter in brackets before its value."""
    if tokens[0].kind != "(":
        return None
    kinds = [token.kind for token in tokens[:4]]
    if kinds[2:3] == [")"] and len(kinds) == 4 and tokens[1].text in tuple("ABCDEFGH"):
        if tokens[3].kind in _RELATIONS or tokens[3].kind in "+-*/^" or not tokens[3].spaced:
            return None
        body = _Parser(tokens[3:], "spaced").answer()
        return Listing((ChoiceLetter(tokens[1].text, body),), ())
    return None


_BRACKETS = {"(": ")", "[": "]", "{": "}"}


def _outward_brackets(tokens: list[Token]) -> list[Token]:
    """]a, b[ as (a, b): where square brackets open or close outward, each two brackets hold one interval."""
    brackets = [k for k, token in enumerate(tokens) if token.kind in ("(", ")", "[", "]")]
    pairs = list(zip(brackets[::2], brackets[1::2], strict=False))
    if len(brackets) % 2 or not any(tokens[a].kind == "]" or tokens[b].kind == "[" for a, b in pairs):
        return tokens
    if any(tokens[a].kind == ")" or tokens[b].kind == "(" or b - a < 4 for a, b in pairs):
        return tokens
    result = list(tokens)
    for a, b in pairs:
        result[a] = tokens[a]._replace(kind="(" if tokens[a].kind == "]" else tokens[a].kind)
        result[b] = tokens[b]._replace(kind=")" if tokens[b].kind == "[" else tokens[b].kind)
    return result


def _without_double_brackets(tokens: list[Token]) -> list[Token]:
    """Drops brackets that only repeat the ones inside them: ((x)) is (x)."""
    partner: dict[int, int] = {}
    opened: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind in _BRACKETS:
            opened.append(index)
        elif token.kind in (")", "]", "}"):
            if not opened or _BRACKETS[tokens[opened[-1]].kind] != token.kind:
                return tokens  # crossed or half-open: an interval, perhaps
            partner[opened.pop()] = index
    dropped: set[int] = set()
    for index, closing in partner.items():
        if partner.get(index + 1) == closing - 1 and tokens[index].kind == tokens[index + 1].kind:
            dropped |= {index, closing}
    return [token for index, token in enumerate(tokens) if index not in dropped] if dropped else tokens


def _without_alignment(tokens: list[Token]) -> list[Token]:
    """Drops what only sets out a system: an & beside a sign of relation, and the brace before it that never closes."""
    kinds = ["", *(token.kind for token in tokens), ""]
    unclosed = kinds.count(r"\{") > kinds.count(r"\}")
    return [
        token
        for place, token in enumerate(tokens, 1)
        if not (token.kind == "&" and (kinds[place - 1] in _RELATIONS or kinds[place + 1] in _RELATIONS))
        and not (unclosed and token.kind == r"\{" and kinds[place + 1] == "begin")
    ]


def _with_separators(tokens: list[Token]) -> list[Token]:
    """Wide spaces separate items, unless a separator, an end or a word stands beside them."""
    result: list[Token] = []
    kept = [token for token in tokens if token.kind != "skip"]
    for index, token in enumerate(kept):
        if token.kind != "quad":
            result.append(token)
            continue
        after = kept[index + 1].kind if index + 1 < len(kept) else ""
        before = result[-1].kind if result else ""
        if before and after and before not in _SEPARATORS and after not in _SEPARATORS | {"quad", "word", "\\\\", "&"}:
            result.append(token._replace(kind=","))
    return result

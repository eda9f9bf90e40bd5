"""From an answer's syntax to what can be computed: sympy expressions, left as written, and a few types around them.

The syntax comes from the parser that the keys use (lexer.py, parser.py), so that both stages read a text alike. Why not
latex2sympy2_extended: it takes 2-60 ms for an answer (its grammar is ambiguous, and ANTLR's Python runtime explores
that anew each time) and reads 2(3) as 5, 10_2 as 10 and y'' as y.

Nothing is evaluated here but integer arithmetic of literals, and no text reaches sympy but as a symbol's name.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from empo_rewards.equivalence.math import nodes
from empo_rewards.equivalence.math.lexer import Unreadable, fold, lex
from empo_rewards.equivalence.math.limits import MAX_LITERAL_DIGITS
from empo_rewards.equivalence.math.parser import parse

MAX_ITEMS = 64
"""Of a list, set or matrix: unordered comparison is quadratic."""
MAX_DETERMINANT = 6
"""Rows of a determinant that is worked out."""
MAX_DECIMAL_EXPONENT = 4_000
"""Of a number in scientific notation: past it the digits would fill memory and not the page."""


@dataclass(frozen=True)
class Scalar:
    """One number or expression; `name` where it was given as `name = expr`; `values` remembers what it is at points."""

    expr: Any
    name: str | None = None
    values: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Items:
    """Several: a bare `list` (1,2), a `tuple` (1,2,3), a `set`, or a `matrix` (row by row, with its shape)."""

    kind: str
    items: tuple[Meaning, ...]
    shape: tuple[int, int] | None = None


@dataclass(frozen=True)
class Span:
    """An interval; (1,2) is also a pair, and [1,2] a list."""

    start: Scalar
    end: Scalar
    left_open: bool
    right_open: bool


@dataclass(frozen=True)
class Points:
    """A finite set of numbers."""

    numbers: tuple[Scalar, ...]


@dataclass(frozen=True)
class Domain:
    """A set with a letter: R, Z, N, Q, C."""

    letter: str


@dataclass(frozen=True)
class Inequality:
    """gap op 0, in one unknown."""

    op: str
    gap: Any
    unknown: Any


@dataclass(frozen=True)
class Joined:
    """Sets joined by `∪`, `∩` or `∖`."""

    operator: str
    parts: tuple[Where, ...]


Where = Span | Points | Domain | Inequality | Joined


@dataclass(frozen=True)
class Region:
    """A set of real numbers; `name` where it was given as a condition on that unknown."""

    where: Where
    name: str | None = None


@dataclass(frozen=True)
class Condition:
    """An equation or inequality that is no assignment: gap op 0, op one of = ≠ < ≤."""

    op: str
    gap: Scalar


@dataclass(frozen=True)
class Measured:
    """A value with its unit, or with the base that it is written in."""

    body: Meaning
    unit: tuple[tuple[str, int], ...]


Meaning = Scalar | Items | Region | Condition | Measured

FUNCTION_HEAD = "f(x)"
"""The name of a value that was given as `f(x) = value`, whatever the function is called."""


def meaning_of(text: str) -> Meaning:
    """What a text says.

    Raises:
        Unreadable: it has no reading that is certain.
    """
    tokens, _ = lex(fold(text))
    return _listing(parse(tokens))


# --- structure -------------------------------------------------------------------------------------------------------


def _listing(listing: nodes.Listing) -> Meaning:
    items = [meaning for item in listing.items for meaning in _branches(item)]
    if len(items) == 1:
        return items[0]
    if len(items) > MAX_ITEMS:
        raise Unreadable
    joints = set(listing.separators) - {",", ";"}
    if any(isinstance(item, Region) and item.name is not None for item in items):
        return _joined_conditions(items, joints)
    if any(isinstance(item, Condition) and item.op in ("<", "≤") for item in items):
        raise Unreadable  # side by side: and, or or?
    return Items("list", tuple(items))


def _joined_conditions(items: Sequence[Meaning], joints: set[str]) -> Region:
    """x < 1 or x > 3, x > 1 and x < 3; with a comma alone it is not said which."""
    names = {item.name if isinstance(item, Region) else None for item in items}
    if len(names) != 1 or len(joints) != 1:
        raise Unreadable
    parts = tuple(item.where for item in items if isinstance(item, Region))
    return Region(Joined("∪" if "or" in joints else "∩", parts), names.pop())


def _branches(node: nodes.Node) -> Iterator[Meaning]:
    """The meaning, or the two of a ±."""
    signs = list(_plus_minus(node))
    if signs.count("±") > 1 or len(signs) > 2:
        raise Unreadable  # whether they go together cannot be told
    for sign in (1, -1) if signs else (1,):
        yield _Reader(sign).meaning(node)


def _plus_minus(node: Any) -> Iterator[str]:
    if isinstance(node, nodes.Signed) and node.sign in "±∓":
        yield node.sign
    if isinstance(node, tuple):
        for part in node:
            if isinstance(part, tuple):
                yield from _plus_minus(part)


_MIRRORED = {">": "<", "≥": "≤"}
_CONDITIONS = frozenset("=≈≠<>≤≥")


class _Reader:
    """Reads nodes; `sign` says which of its two values a ± has."""

    def __init__(self, sign: int) -> None:
        self._sign = sign

    def meaning(self, node: nodes.Node) -> Meaning:
        rule = _STRUCTURES.get(type(node))
        return Scalar(self.scalar(node)) if rule is None else rule(self, node)

    def _quantity(self, node: nodes.Quantity) -> Meaning:
        return Measured(self.meaning(node.body), node.unit)

    def _based(self, node: nodes.Based) -> Meaning:
        return Measured(Scalar(_number(node.digits)), (("base", node.base),))

    def _degrees(self, node: nodes.Postfix | nodes.Signed) -> Meaning:
        """An angle in degrees is a number with a unit; within an expression it is a number of its own."""
        if isinstance(node, nodes.Postfix):
            return Measured(Scalar(self.scalar(node.body)), (("°", 1),)) if node.mark == "°" else self._plain(node)
        inner = self._degrees(node.body) if isinstance(node.body, nodes.Postfix | nodes.Signed) else None
        if isinstance(inner, Measured) and isinstance(inner.body, Scalar):
            return Measured(Scalar(self._with_sign(node.sign, inner.body.expr)), inner.unit)
        return self._plain(node)

    def _plain(self, node: nodes.Node) -> Scalar:
        return Scalar(self.scalar(node))

    def _signed_meaning(self, node: nodes.Signed) -> Meaning:
        return self._matrices(node) if _has_grid(node) else self._degrees(node)

    def _bracket(self, node: nodes.Bracket) -> Meaning:
        ends = node.opening + node.closing
        if node.opening in ("{", r"\{"):
            items = tuple(m for item in node.items.items for m in _branches(item))
            return Items("set", items) if ends != "{}" or len(items) > 1 else items[0]
        items = tuple(self.meaning(item) for item in node.items.items)
        if len(items) == 1 and ends in ("()", "[]"):
            return items[0]
        if len(items) == 2 and isinstance(items[0], Scalar) and isinstance(items[1], Scalar):
            return Region(Span(items[0], items[1], node.opening == "(", node.closing == ")"))
        if ends not in ("()", "[]") or len(items) > MAX_ITEMS:
            raise Unreadable
        return Items("tuple", items)

    def _constant(self, node: nodes.Constant) -> Meaning:
        if node.name == "∅":
            return Region(Points(()))
        return Scalar(sympy.oo) if node.name == "∞" else Region(Domain(node.name))

    def _combined(self, node: nodes.Combined) -> Meaning:
        return Region(Joined(node.operator, (self._where(node.left), self._where(node.right))))

    def _where(self, node: nodes.Node) -> Where:
        meaning = self.meaning(node)
        where = as_where(meaning)
        if where is None:
            raise Unreadable
        return where

    def _builder(self, node: nodes.Builder) -> Meaning:
        variable = node.variable
        inside: tuple[Where, ...] = ()
        if isinstance(variable, nodes.Relation) and variable.operators == ("∈",):
            inside = (self._where(variable.operands[1]),)
            variable = variable.operands[0]
        condition = _listing(node.condition)
        if not isinstance(variable, nodes.Sym) or not isinstance(condition, Region) or condition.name != variable.name:
            raise Unreadable
        return Region(Joined("∩", (*inside, condition.where)) if inside else condition.where)

    def _matrices(self, node: nodes.Node) -> Meaning:
        """A matrix, or arithmetic with matrices; anything else is a scalar."""
        if not _has_grid(node):
            return self._plain(node)
        value = self._matrix(node)
        if not isinstance(value, sympy.MatrixBase):
            return Scalar(value)
        return Items("matrix", tuple(map(Scalar, value)), (int(value.rows), int(value.cols)))

    def _matrix(self, node: nodes.Node) -> Any:
        """A sympy matrix, or a scalar where no matrix stands in the node."""
        if isinstance(node, nodes.Grid):
            return self._grid(node)
        if not _has_grid(node):
            return self.scalar(node)
        if isinstance(node, nodes.Bracket) and len(node.items.items) == 1:
            return self._matrix(node.items.items[0])
        if isinstance(node, nodes.Signed) and node.sign in "+-":
            return self._matrix(node.body) * (1 if node.sign == "+" else -1)
        try:
            if isinstance(node, nodes.Sum):
                return functools.reduce(lambda a, b: a + b, map(self._matrix, node.parts))
            if isinstance(node, nodes.Product) and all(mark != "/" for mark, _ in node.factors):
                return functools.reduce(lambda a, b: a * b, (self._matrix(factor) for _, factor in node.factors))
        except (sympy.matrices.exceptions.ShapeError, TypeError) as error:
            raise Unreadable from error
        raise Unreadable

    def _grid(self, node: nodes.Grid) -> Any:
        columns = len(node.rows[0])
        if node.environment in ("cases", "aligned") or any(len(row) != columns for row in node.rows):
            raise Unreadable
        if len(node.rows) * columns > MAX_ITEMS:
            raise Unreadable
        matrix = sympy.ImmutableDenseMatrix([[self.scalar(entry) for entry in row] for row in node.rows])
        if node.environment != "vmatrix":
            return matrix
        if not matrix.is_square or matrix.rows > MAX_DETERMINANT:
            raise Unreadable
        return matrix.det()

    def _ratio(self, node: nodes.Proportion) -> Any:
        if len(node.parts) != 2:
            raise Unreadable
        return _quotient(self.scalar(node.parts[0]), self.scalar(node.parts[1]))

    # Relations

    def _relation(self, node: nodes.Relation) -> Meaning:
        operators = set(node.operators)
        if len(node.operators) == 1:
            return self._simple(node.operators[0], *node.operands)
        if operators == {"="}:  # x = 2 + 3 = 5: the last side is the value; whether the sides agree is not asked
            return self._simple("=", node.operands[0], node.operands[-1])
        if not operators <= set("<>≤≥"):
            raise Unreadable
        parts = [
            self._simple(operator, node.operands[i], node.operands[i + 1]) for i, operator in enumerate(node.operators)
        ]
        names = {part.name if isinstance(part, Region) else None for part in parts}
        if len(names) != 1 or None in names:
            raise Unreadable
        return Region(Joined("∩", tuple(part.where for part in parts if isinstance(part, Region))), names.pop())

    def _simple(self, operator: str, left: nodes.Node, right: nodes.Node) -> Meaning:
        if operator in "∈∉":
            if not isinstance(left, nodes.Sym):
                raise Unreadable
            where = self._where(right)
            return Region(Joined("∖", (Domain("R"), where)) if operator == "∉" else where, left.name)
        if operator in "=≈":
            named = self._assignment(left, right)
            if named is not None:
                return named
            if operator == "≈":  # about: the exact side is the answer
                return self.meaning(left)
        return self._condition(operator, self.scalar(left), self.scalar(right))

    def _assignment(self, left: nodes.Node, right: nodes.Node) -> Meaning | None:
        """A name's value. P = MC relates two names, and is an equation."""
        for head, body in ((left, right), (right, left)):
            name = _head(head)
            if name is None:
                continue
            value = self.meaning(body)
            if isinstance(value, Region) and isinstance(value.where, Span):
                return value
            if isinstance(value, Items | Region | Measured):
                return value
            if not isinstance(value, Scalar) or isinstance(value.expr, sympy.Symbol):
                continue
            if name not in free_names(value.expr) and not _calls(value.expr, name):
                return Scalar(value.expr, FUNCTION_HEAD if isinstance(head, nodes.Product) else name)
        return None

    @staticmethod
    def _condition(operator: str, left: Any, right: Any) -> Meaning:
        if operator in _MIRRORED:
            operator, left, right = _MIRRORED[operator], right, left
        gap = _sum([left, _product([sympy.S.NegativeOne, right])])
        unknowns = gap.free_symbols
        if len(unknowns) == 1 and operator != "=":
            (unknown,) = unknowns
            return Region(Inequality(operator, gap, unknown), unknown.name)
        return Condition(operator, Scalar(gap))

    # Scalars

    def scalar(self, node: nodes.Node) -> Any:
        """A scalar as a sympy expression."""
        rule = _SCALARS.get(type(node))
        if rule is None:
            raise Unreadable
        return rule(self, node)

    def _with_sign(self, sign: str, body: Any) -> Any:
        negative = sign == "-" or (sign == "±" and self._sign < 0) or (sign == "∓" and self._sign > 0)
        return _product([sympy.S.NegativeOne, body]) if negative else body

    def _signed(self, node: nodes.Signed) -> Any:
        return self._with_sign(node.sign, self.scalar(node.body))

    def _sum(self, node: nodes.Sum) -> Any:
        return _sum([self._signed(part) for part in node.parts])

    def _word(self, node: nodes.Word) -> Any:
        if len(node.text) <= _LETTERS and node.text.isascii() and node.text.isalpha():
            return _product([_symbol(letter) for letter in node.text])
        return sympy.Symbol(node.text)

    def _factors(self, node: nodes.Product) -> Any:
        factors: list[Any] = []
        remaining = list(node.factors)
        while remaining:
            mark, factor = remaining.pop(0)
            if mark != "/" and isinstance(factor, nodes.Call) and _is_derivative_sign(factor) and remaining:
                return _product([*factors, self._derivative_of(factor, nodes.Product(tuple(remaining)))])
            if isinstance(factor, nodes.Sym) and remaining and _applies(factor, *remaining[0]):
                _, argument = remaining.pop(0)
                value = self._application(factor.name, argument)
            else:
                value = self.scalar(factor)
            factors.append(_inverse(value) if mark == "/" else value)
        return _product(factors)

    def _application(self, name: str, argument: Any) -> Any:
        return sympy.Function(name)(*(self.scalar(item) for item in argument.items.items))

    def _power(self, node: nodes.Power) -> Any:
        return _power(self.scalar(node.base), self.scalar(node.exponent))

    def _mixed(self, node: nodes.Mixed) -> Any:
        return _rational(int(node.whole) + Fraction(int(node.numerator), int(node.denominator)))

    def _postfix(self, node: nodes.Postfix) -> Any:
        body = self.scalar(node.body)
        if node.mark == "%":
            return _product([body, sympy.Rational(1, 100)])
        if node.mark == "°":
            return _product([body, sympy.pi, sympy.Rational(1, 180)])
        if node.mark == "!":
            return sympy.factorial(body, evaluate=False)
        return sympy.factorial2(body, evaluate=False)

    def _single(self, node: nodes.Bracket) -> Any:
        if len(node.items.items) != 1 or node.opening == r"\{":
            raise Unreadable
        return self.scalar(node.items.items[0])

    def _infinity(self, node: nodes.Constant) -> Any:
        if node.name != "∞":
            raise Unreadable
        return sympy.oo

    def _call(self, node: nodes.Call) -> Any:  # noqa: PLR0911 - one return a kind of function
        name, *counts = node.name.split()
        if name == "lim":
            return self._limit(counts[0] if counts else "+-", node.args)
        if counts:
            return self._large(name, [int(count) for count in counts], node.args)
        if name == "derivative":
            return sympy.Symbol(_rate(node))
        args = [self.scalar(arg) for arg in node.args]
        if name == "log" and len(args) == 2:
            return sympy.log(args[1], args[0], evaluate=False)
        if name == "sqrt":
            return _power(args[0], _inverse(args[1]) if len(args) == 2 else sympy.S.Half)
        if name in _MANY:
            return _MANY[name](args)
        function = _FUNCTIONS.get(name)
        if function is None or len(args) != 1:
            raise Unreadable
        return function(args[0], evaluate=False)

    def _derivative_of(self, sign: nodes.Call, body: nodes.Node) -> Any:
        below = list(_flat(sign.args[1]))
        order = 1
        if len(below) == 2 and isinstance(below[1], nodes.Power):
            below[1], exponent = below[1].base, below[1].exponent
            if not isinstance(exponent, nodes.Num) or not exponent.text.isdigit() or len(exponent.text) > 1:
                raise Unreadable
            order = int(exponent.text)
        if len(below) != 2 or not isinstance(below[1], nodes.Sym):
            raise Unreadable
        return sympy.Derivative(self.scalar(body), (sympy.Symbol(below[1].name), order), evaluate=False)

    def _limit(self, side: str, args: Sequence[nodes.Node]) -> Any:
        variable, target, body = args
        if not isinstance(variable, nodes.Sym):
            raise Unreadable
        return sympy.Limit(self.scalar(body), sympy.Symbol(variable.name), self.scalar(target), side)

    def _large(self, name: str, counts: Sequence[int], args: Sequence[nodes.Node]) -> Any:
        lower, upper, body = args[: counts[0]], args[counts[0] : -1], args[-1]
        if name == "int":
            return self._integral(lower, upper, body)
        if len(lower) != 2 or len(upper) != 1 or not isinstance(lower[0], nodes.Sym):
            raise Unreadable
        kind = sympy.Sum if name == "sum" else sympy.Product
        return kind(self.scalar(body), (sympy.Symbol(lower[0].name), self.scalar(lower[1]), self.scalar(upper[0])))

    def _integral(self, lower: Sequence[nodes.Node], upper: Sequence[nodes.Node], body: nodes.Node) -> Any:
        whole = lower[0] if len(lower) == 1 else None
        if not upper and isinstance(whole, nodes.Power):
            lower, upper = (whole.base,), (whole.exponent,)  # _0^1 without braces
        if len(lower) != len(upper) or len(lower) > 1:
            raise Unreadable
        *before, last = body.parts if isinstance(body, nodes.Sum) else (nodes.Signed("+", body),)
        factors = [(mark, part) for mark, factor in _marked(last.body) for part, mark in _opened(factor, mark)]
        if len(factors) < 2 or factors[-2][1] != nodes.Sym("d") or not isinstance(factors[-1][1], nodes.Sym):
            raise Unreadable
        variable = factors[-1][1]
        rest = nodes.Product(tuple(factors[:-2])) if len(factors) > 2 else nodes.Num("1")
        integrand = _sum([*(self._signed(part) for part in before), self._with_sign(last.sign, self.scalar(rest))])
        ends = [self.scalar(end) for end in (*lower, *upper)]
        return sympy.Integral(integrand, (sympy.Symbol(variable.name), *ends))


_STRUCTURES: Mapping[type, Callable[[_Reader, Any], Meaning]] = {
    nodes.Quantity: _Reader._quantity,
    nodes.Based: _Reader._based,
    nodes.Postfix: _Reader._degrees,
    nodes.Signed: _Reader._signed_meaning,
    nodes.Bracket: _Reader._bracket,
    nodes.Constant: _Reader._constant,
    nodes.Combined: _Reader._combined,
    nodes.Builder: _Reader._builder,
    nodes.Grid: _Reader._matrices,
    nodes.Product: _Reader._matrices,
    nodes.Sum: _Reader._matrices,
    nodes.Proportion: _Reader._plain,
    nodes.Relation: _Reader._relation,
    nodes.Listing: lambda _, node: _listing(node),
    nodes.Choice: lambda reader, node: reader.meaning(node.body),
}

_SCALARS: Mapping[type, Callable[[_Reader, Any], Any]] = {
    nodes.Num: lambda _, node: _number(node.text),
    nodes.Sym: lambda _, node: _symbol(node.name),
    nodes.Word: _Reader._word,
    nodes.Signed: _Reader._signed,
    nodes.Sum: _Reader._sum,
    nodes.Product: _Reader._factors,
    nodes.Power: _Reader._power,
    nodes.Call: _Reader._call,
    nodes.Mixed: _Reader._mixed,
    nodes.Postfix: _Reader._postfix,
    nodes.Bracket: _Reader._single,
    nodes.Constant: _Reader._infinity,
    nodes.Proportion: _Reader._ratio,
}

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{name: getattr(sympy, name) for name in ("sin", "cos", "tan", "cot", "sec", "csc", "exp", "erf", "ceiling")},
    **{name: getattr(sympy, name) for name in ("sinh", "cosh", "tanh", "coth", "sech", "csch", "floor", "sign")},
    **{"arc" + name: getattr(sympy, "a" + name) for name in ("sin", "cos", "tan", "cot", "sec", "csc")},
    **{"ar" + name: getattr(sympy, "a" + name) for name in ("sinh", "cosh", "tanh")},
    "ln": sympy.log,
    "log": sympy.log,
    "abs": sympy.Abs,
    "ceil": sympy.ceiling,
    "sgn": sympy.sign,
    "Re": sympy.re,
    "Im": sympy.im,
    "arg": sympy.arg,
}
_MANY: Mapping[str, Callable[[list[Any]], Any]] = {
    "max": lambda args: sympy.Max(*args, evaluate=False),
    "min": lambda args: sympy.Min(*args, evaluate=False),
    "gcd": lambda args: sympy.Integer(math.gcd(*map(_integer, args))),
    "lcm": lambda args: sympy.Integer(math.lcm(*map(_integer, args))),
    "binomial": lambda args: sympy.binomial(*args, evaluate=False),
    "mod": lambda args: sympy.Mod(*args, evaluate=False),
}
_LETTERS = 3
"""A longer run of letters is a word and no product."""
_CONSTANTS = {"π": sympy.pi, "e": sympy.E, "i": sympy.I}


def as_where(meaning: Meaning) -> Where | None:
    """The set of numbers that a meaning is; None where it is none."""
    if isinstance(meaning, Region):
        return meaning.where
    if isinstance(meaning, Items) and meaning.kind in ("list", "set"):
        numbers = tuple(item for item in meaning.items if isinstance(item, Scalar))
        return Points(numbers) if len(numbers) == len(meaning.items) else None
    return None


def free_names(expr: Any) -> frozenset[str]:
    """The names of an expression's free symbols."""
    return frozenset(symbol.name for symbol in expr.free_symbols)


def _calls(expr: Any, name: str) -> bool:
    return any(type(f).__name__ == name for f in expr.atoms(AppliedUndef))


def _head(node: nodes.Node) -> str | None:
    """The name on the left of an assignment: x, dy/dx, or f of f(x) and f(x, y)."""
    if isinstance(node, nodes.Sym):
        return None if node.name in _CONSTANTS else node.name
    if isinstance(node, nodes.Word):
        return node.text
    if isinstance(node, nodes.Call) and node.name == "derivative":
        return _rate(node)
    if isinstance(node, nodes.Product) and len(node.factors) == 2:
        (_, function), (_, argument) = node.factors
        if isinstance(function, nodes.Sym) and isinstance(argument, nodes.Bracket) and argument.opening == "(":
            return function.name if all(isinstance(item, nodes.Sym) for item in argument.items.items) else None
    return None


def _applies(function: nodes.Sym, mark: str, argument: nodes.Node) -> bool:
    """Whether a letter before brackets is a function: by convention f, g and h, or of two arguments."""
    if mark or not isinstance(argument, nodes.Bracket) or argument.opening != "(":
        return False
    return function.name[:1] in ("f", "g", "h") or len(argument.items.items) > 1


def _rate(node: nodes.Call) -> str:
    """The name of dy/dx, a quantity of its own."""
    return f"d {node.args!r}"


def _is_derivative_sign(node: nodes.Call) -> bool:
    """d/dx with nothing above but the d."""
    if node.name != "derivative":
        return False
    above = node.args[0]
    return (above.base if isinstance(above, nodes.Power) else above) in (nodes.Sym("d"), nodes.Sym("∂"))


def _has_grid(node: Any) -> bool:
    return isinstance(node, nodes.Grid) or (isinstance(node, tuple) and any(map(_has_grid, node)))


def _flat(node: nodes.Node) -> Iterator[nodes.Node]:
    if isinstance(node, nodes.Product):
        for _, factor in node.factors:
            yield from _flat(factor)
    else:
        yield node


def _marked(node: nodes.Node) -> Sequence[tuple[str, nodes.Node]]:
    return node.factors if isinstance(node, nodes.Product) else (("", node),)


def _opened(node: nodes.Node, mark: str) -> Iterator[tuple[nodes.Node, str]]:
    """Letters side by side (xdx) as factors of what they stand in; nothing below a slash is opened."""
    if isinstance(node, nodes.Product) and mark != "/" and all(m in ("", " ") for m, _ in node.factors):
        for inner, factor in node.factors:
            yield factor, inner
    else:
        yield node, mark


def _number(text: str) -> Any:
    if len(text) > MAX_LITERAL_DIGITS:
        raise Unreadable
    mantissa, _, exponent = text.lower().partition("e")
    if exponent and (len(exponent) > 6 or abs(int(exponent)) > MAX_DECIMAL_EXPONENT):
        raise Unreadable
    whole, _, repeated = mantissa.partition("(")
    number = Fraction(whole if whole[-1:] != "." else whole + "0")
    if repeated:
        period = repeated.rstrip(")")
        places = len(whole.partition(".")[2])
        number += Fraction(int(period), (10 ** len(period) - 1) * 10**places)
    return _rational(number * Fraction(10) ** int(exponent or 0))


def _symbol(name: str) -> Any:
    return _CONSTANTS.get(name) or sympy.Symbol(name)


def _rational(number: Fraction) -> Any:
    return sympy.Rational(number.numerator, number.denominator)


def _integer(value: Any) -> int:
    """An integer whose literals are small enough to be worked out; the worker's deadline bounds the rest."""
    if value.free_symbols or value.atoms(AppliedUndef):
        raise Unreadable
    exact = value.doit()
    if not exact.is_Integer:
        raise Unreadable
    return int(exact)


def _sum(terms: list[Any]) -> Any:
    return terms[0] if len(terms) == 1 else sympy.Add(*terms, evaluate=False)


def _product(factors: list[Any]) -> Any:
    if len(factors) == 1:
        return factors[0]
    if len(factors) == 2 and factors[0] is sympy.S.NegativeOne and (factors[1].is_Rational or factors[1] is sympy.oo):
        return -factors[1]
    return sympy.Mul(*factors, evaluate=False)


def _inverse(value: Any) -> Any:
    if value.is_Rational:
        if not value:
            raise Unreadable
        return 1 / value
    return sympy.Pow(value, sympy.S.NegativeOne, evaluate=False)


def _quotient(a: Any, b: Any) -> Any:
    return _product([a, _inverse(b)])


def _power(base: Any, exponent: Any) -> Any:
    return sympy.Pow(base, exponent, evaluate=False)

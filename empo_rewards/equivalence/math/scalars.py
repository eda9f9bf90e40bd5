"""From syntax to exact values: numbers, symbols, arithmetic, functions, and matrices of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial, reduce
from itertools import pairwise
from operator import mul, neg
from typing import Any, TypeAlias

from empo_rewards.equivalence.math import algebra, functions, nodes
from empo_rewards.equivalence.math.algebra import Value, add, atom, constant, product
from empo_rewards.equivalence.math.lexer import Unreadable
from empo_rewards.equivalence.math.limits import MAX_DETERMINANT
from empo_rewards.equivalence.math.nodes import Node, walk
from empo_rewards.equivalence.math.numerals import literal
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.shapes import INFINITY

Rows: TypeAlias = tuple[tuple[Value, ...], ...]  # of a matrix

_CONSTANTS = {"e": atom(algebra.E), "i": atom(algebra.I), "π": atom(algebra.PI)}
_TURNED = nodes.Signed("-", nodes.Num("1")), nodes.Sym("T")  # exponents of an inverse and a transpose
_DEGREE = atom(algebra.PI) / 180


class Scalars:
    """The values of expressions, by a policy; `respell` reads C and I as c and the imaginary unit, as some do."""

    def __init__(self, policy: MathPolicy, *, respell: bool = False) -> None:
        self.policy, self.respell = policy, respell
        self.plus_minus = 0  # which branch of ± is being computed: 1, -1, or 0 outside of one
        self.applied: set[str] = set()  # letters that are functions of brackets after them; others are factors

    def value(self, node: Node) -> Value:
        """An expression's exact value; raises `Unreadable` where it has none."""
        node = nodes.inside(node)
        kind = _KINDS.get(type(node))
        if kind is None:
            raise Unreadable
        return kind(self, node)

    def branches(self, node: Node) -> Iterator[Value]:
        """The value, or the two values of an expression with ±."""
        signs = [inner.sign for inner in walk(node) if isinstance(inner, nodes.Signed) and inner.sign in "±∓"]
        if signs.count("±") > 1:  # whether they go together cannot be told
            raise Unreadable
        for branch in (1, -1) if signs else (0,):
            self.plus_minus = branch
            yield self.value(node)
        self.plus_minus = 0

    def _word(self, node: nodes.Word) -> Value:
        """A name set as text: a product of its letters where it may be one (AB, mgh), one symbol where it is a word."""
        text = node.text
        if text.isalpha() and text.isascii() and len(text) <= 3 and (text.isupper() or set("aeiou").isdisjoint(text)):
            return product(map(self.symbol, text))
        return atom(f"word {text}")

    def symbol(self, name: str) -> Value:
        """A symbol or constant by its name."""
        if self.respell and (name in ("C", "I") or name.startswith("C_")):
            return atom(algebra.I) if name == "I" else atom(name.lower())
        return _CONSTANTS.get(name) or atom(name)

    def _signed(self, node: nodes.Signed) -> Value:
        sign = {"+": 1, "-": -1, "±": self.plus_minus, "∓": -self.plus_minus}[node.sign]
        if not sign:
            raise Unreadable
        body = self.value(node.body)
        return body if sign > 0 else -body

    def _product(self, factors: Iterable[tuple[str, Node]]) -> Value:
        algebra.spend(5 * len(factors := [*factors]))
        if _is_ordered(flat := [*_flat(factors)]):
            return algebra.kept("·", *map(self.value, flat))
        run: list[Value] = []
        call = None
        for (mark, factor), following in pairwise((*factors, ("", nodes.Num("")))):
            if call is not None:
                call = None  # the factor was its argument
                continue
            call = self._application(factor, *following)
            value = self.value(call or factor)
            if mark == "/":
                run = [product(run) / value]
            else:
                run.append(value)
        return product(run)

    def _application(self, function: Node, mark: str, argument: Node) -> Node | None:
        """A letter before brackets that is a function of what they hold, to a power too; None for a factor."""
        match mark, function, argument:
            case "" | " ", nodes.Num(), nodes.Num(text) if text:
                raise Unreadable  # (1 2)(3 4)
            case "", _, nodes.Power(base, exponent):
                call = self._application(function, mark, base)
                return call and nodes.Power(call, exponent)
            case "", nodes.Sym("E") | nodes.Constant("E"), nodes.Bracket("[", nodes.Listing(arguments)):
                return nodes.Call("E", arguments)
            case "", nodes.Sym(name), nodes.Bracket("(", nodes.Listing(arguments)):
                applied = not self.applied.isdisjoint((name, name.partition("_")[0].rstrip("'")))
                return nodes.Call(name, arguments) if applied or len(arguments) > 1 else None
        return None

    def _call(self, node: nodes.Call) -> Value:
        if node.name.startswith("lim") and _is_constant_in(node.args[2], node.args[0]):
            return self.value(node.args[2])
        args = tuple(map(self.value, node.args))
        if node.name == "log" and len(args) == 1 and self.policy.log == "decimal":
            args = (constant(10), *args)
        return functions.apply(node.name, args)

    def _postfix(self, node: nodes.Postfix) -> Value:
        body = self.value(node.body)
        if node.mark == "%":
            return body if self.policy.percent == "number" else body / 100
        if node.mark == "°":
            return body * _DEGREE
        return functions.apply("factorial" if node.mark == "!" else "double factorial", (body,))

    # Matrices

    def matrix(self, node: Node) -> Rows:
        """The entries of a matrix, of a multiple or product of such, or of a sum; raises `Unreadable` for others."""
        node = nodes.inside(node)
        if isinstance(node, nodes.Grid) and len({len(row) for row in node.rows}) == 1 and node.environment != "cases":
            return tuple(tuple(map(self.value, row)) for row in node.rows)
        if isinstance(node, nodes.Signed) and node.sign in "+-":
            rows = self.matrix(node.body)
            return _entrywise(neg, rows) if node.sign == "-" else rows
        if isinstance(node, nodes.Sum):
            return _entrywise(add, *map(self.matrix, node.parts))
        if isinstance(node, nodes.Product) and has_grid(node.factors[-1][1]) and all(m != "/" for m, _ in node.factors):
            grids = [self.matrix(factor) for _, factor in node.factors if has_grid(factor)]
            scale = self._product(item for item in node.factors if not has_grid(item[1]))
            return _entrywise(partial(mul, scale), reduce(_matrix_product, grids))
        raise Unreadable


_KINDS: dict[type, Callable[[Scalars, Any], Value]] = {
    nodes.Num: lambda self, node: constant(literal(node.text)),
    nodes.Sym: lambda self, node: self.symbol(node.name),
    nodes.Word: Scalars._word,
    nodes.Signed: Scalars._signed,
    nodes.Sum: lambda self, node: add(*map(self._signed, node.parts)),
    nodes.Product: lambda self, node: self._product(node.factors),
    nodes.Power: lambda self, node: self.value(node.base) ** self.value(node.exponent),
    nodes.Call: Scalars._call,
    nodes.Mixed: lambda self, node: constant(literal(node[0])) + constant(literal(node[1])) / literal(node[2]),
    nodes.Postfix: Scalars._postfix,
    nodes.Grid: lambda self, node: _determinant(self.matrix(node) if node.environment == "vmatrix" else ()),
    nodes.Constant: lambda self, node: INFINITY if node.name == "∞" else atom(f"set {node.name}"),
}


def has_grid(node: Node) -> bool:
    """Whether a matrix stands in an expression."""
    return any(isinstance(inner, nodes.Grid) and inner.environment != "vmatrix" for inner in walk(node))


def _is_constant_in(node: Node, variable: Node) -> bool:
    """Whether no name in an expression holds the variable's, not as an index either: a_n is not constant in n."""
    names = [inner[0] for inner in walk(node) if isinstance(inner, (nodes.Sym, nodes.Word))]
    return isinstance(variable, nodes.Sym) and not any(variable.name in name for name in names)


def _flat(factors: list[tuple[str, Node]]) -> Iterator[Node]:
    """The factors of a product, those of letters side by side each by itself; none of a quotient."""
    for _, factor in [] if any(mark == "/" for mark, _ in factors) else factors:
        run = factor.factors if isinstance(factor, nodes.Product) else ()
        yield from [factor] if not run or any(mark for mark, _ in run) else (letter for _, letter in run)


def _is_ordered(factors: list[Node]) -> bool:
    """Whether factors need not commute: A^{-1}B, A^T A, xyx^{-1}, \\hat x\\hat p."""
    powers = (factor if isinstance(factor, nodes.Power) else (factor, None) for factor in factors)
    symbols = [(base.name, power) for base, power in powers if isinstance(base, nodes.Sym)]
    names, capitals = Counter(name for name, _ in symbols), [power for name, power in symbols if name[0].isupper()]
    return (
        sum(name.startswith("hat ") for name in names) > 1
        or any(power in _TURNED and names[name] > 1 and name not in _CONSTANTS for name, power in symbols)
        or (len(capitals) > 1 and capitals[0] in _TURNED and {None, *_TURNED}.issuperset(capitals))
    )


def _determinant(rows: Rows) -> Value:
    """By the first row; raises `Undefined` where the matrix is not square."""
    if not 0 < len(rows) == len(rows[0]) or len(rows) > MAX_DETERMINANT:
        raise algebra.Undefined
    if len(rows) == 1:
        return rows[0][0]
    minors = (tuple(row[:k] + row[k + 1 :] for row in rows[1:]) for k in range(len(rows)))
    return add(*(rows[0][k] * _determinant(minor) * (-1) ** k for k, minor in enumerate(minors)))


def _matrix_product(left: Rows, right: Rows) -> Rows:
    if len(left[0]) != len(right):
        raise algebra.Undefined
    return tuple(tuple(add(*map(mul, row, column)) for column in zip(*right, strict=True)) for row in left)


def _entrywise(compute: Callable[..., Value], *grids: Rows) -> Rows:
    """A matrix of what is computed of the entries of matrices of one shape."""
    if len({(len(rows), len(rows[0])) for rows in grids}) > 1:
        raise algebra.Undefined
    return tuple(tuple(map(compute, *rows)) for rows in zip(*grids, strict=True))

"""Names that an answer gives its value: the left sides of x = 5, f(x) = 2x, (p, q) = (3, 2), AB = 10."""

from __future__ import annotations

from empo_rewards.equivalence.math.nodes import Bracket, Call, Comparing, Node, Num, Product, Proportion, Sym, Word

CONSTANTS = frozenset({"e", "i", "π"})
"""Symbols that have a value already, and name none."""


def label_of(node: Node) -> str | None:  # noqa: PLR0911 - one return a kind of node
    """The name that a value is given: x, f(x), AB, |AB|, a : b, angle ABC; None for an expression."""
    if isinstance(node, Sym):
        return None if node.name in CONSTANTS else node.name
    if isinstance(node, Word):
        return node.text
    if isinstance(node, Call) and node.name == "abs":
        inner = label_of(node.args[0])
        return f"|{inner}|" if inner and len(inner) > 1 else None
    if isinstance(node, Bracket) and node.opening == "[" and len(node.items.items) == 1:
        inner = label_of(node.items.items[0])
        return f"[{inner}]" if inner and len(inner) > 1 else None
    if isinstance(node, Proportion):
        names = [label_of(part) for part in node.parts]
        return ":".join(name for name in names if name) if all(names) else None
    if isinstance(node, Product):
        return _product_label(node)
    return None


def _product_label(node: Product) -> str | None:
    marks = [mark for mark, _ in node.factors[1:]]
    if is_function(node):
        (_, function), (_, argument) = node.factors
        assert isinstance(argument, Bracket)  # noqa: S101 - what `is_function` says
        names = [_written(item) for item in argument.items.items]
        base = function.name if isinstance(function, Sym) else f"{label_of(function)}^-1"
        return f"{base}({','.join(names)})"
    symbols = [factor.name for _, factor in node.factors if isinstance(factor, Sym)]
    if len(symbols) != len(node.factors) or any(mark not in ("", " ") for mark in marks):
        return None
    if symbols[0] == "Delta" and len(symbols) == 2:
        return "Delta " + symbols[1]
    if all(len(name.partition("_")[0]) == 1 and name[0].isupper() for name in symbols):
        return "".join(symbols)
    return None


def is_function(node: Node) -> bool:
    """Whether it is a letter applied to symbols or numbers: f(x), P(A), T(12)."""
    if not isinstance(node, Product) or len(node.factors) != 2:
        return False
    (_, function), (mark, argument) = node.factors
    if mark not in ("", " ") or not isinstance(argument, Bracket) or argument.opening not in "([":
        return False
    return isinstance(function, Sym) and all(map(_written, argument.items.items))


def _written(node: Node) -> str:
    """A symbol, a number, or a relation of such as text: x, 2, X=2; empty for any other expression."""
    if isinstance(node, Comparing):
        parts = [_written(operand) for operand in node.operands]
        return "".join(map("".join, zip(parts, (*node.operators, ""), strict=True))) if all(parts) else ""
    return node.name if isinstance(node, Sym) else node.text if isinstance(node, Num) else ""


def names_a_function(node: Node) -> bool:
    """f(x) and y name the same thing: the value of the function that is asked for."""
    if node in (Sym("y"), Sym("Y")):
        return True
    if not isinstance(node, Product) or not is_function(node):
        return False
    (_, function), (_, argument) = node.factors
    if isinstance(function, Sym) and "'" in function.name:
        return False
    return isinstance(argument, Bracket) and all(isinstance(item, Sym) for item in argument.items.items)


def names_of(node: Node) -> list[str] | None:
    """The names of a tuple: (p, q)."""
    if isinstance(node, Bracket) and node.opening == "(" and len(node.items.items) > 1:
        names = [item.name if isinstance(item, Sym) else label_of(item) for item in node.items.items]
        return [name for name in names if name] if all(names) and set(names) - CONSTANTS else None
    return None


def mentions(node: Node, name: Node) -> bool:
    """Whether a symbol occurs in an expression: x = 2x + 1 names nothing."""
    if node == name:
        return True
    if isinstance(node, tuple):
        return any(mentions(part, name) for part in node if isinstance(part, tuple))  # type: ignore[arg-type]  # nodes are tuples of nodes
    return False

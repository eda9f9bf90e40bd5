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
        return _within("||", node.args[0])
    if isinstance(node, Bracket) and node.opening == "[" and len(node.items.items) == 1:
        return _within("[]", node.items.items[0])
    if isinstance(node, Proportion):
        names = [label_of(part) or "" for part in node.parts]
        return ":".join(names) if all(names) else None
    if not isinstance(node, Product):
        return None
    if (applied := _applied(node)) is not None:
        function, argument = applied
        return f"{function.name}({','.join(map(_written, argument.items.items))})"
    symbols = [factor.name for _, factor in node.factors if isinstance(factor, Sym)]
    if len(symbols) != len(node.factors) or not {mark for mark, _ in node.factors[1:]} <= {"", " "}:
        return None
    if symbols[0] == "Delta" and len(symbols) == 2:
        return "Delta " + symbols[1]
    capitals = all(len(name.partition("_")[0]) == 1 and name[0].isupper() for name in symbols)
    return "".join(symbols) if capitals else None


def _within(marks: str, node: Node) -> str | None:
    """A name of several letters between its marks: |AB|."""
    name = label_of(node) or ""
    return f"{marks[0]}{name}{marks[1]}" if len(name) > 1 else None


def _applied(node: Node) -> tuple[Sym, Bracket] | None:
    """A letter and the brackets that it is applied to, which hold symbols or numbers: f(x), P(A), T(12)."""
    if not isinstance(node, Product) or len(node.factors) != 2:
        return None
    (_, function), (mark, argument) = node.factors
    if not (isinstance(function, Sym) and isinstance(argument, Bracket)) or mark not in ("", " "):
        return None
    return (function, argument) if argument.opening in "([" and all(map(_written, argument.items.items)) else None


def is_function(node: Node) -> bool:
    """Whether it is a letter applied to symbols or numbers."""
    return _applied(node) is not None


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
    applied = _applied(node)
    return (
        applied is not None
        and "'" not in applied[0].name
        and all(isinstance(item, Sym) for item in applied[1].items.items)
    )


def names_of(node: Node) -> list[str] | None:
    """The names of a tuple: (p, q)."""
    if isinstance(node, Bracket) and node.opening == "(" and len(node.items.items) > 1:
        names = [item.name if isinstance(item, Sym) else label_of(item) or "" for item in node.items.items]
        return names if all(names) and set(names) - CONSTANTS else None
    return None

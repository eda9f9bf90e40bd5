"""Names that an answer gives its value: the left sides of x = 5, f(x) = 2x, (p, q) = (3, 2), AB = 10."""

from __future__ import annotations

from empo_rewards.equivalence.math import nodes
from empo_rewards.equivalence.math.nodes import Node

CONSTANTS = frozenset({"e", "i", "π"})  # symbols that have a value already, and name none


def label_of(node: Node) -> str | None:  # noqa: PLR0911 - one return a kind of node
    """The name that a value is given: x, f(x), AB, |AB|, a : b, angle ABC; None for an expression."""
    match node:
        case nodes.Sym(name) | nodes.Word(name):
            return None if name in CONSTANTS else name
        case nodes.Call("abs", (inner,)) | nodes.Bracket("[", nodes.Listing((inner,))):
            marks, name = "||" if isinstance(node, nodes.Call) else "[]", label_of(inner) or ""
            return f"{marks[0]}{name}{marks[1]}" if len(name) > 1 else None
        case nodes.Call("derivative", (nodes.Product(((_, nodes.Sym("d")), (_, nodes.Sym(name)))), nodes.Product(by))):
            return {"t": f"dot {name}", "x": f"{name}'"}.get(str(by[-1][1][0]), str(node))
        case nodes.Call("derivative" | "max" | "min"):
            return str(node)
        case nodes.Proportion(parts):
            names = [label_of(part) or "" for part in parts]
            return ":".join(names) if all(names) else None
        case nodes.Product(factors):
            if (applied := _applied(node)) is not None:
                return f"{applied[0]}({','.join(map(_written, applied[1]))})"
            symbols = [factor.name for _, factor in factors if isinstance(factor, nodes.Sym)]
            if len(symbols) < len(factors) or {mark for mark, _ in factors[1:]} - {"", " "}:
                return None
            if symbols[0] == "Delta" and len(symbols) == 2:
                return "Delta " + symbols[1]
            if all(name[0].isupper() and name[1:2] in ("", "_") for name in symbols):
                return "".join(symbols)
    return None


def _applied(node: Node) -> tuple[str, tuple[Node, ...]] | None:
    """A letter and what it is applied to, symbols or numbers in brackets: f(x), P(A), T(12)."""
    match node:
        case nodes.Product(((_, nodes.Sym(name)), ("" | " ", nodes.Bracket("(" | "[", nodes.Listing(items))))):
            return (name, items) if all(map(_written, items)) else None
    return None


def _written(node: Node) -> str:
    """A symbol, a number, or a relation of such as text: x, 2, X=2; empty for any other expression."""
    match node:
        case nodes.Sym(text) | nodes.Num(text):
            return text
        case nodes.Comparing(operands, operators):
            parts = [_written(operand) for operand in operands]
            return "".join(map("".join, zip(parts, (*operators, ""), strict=True))) if all(parts) else ""
    return ""


def names_a_function(node: Node) -> bool:
    """f(x) and y name the same thing: the value of the function that is asked for."""
    name, items = _applied(node) or ("'", ())
    applied = "'" not in name and all(isinstance(item, nodes.Sym) for item in items)
    return applied or node in (nodes.Sym("y"), nodes.Sym("Y"))


def names_of(node: Node) -> list[str] | None:
    """The names of a tuple: (p, q)."""
    if isinstance(node, nodes.Bracket) and node.opening == "(" and len(node.items.items) > 1:
        names = [item.name if isinstance(item, nodes.Sym) else label_of(item) or "" for item in node.items.items]
        return names if all(names) and set(names) - CONSTANTS else None
    return None

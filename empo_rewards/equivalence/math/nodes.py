"""The syntax of an answer: what the parser makes of the tokens, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

Num = NamedTuple("Num", [("text", str)])
"""A number as written: digits with an optional point, exponent, or repeated part in brackets."""
Sym = NamedTuple("Sym", [("name", str)])
"""A symbol with its index and accents in its name."""
Word = NamedTuple("Word", [("text", str)])
"""Letters set as text within a formula."""
Signed = NamedTuple("Signed", [("sign", str), ("body", "Node")])
"""sign · body; the sign is one of + - ± ∓."""
Sum = NamedTuple("Sum", [("parts", "tuple[Signed, ...]")])
"""The sum of at least two signed parts."""
Product = NamedTuple("Product", [("factors", "tuple[tuple[str, Node], ...]")])
"""Factors, each with what stands before it: `*`, `/`, "" (side by side) or " " (side by side, spaced)."""
Power = NamedTuple("Power", [("base", "Node"), ("exponent", "Node")])
"""base ^ exponent."""
Call = NamedTuple("Call", [("name", str), ("args", "tuple[Node, ...]")])
"""A function of arguments."""
Postfix = NamedTuple("Postfix", [("mark", str), ("body", "Node")])
"""body followed by one of %, °, !, !!."""
Mixed = NamedTuple("Mixed", [("whole", str), ("numerator", str), ("denominator", str)])
"""A mixed number: whole, numerator, denominator."""
Based = NamedTuple("Based", [("digits", str), ("base", int)])
"""A number with the base that it is written in: 204_5."""
Bracket = NamedTuple("Bracket", [("opening", str), ("items", "Listing"), ("closing", str)])
"""Items in brackets, ( or [ on either side, or in braces, { for plain and \\{ for printed ones."""
Builder = NamedTuple("Builder", [("variable", "Node"), ("condition", "Listing")])
"""A set by its condition: {variable | condition}."""
Grid = NamedTuple("Grid", [("rows", "tuple[tuple[Node, ...], ...]"), ("environment", str)])
"""A matrix: rows of equally many entries; the environment's name."""
Combined = NamedTuple("Combined", [("operator", str), ("left", "Node"), ("right", "Node")])
"""Sets joined by one of ∪, ∩, ∖."""
Proportion = NamedTuple("Proportion", [("parts", "tuple[Node, ...]")])
"""a : b : ..."""
Comparing = NamedTuple("Comparing", [("operands", "tuple[Node, ...]"), ("operators", tuple[str, ...])])
"""operands[0] operators[0] operands[1] ..."""
Modular = NamedTuple("Modular", [("residue", "Node"), ("modulus", "Node"), ("left", "Node | None"), ("relations", int)])
"""residue (mod modulus), of what stands before ≡; `relations` counts its signs of relation."""
Quantity = NamedTuple("Quantity", [("body", "Node"), ("unit", tuple[tuple[str, int], ...])])
"""A value with its unit: powers of unit names, in canonical order."""
Qualified = NamedTuple("Qualified", [("body", "Node"), ("words", str)])
"""A value and the words that say of what it is one: $3000 at 10%."""
Compound = NamedTuple("Compound", [("parts", "tuple[Quantity, ...]")])
"""Quantities side by side: 3 hours 20 minutes."""
Span = NamedTuple("Span", [("low", "Node"), ("high", "Node")])
"""low to high: 3 to 5 days."""
Bound = NamedTuple("Bound", [("operator", str), ("body", "Node")])
"""A value with an order before it: > 5 years."""
ChoiceLetter = NamedTuple("ChoiceLetter", [("letter", str), ("body", "Node")])
"""A choice's letter and its value: (B) 5."""
Listing = NamedTuple("Listing", [("items", "tuple[Node, ...]"), ("separators", tuple[str, ...])])
"""Items side by side; separators[k] stands before item k + 1: one of `,`, `;`, `and`, `or`."""
Constant = NamedTuple("Constant", [("name", str)])
"""A named set or ∞ or ∅."""

Node: TypeAlias = (
    "Num | Sym | Word | Signed | Sum | Product | Power | Call | Postfix | Mixed | Based | Bracket | Builder | Grid | "
    "Combined | Proportion | Comparing | Modular | Quantity | Compound | "
    "Qualified | Span | Bound | ChoiceLetter | Listing | Constant"
)


def walk(node: Node) -> Iterator[Node]:
    """The node and all that are in it."""
    todo: list[Node] = [node]
    while todo:
        node = todo.pop()
        yield node
        todo.extend(part for part in node if isinstance(part, tuple))  # type: ignore[misc]  # nodes are tuples of nodes


def inside(node: Node) -> Node:
    """What brackets hold, however many, where it is one expression; [x] and {x} as functions of a symbol."""
    while isinstance(node, Bracket) and len(node.items.items) == 1:
        opening, (node,) = node.opening, node.items.items
        if opening != "(" and isinstance(node, Sym):
            return Call(opening, (node,))
    return node


def mentions(node: Node, name: Node) -> bool:
    """Whether a symbol occurs in an expression: x = 2x + 1 names nothing."""
    return any(part == name for part in walk(node))

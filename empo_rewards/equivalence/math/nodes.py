"""The syntax of an answer: what the parser makes of the tokens, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias


class Num(NamedTuple):
    """A number as written: digits with an optional point, exponent, or repeated part in brackets."""

    text: str


class Sym(NamedTuple):
    """A symbol with its index and accents in its name."""

    name: str


class Word(NamedTuple):
    """Letters set as text within a formula."""

    text: str


class Signed(NamedTuple):
    """sign · body; the sign is one of + - ± ∓."""

    sign: str
    body: Node


class Sum(NamedTuple):
    """The sum of at least two signed parts."""

    parts: tuple[Signed, ...]


class Product(NamedTuple):
    """Factors, each with what stands before it: `*`, `/`, "" (side by side) or " " (side by side, spaced)."""

    factors: tuple[tuple[str, Node], ...]


class Power(NamedTuple):
    """base ^ exponent."""

    base: Node
    exponent: Node


class Call(NamedTuple):
    """A function of arguments."""

    name: str
    args: tuple[Node, ...]


class Postfix(NamedTuple):
    """body followed by one of %, °, !, !!."""

    mark: str
    body: Node


class Mixed(NamedTuple):
    """A mixed number: whole, numerator, denominator."""

    whole: str
    numerator: str
    denominator: str


class Based(NamedTuple):
    """A number with the base that it is written in: 204_5."""

    digits: str
    base: int


class Bracket(NamedTuple):
    """Items in brackets, ( or [ on either side, or in braces, { for plain and \\{ for printed ones."""

    opening: str
    items: Listing
    closing: str


class Builder(NamedTuple):
    """A set by its condition: {variable | condition}."""

    variable: Node
    condition: Listing


class Grid(NamedTuple):
    """A matrix: rows of equally many entries; the environment's name."""

    rows: tuple[tuple[Node, ...], ...]
    environment: str


class Combined(NamedTuple):
    """Sets joined by one of ∪, ∩, ∖."""

    operator: str
    left: Node
    right: Node


class Proportion(NamedTuple):
    """a : b : ..."""

    parts: tuple[Node, ...]


class Comparing(NamedTuple):
    """operands[0] operators[0] operands[1] ..."""

    operands: tuple[Node, ...]
    operators: tuple[str, ...]


class Modular(NamedTuple):
    """residue (mod modulus), of what stands before ≡; `relations` counts its signs of relation."""

    residue: Node
    modulus: Node
    left: Node | None
    relations: int


class Quantity(NamedTuple):
    """A value with its unit: powers of unit names, in canonical order."""

    body: Node
    unit: tuple[tuple[str, int], ...]


class Qualified(NamedTuple):
    """A value and the words that say of what it is one: $3000 at 10%."""

    body: Node
    words: str


class Compound(NamedTuple):
    """Quantities side by side: 3 hours 20 minutes."""

    parts: tuple[Quantity, ...]


class Span(NamedTuple):
    """low to high: 3 to 5 days."""

    low: Node
    high: Node


class Bound(NamedTuple):
    """A value with an order before it: > 5 years."""

    operator: str
    body: Node


class ChoiceLetter(NamedTuple):
    """A choice's letter and its value: (B) 5."""

    letter: str
    body: Node


class Listing(NamedTuple):
    """Items side by side; separators[k] stands before item k + 1: one of `,`, `;`, `and`, `or`."""

    items: tuple[Node, ...]
    separators: tuple[str, ...]


class Constant(NamedTuple):
    """A named set or ∞ or ∅."""

    name: str


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

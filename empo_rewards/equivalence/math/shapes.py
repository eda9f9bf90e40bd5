"""What an answer can be beside a single exact value (`algebra.Value`): canonical forms, and their comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from fractions import Fraction
from functools import cmp_to_key, reduce
from itertools import chain
from operator import and_, ge, itemgetter, le, or_, sub
from typing import Any, Literal, NamedTuple, TypeAlias

from empo_rewards.equivalence.math import balls
from empo_rewards.equivalence.math.algebra import TooLarge, Value, atom, constant, spend
from empo_rewards.equivalence.math.lexer import Unreadable
from empo_rewards.equivalence.math.limits import MAX_INTERVALS, MAX_PAIRED
from empo_rewards.equivalence.math.refine import Judge

Items = NamedTuple("Items", [("counts", "frozenset[tuple[Shape, int]]")])
"""An unordered list without brackets: its elements with their counts."""
Ordered = NamedTuple("Ordered", [("elements", "tuple[Shape, ...]"), ("ends", str)])
"""A tuple, point, vector or interval. `ends` are its brackets where they tell it from others: two elements."""
SetOf = NamedTuple("SetOf", [("elements", "frozenset[Shape]")])
"""A finite set."""
Spans = NamedTuple("Spans", [("parts", "frozenset[Ordered]"), ("joined", str)])
"""A set of real numbers, as intervals joined by ∪. A bare pair in brackets is none: it may be a point."""
Equation = NamedTuple("Equation", [("operator", str), ("terms", Value)])
"""terms = 0, up to a factor; or terms < 0, terms <= 0 up to a positive factor; `symbols` say that it is one."""
Date = NamedTuple("Date", [("year", "int | None"), ("month", int), ("day", "int | None")])
"""A date; None for what it does not say."""
Chemical = NamedTuple("Chemical", [("text", str), ("atoms", frozenset[tuple[str, int]])])
"""A chemical formula, or a reaction: text in one spelling, and how many atoms of each element (by side) it has."""
Clock = NamedTuple("Clock", [("hours", int), ("minutes", int)])
"""A time of day."""
Text = NamedTuple("Text", [("words", str)])
"""Words: small letters, single spaces."""
Opaque = NamedTuple("Opaque", [("text", str)])
"""What the keys cannot read: its tokens. Equal texts are equal; nothing else is known."""


class Aligned(NamedTuple):
    """Parts that are compared each with its like; `frame` is what equal ones share."""

    kind: Literal["matrix", "named", "ratio", "range", "residues", "quantity"]
    parts: tuple[Shape, ...]
    """The entries of a matrix of at least two rows and columns, the number of rows as the frame; values in the order of
    their names, the frame; of a : b : ... the quotients of the later ones by the first; low and high of a range (3 to
    5 days, 1999–2003); a residue and the modulus (x ≡ 3 (mod 7), 3 + 7k with k an integer); a quantity in base units
    (3 hours and 20 minutes), its dimension as the frame."""
    frame: Hashable = None


Shape: TypeAlias = (
    "Value | Items | Ordered | SetOf | Aligned | Spans | Equation | Date | Chemical | Clock | Text | Opaque"
)

INFINITY = atom("∞")
MINUS_INFINITY = -INFINITY
EMPTY = SetOf(frozenset())
REALS = Spans(frozenset((Ordered((MINUS_INFINITY, INFINITY), "()"),)), "∪")


def items(elements: Iterable[Shape]) -> Items:
    """An unordered list."""
    return Items(frozenset(Counter(elements).items()))


def ordered(elements: tuple[Shape, ...], ends: str) -> Shape:
    """A tuple, or a pair that may be an interval; one that is for certain: half-open or infinite, with an open end."""
    if len(elements) == 2 and ends:
        ends = ("(" if elements[0] == MINUS_INFINITY else ends[0]) + (")" if elements[1] == INFINITY else ends[1])
    elif ends in ("()", "[]"):
        ends = ""
    sure = ends in ("[)", "(]") or not {INFINITY, MINUS_INFINITY}.isdisjoint(elements)
    return interval(Ordered(elements, ends)) if sure else Ordered(elements, ends)


def by_name(names: Iterable[str], values: Iterable[Shape]) -> Aligned:
    """Values by name: p = 3, q = 4."""
    given = dict(sorted(zip(names, values, strict=True), key=itemgetter(0)))
    return Aligned("named", tuple(given.values()), tuple(given))


def kind_of(shape: object) -> object:
    """What tells shapes of one kind from others."""
    if isinstance(shape, Items) and sum(isinstance(element, Equation) for element, _ in shape.counts) > 1:
        return "system"  # of equations: others may say the same together
    return shape.kind if isinstance(shape, Aligned) else type(shape)


def readings(shape: Shape) -> tuple[Shape, ...]:
    """The less decorated forms that say the same where nothing else in the set does: from named to ordered to bare."""
    found: list[Shape] = []
    match shape:
        case Spans(parts) if len(parts) == 1:
            found = [*parts]
        case Ordered((_, _) as pair, ""):
            found = [Ordered(pair, "()"), Ordered(pair, "[]"), items(pair)]
        case Ordered(elements, ends) if ends != "[]":
            found = [items(elements)]
        case Items(counts):
            bare: dict[Shape, Shape] = {
                each: ordered(each.parts, "()")
                for each, _ in counts
                if isinstance(each, Aligned) and each.kind == "named"
            }
            found = [items(bare.get(each, each) for each, count in counts for _ in range(count))]
        case SetOf(members):
            found = [x for x in members if kind_of(x) not in (SetOf, Spans)] if len(members) == 1 else [items(members)]
        case Aligned("ratio", (Value(rational=number),)) if number:
            found = [constant(1 / Fraction(number))]
    return tuple(reading for reading in found if reading != shape)


_INEXACT = frozenset({Opaque, Date, Chemical, Clock, "system", "range", "residues", "quantity"})
_COLLECTIONS = frozenset({Items, "system", SetOf, Spans, Ordered, "named"})
"""Kinds that stand for their parts, of which one may have an order that the other has not."""


def exact(shape: object) -> bool:
    """Whether another exact shape that is not equal to this one certainly means something else."""
    if isinstance(shape, Value):
        return shape.exact
    if kind_of(shape) in _INEXACT:
        return False
    return not isinstance(shape, (tuple, frozenset)) or all(map(exact, shape))


def compare(a: Shape, b: Shape, judge: Judge | None = None, *, decimal: bool = False) -> bool | None:  # noqa: PLR0911 - one a kind
    """Whether a and b are the same; None where it cannot be told. Symmetric.

    The values in them are compared by `judge`, with its tolerance where one answer has a `decimal` point.
    """
    judge = judge or Judge()
    if a == b:
        return True
    if isinstance(a, Text) or isinstance(b, Text):
        return False
    if isinstance(a, Opaque) or isinstance(b, Opaque):
        return None
    if isinstance(a, Ordered) != isinstance(b, Ordered):  # an interval, and a pair that may be one
        a, b = (next(iter(each.parts)) if isinstance(each, Spans) and len(each.parts) == 1 else each for each in (a, b))
    if isinstance(a, Value) and isinstance(b, Value):
        return judge.values(a, b, decimal=decimal)
    spend(10)
    (kind, parts, frame), (other, others, others_frame) = _parts(a), _parts(b)
    if kind == other and isinstance(a, (Ordered, Aligned)):
        if len(parts) != len(others) or (frame != others_frame and "" not in (frame, others_frame)):
            return False
        verdicts = [compare(x, y, judge, decimal=decimal) for x, y in zip(parts, others, strict=True)]
        verdict = False if False in verdicts else None if None in verdicts else True
        return None if verdict and frame != others_frame else verdict
    if kind == other == "system":
        return None
    if _COLLECTIONS.issuperset((kind, other)):
        if len(parts) != len(others) or len(parts) > MAX_PAIRED:
            return False if len(parts) != len(others) else None
        verdict = _paired([[compare(x, y, judge, decimal=decimal) for y in others] for x in parts])
        # ordered and unordered: `readings` says where one may stand for the other
        return False if verdict is not None and kind != other and {kind, other} != {Items, SetOf} else verdict
    return _others(a, b, judge)


def _parts(shape: Shape) -> tuple[object, Sequence[Shape], Hashable]:
    """The kind of a shape, the shapes that it holds, and what else two equal ones share."""
    if isinstance(shape, Aligned):
        return shape
    if isinstance(shape, Ordered):
        return Ordered, shape.elements, shape.ends
    if isinstance(shape, Items):
        return kind_of(shape), [element for element, count in shape.counts for _ in range(min(count, 64))], None
    return type(shape), list(shape[0]) if isinstance(shape, (SetOf, Spans)) else [], None


def _others(a: Shape, b: Shape, judge: Judge) -> bool | None:  # noqa: PLR0911 - one return a kind
    """Shapes of other kinds: different kinds are different things, but for those that stand for the same ones."""
    kinds, certain = {kind_of(a), kind_of(b)}, exact(a) and exact(b)
    if isinstance(b, Equation):
        a, b = b, a
    if isinstance(a, Equation) and isinstance(b, Equation):
        if a.operator != b.operator or certain:
            return False
        return judge.proportional(a.terms, b.terms, positive=a.operator != "=")
    if isinstance(a, Date) and isinstance(b, Date):
        return False if any(x != y and None not in (x, y) for x, y in zip(a, b, strict=True)) else None
    if isinstance(a, Chemical) and isinstance(b, Chemical):
        return None if a.atoms == b.atoms else False
    if "range" in kinds:
        return False if kinds & {Value, Date, Clock, "quantity"} else None
    if kinds & {"residues", "quantity", Chemical} or (Clock in kinds and len(kinds) > 1):
        return None
    if isinstance(a, Equation) and isinstance(b, Value) and a.operator == "=" and not certain:
        return judge.solved(a.terms, b)
    return None if kinds & {Equation, Spans, SetOf} and not certain else False


def _paired(verdicts: list[list[bool | None]]) -> bool | None:
    """Whether the members can be paired off as equal. False where one has no possible partner."""
    lines = (*verdicts, *zip(*verdicts, strict=True))
    if any(all(verdict is False for verdict in line) for line in lines):
        return False
    free = set(range(len(verdicts)))
    for row in verdicts:
        partner = next((k for k in sorted(free) if row[k] is True), None)
        if partner is None:
            return None if any(None in line for line in verdicts) else False
        free.remove(partner)
    return True


def outline(shape: Shape, judge: Judge) -> tuple[str, float, float] | None:
    """The kind of a shape, and bounds of a number that equal shapes of this kind share; None where there is none.

    One evaluation an answer tells most of a large group apart.
    """
    if isinstance(shape, Value):
        sign = (shape == INFINITY) - (shape == MINUS_INFINITY)
        bounds = (sign * 1e5, sign * 1e5) if sign else judge.enclosed(shape)
        return None if bounds is None else ("value", *bounds)
    kind, parts, _ = _parts(shape)
    low = high = size = 0.0
    for k, part in enumerate(parts):
        inner = outline(part, judge)
        if inner is None:
            return None
        weight = 1 + k / 3 if isinstance(shape, (Ordered, Aligned)) else 1.0
        low, high = low + weight * inner[1], high + weight * inner[2]
        size += weight * (abs(inner[1]) + abs(inner[2]))
    margin = size * len(parts) * 1e-12
    return (str(kind), low - margin, high + margin) if parts else None


# Sets of real numbers


class Unordered(Unreadable):
    """Which of two values is the greater cannot be told."""


def _order(a: Shape, b: Shape) -> int:
    """The sign of a - b, for exact real constants and ±∞; raises `Unordered` where it cannot be told."""
    if MINUS_INFINITY in (a, b) or INFINITY in (a, b):
        return -1 if a == MINUS_INFINITY or b == INFINITY else 1
    sign = balls.sign_of(a - b) if isinstance(a, Value) and isinstance(b, Value) else None
    if sign is None:
        raise Unordered
    return sign


def rising(low: Value, high: Value) -> Aligned | None:
    """From low to high, if that is upwards for certain."""
    return Aligned("range", (low, high)) if balls.sign_of(high - low) == 1 else None


def interval(shape: Shape) -> Shape:
    """A pair in brackets as the interval that it is for certain; other shapes as they are."""
    return Spans(frozenset((shape,)), "∪") if isinstance(shape, Ordered) and shape.ends else shape


def intervals(shape: Shape) -> list[Ordered]:
    """A set of real numbers as intervals, a point p as [p, p]; raises `Unreadable` for what is no such set."""
    if isinstance(shape, Spans):
        return list(shape.parts)
    if isinstance(shape, SetOf):
        return [Ordered((element, element), "[]") for element in shape.elements]
    if isinstance(shape, Ordered) and len(shape.elements) == 2 and shape.ends:
        return [shape]
    raise Unreadable


OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {"∪": or_, "∩": and_, "∖": sub, "⊆": le, "⊇": ge}
"""Operations of sets, by their signs."""


def combined(operation: str, *sets: list[Ordered]) -> Shape:
    """Sets of real numbers joined by ∪, ∩ or ∖, as few intervals.

    The line is cut at the ends of the intervals: cell 2k is the value k, cell 2k + 1 what lies between it and the next.
    Where the order of the ends cannot be told, a union is left as it is, the intersection of (a, ∞) and (-∞, b) is
    taken for (a, b), and else `Unordered` is raised.
    """
    parts = list(chain(*sets))
    if len(parts) > MAX_INTERVALS:
        raise TooLarge
    values = list(dict.fromkeys(value for part in parts for value in part.elements))
    try:
        values.sort(key=cmp_to_key(_order))
    except Unordered:
        if operation == "∪":
            return Spans(frozenset(parts), "∪")
        if operation == "∩" and len(parts) == len(sets) == 2:
            for above, below in (parts, parts[::-1]):
                if above.elements[1] == INFINITY and below.elements[0] == MINUS_INFINITY:
                    return interval(Ordered((above.elements[0], below.elements[1]), above.ends[0] + below.ends[1]))
        raise
    rank = {value: 2 * k for k, value in enumerate(values)}

    def cells(some: list[Ordered]) -> set[int]:
        spans = (range(rank[low] + (ends[0] == "("), rank[high] + (ends[1] == "]")) for (low, high), ends in some)
        return set(chain(*spans))

    found = reduce(OPERATIONS[operation], map(cells, sets))
    firsts, lasts = (sorted(cell for cell in found if cell + step not in found) for step in (-1, 1))
    merged = [
        Ordered((values[first // 2], values[(last + 1) // 2]), "[("[first % 2] + "])"[last % 2])
        for first, last in zip(firsts, lasts, strict=True)
    ]
    if all(low == high for (low, high), _ in merged):
        return SetOf(frozenset(low for (low, _), _ in merged))
    return Spans(frozenset(merged), "∪")

"""What an answer can be beside a single exact value (`algebra.Value`): canonical forms, and their comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import cmp_to_key
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from empo_rewards.equivalence.math import balls
from empo_rewards.equivalence.math.algebra import TooLarge, Value, atom, constant, spend
from empo_rewards.equivalence.math.limits import MAX_INTERVALS, MAX_PAIRED
from empo_rewards.equivalence.math.refine import Judge
from empo_rewards.equivalence.math.units import Unit


class Items(NamedTuple):
    """An unordered list without brackets: its elements with their counts."""

    counts: frozenset[tuple[Shape, int]]


class Ordered(NamedTuple):
    """A tuple, point, vector or interval. `ends` are its brackets where they tell it from others: two elements."""

    elements: tuple[Shape, ...]
    ends: str


class SetOf(NamedTuple):
    """A finite set."""

    elements: frozenset[Shape]


class Named(NamedTuple):
    """Values by name: p = 3, q = 4."""

    values: frozenset[tuple[str, Shape]]


class Spans(NamedTuple):
    """A union of two or more intervals."""

    parts: frozenset[Ordered]


class Matrix(NamedTuple):
    """A matrix with at least two rows and two columns."""

    rows: tuple[tuple[Value, ...], ...]


class Equation(NamedTuple):
    """terms = 0, up to a factor; or terms < 0, terms <= 0 up to a positive factor; `symbols` say that it is one."""

    operator: str
    terms: Value


class Ratio(NamedTuple):
    """a : b : ... as the quotients of the later parts by the first."""

    quotients: tuple[Value, ...]


class Range(NamedTuple):
    """From low to high: 3 to 5 days, 1999–2003."""

    low: Value
    high: Value


class Congruence(NamedTuple):
    """What leaves the residue modulo the modulus: x ≡ 3 (mod 7), 3 + 7k with k an integer."""

    residue: Value
    modulus: Value


class Measure(NamedTuple):
    """A quantity in the base units of its dimension: 3 hours and 20 minutes."""

    value: Value
    dimension: Unit


class Date(NamedTuple):
    """A date; None for what it does not say."""

    year: int | None
    month: int
    day: int | None


class Chemical(NamedTuple):
    """A chemical formula, or a reaction: text in one spelling, and how many atoms of each element (by side) it has."""

    text: str
    atoms: frozenset[tuple[str, int]]


class Clock(NamedTuple):
    """A time of day."""

    hours: int
    minutes: int


class Text(NamedTuple):
    """Words: small letters, single spaces."""

    words: str


class Opaque(NamedTuple):
    """What the keys cannot read: its tokens. Equal texts are equal; nothing else is known."""

    text: str


Shape: TypeAlias = (
    "Value | Items | Ordered | SetOf | Named | Spans | Matrix | Equation | Ratio | Range | Congruence | "
    "Measure | Date | Chemical | Clock | Text | Opaque"
)

INFINITY = atom("∞")
MINUS_INFINITY = -INFINITY
EMPTY = SetOf(frozenset())
REALS = Ordered((MINUS_INFINITY, INFINITY), "()")


def items(elements: Iterable[Shape]) -> Items:
    """An unordered list."""
    return Items(frozenset(Counter(elements).items()))


def ordered(elements: tuple[Shape, ...], ends: str) -> Ordered:
    """A tuple or interval; an infinite end is open, and brackets tell apart only pairs and half-open ones."""
    if len(elements) == 2 and ends:
        ends = ("(" if elements[0] == MINUS_INFINITY else ends[0]) + (")" if elements[1] == INFINITY else ends[1])
    elif ends in ("()", "[]"):
        ends = ""
    return Ordered(elements, ends)


def readings(shape: Shape) -> tuple[Shape, ...]:
    """The less decorated forms that say the same where nothing else in the set does: from named to ordered to bare."""
    found: list[Shape] = []
    if isinstance(shape, Ordered):
        if shape.ends:
            found.append(Ordered(shape.elements, ""))
        found.append(items(shape.elements))
    elif isinstance(shape, SetOf):
        found.append(next(iter(shape.elements)) if len(shape.elements) == 1 else items(shape.elements))
    elif isinstance(shape, Ratio) and len(shape.quotients) == 1:
        inverse = shape.quotients[0].rational
        if inverse:
            found.append(constant(1 / Fraction(inverse)))
    return tuple(reading for reading in found if reading != shape)


_INEXACT = (Opaque, Range, Congruence, Measure, Date, Chemical, Clock)


def exact(shape: object) -> bool:
    """Whether another exact shape that is not equal to this one certainly means something else."""
    if isinstance(shape, Value):
        return shape.exact
    if isinstance(shape, _INEXACT) or is_system(shape):
        return False
    return not isinstance(shape, (tuple, frozenset)) or all(map(exact, shape))


def is_system(shape: object) -> bool:
    """Whether it holds several equations: others may say the same together."""
    return isinstance(shape, Items) and sum(isinstance(element, Equation) for element, _ in shape.counts) > 1


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
    if isinstance(a, Value) and isinstance(b, Value):
        return judge.values(a, b, decimal=decimal)
    spend(10)
    if type(a) is type(b) and (aligned := _aligned(a)) is not None:
        (frame, parts), (other, others) = aligned, _aligned(b) or aligned
        ends = {shape.ends for shape in (a, b) if isinstance(shape, Ordered)}
        if frame != other or len(parts) != len(others) or len(ends - {""}) > 1:
            return False
        verdict = _all(compare(x, y, judge, decimal=decimal) for x, y in zip(parts, others, strict=True))
        return None if verdict and len(ends) > 1 else verdict
    if is_system(a) and is_system(b):
        return None
    left, right = _members(a), _members(b)
    if left is not None and right is not None:
        if len(left) != len(right) or len(left) > MAX_PAIRED:
            return False if len(left) != len(right) else None
        verdict = _paired([[compare(x, y, judge, decimal=decimal) for y in right] for x in left])
        # ordered and unordered: `readings` says where one may stand for the other
        return False if verdict is not None and type(a) is not type(b) else verdict
    return _others(a, b, judge)


def _aligned(shape: Shape) -> tuple[object, Sequence[Shape]] | None:  # noqa: PLR0911 - one return a kind
    """What two shapes of one kind must share, and their parts, each compared with its like; None for other kinds."""
    if isinstance(shape, Ordered):
        return None, shape.elements
    if isinstance(shape, Matrix):
        return len(shape.rows), [entry for row in shape.rows for entry in row]
    if isinstance(shape, Ratio):
        return None, shape.quotients
    if isinstance(shape, (Range, Congruence)):
        return None, shape
    if isinstance(shape, Measure):
        return shape.dimension, (shape.value,)
    if isinstance(shape, Named):
        values = dict(shape.values)
        return values.keys(), [values[name] for name in sorted(values)]
    return None


def _others(a: Shape, b: Shape, judge: Judge) -> bool | None:  # noqa: PLR0911 - one return a kind
    """Shapes of other kinds: different kinds are different things, but for those that stand for the same ones."""
    kinds, certain = {type(a), type(b)}, exact(a) and exact(b)
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
    if Range in kinds:
        return False if kinds & {Value, Date, Clock, Measure} else None
    if kinds & {Congruence, Measure, Chemical}:
        return None
    if isinstance(a, Equation) and isinstance(b, Value) and a.operator == "=" and not certain:
        return judge.solved(a.terms, b)
    if kinds & {Equation, Spans, SetOf}:
        return False if certain else None
    return None if Clock in kinds and len(kinds) > 1 else False


def _members(shape: Shape) -> list[Shape] | None:
    """The parts of a collection; None for what is none."""
    if isinstance(shape, Items):
        return [element for element, count in shape.counts for _ in range(min(count, 64))]
    if isinstance(shape, (SetOf, Spans)):
        return list(shape.elements if isinstance(shape, SetOf) else shape.parts)
    if isinstance(shape, Ordered):
        return list(shape.elements)
    return [element for _, element in shape.values] if isinstance(shape, Named) else None


def _paired(verdicts: list[list[bool | None]]) -> bool | None:
    """Whether the members can be paired off as equal. False where one has no possible partner."""
    columns = list(zip(*verdicts, strict=True))
    if any(all(v is False for v in line) for line in (*verdicts, *columns)):
        return False
    free = set(range(len(columns)))
    for row in verdicts:
        partner = next((k for k in sorted(free) if row[k] is True), None)
        if partner is None:
            return None if any(None in line for line in verdicts) else False
        free.remove(partner)
    return True


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    """True where all are, False where one is, else None."""
    found = list(verdicts)
    return False if False in found else None if None in found else True


def outline(shape: Shape, judge: Judge) -> tuple[str, float, float] | None:
    """The kind of a shape, and bounds of a number that equal shapes of this kind share; None where there is none.

    One evaluation an answer tells most of a large group apart.
    """
    if isinstance(shape, Value):
        sign = (shape == INFINITY) - (shape == MINUS_INFINITY)
        bounds = (sign * 1e5, sign * 1e5) if sign else judge.enclosed(shape)
        return None if bounds is None else ("value", *bounds)
    parts = [shape.low, shape.high] if isinstance(shape, Range) else _members(shape)
    if parts is None or isinstance(shape, Named):
        return None
    low = high = 0.0
    for k, part in enumerate(parts):
        inner = outline(part, judge)
        if inner is None:
            return None
        weight = 1 + k / 3 if isinstance(shape, (Ordered, Range)) else 1.0
        low, high = low + weight * inner[1], high + weight * inner[2]
        margin = (abs(low) + abs(high) + abs(inner[1]) + abs(inner[2])) * 1e-12
        low, high = low - margin, high + margin
    return type(shape).__name__, low, high


# Sets of real numbers


class _Unordered(Exception):  # noqa: N818 - not an error: it leaves a set as it is written
    """Which of two values is the greater cannot be told."""


def order(a: Shape, b: Shape) -> int:
    """The sign of a - b, for exact real constants and ±∞; raises `_Unordered` where it cannot be told."""
    if a == b:
        return 0
    if MINUS_INFINITY in (a, b) or INFINITY in (a, b):
        return -1 if a == MINUS_INFINITY or b == INFINITY else 1
    if not (isinstance(a, Value) and isinstance(b, Value)):
        raise _Unordered
    x, y = a.rational, b.rational
    if x is not None and y is not None:
        return (x > y) - (x < y)
    sign = balls.sign_of(a - b)
    if sign is None:
        raise _Unordered
    return sign


def before(a: Shape, b: Shape) -> bool:
    """Whether a < b for certain."""
    try:
        return order(a, b) < 0
    except _Unordered:
        return False


def intervals(shape: Shape) -> list[Ordered] | None:
    """A set of real numbers as intervals, a point p as [p, p]; None for what is no such set."""
    if isinstance(shape, Spans):
        return list(shape.parts)
    if isinstance(shape, Ordered) and len(shape.elements) == 2 and shape.ends:
        return [shape]
    if isinstance(shape, SetOf):
        return [Ordered((element, element), "[]") for element in shape.elements]
    return None


def union(parts: list[Ordered]) -> Shape:
    """The union of intervals, merged where they meet; as it is where their order cannot be told."""
    found = _combined([parts], all)
    return found or (Spans(frozenset(parts)) if len(parts) > 1 else parts[0])


def intersection(*sets: list[Ordered]) -> Shape | None:
    """The common part of unions of intervals; None where the order of their ends cannot be told."""
    return _combined(sets, all)


def complement(points: Iterable[Shape]) -> Shape:
    """The real numbers without some points."""
    without = _combined([[REALS], [Ordered((point, point), "[]") for point in points]], lambda inside: inside == [1, 0])
    if without is None:
        raise TooLarge
    return without


def _combined(sets: Sequence[list[Ordered]], kept: Callable[[list[bool]], bool]) -> Shape | None:
    """What is `kept` of the real line, by which of the sets it lies in; None where the order of ends cannot be told.

    An end is a cut of the line just before its value or just after it: [a, b) reaches from the cut before a to the
    cut before b. Between two cuts that are neighbours nothing changes.
    """
    if sum(map(len, sets)) > MAX_INTERVALS:
        raise TooLarge
    values = list(dict.fromkeys(value for parts in sets for part in parts for value in part.elements))
    try:
        values.sort(key=cmp_to_key(order))
    except _Unordered:
        return None
    rank = {value: 2 * k for k, value in enumerate(values)}
    spans = [
        [(rank[low] + (ends[0] == "("), rank[high] + (ends[1] == "]")) for (low, high), ends in parts] for parts in sets
    ]
    found: list[tuple[int, int]] = []
    for start, stop in pairwise(sorted({cut for parts in spans for span in parts for cut in span})):
        if kept([any(low <= start < high for low, high in parts) for parts in spans]):
            found = [*found[:-1], (found[-1][0], stop)] if found and found[-1][1] == start else [*found, (start, stop)]
    merged = [Ordered((values[low // 2], values[high // 2]), "[("[low % 2] + ")]"[high % 2]) for low, high in found]
    if all(low == high for (low, high), _ in merged):
        return SetOf(frozenset(low for (low, _), _ in merged))
    return merged[0] if len(merged) == 1 else Spans(frozenset(merged))

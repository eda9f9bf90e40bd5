"""What an answer can be beside a single exact value (`algebra.Value`): canonical forms, and their comparison."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from empo_rewards.equivalence.math import balls
from empo_rewards.equivalence.math.algebra import Rational, TooLarge, Value, atom, constant, spend
from empo_rewards.equivalence.math.limits import MAX_INTERVALS, MAX_PAIRED
from empo_rewards.equivalence.math.refine import Judge
from empo_rewards.equivalence.math.units import Unit


class Long(NamedTuple):
    """A number with more digits than an int is made from: sign · 0.digits · 10^exponent, without outer zeros."""

    sign: int
    digits: str
    exponent: int


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
    "Value | Long | Items | Ordered | SetOf | Named | Spans | Matrix | Equation | Ratio | Range | Congruence | "
    "Measure | Date | Chemical | Clock | Text | Opaque"
)

INFINITY = atom("∞")
MINUS_INFINITY = -INFINITY
EMPTY = SetOf(frozenset())
REALS = Ordered((MINUS_INFINITY, INFINITY), "()")


def items(elements: Iterable[Shape]) -> Items:
    """An unordered list."""
    counts: dict[Shape, int] = {}
    for element in elements:
        counts[element] = counts.get(element, 0) + 1
    return Items(frozenset(counts.items()))


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


def exact(shape: Shape) -> bool:  # noqa: PLR0911 - one return a kind of shape
    """Whether another exact shape that is not equal to this one certainly means something else."""
    if isinstance(shape, Value):
        return shape.exact
    if isinstance(shape, Ordered):
        return all(map(exact, shape.elements))
    if isinstance(shape, SetOf):
        return all(map(exact, shape.elements))
    if isinstance(shape, Items):
        return not is_system(shape) and all(exact(element) for element, _ in shape.counts)
    if isinstance(shape, Named):
        return all(exact(element) for _, element in shape.values)
    if isinstance(shape, Spans):
        return all(map(exact, shape.parts))
    if isinstance(shape, Matrix):
        return all(entry.exact for row in shape.rows for entry in row)
    if isinstance(shape, Equation):
        return shape.terms.exact
    if isinstance(shape, Ratio):
        return all(q.exact for q in shape.quotients)
    return isinstance(shape, (Long, Text))


def is_system(shape: Shape) -> bool:
    """Whether it holds several equations: others may say the same together."""
    return isinstance(shape, Items) and sum(isinstance(element, Equation) for element, _ in shape.counts) > 1


def compare(a: Shape, b: Shape, judge: Judge | None = None, *, decimal: bool = False) -> bool | None:  # noqa: PLR0911, PLR0912 - one a kind
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

    def each(pairs: Iterable[tuple[Shape, Shape]]) -> bool | None:
        return _all(compare(x, y, judge, decimal=decimal) for x, y in pairs)

    if isinstance(a, Ordered) and isinstance(b, Ordered):
        if len(a.elements) != len(b.elements) or (a.ends and b.ends and a.ends != b.ends):
            return False
        verdict = each(zip(a.elements, b.elements, strict=True))
        return None if verdict and a.ends != b.ends else verdict
    if isinstance(a, Matrix) and isinstance(b, Matrix):
        if len(a.rows) != len(b.rows) or len(a.rows[0]) != len(b.rows[0]):
            return False
        return each((x, y) for rows in zip(a.rows, b.rows, strict=True) for x, y in zip(*rows, strict=True))
    if isinstance(a, Ratio) and isinstance(b, Ratio):
        return len(a.quotients) == len(b.quotients) and each(zip(a.quotients, b.quotients, strict=True))
    if (isinstance(a, Range) and isinstance(b, Range)) or (isinstance(a, Congruence) and isinstance(b, Congruence)):
        return each(zip(a, b, strict=True))
    if isinstance(a, Measure) and isinstance(b, Measure):
        return a.dimension == b.dimension and compare(a.value, b.value, judge, decimal=decimal)
    if isinstance(a, Named) and isinstance(b, Named):
        names, others = dict(a.values), dict(b.values)
        return names.keys() == others.keys() and each((names[name], others[name]) for name in names)
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


def _others(a: Shape, b: Shape, judge: Judge) -> bool | None:  # noqa: PLR0911 - one return a kind
    """Shapes of other kinds: different kinds are different things, but for those that stand for the same ones."""
    if isinstance(a, Equation) and isinstance(b, Equation):
        if a.operator != b.operator or (exact(a) and exact(b)):
            return False
        return judge.proportional(a.terms, b.terms, positive=a.operator != "=")
    kinds = {type(a), type(b)}
    if isinstance(a, Date) and isinstance(b, Date):
        return False if any(x != y and None not in (x, y) for x, y in zip(a, b, strict=True)) else None
    if isinstance(a, Chemical) and isinstance(b, Chemical):
        return None if a.atoms == b.atoms else False
    if Range in kinds:
        return False if kinds & {Value, Date, Clock, Measure} else None
    if kinds & {Congruence, Measure, Chemical}:
        return None
    if isinstance(b, Equation):
        a, b = b, a
    if isinstance(a, Equation) and isinstance(b, Value) and a.operator == "=" and not (exact(a) and exact(b)):
        return judge.solved(a.terms, b)
    if Equation in (type(a), type(b)) or Spans in (type(a), type(b)) or SetOf in (type(a), type(b)):
        return False if exact(a) and exact(b) else None
    if Clock in (type(a), type(b)):
        return False if type(a) is type(b) else None
    return False


def _members(shape: Shape) -> list[Shape] | None:
    if isinstance(shape, Items):
        return [element for element, count in shape.counts for _ in range(min(count, 64))]
    if isinstance(shape, (SetOf, Spans)):
        return list(shape.elements if isinstance(shape, SetOf) else shape.parts)
    if isinstance(shape, Ordered):
        return list(shape.elements)
    if isinstance(shape, Named):
        return [element for _, element in shape.values]
    return None


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
    parts: Iterable[tuple[float, Shape]]
    if isinstance(shape, (Ordered, Range)):
        elements = shape.elements if isinstance(shape, Ordered) else (shape.low, shape.high)
        parts = ((1 + k / 3, element) for k, element in enumerate(elements))
    elif isinstance(shape, (Items, SetOf, Spans)):
        parts = ((1.0, element) for element in _members(shape) or ())
    else:
        return None
    low = high = 0.0
    for weight, part in parts:
        inner = outline(part, judge)
        if inner is None:
            return None
        low, high = low + weight * inner[1], high + weight * inner[2]
        margin = (abs(low) + abs(high) + abs(inner[1]) + abs(inner[2])) * 1e-12
        low, high = low - margin, high + margin
    return type(shape).__name__, low, high


# Unions of intervals


def before(a: Shape, b: Shape) -> bool | None:
    """Whether a < b, for exact real constants and ±∞; None where it cannot be told. Equal ones are not."""
    if a == b:
        return False
    if a == MINUS_INFINITY or b == INFINITY:
        return True
    if b == MINUS_INFINITY or a == INFINITY:
        return False
    if not (isinstance(a, Value) and isinstance(b, Value)):
        return None
    x, y = a.rational, b.rational
    if x is not None and y is not None:
        return x < y
    sign = balls.sign_of(a - b)
    return None if sign is None else sign < 0


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
    """The union of intervals: sorted, merged where they meet; as it is where their order cannot be told."""
    if len(parts) > MAX_INTERVALS:
        raise TooLarge
    merged: list[Ordered] = []
    rest = list(dict.fromkeys(parts))
    while rest:
        first = rest[0]
        for other in rest[1:]:
            earlier = before(other.elements[0], first.elements[0])
            if earlier is None:
                return Spans(frozenset(parts)) if len(parts) > 1 else parts[0]
            if earlier or (other.elements[0] == first.elements[0] and other.ends[0] == "[" != first.ends[0]):
                first = other
        rest.remove(first)
        if merged:
            joined = _joined(merged[-1], first)
            if joined is None:
                return Spans(frozenset(parts))
            merged[-1:] = joined
        else:
            merged.append(first)
    if all(part.elements[0] == part.elements[1] for part in merged):
        return SetOf(frozenset(part.elements[0] for part in merged))
    return merged[0] if len(merged) == 1 else Spans(frozenset(merged))


def _joined(a: Ordered, b: Ordered) -> list[Ordered] | None:
    """a ∪ b for a that begins first, as one interval or two."""
    (low, high), (start, end) = a.elements, b.elements
    if high == start:
        if a.ends[1] == ")" and b.ends[0] == "(":
            return [a, b]
    else:
        apart = before(high, start)
        if apart is None:
            return None
        if apart:
            return [a, b]
    further = before(high, end)
    if further is None:
        return None
    if high == end:
        return [Ordered((low, high), a.ends[0] + ("]" if "]" in (a.ends[1], b.ends[1]) else ")"))]
    return [Ordered((low, end), a.ends[0] + b.ends[1])] if further else [a]


def intersection(left: list[Ordered], right: list[Ordered]) -> Shape | None:
    """The common part of two unions of intervals; None where the order of their ends cannot be told."""
    if len(left) * len(right) > 2 * MAX_INTERVALS:
        raise TooLarge
    found: list[Ordered] = []
    for a in left:
        for b in right:
            low = _inner(a.elements[0], b.elements[0], a.ends[0], b.ends[0], low=True)
            high = _inner(a.elements[1], b.elements[1], a.ends[1], b.ends[1], low=False)
            if low is None or high is None:
                return None
            if low[0] == high[0]:
                if low[1] + high[1] == "[]":
                    found.append(Ordered((low[0], high[0]), "[]"))
                continue
            proper = before(low[0], high[0])
            if proper is None:
                return None
            if proper:
                found.append(Ordered((low[0], high[0]), low[1] + high[1]))
    return union(found) if found else EMPTY


def _inner(a: Shape, b: Shape, a_end: str, b_end: str, *, low: bool) -> tuple[Shape, str] | None:
    if a == b:
        return a, a_end if a_end in "()" else b_end
    first = before(a, b)
    if first is None:
        return None
    return (b, b_end) if first == low else (a, a_end)


def complement(points: Iterable[Shape]) -> Shape:
    """The real numbers without some points."""
    result: Shape = REALS
    for count, point in enumerate(points):
        if count >= MAX_INTERVALS // 2:
            raise TooLarge
        halves = [ordered((MINUS_INFINITY, point), "()"), ordered((point, INFINITY), "()")]
        current = intervals(result)
        if current is None:
            return result
        cut = intersection(current, halves)
        if cut is None:
            raise TooLarge
        result = cut
    return result


def number_of(text: str) -> Rational:
    """A decimal with an optional exponent or repeated part as an exact number; the caller bounds its digits."""
    if text.isdigit():
        return int(text)
    if "(" in text:
        whole, repeated = text[:-1].split("(")
        integer, _, decimals = whole.partition(".")
        scale = 10 ** len(decimals)
        fixed = Fraction(int(integer + decimals or "0"), scale)
        total = fixed + Fraction(int(repeated), scale * (10 ** len(repeated) - 1))
    else:
        total = Fraction(text)
    return total.numerator if total.denominator == 1 else total

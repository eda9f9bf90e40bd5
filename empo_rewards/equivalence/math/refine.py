"""Whether two values are equal, where their canonical forms do not tell: by enclosures at points.

Disjoint enclosures prove a difference. Equality is proved for algebraic numbers by a separation bound; other constants
are equal where they agree to more bits than their own numbers can hide. Expressions with symbols are equal where they
agree at points over the cells of signs and the scales of their own constants, and nothing is left that points cannot
see: every branch of every |x| was taken at a point where the two agree; between any two places where a branch
may change lies a point, along each symbol; and there is no step (floor, mod), which is never confirmed by points.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Set
from fractions import Fraction
from functools import lru_cache, partial
from itertools import islice, pairwise, product, repeat
from operator import or_, truediv
from typing import NamedTuple

from empo_rewards.equivalence.math import algebra, balls
from empo_rewards.equivalence.math.algebra import Atom, Budget, Func, Rational, TooLarge, Value, spend
from empo_rewards.equivalence.math.balls import Ball, Loose, NoValue, Unknown, at_precision, log2_of
from empo_rewards.equivalence.math.limits import MAX_REFINING, MAX_WORK, PRECISIONS
from empo_rewards.equivalence.math.table import TABLE

AGREEING_POINTS = 4  # at which two expressions must agree, at least, to count as equal
MAX_CELLS = 16  # cells of signs that are looked at, of 2^n for n symbols
MAX_CONDITIONS = 12  # places of two expressions where a branch may change that may be confirmed
MAX_BLIND = 12  # points at which nothing could be said, after which no more are tried
MAX_PROVED = 1 << 40  # degree past which no ball is narrow enough for a proof, but that of an exact zero
SPARE_BITS = 64  # to which values agree that are no proof, beyond the bits that their own numbers can hide

Point = Mapping[str, Rational]


class Traits(NamedTuple):
    """What decides where an expression is looked at. All are sets, so that those of two expressions are joined by |."""

    names: Set[str]  # its symbols
    functions: set[str]  # those in it that the table does not have: what they are is not said
    marks: set[str]  # "dark": it holds what nothing encloses, "integer": it is meant for integers, "imaginary", "step"
    sizes: set[int]  # those of its constants, as powers of 2 from -64 to 64; and 0
    branches: set[tuple[Atom, int]]  # each |x| and sgn with the branches that must be seen
    conditions: set[Value]  # sums that are zero where a branch may change

    def note(self, name: Atom, exponent: Rational) -> None:
        """Adds what a power of an atom says."""
        if not isinstance(name, Func):
            self.marks.update(["imaginary"] if name == algebra.I else [])
            return
        row, argument = TABLE.get(name.name), name.args[0] if name.args else algebra.ZERO
        signed = row is not None and row.branches == "sign" and bool(argument.symbols)
        if signed:
            self.branches.update(((name, 1), (name, -1)))
        root = name.name == algebra.ROOT and exponent.denominator % 2 == 0
        if (signed or root) and argument.symbols and not algebra.is_positive(argument):
            self.conditions.update(Value(terms) for terms in (argument.terms, argument.over) if terms)
        if row is not None:
            told = {"dark": not (row.flint or row.rule), "integer": row.integer, "step": row.branches == "step"}
        else:
            sign = name.name == algebra.POWER and argument.rational == -1  # (-1)^n; i^n is (-1)^(n/2)
            told = {"dark": " " in name.name, "integer": sign, "imaginary": sign and exponent.denominator % 2 == 0}
            self.functions.update({name.name} - {algebra.ROOT, algebra.POWER})
        self.marks.update(mark for mark, holds in told.items() if holds)


def traits_of(value: Value) -> Traits:
    """The traits of an expression."""
    traits = Traits(value.symbols, set(), set(), {0}, set(), set())
    todo, seen = [value], {value}
    while todo:
        inner = todo.pop()
        spend(len(inner.terms))
        for monomial, coefficient in (*inner.terms.items(), *(inner.over or {}).items()):
            size = abs(coefficient.numerator).bit_length() - coefficient.denominator.bit_length()
            traits.sizes.add(max(-64, min(size, 64)))
            for name, exponent in monomial:
                traits.note(name, exponent)
                new = [part for part in algebra.parts_of(name) if part not in seen]
                seen.update(new)
                todo.extend(new)
    return traits


# Points


def points(traits: Traits) -> Iterator[Point]:
    """Where expressions are looked at: cells of signs at several scales, both sides of branches, then integers."""
    names = sorted(traits.names)
    if "integer" not in traits.marks:
        cells = list(islice(product((1, -1), repeat=len(names)), MAX_CELLS))
        for scale in dict.fromkeys((0, -4, 1, max(traits.sizes) + 3, min(traits.sizes) - 3)):
            for signs in cells:
                yield dict(zip(names, map(_coordinate, names, repeat(scale), signs), strict=True))
        for base in ({name: _coordinate(name, 0, sign) for name in names} for sign in (1, -1)):
            for name in names if len(traits.conditions) <= MAX_CONDITIONS else ():
                yield from _between(traits.conditions, base, name)
    for high, k in product((6, 12, 30, 90), range(2)):
        yield {name: math.ceil(high * balls.generic(name, high + k)) for name in names}


@lru_cache(maxsize=1024)
def _coordinate(name: str, scale: int, sign: int) -> Fraction:
    """A number for a name, of about the size 2^scale."""
    spread = 3 if 2 * balls.generic(name, 1000 + scale) > 1 else 1
    return sign * spread * (balls.generic(name, scale) + Fraction(1, 3)) * Fraction(2) ** scale


def _between(conditions: Set[Value], base: Point, name: str) -> Iterator[Point]:
    """Points along one symbol: one between any two neighbouring zeros of the conditions, and one beyond them."""
    zeros: set[Fraction] = set()
    for condition in conditions:
        zeros |= _zeros(condition, base, name) or set()
    if zeros:
        ordered = sorted(zeros)
        width = 1 + ordered[-1] - ordered[0]
        ends = [ordered[0] - width, *ordered, ordered[-1] + width]
        for low, high in pairwise(ends):
            yield {**base, name: low + (high - low) * (1 + balls.generic(name, 7)) / 3}


def _zeros(polynomial: Value, base: Point, name: str) -> set[Fraction] | None:
    """The real zeros of a polynomial of degree two at most, 0 aside, in one symbol; None where it is none."""
    numbers = {algebra.PI: math.pi, algebra.E: math.e, **base, name: 1}
    coefficients: defaultdict[int, Fraction] = defaultdict(Fraction)
    for monomial, coefficient in polynomial.terms.items():
        value, degree = Fraction(coefficient), 0
        for inner, exponent in monomial:
            number = numbers.get(inner) if isinstance(inner, str) else inner
            integral = isinstance(inner, int) or exponent.denominator == 1
            if number is None or isinstance(number, Func) or not integral or not -64 <= exponent <= 64:
                return None
            degree += int(exponent) if inner == name else 0
            value *= Fraction(Fraction(number) ** exponent)
        coefficients[degree] += value
    lowest = min(coefficients)
    found = {Fraction(0)} if lowest else set()
    if max(coefficients) > lowest + 2:
        return None
    c, b, a = (coefficients[lowest + k] for k in range(3))
    if not a:
        return found | ({-c / b} if b else set())
    discriminant = b * b - 4 * a * c
    if discriminant >= 0:
        top, bottom = discriminant.as_integer_ratio()
        root = Fraction(math.isqrt(top * bottom << 256), bottom << 128)  # to 128 bits, or exact
        found |= {(-b - root) / (2 * a), (-b + root) / (2 * a)}
    return found


# Comparison


class PointSample(NamedTuple):
    """A value at a point: its ball, the roots and the branches that it took (`Evaluator`), the precision."""

    ball: Ball
    degrees: Mapping[Hashable, int]
    picks: Mapping[Atom, int]
    precision: int


class Judge:
    """Compares the values of one group, each evaluated once a point, within one budget."""

    def __init__(self, tolerance: float | None = None) -> None:
        self.tolerance = tolerance
        self.refined = self.probed = 0  # pairs that enclosures decided, and those of them that only agree at points
        self._traits: dict[Value, Traits] = {}
        self._left: defaultdict[Value, Budget] = defaultdict(lambda: Budget(MAX_REFINING))
        self._samples: dict[tuple[Value, int, bool, tuple[Rational, ...]], PointSample | type[NoValue]] = {}

    def traits(self, value: Value) -> Traits:
        """The value's traits, found once."""
        if value not in self._traits:
            with self._left[value].counted():
                self._traits[value] = traits_of(value)
        return self._traits[value]

    def values(self, a: Value, b: Value, *, decimal: bool = False) -> bool | None:
        """Whether two values are equal; None where it cannot be told.

        With a tolerance and a `decimal` point in one, real constants that differ by that share of the larger are.
        """
        if a == b or (decimal and self.tolerance is not None and self._close(a, b, self.tolerance)):
            return True
        if a.exact and b.exact:
            return False
        spend(10)
        equal = algebra.attempt(MAX_WORK // 4, lambda: algebra.same(a, b))
        if equal or (equal is not None and a.flat and b.flat):
            return equal
        left, right = self.traits(a), self.traits(b)
        traits = Traits(*map(or_, left, right))
        if "dark" in traits.marks or left.functions != right.functions:
            return None  # what f is decides, and that is not said
        verdict, proved = self._functions(a, b, traits) if traits.names else self._constants(a, b, traits)
        self.refined += verdict is not None
        self.probed += verdict is True and not proved
        return verdict

    def _sample(self, value: Value, point: Point, precision: int, real: bool) -> PointSample | type[NoValue]:
        key = (value, precision, real, tuple(point[name] for name in self.traits(value).names))
        found = self._samples.get(key)
        if found is None:
            own = self._left[value]
            before = own.left
            at = balls.Evaluator(point, precision, real=real)
            try:
                with own.counted():
                    spend(4 * len(point))
                    ball = at_precision(precision, lambda: at.value(value))
                found = PointSample(ball, at.degrees, at.picks, precision)
            except NoValue as outcome:
                found = type(outcome)
            except TooLarge:
                found = Unknown
            self._samples[key] = found
            spend(before - own.left + 20)
        return found

    def _at(self, a: Value, b: Value, point: Point, *, real: bool) -> tuple[str, tuple[PointSample, ...]]:
        """At one point: "proved" or "agree", "differ", "off" (neither has a value), "half" (one has), or "blind"."""
        for precision in PRECISIONS:
            spend(10)
            found = [self._sample(value, point, precision, real) for value in (a, b)]
            if Unknown in found:
                return "blind", ()
            if Loose in found:
                continue
            samples = tuple(sample for sample in found if isinstance(sample, PointSample))
            if len(samples) < 2:
                return ("half" if samples else "off"), ()
            told = _told(*samples, proof=not point)
            if told:
                return told, samples
        return "blind", ()

    def _constants(self, a: Value, b: Value, traits: Traits) -> tuple[bool | None, bool]:
        outcome = "off" if "imaginary" in traits.marks else self._at(a, b, {}, real=True)[0]
        if outcome in ("off", "half"):
            outcome = self._at(a, b, {}, real=False)[0]
        return {"proved": True, "agree": True, "differ": False}.get(outcome), outcome == "proved"

    def _functions(self, a: Value, b: Value, traits: Traits) -> tuple[bool | None, bool]:
        seen: set[tuple[Atom, int]] = set()
        outcomes: Counter[str] = Counter()
        for point in points(traits):
            outcome, samples = self._at(a, b, point, real="imaginary" not in traits.marks)
            if outcome == "differ":
                return False, True
            outcomes["agree" if outcome == "proved" else outcome] += 1
            if outcome in ("proved", "agree"):
                seen.update(pick for sample in samples for pick in sample.picks.items())
            if outcomes["blind"] > MAX_BLIND:
                break
        sure = outcomes["agree"] >= max(AGREEING_POINTS, outcomes["half"], 2 * outcomes["blind"])
        return True if sure and not _unseen(traits, seen) else None, False

    def _close(self, a: Value, b: Value, tolerance: float) -> bool:
        x, y = a.rational, b.rational
        if x is not None and y is not None:
            return abs(Fraction(x) - y) <= Fraction(tolerance) * max(abs(Fraction(x)), abs(Fraction(y)))
        left, right = (balls.told(value, lambda ball: ball.v) for value in (a, b))
        if left is None or right is None:
            return False
        return bool(abs(left - right) <= tolerance * abs(left).max(abs(right)))

    def proportional(self, a: Value, b: Value, *, positive: bool) -> bool | None:
        """Whether a = c·b for one number c, a positive one where it must be: `a = 0` and `b = 0` say the same then.

        The number is read off a term that both have. Never False: equations that are no multiples may say the same.
        """
        for monomial, coefficient in b.terms.items():
            factor = algebra.quotient(a.terms.get(monomial, 0), coefficient)
            if factor and not (positive and factor < 0):
                scaled = Value({m: c * factor for m, c in b.terms.items()})
                return self.values(a, scaled) or None
        return None

    def solved(self, equation: Value, value: Value) -> bool | None:
        """Whether `equation = 0`, solved for a name it is linear in, gives the value. Never False: it is a guess."""
        for head in sorted(equation.atoms, key=str):
            derivative = isinstance(head, Func) and head.name == "derivative"
            if not derivative and (head not in equation.symbols or head in value.symbols):
                continue
            rest = Value({m: -c for m, c in equation.terms.items() if (head, 1) not in m})
            factor = Value({m - {(head, 1)}: c for m, c in equation.terms.items() if (head, 1) in m})
            if any(head in part.atoms or head in part.symbols for part in (rest, factor)):
                continue
            solution = algebra.attempt(MAX_WORK // 4, partial(truediv, rest, factor))
            if solution is not None and self.values(value, solution):
                return True
        return None

    def enclosed(self, value: Value) -> tuple[float, float] | None:
        """Bounds of a value at one generic point; None where it has none. Values whose bounds are disjoint differ."""
        traits = self.traits(value)
        if traits.functions or "imaginary" in traits.marks:
            return None
        point = {name: _coordinate(name, 0, 1) for name in traits.names}
        sample = self._sample(value, point, PRECISIONS[0], True)
        if not isinstance(sample, PointSample):
            return None
        ball = sample.ball.v
        if log2_of(ball) > 1_000:  # beyond a float: its logarithm, which keeps the order
            ball = ball.sgn() * abs(ball).log() * 2.0**1_000
        if not ball.is_finite():
            return None
        low, high = float(ball.lower()), float(ball.upper())  # to the nearest, or one beside it
        return math.nextafter(low, -math.inf), math.nextafter(high, math.inf)


def _unseen(traits: Traits, seen: set[tuple[Atom, int]]) -> bool:
    """Whether there may be a branch that no point has shown."""
    if "step" in traits.marks or not traits.branches <= seen or len(traits.conditions) > MAX_CONDITIONS:
        return True
    base = dict.fromkeys(traits.names, Fraction(3, 7))
    wild = any(_zeros(condition, base, name) is None for condition in traits.conditions for name in condition.symbols)
    return wild and (len(traits.conditions) > 1 or not traits.branches)


def _told(x: PointSample, y: PointSample, *, proof: bool) -> str:
    """ "proved" or "agree" where two enclosures are equal, "differ", or "" where a higher precision may tell.

    With `proof`, algebraic values are equal only where that is proved.
    """
    a, b = x.ball, y.ball
    if a.exact is not None and b.exact is not None:
        return "proved" if a.exact == b.exact else "differ"
    difference = at_precision(x.precision, lambda: a.v - b.v)
    if not difference.contains(0):
        return "differ"
    l = a.l + b.l  # noqa: E741
    u = max(a.u - a.l, b.u - b.l) + l + 1
    size = log2_of(difference)
    if proof and a.algebraic and b.algebraic:
        return "proved" if size < -((min(balls.degree_of(x.degrees, y.degrees), MAX_PROVED) - 1) * u + l + 1) else ""
    return "agree" if size < -(2 * u + l + SPARE_BITS) else ""

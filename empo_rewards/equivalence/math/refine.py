"""Whether two values are equal, where their canonical forms do not tell: by enclosures at points.

Disjoint enclosures prove a difference. Equality is proved for algebraic numbers by a separation bound; other constants
are equal where they agree to more bits than their own numbers can hide. Expressions with symbols are equal where they
agree at points over the cells of signs and the scales of their own constants, and nothing is left that points cannot
see: every branch of every |x| was taken at a point where the two agree; between any two places where a branch
may change lies a point, along each symbol; and there is no step (floor, mod), which is never confirmed by points.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Set
from fractions import Fraction
from functools import lru_cache
from itertools import islice, pairwise, product, repeat
from typing import NamedTuple

from empo_rewards.equivalence.math.algebra import (
    PI,
    Atom,
    Budget,
    E,
    Exp,
    Func,
    I,
    Monomial,
    Radical,
    Rational,
    Terms,
    TooLarge,
    Undefined,
    Value,
    attempt,
    is_positive,
    parts_of,
    quotient,
    same,
    spend,
)
from empo_rewards.equivalence.math.balls import (
    Ball,
    Evaluator,
    Loose,
    NoValue,
    Unknown,
    at_precision,
    degree_of,
    generic,
    log2_of,
    told,
)
from empo_rewards.equivalence.math.limits import MAX_REFINING, MAX_WORK, PRECISIONS
from empo_rewards.equivalence.math.table import TABLE

AGREEING_POINTS = 4
"""Points at which two expressions must agree, at least, to count as equal."""

MAX_CELLS = 16
"""Cells of signs that are looked at, of 2^n for n symbols."""

MAX_CONDITIONS = 12
"""Places of two expressions where a branch may change that may be confirmed."""

MAX_BLIND = 12
"""Points at which nothing could be said, after which no more are tried."""

MAX_PROVED = 1 << 40
"""Degree past which no ball is narrow enough for a proof, but that of an exact zero."""

SPARE_BITS = 64
"""Bits beyond those that the expressions' own numbers can hide, to which values that are no proof must agree."""

Point = Mapping[str, Rational]


class Traits:
    """What decides where an expression is looked at.

    Attributes:
        names: its symbols, sorted.
        functions: the functions in it that the table does not have: what they are is not said.
        dark: whether it holds a sum, integral, limit or function that nothing encloses.
        integer, imaginary, steps: whether it is meant for integers, whether i occurs, whether a step does.
        large, small: the largest and the smallest size of its constants, as powers of 2.
        branches: each |x| and sgn with the branches that must be seen.
        conditions: what is zero where a branch may change.
    """

    def __init__(self, value: Value) -> None:
        self.names = tuple(sorted(value.symbols))
        self.functions: set[str] = set()
        self.integer = self.imaginary = self.steps = self.dark = False
        self.large = self.small = 0
        self.branches: set[tuple[Atom, int]] = set()
        self.conditions: set[Value] = set()
        todo, seen = [value], {value}
        while todo:
            inner = todo.pop()
            spend(len(inner.terms))
            for monomial, coefficient in (*inner.terms.items(), *(inner.over or {}).items()):
                size = abs(coefficient.numerator).bit_length() - coefficient.denominator.bit_length()
                self.large, self.small = max(self.large, min(size, 64)), min(self.small, max(size, -64))
                for name, exponent in monomial:
                    self._note(name, exponent)
                    new = [part for part in parts_of(name) if part not in seen]
                    seen.update(new)
                    todo.extend(new)

    def _note(self, name: Atom, exponent: Rational) -> None:
        row = TABLE.get(name.name) if isinstance(name, Func) else None
        self.imaginary |= name == I
        self.integer |= (isinstance(name, Exp) and name.base == -1) or (row is not None and row.integer)
        self.steps |= row is not None and row.branches == "step"
        if isinstance(name, Radical) and exponent.denominator % 2 == 0:
            self._change_at(name.base)
        if not isinstance(name, Func):
            return
        self.dark |= " " in name.name if row is None else not (row.flint or row.rule)
        if row is None:
            self.functions.add(name.name)
        elif row.branches == "sign" and name.args[0].symbols:
            self.branches.update(((name, 1), (name, -1)))
            self._change_at(name.args[0])

    def _change_at(self, condition: Value) -> None:
        if condition.symbols and not is_positive(condition):
            self.conditions.add(condition)


# Points


def points(a: Traits, b: Traits) -> Iterator[Point]:
    """Where two expressions are looked at: cells of signs at several scales, both sides of branches, then integers."""
    names = sorted({*a.names, *b.names})
    if not (a.integer or b.integer):
        small, large = min(a.small, b.small), max(a.large, b.large)
        cells = list(islice(product((1, -1), repeat=len(names)), MAX_CELLS))
        for scale in dict.fromkeys((0, -4, 1, large + 3, small - 3)):
            for signs in cells:
                yield dict(zip(names, map(_coordinate, names, repeat(scale), signs), strict=True))
        conditions = a.conditions | b.conditions
        for base in ({name: _coordinate(name, 0, sign) for name in names} for sign in (1, -1)):
            for name in names if len(conditions) <= MAX_CONDITIONS else ():
                yield from _between(conditions, base, name)
    for high in (6, 12, 30, 90):
        for k in range(2):
            yield {name: math.ceil(high * generic(name, high + k)) for name in names}


@lru_cache(maxsize=1024)
def _coordinate(name: str, scale: int, sign: int) -> Fraction:
    """A number for a name, of about the size 2^scale."""
    spread = (generic(name, scale) + Fraction(1, 3)) * (3 if generic(name, 1000 + scale) > Fraction(1, 2) else 1)
    return sign * spread * Fraction(2) ** scale


def _between(conditions: Set[Value], base: Point, name: str) -> Iterator[Point]:
    """Points along one symbol: one between any two neighbouring zeros of the conditions, and one beyond them."""
    zeros: set[Fraction] = set()
    for condition in conditions:
        if name in condition.symbols:
            for terms in (condition.terms, condition.over or {}):
                zeros |= _zeros(terms, base, name) or set()
    if zeros:
        ordered = sorted(zeros)
        width = 1 + ordered[-1] - ordered[0]
        ends = [ordered[0] - width, *ordered, ordered[-1] + width]
        for low, high in pairwise(ends):
            yield {**base, name: low + (high - low) * (1 + generic(name, 7)) / 3}


def _zeros(terms: Terms, base: Point, name: str) -> set[Fraction] | None:
    """The real zeros of a polynomial of degree two at most in one symbol; None where it is none."""
    coefficients: dict[int, Fraction] = {}
    for monomial, coefficient in terms.items():
        value, degree = Fraction(coefficient), 0
        for inner, exponent in monomial:
            if not -64 <= exponent <= 64 or (isinstance(inner, str) and exponent.denominator != 1):
                return None
            if inner == name:
                degree = int(exponent)
            elif isinstance(inner, str) and inner in base:
                value *= Fraction(base[inner]) ** int(exponent)
            elif isinstance(inner, int) or inner in (PI, E):
                number = inner if isinstance(inner, int) else math.pi if inner == PI else math.e
                value *= Fraction(float(number) ** float(exponent))
            else:
                return None
        coefficients[degree] = coefficients.get(degree, Fraction(0)) + value
    if not coefficients:
        return set()
    lowest, found = min(coefficients), set[Fraction]()
    if lowest or min(coefficients) < 0:
        found.add(Fraction(0))
    c, b, a = (coefficients.pop(lowest + k, Fraction(0)) for k in range(3))
    if any(coefficients.values()):
        return None
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
    """Compares the values of one group, each evaluated once a point, within one budget.

    Attributes:
        refined, probed: pairs of values that enclosures decided, and those of them that only agree at points.
    """

    def __init__(self, tolerance: float | None = None) -> None:
        self.tolerance = tolerance
        self.refined = self.probed = 0
        self._traits: dict[Value, Traits] = {}
        self._left: dict[Value, Budget] = {}
        self._samples: dict[tuple[Value, int, bool, tuple[Rational, ...]], PointSample | type[NoValue]] = {}

    def traits(self, value: Value) -> Traits:
        """The value's traits, found once."""
        found = self._traits.get(value)
        if found is None:
            with self._own(value).counted():
                found = self._traits[value] = Traits(value)
        return found

    def _own(self, value: Value) -> Budget:
        """What enclosing a value may still cost."""
        return self._left.setdefault(value, Budget(MAX_REFINING))

    def values(self, a: Value, b: Value, *, decimal: bool = False) -> bool | None:
        """Whether two values are equal; None where it cannot be told.

        With a tolerance and a `decimal` point in one, real constants that differ by that share of the larger are.
        """
        if a == b or (decimal and self.tolerance is not None and self._close(a, b, self.tolerance)):
            return True
        if a.exact and b.exact:
            return False
        spend(10)
        equal = attempt(MAX_WORK // 4, lambda: same(a, b))
        if equal or (equal is not None and a.flat and b.flat):
            return equal
        left, right = self.traits(a), self.traits(b)
        if left.dark or right.dark or left.functions != right.functions:
            return None  # what f is decides, and that is not said
        verdict, proved = self._functions(a, b) if left.names or right.names else self._constants(a, b)
        self.refined += verdict is not None
        self.probed += verdict is True and not proved
        return verdict

    def _sample(self, value: Value, point: Point, precision: int, real: bool) -> PointSample | type[NoValue]:
        key = (value, precision, real, tuple(point[name] for name in self.traits(value).names))
        found = self._samples.get(key)
        if found is None:
            own = self._own(value)
            before = own.left
            at = Evaluator(point, precision, real=real)
            try:
                with own.counted():
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

    def _constants(self, a: Value, b: Value) -> tuple[bool | None, bool]:
        imaginary = self.traits(a).imaginary or self.traits(b).imaginary
        outcome = "off" if imaginary else self._at(a, b, {}, real=True)[0]
        if outcome in ("off", "half"):
            outcome = self._at(a, b, {}, real=False)[0]
        return _VERDICTS.get(outcome), outcome == "proved"

    def _functions(self, a: Value, b: Value) -> tuple[bool | None, bool]:
        left, right = self.traits(a), self.traits(b)
        real = not (left.imaginary or right.imaginary)
        seen: set[tuple[Atom, int]] = set()
        agreed = half = blind = 0
        for point in points(left, right):
            outcome, samples = self._at(a, b, point, real=real)
            if outcome == "differ":
                return False, True
            if outcome in ("proved", "agree"):
                agreed += 1
                seen.update(pick for sample in samples for pick in sample.picks.items())
            half += outcome == "half"
            blind += outcome == "blind"
            if blind > MAX_BLIND:
                break
        sure = agreed >= max(AGREEING_POINTS, half, 2 * blind)
        return True if sure and not self._unseen(left, right, seen) else None, False

    @staticmethod
    def _unseen(left: Traits, right: Traits, seen: set[tuple[Atom, int]]) -> bool:
        """Whether there may be a branch that no point has shown."""
        if left.steps or right.steps or not left.branches | right.branches <= seen:
            return True
        conditions = left.conditions | right.conditions
        if len(conditions) > MAX_CONDITIONS:
            return True
        names = {*left.names, *right.names}
        base = dict.fromkeys(names, Fraction(3, 7))
        wild = {
            condition
            for condition in conditions
            for name in condition.symbols & names
            for terms in (condition.terms, condition.over or {})
            if _zeros(terms, base, name) is None
        }
        return bool(wild) and (len(conditions) > 1 or not left.branches | right.branches)

    def _close(self, a: Value, b: Value, tolerance: float) -> bool:
        x, y = a.rational, b.rational
        if x is not None and y is not None:
            return abs(Fraction(x) - y) <= Fraction(tolerance) * max(abs(Fraction(x)), abs(Fraction(y)))
        left, right = (told(value, lambda ball: ball.v) for value in (a, b))
        if left is None or right is None:
            return False
        return bool(abs(left - right) <= tolerance * abs(left).max(abs(right)))

    def proportional(self, a: Value, b: Value, *, positive: bool) -> bool | None:
        """Whether a = c·b for one number c, a positive one where it must be: `a = 0` and `b = 0` say the same then.

        The number is read off a term that both have. Never False: equations that are no multiples may say the same.
        """
        for monomial, coefficient in b.terms.items():
            factor = quotient(a.terms.get(monomial, 0), coefficient)
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
            rest: dict[Monomial, Rational] = {}
            factor: dict[Monomial, Rational] = {}
            for monomial, coefficient in equation.terms.items():
                if (head, 1) in monomial:
                    factor[monomial - {(head, 1)}] = coefficient
                else:
                    rest[monomial] = -coefficient
            if head in Value(rest).atoms | Value(factor).atoms or head in Value(rest).symbols | Value(factor).symbols:
                continue
            try:
                solution = attempt(MAX_WORK // 4, lambda top=rest, below=factor: Value(top) / Value(below))  # type: ignore[misc]  # the defaults bind them
            except Undefined:
                continue
            if solution is not None and self.values(value, solution):
                return True
        return None

    def enclosed(self, value: Value) -> tuple[float, float] | None:
        """Bounds of a value at one generic point; None where it has none. Values whose bounds are disjoint differ."""
        traits = self.traits(value)
        if traits.functions or traits.imaginary:
            return None
        point = {name: _coordinate(name, 0, 1) for name in traits.names}
        sample = self._sample(value, point, PRECISIONS[0], True)
        if not isinstance(sample, PointSample):
            return None
        low, high = float(sample.ball.v.lower()), float(sample.ball.v.upper())
        margin = 2.0**-50
        return low - margin * abs(low), high + margin * abs(high)


_VERDICTS = {"proved": True, "agree": True, "differ": False}


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
        return "proved" if size < -((min(degree_of(x.degrees, y.degrees), MAX_PROVED) - 1) * u + l + 1) else ""
    return "agree" if size < -(2 * u + l + SPARE_BITS) else ""

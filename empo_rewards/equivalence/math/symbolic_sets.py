"""Sets of real numbers, compared by their boundary.

Two sets that are made of intervals, points and inequalities are equal where they agree on each boundary point of
either, and on one point of each gap between two neighbours. So nothing needs a normal form.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, ClassVar

import sympy

from empo_rewards.equivalence.math.symbolic_numbers import Unknowable
from empo_rewards.equivalence.math.symbolic_probe import (
    DIFFERENT,
    FIRST_PRECISION,
    SAME,
    UNDECIDED,
    Outcome,
    same_number,
    sign_of,
    value_at,
)
from empo_rewards.equivalence.math.symbolic_tree import Domain, Inequality, Joined, Points, Scalar, Span, Where

MAX_POINTS = 64
"""Boundary points of two sets together."""
MAX_ABSOLUTES = 3
MAX_DEGREE = 8
"""Of a polynomial inequality: past it, root isolation may take longer than a comparison should."""

_INFINITE = (sympy.oo, -sympy.oo)


def same_region(a: Where, b: Where) -> Outcome:
    """Whether two sets hold the same real numbers.

    Raises:
        Unknowable: a boundary that cannot be found or placed.
    """
    if a == b:
        return SAME
    if isinstance(a, Span) and isinstance(b, Span):
        return _same_span(a, b)
    if isinstance(a, Domain) and isinstance(b, Domain):
        return DIFFERENT
    line = _Line([*_boundary(a), *_boundary(b)])
    for position in range(2 * len(line.points) + 1):
        if line.holds(a, position) != line.holds(b, position):
            return DIFFERENT
    return Outcome(True, probed=True)


def _same_span(a: Span, b: Span) -> Outcome:
    if (a.left_open, a.right_open) != (b.left_open, b.right_open):
        return DIFFERENT
    ends = same_number(a.start, b.start), same_number(a.end, b.end)
    if any(end.equal is False for end in ends):
        return DIFFERENT
    return UNDECIDED if any(end.equal is None for end in ends) else Outcome(True, any(end.probed for end in ends))


def _boundary(where: Where) -> list[Scalar]:
    """Numbers outside which nothing changes about being in the set; a number too many does no harm."""
    if isinstance(where, Span):
        return [end for end in (where.start, where.end) if end.expr not in _INFINITE]
    if isinstance(where, Points):
        return list(where.numbers)
    if isinstance(where, Joined):
        return [point for part in where.parts for point in _boundary(part)]
    if isinstance(where, Inequality):
        return _roots(where)
    if where.letter == "R":
        return []
    raise Unknowable("a set that is not made of intervals")


def _roots(inequality: Inequality) -> list[Scalar]:
    """The real zeros and poles of its gap, for every choice of the signs of its absolute values."""
    gap = inequality.gap
    absolutes = sorted(gap.atoms(sympy.Abs), key=str)
    if len(absolutes) > MAX_ABSOLUTES:
        raise Unknowable("too many absolute values")
    safe = sympy.Dummy("x")
    roots: set[Any] = set()
    for signs in itertools.product((1, -1), repeat=len(absolutes)):
        plain = gap.xreplace({a: sign * a.args[0] for a, sign in zip(absolutes, signs, strict=True)})
        for part in sympy.fraction(sympy.together(plain.xreplace({inequality.unknown: safe}).doit())):
            try:
                polynomial = sympy.Poly(part, safe)
            except sympy.PolynomialError as error:
                raise Unknowable("an inequality that is not rational") from error
            if polynomial.degree() > MAX_DEGREE or not all(c.is_Rational for c in polynomial.all_coeffs()):
                raise Unknowable("an inequality out of reach")
            if polynomial.degree() > 0:
                roots.update(polynomial.real_roots())
    return [Scalar(root) for root in roots]


class _Line:
    """The real line, cut at boundary points: position 2i+1 is point i, the even positions are the gaps."""

    def __init__(self, points: Sequence[Scalar]) -> None:
        if len(points) > MAX_POINTS:
            raise Unknowable("too many boundary points")
        placed: list[tuple[Fraction, Scalar]] = []
        for point in points:
            if point.expr.free_symbols:
                raise Unknowable("a boundary that is no number")
            if all(_apart(point, known) for _, known in placed):
                placed.append((_as_fraction(value_at(point, 0, FIRST_PRECISION, real=True)[0].mid), point))
        placed.sort(key=lambda pair: pair[0])
        self.points = [point for _, point in placed]
        self._mids = [mid for mid, _ in placed]

    def holds(self, where: Where, position: int) -> bool:
        """Whether the set has what stands at a position."""
        return self._RULES[type(where)](self, where, position)

    def _position(self, point: Scalar) -> int:
        if point.expr in _INFINITE:
            return 2 * len(self.points) + 1 if point.expr is sympy.oo else -1
        return 2 * next(i for i, known in enumerate(self.points) if not _apart(point, known)) + 1

    def _within(self, span: Span, position: int) -> bool:
        start, end = self._position(span.start), self._position(span.end)
        if position == start == end:
            return not (span.left_open or span.right_open)
        if position in (start, end) and start < end:
            return not (span.left_open if position == start else span.right_open)
        return start < position < end

    def _among(self, points: Points, position: int) -> bool:
        return any(self._position(point) == position for point in points.numbers)

    def _joined(self, joined: Joined, position: int) -> bool:
        first, *others = (self.holds(part, position) for part in joined.parts)
        if joined.operator == "∖":
            return first and not any(others)
        return any((first, *others)) if joined.operator == "∪" else all((first, *others))

    def _satisfies(self, inequality: Inequality, position: int) -> bool:
        there = self.points[position // 2].expr if position % 2 else self._between(position // 2)
        value = inequality.gap.xreplace({inequality.unknown: there})
        sign = None if value.has(sympy.zoo, sympy.nan) else sign_of(value)
        if sign is None:
            return False
        return {"<": sign < 0, "≤": sign <= 0, "≠": sign != 0}[inequality.op]

    def _between(self, gap: int) -> Any:
        if not self._mids:
            return sympy.S.Zero
        if gap == 0:
            middle = self._mids[0] - 1
        elif gap == len(self._mids):
            middle = self._mids[-1] + 1
        else:
            middle = (self._mids[gap - 1] + self._mids[gap]) / 2
        return sympy.Rational(middle.numerator, middle.denominator)

    _RULES: ClassVar[dict[type, Callable[[_Line, Any, int], bool]]] = {
        Span: _within,
        Points: _among,
        Joined: _joined,
        Inequality: _satisfies,
        Domain: lambda *_: True,  # the reals: `_boundary` refuses the others
    }


def _apart(a: Scalar, b: Scalar) -> bool:
    outcome = same_number(a, b)
    if outcome.equal is None:
        raise Unknowable("two boundaries that cannot be told apart")
    return not outcome.equal


def _as_fraction(mid: Any) -> Fraction:
    sign, mantissa, exponent, _ = mid._mpf_
    size = int(mantissa) * Fraction(2) ** int(exponent)
    return -size if sign else size

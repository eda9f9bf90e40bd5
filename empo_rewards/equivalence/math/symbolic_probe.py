"""Two scalars, or two equations, compared by their values at fixed points."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import sympy
from sympy.core.function import AppliedUndef

from empo_rewards.equivalence.math.symbolic_numbers import (
    MAX_PRECISION,
    Ball,
    Difference,
    Evaluator,
    Imprecise,
    OffDomain,
    Unknowable,
    difference,
    generic,
)
from empo_rewards.equivalence.math.symbolic_tree import Condition, Scalar, free_names

FIRST_PRECISION = 512
"""Bits. Enough to decide nearly every pair: in Python, twice the digits cost less than a second evaluation."""
CONDITION_PRECISION = 2 * FIRST_PRECISION
"""Bits. Equations are compared by products of two values, at one precision."""
AGREEING_POINTS = 4
"""Points at which two expressions must agree to count as equal."""

_RANGES: tuple[tuple[int, int], ...] = (
    *((1, 2), (0, 1), (-1, 0), (2, 9), (-3, -1), (9, 99), (0, 1), (1, 3), (-40, -5), (0, 30), (100, 999), (1, 2)),
    *((0, 1), (-1, 1), (-9, 9), (3, 5)),
)
"""Where the points lie: small and large, of either sign, so that roots, logarithms and arcs find their domain."""
_INTEGER_POINTS = 8
"""Positive integers after them, for (-1)^n and the like."""
_INTEGERS = (5, 95)


class Outcome(NamedTuple):
    """Equal, different or undecided (None), and whether equality rests on agreement at points."""

    equal: bool | None
    probed: bool = False


SAME, DIFFERENT, UNDECIDED = Outcome(True), Outcome(False), Outcome(None)


def place(index: int) -> Callable[[str], Fraction]:
    """Point number `index`. A symbol's value depends on its name alone: a text is evaluated once, not once a pair."""

    def value(name: str) -> Fraction:
        low, high = _RANGES[index] if index < len(_RANGES) else _INTEGERS
        number = low + (high - low) * generic(name, index)
        return number if index < len(_RANGES) else Fraction(math.floor(number))

    return value


def value_at(scalar: Scalar, index: int, precision: int, real: bool) -> tuple[Ball, Evaluator]:
    """The scalar at one point. What it cannot have there is remembered as well, and raised again.

    Raises:
        Unknowable: it has no value there, or none within reach.
    """
    key = (index, precision, real)
    known = scalar.values.get(key)
    if known is None:
        at = Evaluator(precision, place(index), real)
        try:
            known = at.value(scalar.expr), at
        except Unknowable as refusal:
            known = refusal
        if precision <= CONDITION_PRECISION:
            scalar.values[key] = known
    if isinstance(known, Unknowable):
        raise known
    ball, at = known
    return ball, at


def same_number(a: Scalar, b: Scalar) -> Outcome:
    """Whether two scalars are equal wherever both are defined."""
    if a.expr == b.expr:
        return SAME
    symbols = bool(a.expr.free_symbols | b.expr.free_symbols)
    infinite = [scalar.expr in (sympy.oo, -sympy.oo) for scalar in (a, b)]
    if any(infinite):
        return UNDECIDED if symbols else DIFFERENT
    if _functions(a) != _functions(b):
        return UNDECIDED  # what f is decides, and that is not said
    imaginary = a.expr.has(sympy.I) or b.expr.has(sympy.I)
    outcome = None if imaginary else _compare(a, b, symbols, real=True)
    if outcome is not None:
        return outcome
    outcome = _compare(a, b, symbols, real=False)
    if outcome is None or (outcome.equal is False and symbols and not imaginary):
        return UNDECIDED  # off the reals, a difference may be one of branches only
    return outcome


def _functions(scalar: Scalar) -> frozenset[str]:
    return frozenset(type(f).__name__ for f in scalar.expr.atoms(AppliedUndef))


def _compare(a: Scalar, b: Scalar, symbols: bool, real: bool) -> Outcome | None:
    """At the one point that a constant has, or at enough points; None where too few can be reached."""
    if not symbols:
        return _at_point(a, b, 0, real)
    agreed = 0
    for index in range(len(_RANGES) + _INTEGER_POINTS):
        outcome = _at_point(a, b, index, real)
        if outcome is None or outcome.equal is None:
            continue
        if not outcome.equal:
            return DIFFERENT
        agreed += 1
        if agreed == AGREEING_POINTS:
            return Outcome(True, probed=True)
    return None


def _at_point(a: Scalar, b: Scalar, index: int, real: bool) -> Outcome | None:
    """The verdict of one point: None where either has no value there, undecided where they cannot be told apart."""
    precision = FIRST_PRECISION
    while True:
        try:
            left, at = value_at(a, index, precision, real)
            right, other = value_at(b, index, precision, real)
        except Imprecise:
            if precision > FIRST_PRECISION:
                return UNDECIDED
            precision *= 8
            continue
        except OffDomain:
            return None
        except Unknowable:
            return None if real else UNDECIDED
        seen = difference(at, left, right, _degree(at, other))
        if seen.zero is not None:
            return Outcome(seen.zero, probed=seen.zero and not seen.proved)
        if not precision < seen.needed < MAX_PRECISION:
            return UNDECIDED
        precision = 1 << int(seen.needed).bit_length()  # a power of two, so that few contexts are made


def _degree(*evaluators: Evaluator) -> float:
    radicals = {node: degree for at in evaluators for node, degree in at.radicals.items()}
    return math.prod(radicals.values(), start=1.0)


def same_condition(a: Condition, b: Condition) -> Outcome:
    """Equal up to a constant factor, a positive one for inequalities: y = 2x and 2y - 4x = 0."""
    polynomial = _is_polynomial(a) and _is_polynomial(b)
    apart = DIFFERENT if polynomial else UNDECIDED  # y = 2x and y/x = 2 are no multiples, and yet
    if a.op != b.op:
        return UNDECIDED
    if free_names(a.gap.expr) != free_names(b.gap.expr):
        return apart
    agreed, origin = 0, None
    for index in range(len(_RANGES)):
        try:
            (left, at), (right, other) = (value_at(c.gap, index, CONDITION_PRECISION, real=True) for c in (a, b))
        except Unknowable:
            continue
        if origin is None:
            if abs(left.mid) > 2 * left.rad and abs(right.mid) > 2 * right.rad:
                if a.op != "=" and left.mid * right.mid < 0:
                    return apart
                origin = left, right
            continue
        # a(x) = c b(x) for one c means a(x) b(x0) = b(x) a(x0)
        seen: Difference = difference(
            at, at.multiply([left, origin[1]]), at.multiply([right, origin[0]]), _degree(at, other)
        )
        if not seen.zero:
            return apart if seen.zero is False else UNDECIDED
        agreed += 1
        if agreed == AGREEING_POINTS:
            return Outcome(True, probed=True)
    return UNDECIDED


def _is_polynomial(condition: Condition) -> bool:
    return all(
        isinstance(node, sympy.Symbol | sympy.Rational | sympy.Add | sympy.Mul)
        or (isinstance(node, sympy.Pow) and isinstance(node.exp, sympy.Integer) and node.exp >= 0)
        for node in sympy.preorder_traversal(condition.gap.expr)
    )


def sign_of(expr: sympy.Expr) -> int | None:
    """-1, 0 or 1 for a constant; None where it has no real value, so that no inequality about it holds.

    Raises:
        Unknowable: the sign cannot be told within the bounds.
    """
    scalar = Scalar(expr)
    outcome = _at_point(scalar, Scalar(sympy.S.Zero), 0, real=True)
    if outcome is None:
        return None
    if outcome.equal is None:
        raise Unknowable("a sign that cannot be told")
    if outcome.equal:
        return 0
    return 1 if value_at(scalar, 0, CONDITION_PRECISION, real=True)[0].mid > 0 else -1

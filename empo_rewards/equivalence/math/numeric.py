"""Floating-point values of exact ones, with a bound on their error: they refute equality, and never confirm it.

Every symbol stands for one fixed positive number, so that two expressions whose values differ there by more than the
error of computing them are different expressions. Plain floats; the errors are followed to first order, doubled.
"""

from __future__ import annotations

import cmath
import math
import zlib
from collections.abc import Callable

from empo_rewards.equivalence.math.algebra import PI, Atom, E, Exp, Func, I, Monomial, Radical, Rational, Terms, Value

EPSILON = 2.0**-50
"""Relative error allowed for one operation: 8 units in the last place."""

SAFETY = 16.0
"""How many times the bound on the error two values must lie apart before they count as different."""

Approximation = tuple[complex, float]
"""A value and a bound on its absolute error."""


class Unknown(Exception):  # noqa: N818 - no fault: nothing is said about the value
    """The value cannot be approximated: too large, on a branch cut, or a function without a formula here."""


def approximate(value: Value) -> Approximation | None:
    """A value at the fixed point, or None where nothing reliable can be said."""
    try:
        result, error = _value(value)
    except (Unknown, OverflowError, ZeroDivisionError, ValueError):
        return None
    return (result, error) if cmath.isfinite(result) and math.isfinite(error) else None


def differ(a: Value, b: Value) -> bool:
    """Whether a and b certainly differ."""
    left, right = approximate(a), approximate(b)
    if left is None or right is None:
        return False
    return abs(left[0] - right[0]) > SAFETY * (left[1] + right[1])


def sign(value: Value) -> int | None:
    """The sign of a real constant (no symbols), or None where it cannot be told (0 included)."""
    number = value.rational
    if number is not None:
        return (number > 0) - (number < 0) if number else None
    if has_symbols(value):
        return None
    found = approximate(value)
    if found is None or abs(found[0].imag) > SAFETY * found[1] or abs(found[0].real) <= SAFETY * found[1]:
        return None
    return 1 if found[0].real > 0 else -1


def has_symbols(value: Value) -> bool:
    """Whether a symbol occurs anywhere in the value."""
    return any(_has_symbols(atom) for atom in value.atoms)


def _has_symbols(atom: Atom) -> bool:
    if isinstance(atom, str):
        return atom not in (PI, E, I)
    if isinstance(atom, int):
        return False
    if isinstance(atom, Func):
        return any(has_symbols(arg) for arg in atom.args)
    if isinstance(atom, Radical):
        return has_symbols(atom.base)
    return _has_symbols(atom.base) or any(_has_symbols(name) for name, _ in atom.power)


def _point(name: str) -> float:
    """The fixed number that a symbol stands for: in (0.3, 1.7), spread by a checksum of the name."""
    return 0.3 + 1.4 * (zlib.crc32(name.encode()) / 2**32)


def _number(number: Rational) -> complex:
    return complex(number.numerator / number.denominator)


def _value(value: Value) -> Approximation:
    top, error = _sum(value.terms)
    if value.over is None:
        return top, error
    bottom, bottom_error = _sum(value.over)
    if abs(bottom) <= 4 * bottom_error:
        raise Unknown
    result = top / bottom
    return result, 2 * (error + abs(result) * bottom_error) / abs(bottom) + EPSILON * abs(result)


def _sum(terms: Terms) -> Approximation:
    total, error = 0j, 0.0
    for monomial, coefficient in terms.items():
        value, relative = _monomial(monomial)
        value *= _number(coefficient)
        total += value
        error += abs(value) * (relative + (len(terms) + 1) * EPSILON)
    return total, error


def _monomial(monomial: Monomial) -> tuple[complex, float]:
    """The value and a bound on its relative error."""
    value, relative = 1 + 0j, 0.0
    for atom, exponent in monomial:
        base, base_error = _atom(atom)
        if base == 0 or abs(base) <= 4 * base_error:
            raise Unknown
        power = float(exponent)
        if exponent.denominator != 1 and base.real < 0 and abs(base.imag) <= 4 * base_error:
            raise Unknown  # roots of negative numbers: the conventions differ
        value *= base ** int(exponent) if exponent.denominator == 1 else base**power
        relative += 2 * abs(power) * base_error / abs(base) + (abs(power) + 2) * EPSILON
    return value, relative


def _atom(atom: Atom) -> Approximation:
    if isinstance(atom, str):
        if atom == I:
            return 1j, 0.0
        number = math.pi if atom == PI else math.e if atom == E else _point(atom)
        return complex(number), EPSILON * number
    if isinstance(atom, int):
        return complex(float(atom)), EPSILON * atom
    if isinstance(atom, Radical):
        return _value(atom.base)
    if isinstance(atom, Exp):
        return _exp(atom)
    return _function(atom)


def _exp(atom: Exp) -> Approximation:
    exponent, relative = _monomial(atom.power)
    base, base_error = (-1 + 0j, 0.0) if atom.base == -1 else _atom(atom.base)
    if abs(base) <= 4 * base_error:
        raise Unknown
    log = cmath.log(base)
    power = exponent * log
    value = cmath.exp(power)
    error = 2 * (abs(power) * (relative + 4 * EPSILON) + abs(exponent) * base_error / abs(base)) + 4 * EPSILON
    return value, abs(value) * error


def _function(atom: Func) -> Approximation:
    known = _FUNCTIONS.get(atom.name)
    if known is None or len(atom.args) != 1:
        return _special(atom)
    argument, error = _value(atom.args[0])
    function, slope = known
    value = function(argument)
    return value, 2 * slope(argument, value) * error + 4 * EPSILON * (abs(value) + EPSILON)


def _special(atom: Func) -> Approximation:
    args = [_value(arg) for arg in atom.args]
    if atom.name == "power" and len(args) == 2:
        (base, base_error), (exponent, exponent_error) = args
        if base == 0 or (base.real < 0 and exponent.real != round(exponent.real)):
            raise Unknown
        log = cmath.log(base)
        value = cmath.exp(exponent * log)
        error = abs(exponent) * (base_error / abs(base) + 4 * EPSILON * abs(log)) + abs(log) * exponent_error
        return value, abs(value) * (2 * error + 4 * EPSILON)
    real = [(value.real, error) for value, error in args if abs(value.imag) <= error]
    if len(real) == len(args) and atom.name in ("max", "min"):
        chosen = (max if atom.name == "max" else min)(real)
        return complex(chosen[0]), max(error for _, error in real)
    if len(real) == 1 and atom.name in ("floor", "ceil"):
        ((value, error),) = real
        if abs(value - round(value)) <= SAFETY * error or abs(value) > 2**50:
            raise Unknown
        return complex(math.floor(value) if atom.name == "floor" else math.ceil(value)), 0.0
    raise Unknown


def _away_from_cut(function: Callable[[complex], complex]) -> Callable[[complex], complex]:
    """Inverse functions agree on the reals in [-1, 1] only; elsewhere conventions differ."""

    def inner(z: complex) -> complex:
        if abs(z.imag) > 0 or abs(z.real) > 1 - 1e-9:
            raise Unknown
        return function(z)

    return inner


def _real(function: Callable[[float], float]) -> Callable[[complex], complex]:
    def inner(z: complex) -> complex:
        if abs(z.imag) > 0:
            raise Unknown
        return complex(function(z.real))

    return inner


def _positive_log(z: complex) -> complex:
    if abs(z.imag) > 0 or z.real <= 0:
        raise Unknown
    return complex(math.log(z.real))


_Slope = Callable[[complex, complex], float]
_FUNCTIONS: dict[str, tuple[Callable[[complex], complex], _Slope]] = {
    "sin": (cmath.sin, lambda z, w: 1 + abs(cmath.cos(z))),
    "cos": (cmath.cos, lambda z, w: 1 + abs(cmath.sin(z))),
    "sinh": (cmath.sinh, lambda z, w: abs(cmath.cosh(z))),
    "cosh": (cmath.cosh, lambda z, w: abs(cmath.sinh(z))),
    "tanh": (cmath.tanh, lambda z, w: 1 + abs(w) ** 2),
    "ln": (_positive_log, lambda z, w: 1 / abs(z)),
    "abs": (lambda z: complex(abs(z)), lambda z, w: 1.0),
    "arcsin": (_away_from_cut(cmath.asin), lambda z, w: 1 / abs(cmath.sqrt(1 - z * z))),
    "arccos": (_away_from_cut(cmath.acos), lambda z, w: 1 / abs(cmath.sqrt(1 - z * z))),
    "arctan": (_real(math.atan), lambda z, w: 1.0),
    "arsinh": (_real(math.asinh), lambda z, w: 1.0),
}

"""Functions of exact arguments: what can be computed is, the rest stays an atom with canonical arguments.

The rows of the table stand at the end; `table.Function` says what each column means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from typing import Any

from flint import acb, arb

from empo_rewards.equivalence.math import balls
from empo_rewards.equivalence.math.algebra import (
    ONE,
    PI,
    UNIT,
    ZERO,
    Atom,
    E,
    Func,
    I,
    Rational,
    Terms,
    Undefined,
    Value,
    add,
    atom,
    check_size,
    constant,
    factor,
    is_positive,
    kept,
    leading_sign,
    lifted,
    quotient,
    spend,
)
from empo_rewards.equivalence.math.balls import Ball, Evaluator, Loose, Off, Unknown
from empo_rewards.equivalence.math.limits import MAX_CHOICES, MAX_FACTORIAL, MAX_GAMMA_BITS
from empo_rewards.equivalence.math.table import TABLE, Exact, Function, register

_HALF = Fraction(1, 2)
_PI: Any = frozenset(((PI, 1),))
_MAX_SHIFT = 12
"""Factors that (n + k)! is written out by."""


def apply(name: str, args: tuple[Value, ...]) -> Value:
    """name(args) in canonical form."""
    row = TABLE.get(name)
    if row is not None and not row.arity[0] <= len(args) <= row.arity[1]:
        return kept(f"{name} of {len(args)}", *args)
    return kept(name, *args) if row is None or row.exact is None else row.exact(*args)


# Trigonometry


def _root(x: Value | int) -> Value:
    return lifted(x) ** _HALF


_SINES: tuple[Value, ...] = (
    ZERO,
    (_root(6) - _root(2)) / 4,
    UNIT / 2,
    _root(2) / 2,
    _root(3) / 2,
    (_root(6) + _root(2)) / 4,
    UNIT,
)
"""sin(kπ/12) for k = 0 to 6."""
_ARCSINES = {value: k for k, value in enumerate(_SINES)}
_ARCTANGENTS = {_SINES[k] / _SINES[6 - k]: k for k in range(6)}


def _sine(x: Value) -> Value:
    """sin of an argument: odd symmetry, shifts by π/2, and the exact values at multiples of π/12."""
    if x.over is not None:
        return _odd("sin", x)
    terms = dict(x.terms)
    shift = Fraction(terms.pop(_PI, 0))
    flip = bool(terms) and leading_sign(terms) < 0
    if flip:
        terms, shift = {m: -c for m, c in terms.items()}, -shift
    quarters = math.floor(2 * shift)
    result = _at_rest("cos" if quarters % 2 else "sin", terms, shift - Fraction(quarters, 2))
    return -result if flip != (quarters % 4 >= 2) else result


def _at_rest(name: str, terms: Terms, rest: Fraction) -> Value:
    """sin or cos at terms + rest·π with rest in [0, 1/2)."""
    if not terms and (12 * rest).denominator == 1:
        k = int(12 * rest)
        return _SINES[k if name == "sin" else 6 - k]
    return kept(name, Value({**terms, _PI: quotient(rest, 1)} if rest else terms))


def _cosine(x: Value) -> Value:
    if x.over is not None:
        return kept("cos", x if leading_sign(x.terms) > 0 else -x)
    return _sine(x + atom(PI) * _HALF)


def _odd(name: str, x: Value, known: dict[Value, int] | None = None) -> Value:
    """An odd function: of known values the multiple of π/12 that they are, else of the argument with a fixed sign."""
    for value, sign in ((x, 1), (-x, -1)):
        if known is not None and value in known:
            return atom(PI) * Fraction(sign * known[value], 12)
    return -kept(name, -x) if x.terms and leading_sign(x.terms) < 0 else kept(name, x)


def _arcsine(x: Value) -> Value:
    return _odd("arcsin", x, _ARCSINES)


def _arccosine(x: Value) -> Value:
    """arccos x = π/2 - arcsin x, always: so that both are written alike."""
    return atom(PI) * _HALF - _arcsine(x)


# Exponentials and logarithms


def _exponential(x: Value) -> Value:
    return atom(E) ** x


def _hyperbolic_sine(x: Value) -> Value:
    return (_exponential(x) - _exponential(-x)) / 2


def _hyperbolic_cosine(x: Value) -> Value:
    return (_exponential(x) + _exponential(-x)) / 2


def _logarithm(x: Value) -> Value:
    """ln. Of a positive rational times powers of e and primes: the sum of theirs."""
    if not x.terms:
        raise Undefined
    ((monomial, coefficient), *others) = x.terms.items()
    plain = all(name == E or isinstance(name, int) for name, _ in monomial)
    if others or x.over is not None or coefficient <= 0 or not plain:
        return kept("ln", x)
    powers = (_log_rational(name) * exponent if isinstance(name, int) else constant(exponent)
              for name, exponent in monomial)  # fmt: skip
    return add(_log_rational(coefficient), *powers)


def _log_rational(number: Rational) -> Value:
    parts = []
    for part, sign in ((number.numerator, 1), (number.denominator, -1)):
        primes, rest = factor(part)
        if rest > 1:
            primes[rest] = 1
        parts += [kept("ln", constant(p)) * (sign * count) for p, count in primes.items()]
    return add(*parts)


def _log(*args: Value) -> Value:
    """log(x) is the natural logarithm (as in sympy and math-verify); log(base, x) is ln x / ln base."""
    return _logarithm(args[-1]) / _logarithm(args[0]) if len(args) == 2 else _logarithm(args[0])


# Absolute values, extremes, roots


def _absolute(x: Value) -> Value:
    """|x|: a number, the product of its factors' absolute values, or an atom whose argument has a fixed sign."""
    sign = 1 if not x.terms or is_positive(x) else balls.sign_of(x)
    if sign is not None:
        return x if sign > 0 else -x
    if x.over is None and len(x.terms) == 1:
        ((monomial, coefficient),) = x.terms.items()
        magnitudes = (_absolute_factor(name, exponent) for name, exponent in monomial)
        return math.prod(magnitudes, start=constant(coefficient if coefficient > 0 else -coefficient))
    return kept("abs", x if leading_sign(x.terms) > 0 else -x)


def _absolute_factor(name: Atom, exponent: Rational) -> Value:
    """|name ** exponent|."""
    factor = atom(name, exponent)
    if name == I:
        return UNIT
    if isinstance(name, int) or name in (PI, E) or (isinstance(name, Func) and name.name == "abs"):
        return factor  # positive as it is
    if not isinstance(name, str):
        return kept("abs", factor)
    return factor if exponent % 2 == 0 else atom(Func("abs", (atom(name),)), exponent)


def _sign(x: Value) -> Value:
    sign = 0 if not x.terms else balls.sign_of(x)
    return _odd("sgn", x) if sign is None else constant(sign)


def _maximum(*args: Value) -> Value:
    """max: of two (a + b + |a - b|) / 2, so that there is one way to write it; what is never the largest goes."""
    largest: list[Value] = []
    for value in dict.fromkeys(args):
        signs = [_order(value, other) for other in largest]
        if -1 not in signs:
            largest = [other for other, sign in zip(largest, signs, strict=True) if sign != 1] + [value]
    largest.sort(key=lambda value: value.text)
    if len(largest) > MAX_CHOICES:
        return kept("max", *largest)
    return reduce(lambda a, b: (a + b + _absolute(a - b)) / 2, largest)


def _order(a: Value, b: Value) -> int | None:
    """1 where a >= b for certain, -1 where a <= b."""
    over = a - b
    return 1 if is_positive(over) else -1 if is_positive(-over) else balls.sign_of(over)


def _square_root(x: Value, degree: Value | None = None) -> Value:
    """sqrt(x), or root(x, n)."""
    if degree is None:
        return _root(x)
    n = degree.rational
    return x ** Fraction(1, n) if isinstance(n, int) and n else kept("root", x, degree)


# Integers


def _split(x: Value) -> tuple[int, Value]:
    """An argument as an integer and the rest, whose constant term is in [0, 1)."""
    whole = math.floor(x.terms.get(ONE, 0)) if x.over is None else 0
    return whole, x - whole if whole else x


def _floor(x: Value) -> Value:
    """The integer below: of a constant a number, else an integer that is added stands outside."""
    whole, rest = _split(x)
    known = 0 if not rest.terms or rest.rational is not None else balls.told(rest, balls.floor)
    return (kept("floor", rest) if known is None else constant(known)) + whole


def _modulo(x: Value, y: Value) -> Value:
    a, b = x.rational, y.rational
    return constant(quotient(a % b, 1)) if a is not None and b else kept("mod", x, y)


def _factorial(x: Value) -> Value:
    """n!: of a number its value, else (n + k)! as n! times factors."""
    number = x.rational
    if number is not None:
        if not isinstance(number, int) or number > MAX_FACTORIAL:
            return kept("factorial", x)
        if number < 0:
            raise Undefined
        spend(number)
        return constant(check_size(math.factorial(number)))
    shift, rest = _split(x)
    if not 0 < abs(shift) <= _MAX_SHIFT:
        return kept("factorial", x)
    result = kept("factorial", rest)
    for k in range(min(shift, 0) + 1, max(shift, 0) + 1):
        result = result * (rest + k) if shift > 0 else result / (rest + k)
    return result


def _double_factorial(x: Value) -> Value:
    number = x.rational
    if isinstance(number, int) and 0 <= number <= MAX_FACTORIAL:
        spend(number)
        return constant(check_size(math.prod(range(number, 0, -2))))
    return kept("double factorial", x)


def _binomial(x: Value, y: Value) -> Value:
    """Of numbers a number; of a small number below a product; else by factorials."""
    n, k = x.rational, y.rational
    if isinstance(n, int) and isinstance(k, int) and k >= 0 and 0 <= n <= 4 * MAX_FACTORIAL:
        spend(min(k, n))
        return constant(check_size(math.comb(n, k)))
    if isinstance(n, int) and (isinstance(k, int) or n < 0):
        return kept("binomial", x, y)
    if isinstance(k, int) and 0 <= k <= _MAX_SHIFT:
        return math.prod((x - j for j in range(k)), start=constant(Fraction(1, math.factorial(k))))
    return _factorial(x) / (_factorial(y) * _factorial(x - y))


def _divisor(name: str, compute: Callable[..., int]) -> Exact:
    """gcd or lcm of rationals: of the numerators over one common denominator."""

    def inner(*args: Value) -> Value:
        numbers = [arg.rational for arg in args]
        if len(set(args)) == 1 and numbers[0] is None and name == "gcd":
            return args[0]
        if None in numbers:
            return kept(name, *sorted(set(args), key=lambda value: value.text))
        fractions = [Fraction(n) for n in numbers if n is not None]
        result, scale = 0 if name == "gcd" else 1, math.lcm(*(f.denominator for f in fractions))
        for f in fractions:
            result = int(check_size(compute(result, int(f * scale))))
        return constant(quotient(result, scale))

    return inner


# Enclosures: where a real function has a value, and those that FLINT has no method for


def _positive(v: Any) -> None:
    if v <= 0:
        raise Off
    if not v > 0:
        raise Loose


def _in_unit_interval(v: Any) -> None:
    if v > 1 or v < -1:
        raise Off


def _ball_absolute(at: Evaluator, x: Ball) -> Ball:
    return Ball(abs(x.v), x.u, x.l, x.algebraic, None if x.exact is None else abs(x.exact))


def _ball_modulo(at: Evaluator, x: Ball, y: Ball) -> Ball:
    return at.add([x, at.multiply([y, balls.number(-balls.floor(at.divide(x, y)))])])


def _ball_factorial(at: Evaluator, x: Ball) -> Ball:
    if x.exact is not None and x.exact < 0 and x.exact.q == 1:
        raise Off
    if balls.log2_of(x.v) > MAX_GAMMA_BITS:
        raise Unknown
    return balls.hiding(x.u + x.l, (x.v + 1).gamma())


def _ball_double_factorial(at: Evaluator, x: Ball) -> Ball:
    n = x.exact
    if n is None or n.q != 1 or not 0 <= n <= MAX_FACTORIAL:
        raise Unknown
    return balls.number(math.prod(range(int(n.p), 0, -2)))


def _ball_zeta(at: Evaluator, x: Ball) -> Ball:
    if at.precision > 512 or isinstance(x.v, acb):
        raise Unknown
    return at.simple(TABLE["zeta"], x)


def _row(name: str, spellings: str = "", exact: Exact | None = None, **columns: Any) -> None:
    """Adds a function."""
    register(Function(name, tuple(spellings.split()), exact=exact, **columns))


_ANY, _TWO = (1, 64), (2, 2)

_row("sin", "sin", _sine, flint="sin", at_pi=arb.sin_pi_fmpq, inverse="arcsin",
     squared=lambda x: ({ONE: 1, frozenset(((Func("cos", (x,)), 2),)): -1},))  # fmt: skip
_row("cos", "cos", _cosine, flint="cos", at_pi=arb.cos_pi_fmpq, inverse="arccos")
_row("tan", "tan tg", lambda x: _sine(x) / _cosine(x), inverse="arctan")
_row("cot", "cot ctg", lambda x: _cosine(x) / _sine(x), inverse="arccot")
_row("sec", "sec", lambda x: UNIT / _cosine(x), inverse="arcsec")
_row("csc", "csc cosec", lambda x: UNIT / _sine(x), inverse="arccsc")
_row("arcsin", "arcsin asin", _arcsine, flint="asin", domain=_in_unit_interval)
_row("arccos", "arccos acos", _arccosine)
_row("arctan", "arctan atan", lambda x: _odd("arctan", x, _ARCTANGENTS), flint="atan")
_row("arccot", "arccot acot")
_row("arcsec", "arcsec asec", lambda x: _arccosine(UNIT / x))
_row("arccsc", "arccsc acsc", lambda x: _arcsine(UNIT / x))
_row("sinh", "sinh", _hyperbolic_sine, inverse="arsinh")
_row("cosh", "cosh", _hyperbolic_cosine, inverse="arcosh")
_row("tanh", "tanh", lambda x: _hyperbolic_sine(x) / _hyperbolic_cosine(x), inverse="artanh")
_row("coth", "coth", lambda x: _hyperbolic_cosine(x) / _hyperbolic_sine(x))
_row("sech", "sech", lambda x: UNIT / _hyperbolic_cosine(x))
_row("csch", "csch", lambda x: UNIT / _hyperbolic_sine(x))
_row("arsinh", "arsinh arcsinh asinh", lambda x: _logarithm(x + _root(x * x + 1)))
_row("arcosh", "arcosh arccosh acosh", lambda x: _logarithm(x + _root(x * x - 1)))
_row("artanh", "artanh arctanh atanh", lambda x: _logarithm((UNIT + x) / (UNIT - x)) / 2)
_row("exp", "exp", _exponential, flint="exp", limit=19)
_row("ln", "ln", _logarithm, flint="log", domain=_positive)
_row("log", "log", _log, arity=(1, 2))
_row("lg", "lg", lambda x: _log(constant(10), x))
_row("erf", "erf", flint="erf", hidden=lambda x: 1.5 * x * x + 8, cost=3)
_row("abs", "abs", _absolute, rule=_ball_absolute, branches="sign",
     squared=lambda x: None if x.over else (x.terms, x.terms))  # fmt: skip
_row("sgn", "sgn sign", _sign, rule=lambda at, x: balls.number(balls.sign(x)), branches="sign")
_row("max", "max", _maximum, arity=_ANY, branches="step")
_row("min", "min", lambda *args: -_maximum(*(-arg for arg in args)), arity=_ANY)
_row("sqrt", exact=_square_root, arity=(1, 2))
_row("root", arity=_TWO, rule=lambda at, x, n: at.exponential(x, at.divide(balls.number(1), n), object()))
_row("power", arity=_TWO, rule=lambda at, x, y: at.exponential(x, y, object()))
_row("floor", "floor", _floor, rule=lambda at, x: balls.number(balls.floor(x)), branches="step")
_row("ceil", "ceil", lambda x: -_floor(-x))
_row("mod", exact=_modulo, arity=_TWO, rule=_ball_modulo, branches="step")
_row("factorial", exact=_factorial, rule=_ball_factorial, cost=20, integer=True)
_row("Gamma", "Gamma", lambda x: _factorial(x - 1), letter=True)
_row("double factorial", exact=_double_factorial, rule=_ball_double_factorial, integer=True)
_row("binomial", exact=_binomial, arity=_TWO, integer=True)
_row("permutations", exact=lambda n, k: _factorial(n) / _factorial(n - k), arity=_TWO)
_row("zeta", "zeta", flint="zeta", rule=_ball_zeta, limit=MAX_GAMMA_BITS, cost=25, letter=True)
_row("W", "W", letter=True)
_row("gcd", "gcd", _divisor("gcd", math.gcd), arity=_ANY)
_row("lcm", "lcm", _divisor("lcm", math.lcm), arity=_ANY)
for _name in ("arg", "det", "deg", "dim", "ker", "Re", "Im"):
    _row(_name, _name)

"""Functions of exact arguments: what can be computed is, the rest stays an atom with canonical arguments.

The rows of the table stand at the end; `table.Function` says what each column means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial, reduce
from typing import Any

from flint import arb

from empo_rewards.equivalence.math import algebra, balls
from empo_rewards.equivalence.math.algebra import ONE, ONE_PI, PI, UNIT, ZERO, E, Func, Value, add, atom, constant, kept
from empo_rewards.equivalence.math.balls import Ball, Evaluator, Unknown
from empo_rewards.equivalence.math.limits import MAX_CHOICES, MAX_FACTORIAL, MAX_GAMMA_BITS
from empo_rewards.equivalence.math.table import TABLE, Function, register

_HALF = Fraction(1, 2)
_MAX_SHIFT = 12  # up to which (n + k)! is written by n!


def apply(name: str, args: tuple[Value, ...]) -> Value:
    """name(args) in canonical form."""
    row = TABLE.get(name)
    if row is not None and not row.arity[0] <= len(args) <= row.arity[1]:
        return kept(f"{name} of {len(args)}", *args)
    return kept(name, *args) if row is None or row.exact is None else row.exact(*args)


def _root(x: Value | int, degree: Value | int = 2) -> Value:
    return constant(x) ** (UNIT / degree)


# Trigonometry, exponentials, logarithms

# sin(kπ/12) for k = 0 to 6
_SINES = (ZERO, (_root(6) - _root(2)) / 4, UNIT / 2, _root(2) / 2, _root(3) / 2, (_root(6) + _root(2)) / 4, UNIT)


def _sine(x: Value, shift: int = 0) -> Value:
    """sin x, or cos x for a shift of 6: at multiples of π/12 its value, else of an argument with a fixed sign."""
    share = x.multiple_of(ONE_PI)
    if share is None or 12 % share.denominator:
        return kept("cos", _positively(x)) if shift else _odd("sin", x)
    half_turns, k = divmod(int(12 * share) + shift, 12)
    sine = _SINES[min(k, 12 - k)]
    return -sine if half_turns % 2 else sine


_cosine = partial(_sine, shift=6)


def _positively(x: Value) -> Value:
    """x or -x, whichever has a positive leading coefficient."""
    return -x if x.terms and algebra.leading_sign(x.terms) < 0 else x


def _odd(name: str, x: Value) -> Value:
    """An odd function: 0 of 0, else of an argument with a fixed sign."""
    positive = _positively(x)
    return ZERO if not x.terms else kept(name, x) if positive is x else -kept(name, positive)


_arcsine = partial(_odd, "arcsin")


def _exponentials(x: Value, sign: int = 1) -> Value:
    """e^x + e^-x, or their difference."""
    return atom(E) ** x + atom(E) ** -x * sign


def _logarithm(x: Value) -> Value:
    """ln. Of a positive rational times powers of e and primes: the sum of theirs."""
    if not x.terms:
        raise algebra.Undefined
    ((monomial, coefficient), *others) = x.terms.items()
    plain = all(name == E or isinstance(name, int) for name, _ in monomial)
    if others or x.over is not None or coefficient <= 0 or not plain:
        return kept("ln", x)
    powers = (*monomial, *algebra.factors(coefficient))
    return add(*((UNIT if name == E else kept("ln", algebra.base_of(name))) * exponent for name, exponent in powers))


# Absolute values, extremes, integers


def _absolute(x: Value) -> Value:
    """|x|: a number, √(x·x̄) of a complex one, or an atom whose argument has a fixed sign."""
    for value in (x, -x):
        if algebra.is_positive(value) or balls.sign_of(value) == 1:
            return value
    if x.exact and algebra.I in x.atoms:
        return _root(x * Value({m: -c if (algebra.I, 1) in m else c for m, c in x.terms.items()}))
    return kept("abs", _positively(x))


def _sign(x: Value) -> Value:
    sign = balls.sign_of(x)
    return _odd("sgn", x) if sign is None else constant(sign)


def _maximum(*args: Value) -> Value:
    """max: of two (a + b + |a - b|) / 2, so that there is one way to write it; constants first."""
    values = sorted(set(args), key=lambda value: (balls.sign_of(value) is None, value.text))
    if sum(balls.sign_of(value) is None for value in values) > MAX_CHOICES:
        return kept("max", *values)
    return reduce(lambda a, b: (a + b + _absolute(a - b)) / 2, values)


def _floor(x: Value) -> Value:
    """The integer below: of a constant a number, else an integer that is added stands outside."""
    whole = math.floor(x.terms.get(ONE, 0)) if x.over is None else 0
    rest = x - whole
    known = 0 if rest.rational is not None else balls.told(rest, balls.floor)
    return (kept("floor", rest) if known is None else constant(known)) + whole


def _factorial(x: Value, step: int = 1) -> Value:
    """n!, or n!! by steps of 2: of a number its value, else (n + k)! by n!."""
    number = x.rational
    shift = math.floor(x.terms.get(ONE, 0)) if number is None and x.over is None else 0
    if step <= shift <= _MAX_SHIFT:
        return _factorial(x - step, step) * x
    if -_MAX_SHIFT <= shift < 0:
        return _factorial(x + step, step) / (x + step)
    if not isinstance(number, int) or number > MAX_FACTORIAL:
        return kept("factorial" if step == 1 else "double factorial", x)
    if number < 0:
        raise algebra.Undefined
    algebra.spend(number)
    return constant(algebra.check_size(math.prod(range(number, 0, -step))))


def _binomial(x: Value, y: Value) -> Value:
    """Of numbers a number, else by factorials."""
    n, k = x.rational, y.rational
    if isinstance(n, int) and isinstance(k, int) and k >= 0 and 0 <= n <= 4 * MAX_FACTORIAL:
        algebra.spend(min(k, n))
        return constant(algebra.check_size(math.comb(n, k)))
    return _factorial(x) / (_factorial(y) * _factorial(x - y))


def _divisor(name: str, compute: Callable[[int, int], int], start: int, *args: Value) -> Value:
    """gcd or lcm of rationals: of the numerators over one common denominator."""
    distinct = sorted(set(args), key=lambda value: value.text)
    numbers = [Fraction(arg.rational) for arg in distinct if arg.rational is not None]
    if len(numbers) < len(distinct):
        return distinct[0] if len(distinct) == 1 and name == "gcd" else kept(name, *distinct)
    scale = math.lcm(*(number.denominator for number in numbers))
    found = reduce(lambda a, b: int(algebra.check_size(compute(a, int(b * scale)))), numbers, start)
    return constant(algebra.quotient(found, scale))


# Enclosures that FLINT has no method for


def _ball_factorial(at: Evaluator, x: Ball) -> Ball:
    if x.exact is not None and x.exact < 0 and x.exact.q == 1:
        raise balls.Off
    if balls.log2_of(x.v) > MAX_GAMMA_BITS:
        raise Unknown
    return balls.hiding(x.u + x.l, (x.v + 1).gamma())


def _ball_double_factorial(at: Evaluator, x: Ball) -> Ball:
    n = x.exact
    if n is None or n.q != 1 or not 0 <= n <= MAX_FACTORIAL:
        raise Unknown
    return balls.number(math.prod(range(int(n.p), 0, -2)))


def _row(name: str, spellings: str = "", exact: Callable[..., Value] | None = None, **columns: Any) -> None:
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
_row("arcsin", "arcsin asin", _arcsine, flint="asin", domain=lambda v: not (v > 1 or v < -1))
_row("arccos", "arccos acos", lambda x: atom(PI) * _HALF - _arcsine(x))  # always: so that both are written alike
_row("arctan", "arctan atan", partial(_odd, "arctan"), flint="atan")
_row("arccot", "arccot acot")
_row("arcsec", "arcsec asec", lambda x: atom(PI) * _HALF - _arcsine(UNIT / x))
_row("arccsc", "arccsc acsc", lambda x: _arcsine(UNIT / x))
_row("sinh", "sinh", lambda x: _exponentials(x, -1) / 2, inverse="arsinh")
_row("cosh", "cosh", lambda x: _exponentials(x) / 2, inverse="arcosh")
_row("tanh", "tanh", lambda x: _exponentials(x, -1) / _exponentials(x), inverse="artanh")
_row("coth", "coth", lambda x: _exponentials(x) / _exponentials(x, -1))
_row("sech", "sech", lambda x: constant(2) / _exponentials(x))
_row("csch", "csch", lambda x: constant(2) / _exponentials(x, -1))
_row("arsinh", "arsinh arcsinh asinh", lambda x: _logarithm(x + _root(x * x + 1)))
_row("arcosh", "arcosh arccosh acosh", lambda x: _logarithm(x + _root(x * x - 1)))
_row("artanh", "artanh arctanh atanh", lambda x: _logarithm((UNIT + x) / (UNIT - x)) / 2)
_row("cis", "cis", lambda x: atom(E) ** (x * atom(algebra.I)))
_row("exp", "exp", lambda x: atom(E) ** x, flint="exp", limit=19)
_row("ln", "ln", _logarithm, flint="log", domain=lambda v: not v <= 0)
# log(base, x), and log(x), which is the natural logarithm as in sympy and math-verify
_row("log", "log", lambda x, *of: _logarithm(*of) / _logarithm(x) if of else _logarithm(x), arity=(1, 2))
_row("lg", "lg", lambda x: _logarithm(x) / _logarithm(constant(10)))
_row("erf", "erf", flint="erf", hidden=lambda x: 1.5 * x * x + 8, cost=3)
_row("abs", "abs", _absolute, branches="sign",
     rule=lambda at, x: x._replace(v=abs(x.v), exact=None if x.exact is None else abs(x.exact)),
     squared=lambda x: None if x.over else (x.terms, x.terms))  # fmt: skip
_row("sgn", "sgn sign", _sign, rule=lambda at, x: balls.number(balls.sign(x)), branches="sign")
_row("max", "max", _maximum, arity=_ANY, branches="step")
_row("min", "min", lambda *args: -_maximum(*(-arg for arg in args)), arity=_ANY)
_row("sqrt", exact=_root, arity=(1, 2))
_row("power", arity=_TWO, rule=lambda at, x, y: at.exponential(x, y, object()))
_row("floor", "floor", _floor, rule=lambda at, x: balls.number(balls.floor(x)), branches="step")
_row("ceil", "ceil", lambda x: -_floor(-x))
_row("mod", exact=lambda x, y: x - y * _floor(x / y), arity=_TWO)
_row("factorial", exact=_factorial, rule=_ball_factorial, cost=20, integer=True)
_row("Gamma", "Gamma", lambda x: _factorial(x - 1), letter=True)
_row("double factorial", exact=partial(_factorial, step=2), rule=_ball_double_factorial, integer=True)
_row("binomial", exact=_binomial, arity=_TWO, integer=True)
_row("permutations", exact=lambda n, k: _factorial(n) / _factorial(n - k), arity=_TWO)
_row("zeta", "zeta", flint="zeta", hidden=lambda x: 0, limit=MAX_GAMMA_BITS, cost=110, letter=True)  # of real numbers
_row("W", "W", letter=True)
_row("gcd", "gcd", partial(_divisor, "gcd", math.gcd, 0), arity=_ANY)
_row("lcm", "lcm", partial(_divisor, "lcm", math.lcm, 1), arity=_ANY)
for _name in ("arg", "det", "deg", "dim", "ker", "Re", "Im"):
    _row(_name, _name)

"""Functions of exact arguments: what can be computed is, the rest stays an atom with canonical arguments.

The rows of the table stand at the end; `table.Function` says what each column means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial, reduce
from typing import Any

from flint import acb, arb

from empo_rewards.equivalence.math import algebra, balls
from empo_rewards.equivalence.math.algebra import ONE, PI, UNIT, ZERO, E, Func, Value, add, atom, constant, kept
from empo_rewards.equivalence.math.balls import Ball, Evaluator, Unknown
from empo_rewards.equivalence.math.limits import MAX_CHOICES, MAX_FACTORIAL, MAX_GAMMA_BITS
from empo_rewards.equivalence.math.table import TABLE, Function, register

_HALF = Fraction(1, 2)
_PI: Any = frozenset(((PI, 1),))
_MAX_SHIFT = 12  # factors that (n + k)! is written out by


def apply(name: str, args: tuple[Value, ...]) -> Value:
    """name(args) in canonical form."""
    row = TABLE.get(name)
    if row is not None and not row.arity[0] <= len(args) <= row.arity[1]:
        return kept(f"{name} of {len(args)}", *args)
    return kept(name, *args) if row is None or row.exact is None else row.exact(*args)


def _root(x: Value | int, degree: Value | int = 2) -> Value:
    x, degree = constant(x), constant(degree)
    n = degree.rational
    return x ** Fraction(1, n) if isinstance(n, int) and n else kept("root", x, degree)


# Trigonometry

# sin(kπ/12) for k = 0 to 6
_SINES = (ZERO, (_root(6) - _root(2)) / 4, UNIT / 2, _root(2) / 2, _root(3) / 2, (_root(6) + _root(2)) / 4, UNIT)
_ARCSINES = {value: k for k, value in enumerate(_SINES)}
_ARCTANGENTS = {_SINES[k] / _SINES[6 - k]: k for k in range(6)}


def _sine(x: Value) -> Value:
    """sin of an argument: odd symmetry, shifts by π/2, and the exact values at multiples of π/12."""
    if x.over is not None:
        return _odd("sin", x)
    terms = dict(x.terms)
    shift = Fraction(terms.pop(_PI, 0))
    flip = bool(terms) and algebra.leading_sign(terms) < 0
    if flip:
        terms, shift = {m: -c for m, c in terms.items()}, -shift
    quarters, rest = divmod(shift, _HALF)
    odd, twelfths = quarters % 2, 12 * rest
    if terms or twelfths.denominator > 1:
        result = kept("cos" if odd else "sin", Value({**terms, _PI: algebra.quotient(rest, 1)} if rest else terms))
    else:
        result = _SINES[6 - int(twelfths) if odd else int(twelfths)]
    return -result if flip != (quarters % 4 >= 2) else result


def _cosine(x: Value) -> Value:
    if x.over is not None:
        return kept("cos", _positively(x))
    return _sine(x + atom(PI) * _HALF)


def _positively(x: Value) -> Value:
    """x or -x, whichever has a positive leading coefficient."""
    return -x if x.terms and algebra.leading_sign(x.terms) < 0 else x


def _odd(name: str, x: Value, known: dict[Value, int] | None = None) -> Value:
    """An odd function: of known values the multiple of π/12 that they are, else of the argument with a fixed sign."""
    for value, sign in ((x, 1), (-x, -1)):
        if known is not None and value in known:
            return atom(PI) * Fraction(sign * known[value], 12)
    positive = _positively(x)
    return kept(name, x) if positive is x else -kept(name, positive)


def _arcsine(x: Value) -> Value:
    return _odd("arcsin", x, _ARCSINES)


# Exponentials and logarithms


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


# Absolute values, extremes


def _sign_of(x: Value) -> int | None:
    """1 where x >= 0 for certain, -1 where x <= 0; None where it cannot be told."""
    return 1 if algebra.is_positive(x) else -1 if algebra.is_positive(-x) else balls.sign_of(x)


def _absolute(x: Value) -> Value:
    """|x|: a number, the product of its factors' absolute values, or an atom whose argument has a fixed sign."""
    sign = _sign_of(x)
    if sign is not None:
        return x if sign > 0 else -x
    if x.over is not None or len(x.terms) > 1:
        return kept("abs", _positively(x))
    ((monomial, coefficient),) = x.terms.items()
    magnitudes = [constant(max(coefficient, -coefficient))]
    for name, exponent in monomial:
        factor = atom(name, exponent)
        if algebra.is_positive(factor) or algebra.kind_of(name) == "abs":
            magnitudes.append(factor)
        elif name != algebra.I:
            magnitudes.append(kept("abs", factor) if isinstance(name, Func) else kept("abs", atom(name)) ** exponent)
    return algebra.product(magnitudes)


def _sign(x: Value) -> Value:
    sign = 0 if not x.terms else balls.sign_of(x)
    return _odd("sgn", x) if sign is None else constant(sign)


def _maximum(*args: Value) -> Value:
    """max: of two (a + b + |a - b|) / 2, so that there is one way to write it; what is never the largest goes."""
    largest: list[Value] = []
    for value in dict.fromkeys(args):
        signs = [_sign_of(value - other) for other in largest]
        if -1 not in signs:
            largest = [other for other, sign in zip(largest, signs, strict=True) if sign != 1] + [value]
    largest.sort(key=lambda value: value.text)
    if len(largest) > MAX_CHOICES:
        return kept("max", *largest)
    return reduce(lambda a, b: (a + b + _absolute(a - b)) / 2, largest)


# Integers


def _split(x: Value) -> tuple[int, Value]:
    """An argument as an integer and the rest, whose constant term is in [0, 1)."""
    whole = math.floor(x.terms.get(ONE, 0)) if x.over is None else 0
    return whole, x - whole if whole else x


def _floor(x: Value) -> Value:
    """The integer below: of a constant a number, else an integer that is added stands outside."""
    whole, rest = _split(x)
    known = 0 if rest.rational is not None else balls.told(rest, balls.floor)
    return (kept("floor", rest) if known is None else constant(known)) + whole


def _computed(work: int, compute: Callable[..., int], *args: Any) -> Value:
    algebra.spend(work)
    return constant(algebra.check_size(compute(*args)))


def _factorial(x: Value) -> Value:
    """n!: of a number its value, else (n + k)! as n! times factors."""
    number, (shift, rest) = x.rational, _split(x)
    if isinstance(number, int) and number <= MAX_FACTORIAL:
        if number < 0:
            raise algebra.Undefined
        return _computed(number, math.factorial, number)
    if number is not None or not 0 < abs(shift) <= _MAX_SHIFT:
        return kept("factorial", x)
    written = (rest + k for k in range(min(shift, 0) + 1, max(shift, 0) + 1))
    return algebra.product((kept("factorial", rest), *(y if shift > 0 else UNIT / y for y in written)))


def _double_factorial(x: Value) -> Value:
    number = x.rational
    if isinstance(number, int) and 0 <= number <= MAX_FACTORIAL:
        return _computed(number, math.prod, range(number, 0, -2))
    return kept("double factorial", x)


def _binomial(x: Value, y: Value) -> Value:
    """Of numbers a number; of a small number below a product; else by factorials."""
    n, k = x.rational, y.rational
    if isinstance(n, int) and isinstance(k, int) and k >= 0 and 0 <= n <= 4 * MAX_FACTORIAL:
        return _computed(min(k, n), math.comb, n, k)
    if isinstance(n, int) and (isinstance(k, int) or n < 0):
        return kept("binomial", x, y)
    if isinstance(k, int) and 0 <= k <= _MAX_SHIFT:
        return algebra.product((constant(Fraction(1, math.factorial(k))), *(x - j for j in range(k))))
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


def _ball_zeta(at: Evaluator, x: Ball) -> Ball:
    if at.precision > 512 or isinstance(x.v, acb):
        raise Unknown
    return at.simple(TABLE["zeta"], x)


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
_row("arctan", "arctan atan", lambda x: _odd("arctan", x, _ARCTANGENTS), flint="atan")
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
_row("root", arity=_TWO, rule=lambda at, x, n: at.exponential(x, at.divide(balls.number(1), n), object()))
_row("power", arity=_TWO, rule=lambda at, x, y: at.exponential(x, y, object()))
_row("floor", "floor", _floor, rule=lambda at, x: balls.number(balls.floor(x)), branches="step")
_row("ceil", "ceil", lambda x: -_floor(-x))
_row("mod", exact=lambda x, y: x - y * _floor(x / y), arity=_TWO)
_row("factorial", exact=_factorial, rule=_ball_factorial, cost=20, integer=True)
_row("Gamma", "Gamma", lambda x: _factorial(x - 1), letter=True)
_row("double factorial", exact=_double_factorial, rule=_ball_double_factorial, integer=True)
_row("binomial", exact=_binomial, arity=_TWO, integer=True)
_row("permutations", exact=lambda n, k: _factorial(n) / _factorial(n - k), arity=_TWO)
_row("zeta", "zeta", flint="zeta", rule=_ball_zeta, limit=MAX_GAMMA_BITS, cost=25, letter=True)
_row("W", "W", letter=True)
_row("gcd", "gcd", partial(_divisor, "gcd", math.gcd, 0), arity=_ANY)
_row("lcm", "lcm", partial(_divisor, "lcm", math.lcm, 1), arity=_ANY)
for _name in ("arg", "det", "deg", "dim", "ker", "Re", "Im"):
    _row(_name, _name)

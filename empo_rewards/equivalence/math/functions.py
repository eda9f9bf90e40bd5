"""Functions of exact arguments: what can be computed is, the rest stays an atom with canonical arguments.

The rows of the table stand at the end; `table.Function` says what each column means.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from flint import acb

from empo_rewards.equivalence.math import balls
from empo_rewards.equivalence.math.algebra import (
    PI,
    UNIT,
    ZERO,
    Atom,
    Budget,
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
    divide,
    factor,
    is_positive,
    leading_sign,
    multiply,
    negative,
    power,
    quotient,
    rational_power,
)
from empo_rewards.equivalence.math.balls import Ball, Evaluator, Loose, Off, Unknown
from empo_rewards.equivalence.math.limits import MAX_FACTORIAL, MAX_GAMMA_BITS
from empo_rewards.equivalence.math.table import TABLE, Exact, Function, register

_Unary = Callable[[Value, Budget], Value]

_ONE = frozenset[Any]()
_HALF = Fraction(1, 2)
_MAX_SHIFT = 12
"""Factors that (n + k)! is written out by."""


def apply(name: str, args: tuple[Value, ...], budget: Budget) -> Value:
    """name(args) in canonical form."""
    row = TABLE.get(name)
    if row is None or row.exact is None or not row.arity[0] <= len(args) <= row.arity[1]:
        return atom(Func(name, args))
    return row.exact(args, budget)


def _kept(name: str, *args: Value) -> Value:
    return atom(Func(name, args))


# Trigonometry


def _half_root(numerator: int, radicand: int) -> Value:
    root = rational_power(constant(radicand), _HALF, Budget())
    return multiply(constant(Fraction(numerator, 2)), root, Budget())


def _quarter_sum(sign: int) -> Value:
    """(√6 ± √2)/4: the sine of 75 and of 15 degrees."""
    return multiply(constant(_HALF), add(_half_root(1, 6), _half_root(sign, 2), budget=Budget()), Budget())


_SINES: tuple[Value, ...] = (
    ZERO,
    _quarter_sum(-1),
    constant(_HALF),
    _half_root(1, 2),
    _half_root(1, 3),
    _quarter_sum(1),
    UNIT,
)
"""sin(kπ/12) for k = 0 to 6."""
_ARCSINES = {value: k for k, value in enumerate(_SINES)}
_ARCTANGENTS = {divide(_SINES[k], _SINES[6 - k], Budget()): k for k in range(6)}


def _pi_times(share: Rational) -> Value:
    return Value({frozenset(((PI, 1),)): quotient(share, 1)}) if share else ZERO


def _sine(argument: Value, budget: Budget) -> Value:
    """sin of an argument: odd symmetry, shifts by π/2, and the exact values at multiples of π/12."""
    if argument.over is not None:
        return _odd("sin", argument)
    terms = dict(argument.terms)
    shift = Fraction(terms.pop(frozenset(((PI, 1),)), 0))
    flip = bool(terms) and leading_sign(terms) < 0
    if flip:
        terms, shift = {m: -c for m, c in terms.items()}, -shift
    quarters = math.floor(2 * shift)
    result = _at_rest("cos" if quarters % 2 else "sin", terms, shift - Fraction(quarters, 2))
    return negative(result) if flip != (quarters % 4 >= 2) else result


def _at_rest(name: str, terms: Terms, rest: Fraction) -> Value:
    """sin or cos at terms + rest·π with rest in [0, 1/2)."""
    if not terms and (12 * rest).denominator == 1:
        k = int(12 * rest)
        return _SINES[k if name == "sin" else 6 - k]
    return _kept(name, Value({**terms, frozenset(((PI, 1),)): quotient(rest, 1)} if rest else terms))


def _cosine(argument: Value, budget: Budget) -> Value:
    if argument.over is not None:
        return _kept("cos", argument if leading_sign(argument.terms) > 0 else negative(argument))
    return _sine(add(argument, _pi_times(_HALF), budget=budget), budget)


def _odd(name: str, argument: Value, known: dict[Value, int] | None = None) -> Value:
    """An odd function: of known values the multiple of π/12 that they are, else of the argument with a fixed sign."""
    for value, sign in ((argument, 1), (negative(argument), -1)):
        if known is not None and value in known:
            return _pi_times(Fraction(sign * known[value], 12))
    if argument.terms and leading_sign(argument.terms) < 0:
        return negative(_kept(name, negative(argument)))
    return _kept(name, argument)


def _arcsine(argument: Value, budget: Budget) -> Value:
    return _odd("arcsin", argument, _ARCSINES)


def _arccosine(argument: Value, budget: Budget) -> Value:
    """arccos x = π/2 - arcsin x, always: so that both are written alike."""
    return add(_pi_times(_HALF), negative(_arcsine(argument, budget)), budget=budget)


def _over(top: _Unary, bottom: _Unary) -> _Unary:
    return lambda argument, budget: divide(top(argument, budget), bottom(argument, budget), budget)


def _unit(argument: Value, budget: Budget) -> Value:
    return UNIT


def _at_inverse(function: _Unary) -> _Unary:
    return lambda argument, budget: function(divide(UNIT, argument, budget), budget)


# Exponentials and logarithms


def _exponential(argument: Value, budget: Budget) -> Value:
    return power(atom(E), argument, budget)


def _hyperbolic(sign: int) -> _Unary:
    """(e^x + sign·e^(-x)) / 2."""

    def inner(argument: Value, budget: Budget) -> Value:
        rising, falling = _exponential(argument, budget), _exponential(negative(argument), budget)
        return multiply(constant(_HALF), add(rising, multiply(constant(sign), falling, budget), budget=budget), budget)

    return inner


def _area(sign: int) -> _Unary:
    """ln(x + √(x² + sign)): the inverses of sinh (1) and cosh (-1)."""

    def inner(argument: Value, budget: Budget) -> Value:
        square = add(multiply(argument, argument, budget), constant(sign), budget=budget)
        return _logarithm(add(argument, rational_power(square, _HALF, budget), budget=budget), budget)

    return inner


def _area_tangent(argument: Value, budget: Budget) -> Value:
    """ln((1 + x) / (1 - x)) / 2."""
    inner = divide(add(UNIT, argument, budget=budget), add(UNIT, negative(argument), budget=budget), budget)
    return multiply(constant(_HALF), _logarithm(inner, budget), budget)


def _logarithm(argument: Value, budget: Budget) -> Value:
    """ln. Of a positive rational: the sum over its primes. Of e^x: x."""
    if not argument.terms:
        raise Undefined
    number = argument.rational
    if number is not None and number > 0:
        return _log_rational(number, budget)
    if argument.over is None and len(argument.terms) == 1:
        ((monomial, coefficient),) = argument.terms.items()
        if coefficient > 0 and all(name == E or isinstance(name, int) for name, _ in monomial):
            parts = [_log_rational(coefficient, budget)]
            for name, exponent in monomial:
                log = _log_rational(name, budget) if isinstance(name, int) else UNIT
                parts.append(multiply(constant(exponent), log, budget))
            return add(*parts, budget=budget)
    return _kept("ln", argument)


def _log_rational(number: Rational, budget: Budget) -> Value:
    parts = []
    for part, sign in ((number.numerator, 1), (number.denominator, -1)):
        primes, rest = factor(part)
        if rest > 1:
            primes[rest] = 1
        parts += [Value({frozenset(((Func("ln", (constant(p),)), 1),)): sign * count}) for p, count in primes.items()]
    return add(*parts, budget=budget) if parts else ZERO


def _log(args: tuple[Value, ...], budget: Budget) -> Value:
    """log(x) is the natural logarithm (as in sympy and math-verify); log(base, x) is ln x / ln base."""
    if len(args) == 1:
        return _logarithm(args[0], budget)
    base, argument = args
    return divide(_logarithm(argument, budget), _logarithm(base, budget), budget)


# Absolute values, extremes, roots


def _absolute(argument: Value, budget: Budget) -> Value:
    """|x|: a number, the product of its factors' absolute values, or an atom whose argument has a fixed sign."""
    sign = 1 if not argument.terms or is_positive(argument) else balls.sign_of(argument, budget)
    if sign is not None:
        return argument if sign > 0 else negative(argument)
    if argument.over is None and len(argument.terms) == 1:
        ((monomial, coefficient),) = argument.terms.items()
        result = constant(coefficient if coefficient > 0 else -coefficient)
        for name, exponent in monomial:
            result = multiply(result, _absolute_factor(name, exponent), budget)
        return result
    return _kept("abs", argument if leading_sign(argument.terms) > 0 else negative(argument))


def _absolute_factor(name: Atom, exponent: Rational) -> Value:
    """|name ** exponent|."""
    factor = Value({frozenset(((name, exponent),)): 1})
    if name == I:
        return UNIT
    if isinstance(name, int) or name in (PI, E) or (isinstance(name, Func) and name.name == "abs"):
        return factor  # positive as it is
    if not isinstance(name, str):
        return _kept("abs", factor)
    if exponent.denominator == 1 and exponent % 2 == 0:
        return factor
    return Value({frozenset(((Func("abs", (atom(name),)), exponent),)): 1})


def _sign(argument: Value, budget: Budget) -> Value:
    sign = 0 if not argument.terms else balls.sign_of(argument, budget)
    return _odd("sgn", argument) if sign is None else constant(sign)


def _maximum(args: tuple[Value, ...], budget: Budget) -> Value:
    """max: nested ones as one, of the numbers whose order is certain the largest only."""
    found: dict[Value, None] = {}
    for arg in args:
        name = next(iter(arg.atoms)) if len(arg.terms) == 1 and arg.over is None and arg.atoms else None
        inner = isinstance(name, Func) and name.name == "max" and arg == atom(name)
        found.update(dict.fromkeys(name.args if inner and isinstance(name, Func) else (arg,)))
    kept: list[Value] = []
    for value in found:
        signs = [_order(value, other, budget) for other in kept]
        if -1 not in signs:
            kept = [other for other, sign in zip(kept, signs, strict=True) if sign != 1] + [value]
    return kept[0] if len(kept) == 1 else _kept("max", *sorted(kept, key=lambda value: value.text))


def _order(a: Value, b: Value, budget: Budget) -> int | None:
    """1 where a >= b for certain, -1 where a <= b."""
    over, under = add(a, negative(b), budget=budget), add(b, negative(a), budget=budget)
    return 1 if is_positive(over) else -1 if is_positive(under) else balls.sign_of(over, budget)


def _minimum(args: tuple[Value, ...], budget: Budget) -> Value:
    return negative(_maximum(tuple(map(negative, args)), budget))


def _square_root(args: tuple[Value, ...], budget: Budget) -> Value:
    """sqrt(x), or root(x, n)."""
    degree = 2 if len(args) == 1 else args[1].rational
    if not isinstance(degree, int) or degree == 0:
        return _kept("root", *args)
    return rational_power(args[0], Fraction(1, degree), budget)


# Integers


def _split(argument: Value) -> tuple[int, Value]:
    """An argument as an integer and the rest, whose constant term is in [0, 1)."""
    term = argument.terms.get(_ONE, 0) if argument.over is None else 0
    whole = math.floor(term)
    if not whole:
        return 0, argument
    rest = {m: c for m, c in argument.terms.items() if m} | ({_ONE: term - whole} if term != whole else {})
    return whole, Value(rest)


def _floor(argument: Value, budget: Budget) -> Value:
    """The integer below: of a constant a number, else an integer that is added stands outside."""
    whole, rest = _split(argument)
    known = 0 if not rest.terms or rest.rational is not None else balls.floor_of(rest, budget)
    return constant(whole + known) if known is not None else add(constant(whole), _kept("floor", rest), budget=budget)


def _ceiling(argument: Value, budget: Budget) -> Value:
    return negative(_floor(negative(argument), budget))


def _modulo(args: tuple[Value, ...], budget: Budget) -> Value:
    a, b = args[0].rational, args[1].rational
    return constant(quotient(a % b, 1)) if a is not None and b else _kept("mod", *args)


def _factorial(argument: Value, budget: Budget) -> Value:
    """n!: of a number its value, else (n + k)! as n! times factors."""
    number = argument.rational
    if number is not None:
        if not isinstance(number, int) or number > MAX_FACTORIAL:
            return _kept("factorial", argument)
        if number < 0:
            raise Undefined
        budget.spend(number)
        return constant(check_size(math.factorial(number), budget))
    shift, rest = _split(argument)
    if not 0 < abs(shift) <= _MAX_SHIFT:
        return _kept("factorial", argument)
    result = _kept("factorial", rest)
    for k in range(min(shift, 0) + 1, max(shift, 0) + 1):
        step = add(rest, constant(k), budget=budget)
        result = multiply(result, step, budget) if shift > 0 else divide(result, step, budget)
    return result


def _gamma(argument: Value, budget: Budget) -> Value:
    return _factorial(add(argument, constant(-1), budget=budget), budget)


def _double_factorial(argument: Value, budget: Budget) -> Value:
    number = argument.rational
    if isinstance(number, int) and 0 <= number <= MAX_FACTORIAL:
        budget.spend(number)
        return constant(check_size(math.prod(range(number, 0, -2)), budget))
    return _kept("double factorial", argument)


def _binomial(args: tuple[Value, ...], budget: Budget) -> Value:
    """Of numbers a number; of a small number below a product; else by factorials."""
    n, k = args[0].rational, args[1].rational
    if isinstance(n, int) and isinstance(k, int):
        if k < 0 or not 0 <= n <= 4 * MAX_FACTORIAL:
            return _kept("binomial", *args)
        budget.spend(min(k, n))
        return constant(check_size(math.comb(n, k), budget))
    if isinstance(k, int) and 0 <= k <= _MAX_SHIFT:
        result = constant(Fraction(1, math.factorial(k)))
        for j in range(k):
            result = multiply(result, add(args[0], constant(-j), budget=budget), budget)
        return result
    if isinstance(n, int) and n < 0:
        return _kept("binomial", *args)
    rest = add(args[0], negative(args[1]), budget=budget)
    below = multiply(_factorial(args[1], budget), _factorial(rest, budget), budget)
    return divide(_factorial(args[0], budget), below, budget)


def _permutations(args: tuple[Value, ...], budget: Budget) -> Value:
    left = add(args[0], negative(args[1]), budget=budget)
    return divide(_factorial(args[0], budget), _factorial(left, budget), budget)


def _divisor(name: str, compute: Callable[..., int]) -> Exact:
    """gcd or lcm of rationals: of the numerators over one common denominator."""

    def inner(args: tuple[Value, ...], budget: Budget) -> Value:
        numbers = [arg.rational for arg in args]
        if len(set(args)) == 1 and numbers[0] is None and name == "gcd":
            return args[0]
        if any(n is None for n in numbers):
            return _kept(name, *sorted(set(args), key=lambda value: value.text))
        fractions = [Fraction(n) for n in numbers if n is not None]
        result, scale = 0 if name == "gcd" else 1, math.lcm(*(f.denominator for f in fractions))
        for f in fractions:
            result = int(check_size(compute(result, int(f * scale)), budget))
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


def _ball_absolute(at: Evaluator, args: tuple[Ball, ...]) -> Ball:
    x = args[0]
    return Ball(abs(x.v), x.u, x.l, x.algebraic, None if x.exact is None else abs(x.exact))


def _ball_sign(at: Evaluator, args: tuple[Ball, ...]) -> Ball:
    return balls.number(at.sign(args[0]))


def _ball_floor(at: Evaluator, args: tuple[Ball, ...]) -> Ball:
    return at.floor(args[0])


def _ball_modulo(at: Evaluator, args: tuple[Ball, ...]) -> Ball:
    return at.subtract(args[0], at.multiply([args[1], at.floor(at.divide(*args))]))


def _ball_factorial(at: Evaluator, args: tuple[Ball, ...]) -> Ball:
    x = args[0]
    if x.exact is not None and x.exact < 0 and x.exact.q == 1:
        raise Off
    if balls.log2_of(x.v) > MAX_GAMMA_BITS:
        raise Unknown
    v = balls.checked((x.v + 1).gamma())
    size = balls.log2_of(v)
    return Ball(v, x.u + x.l + max(0, size), x.u + x.l + max(0, -size))


def _ball_double_factorial(at: Evaluator, args: tuple[Ball, ...]) -> Ball:
    n = args[0].exact
    if n is None or n.q != 1 or not 0 <= n <= MAX_FACTORIAL:
        raise Unknown
    return balls.number(math.prod(range(int(n.p), 0, -2)))


def _ball_zeta(at: Evaluator, args: tuple[Ball, ...]) -> Ball:
    if at.precision > 512 or isinstance(args[0].v, acb):
        raise Unknown
    return at.simple(TABLE["zeta"], args[0])


def _ball_power(at: Evaluator, args: tuple[Ball, ...]) -> Ball:
    return at.exponential(args[0], args[1], object())


def _ball_root(at: Evaluator, args: tuple[Ball, ...]) -> Ball:
    return at.exponential(args[0], at.divide(balls.number(1), args[1]), object())


def _row(name: str, spellings: str = "", one: _Unary | None = None, **columns: Any) -> None:
    """Adds a function, of one argument where its exact rule is `one`."""
    if one is not None:
        columns["exact"] = lambda args, budget: one(args[0], budget)
    register(Function(name, tuple(spellings.split()), **columns))


_ANY, _TWO = (1, 64), (2, 2)

_row("sin", "sin", _sine, flint="sin", inverse="arcsin")
_row("cos", "cos", _cosine, flint="cos", inverse="arccos")
_row("tan", "tan tg", _over(_sine, _cosine), inverse="arctan")
_row("cot", "cot ctg", _over(_cosine, _sine), inverse="arccot")
_row("sec", "sec", _over(_unit, _cosine), inverse="arcsec")
_row("csc", "csc cosec", _over(_unit, _sine), inverse="arccsc")
_row("arcsin", "arcsin asin", _arcsine, flint="asin", domain=_in_unit_interval)
_row("arccos", "arccos acos", _arccosine)
_row("arctan", "arctan atan", lambda x, budget: _odd("arctan", x, _ARCTANGENTS), flint="atan")
_row("arccot", "arccot acot")
_row("arcsec", "arcsec asec", _at_inverse(_arccosine))
_row("arccsc", "arccsc acsc", _at_inverse(_arcsine))
_row("sinh", "sinh", _hyperbolic(-1), inverse="arsinh")
_row("cosh", "cosh", _hyperbolic(1), inverse="arcosh")
_row("tanh", "tanh", _over(_hyperbolic(-1), _hyperbolic(1)), inverse="artanh")
_row("coth", "coth", _over(_hyperbolic(1), _hyperbolic(-1)))
_row("sech", "sech", _over(_unit, _hyperbolic(1)))
_row("csch", "csch", _over(_unit, _hyperbolic(-1)))
_row("arsinh", "arsinh arcsinh asinh", _area(1))
_row("arcosh", "arcosh arccosh acosh", _area(-1))
_row("artanh", "artanh arctanh atanh", _area_tangent)
_row("exp", "exp", _exponential, flint="exp", limit=19)
_row("ln", "ln", _logarithm, flint="log", domain=_positive)
_row("log", "log", exact=_log, arity=(1, 2))
_row("lg", "lg", lambda x, budget: _log((constant(10), x), budget))
_row("erf", "erf", flint="erf", hidden=lambda x: 1.5 * x * x + 8, cost=3)
_row("abs", "abs", _absolute, rule=_ball_absolute, branches="sign")
_row("sgn", "sgn sign", _sign, rule=_ball_sign, branches="sign")
_row("max", "max", exact=_maximum, arity=_ANY, branches="choice")
_row("min", "min", exact=_minimum, arity=_ANY)
_row("sqrt", exact=_square_root, arity=(1, 2))
_row("root", arity=_TWO, rule=_ball_root)
_row("power", arity=_TWO, rule=_ball_power)
_row("floor", "floor", _floor, rule=_ball_floor, branches="step")
_row("ceil", "ceil", _ceiling)
_row("mod", exact=_modulo, arity=_TWO, rule=_ball_modulo, branches="step")
_row("factorial", one=_factorial, rule=_ball_factorial, cost=20)
_row("Gamma", "Gamma", _gamma, letter=True)
_row("double factorial", one=_double_factorial, rule=_ball_double_factorial)
_row("binomial", exact=_binomial, arity=_TWO)
_row("permutations", exact=_permutations, arity=_TWO)
_row("zeta", "zeta", flint="zeta", rule=_ball_zeta, limit=MAX_GAMMA_BITS, cost=25, letter=True)
_row("W", "W", letter=True)
_row("gcd", "gcd", exact=_divisor("gcd", math.gcd), arity=_ANY)
_row("lcm", "lcm", exact=_divisor("lcm", math.lcm), arity=_ANY)
for _name in ("arg", "det", "deg", "dim", "ker", "Re", "Im"):
    _row(_name, _name)

"""Functions of exact arguments: what can be computed is, the rest stays an atom with canonical arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from empo_rewards.equivalence.math import numeric
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
    TooLarge,
    Undefined,
    Value,
    add,
    atom,
    check_size,
    constant,
    divide,
    factor,
    leading_sign,
    multiply,
    negative,
    power,
    quotient,
    rational_power,
)
from empo_rewards.equivalence.math.limits import MAX_FACTORIAL


def apply(name: str, args: tuple[Value, ...], budget: Budget) -> Value:
    """name(args) in canonical form."""
    special = _TABLE.get(name)
    if special is not None:
        return special(args, budget)
    return atom(Func(name, args))


def _one(function: Callable[[Value, Budget], Value], name: str) -> Callable[[tuple[Value, ...], Budget], Value]:
    def inner(args: tuple[Value, ...], budget: Budget) -> Value:
        return function(args[0], budget) if len(args) == 1 else atom(Func(name, args))

    return inner


# Trigonometry


def _half(numerator: int, radicand: int) -> Value:
    return multiply(
        constant(Fraction(numerator, 2)), rational_power(constant(radicand), Fraction(1, 2), Budget()), Budget()
    )


def _quarter_sum(sign: int) -> Value:
    """(√6 ± √2)/4: the sine of 75 and of 15 degrees."""
    half = constant(Fraction(1, 2))
    return multiply(half, add(_half(1, 6), _half(sign, 2), budget=Budget()), Budget())


_SINES: tuple[Value, ...] = (
    ZERO,
    _quarter_sum(-1),
    constant(Fraction(1, 2)),
    _half(1, 2),
    _half(1, 3),
    _quarter_sum(1),
)
"""sin(kπ/12) for k = 0 to 5."""
_ARCSINES = {value: k for k, value in enumerate((*_SINES, UNIT))}


def _sine(argument: Value, budget: Budget) -> Value:
    """sin of an argument: odd symmetry, shifts by π/2, and the exact values at multiples of π/12."""
    if argument.over is not None:
        if leading_sign(argument.terms) < 0:
            return negative(atom(Func("sin", (negative(argument),))))
        return atom(Func("sin", (argument,)))
    turn = frozenset(((PI, 1),))
    terms = dict(argument.terms)
    shift = Fraction(terms.pop(turn, 0))
    flip = bool(terms) and leading_sign(terms) < 0
    if flip:
        terms, shift = {m: -c for m, c in terms.items()}, -shift
    quarters = math.floor(2 * shift)
    rest = shift - Fraction(quarters, 2)
    name = "cos" if quarters % 2 else "sin"
    result = _at_rest(name, terms, rest)
    return negative(result) if flip != (quarters % 4 >= 2) else result


def _at_rest(name: str, terms: Terms, rest: Fraction) -> Value:
    """sin or cos at terms + rest·π with rest in [0, 1/2)."""
    if not terms and (12 * rest).denominator == 1:
        k = int(12 * rest)
        if name == "sin":
            return _SINES[k]
        return UNIT if k == 0 else _SINES[6 - k]
    if rest:
        terms = {**terms, frozenset(((PI, 1),)): quotient(rest, 1)}
    return atom(Func(name, (Value(terms),)))


def _cosine(argument: Value, budget: Budget) -> Value:
    if argument.over is not None:
        return atom(Func("cos", (argument if leading_sign(argument.terms) > 0 else negative(argument),)))
    return _sine(add(argument, Value({frozenset(((PI, 1),)): Fraction(1, 2)}), budget=budget), budget)


def _tangent(argument: Value, budget: Budget) -> Value:
    return divide(_sine(argument, budget), _cosine(argument, budget), budget)


def _cotangent(argument: Value, budget: Budget) -> Value:
    return divide(_cosine(argument, budget), _sine(argument, budget), budget)


def _pi_times(share: Rational) -> Value:
    return Value({frozenset(((PI, 1),)): share}) if share else ZERO


def _arcsine(argument: Value, budget: Budget) -> Value:
    for value, sign in ((argument, 1), (negative(argument), -1)):
        if value in _ARCSINES:
            return _pi_times(quotient(sign * _ARCSINES[value], 12))
    if argument.terms and leading_sign(argument.terms) < 0:
        return negative(atom(Func("arcsin", (negative(argument),))))
    return atom(Func("arcsin", (argument,)))


def _arccosine(argument: Value, budget: Budget) -> Value:
    """arccos x = π/2 - arcsin x, always: so that both are written alike."""
    return add(_pi_times(Fraction(1, 2)), negative(_arcsine(argument, budget)), budget=budget)


def _arctangent(argument: Value, budget: Budget) -> Value:
    for k in range(6):
        tangent = divide(_SINES[k], UNIT if k == 0 else _SINES[6 - k], budget)
        for value, sign in ((argument, 1), (negative(argument), -1)):
            if value == tangent:
                return _pi_times(quotient(sign * k, 12))
    if argument.terms and leading_sign(argument.terms) < 0:
        return negative(atom(Func("arctan", (negative(argument),))))
    return atom(Func("arctan", (argument,)))


# Logarithms, absolute values, roots


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
    return atom(Func("ln", (argument,)))


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


def _exponential(argument: Value, budget: Budget) -> Value:
    return power(atom(E), argument, budget)


def _absolute(argument: Value, budget: Budget) -> Value:
    """|x|: a number, the product of its factors' absolute values, or an atom whose argument has a fixed sign."""
    sign = 1 if not argument.terms else numeric.sign(argument)
    if sign is not None:
        return argument if sign > 0 else negative(argument)
    if argument.over is None and len(argument.terms) == 1:
        ((monomial, coefficient),) = argument.terms.items()
        result = constant(coefficient if coefficient > 0 else -coefficient)
        for name, exponent in monomial:
            result = multiply(result, _absolute_factor(name, exponent), budget)
        return result
    return atom(Func("abs", (argument if leading_sign(argument.terms) > 0 else negative(argument),)))


def _absolute_factor(name: Atom, exponent: Rational) -> Value:
    """|name ** exponent|."""
    factor = Value({frozenset(((name, exponent),)): 1})
    if name == I:
        return UNIT
    if isinstance(name, int) or name in (PI, E) or (isinstance(name, Func) and name.name == "abs"):
        return factor  # positive as it is
    if not isinstance(name, str):
        return atom(Func("abs", (factor,)))
    if exponent.denominator == 1 and exponent % 2 == 0:
        return factor
    return Value({frozenset(((Func("abs", (atom(name),)), exponent),)): 1})


# Integers


def _rounded(name: str) -> Callable[[Value, Budget], Value]:
    whole = math.floor if name == "floor" else math.ceil

    def inner(argument: Value, budget: Budget) -> Value:
        number = argument.rational
        if number is not None:
            return constant(whole(number))
        if not numeric.has_symbols(argument):
            found = numeric.approximate(atom(Func(name, (argument,))))
            if found is not None:
                return constant(round(found[0].real))
        return atom(Func(name, (argument,)))

    return inner


def _factorial(argument: Value, budget: Budget) -> Value:
    number = argument.rational
    if isinstance(number, int) and number >= 0:
        if number > MAX_FACTORIAL:
            return atom(Func("factorial", (argument,)))
        budget.spend(number)
        return constant(check_size(math.factorial(number)))
    return atom(Func("factorial", (argument,)))


def _double_factorial(argument: Value, budget: Budget) -> Value:
    number = argument.rational
    if isinstance(number, int) and 0 <= number <= MAX_FACTORIAL:
        budget.spend(number)
        return constant(check_size(math.prod(range(number, 0, -2))))
    return atom(Func("double factorial", (argument,)))


def _binomial(args: tuple[Value, ...], budget: Budget) -> Value:
    numbers = [arg.rational for arg in args]
    if len(numbers) == 2:
        n, k = numbers
        if isinstance(n, int) and isinstance(k, int) and k >= 0 and 0 <= n <= 4 * MAX_FACTORIAL:
            budget.spend(min(k, n))
            return constant(check_size(math.comb(n, k)))
    return atom(Func("binomial", args))


def _permutations(args: tuple[Value, ...], budget: Budget) -> Value:
    numbers = [arg.rational for arg in args]
    n, k = numbers if len(numbers) == 2 else (None, None)
    if isinstance(n, int) and isinstance(k, int) and 0 <= k <= n <= MAX_FACTORIAL:
        budget.spend(k)
        return constant(check_size(math.perm(n, k)))
    return atom(Func("permutations", args))


def _gcd(args: tuple[Value, ...], budget: Budget) -> Value:
    """The greatest common divisor of rationals: of the numerators over one common denominator."""
    numbers = [arg.rational for arg in args]
    if len(set(args)) == 1 and numbers[0] is None:
        return args[0]
    if not numbers or any(n is None for n in numbers):
        return atom(Func("gcd", tuple(sorted(set(args), key=repr))))
    fractions = [Fraction(n) for n in numbers if n is not None]
    scale = math.lcm(*(f.denominator for f in fractions))
    return constant(quotient(math.gcd(*(int(f * scale) for f in fractions)), scale))


def _lcm(args: tuple[Value, ...], budget: Budget) -> Value:
    numbers = [arg.rational for arg in args]
    if not numbers or any(n is None for n in numbers):
        return atom(Func("lcm", tuple(sorted(set(args), key=repr))))
    fractions = [Fraction(n) for n in numbers if n is not None]
    scale = math.lcm(*(f.denominator for f in fractions))
    return constant(check_size(quotient(math.lcm(*(int(f * scale) for f in fractions)), scale)))


def _modulo(args: tuple[Value, ...], budget: Budget) -> Value:
    numbers = [arg.rational for arg in args]
    if len(numbers) == 2 and numbers[0] is not None and numbers[1]:
        return constant(quotient(numbers[0] % numbers[1], 1))
    return atom(Func("mod", args))


def _extreme(name: str) -> Callable[[tuple[Value, ...], Budget], Value]:
    """max or min: of numbers whose order is certain the number, else an atom over the distinct arguments."""
    wanted = 1 if name == "max" else -1

    def inner(args: tuple[Value, ...], budget: Budget) -> Value:
        if not args:
            raise TooLarge
        left = list(dict.fromkeys(args))
        best = left[0]
        for other in left[1:]:
            sign = numeric.sign(add(other, negative(best), budget=budget))
            if sign is None:
                return atom(Func(name, tuple(sorted(left, key=repr))))
            best = other if sign == wanted else best
        return best

    return inner


def _square_root(args: tuple[Value, ...], budget: Budget) -> Value:
    """sqrt(x), or root(x, n)."""
    degree = 2 if len(args) == 1 else args[1].rational
    if not isinstance(degree, int) or degree == 0:
        return atom(Func("root", args))
    return rational_power(args[0], Fraction(1, degree), budget)


def _reciprocal(function: Callable[[Value, Budget], Value]) -> Callable[[Value, Budget], Value]:
    return lambda argument, budget: divide(UNIT, function(argument, budget), budget)


_TABLE: dict[str, Callable[[tuple[Value, ...], Budget], Value]] = {
    "sin": _one(_sine, "sin"),
    "cos": _one(_cosine, "cos"),
    "tan": _one(_tangent, "tan"),
    "cot": _one(_cotangent, "cot"),
    "sec": _one(_reciprocal(_cosine), "sec"),
    "csc": _one(_reciprocal(_sine), "csc"),
    "arcsin": _one(_arcsine, "arcsin"),
    "arccos": _one(_arccosine, "arccos"),
    "arctan": _one(_arctangent, "arctan"),
    "ln": _one(_logarithm, "ln"),
    "log": _log,
    "exp": _one(_exponential, "exp"),
    "abs": _one(_absolute, "abs"),
    "floor": _one(_rounded("floor"), "floor"),
    "ceil": _one(_rounded("ceil"), "ceil"),
    "factorial": _one(_factorial, "factorial"),
    "double factorial": _one(_double_factorial, "double factorial"),
    "binomial": _binomial,
    "permutations": _permutations,
    "gcd": _gcd,
    "lcm": _lcm,
    "mod": _modulo,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "sqrt": _square_root,
}

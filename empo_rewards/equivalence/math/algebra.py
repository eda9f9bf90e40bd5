"""Exact values: rational functions over Q in symbols, π, e, i, radicals and opaque atoms, in a canonical form.

A value is a sum of terms over a denominator (absent in most). A term is a rational coefficient times a monomial; a
monomial maps atoms to exponents. Atoms are

- a symbol or a constant (`str`; `PI`, `E`, `I` are reserved names),
- a prime p (`int`), with an exponent strictly between 0 and 1: the radicals,
- `Radical(base)`, a root of a sum or of an integer that was not factored, exponent strictly between 0 and 1,
- `Exp(base, power)`, base ** power for a power that is no rational number,
- `Func(name, args)`, a function that was not evaluated.

Sums of distinct monomials in the first two kinds are linearly independent over Q (Besicovitch 1940 for radicals), so
two values without the other kinds are equal exactly where their canonical forms are. (That π and e are algebraically
independent is assumed, as everybody does.)

Values are immutable: no dictionary of terms changes once it belongs to a value. `Budget` counts the work that one
answer costs, before it is done, and raises `TooLarge`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from empo_rewards.equivalence.math.limits import (
    MAX_BITS,
    MAX_EXPONENT,
    MAX_EXPONENT_BITS,
    MAX_TERMS,
    MAX_WORK,
    TRIAL_PRIMES_BELOW,
)

Rational: TypeAlias = int | Fraction

PI, E, I = "π", "ℯ", "ⅈ"  # noqa: E741 - the imaginary unit's own name
CONSTANTS = frozenset({PI, E, I, "∞"})

_SHOWN = 80
"""Characters of a value's text past which its digest stands for it."""


class TooLarge(Exception):  # noqa: N818 - a bound, not a fault
    """A bound of `limits` was met."""


class Undefined(Exception):  # noqa: N818 - a mathematical notion, not a fault
    """The expression has no value: a division by zero, 0^0, the logarithm of 0."""


class Func(NamedTuple):
    """A function that is kept as it is, with canonical arguments."""

    name: str
    args: tuple[Value, ...]


class Radical(NamedTuple):
    """The base of a fractional power that is no prime: a sum, or an integer whose factors are not known."""

    base: Value


class Exp(NamedTuple):
    """base ** power, for a power that is one monomial and no rational number. The base is an atom, or -1."""

    base: Atom
    power: Value


Atom: TypeAlias = "str | int | Func | Radical | Exp"
Monomial: TypeAlias = "frozenset[tuple[Atom, Rational]]"
Terms: TypeAlias = "Mapping[Monomial, Rational]"

ONE: Monomial = frozenset()


class Value:
    """An exact value; see the module. Immutable, hashable; equality is equality of the canonical forms.

    What is inside an atom may occur many times over: its text, symbols and hash are computed once an object, and a
    long text is replaced by its digest, so that neither grows with the number of occurrences.
    """

    __slots__ = ("_flat", "_hash", "_symbols", "_text", "over", "terms")

    def __init__(self, terms: Terms, over: Terms | None = None) -> None:
        self.terms = terms
        self.over = over
        self._hash: int | None = None
        self._text: str | None = None
        self._flat: bool | None = None
        self._symbols: frozenset[str] | None = None

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Value) or hash(self) != hash(other):
            return False
        if self.flat:
            return self.terms == other.terms and self.over == other.over
        return self.text == other.text

    def __hash__(self) -> int:
        if self._hash is None:
            over = None if self.over is None else frozenset(self.over.items())
            self._hash = hash((frozenset(self.terms.items()), over))
        return self._hash

    def __repr__(self) -> str:
        return f"Value({self.text})"

    @property
    def text(self) -> str:
        """The value as text that is the same for equal values; a long one as its digest."""
        if self._text is None:
            text = _total_text(self.terms) + ("" if self.over is None else "//" + _total_text(self.over))
            self._text = (
                text if len(text) <= _SHOWN else "~" + hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
            )
        return self._text

    @property
    def rational(self) -> Rational | None:
        """The value as a rational number, where it is one."""
        if self.over is not None or len(self.terms) > 1:
            return None
        return self.terms.get(ONE, 0 if not self.terms else None)

    @property
    def atoms(self) -> set[Atom]:
        """The atoms that occur, not those inside other atoms."""
        parts: tuple[Terms, ...] = (self.terms,) if self.over is None else (self.terms, self.over)
        return {atom for part in parts for monomial in part for atom, _ in monomial}

    @property
    def flat(self) -> bool:
        """Whether it holds symbols, constants and primes only: denominators cleared, its canonical form is unique."""
        if self._flat is None:
            self._flat = all(isinstance(atom, (str, int)) for atom in self.atoms)
        return self._flat

    @property
    def exact(self) -> bool:
        """Whether a difference of canonical forms proves a difference of values."""
        return self.over is None and self.flat

    @property
    def symbols(self) -> frozenset[str]:
        """The names of the symbols that occur anywhere in it."""
        if self._symbols is None:
            found: set[str] = set()
            for name in self.atoms:
                if isinstance(name, str):
                    found |= {name} - CONSTANTS
                else:
                    for part in parts_of(name):
                        found |= part.symbols
            self._symbols = frozenset(found)
        return self._symbols


def parts_of(name: Atom) -> tuple[Value, ...]:
    """The values that an atom is made of."""
    if isinstance(name, Func):
        return name.args
    if isinstance(name, Radical):
        return (name.base,)
    if isinstance(name, Exp):
        return (Value({frozenset(((name.base, 1),)): 1}), name.power) if isinstance(name.base, tuple) else (name.power,)
    return ()


def constant(number: Rational) -> Value:
    """A rational number as a value."""
    return Value({ONE: number} if number else {})


def atom(name: Atom) -> Value:
    """An atom as a value."""
    return Value({frozenset(((name, 1),)): 1})


ZERO, UNIT = constant(0), constant(1)


class Budget:
    """Counts the work of one answer."""

    __slots__ = ("left",)

    def __init__(self, work: int = MAX_WORK) -> None:
        self.left = work

    def spend(self, work: int) -> None:
        """Takes `work` away; raises `TooLarge` where less is left."""
        self.left -= work
        if self.left < 0:
            raise TooLarge


# Rational numbers


def quotient(a: Rational, b: Rational) -> Rational:
    """a / b, an int where it is one."""
    if b == 0:
        raise Undefined
    if isinstance(a, int) and isinstance(b, int):
        return Fraction(a, b) if a % b else a // b
    result = Fraction(a) / b
    return result.numerator if result.denominator == 1 else result


def check_size(number: Rational, budget: Budget | None = None) -> Rational:
    """The number itself; raises `TooLarge` past `MAX_BITS`. Large ones cost as their products and gcds do."""
    bits = number.numerator.bit_length() + number.denominator.bit_length()
    if bits > 512:
        if bits > MAX_BITS:
            raise TooLarge
        if budget is not None:
            budget.spend(bits * bits >> 18)
    return number


def integer_power(base: Rational, exponent: int) -> Rational:
    """base ** exponent for an integer exponent, bounded before it is computed."""
    if base == 0 and exponent <= 0:
        raise Undefined
    bits = max(abs(base.numerator), base.denominator).bit_length()
    if abs(base) != 1 and bits * abs(exponent) > MAX_BITS + bits:
        raise TooLarge
    return quotient(1, base**-exponent) if exponent < 0 else base**exponent


@lru_cache(maxsize=1)
def small_primes() -> tuple[int, ...]:
    """The primes below `TRIAL_PRIMES_BELOW`."""
    sieve = bytearray([1]) * TRIAL_PRIMES_BELOW
    for n in range(2, math.isqrt(TRIAL_PRIMES_BELOW) + 1):
        if sieve[n]:
            sieve[n * n :: n] = bytes(len(sieve[n * n :: n]))
    return tuple(n for n in range(2, TRIAL_PRIMES_BELOW) if sieve[n])


def factor(n: int) -> tuple[dict[int, int], int]:
    """The small prime factors of n > 0 with their exponents, and what is left (1 where n is factored for certain)."""
    found: dict[int, int] = {}
    for p in small_primes():
        if p * p > n:
            break
        if n % p == 0:
            n, found[p] = _stripped(n, p)
    if 1 < n < TRIAL_PRIMES_BELOW**2:
        found[n] = found.get(n, 0) + 1
        n = 1
    return found, n


def _stripped(n: int, p: int) -> tuple[int, int]:
    """n without its factors p, and how many they are; by squares of p, so that few divisions are of long numbers."""
    count = 0
    powers = [(p, 1)]
    while powers[-1][0] ** 2 <= n:
        powers.append((powers[-1][0] ** 2, 2 * powers[-1][1]))
    for divisor, step in reversed(powers):
        while n % divisor == 0:
            n //= divisor
            count += step
    return n, count


def _exact_root(n: int, degree: int) -> int | None:
    """The degree-th root of n > 1 where it is an integer; by Newton's iteration from above."""
    if n.bit_length() <= degree or (degree > 2 and n.bit_length() > MAX_BITS >> 3):
        return None
    root = math.isqrt(n) if degree == 2 else 1 << (n.bit_length() // degree + 1)
    while degree > 2:
        smaller = ((degree - 1) * root + n // root ** (degree - 1)) // degree
        if smaller >= root:
            break
        root = smaller
    return root if root**degree == n else None


# Sums and products


def add(*values: Value, budget: Budget) -> Value:
    """The sum."""
    over: Terms | None = None
    terms: Terms = {}
    for value in values:
        if value.over == over:
            addend = value.terms
        else:
            old: Terms = {ONE: 1} if over is None else over
            new: Terms = {ONE: 1} if value.over is None else value.over
            terms = _product(terms, new, budget)
            addend = _product(value.terms, old, budget)
            over = _product(old, new, budget)
            over = None if over == {ONE: 1} else over
        terms = _sum(terms, addend)
    budget.spend(len(terms))
    return Value(terms) if over is None else ratio(terms, over, budget)


def _sum(a: Terms, b: Terms) -> Terms:
    total = dict(a)
    _accumulate(total, b)
    if len(total) > MAX_TERMS:
        raise TooLarge
    return total


def _accumulate(total: dict[Monomial, Rational], addend: Terms) -> None:
    """total += addend, in place."""
    for monomial, coefficient in addend.items():
        new = total.get(monomial, 0) + coefficient
        if new:
            total[monomial] = new
        else:
            total.pop(monomial, None)


def negative(value: Value) -> Value:
    """-value."""
    return Value({monomial: -coefficient for monomial, coefficient in value.terms.items()}, value.over)


def multiply(a: Value, b: Value, budget: Budget) -> Value:
    """a · b."""
    terms = _product(a.terms, b.terms, budget)
    if a.over is None and b.over is None:
        return Value(terms)
    over = _product(a.over or {ONE: 1}, b.over or {ONE: 1}, budget)
    return ratio(terms, over, budget)


def divide(a: Value, b: Value, budget: Budget) -> Value:
    """a / b. Raises `Undefined` where b is zero."""
    top = a.terms if b.over is None else _product(a.terms, b.over, budget)
    bottom = b.terms if a.over is None else _product(b.terms, a.over, budget)
    return ratio(top, bottom, budget)


def _product(a: Terms, b: Terms, budget: Budget) -> Terms:
    if len(a) == 1 and a.get(ONE) == 1:
        return b
    if len(b) == 1 and b.get(ONE) == 1:
        return a
    budget.spend(len(b) * (len(a) + sum(map(len, a))) + len(a) * (len(b) + sum(map(len, b))))
    total: dict[Monomial, Rational] = {}
    for m, c in a.items():
        for n, d in b.items():
            scale, monomial, factors = _monomial_product(m, n)
            piece: Terms = {monomial: check_size(c * d * scale, budget)}
            for extra in factors:
                piece = _product(piece, extra, budget)
            _accumulate(total, piece)
            if len(total) > 2 * MAX_TERMS:
                raise TooLarge
    if len(total) > MAX_TERMS:
        raise TooLarge
    return total


def _monomial_product(m: Monomial, n: Monomial) -> tuple[Rational, Monomial, list[Terms]]:
    """m · n as coefficient, monomial and sums that are still to be multiplied in."""
    if not m:
        return 1, n, []
    if not n:
        return 1, m, []
    exponents: dict[Atom, Rational] = dict(m)
    for name, exponent in n:
        exponents[name] = exponents.get(name, 0) + exponent
    return _reduce(exponents)


def _reduce(exponents: dict[Atom, Rational]) -> tuple[Rational, Monomial, list[Terms]]:
    """Brings exponents into their ranges: radicals into (0, 1), i into {1}, sin and |x| into {..., 0, 1}."""
    scale: Rational = 1
    factors: list[Terms] = []
    for name, exponent in list(exponents.items()):
        left = exponent
        if isinstance(name, int):
            whole = math.floor(exponent)
            scale, left = scale * integer_power(name, whole) if whole else scale, exponent - whole
        elif name == I:
            turns = int(exponent) % 4
            scale, left = (-scale if turns >= 2 else scale), turns % 2
        elif (relation := _relation(name)) and exponent >= relation[0]:
            step, pieces = relation
            turns = math.floor(exponent) // step
            if turns > MAX_EXPONENT:
                raise TooLarge
            factors.extend(pieces * turns)
            left = exponent - step * turns
        elif isinstance(name, Exp) and name.base == -1 and exponent == int(exponent):
            left = int(exponent) % 2
        if len(factors) > MAX_EXPONENT or exponent.numerator.bit_length() > MAX_EXPONENT_BITS:
            raise TooLarge
        if left == 0:
            del exponents[name]
        else:
            exponents[name] = left
    return scale, frozenset(exponents.items()), factors


def _relation(name: Atom) -> tuple[int, tuple[Terms, ...]] | None:
    """An exponent, and factors that the atom to that exponent is: (√a)² = a (of a root: its base), sin² and |a|²."""
    if isinstance(name, Radical):
        return 1, (name.base.terms,)
    if isinstance(name, Func) and name.name == "sin":
        return 2, ({ONE: 1, frozenset(((Func("cos", name.args), 2),)): -1},)
    if isinstance(name, Func) and name.name == "abs" and name.args[0].over is None:
        return 2, (name.args[0].terms,) * 2
    return None


# Quotients


def ratio(top: Terms, bottom: Terms, budget: Budget) -> Value:
    """top / bottom in canonical form; raises `Undefined` where bottom is zero."""
    if not bottom:
        raise Undefined
    if not top:
        return ZERO
    for generator in _square_roots(bottom):
        conjugate = _conjugate(bottom, generator)
        top, bottom = _product(top, conjugate, budget), _product(bottom, conjugate, budget)
        if not bottom:
            raise Undefined
    shift = _common_factor(bottom)
    if shift:
        top, bottom = _scaled(top, shift, budget), _scaled(bottom, shift, budget)
    if len(bottom) == 1:
        ((monomial, coefficient),) = bottom.items()
        inverse = Value({ONE: quotient(1, coefficient)})
        for name, exponent in monomial:
            inverse = multiply(inverse, _atom_power(name, -exponent, budget), budget)
        return multiply(Value(top), inverse, budget)
    exact = _exact_quotient(top, bottom, budget)
    if exact is not None:
        return Value(exact)
    lead = bottom[max(bottom, key=_rank)]
    if lead != 1:
        top = {m: quotient(c, lead) for m, c in top.items()}
        bottom = {m: quotient(c, lead) for m, c in bottom.items()}
    return Value(top, bottom)


def _square_roots(terms: Terms) -> list[Atom]:
    """The generators of degree two (√p and i) of a sum, where conjugates are a cheap way to be rid of them."""
    if len(terms) == 1:
        return []
    degrees: dict[Atom, set[Rational]] = {}
    for monomial in terms:
        for name, exponent in monomial:
            if isinstance(name, int) or name == I:
                degrees.setdefault(name, set()).add(exponent)
    found = [name for name, seen in degrees.items() if seen == {1 if name == I else Fraction(1, 2)}]
    return sorted(found, key=str) if len(found) <= 3 else []


def _conjugate(terms: Terms, generator: Atom) -> Terms:
    return {m: -c if any(name == generator for name, _ in m) else c for m, c in terms.items()}


def _common_factor(terms: Terms) -> dict[Atom, Rational]:
    """The exponents that make every atom's least exponent in the sum zero; for symbols, constants and functions."""
    found: dict[Atom, list[Rational]] = {}
    for monomial in terms:
        for name, exponent in monomial:
            if not (isinstance(name, (int, Radical)) or name == I):
                found.setdefault(name, []).append(exponent)
    lowest = {name: min(some) if len(some) == len(terms) else min(0, *some) for name, some in found.items()}
    return {name: -exponent for name, exponent in lowest.items() if exponent}


def _scaled(terms: Terms, shift: dict[Atom, Rational], budget: Budget) -> Terms:
    return _product(terms, {frozenset(shift.items()): 1}, budget)


def _exact_quotient(top: Terms, bottom: Terms, budget: Budget) -> Terms | None:
    """top / bottom where bottom divides top: division by the leading term in lexicographic order."""
    names = sorted({name for m in bottom for name, _ in m}, key=atom_text)
    if any(isinstance(name, (int, Radical)) or name == I for name in names):
        return None

    def degrees(monomial: Monomial) -> tuple[Rational, ...]:
        exponents = dict(monomial)
        return tuple(exponents.get(name, 0) for name in names)

    budget.spend((len(top) + len(bottom)) * (2 + len(names) >> 2))
    lead = max(bottom, key=degrees)
    lead_degrees, lead_coefficient = degrees(lead), bottom[lead]
    inverse = {name: -exponent for name, exponent in lead}
    lowest = [min(0, *(degrees(m)[k] for m in top)) for k in range(len(names))]
    rest: Terms = top
    result: dict[Monomial, Rational] = {}
    for _ in range(MAX_TERMS):
        if not rest:
            return result
        budget.spend(len(rest) * (4 + len(names) >> 2))
        monomial = max(rest, key=lambda m: (degrees(m), _rank(m)))
        gap = [a - b for a, b in zip(degrees(monomial), lead_degrees, strict=True)]
        if any(g < low for g, low in zip(gap, lowest, strict=True)):
            return None
        exponents = dict(monomial)
        for name, exponent in inverse.items():
            exponents[name] = exponents.get(name, 0) + exponent
        piece = frozenset((name, exponent) for name, exponent in exponents.items() if exponent)
        coefficient = check_size(quotient(rest[monomial], lead_coefficient))
        result[piece] = coefficient
        rest = _sum(rest, _product({piece: -coefficient}, bottom, budget))
        if monomial in rest:  # a relation (sin² = 1 - cos²) brought it back: no division in this order
            return None
    return None


# Powers


def power(base: Value, exponent: Value, budget: Budget) -> Value:
    """base ** exponent. Real roots: an odd root of a negative number is negative."""
    number = exponent.rational
    if number is not None:
        return rational_power(base, number, budget)
    if base.terms == {} or exponent.over is not None:
        return atom(Func("power", (base, exponent)))
    result = UNIT
    for monomial, coefficient in exponent.terms.items():
        if not monomial:
            result = multiply(result, rational_power(base, coefficient, budget), budget)
        else:
            result = multiply(result, _symbolic_power(base, monomial, coefficient, budget), budget)
    return result


def _symbolic_power(base: Value, monomial: Monomial, coefficient: Rational, budget: Budget) -> Value:
    """base ** (coefficient · monomial)."""
    if base.over is not None or len(base.terms) > 1:
        if base.over is not None:
            top = _symbolic_power(Value(base.terms), monomial, coefficient, budget)
            return divide(top, _symbolic_power(Value(base.over), monomial, coefficient, budget), budget)
        return _exp_power(Radical(base), monomial, coefficient)
    ((factors, scale),) = base.terms.items()
    result = UNIT
    for name, exponent in factors:
        result = multiply(result, _base_power(name, monomial, exponent * coefficient, budget), budget)
    if scale < 0:
        result = multiply(result, _exp_power(-1, monomial, coefficient), budget)
    for part, sign in ((abs(scale.numerator), 1), (scale.denominator, -1)):
        primes, rest = factor(part)
        for p, count in primes.items():
            result = multiply(result, _exp_power(p, monomial, sign * count * coefficient), budget)
        if rest > 1:
            result = multiply(result, _exp_power(Radical(constant(rest)), monomial, sign * coefficient), budget)
    return result


def _base_power(name: Atom, monomial: Monomial, coefficient: Rational, budget: Budget) -> Value:
    if name == E:
        if len(monomial) == 1:
            ((inner, exponent),) = monomial
            if isinstance(inner, Func) and inner.name == "ln" and exponent == 1:
                return rational_power(inner.args[0], coefficient, budget)
        if monomial == frozenset(((I, 1), (PI, 1))) and (2 * coefficient) == int(2 * coefficient):
            return rational_power(atom(I), int(2 * coefficient), budget)
    if isinstance(name, Exp):
        scale, merged, factors = _monomial_product(next(iter(name.power.terms)), monomial)
        if scale == 1 and not factors and merged:
            return _exp_power(name.base, merged, coefficient)
        return atom(Func("power", (atom(name), Value({monomial: coefficient}))))
    return _exp_power(name, monomial, coefficient)


def _exp_power(base: Atom, monomial: Monomial, coefficient: Rational) -> Value:
    scale, reduced, _ = _reduce({Exp(base, Value({monomial: 1})): coefficient})
    return Value({reduced: scale})


def rational_power(base: Value, exponent: Rational, budget: Budget) -> Value:  # noqa: PLR0911 - one return a case
    """base ** exponent for a rational exponent."""
    if exponent == 1:
        return base
    if exponent == 0:
        if not base.terms:
            raise Undefined
        return UNIT
    if not base.terms:
        if exponent < 0:
            raise Undefined
        return ZERO
    if exponent.denominator == 1 and exponent < 0:
        return divide(UNIT, rational_power(base, -exponent, budget), budget)
    if base.over is not None:
        if exponent.denominator == 1:
            top = rational_power(Value(base.terms), exponent, budget)
            return divide(top, rational_power(Value(base.over), exponent, budget), budget)
        return atom(Func("power", (base, constant(exponent))))
    if len(base.terms) == 1:
        try:
            return _term_power(base, exponent, budget)
        except TooLarge:
            budget.spend(1)  # where it was the budget that ended, the answer ends here
            return atom(Func("power", (base, constant(exponent))))
    if exponent.denominator == 1:
        return _sum_power(base, int(exponent), budget)
    content = _content(base.terms)
    inner = Value({m: quotient(c, content) for m, c in base.terms.items()})
    whole = math.floor(exponent)
    result = _number_power(content, exponent, budget)
    result = multiply(result, Value({frozenset(((Radical(inner), exponent - whole),)): 1}), budget)
    return multiply(result, rational_power(inner, whole, budget), budget)


def _sum_power(base: Value, exponent: int, budget: Budget) -> Value:
    if exponent > MAX_EXPONENT:
        return atom(Func("power", (base, constant(exponent))))
    trial = Budget(min(budget.left, MAX_WORK // 2))
    allowed = trial.left
    result, square, left = UNIT, base, exponent
    try:
        while left:
            if left & 1:
                result = multiply(result, square, trial)
            left >>= 1
            if left:
                square = multiply(square, square, trial)
    except TooLarge:
        result = atom(Func("power", (base, constant(exponent))))
    budget.spend(min(allowed - trial.left, allowed))
    return result


def _term_power(base: Value, exponent: Rational, budget: Budget) -> Value:
    ((monomial, coefficient),) = base.terms.items()
    result = _number_power(coefficient, exponent, budget)
    for name, inner in monomial:
        if inner == 1 or exponent.denominator == 1 or isinstance(name, (int, Radical)) or name in (PI, E):
            result = multiply(result, _atom_power(name, inner * exponent, budget), budget)
        elif inner.denominator == 1 and inner % 2 == 0 and (inner * exponent) % 2 != 0:
            # an even power under an even root: the root of x² is |x|, not x
            magnitude = Func("abs", (atom(name),))
            result = multiply(result, _atom_power(magnitude, inner * exponent, budget), budget)
        else:
            result = multiply(result, _atom_power(name, inner * exponent, budget), budget)
    return result


def _atom_power(name: Atom, exponent: Rational, budget: Budget) -> Value:
    """atom ** exponent, the exponent brought into the atom's range."""
    if name == I and exponent.denominator != 1:
        return atom(Func("power", (atom(I), constant(exponent))))
    if isinstance(name, Radical) and exponent < 0:
        whole = math.floor(exponent)
        top = Value({frozenset(((name, exponent - whole),)): 1}) if exponent != whole else UNIT
        return divide(top, rational_power(name.base, -whole, budget), budget)
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        exponent = exponent.numerator
    scale, monomial, factors = _reduce({name: exponent})
    terms: Terms = {monomial: scale}
    for extra in factors:
        terms = _product(terms, extra, budget)
    return Value(terms)


def _number_power(number: Rational, exponent: Rational, budget: Budget) -> Value:  # noqa: PLR0911 - one return a case
    if number == 1:
        return UNIT
    if exponent.denominator == 1:
        try:
            return constant(integer_power(number, int(exponent)))
        except TooLarge:
            return atom(Func("power", (constant(number), constant(exponent))))
    degree = exponent.denominator
    if number < 0:
        positive = _number_power(-number, exponent, budget)
        if degree % 2:
            return negative(positive) if exponent.numerator % 2 else positive
        if degree == 2:
            return multiply(positive, _atom_power(I, exponent.numerator, budget), budget)
        return atom(Func("power", (constant(number), constant(exponent))))
    scale: Rational = 1
    roots: dict[Atom, Rational] = {}
    left = UNIT
    for part, sign in ((number.numerator, 1), (number.denominator, -1)):
        budget.spend(part.bit_length() >> 6)
        primes, rest = factor(part)
        for p, count in primes.items():
            share = sign * count * exponent
            scale = check_size(scale * integer_power(p, math.floor(share)), budget)
            if share.denominator != 1:
                roots[p] = share - math.floor(share)
        if rest > 1:
            root = _exact_root(rest, degree)
            if root is not None:
                scale = check_size(scale * integer_power(root, sign * exponent.numerator), budget)
            else:
                left = multiply(left, _atom_power(Radical(constant(rest)), sign * exponent, budget), budget)
    return multiply(left, Value({frozenset(roots.items()): scale}), budget)


def _content(terms: Terms) -> Rational:
    """The positive rational number that leaves integer coefficients without a common factor."""
    top = math.gcd(*(c.numerator for c in terms.values()))
    bottom = math.lcm(*(c.denominator for c in terms.values()))
    return quotient(top, bottom)


# Comparison and order


def same(a: Value, b: Value, budget: Budget) -> bool:
    """Whether a - b is zero by cross-multiplication. False proves nothing unless both values are `flat`."""
    if a == b:
        return True
    left = _product(a.terms, b.over, budget) if b.over else a.terms
    right = _product(b.terms, a.over, budget) if a.over else b.terms
    difference = _sum(left, {m: -c for m, c in right.items()})
    if not difference:
        return True
    shift = {name: e for name, e in _common_factor(difference).items() if e > 0}
    return not _scaled(difference, shift, budget) if shift else False


def is_positive(value: Value) -> bool:
    """Whether a sum is not negative at a glance: positive multiples of squares and of positive constants."""
    return value.over is None and all(
        coefficient > 0
        and all(
            isinstance(name, int)
            or name in (PI, E)
            or (isinstance(name, Exp) and name.base in (E, PI))
            or (name != I and exponent.denominator == 1 and exponent % 2 == 0)
            for name, exponent in monomial
        )
        for monomial, coefficient in value.terms.items()
    )


def primitive(terms: Terms) -> Terms:
    """The sum up to a positive factor: integer coefficients without a common factor."""
    content = _content(terms)
    return {m: quotient(c, content) for m, c in terms.items()}


def leading_sign(terms: Terms) -> int:
    """The sign of the leading coefficient in a fixed order of monomials."""
    return 1 if terms[max(terms, key=_rank)] > 0 else -1


def clear(value: Value, budget: Budget) -> Terms:
    """The numerator with every negative exponent of a symbol multiplied away: what `value = 0` says."""
    shift = {name: e for name, e in _common_factor(value.terms).items() if e > 0}
    return _scaled(value.terms, shift, budget) if shift else value.terms


def _rank(monomial: Monomial) -> tuple[tuple[str, Rational], ...]:
    return tuple(sorted((atom_text(name), exponent) for name, exponent in monomial))


def atom_text(name: Atom) -> str:
    """An atom as text that is the same for equal atoms."""
    if isinstance(name, str):
        return name
    if isinstance(name, int):
        return f"#{name}"
    if isinstance(name, Func):
        return f"{name.name}({';'.join(arg.text for arg in name.args)})"
    if isinstance(name, Radical):
        return f"root({name.base.text})"
    return f"exp({atom_text(name.base)};{name.power.text})"


def _monomial_text(monomial: Monomial) -> str:
    return "*".join(f"{name}^{exponent}" for name, exponent in _rank(monomial))


def _total_text(terms: Terms) -> str:
    """A sum as text. Numbers in hexadecimal: str() refuses long integers."""
    return "+".join(sorted(f"{_hex(c)}*{_monomial_text(m)}" for m, c in terms.items()))


def _hex(number: Rational) -> str:
    return f"{number.numerator:x}" if number.denominator == 1 else f"{number.numerator:x}/{number.denominator:x}"

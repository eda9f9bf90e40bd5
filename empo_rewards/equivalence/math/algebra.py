"""Exact values: rational functions over Q in symbols, π, e, i, radicals and opaque atoms, in a canonical form.

A value is a sum of terms over a denominator (absent in most). A term is a rational coefficient times a monomial; a
monomial maps atoms to exponents. Atoms are

- a symbol or a constant (`str`; `PI`, `E`, `I` are reserved names),
- a prime p (`int`), with an exponent strictly between 0 and 1: the radicals,
- `Func(name, args)`, a function that was not evaluated. Two are the algebra's own:
  `Func(ROOT, (base,))`, exponent strictly between 0 and 1, is a root of a sum or of an integer that was not factored;
  `Func(POWER, (base, power))` is base ** power for a power that is one monomial: its coefficient is the exponent.

Sums of distinct monomials in the first two kinds are linearly independent over Q (Besicovitch 1940 for radicals), so
two values without the other kinds are equal exactly where their canonical forms are. (That π and e are algebraically
independent is assumed, as everybody does.)

Values are immutable: no dictionary of terms changes once it belongs to a value. Arithmetic is written with operators;
what it costs is counted before it is done, against the budget of the answer that is being read or compared
(`Budget.counted`; each thread and task has its own), and raises `TooLarge` where that ends.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from functools import lru_cache, reduce
from itertools import chain, starmap
from operator import itemgetter, mul
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from flint import fmpz

from empo_rewards.equivalence.math import limits
from empo_rewards.equivalence.math.table import TABLE

T = TypeVar("T")

Rational: TypeAlias = int | Fraction

PI, E, I = "π", "ℯ", "ⅈ"  # noqa: E741 - the imaginary unit's own name
CONSTANTS = frozenset({PI, E, I, "∞"})


class TooLarge(Exception):  # noqa: N818 - a bound, not a fault
    """A bound of `limits` was met."""


class Undefined(Exception):  # noqa: N818 - a mathematical notion, not a fault
    """The expression has no value: a division by zero, 0^0, the logarithm of 0."""


class Func(NamedTuple):
    """A function that is kept as it is, with canonical arguments."""

    name: str
    args: tuple[Value, ...]


ROOT, POWER = "√", "^"  # names that no text gives a function

Atom: TypeAlias = "str | int | Func"
Monomial: TypeAlias = "frozenset[tuple[Atom, Rational]]"
Terms: TypeAlias = "Mapping[Monomial, Rational]"

ONE: Monomial = frozenset()
ONE_PI: Monomial = frozenset(((PI, 1),))
_UNDER: Terms = {ONE: 1}  # the denominator of what has none


class _Lazy(Generic[T]):
    """An attribute that is computed when it is first asked for, without functools.cached_property's lock.

    Before Python 3.12 that lock stops other threads, and a child of a fork for good.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute = compute

    def __get__(self, value: object, owner: type) -> T:
        return value.__dict__.setdefault(self.compute.__name__, self.compute(value))  # type: ignore[no-any-return]


class Value:
    """An exact value; see the module. Immutable, hashable; equality is equality of the canonical forms.

    What is inside an atom may occur many times over: its text, symbols and hash are computed once an object, and a
    long text is replaced by its digest, so that neither grows with the number of occurrences.
    """

    def __init__(self, terms: Terms, over: Terms | None = None) -> None:
        self.terms = terms
        self.over = over

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Value) or self._hash != other._hash:
            return False
        if self.flat:
            return self.terms == other.terms and self.over == other.over
        return self.text == other.text

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other: Value | Rational) -> Value:
        return add(self, constant(other))

    def __sub__(self, other: Value | Rational) -> Value:
        return add(self, -constant(other))

    def __neg__(self) -> Value:
        return Value({monomial: -coefficient for monomial, coefficient in self.terms.items()}, self.over)

    def __mul__(self, other: Value | Rational) -> Value:
        other = constant(other)
        terms = _product(self.terms, other.terms)
        if self.over is None and other.over is None:
            return Value(terms)
        return ratio(terms, _product(self.over or _UNDER, other.over or _UNDER))

    def __truediv__(self, other: Value | Rational) -> Value:
        other = constant(other)
        return ratio(_product(self.terms, other.over or _UNDER), _product(other.terms, self.over or _UNDER))

    def __pow__(self, exponent: Value | Rational) -> Value:
        return power(self, constant(exponent))

    def __repr__(self) -> str:
        return f"Value({self.text})"

    @_Lazy
    def _hash(self) -> int:
        over = None if self.over is None else frozenset(self.over.items())
        return hash((frozenset(self.terms.items()), over))

    @_Lazy
    def text(self) -> str:
        """The value as text that is the same for equal values; a long one as its digest."""
        text = _total_text(self.terms) + ("" if self.over is None else "//" + _total_text(self.over))
        if len(text) <= 80:
            return text
        return "~" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()

    @property
    def rational(self) -> Rational | None:
        """The value as a rational number, where it is one."""
        return self.multiple_of(ONE)

    def multiple_of(self, monomial: Monomial) -> Rational | None:
        """The number r of r · monomial, where the value is that."""
        if self.over is not None or len(self.terms) > 1:
            return None
        return self.terms.get(monomial, 0 if not self.terms else None)

    @property
    def atoms(self) -> set[Atom]:
        """The atoms that occur, not those inside other atoms."""
        return {atom for part in (self.terms, self.over or {}) for monomial in part for atom, _ in monomial}

    @_Lazy
    def flat(self) -> bool:
        """Whether it holds symbols, constants and primes only: denominators cleared, its canonical form is unique."""
        return all(isinstance(atom, (str, int)) for atom in self.atoms)

    @property
    def exact(self) -> bool:
        """Whether a difference of canonical forms proves a difference of values."""
        return self.over is None and self.flat

    @_Lazy
    def symbols(self) -> frozenset[str]:
        """The names of the symbols that occur anywhere in it."""
        found = {name for name in self.atoms if isinstance(name, str)} - CONSTANTS
        return frozenset(found.union(*(part.symbols for name in self.atoms for part in parts_of(name))))


def parts_of(name: Atom) -> tuple[Value, ...]:
    """The values that an atom is made of."""
    return name.args if isinstance(name, Func) else ()


def kind_of(name: Atom) -> str:
    """The name of the function that an atom is; empty for a symbol, a constant and a prime."""
    return name.name if isinstance(name, Func) else ""


@lru_cache(maxsize=16)  # that the bases of powers are one object makes them quick to compare
def base_of(name: Atom) -> Value:
    """What a power of an atom is a power of: the integer, the base of the root, else the atom."""
    if isinstance(name, int):
        return constant(name)
    return name.args[0] if isinstance(name, Func) and name.name == ROOT else atom(name)


def constant(number: Value | Rational) -> Value:
    """A rational number as a value; a value as it is."""
    return number if isinstance(number, Value) else Value({ONE: number} if number else {})


def atom(name: Atom, exponent: Rational = 1) -> Value:
    """A power of an atom as a value."""
    return Value({frozenset(((name, exponent),)): 1})


def kept(name: str, *args: Value) -> Value:
    """A function that stays as it is."""
    return atom(Func(name, args))


ZERO, UNIT = constant(0), constant(1)
_HALF = Fraction(1, 2)


class Budget:
    """Counts the work of one answer."""

    def __init__(self, work: float = limits.MAX_WORK) -> None:
        self.left = work

    @contextmanager
    def counted(self) -> Iterator[Budget]:
        """What is computed within is counted against this budget, in this thread or task."""
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)


_current = ContextVar("budget", default=Budget(math.inf))  # noqa: B039 - what is computed outside of any is not bounded


def spend(work: float) -> None:
    """Counts work that is about to be done; raises `TooLarge` where less is left."""
    budget = _current.get()
    budget.left -= work
    if budget.left < 0:
        raise TooLarge


def attempt(work: float, compute: Callable[[], T]) -> T | None:
    """compute() with no more than `work` of what is left; None where that was not enough, or there is no value."""
    budget = _current.get()
    trial = Budget(max(0, min(work, budget.left)))
    budget.left -= trial.left
    try:
        with trial.counted():
            return compute()
    except (TooLarge, Undefined):
        return None
    finally:
        budget.left += max(0, trial.left)


# Rational numbers


def quotient(a: Rational, b: Rational) -> Rational:
    """a / b, an int where it is one."""
    if b == 0:
        raise Undefined
    result = Fraction(a, b)
    return result.numerator if result.denominator == 1 else result


def check_size(number: Rational) -> Rational:
    """The number itself; raises `TooLarge` past `MAX_BITS`. Large ones cost as their products and gcds do."""
    bits = number.numerator.bit_length() + number.denominator.bit_length()
    if bits > limits.MAX_BITS:
        raise TooLarge
    if bits > 512:
        spend(bits * bits >> 18)
    return number


def integer_power(base: Rational, exponent: int) -> Rational:
    """base ** exponent for an integer exponent, bounded before it is computed."""
    if base == 0 and exponent <= 0:
        raise Undefined
    if abs(base) == 1:
        return base if exponent % 2 else 1
    bits = max(abs(base.numerator), base.denominator).bit_length()
    if bits * abs(exponent) > limits.MAX_BITS + bits:
        raise TooLarge
    return quotient(1, base**-exponent) if exponent < 0 else base**exponent


def factor(n: int) -> tuple[dict[int, int], int]:
    """The small prime factors of n > 0 with their exponents, and what is left (1 where n is factored for certain)."""
    spend(n.bit_length() >> 6)
    found = {int(p): count for p, count in fmpz(n).factor(trial_limit=limits.TRIAL_PRIMES)}
    left = math.prod(p ** found.pop(p) for p in [*found] if p >= limits.TRIAL_PRIMES_BELOW)
    return (found, left) if left == 1 or left >= limits.TRIAL_PRIMES_BELOW**2 else ({**found, left: 1}, 1)


def factors(number: Rational) -> list[tuple[Atom, int]]:
    """A number as powers of -1, of primes, and of roots of what was not factored."""
    found: list[tuple[Atom, int]] = [(-1, 1)] if number < 0 else []
    for part, sign in ((abs(number.numerator), 1), (number.denominator, -1)):
        primes, rest = factor(part)
        found += [(p, sign * count) for p, count in primes.items()]
        found += [(Func(ROOT, (constant(rest),)), sign)] if rest > 1 else []
    return found


# Sums and products


def add(*values: Value) -> Value:
    """The sum."""
    over: Terms | None = None
    total: dict[Monomial, Rational] = {}
    for value in values:
        addend = value.terms
        if value.over != over:
            old, new = over or _UNDER, value.over or _UNDER
            total, addend = dict(_product(total, new)), _product(addend, old)
            over = _product(old, new)
        _accumulate(total, addend)
    return Value(total) if over is None else ratio(total, over)


def _accumulate(total: dict[Monomial, Rational], addend: Terms) -> Terms:
    """total + addend, computed in `total`."""
    spend(2 * len(addend))
    for monomial, coefficient in addend.items():
        new = total.get(monomial, 0) + coefficient
        if new:
            total[monomial] = new
        else:
            total.pop(monomial, None)
    if len(total) > limits.MAX_TERMS:
        raise TooLarge
    return total


def product(values: Iterable[Value]) -> Value:
    """The product: of the single terms at once, and then of the sums and quotients one after the other."""
    values = [*values]
    if len(values) == 1:
        return values[0]
    sums = [value for value in values if value.over is not None or len(value.terms) != 1]
    factors = [*chain(*(value.terms.items() for value in values if value.over is None and len(value.terms) == 1))]
    number: Rational = 1
    for _, coefficient in factors:
        number = coefficient if number == 1 else check_size(number * coefficient)
    return reduce(mul, sums, Value(_term(number, *(monomial for monomial, _ in factors))))


def _product(a: Terms, b: Terms) -> Terms:
    if len(a) == 1 and a.get(ONE) == 1:
        return b
    if len(b) == 1 and b.get(ONE) == 1:
        return a
    spend(2 * len(a) * len(b))
    total: dict[Monomial, Rational] = {}
    for m, c in a.items():
        for n, d in b.items():
            number = check_size(c * d)
            _accumulate(total, _term(number, m, n) if m and n else {m or n: number})
    return total


def _term(scale: Rational, *monomials: Iterable[tuple[Atom, Rational]]) -> Terms:
    """scale times monomials, exponents in their ranges: of radicals in (0, 1), of i in {1}, of sin and |x| below 2."""
    exponents: dict[Atom, Rational] = {}
    for name, exponent in chain.from_iterable(monomials):
        exponents[name] = exponents.get(name, 0) + exponent
    spend(len(exponents))
    sums: list[Terms] = []
    for name, exponent in exponents.items():
        if (known := _known_power(name, exponent)) is not None:
            step, number, pieces = known
            turns = exponent // step
            exponents[name] = exponent - step * turns
            scale = check_size(scale * integer_power(number, turns))
            if pieces:
                sums.extend(pieces * min(turns, limits.MAX_EXPONENT + 1))
        if len(sums) > limits.MAX_EXPONENT or exponent.numerator.bit_length() > limits.MAX_EXPONENT_BITS:
            raise TooLarge
    return reduce(_product, sums, {frozenset(filter(itemgetter(1), exponents.items())): scale})


def _known_power(name: Atom, exponent: Rational) -> tuple[int, Rational, tuple[Terms, ...]] | None:
    """The power of an atom that is a number times sums: p of a prime, i² = -1, (√a)² = a, and rows that say `squared`.

    None where there is none, or where the exponent is below it and sums cannot be divided by.
    """
    if isinstance(name, int):
        return 1, name, ()
    if isinstance(name, str):
        return (2, -1, ()) if name == I else None
    if name.name == POWER:
        return (2, 1, ()) if exponent.denominator == 1 and name.args[0].rational == -1 else None
    if name.name == ROOT:
        return (1, 1, (name.args[0].terms,)) if exponent >= 1 else None
    row = TABLE.get(name.name)
    pieces = row.squared(*name.args) if row is not None and row.squared and exponent >= 2 else None
    return None if pieces is None else (2, 1, pieces)


def _is_algebraic(name: Atom) -> bool:
    """Whether an atom is a generator of algebraic numbers or functions: a prime under a root, a root, i."""
    return isinstance(name, int) or name == I or kind_of(name) == ROOT


# Quotients


def ratio(top: Terms, bottom: Terms) -> Value:
    """top / bottom in canonical form; raises `Undefined` where bottom is zero."""
    if bottom and not top:
        return ZERO
    powers = {power for monomial in bottom for power in monomial} if len(bottom) > 1 else set()
    roots = [name for name, exponent in powers if name == I or (isinstance(name, int) and exponent == _HALF)]
    for generator in sorted(roots, key=str) if len(roots) <= 3 else ():  # conjugates are a cheap way to be rid of them
        conjugate = {m: -c if generator in dict(m) else c for m, c in bottom.items()}
        top, bottom = _product(top, conjugate), _product(bottom, conjugate)
    if not bottom:
        raise Undefined
    if len(bottom) == 1:
        return Value(top) * _term_power(bottom, -1)
    shift = {_common_factor(bottom): 1}
    top, bottom = _product(top, shift), _product(bottom, shift)
    lead = max(bottom, key=_rank)
    share = quotient(top.get(lead, 0), bottom[lead])
    if top == {m: c * share for m, c in bottom.items()}:
        return constant(share)
    return Value(_divided(top, bottom[lead]), _divided(bottom, bottom[lead]))


def _common_factor(terms: Terms) -> Monomial:
    """What makes the least exponent of every symbol, constant and function in the sum zero."""
    found: defaultdict[Atom, list[Rational]] = defaultdict(list)
    for name, exponent in chain.from_iterable(terms):
        if not _is_algebraic(name):
            found[name].append(exponent)
    lowest = {name: min(some) if len(some) == len(terms) else min(0, *some) for name, some in found.items()}
    return frozenset((name, -exponent) for name, exponent in lowest.items() if exponent)


# Powers


def power(base: Value, exponent: Value) -> Value:
    """base ** exponent. Real roots: an odd root of a negative number is negative."""
    if exponent.over is not None or (not base.terms and exponent.rational is None):
        return kept("power", base, exponent)
    if not base.terms and not exponent.terms:
        raise Undefined
    return product(_power(base, share, monomial) for monomial, share in exponent.terms.items())


def _power(base: Value, share: Rational, monomial: Monomial) -> Value:  # noqa: PLR0911 - one return a case
    """base ** (share · monomial)."""
    whole = not monomial and share.denominator == 1
    if whole and share == 1:
        return base
    if not base.terms:
        return ZERO if share > 0 else UNIT / base
    if whole and share < 0:
        return UNIT / _power(base, -share, monomial)
    if base.over is not None and (monomial or whole):
        return _power(Value(base.terms), share, monomial) / _power(Value(base.over), share, monomial)
    unexpanded = kept("power", base, Value({monomial: share}))
    if base.over is not None:  # √(a/b) is √a/√b for some signs only
        return unexpanded
    if len(base.terms) == 1:
        return attempt(math.inf, lambda: _term_power(base.terms, share, monomial)) or unexpanded
    if monomial:
        return _symbolic_power(Func(ROOT, (base,)), share, monomial)
    if not whole:
        inner, floor = Value(primitive(base.terms)), math.floor(share)
        content = Fraction(*(next(iter(terms.values())) for terms in (base.terms, inner.terms)))
        return constant(content) ** share * atom(Func(ROOT, (inner,)), share - floor) * inner**floor
    if share > limits.MAX_EXPONENT:
        return unexpanded
    return attempt(limits.MAX_WORK // 2, lambda: _by_squaring(base, int(share))) or unexpanded


def _by_squaring(base: Value, exponent: int) -> Value:
    if exponent == 1:
        return base
    half = _by_squaring(base, exponent // 2)
    return half * half * base if exponent % 2 else half * half


def _term_power(term: Terms, share: Rational, monomial: Monomial = ONE) -> Value:
    """(one term) ** (share · monomial): the powers of its atoms, and of the factors of its coefficient."""
    ((atoms, number),) = term.items()
    whole = not monomial and share.denominator == 1
    powers = [constant(integer_power(number, int(share)))] if whole else []
    for name, inner in (*atoms, *([] if whole else factors(number))):
        exponent = quotient(inner * share, 1)
        plain = monomial or whole or name in (PI, E) or _is_algebraic(name) or inner % 2 or exponent % 2 == 0
        magnitude = name if plain else Func("abs", (atom(name),))  # an even power under an even root: √x² is |x|, not x
        powers.append(_atom_power(magnitude, exponent, monomial))
    return product(powers)


def _atom_power(name: Atom, share: Rational, monomial: Monomial) -> Value:
    """atom ** (share · monomial), the exponent brought into the atom's range."""
    if monomial:
        return _symbolic_power(name, share, monomial)
    degree = share.denominator
    if (name == I and degree != 1) or (name == -1 and degree > 2 and degree % 2 == 0):
        return kept("power", base_of(name), constant(share))
    if name == -1:
        return _atom_power(I, share.numerator, ONE) if degree == 2 else constant(integer_power(-1, share.numerator))
    number = base_of(name).rational if kind_of(name) == ROOT else None
    root = int(fmpz(number).root(degree)) if isinstance(number, int) and degree < number.bit_length() else 0
    if root**degree == number:
        return constant(integer_power(root, share.numerator))
    if kind_of(name) == ROOT and share < 0:
        whole = math.floor(share)
        return (atom(name, share - whole) if share != whole else UNIT) / base_of(name) ** -whole
    return Value(_term(1, ((name, share),)))


def _symbolic_power(name: Atom, share: Rational, monomial: Monomial) -> Value:
    """name ** (share · monomial): e^(ln x) and e^(kπi/2) have values, (a^b)^c is a^(bc), i^n is (-1)^(n/2)."""
    if name == I:
        return _symbolic_power(-1, quotient(share, 2), monomial)
    base = base_of(name)
    if name == E:
        ((inner, exponent), *others) = monomial
        if isinstance(inner, Func) and inner.name == "ln" and exponent == 1 and not others:
            return inner.args[0] ** share
        if monomial == frozenset(((I, 1), (PI, 1))) and (2 * share).denominator == 1:
            return _atom_power(I, int(2 * share), ONE)
    if isinstance(name, Func) and name.name == POWER:
        base, power = name.args
        merged = _product(power.terms, {monomial: 1})
        if list(merged.values()) != [1] or ONE in merged:
            return kept("power", atom(name), Value({monomial: share}))
        ((monomial, _),) = merged.items()
    return Value(_term(1, ((Func(POWER, (base, Value({monomial: 1}))), share),)))


# Comparison and order


def same(a: Value, b: Value) -> bool:
    """Whether a - b is zero by cross-multiplication. False proves nothing unless both values are `flat`."""
    left, right = _product(a.terms, b.over or _UNDER), _product(b.terms, a.over or _UNDER)
    return not clear(Value(left) - Value(right))


def is_positive(value: Value) -> bool:
    """Whether a sum is not negative at a glance: positive multiples of squares and of positive constants."""
    return value.over is None and all(c > 0 and all(starmap(_is_square, m)) for m, c in value.terms.items())


def _is_square(name: Atom, exponent: Rational) -> bool:
    if isinstance(name, Func) and name.name == POWER and I not in name.args[1].atoms:
        return is_positive(name.args[0])
    return isinstance(name, int) or name in (PI, E) or kind_of(name) == "abs" or (name != I and exponent % 2 == 0)


def primitive(terms: Terms) -> Terms:
    """The sum up to a positive factor: integer coefficients without a common factor."""
    top = math.gcd(*(c.numerator for c in terms.values()))
    bottom = math.lcm(*(c.denominator for c in terms.values()))
    return _divided(terms, quotient(top, bottom))


def _divided(terms: Terms, number: Rational) -> Terms:
    return {m: quotient(c, number) for m, c in terms.items()}


def leading_sign(terms: Terms) -> int:
    """The sign of the leading coefficient in a fixed order of monomials."""
    spend(len(terms) + 2 * sum(map(len, terms)))
    return 1 if terms[max(terms, key=_rank)] > 0 else -1


def clear(value: Value) -> Terms:
    """The numerator with every negative exponent of a symbol multiplied away: what `value = 0` says."""
    shift = frozenset((name, exponent) for name, exponent in _common_factor(value.terms) if exponent > 0)
    return _product(value.terms, {shift: 1})


def _rank(monomial: Monomial) -> tuple[tuple[str, Rational], ...]:
    return tuple(sorted((atom_text(name), exponent) for name, exponent in monomial))


def atom_text(name: Atom) -> str:
    """An atom as text that is the same for equal atoms."""
    if isinstance(name, Func):
        return f"{name.name}({';'.join(arg.text for arg in name.args)})"
    return name if isinstance(name, str) else f"#{name}"


def _total_text(terms: Terms) -> str:
    """A sum as text."""
    spend(len(terms) + 3 * sum(map(len, terms)))
    powers = {m: [f"{name}^{_hex(exponent)}" for name, exponent in _rank(m)] for m in terms}
    return "+".join(sorted("*".join((_hex(c), *powers[m])) for m, c in terms.items()))


def _hex(number: Rational) -> str:
    """A number in hexadecimal: str() refuses long integers."""
    return f"{number.numerator:x}" if number.denominator == 1 else f"{number.numerator:x}/{number.denominator:x}"

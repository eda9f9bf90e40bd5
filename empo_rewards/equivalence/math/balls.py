"""Enclosures of exact values at a point: balls of FLINT (`arb`, `acb`), with what a proof of equality needs.

Two disjoint balls prove that two values differ. That two algebraic values are equal is proved by a separation bound:
with u and l of Burnikel, Funke, Mehlhorn, Schirra and Schmitt ("A separation bound for real algebraic expressions",
Algorithmica 55, 2009, section 2), a value that is not zero is at least 1 / (u^(D-1) l), D the product of the degrees of
its roots. For other values u and l only say how many bits the expression's own numbers can hide.

FLINT ends the process where it cannot have the memory for a result: sizes are read off the balls before each call, and
no gcd, division with remainder, root finding or factorisation is ever asked of it. Its precision is one number for the
whole process: `at_precision` holds a lock while it is another one, and puts it back.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
from collections.abc import Callable, Hashable, Mapping
from fractions import Fraction
from functools import partial, reduce
from itertools import chain
from operator import add, mul
from typing import Any, NamedTuple, TypeVar

from flint import acb, arb, ctx, fmpq

from empo_rewards.equivalence.math import algebra, limits
from empo_rewards.equivalence.math.algebra import Atom, Func, Rational, Terms, Value, spend
from empo_rewards.equivalence.math.table import TABLE, Function

T = TypeVar("T")


class NoValue(Exception):  # noqa: N818 - an outcome, not a fault
    """There is no enclosure; what the subclasses say is why."""


class Off(NoValue):
    """The expression has no real value at this point."""


class Loose(NoValue):
    """The ball is too wide: a higher precision may help."""


class Unknown(NoValue):
    """There is no rule, or a bound was met."""


class Ball(NamedTuple):
    """A ball `v` (arb or acb); log2 of u and l; whether the value is algebraic; the value where it is rational."""

    v: Any
    u: float
    l: float  # noqa: E741 - the paper's name
    algebraic: bool = False
    exact: fmpq | None = None


# Precision

_lock = threading.RLock()
if hasattr(os, "register_at_fork"):  # a fork waits for it: a child has its lock free, and its user's precision
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def at_precision(bits: int, compute: Callable[[], T]) -> T:
    """compute() at a precision. Others' use of FLINT does not take the lock: where they changed it, all is repeated."""
    with _lock:
        users = ctx.prec
        try:
            for _ in range(4):
                ctx.prec = bits
                result = compute()
                if ctx.prec == bits:
                    return result
            raise Loose
        finally:
            ctx.prec = users


# Sizes


def log2_of(v: Any) -> int:
    """k where |v| < 2^k, read off the ball's exponent: no integer of that size is made."""
    upper = v.abs_upper()
    if not upper.is_finite():
        return 1 << 62
    mantissa, exponent = upper.man_exp()
    return int(exponent) + int(mantissa).bit_length() if mantissa else -(1 << 62)


def checked(v: Any) -> Any:
    """The ball itself; raises where it is no ball or too large."""
    if not v.is_finite():
        raise Loose
    if log2_of(v) > limits.MAX_VALUE_BITS:
        raise Unknown
    return v


def hiding(bits: float, v: Any) -> Ball:
    """A ball of a value that is no algebraic number, and may hide so many bits of what it was computed of."""
    size = log2_of(checked(v))
    return Ball(v, bits + max(0, size), bits + max(0, -size))


def number(value: Rational | fmpq) -> Ball:
    """A rational number, carried exactly while it is short."""
    q = value if isinstance(value, fmpq) else fmpq(value.numerator, value.denominator)
    u, l = q.p.bit_length() or 1, q.q.bit_length()  # noqa: E741
    return Ball(arb(q), u, l, True, q if u + l <= limits.MAX_EXACT_BITS else None)


def sign(x: Ball) -> int:
    """The sign of a real number; raises `Loose` where the ball holds both."""
    if isinstance(x.v, acb):
        raise Unknown
    if x.v.contains(0) and not x.v.is_zero():
        raise Loose
    return bool(x.v > 0) - bool(x.v < 0)


def floor(x: Ball) -> int:
    """The integer below a real number; raises `Loose` where the ball tells none."""
    if x.exact is not None:
        return int(x.exact.floor())
    if isinstance(x.v, acb) or log2_of(x.v) > limits.MAX_ARGUMENT_BITS:
        raise Unknown
    whole = x.v.floor().unique_fmpz()
    if whole is None:
        raise Loose
    return int(whole)


def generic(name: str, index: int) -> Fraction:
    """A fixed number in (0, 1) for a name: odd over 2^10."""
    digest = hashlib.sha256(f"{index}:{name}".encode("utf-8", "surrogatepass")).digest()
    return Fraction(int.from_bytes(digest[:2], "big") >> 6 | 1, 1 << 10)


UNITY = "a root of unity"
_EULER = algebra.atom(algebra.E)


class Evaluator:
    """Encloses values at one point; `real`: whether a value off the reals is none. The caller sets the precision."""

    def __init__(self, point: Mapping[str, Rational], precision: int, *, real: bool = True) -> None:
        self.point, self.precision, self.real = point, precision, real
        self.degrees: dict[Hashable, int] = {}
        """Degrees of the roots that were taken, by what they were taken of; under `UNITY` the order of a root of 1."""
        self.picks: dict[Atom, int] = {}  # the branch that each |x| and sgn took
        self._atoms: dict[Atom, Ball] = {}
        self._step = 3 + (precision >> 9)
        self._call = 5 + (precision * precision >> 18)

    # Sums, products, powers

    def value(self, value: Value) -> Ball:
        """An enclosure of a value; raises `NoValue` and `TooLarge`."""
        top = self._sum(value.terms)
        return top if value.over is None else self.divide(top, self._sum(value.over))

    def _sum(self, terms: Terms) -> Ball:
        parts = []
        for monomial, coefficient in terms.items():
            factors = [number(coefficient)] if coefficient != 1 or not monomial else []
            factors += [self._factor(name, exponent) for name, exponent in monomial]
            parts.append(self._join(factors, mul))
        return self._join(parts, add) if parts else number(0)

    def _factor(self, name: Atom, exponent: Rational) -> Ball:
        """name ** exponent. Where the name is base ** power it multiplies the power, it is no root of the whole."""
        if not isinstance(name, Func) or name.name != algebra.POWER:
            return self.power(self.atom(name), exponent, name)
        base, inner = name.args
        power = self._join([number(exponent), self.value(inner)], mul)
        if base == _EULER:
            return self.simple(TABLE["exp"], power)
        return self.exponential(self.value(base), power, (name, exponent))

    def _join(self, parts: list[Ball], by: Callable[[Any, Any], Any]) -> Ball:
        """The sum or the product, `by` add or mul."""
        spend(len(parts) * self._step)
        if len(parts) == 1:
            return parts[0]
        exact = [part.exact for part in parts if part.exact is not None]
        if len(exact) == len(parts):
            return number(reduce(by, exact))
        u, l = sum(part.u for part in parts), sum(part.l for part in parts)  # noqa: E741
        if by is add:
            u = max(part.u - part.l for part in parts) + l + math.log2(len(parts))
        v = checked(reduce(by, (part.v for part in parts)))
        return Ball(v, u, l, all(part.algebraic for part in parts))

    def divide(self, a: Ball, b: Ball) -> Ball:
        """a / b."""
        if b.exact == 0:
            raise Off
        if b.exact is None and b.v.contains(0):
            raise Loose
        inverse = Ball(checked(1 / b.v), b.l, b.u, b.algebraic, None if b.exact is None else 1 / b.exact)
        return self._join([a, inverse], mul)

    def power(self, base: Ball, exponent: Rational, node: Hashable) -> Ball:
        """base ** exponent for a rational exponent; `node` names the root that is taken."""
        n, k = exponent.numerator, exponent.denominator
        if k > 1:
            base = self.root(base, k, node)
        if n < 0:
            base, n = self.divide(number(1), base), -n
        if n == 1:
            return base
        if max(abs(log2_of(base.v)), 1) * n > limits.MAX_VALUE_BITS:
            raise Unknown
        spend(n.bit_length() * self._step)
        exact = base.exact**n if base.exact is not None and (base.u + base.l) * n <= limits.MAX_EXACT_BITS else None
        return Ball(checked(base.v**n), base.u * n, base.l * n, base.algebraic, exact)

    def root(self, x: Ball, k: int, node: Hashable) -> Ball:
        """The k-th root: an odd one of a negative number is negative, an even one is off the reals."""
        if x.exact == 0:
            return x
        if k > limits.MAX_DEGREE:
            raise Unknown
        spend(self._call)
        u, l = ((x.u + (k - 1) * x.l) / k, x.l) if x.u >= x.l else (x.u, ((k - 1) * x.u + x.l) / k)  # noqa: E741
        self.degrees[node] = math.lcm(k, self.degrees.get(node, 1))
        v = x.v
        if not isinstance(v, acb) and sign(x) < 0:
            if k % 2:
                return Ball(-checked((-v).root(k)), u, l, x.algebraic)
            if self.real:
                raise Off
            v = acb(v)
        v = v.root(k) if isinstance(v, arb) else v.sqrt() if k == 2 else (v.log() / k).exp()
        return Ball(checked(v), u, l, x.algebraic)

    # Atoms

    def atom(self, name: Atom) -> Ball:
        """An enclosure of an atom, each once."""
        found = self._atoms.get(name)
        if found is None:
            spend(self._step)
            kind = self._symbol if isinstance(name, str) else self._function if isinstance(name, Func) else number
            found = self._atoms[name] = kind(name)  # type: ignore[arg-type]  # each is asked for its own kind
        return found

    def _symbol(self, name: str) -> Ball:
        if name in (algebra.PI, algebra.E):
            return Ball(arb.pi() if name == algebra.PI else arb.const_e(), 2, 2)
        if name == algebra.I:
            if self.real:
                raise Off
            self.degrees[algebra.I] = 2
            return Ball(acb(0, 1), 1, 1, True)
        if name not in self.point:
            raise Unknown
        return number(self.point[name])

    def exponential(self, base: Ball, exponent: Ball, node: Hashable) -> Ball:
        """base ** exponent for any exponent; `node` names the root that a rational one takes."""
        q = exponent.exact
        if q is not None and q.q <= limits.MAX_DEGREE and q.p.bit_length() <= 16:
            return self.power(base, Fraction(int(q.p), int(q.q)), node)
        if not isinstance(base.v, acb) and sign(base) <= 0:
            if self.real:
                raise Off
            base = Ball(acb(base.v), base.u, base.l)
        return self.simple(TABLE["exp"], self._join([exponent, self.simple(TABLE["ln"], base)], mul))

    # Functions

    def simple(self, row: Function, x: Ball) -> Ball:
        """A function of one argument by FLINT's method for it; `row.limit` bounds the argument."""
        v = x.v
        if row.domain is not None and not isinstance(v, acb) and not row.domain(v):
            if self.real:
                raise Off
            v = acb(v)
        if log2_of(v) > (row.limit or limits.MAX_ARGUMENT_BITS):
            raise Unknown
        spend(self._call * row.cost)
        hidden = x.u + x.l
        if row.hidden is not None:
            if isinstance(v, acb):
                raise Unknown
            hidden += row.hidden(float(v.abs_upper()))
        return hiding(hidden, getattr(v, row.flint)())

    def _function(self, name: Func) -> Ball:
        if name.name == algebra.ROOT:
            return self.value(name.args[0])
        row = TABLE.get(name.name)
        if row is None:
            # one that is not in the table: some function of its arguments, the same wherever its name stands
            if " " in name.name:
                raise Unknown  # sums, integrals, limits
            weights = [number(generic(f"{name.name}{k}", 0)) for k in range(len(name.args) + 1)]
            parts = [self._join([w, self.value(arg)], mul) for w, arg in zip(weights[1:], name.args, strict=True)]
            return self._join([self.simple(TABLE["sin"], self._join([*parts, weights[0]], add)), number(2)], add)
        share = name.args[0].multiple_of(algebra.ONE_PI) if row.at_pi else None
        if row.at_pi and share is not None and share.denominator <= limits.MAX_MEASURE:
            self.degrees[UNITY] = math.lcm(self.degrees.get(UNITY, 1), 4, 2 * share.denominator)
            return Ball(row.at_pi(fmpq(share.numerator, share.denominator)), 1, 1, True)
        if not (row.flint or row.rule):
            raise Unknown
        args = tuple(self.value(arg) for arg in name.args)
        if self.real and row.branches == "sign":
            self.picks[name] = sign(args[0])
        if row.rule is None:
            return self.simple(row, args[0])
        spend(self._call * row.cost)
        return row.rule(self, *args)


def degree_of(*degrees: Mapping[Hashable, int]) -> int:
    """The degree of the field that the roots which evaluators took span together, at most."""
    joined = {node: math.lcm(*(part.get(node, 1) for part in degrees)) for node in chain.from_iterable(degrees)}
    order = algebra.factor(joined.pop(UNITY, 1))[0]
    totient: int = math.prod(p ** (count - 1) * (p - 1) for p, count in order.items())
    return math.prod(joined.values()) * totient


# Constants


def told(value: Value, tell: Callable[[Ball], T]) -> T | None:
    """What `tell` reads off a real constant, at rising precision while it is `Loose`; None where it cannot be told."""
    for precision in () if value.symbols else limits.PRECISIONS:
        try:
            return tell(at_precision(precision, partial(Evaluator({}, precision).value, value)))
        except Loose:
            continue
        except (NoValue, algebra.TooLarge):
            return None
    return None


def sign_of(value: Value) -> int | None:
    """The sign of a real constant that is not zero; None where it cannot be told."""
    exact = value.rational
    return (told(value, sign) if exact is None else (exact > 0) - (exact < 0)) or None

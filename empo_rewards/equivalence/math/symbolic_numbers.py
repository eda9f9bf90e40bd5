"""The value of an expression, with a bound on its error and on how close to zero it may lie without being zero.

Every value is a ball: a midpoint and a radius that holds all rounding. A ball that excludes zero proves that a number
is not zero. That one *is* zero needs more: a separation bound. For numbers made of integers with + - * / and roots the
bound of Burnikel, Funke, Mehlhorn, Schirra and Schmitt ("A separation bound for real algebraic expressions", 2001)
is a proof: E != 0 implies |E| >= 1 / (u^(D-1) l), where u and l grow with the integers of the expression and D is the
product of its roots' degrees. For anything else (pi, exp, sin, a symbol put at a point) the same formula says how many
bits the expression's own integers can hide; agreement past it is evidence, and is called probed.

Nothing here calls a parser, `evalf` or `lambdify`: the tree is walked and each node is looked up in a table.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath  # type: ignore[import-untyped]  # it ships no types
import sympy

MAX_EXACT_BITS = 4096
"""Rational numbers up to this size are kept exact."""
MAX_PRECISION = 16_384
"""Bits; at this precision an operation takes tens of microseconds, so an ordinary expression stays far below 1 s."""
MAX_MAGNITUDE = 2.0**48
"""Bits before the point; mpmath's exponents are integers, so this is a matter of sanity and not of memory."""
MAX_ARGUMENT_BITS = 4096
"""Of a function's argument before the point: sin must know all of them to reduce it."""
MAX_FALLING = 64
"""Of a binomial coefficient: up to here it is a polynomial in its upper number."""
MAX_TERMS = 5_000
"""Of a sum or product that is added up term by term."""
MARGIN_BITS = 64
"""How far past the separation bound an agreement must go to count where the bound is evidence and no proof."""

_DIRECTIONS = frozenset({"+", "-", "+-"})
"""The side from which a limit is taken: sympy writes it as a symbol."""
_EXP_BITS = 46
"""Of an argument of exp before the point: past it the value passes MAX_MAGNITUDE."""
_EXTRA_DEGREE = 4
_SOFT_EQUAL, _SOFT_DIFFERENT = -70, -40
"""Powers of two: relative differences below and above which a quadrature or an accelerated sum is believed."""


class Unknowable(Exception):  # noqa: N818  (an answer, not a fault)
    """The expression has no value here, or none that can be reached within the bounds."""


class OffDomain(Unknowable):
    """The value is not real although only real numbers went in."""


class Imprecise(Unknowable):
    """The error swallowed the value; more precision may help."""


@dataclass(frozen=True)
class Ball:
    """A number: |true - mid| <= rad.

    Args:
        mid, rad: mpmath numbers.
        exact: the number itself where it is rational and small.
        up, low: log2 of the u and l of the separation bound.
        algebraic: made of integers, + - * / and roots only.
        soft: a quadrature or an accelerated limit went in: the radius is an estimate.
    """

    mid: Any
    rad: Any
    exact: Fraction | None = None
    up: float = 0.0
    low: float = 0.0
    algebraic: bool = True
    soft: bool = False


@dataclass
class Evaluator:
    """Evaluates sympy trees at one precision and one point.

    Args:
        precision: bits.
        point: for each free symbol's name its value.
        real: whether to refuse values that leave the reals.
        radicals: filled with each root met and its degree.
    """

    precision: int
    point: Callable[[str], Fraction]
    real: bool = True
    radicals: dict[Any, int] = field(default_factory=dict)
    _bound: dict[Any, Ball] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ctx: Any = _context(self.precision)
        self.eps = self.ctx.ldexp(1, 2 - self.precision)

    def value(self, expr: Any) -> Ball:
        """The value of a scalar expression.

        Raises:
            Unknowable: it has none that could be reached.
        """
        handler = _HANDLERS.get(type(expr).__name__)
        if handler is not None:
            return handler(self, expr)
        if isinstance(expr, sympy.Rational):
            return self.rational(Fraction(int(expr.p), int(expr.q)))
        if isinstance(expr, sympy.core.function.AppliedUndef):
            return self._undefined_function(expr)
        function = _FUNCTIONS.get(type(expr).__name__)
        if function is not None and len(expr.args) == 1:
            return self._apply(getattr(self.ctx, function), self.value(expr.args[0]))
        raise Unknowable(f"no rule for {type(expr).__name__}")

    # --- arithmetic ---

    def rational(self, number: Fraction) -> Ball:
        """A rational number."""
        up = _bits(number.numerator)
        low = _bits(number.denominator)
        mid = self.ctx.mpf(number.numerator) / number.denominator
        if up + low <= MAX_EXACT_BITS:
            return Ball(
                mid,
                self.ctx.zero if number.denominator == 1 and up < self.precision else abs(mid) * self.eps,
                number,
                up,
                low,
            )
        return Ball(mid, abs(mid) * self.eps, None, up, low)

    def add(self, terms: list[Ball]) -> Ball:
        """The sum of one or more numbers."""
        if all(term.exact is not None for term in terms):
            return self.rational(sum((term.exact for term in terms if term.exact is not None), Fraction(0)))
        mid = self.ctx.fsum(term.mid for term in terms)
        rad = self.ctx.fsum(term.rad + abs(term.mid) * self.eps for term in terms)
        low = sum(term.low for term in terms)
        up = max(term.up - term.low for term in terms) + low + math.log2(len(terms))
        return Ball(mid, rad, None, up, low, *_kinds(terms))

    def negate(self, ball: Ball) -> Ball:
        """The number with its sign changed."""
        exact = None if ball.exact is None else -ball.exact
        return Ball(-ball.mid, ball.rad, exact, ball.up, ball.low, ball.algebraic, ball.soft)

    def multiply(self, factors: list[Ball]) -> Ball:
        """The product of the factors."""
        if all(factor.exact is not None for factor in factors):
            return self.rational(math.prod((f.exact for f in factors if f.exact is not None), start=Fraction(1)))
        mid, rad = self.ctx.one, self.ctx.zero
        for factor in factors:
            rad = abs(mid) * factor.rad + rad * (abs(factor.mid) + factor.rad)
            mid = mid * factor.mid
            rad += abs(mid) * self.eps
        self._check_size(mid)
        return Ball(mid, rad, None, sum(f.up for f in factors), sum(f.low for f in factors), *_kinds(factors))

    def invert(self, ball: Ball) -> Ball:
        """One over the number."""
        if ball.exact is not None:
            if ball.exact == 0:
                raise Unknowable("division by zero")
            return self.rational(1 / ball.exact)
        size = abs(ball.mid)
        if size <= 2 * ball.rad:
            raise Imprecise("division by a number that may be zero")
        mid = 1 / ball.mid
        rad = ball.rad / (size * (size - ball.rad)) + abs(mid) * self.eps
        return Ball(mid, rad, None, ball.low, ball.up, ball.algebraic, ball.soft)

    def power(self, base: Ball, exponent: Ball, node: Any) -> Ball:
        """The power; `node` stands for its root among the radicals."""
        if exponent.exact is not None:
            if exponent.exact.denominator == 1:
                return self._integer_power(base, exponent.exact.numerator)
            if exponent.exact.denominator <= 2**16:
                return self._integer_power(self._root(base, exponent.exact.denominator, node), exponent.exact.numerator)
        if abs(base.mid) <= base.rad:
            raise Unknowable("a power of zero whose exponent is not rational")
        if self.real and not isinstance(base.mid, self.ctx.mpc) and base.mid < 0:
            raise OffDomain("a power of a negative number")
        log = self._apply(self.ctx.log, base)
        result = self._apply(self.ctx.exp, self.multiply([exponent, log]))
        return Ball(result.mid, result.rad, None, result.up, result.low, False, result.soft)

    def _integer_power(self, base: Ball, n: int) -> Ball:
        if n < 0:
            return self._integer_power(self.invert(base), -n)
        if n <= 1:
            return base if n else self.rational(Fraction(1))
        if base.exact is not None and (base.up + base.low) * n <= MAX_EXACT_BITS:
            return self.rational(base.exact**n)
        size = abs(base.mid)
        if not size:
            if base.rad:
                raise Imprecise("a power of a number that may be zero")
            return base
        relative = base.rad / size
        if n.bit_length() > 60 or abs(float(self.ctx.mag(size))) * n > MAX_MAGNITUDE:
            raise Unknowable("a power out of reach")
        if relative * n > 0.125:
            raise Imprecise("the error of a base swamps its power")
        mid = base.mid**n
        rad = abs(mid) * (2 * n * relative + 4 * n.bit_length() * self.eps)
        return Ball(mid, rad, None, base.up * n, base.low * n, base.algebraic, base.soft)

    def _root(self, base: Ball, k: int, node: Any) -> Ball:
        negative = not isinstance(base.mid, self.ctx.mpc) and base.mid < 0
        if negative:
            if k % 2:
                if not self.real:
                    raise Unknowable("an odd root of a negative number has two readings")
                return self.negate(self._root(self.negate(base), k, node))
            if self.real:
                raise OffDomain("an even root of a negative number")
        if base.exact is not None and not negative:
            roots = [sympy.integer_nthroot(part, k) for part in (base.exact.numerator, base.exact.denominator)]
            if all(exact for _, exact in roots):
                return self.rational(Fraction(int(roots[0][0]), int(roots[1][0])))
        size = abs(base.mid)
        if size <= 2 * base.rad:
            raise Imprecise("a root of a number that may be zero")
        self.radicals[node] = k
        mid = self.ctx.root(base.mid, k)
        rad = abs(mid) * (2 * base.rad / size + 8 * self.eps)
        if base.up >= base.low:
            up, low = (base.up + (k - 1) * base.low) / k, base.low
        else:
            up, low = base.up, ((k - 1) * base.up + base.low) / k
        return Ball(mid, rad, None, up, low, base.algebraic, base.soft)

    def _apply(self, function: Callable[[Any], Any], argument: Ball) -> Ball:
        """A function's value; its error is seen by moving the argument to the edges of its ball."""
        size = float(self.ctx.mag(argument.mid)) if argument.mid else 0.0
        if function == self.ctx.exp and size > _EXP_BITS:
            if isinstance(argument.mid, self.ctx.mpc) or argument.mid > 0:
                raise Unknowable("an argument out of reach")
            # Next to nothing, and not nothing: no finite precision can tell it from zero.
            return Ball(self.ctx.zero, self.ctx.ldexp(1, -(2**_EXP_BITS)), None, 0.0, math.inf, False, argument.soft)
        if size > MAX_ARGUMENT_BITS:
            raise Unknowable("an argument out of reach")
        try:
            mid = function(argument.mid)
            rad = self.ctx.zero
            for edge in (argument.mid + argument.rad, argument.mid - argument.rad) if argument.rad else ():
                rad = max(rad, 2 * abs(function(edge) - mid))
        except (ValueError, ZeroDivisionError, OverflowError, self.ctx.NoConvergence) as error:
            raise Unknowable(str(error)) from error
        mid = self._check_finite(mid)
        hidden = argument.up + argument.low
        size = float(self.ctx.mag(mid)) if mid else 0.0
        return Ball(
            mid,
            rad + abs(mid) * self.eps * 16,
            None,
            hidden + max(0.0, size),
            hidden + max(0.0, -size),
            False,
            argument.soft,
        )

    def _check_finite(self, mid: Any) -> Any:
        if isinstance(mid, self.ctx.mpc):
            if self.real:
                if mid.imag:
                    raise OffDomain("the value is not real")
                mid = mid.real
            elif not mid.imag:
                mid = mid.real
        if not self.ctx.isfinite(mid):
            raise Unknowable("no finite value")
        self._check_size(mid)
        return mid

    def _check_size(self, mid: Any) -> None:
        if mid and abs(float(self.ctx.mag(mid))) > MAX_MAGNITUDE:
            raise Unknowable("a magnitude out of reach")

    # --- nodes ---

    def _symbol(self, expr: Any) -> Ball:
        bound = self._bound.get(expr)
        return self.rational(self.point(expr.name)) if bound is None else bound

    def _undefined_function(self, expr: Any) -> Ball:
        """A fixed, generic, entire function for each name: equal arguments give equal values, others do not."""
        name = type(expr).__name__
        weights = [self.rational(generic(f"{name}({i})", 0)) for i in range(len(expr.args) + 1)]
        phase = self.add(
            [weights[-1]]
            + [self.multiply([weight, self.value(arg)]) for weight, arg in zip(weights[:-1], expr.args, strict=True)]
        )
        return self.add([self._apply(self.ctx.sin, phase), self.rational(Fraction(2))])

    def _constant(self, mid: Any) -> Ball:
        return Ball(mid, abs(mid) * self.eps, None, 2.0, 2.0, False)

    def _imaginary_unit(self, expr: Any) -> Ball:
        if self.real:
            raise OffDomain("the imaginary unit")
        self.radicals[expr] = 2
        return Ball(self.ctx.mpc(0, 1), self.ctx.zero)

    def _pow(self, expr: Any) -> Ball:
        base, exponent = expr.args
        if base is sympy.E:
            return self._apply(self.ctx.exp, self.value(exponent))
        return self.power(self.value(base), self.value(exponent), expr)

    def _log(self, expr: Any) -> Ball:
        value = self._apply(self.ctx.log, self.value(expr.args[0]))
        if len(expr.args) == 1 or expr.args[1] is sympy.E:
            return value
        return self.multiply([value, self.invert(self._apply(self.ctx.log, self.value(expr.args[1])))])

    def _abs(self, expr: Any) -> Ball:
        ball = self.value(expr.args[0])
        if ball.exact is not None:
            return self.rational(abs(ball.exact))
        return Ball(abs(ball.mid), ball.rad, None, ball.up, ball.low, ball.algebraic, ball.soft)

    def _floor(self, expr: Any) -> Ball:
        return self._round_down(self.value(expr.args[0]))

    def _ceiling(self, expr: Any) -> Ball:
        return self.negate(self._round_down(self.negate(self.value(expr.args[0]))))

    def _round_down(self, ball: Ball) -> Ball:
        if ball.exact is not None:
            return self.rational(Fraction(math.floor(ball.exact)))
        if isinstance(ball.mid, self.ctx.mpc):
            raise Unknowable("rounding a complex number")
        if float(self.ctx.mag(ball.mid)) > MAX_EXACT_BITS:
            raise Unknowable("rounding a number out of reach")
        lower, upper = (int(self.ctx.floor(ball.mid + sign * ball.rad)) for sign in (-1, 1))
        if lower != upper:
            raise Imprecise("a number too close to an integer to round")
        return self.rational(Fraction(lower))

    def _mod(self, expr: Any) -> Ball:
        a, b = (self.value(arg) for arg in expr.args)
        quotient = self._round_down(self.multiply([a, self.invert(b)]))
        return self.add([a, self.negate(self.multiply([b, quotient]))])

    def _extreme(self, expr: Any) -> Ball:
        balls = [self.value(arg) for arg in expr.args]
        if any(isinstance(ball.mid, self.ctx.mpc) for ball in balls):
            raise Unknowable("the order of complex numbers")
        pick = max if type(expr).__name__ == "Max" else min
        best = pick(balls, key=lambda ball: ball.mid)
        if any(ball is not best and abs(ball.mid - best.mid) < ball.rad + best.rad for ball in balls):
            raise Imprecise("two numbers too close to tell which is larger")
        return best

    def _factorial(self, expr: Any) -> Ball:
        ball = self.value(expr.args[0])
        if ball.exact is not None and ball.exact.denominator == 1 and 0 <= ball.exact <= 500:
            return self.rational(Fraction(math.factorial(ball.exact.numerator)))
        self._check_growth(ball)
        return self._apply(self.ctx.factorial, ball)

    def _double_factorial(self, expr: Any) -> Ball:
        ball = self.value(expr.args[0])
        self._check_growth(ball)
        return self._apply(self.ctx.fac2, ball)

    def _gamma(self, expr: Any) -> Ball:
        ball = self.value(expr.args[0])
        self._check_growth(ball)
        return self._apply(self.ctx.gamma, ball)

    def _check_growth(self, ball: Ball) -> None:
        if ball.mid and float(self.ctx.mag(ball.mid)) > 40:
            raise Unknowable("a factorial out of reach")

    def _binomial(self, expr: Any) -> Ball:
        n, k = (self.value(arg) for arg in expr.args)
        if n.exact is not None and k.exact is not None and n.exact.denominator == k.exact.denominator == 1:
            top, bottom = n.exact.numerator, k.exact.numerator
            if 0 <= bottom <= top <= 2_000:
                return self.rational(Fraction(math.comb(top, bottom)))
        if k.exact is not None and k.exact.denominator == 1 and 0 <= k.exact <= MAX_FALLING:
            steps = [self.add([n, self.rational(Fraction(-i))]) for i in range(int(k.exact))]
            return self.multiply([*steps, self.rational(Fraction(1, math.factorial(int(k.exact))))])
        self._check_growth(n)
        self._check_growth(k)
        if n.exact is None or k.exact is None:
            raise Unknowable("a binomial coefficient of numbers that are not exact")
        return self._apply(lambda _: self.ctx.binomial(n.mid, k.mid), self.add([n, k]))

    def _evaluated(self, expr: Any) -> Ball:
        """What sympy has a rule for (derivatives, limits, antiderivatives), with its own names for every symbol."""
        names = {
            symbol: sympy.Symbol("v" + symbol.name.encode(errors="surrogatepass").hex())
            for symbol in expr.atoms(sympy.Symbol)
            if symbol.name not in _DIRECTIONS
        }
        try:
            done = expr.xreplace(names).doit().xreplace({safe: symbol for symbol, safe in names.items()})
        except MemoryError:
            raise
        except Exception as error:
            # Its rules meet what they were not made for and raise whatever the step at hand raises.
            raise Unknowable(f"sympy: {error}") from error
        if done.has(sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit, sympy.Derivative):
            raise Unknowable("no closed form")
        return self.value(done)

    def _root_of(self, expr: Any) -> Ball:
        """A real root of a polynomial without radicals; its own integers stand in for its separation."""
        root = expr.eval_rational(n=self.precision // 3)
        mid = self.ctx.mpf(int(root.p)) / int(root.q)
        hidden = sum(_bits(int(c)) for c in expr.poly.all_coeffs())
        return Ball(mid, self.ctx.ldexp(1, -int(self.precision * 0.9)), None, hidden, hidden, False)

    def _derivative(self, expr: Any) -> Ball:
        if isinstance(expr.expr, sympy.Symbol) and expr.expr not in expr.variables:
            return self.rational(self.point(str(expr)))  # dy/dx in an equation: a quantity of its own
        return self._evaluated(expr)

    def _sum(self, expr: Any) -> Ball:
        terms = self._terms(expr)
        return self._evaluated(expr) if terms is None else self.add(terms or [self.rational(Fraction(0))])

    def _product(self, expr: Any) -> Ball:
        terms = self._terms(expr)
        return self._evaluated(expr) if terms is None else self.multiply(terms or [self.rational(Fraction(1))])

    def _terms(self, expr: Any) -> list[Ball] | None:
        if len(expr.limits) != 1 or len(expr.limits[0]) != 3:
            return None
        symbol, start, stop = expr.limits[0]
        if start.has(sympy.oo, -sympy.oo) or stop.has(sympy.oo, -sympy.oo):
            return None
        first, last = self.value(start).exact, self.value(stop).exact
        if first is None or last is None or last - first >= MAX_TERMS:
            return None
        if first.denominator != 1 or last.denominator != 1:
            raise Unknowable("a sum between numbers that are not integers")
        return [self._with(symbol, self.rational(Fraction(n)), expr.function) for n in range(int(first), int(last) + 1)]

    def _with(self, symbol: Any, ball: Ball, expr: Any) -> Ball:
        before = self._bound.get(symbol)
        self._bound[symbol] = ball
        try:
            return self.value(expr)
        finally:
            if before is None:
                del self._bound[symbol]
            else:
                self._bound[symbol] = before

    def _integral(self, expr: Any) -> Ball:
        if len(expr.limits) != 1 or len(expr.limits[0]) != 3:
            return self._evaluated(expr)
        symbol, *ends = expr.limits[0]
        edges = [self._edge(end) for end in ends]

        def integrand(x: Any) -> Any:
            return self._with(symbol, Ball(x, self.ctx.zero), expr.function).mid

        try:
            mid, error = self.ctx.quad(integrand, edges, error=True)
        except (ValueError, ZeroDivisionError, OverflowError, self.ctx.NoConvergence) as fault:
            raise Unknowable(str(fault)) from fault
        mid = self._check_finite(mid)
        if error > abs(mid) * self.ctx.ldexp(1, _SOFT_EQUAL):
            return self._evaluated(expr)
        return Ball(mid, abs(error), None, 2.0, 2.0, False, True)

    def _edge(self, end: Any) -> Any:
        if end in (sympy.oo, -sympy.oo):
            return self.ctx.inf if end is sympy.oo else -self.ctx.inf
        return self.value(end).mid


_HANDLERS: Mapping[str, Callable[[Evaluator, Any], Ball]] = {
    "Symbol": Evaluator._symbol,
    "Add": lambda self, expr: self.add([self.value(arg) for arg in expr.args]),
    "Mul": lambda self, expr: self.multiply([self.value(arg) for arg in expr.args]),
    "Pow": Evaluator._pow,
    "Pi": lambda self, expr: self._constant(self.ctx.pi + 0),
    "Exp1": lambda self, expr: self._constant(self.ctx.e + 0),
    "EulerGamma": lambda self, expr: self._constant(self.ctx.euler + 0),
    "ImaginaryUnit": Evaluator._imaginary_unit,
    "log": Evaluator._log,
    "Abs": Evaluator._abs,
    "floor": Evaluator._floor,
    "ceiling": Evaluator._ceiling,
    "Mod": Evaluator._mod,
    "Max": Evaluator._extreme,
    "Min": Evaluator._extreme,
    "factorial": Evaluator._factorial,
    "factorial2": Evaluator._double_factorial,
    "gamma": Evaluator._gamma,
    "binomial": Evaluator._binomial,
    "ComplexRootOf": Evaluator._root_of,
    "Derivative": Evaluator._derivative,
    "Limit": Evaluator._evaluated,
    "Sum": Evaluator._sum,
    "Product": Evaluator._product,
    "Integral": Evaluator._integral,
}

_FUNCTIONS: Mapping[str, str] = {
    name: name
    for name in (
        *("exp", "sin", "cos", "tan", "sec", "csc", "cot", "asin", "acos", "atan", "asec", "acsc", "acot"),
        *("sinh", "cosh", "tanh", "sech", "csch", "coth", "asinh", "acosh", "atanh", "zeta", "erf"),
    )
}


@lru_cache(maxsize=32)
def _context(precision: int) -> Any:
    """A context of its own for each precision: making one takes longer than most comparisons."""
    context = mpmath.MPContext()
    context.prec = precision
    return context


def _bits(n: int) -> float:
    return float(max(1, abs(n)).bit_length())


def _kinds(balls: list[Ball]) -> tuple[bool, bool]:
    return all(ball.algebraic for ball in balls), any(ball.soft for ball in balls)


def generic(name: str, index: int) -> Fraction:
    """A number in (0, 1) of 20 bits that depends on nothing but its arguments."""
    digest = hashlib.sha256(f"{index}:{name}".encode(errors="surrogatepass")).digest()
    return Fraction(2 * int.from_bytes(digest[:3], "big") // 32 + 1, 2**20)


@dataclass(frozen=True)
class Difference:
    """What the difference of two numbers shows: zero, not zero, or nothing (None) at this precision."""

    zero: bool | None
    proved: bool
    needed: float
    """Bits of precision that would decide."""


def difference(at: Evaluator, a: Ball, b: Ball, degree: float) -> Difference:
    """Weighs a - b against the separation bound of the expression a - b, whose roots' degrees multiply to `degree`."""
    if a.exact is not None and b.exact is not None:
        return Difference(a.exact == b.exact, True, 0)
    gap = at.add([a, at.negate(b)])
    size = abs(gap.mid)
    if gap.soft:
        scale = max(abs(a.mid), abs(b.mid))
        if size > scale * at.ctx.ldexp(1, _SOFT_DIFFERENT) and size > 2 * gap.rad:
            return Difference(False, True, 0)
        return Difference(True if size + gap.rad < scale * at.ctx.ldexp(1, _SOFT_EQUAL) else None, False, math.inf)
    if size > 2 * gap.rad:
        return Difference(False, True, 0)
    proof = (degree - 1) * gap.up + gap.low + 1
    proved = gap.algebraic and proof + gap.up + gap.low + 2 * MARGIN_BITS <= MAX_PRECISION
    separation = proof if proved else (min(degree, _EXTRA_DEGREE) - 1 or 1) * gap.up + gap.low + MARGIN_BITS
    needed = separation + gap.up + gap.low + 2 * MARGIN_BITS
    if needed <= MAX_PRECISION and size + gap.rad < at.ctx.ldexp(1, -math.ceil(separation)):
        return Difference(True, proved, needed)
    return Difference(None, proved, needed)

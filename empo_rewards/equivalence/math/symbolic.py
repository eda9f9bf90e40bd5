"""Whether two answers mean the same, decided by their mathematics.

Runs in the worker only (worker.py): it imports sympy, and nothing in it is bounded in time by itself.

Numbers come first: a difference that is provably not zero refutes, at rising precision and without any absolute
rounding; agreement past what the expressions' own integers can hide counts as equal, and is a proof where the numbers
are algebraic (symbolic_numbers.py). Expressions with symbols are compared at fixed points; they are equal where both
are defined. Lists, tuples, sets and matrices go by their elements, real sets by their boundary (symbolic_sets.py),
equations up to a factor. What none of these rules covers is undecided.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import sympy

from empo_rewards.equivalence.math.lexer import Unreadable
from empo_rewards.equivalence.math.symbolic_numbers import Unknowable
from empo_rewards.equivalence.math.symbolic_probe import (
    DIFFERENT,
    FIRST_PRECISION,
    UNDECIDED,
    Outcome,
    same_condition,
    same_number,
    value_at,
)
from empo_rewards.equivalence.math.symbolic_sets import same_region
from empo_rewards.equivalence.math.symbolic_tree import (
    FUNCTION_HEAD,
    Condition,
    Items,
    Meaning,
    Measured,
    Points,
    Region,
    Scalar,
    Span,
    as_where,
    free_names,
    meaning_of,
)


class Reading(NamedTuple):
    """What a text says, and the text."""

    text: str
    meaning: Meaning


def warm_up() -> None:
    """Parses and compares a little of everything: the parser learns its decisions from what it has seen."""
    readings = [read(text) for text in _WARM_UP]
    for reading in readings:
        compare(reading, readings[0])


_WARM_UP = (
    *(r"\frac{x^2-1}{x+1}", r"-3x(x-1)^{-2}+2ab", r"\sqrt{5+2\sqrt{6}}-\sqrt[3]{2}", r"2.5\cdot 10^{-3}"),
    *(r"\sin^{2}x+\cos(2x)", r"\ln x-\log_{2} 8", "e^{-2x}+e", r"\pi r^2", "n!", r"\binom{n}{2}", "x^2+y^2=1"),
    *("f(x)=2x+3", r"x\in(1,\sqrt{2}]", r"1<x\leq 2", r"(-\infty,1)\cup[2,3)", r"\{1,2,3\}", "1,2,3", "(1,2,3)"),
    *(r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"|x|", r"5\text{ N}", r"50\%", r"\int_0^1 x dx", r"\sum_{k=1}^{n} k"),
    *(r"\lim_{x\to0}x", r"\frac{dy}{dx}=y", r"a_{1}x+C", r"\frac{1}{1+\frac{1}{x}}", r"\mathbb{R}\setminus\{0\}"),
    *("x>3", r"x=\frac{1}{2}", r"1\pm\sqrt{19}", "(1,2)", r"\frac{1}{2}", r"-\frac{3}{4}", r"\sqrt{3}+1", "[1,2]"),
)


def read(text: str) -> Reading | None:
    """What a text says; None where it has no reading that is certain."""
    try:
        meaning = meaning_of(text)
        for scalar in _scalars(meaning):
            # Evaluated now, so that an expression that hangs is found with its text and not with each of its pairs.
            with contextlib.suppress(Unknowable):
                value_at(scalar, 0, FIRST_PRECISION, real=True)
        return Reading(text, meaning)
    except (Unreadable, RecursionError):
        return None


def compare(a: Reading | None, b: Reading | None) -> Outcome:
    """Whether two readings mean the same; the order of the two cannot matter."""
    if a is None or b is None:
        return UNDECIDED
    first, second = sorted((a, b), key=lambda reading: reading.text)
    try:
        return _compare(first.meaning, second.meaning)
    except (Unknowable, RecursionError):
        return UNDECIDED


def _scalars(meaning: Meaning) -> Iterator[Scalar]:
    if isinstance(meaning, Scalar):
        yield meaning
    elif isinstance(meaning, Items):
        for item in meaning.items:
            yield from _scalars(item)
    elif isinstance(meaning, Condition):
        yield meaning.gap
    elif isinstance(meaning, Measured):
        yield from _scalars(meaning.body)


# --- comparing -------------------------------------------------------------------------------------------------------


def _compare(a: Any, b: Any) -> Outcome:
    rule = _COMPARISONS.get((type(a), type(b)))
    if rule is not None:
        return rule(a, b)
    mirrored = _COMPARISONS.get((type(b), type(a)))
    return UNDECIDED if mirrored is None else mirrored(b, a)


def _two_regions(a: Region, b: Region) -> Outcome:
    if a.name is not None and b.name is not None and a.name != b.name:
        return UNDECIDED
    return same_region(a.where, b.where)


def _items_and_scalar(items: Items, scalar: Scalar) -> Outcome:
    if items.kind != "matrix" and len(items.items) == 1:
        return _compare(items.items[0], scalar)
    return DIFFERENT


def _measured(a: Measured, b: Meaning) -> Outcome:
    """A bare number equals the number with a unit; in two units a number is two values."""
    if not isinstance(b, Measured):
        return _compare(a.body, b)
    if a.unit == b.unit:
        return _compare(a.body, b.body)
    return DIFFERENT if _compare(a.body, b.body).equal else UNDECIDED


def _region_and_items(region: Region, items: Items) -> Outcome:
    where = region.where
    if isinstance(where, Span) and region.name is None:
        if items.kind == "set" or (items.kind == "matrix" and not (where.left_open and where.right_open)):
            return DIFFERENT
        return _collections(Items("tuple", (where.start, where.end)), items)  # (1,2) is also a pair
    points = as_where(items)
    return UNDECIDED if points is None else same_region(where, points)


def _region_and_scalar(region: Region, scalar: Scalar) -> Outcome:
    if isinstance(region.where, Points) and len(region.where.numbers) == 1:
        return same_number(region.where.numbers[0], scalar)
    return DIFFERENT if isinstance(region.where, Span) and not scalar.expr.free_symbols else UNDECIDED


def _named(a: Scalar, b: Scalar) -> Outcome:
    if a.name != b.name and {a.name, b.name} & (free_names(a.expr) | free_names(b.expr)):
        return _equations(a, b)  # x = 2y and y = x/2
    outcome = same_number(a, b)
    if outcome.equal and a.name is not None and b.name is not None and a.name != b.name:
        # f(x) = 2x+3 and y = 2x+3 define the same; x = 5 and y = 5 do not.
        heads = {a.name, b.name}
        if not (FUNCTION_HEAD in heads or "y" in heads) or not a.expr.free_symbols:
            return DIFFERENT
    return outcome


def _all(outcomes: Iterable[Outcome]) -> Outcome:
    probed, undecided = False, False
    for outcome in outcomes:
        if outcome.equal is False:
            return DIFFERENT
        undecided |= outcome.equal is None
        probed |= outcome.probed
    return UNDECIDED if undecided else Outcome(True, probed)


def _any(outcomes: Iterable[Outcome]) -> Outcome:
    best = DIFFERENT
    for outcome in outcomes:
        if outcome.equal:
            return outcome
        if outcome.equal is None:
            best = outcome
    return best


def _collections(a: Items, b: Items) -> Outcome:
    kinds = {a.kind, b.kind}
    if "matrix" in kinds:
        vector = next(items for items in (a, b) if items.kind == "matrix")
        if a.kind == b.kind:
            return _ordered(a, b) if a.shape == b.shape else DIFFERENT
        if kinds == {"matrix", "tuple"} and vector.shape is not None and 1 in vector.shape:
            return _ordered(a, b)
        return UNDECIDED
    if kinds == {"tuple", "set"}:
        return DIFFERENT
    if kinds == {"list"}:
        return _unordered(a, b) if len(a.items) == len(b.items) else DIFFERENT
    return _ordered(a, b) if "tuple" in kinds else _unordered(a, b)


def _ordered(a: Items, b: Items) -> Outcome:
    if len(a.items) != len(b.items):
        return DIFFERENT
    return _all(itertools.starmap(_guarded, zip(a.items, b.items, strict=True)))


def _unordered(a: Items, b: Items) -> Outcome:
    """Equal as sets: each element has its equal on the other side."""
    table = [[_guarded(x, y) for y in b.items] for x in a.items]
    return _all([_any(row) for row in table] + [_any(column) for column in zip(*table, strict=True)])


def _guarded(a: Any, b: Any) -> Outcome:
    try:
        return _compare(a, b)
    except Unknowable:
        return UNDECIDED


def _as_condition(meaning: Condition | Scalar) -> Condition | None:
    if isinstance(meaning, Condition):
        return meaning
    if meaning.name is None or meaning.name == FUNCTION_HEAD:
        return None
    gap = sympy.Add(sympy.Symbol(meaning.name), sympy.Mul(-1, meaning.expr, evaluate=False), evaluate=False)
    return Condition("=", Scalar(gap))


def _equations(a: Condition | Scalar, b: Condition | Scalar) -> Outcome:
    left, right = _as_condition(a), _as_condition(b)
    return UNDECIDED if left is None or right is None else same_condition(left, right)


_COMPARISONS: dict[tuple[type, type], Callable[[Any, Any], Outcome]] = {
    (Scalar, Scalar): _named,
    (Condition, Condition): same_condition,
    (Condition, Scalar): _equations,
    (Region, Region): _two_regions,
    (Items, Items): _collections,
    (Items, Scalar): _items_and_scalar,
    (Region, Items): _region_and_items,
    (Region, Scalar): _region_and_scalar,
    **{(Measured, other): _measured for other in (Measured, Scalar, Items, Region, Condition)},
}

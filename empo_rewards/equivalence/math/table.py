"""The table of functions: one row a function, read by the lexer, the parser, the canonical form and the enclosures.

The rows stand in `functions.py`; `register` adds another. Where a row has no rule, a function is kept as it is: equal
where its arguments are, and nothing else is known of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from empo_rewards.equivalence.math.algebra import Terms, Value
    from empo_rewards.equivalence.math.balls import Ball


class Function(NamedTuple):
    """One function.

    Args:
        name: what it is called in canonical forms.
        spellings: how it is written, as a command or in letters.
        arity: the least and the greatest number of arguments.
        exact: its rule on canonical values; raises `Undefined` where it has none. None: it stays as it is.
        squared: sums whose product is its square, where that is known: sin² x = 1 - cos² x, |x|² = x².
        at_pi: FLINT's function for it at rational multiples of π, where twice its value is an algebraic integer.
        flint: the method of a ball that encloses it, for functions of one argument; see `Evaluator.simple`.
        domain: whether a real argument may have a value.
        hidden: how many bits before a ball's last one the value may hide of an argument of that size: e^(-2x) beside 1.
        limit: log2 of the largest argument that is enclosed.
        cost: units of work of one enclosure at 128 bits.
        rule: its enclosure by an `Evaluator`, of those of its arguments, where `flint` cannot say it.
        branches: "sign" (of the argument), "step" (no agreement at points says anything).
        integer: whether its arguments are meant to be integers, as of n!.
        inverse: the function that f^{-1} names.
        letter: whether its name is a letter's too, and a function only where brackets follow at once.
    """

    name: str
    spellings: tuple[str, ...] = ()
    arity: tuple[int, int] = (1, 1)
    exact: Callable[..., Value] | None = None
    squared: Callable[..., tuple[Terms, ...] | None] | None = None
    at_pi: Callable[[Any], Any] | None = None
    flint: str = ""
    domain: Callable[[Any], bool] | None = None
    hidden: Callable[[float], float] | None = None
    limit: int = 0
    cost: int = 1
    rule: Callable[..., Ball] | None = None
    branches: Literal["", "sign", "step"] = ""
    integer: bool = False
    inverse: str = ""
    letter: bool = False


TABLE: dict[str, Function] = {}
"""Rows by name."""

SPELLINGS: dict[str, str] = {}
"""Names by what is written."""

LETTERS: set[str] = set()
"""Letters that are functions of what stands in brackets right after them."""


def register(row: Function) -> None:
    """Adds a function to the table."""
    TABLE[row.name] = row
    if row.letter:
        LETTERS.update((row.name, *row.spellings))
    else:
        SPELLINGS.update(dict.fromkeys(row.spellings, row.name))

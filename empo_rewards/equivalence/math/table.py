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
    """One function."""

    name: str  # what it is called in canonical forms
    spellings: tuple[str, ...] = ()  # how it is written, as a command or in letters
    arity: tuple[int, int] = (1, 1)  # the least and the greatest number of arguments
    exact: Callable[..., Value] | None = None  # its rule on canonical values, or `Undefined`; None: it stays as it is
    squared: Callable[..., tuple[Terms, ...] | None] | None = None  # sums whose product is its square: |x|² = x²
    at_pi: Callable[[Any], Any] | None = None  # FLINT's at rational multiples of π: twice it is an algebraic integer
    flint: str = ""  # the method of a ball that encloses it, of one argument; see `Evaluator.simple`
    domain: Callable[[Any], bool] | None = None  # whether a real argument may have a value
    hidden: Callable[[float], float] | None = None  # bits that its value may hide, by the argument: e^(-2x) beside 1
    limit: int = 0  # log2 of the largest argument that is enclosed
    cost: int = 1  # units of work of one enclosure at 128 bits
    rule: Callable[..., Ball] | None = None  # its enclosure by an `Evaluator`, of its arguments', without `flint`
    branches: Literal["", "sign", "step"] = ""  # of the argument; "step": no agreement at points says anything
    integer: bool = False  # whether its arguments are meant to be integers, as of n!
    inverse: str = ""  # the function that f^{-1} names
    letter: bool = False  # whether its name is a letter's too, and a function only where brackets follow at once


TABLE: dict[str, Function] = {}  # rows by name
SPELLINGS: dict[str, str] = {}  # names by what is written
LETTERS: set[str] = set()  # letters that are functions of what stands in brackets right after them


def register(row: Function) -> None:
    """Adds a function to the table."""
    TABLE[row.name] = row
    if row.letter:
        LETTERS.update((row.name, *row.spellings))
    else:
        SPELLINGS.update(dict.fromkeys(row.spellings, row.name))

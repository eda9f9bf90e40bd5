"""What a short text says where it is no sentence: one reading for mathematics and for answers in words."""

from __future__ import annotations

from dataclasses import astuple

from empo_rewards.equivalence.math.algebra import Value
from empo_rewards.equivalence.math.backend import MathEquivalence
from empo_rewards.equivalence.math.canonical import key_of
from empo_rewards.equivalence.math.keys import Key
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.shapes import Opaque, Shape, Text
from empo_rewards.protocols import AnswerSet


def read(text: str, policy: MathPolicy | None = None) -> Key | None:
    """The number, quantity, range, bound, date, time or formula of chemistry that a whole text says; None for others.

    Units, number words ("two and a half", "2 million"), hedges ("about 12"), ranges ("3 to 5 days"), bounds ("more
    than 5 years") and labels ("9 chickens and 10 rabbits") are read here, for mathematics and for answers in words.
    `Key.shape` is what it is, `Key.facets` the unit and the names it is given. Text with letters that are neither
    units nor numbers is None: a formula, a name, a sentence.
    """
    key = key_of(text, (policy or MathPolicy()).for_prompt(""))
    return None if isinstance(key.shape, (Text, Opaque)) or _with_symbols(key.shape) else key


def same(a: str, b: str, policy: MathPolicy | None = None) -> bool | None:
    """Whether two such texts say the same; None where one of them is no such text, or it cannot be told.

    False where they are known to differ: "5 years" and "more than 5 years", "3 to 5 days" and "5 days".
    """
    if read(a, policy) is None or read(b, policy) is None:
        return None
    if a == b:
        return True
    backend = MathEquivalence(*astuple(policy or MathPolicy()))
    (relation,) = backend.relate([AnswerSet((a, b))])
    return True if relation.equal else None if relation.undecided else False


def _with_symbols(shape: Shape | tuple[object, ...] | frozenset[object]) -> bool:
    if isinstance(shape, Value):
        return bool(shape.symbols - {"∞"})
    return isinstance(shape, (tuple, frozenset)) and any(_with_symbols(part) for part in shape)  # type: ignore[arg-type]  # shapes are tuples of shapes

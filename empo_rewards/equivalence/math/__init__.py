"""Mathematical equivalence: one reading of an answer's text, exact where it can be.

    text -> lexer -> tokens -> parser -> syntax -> canonical -> Key(shape, facets, readings)

`shapes.compare` decides by canonical forms, and asks `refine.Judge` about the values that they do not tell apart: it
encloses them (`balls`). `table` and `functions` hold what is known of each function. `backend.MathEquivalence` compares
the keys of a set. Everything happens in the calling thread, within work that is counted before it is done (`limits`).
"""

from __future__ import annotations

from empo_rewards.equivalence.math.backend import MathEquivalence
from empo_rewards.equivalence.math.policy import MathPolicy

__all__ = ["MathEquivalence", "MathPolicy"]

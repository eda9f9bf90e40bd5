"""Mathematical equivalence: canonical keys, and for what they cannot decide sympy in a process that can be killed.

    text -> lexer -> tokens -> parser -> syntax -> canonical -> Key(shape, facets, readings)

`backend.MathEquivalence` compares the keys of a set and asks `worker.SymbolicPool` about the rest.
"""

from __future__ import annotations

from empo_rewards.equivalence.math.backend import MathEquivalence
from empo_rewards.equivalence.math.policy import MathPolicy

__all__ = ["MathEquivalence", "MathPolicy"]

"""Which answers mean the same: what a backend is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class AnswerSet:
    """The distinct answers of one group.

    Args:
        texts: distinct texts in canonical order: by falling count, then by text. A backend that compares with
            representatives takes them in this order, so that arrival order cannot matter.
        prompt: the prompt's text, for backends that compare in its context.
        similarities: whether the relation must carry `similarities`. Asked only of a backend that says
            `gives_similarities = True`, and only where the entropy estimator rests on them: they may need every pair.
    """

    texts: tuple[str, ...]
    prompt: str = ""
    similarities: bool = False


@dataclass(frozen=True)
class Relation:
    """What a backend found out about one `AnswerSet`; pairs are positions (i, j), i < j, in its `texts`.

    Args:
        equal: pairs that mean the same. Their transitive closure is what counts, so a spanning set is enough.
        undecided: pairs that could not be decided within the bounds. They count as different, and are reported.
        metrics: numbers about the work done (comparisons, model evaluations). They may depend on what a cache
            holds, and count for nothing where two relations are compared.
        similarities: where they were asked for, how alike two texts are, from 0 (nothing in common) to 1 (the same):
            K rows of K numbers for K texts, symmetric, 1 on the diagonal.
    """

    equal: tuple[tuple[int, int], ...] = ()
    undecided: tuple[tuple[int, int], ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict, compare=False)
    similarities: Sequence[Sequence[float]] | None = None


@runtime_checkable
class EquivalenceBackend(Protocol):
    """Says which answers mean the same.

    A backend must be symmetric, and must not depend on the order of `sets`. Where it cannot answer at all (a dead
    server) it raises, or gives the exception in place of the relation of each set that it befell; it never answers
    "different" for a fault. One that can say how alike answers are has an attribute `gives_similarities = True`, and
    does so for each set that asks. A backend that holds processes or connections also has a `close()`; calling
    `relate` after `close` starts them anew.
    """

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation | Exception]:
        """One relation for each set; all sets of a call come at once, so that a backend can batch over groups."""
        ...

"""One call of an equivalence backend, with everything that it returns validated."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import replace

from empo_rewards.errors import PluginError
from empo_rewards.metrics import numbers
from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Relation

ROUNDING = 1e-5
"""Tolerance in the check of similarities: models compute them in single precision."""


def relate(backend: EquivalenceBackend, sets: Sequence[AnswerSet]) -> list[Relation | Exception]:
    """The backend's relation of each set; for a set whose relation is invalid, a `PluginError` in its place.

    Raises:
        PluginError: there is not one relation per set.
        Exception: what the backend raises.
    """
    relations = list(backend.relate(sets)) if sets else []
    if len(relations) != len(sets):
        raise PluginError(f"the backend gave {len(relations)} relations where {len(sets)} were wanted")
    return [_validated(relation, answers) for relation, answers in zip(relations, sets, strict=True)]


def _validated(relation: object, answers: AnswerSet) -> Relation | Exception:
    """The relation with pairs of plain integers and metrics of plain floats, or the error that says what is wrong."""
    if isinstance(relation, Exception):
        return relation
    if not isinstance(relation, Relation):
        return PluginError(f"the backend gave a {type(relation).__name__} where a Relation was wanted")
    size = len(answers.texts)
    try:
        if answers.similarities:
            _check_similarities(relation.similarities, size)
        equal, different = _pairs(relation.equal, size), _pairs(relation.different, size)
        if both := set(equal).intersection(different):
            raise PluginError(f"the backend gave the pair {min(both)} as equal and as different")
        return replace(
            relation,
            equal=equal,
            different=different,
            undecided=_pairs(relation.undecided, size),
            metrics=numbers(relation.metrics),
        )
    except PluginError as error:
        return error
    except Exception as error:  # noqa: BLE001 - any type of value may stand in it, and each raises in its own way
        return PluginError(f"the backend gave an invalid Relation: {type(error).__name__}: {error}")


def _pairs(pairs: Iterable[tuple[int, int]], size: int) -> tuple[tuple[int, int], ...]:
    """The pairs, checked to be (i, j) with 0 <= i < j < size; any other would join answers that were not compared."""
    sides = [tuple(map(operator.index, side)) for side in zip(*pairs, strict=True)]
    if not sides:
        return ()
    low, high = sides
    found = tuple(zip(low, high, strict=True))
    if min(low) < 0 or max(high) >= size or not all(map(operator.lt, low, high)):
        i, j = next((i, j) for i, j in found if not 0 <= i < j < size)
        raise PluginError(f"the backend gave the pair ({i}, {j}) for {size} answers")
    return found


def _check_similarities(rows: Sequence[Sequence[float]] | None, size: int) -> None:
    """Check that similarities are `size` x `size`, in [0, 1], symmetric, with ones on the diagonal (to `ROUNDING`)."""
    if rows is None:
        raise PluginError("the backend gave no similarities where they were asked for")
    if len(rows) != size:
        raise PluginError(f"the backend gave {len(rows)} rows of similarities where {size} were wanted")
    for i, row in enumerate(rows):
        if len(row) != size:
            raise PluginError(f"the backend gave {len(row)} similarities in a row where {size} were wanted")
        for j in range(i + 1):
            value = row[j]
            if not -ROUNDING <= value <= 1 + ROUNDING:  # NaN too
                raise PluginError(f"the backend gave the similarity {value}; it lies in [0, 1]")
            if not abs(value - (1.0 if i == j else rows[j][i])) <= ROUNDING:
                raise PluginError("the backend gave similarities that are not symmetric with ones on the diagonal")

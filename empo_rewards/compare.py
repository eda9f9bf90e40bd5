"""Whether two answers mean the same: one question to a backend."""

from __future__ import annotations

from functools import cache

from empo_rewards import config, plugins
from empo_rewards.config import Component
from empo_rewards.equivalence import AnswerSet, EquivalenceBackend
from empo_rewards.equivalence.math import MathEquivalence


def equivalent(a: str, b: str, backend: str | EquivalenceBackend = "math", **options: object) -> bool | None:
    """Whether two answers mean the same; None where that could not be decided within the bounds.

    Args:
        a, b: answers (not whole responses), in any order.
        backend: a registered name, or an instance: for many pairs make one, it keeps its caches and processes.
        options: of the backend, where it is named.

    Raises:
        ConfigError: no such backend or option.
        Exception: what the backend raises where it cannot answer at all.
    """
    if not isinstance(backend, str):
        return _compare(a, b, backend)
    if backend == "math" and not options:
        return _compare(a, b, _mathematics())
    component = Component.model_validate({"name": backend, **options})
    made = config.create(plugins.load(), "equivalence backend", component, "equivalence")
    try:
        return _compare(a, b, made)
    finally:
        close = getattr(made, "close", None)
        if close is not None:
            close()


@cache
def _mathematics() -> MathEquivalence:
    """The default backend with its defaults, made once: it holds a bounded cache and nothing else."""
    return MathEquivalence()


def _compare(a: str, b: str, backend: EquivalenceBackend) -> bool | None:
    if a == b:
        return True
    (relation,) = backend.relate([AnswerSet(tuple(sorted((a, b))))])
    if isinstance(relation, Exception):
        raise relation
    if relation.equal:
        return True
    return None if relation.undecided else False

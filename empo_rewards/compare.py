"""`equivalent`: comparison of two answers by an equivalence backend."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from empo_rewards.config import Component
from empo_rewards.equivalence.math import MathEquivalence
from empo_rewards.plugins.registry import load
from empo_rewards.protocols import AnswerSet, EquivalenceBackend


def equivalent(
    a: str, b: str, backend: str | EquivalenceBackend = "math", *, plugins: Sequence[object] = (), **options: object
) -> bool | None:
    """Whether two answers mean the same; None if that could not be decided within the bounds.

    Args:
        a, b: answers (not whole responses), in any order.
        backend: a registered name, or an instance; for many pairs use an instance, which keeps its caches.
        plugins: modules or objects with hooks, in addition to the installed ones.
        options: the backend's options, if it is given by name.

    Raises:
        ConfigError: no such backend or option.
        Exception: the backend's own exception if it fails.
    """
    if not isinstance(backend, str):
        return _compare(a, b, backend)
    if backend == "math" and not options and not plugins:
        return _compare(a, b, _mathematics())
    component = Component.model_validate({"name": backend, **options})
    made = load(plugins).create(EquivalenceBackend, component, "equivalence")
    try:
        return _compare(a, b, made)
    finally:
        made.close()


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

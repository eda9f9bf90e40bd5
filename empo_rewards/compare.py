"""`equivalent`: comparison of two answers by an equivalence backend."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from empo_rewards.config import Component
from empo_rewards.errors import GroupError, PluginError
from empo_rewards.plugins import builtins  # noqa: F401 - what the first call needs is imported with this module
from empo_rewards.plugins.registry import built_in, load
from empo_rewards.protocols import AnswerSet, EquivalenceBackend
from empo_rewards.relations import relate


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
        GroupError: an answer is no text.
        PluginError: the backend is none, or what it returns is invalid.
        Exception: the backend's own exception if it fails.
    """
    for answer in (a, b):
        if not isinstance(answer, str):
            raise GroupError(f"an answer must be a text, not {type(answer).__name__}")
    if not isinstance(backend, str | EquivalenceBackend):
        raise PluginError(f"the backend must be a name or an EquivalenceBackend, not {type(backend).__name__}")
    if not isinstance(backend, str):
        return _compare(a, b, backend)
    if not options and not plugins and (kept := _kept(backend)) is not None:
        return _compare(a, b, kept)
    component = Component.model_validate({"name": backend, **options})
    made = load(plugins).create(EquivalenceBackend, component, "equivalence")
    try:
        return _compare(a, b, made)
    finally:
        made.close()


@cache
def _kept(backend: str) -> EquivalenceBackend | None:
    """A built-in backend with its defaults, made once, where it has nothing to close; None for any other."""
    registry = built_in()
    if backend not in registry.entries["equivalence backend"]:
        return None
    made = registry.create(EquivalenceBackend, Component(name=backend), "equivalence")
    if type(made).close is EquivalenceBackend.close:
        return made
    made.close()
    return None


def _compare(a: str, b: str, backend: EquivalenceBackend) -> bool | None:
    if a == b:
        return True
    (relation,) = relate(backend, [AnswerSet(tuple(sorted((a, b))))])
    if isinstance(relation, Exception):
        raise relation
    if relation.equal:
        return True
    return None if relation.undecided else False

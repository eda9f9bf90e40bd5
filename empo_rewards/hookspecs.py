"""The hooks: everything that can be chosen registers through one of them, the built-ins too.

Each hook is handed a `register(name, factory)`. A factory is a class or function that makes one instance of the thing;
its keyword parameters, with their annotations and defaults, are the thing's options, and what a configuration writes
beside its `name` is checked against them. What an instance must be able to do is a Protocol: `Extractor`
(`empo_rewards.extraction`), `EquivalenceBackend` (`.equivalence`), `EntropyEstimator` (`.entropy`), `Strategy`
(`.strategies`), `Guard` (`.guards`), `Observer` (below).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, Protocol, runtime_checkable

import pluggy

from empo_rewards.group import Group, GroupScore

PROJECT = "empo_rewards"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Register = Callable[[str, Callable[..., Any]], None]
RegisterPreset = Callable[[str, "str | PathLike[str] | Mapping[str, Any]"], None]


@runtime_checkable
class Observer(Protocol):
    """Sees each group with its score, in the order of scoring.

    It cannot change them. What `metrics()` gives, if it has that method, stands in the score's metrics under the
    observer's name: numbers of the run so far, which take the ways of the group's own to every framework's log.
    """

    def __call__(self, group: Group, score: GroupScore) -> None:
        """Called once a group."""
        ...


@hookspec
def register_extractors(register: Register) -> None:
    """Register extractors: `register("last_line", LastLine)`."""


@hookspec
def register_equivalence_backends(register: Register) -> None:
    """Register equivalence backends: `register("exact", ExactEquivalence)`."""


@hookspec
def register_entropy_estimators(register: Register) -> None:
    """Register estimators of semantic entropy: `register("plug_in", PlugIn)`."""


@hookspec
def register_strategies(register: Register) -> None:
    """Register reward strategies: `register("empo", Empo)`."""


@hookspec
def register_guards(register: Register) -> None:
    """Register guards: `register("blank", Blank)`."""


@hookspec
def register_observers(register: Register) -> None:
    """Register observers: `register("monitor", Monitor)`."""


@hookspec
def register_presets(register: RegisterPreset) -> None:
    """Register presets, each a mapping or the path of a YAML file: `register("ttrl", {"strategy": "majority"})`."""

"""The hooks: everything that can be chosen registers through one of them, the built-ins too.

Each hook is handed a `register(name, factory)`. A factory is a class or function that makes one instance of the thing;
its keyword parameters, with their annotations and defaults, are the thing's options, and what a configuration writes
beside its `name` is checked against them. What it makes derives from the base class of its kind, which stand in
`empo_rewards.protocols`. A parameter annotated with such a class is a nested component: it is configured by name and
options, and built with the same registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import pluggy

PROJECT = "empo_rewards"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Register = Callable[[str, Callable[..., Any]], None]
RegisterPreset = Callable[[str, "str | PathLike[str] | Mapping[str, Any]"], None]


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

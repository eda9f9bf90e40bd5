"""Hook specifications. Every component is registered through one of these hooks, including the built-ins.

Each hook receives `register(name, factory)`. A factory is a class or function that creates an instance; its keyword
parameters, with their annotations and defaults, are the component's options, against which its configuration is
validated. The instance derives from the base class of its kind (`empo_rewards.protocols`). A parameter annotated with
such a class is a nested component: it is configured by name and options, and built by the same registry.
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
def register_readers(register: Register) -> None:
    """Register readers of rollouts: `register("vllm", VllmOutputs)`."""


@hookspec
def register_presets(register: RegisterPreset) -> None:
    """Register presets, each a mapping or the path of a YAML file: `register("ttrl", {"strategy": "majority"})`."""

"""Discovery of plugins, the registry of what they register, and construction of configured components."""

from __future__ import annotations

import inspect
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from typing import Any, get_type_hints

import pluggy
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from empo_rewards.config import Component, Presets, one_line
from empo_rewards.errors import ConfigError, PluginError, suggestion
from empo_rewards.plugins import hookspecs
from empo_rewards.protocols import BASES, DefaultComponent, Kind, check_contract

ENTRY_POINT_GROUP = "empo_rewards"
PLUGINS_VARIABLE = "EMPO_REWARDS_PLUGINS"

KINDS: Mapping[str, str] = {
    "extractor": "register_extractors",
    "equivalence backend": "register_equivalence_backends",
    "entropy estimator": "register_entropy_estimators",
    "strategy": "register_strategies",
    "guard": "register_guards",
    "observer": "register_observers",
    "preset": "register_presets",
}
"""The kinds of things that can be registered, and the hook of each."""


@dataclass(frozen=True)
class Nested:
    """A factory's parameter that takes another component.

    Args:
        base: the base class of its kind.
        default: the name of the component to build if none is configured; None: the factory's own default is used.
    """

    base: type
    default: str | None = None


@dataclass(frozen=True)
class Registered:
    """One registration: name, factory (for a preset: its mapping or path), and the plugin that registered it."""

    name: str
    factory: Any
    plugin: str

    @cached_property
    def parameters(self) -> Mapping[str, tuple[Any, Any]]:
        """The annotation and default of each option: the keyword parameters of the factory's signature."""
        hints = get_type_hints(
            self.factory.__init__ if inspect.isclass(self.factory) else self.factory, include_extras=True
        )
        found = {}
        for parameter in inspect.signature(self.factory).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise PluginError(
                    f"{self.plugin}: the factory of {self.name!r} has a parameter {str(parameter)!r}; "
                    "options must be plain keyword parameters"
                )
            default = ... if parameter.default is parameter.empty else parameter.default
            found[parameter.name] = (hints.get(parameter.name, Any), default)
        return found

    @cached_property
    def nested(self) -> Mapping[str, Nested]:
        """The options that are nested components."""
        found = {name: _nested(annotation) for name, (annotation, _) in self.parameters.items()}
        return {name: nested for name, nested in found.items() if nested is not None}

    def options(self) -> type[BaseModel]:
        """The pydantic model of the factory's options; nested components have the type `Component` in it."""
        fields: dict[str, Any] = {}
        for name, (annotation, default) in self.parameters.items():
            nested = self.nested.get(name)
            fields[name] = (annotation, default) if nested is None else (Component | None, nested.default or default)
        return create_model(self.name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True), **fields)


def _nested(annotation: Any) -> Nested | None:
    """The nested component that an annotation declares; None if it has no base class of a kind."""
    if inspect.isclass(annotation) and annotation in BASES.values():
        return Nested(annotation)
    for part in typing.get_args(annotation):
        if (found := _nested(part)) is not None:
            default = next((extra.name for extra in _extras(annotation) if isinstance(extra, DefaultComponent)), None)
            return Nested(found.base, default or found.default)
    return None


def _extras(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__metadata__", ())


@dataclass(frozen=True)
class Registry:
    """All registrations.

    Args:
        entries: registrations by kind (a key of `KINDS`) and name.
        skipped: the names of installed plugins that `EMPO_REWARDS_PLUGINS` excludes.
    """

    entries: Mapping[str, dict[str, Registered]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    skipped: tuple[str, ...] = ()

    @property
    def presets(self) -> Presets:
        """The registered presets by name."""
        return {name: registered.factory for name, registered in self.entries["preset"].items()}

    def find(self, kind: str, name: str) -> Registered:
        """The registration of that name.

        Raises:
            ConfigError: there is none; the message suggests the closest name.
        """
        known = self.entries[kind]
        if name not in known:
            raise ConfigError(f"no {kind} is called {name!r}{suggestion(name, known)}")
        return known[name]

    def create(self, base: type[Kind], component: Component, path: str) -> Kind:
        """Create the instance of a component: validate its options and build its nested components.

        Args:
            base: the base class of its kind.
            component: name and options.
            path: the component's place in the configuration, for messages.

        Raises:
            ConfigError: an unknown name or option, or an invalid value of an option.
            PluginError: the instance does not fulfil the contract of its kind.
        """
        kind = next(kind for kind, other in BASES.items() if other is base)
        try:
            registered = self.find(kind, component.name)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
        model = registered.options()
        try:
            given = model.model_validate(component.options)
        except ValidationError as error:
            raise ConfigError(one_line(error, model, path, component.name)) from error
        options = {name: getattr(given, name) for name in given.model_fields_set}
        for name, nested in registered.nested.items():
            wanted = options.get(name) if name in options else nested.default and Component(name=nested.default)
            if isinstance(wanted, Component):
                options[name] = self.create(nested.base, wanted, f"{path}.{name}")
        try:
            made = registered.factory(**options)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
        try:
            return check_contract(made, base, tuple(registered.parameters))
        except PluginError as error:
            raise PluginError(f"{registered.plugin}: the {kind} {component.name!r} {error}") from error


def load(plugins: Sequence[object] = ()) -> Registry:
    """The registry of the built-ins, the installed plugins, and `plugins` (modules or objects with hooks).

    `EMPO_REWARDS_PLUGINS` restricts which installed plugins are loaded: comma-separated names of entry points; `-name`
    excludes one, an empty value excludes all.

    Raises:
        PluginError: a plugin cannot be imported, or a registration is invalid.
    """
    from empo_rewards.plugins import builtins  # noqa: PLC0415 - a third of the import time, and a scorer's need only

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(builtins, "built-in")
    skipped = _load_installed(manager)
    for plugin in plugins:
        manager.register(plugin, getattr(plugin, "__name__", type(plugin).__qualname__))
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{error}; the hooks are: {', '.join(KINDS.values())}") from error
    registry = Registry(skipped=skipped)
    for kind, hook in KINDS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            _collect(registry, kind, implementation)
    return registry


def _load_installed(manager: pluggy.PluginManager) -> tuple[str, ...]:
    """Import and register the selected entry points; return the names of the others."""
    found = sorted(metadata.entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name)
    chosen = _chosen([entry.name for entry in found])
    for entry in found:
        if entry.name not in chosen:
            continue
        owner = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"
        try:
            plugin = entry.load()
        except Exception as error:
            raise PluginError(
                f"the plugin {entry.name!r} of {owner} cannot be loaded from {entry.value!r}: "
                f"{type(error).__name__}: {error}; repair or uninstall it, or set {PLUGINS_VARIABLE}=-{entry.name}"
            ) from error
        try:
            manager.register(plugin, entry.name)
        except pluggy.PluginValidationError as error:
            raise PluginError(f"the plugin {entry.name!r} of {owner} does not fit its hook: {error}") from error
    return tuple(entry.name for entry in found if entry.name not in chosen)


def _chosen(installed: Sequence[str]) -> frozenset[str]:
    """The names selected by `EMPO_REWARDS_PLUGINS`."""
    value = os.environ.get(PLUGINS_VARIABLE)
    if value is None:
        return frozenset(installed)
    words = [word.strip() for word in value.split(",") if word.strip()]
    for word in words:
        if word.removeprefix("-") not in installed:
            raise PluginError(f"{PLUGINS_VARIABLE} names {word!r}, which is not installed{_installed(installed)}")
    without = {word[1:] for word in words if word.startswith("-")}
    only = {word for word in words if not word.startswith("-")}
    if only or not without:
        return frozenset(only - without)
    return frozenset(set(installed) - without)


def _installed(names: Sequence[str]) -> str:
    return f"; installed: {', '.join(names)}" if names else "; no plugin is installed"


def _collect(registry: Registry, kind: str, implementation: pluggy.HookImpl) -> None:
    """Run one hook implementation and collect its registrations."""
    owner = implementation.plugin_name
    entries = registry.entries[kind]

    def register(name: str, factory: Any) -> None:
        if not isinstance(name, str) or not name:
            raise PluginError(f"{owner} registers a {kind} under {name!r}; a name is a text that is not empty")
        if name in entries:
            raise PluginError(f"{owner} registers the {kind} {name!r}, which {entries[name].plugin} has registered")
        if kind != "preset" and not isinstance(factory, Callable):  # type: ignore[arg-type] # mypy: abstract class
            raise PluginError(f"{owner} registers the {kind} {name!r} as {factory!r}; it must be a class or function")
        entries[name] = Registered(name, factory, owner)

    arguments = {"register": register}
    try:
        implementation.function(*(arguments[name] for name in implementation.argnames))
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(
            f"the plugin {owner!r} failed in {KINDS[kind]}: {type(error).__name__}: {error}; "
            f"repair or uninstall it, or set {PLUGINS_VARIABLE}=-{owner}"
        ) from error

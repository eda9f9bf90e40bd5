"""Discovery of plugins, the registry of what they register, and construction of configured components."""

from __future__ import annotations

import functools
import inspect
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from types import NoneType, UnionType
from typing import Annotated, Any, Optional, Union, get_type_hints

import pluggy
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from empo_rewards.config import Component, Presets, one_line
from empo_rewards.errors import ConfigError, EmpoError, PluginError, described, suggestion
from empo_rewards.plugins import hookspecs
from empo_rewards.protocols import BASES, DefaultComponent, Kind, Reader, check_contract

ENTRY_POINT_GROUP = "empo_rewards"
PLUGINS_VARIABLE = "EMPO_REWARDS_PLUGINS"
BUILT_IN = "built-in"
"""The name of the plugin with the package's own components."""

KINDS: Mapping[str, str] = {
    "extractor": "register_extractors",
    "equivalence backend": "register_equivalence_backends",
    "entropy estimator": "register_entropy_estimators",
    "strategy": "register_strategies",
    "guard": "register_guards",
    "observer": "register_observers",
    "reader": "register_readers",
    "preset": "register_presets",
}
"""The kinds of things that can be registered, and the hook of each."""


MAX_NESTING = 32
"""How deep components may be nested: a component that takes itself by default would never end."""


@dataclass(frozen=True)
class Nested:
    """A factory's parameter that takes another component.

    Args:
        base: the base class of its kind.
        default: the name of the component to build if none is configured; None: the factory's own default is used.
        optional: whether the configuration may say that there is none (null).
        many: whether it takes a list of them.
    """

    base: type
    default: str | None = None
    optional: bool = False
    many: bool = False


@dataclass(frozen=True)
class Registered:
    """One registration: name, factory (for a preset: its mapping or path), and the plugin that registered it."""

    name: str
    factory: Any
    plugin: str

    @functools.cached_property
    def parameters(self) -> Mapping[str, tuple[Any, Any]]:
        """The annotation and default of each option: the keyword parameters of the factory's signature.

        Raises:
            PluginError: they cannot be read, or one of them cannot be an option.
        """
        try:
            hints = get_type_hints(_signed(self.factory), include_extras=True)
            signature = inspect.signature(self.factory)
        except Exception as error:
            raise self._error(f"has no signature that can be read: {described(error)}") from error
        found = {}
        for parameter in signature.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise self._error(f"has a parameter {str(parameter)!r}; options must be plain keyword parameters")
            if parameter.name == "name" or parameter.name.startswith(("_", "model_config")):
                raise self._error(f"has a parameter {parameter.name!r}, which is no possible name of an option")
            default = ... if parameter.default is parameter.empty else parameter.default
            found[parameter.name] = (hints.get(parameter.name, Any), default)
        return found

    @functools.cached_property
    def nested(self) -> Mapping[str, Nested]:
        """The options that are nested components.

        Raises:
            PluginError: an annotation mentions a base class in another way than `Base`, `list[Base]`, with `| None` or
                in `Annotated`.
        """
        found = {}
        for name, (annotation, default) in self.parameters.items():
            nested = _nested(annotation)
            if nested is not None:
                found[name] = replace(nested, optional=nested.optional or default is None)
            elif _mentions_base(annotation):
                raise self._error(
                    f"has a parameter {name!r} of type {annotation}; a nested component is annotated with one base "
                    "class, `Base | None`, or `list[Base]`"
                )
        return found

    def options(self) -> type[BaseModel]:
        """The pydantic model of the factory's options; nested components have the type `Component` in it."""
        fields: dict[str, Any] = {}
        for name, (annotation, default) in self.parameters.items():
            if (nested := self.nested.get(name)) is None:
                fields[name] = (annotation, default)
            else:
                wanted = list[Component] if nested.many else Component
                fields[name] = (Optional[wanted] if nested.optional else wanted, nested.default or default)  # noqa: UP045 - computed
        try:
            return create_model(
                self.name,
                __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False),
                **fields,
            )
        except Exception as error:
            raise self._error(f"has parameters that cannot be options: {described(error)}") from error

    def _error(self, what: str) -> PluginError:
        return PluginError(f"{self.plugin}: the factory of {self.name!r} {what}")


def _signed(factory: Any) -> Any:
    """The function whose annotations are those of the factory's parameters."""
    while isinstance(factory, functools.partial):
        factory = factory.func
    if inspect.isclass(factory):
        return factory.__new__ if factory.__init__ is object.__init__ else factory.__init__
    return factory if inspect.isroutine(factory) else type(factory).__call__


def _nested(annotation: Any) -> Nested | None:
    """The nested component that an annotation declares; None if it declares none."""
    if annotation in BASES.values():
        return Nested(annotation)
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is Annotated:
        found = _nested(parts[0])
        default = next((extra.name for extra in parts[1:] if isinstance(extra, DefaultComponent)), None)
        return found and replace(found, default=default or found.default)
    if typing.get_origin(annotation) is list and parts[0] in BASES.values():
        return Nested(parts[0], many=True)
    if typing.get_origin(annotation) in (Union, UnionType):
        among = [found for part in parts if (found := _nested(part)) is not None]
        return replace(among[0], optional=NoneType in parts) if len(among) == 1 else None
    return None


def _mentions_base(annotation: Any) -> bool:
    return annotation in BASES.values() or any(map(_mentions_base, typing.get_args(annotation)))


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

    @property
    def readers(self) -> Mapping[str, Reader]:
        """The registered readers of rollouts by name, the built-in ones first.

        Raises:
            PluginError: one cannot be made.
        """
        return {name: self.create(Reader, Component(name=name), name) for name in self.entries["reader"]}

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
        if path.count(".") > MAX_NESTING:
            raise ConfigError(f"{path}: components are nested more than {MAX_NESTING} deep")
        kind = next(kind for kind, other in BASES.items() if other is base)
        try:
            registered = self.find(kind, component.name)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
        options: dict[str, Any] = {}
        if component.options or any(default is ... for _, default in registered.parameters.values()):
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
            elif nested.many and isinstance(wanted, list):
                options[name] = [self.create(nested.base, one, f"{path}.{name}[{k}]") for k, one in enumerate(wanted)]
        try:
            return check_contract(registered.factory(**options), base, tuple(registered.parameters))
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
        except PluginError as error:
            raise PluginError(f"{registered.plugin}: the {kind} {component.name!r} {error}") from error
        except EmpoError:
            raise
        except Exception as error:
            if isinstance(error, ValueError) and registered.plugin == BUILT_IN:  # of an option's value
                raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error
            raise PluginError(
                f"{registered.plugin}: the {kind} {component.name!r} cannot be made: {described(error)}"
            ) from error


def load(plugins: Sequence[object] = ()) -> Registry:
    """The registry of the built-ins, the installed plugins, and `plugins` (modules or objects with hooks).

    `EMPO_REWARDS_PLUGINS` restricts which installed plugins are loaded: comma-separated names of entry points; `-name`
    excludes one, an empty value excludes all.

    Raises:
        PluginError: a plugin cannot be imported, or a registration is invalid.
    """
    manager = _manager()
    skipped = _load_installed(manager)
    for position, plugin in enumerate(plugins):
        name = getattr(plugin, "__name__", type(plugin).__qualname__)
        _register(manager, plugin, name if manager.get_plugin(name) is None else f"{name} ({position})", repr(name))
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"{error}; the hooks are: {', '.join(KINDS.values())}") from error
    return _collected(manager, skipped)


@functools.cache
def built_in() -> Registry:
    """The registry of the built-ins alone. No plugin changes them: a name is registered once."""
    return _collected(_manager())


def _manager() -> pluggy.PluginManager:
    """A manager that knows the built-ins."""
    from empo_rewards.plugins import builtins  # noqa: PLC0415 - a third of the import time, and a scorer's need only

    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(builtins, BUILT_IN)
    return manager


def _collected(manager: pluggy.PluginManager, skipped: tuple[str, ...] = ()) -> Registry:
    """What the plugins of a manager register."""
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
                f"{described(error)}; repair or uninstall it, or set {PLUGINS_VARIABLE}=-{entry.name}"
            ) from error
        _register(manager, plugin, entry.name, f"{entry.name!r} of {owner}")
    return tuple(entry.name for entry in found if entry.name not in chosen)


def _register(manager: pluggy.PluginManager, plugin: object, name: str, shown: str) -> None:
    """Register a plugin under a name.

    Raises:
        PluginError: it was registered before, it has no hook, or a hook's parameters do not fit.
    """
    if manager.is_registered(plugin):
        raise PluginError(f"the plugin {shown} is given twice")
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise PluginError(f"the plugin {shown} does not fit its hook: {' '.join(str(error).split())}") from error
    if not manager.get_hookcallers(plugin):
        hooks = ", ".join(KINDS.values())
        raise PluginError(f"the plugin {shown} has no function that is marked @hookimpl and named as a hook: {hooks}")


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
            f"the plugin {owner!r} failed in {KINDS[kind]}: {described(error)}; "
            f"repair or uninstall it, or set {PLUGINS_VARIABLE}=-{owner}"
        ) from error

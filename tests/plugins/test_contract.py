"""The contract of plugins: what a factory may take, what its instance may declare, and the error for anything else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import pytest

from empo_rewards import ConfigError, Group, PluginError, Scorer, hookimpl
from empo_rewards.protocols import (
    DefaultComponent,
    EquivalenceBackend,
    Extractor,
    Guard,
    Observer,
    Rewards,
    Strategy,
    StrategyInput,
    check_contract,
)

GROUP = Group("q", [r"\boxed{a}", r"\boxed{a}", r"\boxed{b}"])


class Plugin:
    """Registers a strategy `mine`."""

    def __init__(self, factory: object) -> None:
        self.factory = factory

    @hookimpl
    def register_strategies(self, register: Callable[[str, object], None]) -> None:
        register("mine", self.factory)


def rewards(factory: object, **options: object) -> tuple[float | None, ...]:
    """The rewards of `GROUP` by the strategy that the factory makes."""
    config = {"equivalence": "exact", "strategy": {"name": "mine", **options}}
    with Scorer(config, plugins=[Plugin(factory)]) as scorer:
        score = scorer.score(GROUP)
    assert score.cause is None, score.detail
    return score.rewards


class Ones(Strategy):
    """1 for each response."""

    def __call__(self, given: StrategyInput) -> Rewards:
        return Rewards((1.0,) * len(given.clusters.labels))


class Inner(Strategy):
    """The rewards of a nested strategy."""

    def __init__(self, inner: Strategy) -> None:
        self.inner = inner

    def __call__(self, given: StrategyInput) -> Rewards:
        return self.inner(given)


# Capabilities


def of_instance() -> Strategy:
    class Misspelt(Ones):
        def __init__(self) -> None:
            self.use_reference = True

    return Misspelt()


def of_slots() -> Strategy:
    class Misspelt(Ones):
        __slots__ = ("use_reference",)

    return Misspelt()


def of_property() -> Strategy:
    class Misspelt(Ones):
        @property
        def use_reference(self) -> bool:
            return True

    return Misspelt()


def of_parent() -> Strategy:
    class Parent(Ones):
        uses_refrence = True

    class Misspelt(Parent): ...

    return Misspelt()


def of_mixin() -> Strategy:
    class Mixin:
        uses_refrence = True

    class Misspelt(Mixin, Ones): ...

    return Misspelt()


@dataclass(frozen=True)
class OfField(Ones):
    """A dataclass whose annotated capability is misspelt, and so becomes an option."""

    use_reference: bool = True


@dataclass(frozen=True, slots=True)
class OfSlottedField(Ones):
    """The same with slots."""

    use_reference: bool = True


@pytest.mark.parametrize(
    "factory",
    [of_instance, of_slots, of_property, of_parent, of_mixin, OfField, OfSlottedField],
    ids=lambda f: f.__name__,
)
def test_a_misspelt_capability_is_named_wherever_it_stands(factory: object) -> None:
    with pytest.raises(
        PluginError, match=r"the strategy 'mine' has the attribute 'uses?_refe?rence', .*'uses_reference'"
    ):
        rewards(factory)


@pytest.mark.parametrize("value", ["yes", 1, None, [], lambda self: True, property(lambda self: "yes")])
def test_a_mistyped_capability_is_named(value: object) -> None:
    kind = type("Mistyped", (Ones,), {"uses_reference": value})
    with pytest.raises(PluginError, match=r"sets uses_reference = .*; it must be a bool"):
        rewards(kind)


def test_what_is_no_capability_does_not_matter() -> None:
    class Free(Ones):
        LIMIT = 3
        uses_reference: ClassVar[bool] = False  # type: ignore[misc] # declared by the base class as a variable

        def __init__(self, exponent: float = 1.0, reference: str = "") -> None:
            self.exponent, self.reference, self.similarities = exponent, reference, ()

        def helper(self) -> None: ...

        @functools.cached_property
        def table(self) -> list[int]:
            return []

    assert rewards(Free, reference="x") == (1, 1, 1)


async def later(*_: object) -> None: ...


@pytest.mark.parametrize(
    ("base", "method"),
    [
        (Strategy, "__call__"),
        (Guard, "__call__"),
        (Extractor, "__call__"),
        (EquivalenceBackend, "relate"),
        (Observer, "metrics"),
    ],
)
def test_an_asynchronous_method_is_refused_because_nobody_awaits_it(base: type, method: str) -> None:
    plain = {"__call__": lambda *_: None} | ({"relate": lambda *_: []} if base is EquivalenceBackend else {})
    made = type("Late", (base,), {**plain, method: later})()
    with pytest.raises(PluginError, match=f"asynchronous {method}"):
        check_contract(made, base, ())  # type: ignore[type-var] # any of the kinds


def test_an_asynchronous_function_is_refused() -> None:
    with pytest.raises(PluginError, match="asynchronous __call__"):
        rewards(lambda: later)


# Factories


class Abstract(Strategy):
    """It has no `__call__`."""


class Hostile:
    """It is no strategy, and cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError


def failing() -> Strategy:
    raise ValueError("two\nlines")


def of_undefined(a: Undefined = 1) -> Strategy:  # type: ignore[name-defined] # noqa: F821 - that is the fault
    return Ones()


def of_name(name: str = "x") -> Strategy:
    return Ones()


def of_mapping(parts: dict[str, Strategy]) -> Strategy:
    return parts["first"]


def of_two_kinds(part: Strategy | Guard) -> Strategy:
    return Ones()


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (Abstract, "the strategy 'mine' cannot be made: TypeError"),
        (failing, "the strategy 'mine' cannot be made: ValueError: two lines"),
        (Hostile, r"made an object of type .*\.Hostile, which does not derive"),
        (lambda: Ones, "made the class Ones, not an instance"),
        (lambda: None, "made an object of type NoneType"),
        (of_undefined, "no signature that can be read: NameError"),
        (dict, "no signature that can be read"),
        (of_name, "a parameter 'name', which is no possible name"),
        (of_mapping, "a parameter 'parts' of type"),
        (of_two_kinds, "a parameter 'part' of type"),
    ],
)
def test_a_factory_that_cannot_be_used_is_one_line_that_names_its_plugin(factory: object, message: str) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        rewards(factory)
    assert str(caught.value).startswith("Plugin: the ")
    assert "\n" not in str(caught.value)


def test_a_factory_may_be_partial_or_an_object() -> None:
    class Factory:
        def __call__(self, exponent: float = 1.0) -> Strategy:
            return Ones()

    assert rewards(functools.partial(lambda a, b=1: Ones(), 3), b=2) == (1, 1, 1)
    assert rewards(Factory(), exponent=2.0) == (1, 1, 1)
    with pytest.raises(ConfigError, match=r"strategy\.exponent: .*number"):
        rewards(Factory(), exponent="x")


def test_a_request_to_stop_passes_through_a_factory() -> None:
    def stopped() -> Strategy:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewards(stopped)


# Nested components


def optional(inner: Strategy | None = None) -> Strategy:
    return inner or Ones()


def implicit(inner: Strategy = None) -> Strategy:  # type: ignore[assignment] # as plugins write it
    return inner or Ones()


def default(inner: Annotated[Strategy, DefaultComponent("empo")]) -> Strategy:
    return inner


def itself(inner: Annotated[Strategy, DefaultComponent("mine")]) -> Strategy:
    return inner


SHARES = (2 / 3, 2 / 3, 1 / 3)


@pytest.mark.parametrize(
    ("factory", "options", "expected"),
    [
        (Inner, {"inner": "empo"}, SHARES),
        (Inner, {"inner": {"name": "mine", "inner": {"name": "majority", "ties": "none"}}}, (1, 1, 0)),
        (optional, {}, (1, 1, 1)),
        (optional, {"inner": None}, (1, 1, 1)),
        (optional, {"inner": "empo"}, SHARES),
        (implicit, {"inner": None}, (1, 1, 1)),
        (default, {}, SHARES),
        (default, {"inner": "majority"}, (1, 1, 0)),
    ],
)
def test_nested_components(factory: object, options: dict[str, Any], expected: tuple[float, ...]) -> None:
    assert rewards(factory, **options) == expected


@pytest.mark.parametrize(
    ("factory", "options", "message"),
    [
        (Inner, {}, r"strategy\.inner: missing"),
        (Inner, {"inner": None}, r"strategy\.inner: a component is a name"),
        (default, {"inner": None}, r"strategy\.inner: a component is a name"),
        (Inner, {"inner": 3}, r"strategy\.inner: a component is a name"),
        (Inner, {"inner": ["empo"]}, r"strategy\.inner: a component is a name"),
        (Inner, {"inner": "exact"}, r"strategy\.inner: no strategy is called 'exact'"),
        (Inner, {"inner": {"name": "majority", "tie": "all"}}, r"strategy\.inner\.tie: unknown option"),
        (Inner, {"inner": {"name": "mine"}}, r"strategy\.inner\.inner: missing"),
        (itself, {}, "nested more than 32 deep"),
    ],
)
def test_a_wrong_nested_component_is_named_by_its_place(factory: object, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rewards(factory, **options)


# Plugins that are handed over


class Unmarked:
    """Its hook is not marked."""

    def register_strategies(self, register: Callable[[str, object], None]) -> None: ...


class Unfitting:
    """Its hook has a parameter that hooks do not get."""

    @hookimpl
    def register_strategies(self, registar: Callable[[str, object], None]) -> None: ...


@pytest.mark.parametrize(
    "plugin", [None, 3, Unmarked(), Unfitting(), object()], ids=lambda plugin: type(plugin).__name__
)
def test_an_object_without_a_hook_is_no_plugin(plugin: object) -> None:
    with pytest.raises(PluginError, match=f"the plugin '{type(plugin).__name__}'") as caught:
        Scorer(plugins=[plugin])
    assert "\n" not in str(caught.value)


def test_a_plugin_given_twice_is_an_error() -> None:
    plugin = Plugin(Ones)
    with pytest.raises(PluginError, match="'Plugin' is given twice"):
        Scorer(plugins=[plugin, plugin])


def test_plugins_may_be_of_one_class() -> None:
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        @hookimpl
        def register_strategies(self, register: Callable[[str, object], None]) -> None:
            register(self.name, Ones)

    with Scorer({"equivalence": "exact", "strategy": "b"}, plugins=[Named("a"), Named("b")]) as scorer:
        assert scorer.score(GROUP).rewards == (1, 1, 1)
    with pytest.raises(PluginError, match=r"\(1\) registers the strategy 'a', which .* has registered"):
        Scorer(plugins=[Named("a"), Named("a")])

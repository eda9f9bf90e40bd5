"""The package as a whole: class names, deprecated aliases, imports, and the contract of plugins."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from pages import quoted, table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from empo_rewards import Group, PluginError, Scorer, equivalent, hookimpl
from empo_rewards.protocols import (
    AnswerSet,
    EntropyEstimator,
    EntropyInput,
    EquivalenceBackend,
    Observer,
    Relation,
    Rewards,
    Strategy,
    StrategyInput,
)

ROOT = Path(__file__).parents[1]
FILES = [*(ROOT / "empo_rewards").rglob("*.py"), *(ROOT / "integrations").rglob("*.py")]


def test_each_class_name_stands_once_in_the_package() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def moved_names(module: str) -> list[tuple[str, str, str]]:
    """Each former name of a module, with the module and the name that it has now."""
    source = (ROOT / "empo_rewards" / module).with_suffix(".py")
    if not source.is_file():
        source = ROOT / "empo_rewards" / module / "__init__.py"
    return re.findall(r'^        "(\w+)": "([\w.]+):(\w+)"', source.read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.mark.parametrize(
    "module",
    ["equivalence", "extraction", "entropy", "strategies", "plugins", "guards", "hookspecs", "samples", "gather"],
)
def test_former_names_work_for_one_release_and_warn(module: str) -> None:
    names = moved_names(module)
    assert names
    for name, place, new in names:
        with pytest.warns(DeprecationWarning, match=f"{name} is now {re.escape(place)}.{new}"):
            found = getattr(importlib.import_module(f"empo_rewards.{module}"), name)
        assert found is getattr(importlib.import_module(place), new)


def test_importing_the_package_brings_no_framework_and_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "ray", "verl", "trl", "vllm", "numpy", "pyarrow", "sympy", "rich", "fastapi")
    code = f"import empo_rewards, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["strategies", "entropy", "extraction", "equivalence", "guards"])
def test_a_star_import_brings_the_former_names(module: str) -> None:
    names: dict[str, object] = {}
    with pytest.warns(DeprecationWarning, match="is now"):
        exec(f"from empo_rewards.{module} import *", names)
    assert {name for name, _, _ in moved_names(module)} <= set(names)


def plugin(**factories: Callable[..., object]) -> object:
    """A plugin that registers something called `mine` with each hook named."""

    def hook(factory: Callable[..., object]) -> object:
        @hookimpl
        def implementation(self: object, register: Callable[[str, object], None]) -> None:
            register("mine", factory)

        return implementation

    return type("Mine", (), {f"register_{kind}": hook(factory) for kind, factory in factories.items()})()


class FirstLetter(EquivalenceBackend):
    """Texts that begin with the same letter are equal."""

    def __init__(self, closed: list[str] | None = None) -> None:
        self.closed = closed

    def relate(self, sets: object) -> list[Relation]:
        """Pairs by the first letter."""
        return [self._relation(answers) for answers in sets]  # type: ignore[attr-defined] # answer sets

    @staticmethod
    def _relation(answers: AnswerSet) -> Relation:
        texts = answers.texts
        pairs = [(i, j) for j in range(len(texts)) for i in range(j) if texts[i][:1] == texts[j][:1]]
        return Relation(equal=tuple(pairs))


def test_a_scorer_s_plugin_reaches_nested_components() -> None:
    mine = plugin(equivalence_backends=FirstLetter)
    config = {"extraction": ["whole_text"], "equivalence": {"name": "auto", "semantic": "mine"}}
    texts = ["a bright long sentence of very many words indeed", "another sentence that is long and has words", "zebra"]
    with Scorer(config, plugins=[mine]) as scorer:
        assert scorer.score(Group("q", texts)).rewards == (2 / 3, 2 / 3, 1 / 3)
    assert equivalent("apple", "axe", "mine", plugins=[mine]) is True


class Misspelt(Strategy):
    """A control whose capability is misspelt."""

    uses_referense = True

    def __call__(self, given: StrategyInput) -> Rewards:
        """Nothing."""
        return Rewards((None,) * len(given.group))


class Mistyped(EntropyEstimator):
    """A capability of the wrong type."""

    in_nats = "yes"  # type: ignore[assignment] # the mistake

    def __call__(self, given: EntropyInput) -> float:
        """Nothing."""
        return 0.0


class Nearly(Observer):
    """A method whose name is nearly a declared one."""

    def __call__(self, group: object, score: object) -> None:
        """Nothing."""

    def metric(self) -> dict[str, float]:
        """Meant as `metrics`."""
        return {}


class Unrelated:
    """Derives from nothing."""


@pytest.mark.parametrize(
    ("kind", "key", "factory", "message"),
    [
        ("strategies", "strategy", Misspelt, "'uses_referense', which no Strategy declares; did you mean 'uses_refe"),
        ("entropy_estimators", "entropy", Mistyped, "sets in_nats = 'yes'; it must be a bool"),
        ("observers", "observers", Nearly, "'metric', which no Observer declares; did you mean 'metrics'"),
        ("strategies", "strategy", Unrelated, "which does not derive from empo_rewards.protocols.Strategy"),
    ],
)  # fmt: skip
def test_a_breach_of_the_contract_is_one_clear_line_at_start_up(
    kind: str, key: str, factory: Callable[..., object], message: str
) -> None:
    component = ["mine"] if key == "observers" else "mine"
    with pytest.raises(PluginError) as caught:
        Scorer({"equivalence": "exact", key: component}, plugins=[plugin(**{kind: factory})])
    assert message in str(caught.value)
    assert "'mine'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_option_may_be_a_class_attribute() -> None:
    class Constant(Strategy):
        value: float = 0.25

        def __init__(self, value: float = value) -> None:
            self.value = value

        def __call__(self, given: StrategyInput) -> Rewards:
            return Rewards((self.value,) * len(given.group))

    config = {"equivalence": "exact", "strategy": {"name": "mine", "value": 0.5}}
    with Scorer(config, plugins=[plugin(strategies=Constant)]) as scorer:
        assert scorer.score(Group("q", [r"\boxed{1}"])).rewards == (0.5,)


def test_a_former_extractor_works_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match="answer_line is part of final_answer now"):
        scorer = Scorer({"extraction": ["boxed", "answer_line"], "equivalence": "exact"})
    assert scorer.extract("Answer: 42").text == "42"


def test_the_architecture_page_shows_the_rooms_on_the_floors_that_the_contracts_hold() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    former = {"guards", "hookspecs", "samples"}
    layers = [
        [room.strip() for room in layer.split(":")] for layer in settings["importlinter"]["contracts"][0]["layers"]
    ]
    shown = [[room for room in layer if not room.startswith("_") and room not in former] for layer in layers]
    floors = [layer for layer in reversed(shown) if layer]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [(int(floor), quoted(room)[0].rstrip("/").removesuffix(".py")) for floor, room, _ in table(page, "floor")]
    assert sorted(rows) == sorted((floor, room) for floor, rooms in enumerate(floors) for room in rooms)

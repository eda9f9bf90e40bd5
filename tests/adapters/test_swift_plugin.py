"""The ms-swift plugin at copies of its two call sites in ms-swift 3 and 4; ms-swift itself is not installed."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from empo_rewards import ConfigError
from empo_rewards.cli.paths import find


@pytest.fixture(params=["swift.rewards", "swift.plugin"])
def orms(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The table of rewards that the plugin writes itself into, where either version keeps it."""
    module = ModuleType(request.param)
    module.orms = {}  # type: ignore[attr-defined] # what a plugin looks for
    monkeypatch.setitem(sys.modules, "swift", ModuleType("swift"))
    monkeypatch.setitem(sys.modules, request.param, module)
    load(find("trl/swift_plugin"))
    return module.orms  # type: ignore[no-any-return] # a module of the test's own


def load(path: Path) -> None:
    """As `--external_plugins` does: by path."""
    spec = importlib.util.spec_from_file_location("swift_plugin", path)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def make(reward_class: Any, arguments: SimpleNamespace) -> Any:
    """An instance, as both versions make it: arguments by the names of the parameters."""
    names = [name for name in inspect.signature(reward_class.__init__).parameters if name not in ("self", "args")]
    return reward_class(**{name: getattr(arguments, name) for name in names if hasattr(arguments, name)})


def rows(prompts: list[str], completions: list[str]) -> dict[str, list[Any]]:
    """The columns that a reward is given: each conversation with its completion as the last message."""
    return {
        "messages": [
            [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
            for prompt, completion in zip(prompts, completions, strict=True)
        ],
        "prompt_id": [f"prompt_{prompt}" for prompt in prompts],
        "solution": ["1"] * len(prompts),
    }


def test_the_reward_as_ms_swift_calls_it(orms: dict[str, Any]) -> None:
    reward = make(orms["empo"], SimpleNamespace(num_generations=4, num_generations_eval=None, beta=0.0))
    completions = [rf"\boxed{{{answer}}}" for answer in (1, "1.0", 2, 3, 4, 4, 4, 5)]
    columns = rows(["p"] * 4 + ["q"] * 4, completions)
    rewards = reward(completions, trainer_state=SimpleNamespace(global_step=1), **columns)
    assert rewards == [0.5, 0.5, 0.25, 0.25, 0.75, 0.75, 0.75, 0.25]


def test_the_configuration_is_the_environments(orms: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPO_REWARDS_CONFIG", "ttrl")
    reward = orms["empo"](args=SimpleNamespace(num_generations=4))
    completions = [rf"\boxed{{{answer}}}" for answer in (1, 1, 2, 3)]
    assert reward(completions, **rows(["p"] * 4, completions)) == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (SimpleNamespace(num_generations=8, num_generations_eval=4), "must be the same"),
        (SimpleNamespace(beta=0.1), "num_generations is None"),
        (SimpleNamespace(num_generations=8, tensor_model_parallel_size=2), "Megatron"),
    ],
)
def test_what_cannot_be_told_is_refused(orms: dict[str, Any], arguments: SimpleNamespace, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(orms["empo"], arguments)
    with pytest.raises(ConfigError, match=message):
        orms["empo"](args=arguments)

"""Configuration: presets, overrides, and errors that name the key."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards import ConfigError, PluginError, Scorer
from empo_rewards.config import Component, ScorerConfig, load_config, merge, parse_assignments
from empo_rewards.errors import MissingExtraError
from empo_rewards.extras import EXTRAS
from empo_rewards.filters.gates import Gates
from empo_rewards.plugins.registry import load

KNOWN = load().presets
PRESETS = sorted(KNOWN)


NEEDS = {"empo-natural": "embedding", "evol-rl": "embedding"}
"""The extras without which a preset says at start-up what to install."""


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_builds_or_says_what_it_needs(preset: str) -> None:
    if preset in NEEDS and EXTRAS[NEEDS[preset]].missing():
        with pytest.raises(MissingExtraError, match=rf"^[^\n]*pip install 'empo-rewards\[{NEEDS[preset]}\]'$"):
            Scorer(preset)
        return
    with Scorer(preset) as scorer:
        assert isinstance(scorer.config, ScorerConfig)


def test_the_presets_of_the_package_are_the_files_of_configs() -> None:
    files = Path(__file__).parents[1].joinpath("configs").glob("*.yaml")
    assert {"empo-math", "empo-natural", "ttrl", "scrl"} <= {file.stem for file in files} == set(PRESETS)


def test_a_preset_with_an_overridden_key() -> None:
    config = load_config({"preset": "empo-natural", "equivalence": "exact", "gates": {"min_share": 0.3}}, KNOWN)
    assert config.equivalence == Component(name="exact")
    assert config.gates.min_share == 0.3
    assert config.gates.reward == 0
    assert [guard.name for guard in config.guards] == ["blank", "refusal", "copied"]


def test_an_option_is_merged_into_the_preset_s_component() -> None:
    config = load_config({"preset": "srt", "strategy": {"threshold": 0.7}}, KNOWN)
    assert config.strategy.name == "majority_threshold"
    assert config.strategy.options == {"threshold": 0.7}
    other = load_config({"preset": "srt", "strategy": {"name": "scrl"}}, KNOWN)
    assert other.strategy.options == {}


@pytest.mark.parametrize(
    ("over", "gates"),
    [
        ({}, {}),
        ({"min_share": None}, {"entropy": {"low": 0.1}, "reward": 0}),
        ({"entropy": {}}, {"min_share": 0.2, "reward": 0}),
        ({"reward": None}, {"entropy": {"low": 0.1}, "min_share": 0.2}),
    ],
)
def test_gates_of_a_preset_are_turned_off(over: dict[str, Any], gates: dict[str, Any]) -> None:
    known = {"gated": {"gates": {"entropy": {"low": 0.1}, "min_share": 0.2, "reward": 0}}}
    assert load_config({"preset": "gated", "gates": over}, known) == ScorerConfig(gates=Gates(**gates))


def test_an_empty_value_replaces_what_assignments_before_it_gave() -> None:
    assert parse_assignments(["gates.min_share=0.2", "gates={}", "gates.reward=0"]) == {"gates": {"reward": 0}}


def test_a_file_builds_on_a_preset_and_on_a_file(tmp_path: Path) -> None:
    base, top = tmp_path / "base.yaml", tmp_path / "top.yaml"
    base.write_text("preset: ttrl\ngates: {min_share: 0.1}\n")
    top.write_text(yaml.safe_dump({"preset": str(base), "incomplete": "partial"}))
    config = load_config(top, KNOWN)
    assert (config.strategy.name, config.gates.min_share, config.incomplete) == ("majority", 0.1, "partial")


def test_a_circle_of_files_is_named(tmp_path: Path) -> None:
    file = tmp_path / "self.yaml"
    file.write_text(yaml.safe_dump({"preset": str(file)}))
    with pytest.raises(ConfigError, match="in a circle"):
        load_config(file, KNOWN)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("empo-maths", "'empo-maths' is neither a preset nor a file; did you mean 'empo-math'?"),
        ({"stratgy": "empo"}, "configuration: stratgy: unknown key; did you mean 'strategy'?"),
        ({"strategy": "emmpo"}, "strategy: no strategy is called 'emmpo'; did you mean 'empo'?"),
        ({"gates": {"entropy": {"hihg": 1}}}, "gates.entropy.hihg: unknown key; did you mean 'high'?"),
        (
            {"gates": {"entropy": {"low": 2, "high": 1}}},
            "gates.entropy: no entropy lies between low = 2.0 and high = 1.0",
        ),
        ({"gates": {"min_share": "much"}}, "gates.min_share: input should be a valid number"),
        (
            {"strategy": {"name": "scrl", "margn": 1}},
            "strategy.margn: unknown option of 'scrl'; did you mean 'margin'?",
        ),
        ({"strategy": {"name": "empo", "x": 1}}, "strategy.x: unknown option of 'empo'; it takes none"),
        ({"strategy": {"name": "srt"}}, "strategy: no strategy is called 'srt'"),
        (
            {"strategy": {"name": "majority_threshold", "threshold": 7}},
            "strategy: threshold is 7.0; a share lies in (0, 1]",
        ),
        (
            {"guards": ["blank", {"name": "copied", "rouge_l": "x"}]},
            "guards[1].rouge_l: input should be a valid number",
        ),
        ({"guards": "blank"}, "guards: "),
        ({"guards": [{"reward": 1}]}, "guards[0].name: missing"),
        ({"extraction": []}, "extraction.extractors: "),
        ({"extraction": ["boxes"]}, "extraction.extractors[0]: no extractor is called 'boxes'; did you mean 'boxed'?"),
        ({"incomplete": "drop"}, "incomplete: input should be 'unscored' or 'partial' (it is 'drop')"),
        ({"preset": 3}, "preset must be a name or a path, not int"),
    ],
)
def test_a_wrong_key_is_one_clear_line(source: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Scorer(source)  # type: ignore[arg-type] # wrong on purpose
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "\x00"])
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml") as caught:
        load_config(file, KNOWN)
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "empty.yaml"
    file.write_text("")
    assert load_config(file, KNOWN) == ScorerConfig()


def test_assignments() -> None:
    assert parse_assignments(["gates.min_share=0.2", "gates.reward=0", "strategy=scrl", "guards=[blank]"]) == {
        "gates": {"min_share": 0.2, "reward": 0},
        "strategy": "scrl",
        "guards": ["blank"],
    }
    with pytest.raises(ConfigError, match="is not KEY=VALUE"):
        parse_assignments(["strategy"])


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
trees = st.dictionaries(
    st.sampled_from("abc"), st.recursive(scalars, lambda t: st.dictionaries(st.sampled_from("abc"), t))
)


@given(trees, trees)
def test_merge_keeps_what_is_not_overridden(base: dict[str, object], over: dict[str, object]) -> None:
    merged = merge(base, over)
    assert set(merged) == set(base) | set(over)
    assert merge(merged, over) == merged
    for key in set(base) - set(over):
        assert merged[key] == base[key]


def test_a_plugin_s_factory_makes_what_its_hook_wants() -> None:
    class Broken:
        __name__ = "broken-plugin"

        @staticmethod
        def make() -> int:
            return 3

    from empo_rewards import hookimpl

    class Plugin:
        @hookimpl
        def register_strategies(self, register: object) -> None:
            register("three", Broken.make)  # type: ignore[operator] # a callback

    with pytest.raises(PluginError, match="the strategy 'three' made an object of type int, which does not derive"):
        Scorer({"strategy": "three"}, plugins=[Plugin()])


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    deep = tmp_path / "deep.yaml"
    deep.write_text("{a: " * 3_000)
    with pytest.raises(ConfigError, match=r"deep\.yaml is not YAML"):
        Scorer(deep)
    with pytest.raises(ConfigError, match="neither a preset nor a file"):
        Scorer("a" * 5_000)


@pytest.mark.parametrize("reward", [math.nan, math.inf])
def test_a_gate_s_reward_is_a_finite_number(reward: float) -> None:
    with pytest.raises(ConfigError, match=r"gates\.reward: .*finite"):
        Scorer({"gates": {"reward": reward}})

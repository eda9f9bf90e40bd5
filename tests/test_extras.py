"""The list of extras agrees with the package's metadata."""

from __future__ import annotations

import re
from importlib import metadata

import pytest

from empo_rewards import MissingExtraError
from empo_rewards.extras import EXTRAS, FRAMEWORKS, Extra, hook_of, installed_version, require


def test_the_table_and_the_package_agree_about_the_extras() -> None:
    provided = set(metadata.metadata("empo-rewards").get_all("Provides-Extra") or [])
    assert set(EXTRAS) == provided - {"all", "dev"}
    requirements = metadata.requires("empo-rewards") or []
    for name, extra in EXTRAS.items():
        wanted = [re.split(r"[\[<>=; ]", line)[0] for line in requirements if f'extra == "{name}"' in line]
        assert {w.replace("-", "_") for w in wanted} >= set(extra.modules), name


def test_the_light_install_is_light() -> None:
    base = [line for line in metadata.requires("empo-rewards") or [] if "extra ==" not in line]
    assert not [line for line in base if re.match(r"torch|transformers|ray|verl|vllm|sentence", line)]


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "nli", Extra("x", ("json", "no_such_module_here")))  # type: ignore[arg-type] # a dict
    with pytest.raises(MissingExtraError, match=r"NLI needs no_such_module_here.*pip install 'empo-rewards\[nli\]'"):
        require("nli", "NLI")
    assert Extra("x", ("json",)).missing() == ()


@pytest.mark.parametrize(
    ("framework", "version", "part"),
    [
        ("verl", "0.9.1", "verl.plugins"),
        ("verl", "0.8.0", "VERL_USE_EXTERNAL_MODULES"),
        ("verl", "0.7.1", "run_single"),
        ("verl", "0.7.0", "use_reward_loop"),
        ("verl", "0.6.1", "batch manager"),
        ("openrlhf", "0.11.2", "--train.agent_func_path"),
        ("openrlhf", "0.9.10", "--agent_func_path"),
        ("openrlhf", "0.8.0", "whole batches"),
        ("trl", "1.16.0", "reward_funcs=EMPOReward(...)"),
        ("trl", "0.20.0", "group_size"),
    ],
)
def test_which_hook_a_framework_offers(framework: str, version: str, part: str) -> None:
    assert part in (hook_of(framework, version) or "")


def test_versions_without_a_hook() -> None:
    assert hook_of("verl", "0.3.0") is None
    assert hook_of("openrlhf", "0.7.0+cpu") is None
    assert installed_version("no-such-distribution-here") is None
    assert installed_version("pytest") == pytest.__version__
    assert set(FRAMEWORKS) == {"verl", "openrlhf", "trl", "slime"}

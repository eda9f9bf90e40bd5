"""docs/math.md against the code: its examples run, its options are the backend's, with their defaults."""

import inspect
import re
from pathlib import Path

import pytest
import yaml

from empo_rewards import Scorer
from empo_rewards.equivalence.math import MathEquivalence

PAGE = (Path(__file__).parents[3] / "docs" / "math.md").read_text(encoding="utf-8")
DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(MathEquivalence).parameters.items()}


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_the_examples_run(example):
    exec(compile(example, "docs/math.md", "exec"), {})


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_the_configuration_is_accepted(example):
    with Scorer({"preset": "empo-math", **yaml.safe_load(example)}):
        pass


def yaml_of(value):
    return "none" if value is None else yaml.safe_dump(value).partition("\n")[0]


def test_the_options_are_the_backends_own_with_their_defaults():
    table = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE.partition("## Choices")[2], re.MULTILINE))
    assert table.keys() == DEFAULTS.keys()
    written = {name: value if isinstance(value, str) else yaml_of(value) for name, value in DEFAULTS.items()}
    assert {name: text.strip().strip("`") for name, text in table.items()} == written

"""docs/hooks.md agrees with the hook specifications, and every example runs."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from empo_rewards.plugins.registry import KINDS, hookspecs

PAGE = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+\([\w, ]*\))$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
SPECS = {
    name: function
    for name, function in vars(hookspecs).items()
    if inspect.isfunction(function) and hasattr(function, f"{hookspecs.PROJECT}_spec")
}


def test_the_page_documents_the_hooks_with_their_arguments() -> None:
    assert set(SECTIONS) == {f"{name}({', '.join(inspect.signature(f).parameters)})" for name, f in SPECS.items()}


def test_every_hook_is_used() -> None:
    assert set(SPECS) == set(KINDS.values())


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_example_runs(heading: str) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", SECTIONS[heading], re.DOTALL)
    assert "assert " in example
    assert heading.partition("(")[0] in example
    exec(compile(example, heading, "exec"), {})

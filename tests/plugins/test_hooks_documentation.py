"""docs/hooks.md agrees with the hook specifications, and every example runs."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from pages import code_blocks, section

from empo_rewards.plugins.registry import KINDS, hookspecs

PAGE = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
HEADINGS = [line.removeprefix("## ") for line in PAGE.splitlines() if line.startswith("## ") and line.endswith(")")]
SECTIONS = {heading: section(PAGE, heading) for heading in HEADINGS}
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
    (example,) = code_blocks(SECTIONS[heading], "python")
    assert "assert " in example
    assert heading.partition("(")[0] in example
    exec(compile(example, heading, "exec"), {})

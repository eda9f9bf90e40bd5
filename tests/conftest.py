"""Configuration of all tests: no deadlines, as timing depends on the machine's load; options of `make stress`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("hypothesis"):  # the environments of the frameworks have no property tests, and do not install it
    from hypothesis import HealthCheck, settings

    settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exhaustive", action="store_true", help="kill at every step instead of some")
    parser.addoption("--fuzz-requests", type=int, default=1_000, help="how many fuzzed requests the server is sent")
    parser.addoption("--soak-minutes", type=float, default=0.0, help="how long the server is under faults, at least")
    parser.addoption("--figures", type=Path, help="a JSON file that keeps the figures of the tests that give some")


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """What a test measures, kept under its name."""
    measured: dict[str, Any] = {}
    yield measured
    file: Path | None = request.config.getoption("--figures")
    if file is not None and measured:
        before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        file.write_text(json.dumps({**before, request.node.name: measured}, indent=1) + "\n", encoding="utf-8")

"""Configuration of all tests: no deadlines, as timing depends on the machine's load; the option of `make stress`."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

if find_spec("hypothesis"):  # the environments of the frameworks have no property tests, and do not install it
    from hypothesis import HealthCheck, settings

    settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exhaustive", action="store_true", help="kill at every step instead of a third of the lines")

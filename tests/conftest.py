"""Configuration of all tests: no deadlines, because timing depends on the machine's load."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("hypothesis"):  # the environments of the frameworks have no property tests, and do not install it
    from hypothesis import HealthCheck, settings

    settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("project")

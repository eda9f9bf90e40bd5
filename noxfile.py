"""The environments that the tests run in: the light install first, then one for each framework."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True


@nox.session
def light(session: nox.Session) -> None:
    """The package without any framework: style, types, tests, coverage."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("pytest", "--cov", "--cov-report=term", *session.posargs)


@nox.session(python=["3.10", "3.12"])
def light_older(session: nox.Session) -> None:
    """The same tests on the other Pythons; nox says which of them are not on this machine."""
    session.install("-e", ".[dev]")
    session.run("pytest", *session.posargs)

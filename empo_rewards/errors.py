"""The errors of the package, and the model behind them.

Three things can go wrong, and each has one form:

- *The caller's input or configuration is wrong* (an unknown key, a group without responses, a missing extra): an
  `EmpoError` below, raised at once. Its message says what was wrong, where, and what to do.
- *A response is odd* (no answer, a refusal, an expression that no parser takes): data, not an error. The score says so.
- *Something that scores a group fails* (a plugin raises, a backend dies, a deadline passes): the group is returned
  `unscored` with a `cause`, and the fault is logged. It never becomes an ordinary reward. `Scorer` is the one boundary
  that turns an exception into that verdict; nothing below it needs to catch.
"""

from __future__ import annotations


class EmpoError(Exception):
    """The base of every error that this package raises on purpose."""


class ConfigError(EmpoError):
    """The configuration is wrong: an unknown key or name, a wrong type, a band that no entropy can lie in."""


class GroupError(EmpoError, ValueError):
    """A group is not one: no responses, a response that is no text, log-probabilities that do not fit."""


class InputError(EmpoError):
    """A file or a row of it cannot be read as rollouts."""


class PluginError(EmpoError):
    """A plugin cannot be loaded, or registers something that does not fit its hook."""


class MissingExtraError(EmpoError, ImportError):
    """An optional dependency is not installed.

    Args:
        feature: what the user asked for, as the user wrote it.
        package: the package that could not be imported.
        extra: the extra of `empo-rewards` that installs it.
    """

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(f"{feature} needs {package}, which is not installed: pip install 'empo-rewards[{extra}]'")


class EquivalenceError(EmpoError):
    """An equivalence backend could not answer: the group becomes unscored, never 'different'."""

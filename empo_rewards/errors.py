"""The errors of the package, and the model behind them.

Three things can go wrong, and each has one form:

- *The caller's input or configuration is wrong* (an unknown key, a group without responses, a missing extra): an
  `EmpoError` below, raised at once. Its message says what was wrong, where, and what to do.
- *A response is odd* (no answer, a refusal, an expression that no parser takes): data, not an error. The score says so.
- *Something that scores a group fails* (a plugin raises, a backend dies, a deadline passes): the group is returned
  `unscored` with a `cause`, and the fault is logged. It never becomes an ordinary reward. `stage` is the one boundary
  that classifies such an exception; nothing below it needs to catch.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from empo_rewards.group import Cause


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


class StageError(Exception):
    """A stage of scoring failed on a group.

    Args:
        cause: what the group's score says.
        error: what the stage raised.
    """

    def __init__(self, cause: Cause, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.cause = cause


@contextmanager
def stage(cause: Cause) -> Iterator[None]:
    """The boundary around a stage: whatever it raises becomes a `StageError` with its cause."""
    try:
        yield
    except StageError:
        raise
    except Exception as error:
        raise StageError(cause, error) from error


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the closest of the known ones, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there is: {', '.join(names)}"

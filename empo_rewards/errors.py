"""The error model of the package: exception classes, and the boundary that turns a stage's exception into a cause.

There are three cases:

- *Invalid input or configuration* (an unknown key, a group without responses, a missing extra): an `EmpoError` is
  raised at once. Its message says what was wrong, where, and what to do.
- *An unusual response* (no answer, a refusal, an expression that cannot be parsed): data, not an error; it is recorded
  in the score.
- *A failure while a group is scored* (a plugin raises, a backend dies, a deadline passes): the group is returned
  `unscored` with a `cause`, and the failure is logged. It never becomes an ordinary reward. `stage` is the one boundary
  that classifies such exceptions; the code inside it does not need to catch them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from empo_rewards.group import Cause

MESSAGE_CHARS = 2_000
"""Longer messages of other exceptions are cut: they may contain whole responses."""


_SPACES = "\u00a0\u202f\u3000"
"""Spaces that texts have between words, though Python does not call them printable."""


class EmpoError(Exception):
    """Base class of the errors that this package raises."""


class ConfigError(EmpoError):
    """Invalid configuration: an unknown key or name, a wrong type, an impossible value."""


class GroupError(EmpoError, ValueError):
    """Invalid group: no responses, a response that is not a string, log-probabilities of the wrong shape."""


class InputError(EmpoError):
    """A file, or a row of it, cannot be read as rollouts."""


class PluginError(EmpoError):
    """A plugin cannot be loaded, or what it registers does not fulfil the contract of its hook."""


class MissingExtraError(EmpoError, ImportError):
    """An optional dependency is not installed.

    Args:
        feature: the requested feature, for the message.
        package: the package that could not be imported.
        extra: the extra of `empo-rewards` that installs it.
    """

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(f"{feature} needs {package}, which is not installed: pip install 'empo-rewards[{extra}]'")


class EquivalenceError(EmpoError):
    """An equivalence backend could not compare; the group becomes unscored, its answers never count as different."""


class WorkerError(EmpoError):
    """A process that scores groups died, hung, or did not start."""


class WorkerDiedError(WorkerError):
    """A process that scores groups died. What of, of the groups that it had, is not known."""


class StageError(Exception):
    """A stage of scoring failed on a group.

    Args:
        cause: the `cause` of the group's score.
        error: the exception that the stage raised.
    """

    def __init__(self, cause: Cause, error: Exception) -> None:
        super().__init__(described(error))
        self.cause = cause


@contextmanager
def stage(cause: Cause) -> Iterator[None]:
    """Boundary around a stage of scoring: convert any exception raised inside to a `StageError` with `cause`."""
    try:
        yield
    except StageError:
        raise
    except Exception as error:
        raise StageError(cause, error) from error


def printable(text: str) -> str:
    """Foreign text for a log, a terminal or a page: what is no printable character or space is escaped as in Python.

    That is every line break, control and escape sequence, direction mark and invisible character, so nothing in it can
    forge a line, move a cursor or reorder what stands beside it.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _SPACES else ascii(c)[1:-1] for c in text)


def described(error: BaseException) -> str:
    """An exception as one line of printable text: its type and its message, which may quote what a model wrote."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the exception's own `__str__` is at fault
        message = "its message cannot be shown"
    if len(message) > MESSAGE_CHARS:
        message = message[:MESSAGE_CHARS] + "…"
    line = printable(" ".join(message.split()))
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def counted(number: int, noun: str) -> str:
    """A number of things: "1 row", "2,000 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """End of a message about an unknown name: the closest known name, or all known names."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there is: {', '.join(names)}"

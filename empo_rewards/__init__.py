"""Label-free rewards from semantic entropy (EMPO, arXiv 2504.05812), independent of the RL framework.

from empo_rewards import Group, Scorer

with Scorer("empo-math") as scorer:
    score = scorer.score(Group("1 + 1 = ?", [r"\\boxed{2}", r"\\boxed{2.0}", r"\\boxed{3}"]))
score.rewards  # (0.666…, 0.666…, 0.333…)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from empo_rewards._version import __version__
from empo_rewards.errors import (
    ConfigError,
    EmpoError,
    EquivalenceError,
    GroupError,
    InputError,
    MissingExtraError,
    PluginError,
)
from empo_rewards.group import Answer, AnswerKind, Cause, Group, GroupScore, Status

if TYPE_CHECKING:
    from empo_rewards.compare import equivalent
    from empo_rewards.plugins.hookspecs import hookimpl
    from empo_rewards.scorer import Scorer

__all__ = [
    "Answer",
    "AnswerKind",
    "Cause",
    "ConfigError",
    "EmpoError",
    "EquivalenceError",
    "Group",
    "GroupError",
    "GroupScore",
    "InputError",
    "MissingExtraError",
    "PluginError",
    "Scorer",
    "Status",
    "__version__",
    "equivalent",
    "hookimpl",
]

_ON_FIRST_USE = {
    "Scorer": "empo_rewards.scorer",
    "equivalent": "empo_rewards.compare",
    "hookimpl": "empo_rewards.plugins.hookspecs",
}
"""Names whose modules are imported when they are first asked for: they bring pydantic, or FLINT."""


def __getattr__(name: str) -> Any:
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_ON_FIRST_USE[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Label-free rewards from semantic entropy (EMPO, arXiv 2504.05812), independent of the RL framework.

from empo_rewards import Group, Scorer

with Scorer("empo-math") as scorer:
    score = scorer.score(Group("1 + 1 = ?", [r"\\boxed{2}", r"\\boxed{2.0}", r"\\boxed{3}"]))
score.rewards  # (0.666…, 0.666…, 0.333…)
"""

from empo_rewards._version import __version__
from empo_rewards.compare import equivalent
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

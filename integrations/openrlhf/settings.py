"""The adapter's settings, read from environment variables.

OpenRLHF makes agents and reward functions without arguments, in ray actors on any node; only the environment reaches
them (`ray job submit --runtime-env-json`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from empo_rewards.config import parse_assignments
from empo_rewards.errors import ConfigError, suggestion
from empo_rewards.gather import GatherLimits

log = logging.getLogger("empo_rewards")

N = TypeVar("N", int, float)

PREFIX = "EMPO_REWARDS_"
RUNNING_MEAN = "running_mean"
SCORES = ("accuracy", "reward")


@dataclass(frozen=True)
class OpenRLHFSettings:
    """The settings of one engine's adapter; each field is read from `EMPO_REWARDS_` + its name in capitals.

    Args:
        config: a preset's name, or the path of a YAML file that exists on every node.
        group_size: `rollout.n_samples_per_prompt`. Required by the reward function; the agent counts samples itself,
            and needs it only to tell evaluation from training.
        evaluation_size: `eval.n_samples_per_prompt`, where it differs from `group_size`. OpenRLHF reports the mean
            *reward* of an evaluation; labelled groups of this size are given their accuracy, so that the report is
            pass@1. None: they are given what training groups are.
        neutral: the value for a sample without a reward; None (`running_mean`): the mean of the rewards so far.
        scores: what OpenRLHF's dynamic filtering sees: `accuracy` where there is a label, else the reward; or always
            the `reward`, so that no label decides which prompts are trained on.
        limits: fields of `GatherLimits`, as in `idle_seconds=900,total_seconds=7200`.
    """

    config: str = "empo-math"
    group_size: int | None = None
    evaluation_size: int | None = None
    neutral: float | None = None
    scores: str = SCORES[0]
    limits: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: names the variable.
        """
        for name in ("group_size", "evaluation_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{_variable(name)} must be at least 1, not {value}")
        if self.scores not in SCORES:
            raise ConfigError(
                f"{_variable('scores')}: no score is called {self.scores!r}{suggestion(self.scores, SCORES)}"
            )
        if self.evaluation_size is not None and self.group_size in (None, self.evaluation_size):
            # Evaluation groups are rewarded by their labels: no training group may be taken for one.
            raise ConfigError(
                f"{_variable('evaluation_size')} needs a different {_variable('group_size')} beside it: only the size "
                "of a group tells evaluation from training"
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> OpenRLHFSettings:
        """The settings of an environment; a variable that is missing or empty has its default.

        Raises:
            ConfigError: a value that cannot be read, or that does not fit.
        """
        if environment.get(_variable("threads")):
            log.warning("%s is no longer needed: threads start as samples wait", _variable("threads"))
        given = {name: text for name in (f.name for f in fields(cls)) if (text := environment.get(_variable(name), ""))}
        neutral = given.get("neutral", RUNNING_MEAN)
        return cls(
            config=given.get("config", cls.config),
            group_size=_number(int, given, "group_size", cls.group_size),
            evaluation_size=_number(int, given, "evaluation_size", cls.evaluation_size),
            neutral=None if neutral == RUNNING_MEAN else _number(float, given, "neutral", None),
            scores=given.get("scores", cls.scores),
            limits=_limits(given.get("limits", "")),
        )


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _number(kind: Callable[[str], N], given: Mapping[str, str], name: str, default: N | None) -> N | None:
    if name not in given:
        return default
    try:
        return kind(given[name])
    except ValueError:
        raise ConfigError(f"{_variable(name)} must be a number, not {given[name]!r}") from None


def _limits(text: str) -> dict[str, Any]:
    known = [limit.name for limit in fields(GatherLimits)]
    limits = parse_assignments(part for part in text.split(",") if part.strip())
    for name, value in limits.items():
        if name not in known:
            raise ConfigError(f"{_variable('limits')}: no limit is called {name!r}{suggestion(name, known)}")
        if not isinstance(value, int | float):
            raise ConfigError(f"{_variable('limits')}: {name} must be a number, not {value!r}")
    return limits

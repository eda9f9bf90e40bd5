"""The adapter's configuration: `reward.reward_kwargs` or a block `empo`, completed from verl's own configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf, open_dict
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from empo_rewards import Scorer
from empo_rewards.errors import ConfigError, suggestion
from empo_rewards.gather import GatherLimits
from empo_rewards.integrations.verl.validation import ValidationRule

NAMES = ("empo", "EMPORewardManager")
"""The reward manager's name in a configuration: as registered, and as a class of `reward.reward_manager.module`."""

RUN = "empo_rewards_run"
"""The key of `reward` under which the trainer's process passes `id` and `observed` to its workers (see `hooks`)."""

GROUP_RELATIVE = frozenset(
    [
        "empo_grpo",
        "gdpo",
        "gpg",
        "grpo",
        "grpo_passk",
        "grpo_vectorized",
        "opo",
        "optimal_token_baseline",
        "reinforce_plus_plus_baseline",
        "remax",
        "rloo",
        "rloo_vectorized",
        "tir_optimal_token_baseline",
    ]
)
"""The advantage estimators for which a constant reward within a group gives advantage 0, whatever the constant."""


class VerlSettings(BaseModel):
    """The user's settings of the rewards of a verl run.

    Args:
        scorer: a preset, the path of a YAML file, or a mapping (see docs/configuration.md).
        validation: how validation rows are recognised.
        group_size: rollouts per prompt; None: `rollout.n`. A row's `extra_info.rollout_n` has precedence.
        shards: rendezvous actors, over which groups are spread by `uid`. None: one for two reward workers, at most 8.
        neutral: the value for a row without a reward; None: 0 where the advantage is relative to the group, else the
            running mean of the rewards.
        idle_seconds, total_seconds, score_seconds: the deadlines of a group (see `GatherLimits`).
        max_bytes: bound on the open groups of one shard.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    scorer: str | dict[str, Any] = "empo-math"
    validation: ValidationRule = ValidationRule()
    group_size: int | None = Field(default=None, ge=1)
    shards: int | None = Field(default=None, ge=1, le=256)
    neutral: float | None = Field(default=None, allow_inf_nan=False)
    idle_seconds: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    total_seconds: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    score_seconds: float = Field(default=600.0, gt=0, allow_inf_nan=False)
    max_bytes: int = Field(default=2**32, ge=2**20)

    @property
    def limits(self) -> GatherLimits:
        """Deadlines and bounds of the rendezvous."""
        return GatherLimits(
            idle_seconds=self.idle_seconds,
            total_seconds=self.total_seconds,
            score_seconds=self.score_seconds,
            max_bytes=self.max_bytes,
        )


class RunSettings(BaseModel):
    """The settings of one run, completed from verl's own configuration.

    Args:
        settings: the user's.
        group_size: rollouts per prompt.
        shards: rendezvous actors.
        neutral: the value for a row without a reward; None: the running mean.
        run_id: the run's id; None where the trainer's process did not give it one.
        observed: the agent-loop workers are ours, which know phase, size and losses.
    """

    model_config = ConfigDict(frozen=True)

    settings: VerlSettings
    group_size: int
    shards: int
    neutral: float | None
    run_id: str | None = None
    observed: bool = False

    @property
    def fallback(self) -> float:
        """The neutral value where there is no group to take a mean of."""
        return 0.0 if self.neutral is None else self.neutral

    @property
    def digest(self) -> str:
        """A digest of the settings and of what the scorer's file says: runs that differ in them share nothing."""
        scorer = Scorer(self.settings.scorer).config.model_dump_json()
        content = scorer + self.model_dump_json(exclude={"run_id", "observed"})
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def plain(config: Any, *, resolve: bool = True) -> dict[str, Any]:
    """verl's configuration as plain mappings, its interpolations resolved."""
    container: Any = OmegaConf.to_container(config, resolve=resolve)
    return dict(container)


def is_ours(config: Any) -> bool:
    """Whether a configuration of verl names this package's reward manager."""
    return OmegaConf.select(config, "reward.reward_manager.name") in NAMES


def set_run(config: Any, run_id: str, observed: bool) -> None:
    """Write the run's id into verl's configuration, which all of its workers are given (see `RunSettings`)."""
    with open_dict(config.reward):
        config.reward[RUN] = {"id": run_id, "observed": observed}


def read(config: Mapping[str, Any]) -> RunSettings:
    """The settings of a verl configuration, as plain mappings.

    Raises:
        ConfigError: in one line, the key and what is wrong with it.
    """
    settings = parse(_block(config))
    estimator = str(config.get("algorithm", {}).get("adv_estimator", "grpo"))
    size = settings.group_size or int(config["actor_rollout_ref"]["rollout"]["n"])
    relative = estimator in GROUP_RELATIVE
    begun = config["reward"].get(RUN) or {}
    return RunSettings(
        settings=settings,
        # REMAX generates a greedy response beside the n, with the same uid: it is a member of the group.
        group_size=size + (estimator == "remax"),
        shards=settings.shards or min(8, max(1, int(config["reward"]["num_workers"]) // 2)),
        neutral=settings.neutral if settings.neutral is not None or not relative else 0.0,
        run_id=begun.get("id"),
        observed=begun.get("observed", False),
    )


def _block(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The adapter's own block: `reward.reward_kwargs` or `empo`."""
    kwargs, block = config["reward"].get("reward_kwargs") or {}, config.get("empo") or {}
    if kwargs and block:
        raise ConfigError("both `empo` and `reward.reward_kwargs` are given: keep one")
    return kwargs or block


def parse(block: Mapping[str, Any]) -> VerlSettings:
    """The settings in the adapter's own block.

    Raises:
        ConfigError: in one line, the key and what is wrong with it.
    """
    try:
        return VerlSettings.model_validate(block)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in ("reward.reward_kwargs", *first["loc"]))
        if first["type"] != "extra_forbidden":
            raise ConfigError(
                f"{path}: {first['msg'][:1].lower()}{first['msg'][1:]} (it is {first['input']!r})"
            ) from error
        known = ValidationRule.model_fields if len(first["loc"]) > 1 else VerlSettings.model_fields
        raise ConfigError(f"{path}: unknown key{suggestion(str(first['loc'][-1]), known)}") from error

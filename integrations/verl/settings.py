"""The adapter's configuration: `reward.reward_kwargs` or a block `empo`, completed from verl's own configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from empo_rewards.errors import ConfigError, suggestion
from empo_rewards.gather import GatherLimits
from empo_rewards.integrations.verl.validation import ValidationRule

AGENT_LOOP = "empo_rewards.integrations.verl.agent_loop.EMPOAgentLoopManager"

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

WORKER_CALLS = 1000
"""Calls that an asynchronous ray actor runs at once by default, as verl's reward workers do."""


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
        workers: verl's reward workers.
        neutral: the value for a row without a reward; None: the running mean.
        exact: whether `EMPOAgentLoopManager` is configured, which knows phase, size and losses.
    """

    model_config = ConfigDict(frozen=True)

    settings: VerlSettings
    group_size: int
    shards: int
    workers: int
    neutral: float | None
    exact: bool

    @property
    def fallback(self) -> float:
        """The neutral value where there is no group to take a mean of."""
        return 0.0 if self.neutral is None else self.neutral


def plain(config: Any, *, resolve: bool = True) -> dict[str, Any]:
    """verl's configuration as plain mappings, its interpolations resolved."""
    container: Any = OmegaConf.to_container(config, resolve=resolve)
    return dict(container)


def read(config: Mapping[str, Any]) -> RunSettings:
    """The settings of a verl configuration, as plain mappings.

    Raises:
        ConfigError: in one line, the key and what is wrong with it; or a run that would deadlock.
    """
    settings = parse(_block(config))
    rollout = config["actor_rollout_ref"]["rollout"]
    estimator = str(config.get("algorithm", {}).get("adv_estimator", "grpo"))
    size = settings.group_size or int(rollout["n"])
    workers = int(config["reward"]["num_workers"])
    relative = estimator in GROUP_RELATIVE
    run = RunSettings(
        settings=settings,
        # REMAX generates a greedy response beside the n, with the same uid: it is a member of the group.
        group_size=size + (estimator == "remax"),
        shards=settings.shards or min(8, max(1, workers // 2)),
        workers=workers,
        neutral=settings.neutral if settings.neutral is not None or not relative else 0.0,
        exact=str((rollout.get("agent") or {}).get("agent_loop_manager_class")) == AGENT_LOOP,
    )
    if not run.exact:
        _check_room(config, run)
    return run


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


def _check_room(config: Mapping[str, Any], run: RunSettings) -> None:
    """Refuse a run whose waiting rows exceed the concurrent calls of verl's reward workers, which would deadlock.

    A row waits inside its worker's call, a worker runs `WORKER_CALLS` of them, and verl picks workers at random: five
    standard deviations above the mean must fit.
    """
    data, filters = config.get("data") or {}, (config.get("algorithm") or {}).get("filter_groups") or {}
    prompts = int(data.get("train_batch_size") or 0) * int(filters.get("max_inflight_gen_batches") or 1)
    rows = prompts * run.group_size
    if _busiest(rows, run.workers) <= WORKER_CALLS:
        return
    enough = next(n for n in range(run.workers + 1, rows + 1) if _busiest(rows, n) <= WORKER_CALLS)
    raise ConfigError(
        f"{rows} rows may wait for their groups at once, but reward.num_workers={run.workers} reward workers hold "
        f"{WORKER_CALLS} each: set reward.num_workers={enough}, or "
        f"++actor_rollout_ref.rollout.agent.agent_loop_manager_class={AGENT_LOOP}"
    )


def _busiest(rows: int, workers: int) -> float:
    mean = rows / workers
    return mean if workers == 1 else mean + 5 * math.sqrt(mean)

"""Configurations of verl with which EMPO rewards cannot work: one table, for the start of a run and for `verl-check`.

`refuse` runs in the driver, before ray and any model are started. docs/verl.md has the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from hydra.errors import CompactHydraException
from omegaconf import OmegaConf
from packaging.version import Version

from empo_rewards import Scorer
from empo_rewards.errors import ConfigError, EmpoError
from empo_rewards.integrations.verl import settings
from empo_rewards.integrations.verl.settings import NAMES, RunSettings

ESTIMATOR = "empo_grpo"
"""The name of the advantage estimator in a configuration."""

AGENT_LOOP = "actor_rollout_ref.rollout.agent.agent_loop_manager_class"
FORMER_AGENT_LOOP = "empo_rewards.integrations.verl.agent_loop.EMPOAgentLoopManager"
"""The agent-loop manager of former configurations."""

DIFFERS_WITHIN_A_GROUP = ("reward", "acc")
"""The metrics by which DAPO's filter can tell groups whose rows differ; all others are equal in a group."""

NUMBERS = ("actor_rollout_ref.rollout.n", "actor_rollout_ref.rollout.temperature", "reward.num_workers")
"""Settings of verl that the adapter reads as numbers."""

Config = Mapping[str, Any]
"""verl's configuration as plain mappings."""


class RefusedConfigError(ConfigError, CompactHydraException):
    """A configuration that cannot work. Hydra, which calls verl's `main`, prints its message without a traceback."""


def effective(config: Any) -> Any:
    """The configuration that a trainer uses.

    verl's fully asynchronous trainer moves settings in their former places (`reward_model.reward_manager`) to the new
    ones, and before verl 0.9 all trainers did; the others ignore them.
    """
    if "async_training" not in config and Version(metadata.version("verl")) >= Version("0.9"):
        return config
    from verl.experimental.reward_loop import migrate_legacy_reward_impl  # noqa: PLC0415 - older versions lack it

    return migrate_legacy_reward_impl(config.copy())


def trainer_of(config: Config) -> str:
    """The trainer that a configuration is for: `v0`, `v1`, `one_step_off` or `fully_async`."""
    if "async_training" in config:
        return "fully_async"
    if "rollout" in config:  # its GPUs for rollouts, which the trainers in one place do not have
        return "one_step_off"
    return "v1" if get(config, "trainer.use_v1", False) else "v0"


class Run(NamedTuple):
    """What is checked.

    Args:
        config: verl's.
        settings: the adapter's, read from it.
        scorer: as configured.
    """

    config: Config
    settings: RunSettings
    scorer: Scorer


class Requirement(NamedTuple):
    """One row of the table.

    Args:
        refused: the combination of settings, as the documentation names it.
        reason: why it cannot work.
        remedy: what to set instead.
        found: the settings at fault, where a run has them.
    """

    refused: str
    reason: str
    remedy: str
    found: Callable[[Run], str | None]

    def broken_by(self, run: Run) -> str | None:
        """What is wrong with a run, in one line; None if nothing is."""
        found = self.found(run)
        return None if found is None else f"{found}: {self.reason}; {self.remedy.replace('`', '')}"


def get(config: Config, key: str, default: Any = None) -> Any:
    """The value of a dotted key; the default where it is missing or null."""
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return default if value is None else value


def is_ours(config: Config) -> bool:
    """Whether a run uses any part of this adapter."""
    return (
        get(config, "reward.reward_manager.name") in NAMES
        or get(config, "reward_model.reward_manager") in NAMES
        or get(config, "algorithm.adv_estimator") == ESTIMATOR
        or get(config, AGENT_LOOP) == FORMER_AGENT_LOOP
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _former_agent_loop(run: Run) -> str | None:
    named = get(run.config, AGENT_LOOP)
    return f"{AGENT_LOOP}={named}" if named == FORMER_AGENT_LOOP else None


def _other_manager(run: Run) -> str | None:
    config, name = run.config, get(run.config, "reward.reward_manager.name")
    if name in NAMES:
        return None
    if get(config, "algorithm.adv_estimator") == ESTIMATOR:
        part = ESTIMATOR
    else:
        part = f"reward_model.reward_manager={get(config, 'reward_model.reward_manager')}"
    return f"reward.reward_manager.name={name} with {part}"


def _unreadable_data(run: Run) -> str | None:
    """The first of the data files that is missing or unreadable. Remote files and patterns are left to verl."""
    column = str(get(run.config, "data.prompt_key", "prompt"))
    for key in ("data.train_files", "data.val_files"):
        value = get(run.config, key)
        for name in [value] if isinstance(value, str | None) else list(value):
            if "://" not in str(name) and "*" not in str(name) and (why := _fault_of(name, column)) is not None:
                return f"{key}={name} ({why})"
    return None


def _fault_of(name: object, column: str) -> str | None:
    path = Path(str(name)).expanduser()
    if name is None or not path.is_file():
        return "no such file"
    if path.suffix != ".parquet":
        return None
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        return f"not Parquet: {' '.join(str(error).split())[:100]}"
    return None if column in schema.names else f"no column {column!r}"


def _group_of_one(run: Run) -> str | None:
    size = run.settings.group_size
    key = "reward.reward_kwargs.group_size" if run.settings.settings.group_size else "actor_rollout_ref.rollout.n"
    return f"{key}={size}" if size < 2 else None


def _greedy(run: Run) -> str | None:
    rollout = run.config["actor_rollout_ref"]["rollout"]
    if rollout["temperature"] == 0:
        return "actor_rollout_ref.rollout.temperature=0"
    return None if get(rollout, "do_sample", True) else "actor_rollout_ref.rollout.do_sample=false"


def _reward_model(run: Run) -> str | None:
    return "reward.reward_model.enable=true" if get(run.config, "reward.reward_model.enable", False) else None


def _custom_function(run: Run) -> str | None:
    path = get(run.config, "reward.custom_reward_function.path")
    return None if path is None else f"reward.custom_reward_function.path={path}"


def _scale_that_is_lost(run: Run) -> str | None:
    estimator = get(run.config, "algorithm.adv_estimator")
    if not run.scorer.scales_advantages or estimator == ESTIMATOR:
        return None
    return f"the strategy {run.scorer.config.strategy.name} with algorithm.adv_estimator={estimator}"


def _votes_that_are_trained_on(run: Run) -> str | None:
    trained, size = run.scorer.config.trained, run.settings.group_size
    estimator = get(run.config, "algorithm.adv_estimator")
    if trained is None or trained >= size or estimator == ESTIMATOR:
        return None
    return f"trained: {trained} of {size} rollouts with algorithm.adv_estimator={estimator}"


def _divided_advantages(run: Run) -> str | None:
    is_divided = get(run.config, "algorithm.norm_adv_by_std_in_grpo", True)
    if not run.scorer.gives_advantages or not is_divided:
        return None
    return f"the strategy {run.scorer.config.strategy.name} with algorithm.norm_adv_by_std_in_grpo=true"


def _filter(run: Run) -> str | None:
    if not get(run.config, "algorithm.filter_groups.enable", False):
        return None
    metric = get(run.config, "algorithm.filter_groups.metric", "reward")
    return None if metric in DIFFERS_WITHIN_A_GROUP else f"algorithm.filter_groups.metric={metric}"


def _kl_in_reward(run: Run) -> str | None:
    is_both = get(run.config, "algorithm.adv_estimator") == ESTIMATOR and get(
        run.config, "algorithm.use_kl_in_reward", False
    )
    return f"algorithm.adv_estimator={ESTIMATOR} with algorithm.use_kl_in_reward=true" if is_both else None


def _no_logprobs(run: Run) -> str | None:
    recorded = get(run.config, "actor_rollout_ref.rollout.calculate_log_probs", True)
    if recorded or not run.scorer.uses_logprobs:
        return None
    return f"entropy {run.scorer.config.entropy.name} with actor_rollout_ref.rollout.calculate_log_probs=false"


REQUIREMENTS = (
    Requirement(
        "`agent_loop_manager_class` of former configurations (`EMPOAgentLoopManager`)",
        "verl's own manager does all that it did",
        "remove the setting",
        _former_agent_loop,
    ),
    Requirement(
        "`empo_grpo` or `reward_model.reward_manager` with another reward manager than `empo`",
        "without EMPO's reward manager these do nothing",
        "set `reward.reward_manager.name=empo`",
        _other_manager,
    ),
    Requirement(
        "`reward.custom_reward_function.path`",
        "EMPO's reward manager does not call it",
        "remove it, or register it as a strategy (docs/hooks.md)",
        _custom_function,
    ),
    Requirement(
        "`reward.reward_model.enable=true`",
        "verl then asks its reward model, and never EMPO's reward manager",
        "set `reward.reward_model.enable=false`; a judge is served beside the run (preset `empo-judge`)",
        _reward_model,
    ),
    Requirement(
        "`actor_rollout_ref.rollout.n=1`",
        "a group of one response has nothing to agree with",
        "set `actor_rollout_ref.rollout.n` to 2 or more, such as 16",
        _group_of_one,
    ),
    Requirement(
        "`actor_rollout_ref.rollout.temperature=0` or `do_sample=false`",
        "all responses to a prompt are then the same, and no reward tells them apart",
        "set `actor_rollout_ref.rollout.temperature=1.0` and `do_sample=true`",
        _greedy,
    ),
    Requirement(
        "a strategy that scales advantages (preset `seed-grpo`) with another estimator than `empo_grpo`",
        "verl's other advantage estimators do not apply the scale",
        "set `algorithm.adv_estimator=empo_grpo`",
        _scale_that_is_lost,
    ),
    Requirement(
        "a scorer with `trained` below `rollout.n` (presets `ttrl`, `scrl`) with another estimator than `empo_grpo`",
        "verl's other advantage estimators count votes in the deviation",
        "set `algorithm.adv_estimator=empo_grpo`",
        _votes_that_are_trained_on,
    ),
    Requirement(
        "a strategy whose rewards are advantages (`restrain`) with `algorithm.norm_adv_by_std_in_grpo=true`",
        "division by the deviation takes away what they weigh",
        "set `algorithm.norm_adv_by_std_in_grpo=false`",
        _divided_advantages,
    ),
    Requirement(
        "`algorithm.adv_estimator=empo_grpo` with `algorithm.use_kl_in_reward=true`",
        "the estimator tells abstentions by the reward itself",
        "set `actor_rollout_ref.actor.use_kl_loss=true` and `algorithm.use_kl_in_reward=false`",
        _kl_in_reward,
    ),
    Requirement(
        "`algorithm.filter_groups.metric` other than `reward` or `acc`",
        "it is equal for all rows of a group, and the filter would drop every group",
        "set `algorithm.filter_groups.metric=reward`",
        _filter,
    ),
    Requirement(
        "an entropy of log-probabilities (`rao_blackwell`, `semantic_density`) with `calculate_log_probs=false`",
        "every group would be unscored",
        "set `actor_rollout_ref.rollout.calculate_log_probs=true`",
        _no_logprobs,
    ),
    Requirement(
        "`data.train_files` or `data.val_files` that name no file, or one without prompts",
        "verl needs both",
        "make one in verl's format (docs/verl.md)",
        _unreadable_data,
    ),
)
"""What is refused, in the order of the checks."""


def problems(config: Config) -> Iterator[str]:
    """What is wrong with the configuration of a run, each in one line."""
    wrong = [f"{key}={get(config, key)}: it must be a number" for key in NUMBERS if not _is_number(get(config, key))]
    if wrong:
        yield from wrong
        return
    try:
        run_settings = settings.read(config)
        scorer = Scorer(run_settings.settings.scorer)
    except EmpoError as error:
        yield str(error)
        return
    run = Run(config, run_settings, scorer)
    yield from filter(None, (requirement.broken_by(run) for requirement in REQUIREMENTS))


def refuse(config: Any) -> None:
    """Check the configuration of a run, as verl's `main` receives it; one that does not use this adapter is left alone.

    Raises:
        RefusedConfigError: the first thing that is wrong with it.
    """
    if not OmegaConf.is_dict(config) or not is_ours(settings.plain(config, resolve=False)):
        return
    if (problem := next(problems(settings.plain(effective(config))), None)) is not None:
        raise RefusedConfigError(problem)

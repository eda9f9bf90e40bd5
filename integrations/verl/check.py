"""Checks of a verl environment and a verl configuration, before any GPU is used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from empo_rewards.errors import ConfigError, InputError
from empo_rewards.extras import hook_of

MANAGER, OUR_PLUGIN = "empo", "empo_rewards"


class Check(NamedTuple):
    """The result of one check.

    Args:
        name: what was checked.
        fine: whether it passed.
        says: what was found; if it did not pass, what to do.
    """

    name: str
    fine: bool
    says: str


def environment() -> list[Check]:
    """Whether verl is installed, and finds the parts that `plugin` registers. Nothing is started."""
    version = metadata.version("verl")
    hook = hook_of("verl", version)
    checks = [Check("verl", hook is not None, f"{version}: {hook or 'no hook that a group reward can use'}")]
    import_module("verl")
    reward_loop = find_spec("verl.experimental") and find_spec("verl.experimental.reward_loop")
    registry = "verl.experimental.reward_loop.reward_manager" if reward_loop else "verl.workers.reward_manager"
    try:
        found = import_module(registry).get_reward_manager_cls(MANAGER).__module__
        checks.append(Check("reward manager", True, f"`{MANAGER}` is {found}"))
    except ValueError as error:
        checks.append(Check("reward manager", False, f"{error}. {_how_to_register()}"))
    for module, need in (("ray", "the rendezvous"), ("hydra", "verl's configuration")):
        there = find_spec(module) is not None
        checks.append(Check(module, there, "installed" if there else f"missing, for {need}: pip install {module}"))
    queue = find_spec("transfer_queue") is not None
    says = (
        "installed" if queue else "missing, for trainer.use_v1: pip install TransferQueue, or set trainer.use_v1=false"
    )
    checks.append(Check("TransferQueue", queue or not reward_loop, says))
    return checks


def _how_to_register() -> str:
    policy = os.environ.get("VERL_USE_EXTERNAL_PLUGINS", "auto")
    if policy != "auto" and OUR_PLUGIN not in policy.split(","):
        return f"VERL_USE_EXTERNAL_PLUGINS={policy} leaves out {OUR_PLUGIN!r}"
    return "Set VERL_USE_EXTERNAL_MODULES=empo_rewards.integrations.verl.plugin, and look for an error above"


def compose(path: Path, overrides: Sequence[str]) -> Any:
    """The configuration that verl would use.

    Args:
        path: a primary configuration file, as `--config-path` and `--config-name` name it.
        overrides: as on verl's command line.

    Raises:
        InputError: there is no such file.
        ConfigError: hydra or verl refuses it.
    """
    from hydra import compose as hydra_compose  # noqa: PLC0415 - named like ours
    from hydra import initialize_config_dir  # noqa: PLC0415 - as above
    from hydra.errors import HydraException  # noqa: PLC0415 - as above
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415 - as above

    from empo_rewards.integrations.verl import requirements  # noqa: PLC0415 - needs what `environment` checks

    if not path.is_file():
        raise InputError(f"{path} is no file")
    try:
        with initialize_config_dir(str(path.resolve().parent), version_base=None):
            composed = hydra_compose(path.stem, overrides=list(overrides))
        if "actor_rollout_ref" not in composed or "reward" not in composed:
            raise ConfigError(f"{path} configures no trainer of verl: begin it with `defaults: [ppo_trainer, _self_]`")
        return requirements.effective(composed)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error


def configuration(config: Any) -> list[Check]:
    """Check a configuration by the adapter's rules and verl's; nothing is started.

    Raises:
        ConfigError: in one line, what is wrong.
    """
    from verl.trainer.ppo.reward import resolve_reward_manager_cls  # noqa: PLC0415 - slow to import
    from verl.trainer.ppo.utils import need_critic, need_reference_policy  # noqa: PLC0415 - slow to import
    from verl.utils.config import validate_config  # noqa: PLC0415 - slow to import

    from empo_rewards.integrations.verl import requirements, settings  # noqa: PLC0415 - needs what `environment` checks

    plain = settings.plain(config)
    if not requirements.is_ours(plain):
        raise ConfigError(f"reward.reward_manager.name={config.reward.reward_manager.name}: set it to {MANAGER}")
    if (problem := next(requirements.problems(plain), None)) is not None:
        raise ConfigError(problem)
    try:
        named = resolve_reward_manager_cls(config)
    except (ValueError, AssertionError, ImportError, AttributeError) as error:
        raise ConfigError(f"reward.reward_manager: {error}. {_how_to_register()}") from error
    try:
        if requirements.trainer_of(plain) != "fully_async":  # which checks by rules of its own, once it has GPUs
            validate_config(config, need_reference_policy(config), need_critic(config))
    except (AssertionError, ValueError) as error:
        raise ConfigError(f"verl refuses the configuration: {' '.join(str(error).split())}") from error
    run = settings.read(plain)
    neutral = "the running mean" if run.neutral is None else f"{run.neutral:g}"
    return [
        Check("reward manager", True, f"{named.__module__}.{named.__name__}"),
        Check("group", True, f"{run.group_size} rollouts a prompt, over {run.shards} rendezvous actors"),
        Check("without a reward", True, f"a row is given {neutral} ({config.algorithm.adv_estimator})"),
        Check("not refused", True, f"by any of {len(requirements.REQUIREMENTS)} rules"),
    ]


def dry_run(config: Any, workers: int) -> list[Check]:
    """Rollouts of a stub model through the trainer that the configuration names, compared with offline scores.

    Args:
        config: as composed.
        workers: reward workers to start.
    """
    from empo_rewards.integrations.verl import dry_run as runs  # noqa: PLC0415 - slow to import

    return [Check(*found) for found in runs.dry_run(config, workers)]

"""What is wrapped in verl's trainers: their start, where the configuration is checked, and their metrics and dumps.

verl has no hook in these places. Runs that do not use this adapter are left as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import wraps
from typing import Any

from empo_rewards.integrations.verl import tracking
from empo_rewards.integrations.verl.hooks import Function, Wrapper

TRAINERS = (
    (
        "verl.trainer.ppo.metric_utils",
        None,
        "compute_data_metrics",
        "batch use_critic",
        tracking.with_step_metrics,
        "the log lacks EMPO's numbers",
    ),
    (
        "verl.trainer.ppo.v1.trainer_base",
        "PPOTrainer",
        "_compute_metrics",
        "self batch metrics timing_raw global_steps epoch",
        tracking.with_queued_step_metrics,
        "the log lacks EMPO's numbers",
    ),
    (
        "verl.trainer.ppo.v1.trainer_base",
        "PPOTrainer",
        "_dump_generations",
        "self inputs outputs gts scores reward_extra_infos_dict dump_path",
        tracking.with_queued_columns,
        "rollout dumps lack EMPO's details",
    ),
)
"""A module, a class of it or None, a function, its parameters, the wrapper, and what a run lacks without it."""


def install() -> None:
    """Wrap the functions with which every trainer starts; called when verl is imported, before trainers import them."""
    from verl.utils import device  # noqa: PLC0415 - verl is being imported
    from verl.utils import tracking as trackers  # noqa: PLC0415 - as above

    Wrapper(device, "auto_set_device", "config", checked, "its configuration is not checked at the start").install()
    parameters = "self project_name experiment_name default_backend config"
    Wrapper(trackers.Tracking, "__init__", parameters, announced, "the log lacks EMPO's numbers").install()


def install_in_trainers() -> None:
    """Wrap the functions of those trainers that this process has imported."""
    for module_name, owner, name, parameters, wrap, loss in TRAINERS:
        module = sys.modules.get(module_name)
        if module is None:
            continue
        place = module if owner is None else getattr(module, owner)
        original = getattr(place, name, None)
        if Wrapper(place, name, parameters, wrap, loss).install() and owner is None:
            # Trainers, verl's own and others, have imported the function by its name.
            for user in list(sys.modules.values()):
                if getattr(user, "__dict__", {}).get(name) is original:
                    setattr(user, name, getattr(place, name))


def checked(original: Function) -> Function:
    """Wrap `auto_set_device(config)`, with which the `main` of every trainer begins: check the configuration."""

    @wraps(original)
    def auto_set_device(config: Any) -> None:
        original(config)
        from empo_rewards.integrations.verl import requirements  # noqa: PLC0415 - the driver needs it, workers do not

        requirements.refuse(config)

    return auto_set_device


def announced(original: Function) -> Function:
    """Wrap `Tracking.__init__`, which every trainer calls before its first step: wrap the trainer's own functions."""

    @wraps(original)
    def __init__(  # noqa: N807 - the name of what it replaces
        self: Any, project_name: Any, experiment_name: Any, default_backend: Any = "console", config: Any = None
    ) -> None:
        original(self, project_name, experiment_name, default_backend, config)
        from empo_rewards.integrations.verl import requirements  # noqa: PLC0415 - as above

        if isinstance(config, Mapping) and requirements.is_ours(config):
            install_in_trainers()

    return __init__

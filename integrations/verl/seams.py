"""The functions of verl that are wrapped, because verl has no hook in their place.

Each is wrapped only where it has the signature that was tested; a version with another one is named in the log at the
start of the run. Runs that do not use this adapter are left as they are.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from typing import Any, NamedTuple

from empo_rewards.integrations.verl import tracking

log = logging.getLogger("empo_rewards")


class Seam(NamedTuple):
    """One function of verl.

    Args:
        module: where the trainer looks it up.
        name: its name there, with that of its class.
        parameters: those of the tested version.
        wrap: makes the replacement.
        loss: what a run lacks without it.
    """

    module: str
    name: str
    parameters: tuple[str, ...]
    wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
    loss: str


def checked(original: Callable[..., None]) -> Callable[..., None]:
    """Wrap `auto_set_device(config)`, with which the `main` of every trainer begins: check the configuration."""

    @wraps(original)
    def auto_set_device(config: Any) -> None:
        original(config)
        from empo_rewards.integrations.verl import requirements  # noqa: PLC0415 - the driver needs it, workers do not

        requirements.refuse(config)

    return auto_set_device


def announced(original: Callable[..., None]) -> Callable[..., None]:
    """Wrap `Tracking.__init__`, which every trainer calls before its first step: wrap the trainer's own functions."""

    @wraps(original)
    def __init__(  # noqa: N807 - the name of what it replaces
        self: Any, project_name: Any, experiment_name: Any, default_backend: Any = "console", config: Any = None
    ) -> None:
        original(self, project_name, experiment_name, default_backend, config)
        from empo_rewards.integrations.verl import requirements  # noqa: PLC0415 - as above

        if isinstance(config, Mapping) and requirements.is_ours(config):
            install(TRAINERS)

    return __init__


DRIVER = (
    Seam("verl.utils.device", "auto_set_device", ("config",), checked, "its configuration is not checked"),
    Seam(
        "verl.utils.tracking",
        "Tracking.__init__",
        ("self", "project_name", "experiment_name", "default_backend", "config"),
        announced,
        "its log has none of EMPO's numbers",
    ),
)
"""Wrapped when verl is imported, before a trainer imports them."""

DATA_METRICS = ("compute_data_metrics", ("batch", "use_critic"), tracking.with_step_metrics)

TRAINERS = (
    Seam("verl.trainer.ppo.ray_trainer", *DATA_METRICS, "v0's log has none of EMPO's numbers"),
    Seam("verl.experimental.separation.ray_trainer", *DATA_METRICS, "its log has none of EMPO's numbers"),
    Seam(
        "verl.trainer.ppo.v1.trainer_base",
        "PPOTrainer._compute_metrics",
        ("self", "batch", "metrics", "timing_raw", "global_steps", "epoch"),
        tracking.with_queued_step_metrics,
        "v1's log has none of EMPO's numbers",
    ),
    Seam(
        "verl.trainer.ppo.v1.trainer_base",
        "PPOTrainer._dump_generations",
        ("self", "inputs", "outputs", "gts", "scores", "reward_extra_infos_dict", "dump_path"),
        tracking.with_queued_columns,
        "v1's rollout dumps have none of EMPO's details",
    ),
)
"""Wrapped at the start of training, in the process of the trainer: those of the modules that it has imported."""


def install(seams: tuple[Seam, ...]) -> bool:
    """Wrap these functions, once each; whether all are wrapped."""
    done = True
    for seam in seams:
        module = sys.modules.get(seam.module) if seams is TRAINERS else import_module(seam.module)
        if module is None:
            continue
        owner_name, _, name = seam.name.rpartition(".")
        owner = getattr(module, owner_name, None) if owner_name else module
        original = getattr(owner, name, None)
        if getattr(original, "_empo_rewards", False):
            continue
        if not has_parameters(original, seam.parameters):
            log.error(
                "this version of verl has no %s.%s(%s): %s",
                seam.module,
                seam.name,
                ", ".join(seam.parameters),
                seam.loss,
            )
            done = False
            continue
        replacement = seam.wrap(original)
        if replacement is not original:
            replacement._empo_rewards = True  # type: ignore[attr-defined] # marks what is wrapped already
            setattr(owner, name, replacement)
    return done


def has_parameters(function: Any, parameters: tuple[str, ...]) -> bool:
    """Whether a function has these parameters, beside those that ray adds to the methods of an actor's class."""
    if function is None:
        return False
    return tuple(name for name in inspect.signature(function).parameters if not name.startswith("_ray_")) == parameters

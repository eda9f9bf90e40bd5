"""Imported by verl: registers the reward manager and the advantage estimator under their names in a configuration.

verl 0.9 imports this through the entry point in the group `verl.plugins`; verl 0.7 and 0.8 with
`VERL_USE_EXTERNAL_MODULES=empo_rewards.integrations.verl.plugin`, and so do the versions before them.
"""

from __future__ import annotations

import logging
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

NAME = "empo"
"""The reward manager's name."""

ESTIMATOR = "empo_grpo"
"""The advantage estimator's name."""

OURS = "empo_rewards.integrations.verl"


def register() -> None:
    """Register the parts that this version of verl can use.

    Raises:
        ImportError: verl is not installed as expected; logged too, because verl hides it.
    """
    try:
        if _has_reward_loop():
            registry, module, name = "verl.experimental.reward_loop.reward_manager", "manager", "EMPORewardManager"
            import_module(f"{OURS}.hooks").install()
            import_module(f"{OURS}.trainer_hooks").install()
        else:
            registry, module, name = "verl.workers.reward_manager", "legacy", "EMPOBatchRewardManager"
        import_module(registry).register(NAME)(getattr(import_module(f"{OURS}.{module}"), name))
        estimator = import_module(f"{OURS}.advantage").empo_grpo
        import_module("verl.trainer.ppo.core_algos").register_adv_est(ESTIMATOR)(estimator)
    except Exception:
        logging.getLogger("empo_rewards").exception("empo-rewards could not register: verl will not know %r", NAME)
        raise


def _has_reward_loop() -> bool:
    """Whether this verl scores rows one by one (0.7.1 and later); found out without importing it."""
    verl = find_spec("verl")
    folders = [] if verl is None else list(verl.submodule_search_locations or ())
    return any((Path(folder) / "experimental" / "reward_loop" / "reward_manager").is_dir() for folder in folders)


register()

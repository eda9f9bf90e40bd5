"""TRL (1.0 and later): `GRPOTrainer(reward_funcs=EMPOReward("empo-math"), ...)`, and RLOOTrainer alike.

docs/trl.md covers the trainers that build on TRL's; `swift_plugin.py` is the file for ms-swift.
"""

from empo_rewards.integrations.trl.reward import EMPOReward

__all__ = ["EMPOReward"]

"""slime: group rewards for `--group-rm`, accuracy for evaluations, and metrics for its log (docs/slime.md).

--group-rm --custom-rm-path empo_rewards.integrations.slime.custom_rm
--eval-function-path empo_rewards.integrations.slime.evaluate
--custom-rollout-log-function-path empo_rewards.integrations.slime.log_rollout
"""

from empo_rewards.integrations.slime.evaluation import accuracy, evaluate
from empo_rewards.integrations.slime.rewards import custom_rm, log_rollout

__all__ = ["accuracy", "custom_rm", "evaluate", "log_rollout"]

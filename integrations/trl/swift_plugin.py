"""For ms-swift: `--external_plugins "$(empo-rewards path trl/swift_plugin)" --reward_funcs empo`.

Its GRPO trainer derives from TRL's, but calls rewards without `prompts` and `log_metric`, and with the conversations as
the column `messages`, whose last message is the completion. The environment variable EMPO_REWARDS_CONFIG names the
configuration: a preset or the path of a YAML file (`empo-math` by default).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

try:
    from swift.rewards import orms
except ModuleNotFoundError:  # ms-swift 3
    from swift.plugin import orms

from empo_rewards.errors import ConfigError
from empo_rewards.group import Message
from empo_rewards.integrations.trl.reward import EMPOReward

CONFIG = "EMPO_REWARDS_CONFIG"


class EMPO:
    """`EMPOReward` with the interface of ms-swift.

    Args:
        args: ms-swift's arguments, where it passes them as one object; otherwise it passes the parameters below by
            name.
        num_generations: completions per prompt.
        num_generations_eval: the same in an evaluation. A reward is not told which of the two a batch is.
        tensor_model_parallel_size: set under Megatron only, where several ranks hold the same completions.

    Raises:
        ConfigError: the group size is unknown or differs in evaluation; ranks share completions; or the configuration
            is wrong.
    """

    def __init__(
        self,
        args: Any = None,
        num_generations: int | None = None,
        num_generations_eval: int | None = None,
        tensor_model_parallel_size: int | None = None,
        **_: Any,
    ) -> None:
        size = num_generations or getattr(args, "num_generations", None)
        evaluation = num_generations_eval or getattr(args, "num_generations_eval", None) or size
        if tensor_model_parallel_size is not None or hasattr(args, "tensor_model_parallel_size"):
            raise ConfigError(
                "ms-swift's Megatron trainers hold copies of completions on several ranks: use `swift rlhf`"
            )
        if size is None or evaluation != size:
            raise ConfigError(
                f"num_generations is {size} and num_generations_eval {evaluation}: ms-swift does not tell rewards "
                "which of them holds, so they must be the same"
            )
        self._reward = EMPOReward(os.environ.get(CONFIG, "empo-math"), reference="solution", group_size=size)

    def __call__(
        self, completions: Sequence[str], messages: Sequence[Sequence[Message]], **columns: Any
    ) -> list[float | None]:
        """The rewards of this rank's completions, in order; see `EMPOReward`."""
        return self._reward([conversation[:-1] for conversation in messages], completions, **columns)


orms["empo"] = EMPO

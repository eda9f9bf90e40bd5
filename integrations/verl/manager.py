"""`reward.reward_manager.name=empo`: the reward manager of verl 0.7.1 and later."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from verl import DataProto
from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase

from empo_rewards import Scorer
from empo_rewards.integrations.verl import rows, settings, validation
from empo_rewards.integrations.verl.shards import Shards

log = logging.getLogger("empo_rewards")


class EMPORewardManager(RewardManagerBase):
    """Label-free rewards for training rows, accuracy for validation rows.

    It gets the rows of agent-loop workers that are not ours (see `agent_loop`), one at a time and without their phase,
    which is then as declared.

    Args:
        config: verl's configuration; see `settings.VerlSettings` for what is ours.
        tokenizer: the policy's.
        compute_score, reward_router_address, reward_model_tokenizer: part of verl's interface; not used.

    Raises:
        ConfigError: in one line, what is wrong with the configuration or its declaration of validation rows.
    """

    def __init__(
        self,
        config: Any,
        tokenizer: Any,
        compute_score: Any = None,
        reward_router_address: Any = None,
        reward_model_tokenizer: Any = None,
    ) -> None:
        super().__init__(config, tokenizer, compute_score)
        plain = settings.plain(config)
        self._tokenizer: rows.Tokenizer = tokenizer
        self._run = settings.read(plain)
        Scorer(self._run.settings.scorer)  # a configuration that is wrong fails here
        data = plain.get("data") or {}
        self._files = (data.get("train_files"), data.get("val_files"))
        self._is_declared = False
        if not self._run.observed:
            self._check_declaration()
        if self._run.neutral is None:
            log.warning(
                "the advantage estimator is not relative to the group: a row without a reward gets the running mean "
                "of the rewards (reward.reward_kwargs.neutral sets a constant)"
            )
        self._shards: Shards | None = None

    async def run_single(self, data: DataProto) -> dict[str, object]:
        """The reward of one row (of the last one, where an agent loop made several outputs).

        Raises:
            ConfigError: the row has come without its phase, and the declaration of validation rows is wrong.
        """
        if not self._is_declared:
            log.error(
                "rows come to the reward workers, and not from agent-loop workers of ours, which is what was set up: "
                "their phase is taken from reward.reward_kwargs.validation, and their group's size from the settings"
            )
            self._check_declaration()
        if self._shards is None:
            self._shards = Shards(self._run)
        row = await asyncio.to_thread(rows.of_item, data[-1], self._tokenizer)
        if self._run.settings.validation.covers(row.origin):
            (reward,) = await self._shards.validate([row])
        else:
            reward = await self._shards.train(row)
        return reward.as_result()

    def _check_declaration(self) -> None:
        train, val = map(validation.origins, self._files)
        validation.check_declaration(self._run.settings.validation, train, val)
        self._is_declared = True

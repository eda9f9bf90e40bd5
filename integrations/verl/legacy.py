"""The batch reward manager of verl 0.4.1 to 0.6, which receives whole batches: nothing has to be gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from empo_rewards import Scorer
from empo_rewards.gather.samples import NeutralReward, group_of
from empo_rewards.integrations.verl import batches, row_rewards, rows
from empo_rewards.integrations.verl.row_rewards import KEYS, RowReward
from empo_rewards.integrations.verl.rows import RolloutRow
from empo_rewards.integrations.verl.settings import parse


class EMPOBatchRewardManager:
    """Label-free rewards for training batches, accuracy for validation batches.

    A batch is for validation where `meta_info["validate"]` says so, or (in older versions) where its rows have no
    `uid`.

    Args:
        tokenizer: the policy's.
        num_examine, compute_score, reward_fn_key: part of verl's interface, and not used.
        reward_kwargs: `reward_model.reward_kwargs`; see `settings.VerlSettings`.

    Raises:
        ConfigError: in one line, what is wrong with the configuration.
    """

    def __init__(
        self,
        tokenizer: Any,
        num_examine: int = 0,
        compute_score: Callable[..., Any] | None = None,
        reward_fn_key: str = "data_source",
        **reward_kwargs: Any,
    ) -> None:
        self._tokenizer = tokenizer
        self._settings = parse(reward_kwargs)
        self._scorer = Scorer(self._settings.scorer)
        self._neutral = NeutralReward(self._settings.neutral or 0.0)

    def __call__(self, data: Any, return_dict: bool = False) -> torch.Tensor | dict[str, Any]:
        """The rewards at the last token of each response, shape (B, R); with `return_dict` also the metrics."""
        batch = [rows.of_item(data[i], self._tokenizer) for i in range(len(data))]
        validating = bool(data.meta_info.get("validate")) or "uid" not in data.non_tensor_batch
        found = self._validate(batch) if validating else self._train(batch)
        rewards: torch.Tensor = batches.at_last_tokens(data, found)
        if not return_dict:
            return rewards
        info = {key: [given.metrics[key] for given in found] for key in KEYS}
        return {"reward_tensor": rewards, "reward_extra_info": info}

    def _validate(self, batch: Iterable[RolloutRow]) -> list[RowReward]:
        groups = (group_of([row.sample]) for row in batch)
        return [row_rewards.of_validation(score) for score in self._scorer.score_many(groups)]

    def _train(self, batch: list[RolloutRow]) -> list[RowReward]:
        groups = batches.groups_of(batch, self._settings.group_size or 1)
        scores = self._scorer.score_many(batches.to_score(batch, groups))
        return batches.rewards_of(batch, groups, scores, self._neutral)

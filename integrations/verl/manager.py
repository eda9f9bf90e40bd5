"""`reward.reward_manager.name=empo`: the reward manager of verl 0.7.1 and later."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, NamedTuple

import ray
from verl import DataProto
from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase

from empo_rewards.integrations.verl import rows, settings, validation
from empo_rewards.integrations.verl.client import RewardClient
from empo_rewards.integrations.verl.row_rewards import RowReward
from empo_rewards.integrations.verl.rows import RolloutRow

log = logging.getLogger("empo_rewards")

BATCH_CALL = "compute_score_batch"
"""The method of verl's reward worker that receives a chunk of a batch; single rows come by another one.

verl tells a reward manager neither which of the two was called nor which chunk it is. Both are read from ray's runtime
context: where a batch is padded, its copies are known by their place in the whole batch only (see `batches`).
"""

WORKER_NAME = "reward_loop_worker_"
"""The name of verl's reward workers, which their number follows."""


class EMPORewardManager(RewardManagerBase):
    """Label-free rewards for training rows, accuracy for validation rows.

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
        if not self._run.exact:
            data = plain.get("data") or {}
            validation.check_declaration(
                self._run.settings.validation,
                validation.origins(data.get("train_files")),
                validation.origins(data.get("val_files")),
            )
        if self._run.neutral is None:
            log.warning(
                "the advantage estimator is not relative to the group: a row without a reward gets the running mean "
                "of the rewards (reward.reward_kwargs.neutral sets a constant)"
            )
        self._client = RewardClient(self._run)
        self._chunks: dict[str, _Chunk] = {}
        self._batches = 0

    async def run_single(self, data: DataProto) -> dict[str, object]:
        """The reward of one row (of the last one, where an agent loop made several outputs)."""
        item = data[-1]
        context = ray.get_runtime_context()
        if str(context.get_task_name()).endswith(BATCH_CALL):
            reward = await self._in_chunk(str(context.get_task_id()), item)
        else:
            row = await asyncio.to_thread(rows.of_item, item, self._tokenizer)
            covers = self._run.settings.validation.covers(row.origin)
            reward = await (self._client.validate(row) if covers else self._client.train(row))
        return reward.as_result()

    async def _in_chunk(self, call: str, item: Any) -> RowReward:
        """The reward of one row of a chunk. verl starts the rows of a call all at once, in the chunk's order."""
        chunk = self._chunks.get(call)
        if chunk is None:
            # The task first runs after all rows of the call, which were ready to run before it was created.
            chunk = self._chunks[call] = _Chunk([], asyncio.get_running_loop().create_task(self._score_chunk(call)))
        chunk.items.append(item)
        index = len(chunk.items) - 1
        rewards = await asyncio.shield(chunk.rewards)
        return rewards[index]

    async def _score_chunk(self, call: str) -> list[RowReward]:
        items = self._chunks.pop(call).items
        number, self._batches = self._batches, self._batches + 1
        worker = _worker_number()
        decoded = await asyncio.to_thread(lambda: [rows.of_item(item, self._tokenizer) for item in items])
        start = worker * len(items)
        training: dict[int, RolloutRow] = {}
        validating: dict[int, RolloutRow] = {}
        for position, row in enumerate(decoded, start):
            covers = self._run.settings.validation.covers(row.origin)
            (validating if covers else training)[position] = row
        found, checked = await asyncio.gather(
            self._client.train_batch(number, worker, training), self._client.validate_all(list(validating.values()))
        )
        found.update(zip(validating, checked, strict=True))
        return [found[position] for position in range(start, start + len(items))]


class _Chunk(NamedTuple):
    """The rows of one call to a reward worker, and the task that gives their rewards."""

    items: list[Any]
    rewards: asyncio.Task[list[RowReward]]


def _worker_number() -> int:
    """The number of this reward worker."""
    name = str(ray.get_runtime_context().get_actor_name())
    number = name.removeprefix(WORKER_NAME)
    if number == name or not number.isdigit():
        raise RuntimeError(f"this actor is called {name!r}, and not {WORKER_NAME}N as verl's reward workers are")
    return int(number)

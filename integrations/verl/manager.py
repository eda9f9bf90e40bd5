"""`reward.reward_manager.name=empo`: the reward manager of verl 0.7.1 and later."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import ray
from verl import DataProto
from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase

from empo_rewards.integrations.verl import phases, rows, settings
from empo_rewards.integrations.verl.client import Client
from empo_rewards.integrations.verl.rows import Row
from empo_rewards.integrations.verl.verdicts import Verdict

log = logging.getLogger("empo_rewards")

BATCH_CALL = "compute_score_batch"
"""The method of verl's reward worker that is handed a chunk of a batch; rows come one by one by another."""

WORKER_NAME = "reward_loop_worker_"
"""The name of verl's reward workers, before their number."""


class EMPORewardManager(RewardManagerBase):
    """Label-free rewards for training rows, accuracy for validation rows.

    Args:
        config: verl's configuration; see `settings.Settings` for what is ours.
        tokenizer: the policy's.
        compute_score, reward_router_address, reward_model_tokenizer: part of verl's interface, and not used.

    Raises:
        ConfigError: in one line, what is wrong with the configuration or with what it says of the data.
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
            phases.check(
                self._run.settings.validation,
                phases.origins(data.get("train_files")),
                phases.origins(data.get("val_files")),
            )
        if self._run.neutral is None:
            log.warning(
                "the advantage estimator is not relative to the group: a row without a reward gets the running mean of "
                "the rewards (reward.reward_kwargs.neutral sets a constant)"
            )
        self._client = Client(self._run)
        self._chunks: dict[str, _Chunk] = {}
        self._rounds = 0

    async def run_single(self, data: DataProto) -> dict[str, object]:
        """The reward of one row (the last, where an agent loop made several outputs)."""
        item = data[-1]
        context = ray.get_runtime_context()
        if str(context.get_task_name()).endswith(BATCH_CALL):
            verdict = await self._in_chunk(str(context.get_task_id()), item)
        else:
            row = await asyncio.to_thread(rows.of_item, item, self._tokenizer)
            covers = self._run.settings.validation.covers(row.origin)
            verdict = await (self._client.validate(row) if covers else self._client.train(row))
        return verdict.as_result()

    async def _in_chunk(self, call: str, item: Any) -> Verdict:
        """Join the rows of the same call. verl starts them all at once, in the chunk's order."""
        chunk = self._chunks.get(call)
        if chunk is None:
            chunk = self._chunks[call] = _Chunk()
            asyncio.get_running_loop().call_soon(self._close_chunk, call)
        index = chunk.add(item)
        verdicts = await asyncio.shield(chunk.done)
        return verdicts[index]

    def _close_chunk(self, call: str) -> None:
        """All rows of the chunk are here: they were ready to run when the first of them ran."""
        chunk = self._chunks.pop(call)
        number, self._rounds = self._rounds, self._rounds + 1
        task = asyncio.get_running_loop().create_task(self._score_chunk(number, chunk.items))
        chunk.follow(task)

    async def _score_chunk(self, number: int, items: list[Any]) -> list[Verdict]:
        worker = _worker_number()
        decoded = await asyncio.to_thread(lambda: [rows.of_item(item, self._tokenizer) for item in items])
        start = worker * len(items)
        training: dict[int, Row] = {}
        validating: dict[int, Row] = {}
        for position, row in enumerate(decoded, start):
            covers = self._run.settings.validation.covers(row.origin)
            (validating if covers else training)[position] = row
        found, checked = await asyncio.gather(
            self._client.train_round(number, worker, training), self._client.validate_all(list(validating.values()))
        )
        found.update(zip(validating, checked, strict=True))
        return [found[position] for position in range(start, start + len(items))]


class _Chunk:
    """The rows of one call, until the call's verdicts are there."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.done: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[list[Verdict]] | None = None

    def add(self, item: Any) -> int:
        """Take a row in; its index."""
        self.items.append(item)
        return len(self.items) - 1

    def follow(self, task: asyncio.Task[list[Verdict]]) -> None:
        """Give everybody what the task gives."""
        self.task = task
        task.add_done_callback(self._settle)

    def _settle(self, task: asyncio.Task[list[Verdict]]) -> None:
        if task.cancelled():
            self.done.cancel()
        elif (error := task.exception()) is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(task.result())


def _worker_number() -> int:
    """Which of verl's reward workers this is."""
    name = str(ray.get_runtime_context().get_actor_name())
    number = name.removeprefix(WORKER_NAME)
    if number == name or not number.isdigit():
        raise RuntimeError(f"this actor is called {name!r}, and not {WORKER_NAME}N as verl's reward workers are")
    return int(number)

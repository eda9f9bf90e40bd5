"""A worker's client: submits training rows to their group, and compares validation rows with their label."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from empo_rewards import Scorer
from empo_rewards.gather import Member
from empo_rewards.gather.samples import group_of
from empo_rewards.integrations.verl import row_rewards
from empo_rewards.integrations.verl.batches import Position
from empo_rewards.integrations.verl.row_rewards import RowReward
from empo_rewards.integrations.verl.rows import RolloutRow
from empo_rewards.integrations.verl.settings import RunSettings
from empo_rewards.integrations.verl.shards import Shards, UnreachableError, shard_of

log = logging.getLogger("empo_rewards")


class RewardClient:
    """The rewards of a run, for one process.

    Args:
        run: the settings. The scorer is made at once, so that a wrong configuration fails here and not at the first
            row.
    """

    def __init__(self, run: RunSettings) -> None:
        self.run = run
        self._scorer = Scorer(run.settings.scorer)
        self._shards = Shards(run)

    async def train(self, row: RolloutRow) -> RowReward:
        """Wait for the row's group."""
        try:
            reward: RowReward = await self._shards.call(self._shard(row), "submit", row)
        except UnreachableError as error:
            return self._unreachable(error)
        return reward

    async def train_batch(
        self, number: int, worker: int, rows: Mapping[Position, RolloutRow]
    ) -> dict[Position, RowReward]:
        """Submit this worker's chunk of a batch, to every shard: each waits for a message of every worker."""
        parts: list[dict[Position, RolloutRow]] = [{} for _ in range(self.run.shards)]
        for position, row in rows.items():
            parts[self._shard(row)][position] = row
        answers = await asyncio.gather(
            *(self._train_part(shard, number, worker, part) for shard, part in enumerate(parts))
        )
        return {position: reward for answer in answers for position, reward in answer.items()}

    async def validate(self, row: RolloutRow) -> RowReward:
        """Compare the row's answer with its label."""
        return row_rewards.of_validation(await self._scorer.ascore(group_of([row.sample])))

    async def validate_all(self, rows: Sequence[RolloutRow]) -> list[RowReward]:
        """`validate` for many rows."""
        return list(await asyncio.gather(*(self.validate(row) for row in rows)))

    async def forget(self, uid: str, member: Member | None, size: int) -> None:
        """Report a member of a group as lost."""
        try:
            await self._shards.call(shard_of(uid, self.run.shards), "forget", uid, member, size)
        except UnreachableError as error:
            log.error("group %r was not told of a loss: %s", uid, error)

    async def _train_part(
        self, shard: int, number: int, worker: int, rows: Mapping[Position, RolloutRow]
    ) -> dict[Position, RowReward]:
        try:
            answer: dict[Position, RowReward] = await self._shards.call(shard, "submit_batch", number, worker, rows)
        except UnreachableError as error:
            return dict.fromkeys(rows, self._unreachable(error))
        return answer

    def _shard(self, row: RolloutRow) -> int:
        return shard_of(row.sample.prompt if row.uid is None else row.uid, self.run.shards)

    def _unreachable(self, error: UnreachableError) -> RowReward:
        log.error("%s", error)
        return row_rewards.of_fault("unreachable", self.run.fallback)

"""What a worker does with its rows: a training row meets its group, a validation row is held against its label."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from empo_rewards import Group, Scorer
from empo_rewards.gather import Member
from empo_rewards.integrations.verl import verdicts
from empo_rewards.integrations.verl.rounds import Position
from empo_rewards.integrations.verl.rows import Row
from empo_rewards.integrations.verl.settings import Run
from empo_rewards.integrations.verl.shards import Shards, UnreachableError, shard_of
from empo_rewards.integrations.verl.verdicts import Verdict

log = logging.getLogger("empo_rewards")


class Client:
    """One process's way to the rewards of a run.

    Args:
        run: the settings. The scorer is made at once: a wrong configuration fails here and not at the first row.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._scorer = Scorer(run.settings.scorer)
        self._shards = Shards(run)

    async def train(self, row: Row) -> Verdict:
        """Wait for the row's group."""
        try:
            verdict: Verdict = await self._shards.call(self._shard(row), "submit", row)
        except UnreachableError as error:
            return self._unreachable(error)
        return verdict

    async def train_round(self, number: int, worker: int, rows: Mapping[Position, Row]) -> dict[Position, Verdict]:
        """Hand in this worker's part of a batch; every shard is told, as it waits to hear of every worker."""
        parts: list[dict[Position, Row]] = [{} for _ in range(self.run.shards)]
        for position, row in rows.items():
            parts[self._shard(row)][position] = row
        answers = await asyncio.gather(
            *(self._train_part(shard, number, worker, part) for shard, part in enumerate(parts))
        )
        return {position: verdict for answer in answers for position, verdict in answer.items()}

    async def validate(self, row: Row) -> Verdict:
        """Whether the row's answer is its label."""
        sample = row.sample
        score = await self._scorer.ascore(Group(sample.prompt, [sample.response], reference=sample.reference))
        return verdicts.of_validation(score)

    async def validate_all(self, rows: Sequence[Row]) -> list[Verdict]:
        """The same for many rows."""
        return list(await asyncio.gather(*(self.validate(row) for row in rows)))

    async def forget(self, uid: str, member: Member | None, size: int) -> None:
        """A member of a group will not come."""
        try:
            await self._shards.call(shard_of(uid, self.run.shards), "forget", uid, member, size)
        except UnreachableError as error:
            log.error("group %r was not told of a loss: %s", uid, error)

    async def _train_part(
        self, shard: int, number: int, worker: int, rows: Mapping[Position, Row]
    ) -> dict[Position, Verdict]:
        try:
            answer: dict[Position, Verdict] = await self._shards.call(shard, "submit_round", number, worker, rows)
        except UnreachableError as error:
            return dict.fromkeys(rows, self._unreachable(error))
        return answer

    def _shard(self, row: Row) -> int:
        return shard_of(row.sample.prompt if row.uid is None else row.uid, self.run.shards)

    def _unreachable(self, error: UnreachableError) -> Verdict:
        log.error("%s", error)
        return verdicts.of_fault("unreachable", self.run.fallback)

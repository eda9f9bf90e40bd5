"""The rendezvous actor: gathers and scores the groups of one shard."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

import ray

from empo_rewards import GroupScore, Scorer
from empo_rewards.gather import GatherError, GatherFullError, Member
from empo_rewards.gather.samples import NeutralReward, SampleScorer
from empo_rewards.integrations.verl import batches, row_rewards
from empo_rewards.integrations.verl.batches import GatheredBatch, GroupKey, PlannedGroup, Position
from empo_rewards.integrations.verl.row_rewards import RowReward
from empo_rewards.integrations.verl.rows import RolloutRow
from empo_rewards.integrations.verl.settings import RunSettings

log = logging.getLogger("empo_rewards")

REMEMBERED = 65_536
"""Groups whose `Advantage` is remembered for the estimator: 256 steps of 256 prompts on one shard."""

LEASE_SECONDS = 900.0
"""A shard ends when nobody has called it for so long: its run has ended."""


class Advantage(NamedTuple):
    """What the estimator `empo_grpo` needs of a group beside its rewards.

    Args:
        scale: factor of the advantages; 0 for a group without rewards.
        abstained: the number of members that the strategy gave no reward.
        neutral: the reward that these were given instead.
    """

    scale: float
    abstained: int
    neutral: float


class Rendezvous:
    """One shard. All of its methods run on one event loop; scoring does not.

    Args:
        run: the settings.
        lease_seconds: see `LEASE_SECONDS`.
    """

    def __init__(self, run: RunSettings, lease_seconds: float = LEASE_SECONDS) -> None:
        self._run = run
        self._lease_seconds = lease_seconds
        self._watch: asyncio.Task[None] | None = None
        self._called = 0.0
        self._scorer = Scorer(run.settings.scorer)
        self._neutral = NeutralReward(run.neutral)
        self._samples = SampleScorer(
            self._scorer.ascore,
            limits=run.settings.limits,
            neutral=self._neutral,
            reuse_keys=False,
        )
        self._batches: dict[int, GatheredBatch] = {}
        self._advantages: OrderedDict[str, Advantage] = OrderedDict()

    async def submit(self, row: RolloutRow) -> RowReward:
        """Wait for the row's group, and return the row's reward."""
        await self.renew()
        key = row.sample.prompt if row.uid is None else row.uid
        return await self._reward(row, key, row.member, row.size or self._run.group_size)

    async def submit_batch(
        self, number: int, worker: int, rows: Mapping[Position, RolloutRow]
    ) -> dict[Position, RowReward]:
        """Take in one worker's chunk of a batch, wait for those of the others, and return the rewards of its rows.

        Args:
            number: of the batch.
            worker: the worker's number.
            rows: those that belong to this shard (maybe none), by their position in the padded batch.
        """
        await self.renew()
        current = self._batches.setdefault(number, GatheredBatch(self._run.workers))
        current.add(worker, rows)
        if current.rewards is None:
            current.rewards = asyncio.get_running_loop().create_task(self._batch_rewards(number, current))
        settled = await asyncio.shield(current.rewards)
        return {position: settled[position] for position in rows}

    async def forget(self, uid: Hashable, member: Member | None, size: int | None) -> None:
        """Report a member as lost."""
        try:
            self._samples.forget(uid, member, size or self._run.group_size)
        except GatherFullError as error:  # then its group was refused too
            log.warning("%s", error)

    async def advantages(self, uids: Sequence[str]) -> dict[str, Advantage]:
        """The remembered `Advantage` of these groups."""
        return {uid: self._advantages[uid] for uid in uids if uid in self._advantages}

    async def stats(self) -> dict[str, object]:
        """The state of this shard, and a diagnosis of the set-up."""
        return {**asdict(self._samples.stats()), "diagnosis": self._samples.diagnosis(), "batches": len(self._batches)}

    async def renew(self) -> None:
        """Renew the lease."""
        loop = asyncio.get_running_loop()
        self._called = loop.time()
        if self._watch is None:
            self._watch = loop.create_task(self._end_after_lease())

    async def _end_after_lease(self) -> None:
        """End this actor when its lease has expired."""
        loop = asyncio.get_running_loop()
        while (left := self._called + self._lease_seconds - loop.time()) > 0:
            await asyncio.sleep(left)
        await self.close()
        ray.kill(ray.get_runtime_context().current_actor)

    async def close(self) -> None:
        """Release all waiting callers, and end the processes that scoring started."""
        await self._samples.close()
        self._scorer.close()

    async def _reward(self, row: RolloutRow, key: Hashable, member: Member | None, size: int) -> RowReward:
        try:
            result = await self._samples.submit(row.sample, key=key, member=member, size=size)
        except GatherError as error:
            # An exception would stop the trainer: the row is given the neutral value, and its metrics name the cause.
            cause = "refused" if isinstance(error, GatherFullError) else "failed"
            log.error("a row of group %s has no reward (%s): %s", key, cause, error)
            return row_rewards.of_fault(cause, self._run.fallback)
        self._remember(str(key), result.score)
        return row_rewards.of_sample_reward(result)

    async def _batch_rewards(self, number: int, current: GatheredBatch) -> Mapping[Position, RowReward]:
        """The rewards of a batch, once it is whole or its deadline has passed."""
        try:
            await asyncio.wait_for(current.whole.wait(), self._run.settings.idle_seconds)
        except asyncio.TimeoutError:
            log.warning("batch %d: messages of %d of %d workers", number, len(current.heard), current.workers)
        del self._batches[number]
        plan = batches.plan(current.rows, self._run.group_size, current.workers - 1)
        settled = await asyncio.gather(*(self._group_rewards(number, group, current.rows) for group in plan.groups))
        found = {position: reward for rewards in settled for position, reward in rewards.items()}
        found.update({copy: found[original] for copy, original in plan.copies.items()})
        return found

    async def _group_rewards(
        self, number: int, group: PlannedGroup, rows: Mapping[Position, RolloutRow]
    ) -> dict[Position, RowReward]:
        key = GroupKey(group.uid, number)
        waiting = [
            asyncio.ensure_future(self._reward(rows[position], key, position, group.size)) for position in group.members
        ]
        await asyncio.sleep(0)  # now they have entered
        for lost in range(group.size - len(group.members)):
            await self.forget(key, f"lost {lost}", group.size)
        return dict(zip(group.members, await asyncio.gather(*waiting), strict=True))

    def _remember(self, uid: str, score: GroupScore) -> None:
        """Keep what the advantage estimator will ask for."""
        given = [reward for reward in score.rewards if reward is not None]
        neutral = math.fsum(given) / len(given) if given else 0.0
        scale = score.advantage_scale if given else 0.0
        self._advantages[uid] = Advantage(scale, len(score.rewards) - len(given), neutral)
        while len(self._advantages) > REMEMBERED:
            self._advantages.popitem(last=False)

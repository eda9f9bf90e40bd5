"""What runs in a rendezvous actor: the groups of one shard gather here, and are scored."""

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
from empo_rewards.integrations.verl import rounds, verdicts
from empo_rewards.integrations.verl.rounds import GroupKey, Placed, Position, Round
from empo_rewards.integrations.verl.rows import Row
from empo_rewards.integrations.verl.settings import Run
from empo_rewards.integrations.verl.verdicts import Verdict

log = logging.getLogger("empo_rewards")

REMEMBERED = 65_536
"""Groups whose advantage is remembered for the estimator: 256 steps of 256 prompts on one shard."""

LEASE_SECONDS = 900.0
"""A shard that nobody has called for so long ends: its run has."""


class Advantage(NamedTuple):
    """What an advantage estimator needs of a group beside its rewards.

    Args:
        scale: the advantages are multiplied by it; 0 for a group without rewards.
        abstained: how many members the strategy gave no reward.
        neutral: what these were given instead.
    """

    scale: float
    abstained: int
    neutral: float


class Rendezvous:
    """One shard. All of its methods run on one event loop; scoring does not.

    Args:
        run: the settings.
        lease_seconds: it ends when nobody has called for so long.
    """

    def __init__(self, run: Run, lease_seconds: float = LEASE_SECONDS) -> None:
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
        self._rounds: dict[int, Round] = {}
        self._advantages: OrderedDict[str, Advantage] = OrderedDict()

    async def submit(self, row: Row) -> Verdict:
        """Wait for the row's group, and take its verdict."""
        await self.renew()
        key = row.sample.prompt if row.uid is None else row.uid
        return await self._paid(row, key, row.member, row.size or self._run.group_size)

    async def submit_round(self, number: int, worker: int, rows: Mapping[Position, Row]) -> dict[Position, Verdict]:
        """Take in one worker's part of a batch (maybe nothing), wait for the others', and give its verdicts.

        Args:
            number: counts the batches.
            worker: counts the workers.
            rows: those of this shard, by their place in the padded batch.
        """
        await self.renew()
        current = self._rounds.setdefault(number, Round(self._run.workers))
        current.hear(worker, rows)
        if current.verdict is None:
            current.verdict = asyncio.get_running_loop().create_task(self._settle(number, current))
        settled = await asyncio.shield(current.verdict)
        return {position: settled[position] for position in rows}

    async def forget(self, uid: Hashable, member: Member | None, size: int | None) -> None:
        """A member will not come."""
        try:
            self._samples.forget(uid, member, size or self._run.group_size)
        except GatherFullError as error:  # then its group cannot have been let in either
            log.warning("%s", error)

    async def advantages(self, uids: Sequence[str]) -> dict[str, Advantage]:
        """What is remembered of these groups."""
        return {uid: self._advantages[uid] for uid in uids if uid in self._advantages}

    async def stats(self) -> dict[str, object]:
        """The state of this shard, and what may be wrong with the set-up."""
        return {**asdict(self._samples.stats()), "diagnosis": self._samples.diagnosis(), "rounds": len(self._rounds)}

    async def renew(self) -> None:
        """Stay: somebody is there."""
        loop = asyncio.get_running_loop()
        self._called = loop.time()
        if self._watch is None:
            self._watch = loop.create_task(self._end_when_left())

    async def _end_when_left(self) -> None:
        """End this actor, for good, when its lease has run out."""
        loop = asyncio.get_running_loop()
        while (left := self._called + self._lease_seconds - loop.time()) > 0:
            await asyncio.sleep(left)
        await self.close()
        ray.kill(ray.get_runtime_context().current_actor)

    async def close(self) -> None:
        """Let everybody go and end the processes that scoring started."""
        await self._samples.close()
        self._scorer.close()

    async def _paid(self, row: Row, key: Hashable, member: Member | None, size: int) -> Verdict:
        try:
            result = await self._samples.submit(row.sample, key=key, member=member, size=size)
        except GatherError as error:
            # The boundary to a trainer that would stop here: the group has no reward, and its rows say so.
            cause = "refused" if isinstance(error, GatherFullError) else "failed"
            log.error("a row of group %s has no reward (%s): %s", key, cause, error)
            return verdicts.of_fault(cause, self._run.fallback)
        self._remember(str(key), result.score)
        return verdicts.of_sample_reward(result)

    async def _settle(self, number: int, current: Round) -> Mapping[Position, Verdict]:
        """All verdicts of a round, once it is whole or its deadline has passed."""
        try:
            await asyncio.wait_for(current.whole.wait(), self._run.settings.idle_seconds)
        except asyncio.TimeoutError:
            log.warning("batch %d: %d of %d workers were heard", number, len(current.heard), current.workers)
        del self._rounds[number]
        placement = rounds.place(current.rows, self._run.group_size, current.workers - 1)
        settled = await asyncio.gather(*(self._settle_group(number, group, current.rows) for group in placement.groups))
        found = {position: verdict for verdicts_ in settled for position, verdict in verdicts_.items()}
        found.update({copy: found[original] for copy, original in placement.copies.items()})
        return found

    async def _settle_group(self, number: int, group: Placed, rows: Mapping[Position, Row]) -> dict[Position, Verdict]:
        key = GroupKey(group.uid, number)
        waiting = [
            asyncio.ensure_future(self._paid(rows[position], key, position, group.size)) for position in group.members
        ]
        await asyncio.sleep(0)  # they have entered now
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

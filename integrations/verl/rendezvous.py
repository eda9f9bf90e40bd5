"""The rendezvous actor: gathers and scores the groups of one shard."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from empo_rewards import Group, GroupScore
from empo_rewards.gather import GatherError, GatherFullError, Member
from empo_rewards.gather.samples import NeutralReward, SampleScorer, group_of
from empo_rewards.integrations.verl import batches, row_rewards
from empo_rewards.integrations.verl.monitoring import MonitorFeed, scorer_without_monitor
from empo_rewards.integrations.verl.row_rewards import RowReward
from empo_rewards.integrations.verl.rows import RolloutRow
from empo_rewards.integrations.verl.settings import RunSettings

log = logging.getLogger("empo_rewards")

REMEMBERED = 65_536
"""Groups whose `Advantage` is remembered for the estimator: 256 steps of 256 prompts on one shard."""


class Advantage(NamedTuple):
    """What the estimator `empo_grpo` needs of a group beside its rewards.

    Args:
        scale: factor of the advantages; 0 for a group without rewards.
        abstained: the number of members that are trained on and that the strategy gave no reward.
        neutral: the reward that these were given instead.
        shift: what is added to the advantages of the members that are trained on.
        vote: the reward of the members that only voted, which no other has; None: there are none.
    """

    scale: float
    abstained: int
    neutral: float
    shift: float = 0.0
    vote: float | None = None


class Rendezvous:
    """One shard. All of its methods run on one event loop; scoring does not.

    Args:
        run: the settings.
        monitor: the actor of the run's monitor; None: it has none.
    """

    def __init__(self, run: RunSettings, monitor: Any = None) -> None:
        self._run = run
        self._scorer = scorer_without_monitor(run.settings.scorer)
        self._monitor = None if monitor is None else MonitorFeed(monitor)
        self._neutral = NeutralReward(run.neutral)
        limits = run.settings.limits
        self._samples = SampleScorer(self._score, limits=limits, neutral=self._neutral, reuse_keys=False)
        # Groups of validation rows, for the monitor alone.
        self._validated = SampleScorer(self._score, limits=limits, reuse_keys=False)
        self._watching: set[asyncio.Task[None]] = set()
        self._advantages: OrderedDict[str, Advantage] = OrderedDict()

    async def submit(self, rows: Sequence[RolloutRow]) -> list[RowReward]:
        """Wait for the group of each of these rows, and return their rewards."""
        return list(await asyncio.gather(*map(self._reward, rows)))

    async def score(self, rows: Sequence[RolloutRow]) -> list[RowReward]:
        """The rewards of the rows of a batch that has all members of its groups: nothing is waited for."""
        groups = batches.groups_of(rows, self._run.group_size)
        scores = await self._scores(batches.to_score(rows, groups), observed=True)
        for group, score in zip(groups, scores, strict=True):
            self._remember(group.uid, score)
        return batches.rewards_of(rows, groups, scores, self._neutral)

    async def validate(self, rows: Sequence[RolloutRow]) -> list[RowReward]:
        """Compare the answer of each row with its label; the monitor gets the groups of those that have a size."""
        if self._monitor is not None:
            tasks = {asyncio.ensure_future(self._watch(row)) for row in rows if row.uid is not None and row.size}
            self._watching |= tasks
            for task in tasks:
                task.add_done_callback(self._watching.discard)
        return [row_rewards.of_validation(score) for score in await self._scores(group_of([r.sample]) for r in rows)]

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
        return {**asdict(self._samples.stats()), "diagnosis": self._samples.diagnosis()}

    async def _scores(self, groups: Iterable[Group], observed: bool = False) -> list[GroupScore]:
        pairs = await asyncio.to_thread(lambda: list(self._scorer.score_many(groups, with_groups=True)))
        if not observed:
            return [score for _, score in pairs]
        return list(await asyncio.gather(*(self._observed(group, score) for group, score in pairs)))

    async def _score(self, group: Group) -> GroupScore:
        return await self._observed(group, await self._scorer.ascore(group))

    async def _observed(self, group: Group, score: GroupScore) -> GroupScore:
        return score if self._monitor is None else await self._monitor.observed(group, score)

    async def _watch(self, row: RolloutRow) -> None:
        """Let the monitor see the group of a validation row, whose own reward does not wait for it."""
        try:
            await self._validated.submit(row.sample, key=row.uid, member=row.member, size=row.size)
        except GatherError as error:
            log.warning("the monitor has missed a row of the validation group %s: %s", row.uid, error)

    async def _reward(self, row: RolloutRow) -> RowReward:
        key = row.sample.prompt if row.uid is None else row.uid
        size = row.size or self._run.group_size
        try:
            result = await self._samples.submit(row.sample, key=key, member=row.member, size=size)
        except GatherError as error:
            # An exception would stop the trainer: the row is given the neutral value, and its metrics name the cause.
            cause = "refused" if isinstance(error, GatherFullError) else "failed"
            log.error("a row of group %s has no reward (%s): %s", key, cause, error)
            return row_rewards.of_fault(cause, self._run.fallback)
        self._remember(str(key), result.score)
        return row_rewards.of_sample_reward(result)

    def _remember(self, uid: str, score: GroupScore) -> None:
        """Keep what the advantage estimator will ask for."""
        given = [reward for reward in score.rewards if reward is not None]
        neutral = math.fsum(given) / len(given) if given else 0.0
        trained = score.size if score.trained is None else sum(score.trained)
        vote = row_rewards.vote_reward(neutral, score) if row_rewards.votes_are_told_apart(score) else None
        scale, shift = (score.advantage_scale, score.advantage_shift) if given else (0.0, 0.0)
        self._advantages[uid] = Advantage(scale, trained - len(given), neutral, shift, vote)
        while len(self._advantages) > REMEMBERED:
            self._advantages.popitem(last=False)

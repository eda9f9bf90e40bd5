"""Rewards in OpenRLHF's words: `rewards`, `scores` and `extra_logs` for one sample of a group."""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable
from dataclasses import dataclass, replace

from empo_rewards.config import Source
from empo_rewards.errors import ConfigError
from empo_rewards.gather import GatherLimits, Member
from empo_rewards.gather.samples import LOG_PREFIX, NeutralReward, Sample, SampleReward, SampleScorer
from empo_rewards.integrations.openrlhf.settings import Settings
from empo_rewards.scorer import Scorer

log = logging.getLogger("empo_rewards")


@dataclass(frozen=True)
class Reply:
    """What OpenRLHF is told about one sample.

    Args:
        reward: what it trains on, and the mean of which it reports for an evaluation.
        score: what its dynamic filtering sees.
        logs: numbers; the same keys for every sample, none of them NaN, because OpenRLHF averages them over a batch.
    """

    reward: float
    score: float
    logs: dict[str, float]


class GroupRewards:
    """Pays the samples of one engine; belongs to one event loop, which scoring does not block.

    Args:
        settings: of this engine.
        limits: how long and how much is waited for, where the settings do not say.

    Raises:
        ConfigError, PluginError, MissingExtraError: the scorer cannot be built.
    """

    def __init__(self, settings: Settings, limits: GatherLimits) -> None:
        config: Source = settings.config
        self._settings = settings
        self._has_warned = False
        limits = replace(limits, **settings.limits)
        self._scorer = Scorer(config)
        # Two of them, so that the mean reward of training is not mixed with that of evaluation.
        self._training, self._evaluation = (
            SampleScorer(self._scorer.ascore, settings.group_size, limits, neutral=NeutralReward(settings.neutral))
            for _ in range(2)
        )
        log.info("empo_rewards: %s, %s", settings, limits)

    async def reward(
        self, sample: Sample, key: Hashable = None, member: Member | None = None, size: int | None = None
    ) -> Reply:
        """Wait for the sample's group, and say what it is worth (see `SampleScorer.submit`)."""
        is_evaluation = self._is_evaluation(size)
        rendezvous = self._evaluation if is_evaluation else self._training
        result = await rendezvous.submit(sample, key=key, member=member, size=size)
        return reply(result, scores=self._settings.scores, by_label=is_evaluation and sample.reference is not None)

    def check_size(self, size: int) -> None:
        """Refuse a group that is neither of training nor of evaluation, where both sizes are known.

        Raises:
            ConfigError: the settings do not fit the trainer's, or its samples come otherwise than they should.
        """
        known = (self._settings.group_size, self._settings.evaluation_size)
        if None not in known and size not in known:
            raise ConfigError(
                f"a group has {size} samples, but EMPO_REWARDS_GROUP_SIZE is {known[0]} and "
                f"EMPO_REWARDS_EVALUATION_SIZE is {known[1]}: set them to the trainer's samples per prompt"
            )
        if size == 1 and known[1] != 1 and not self._has_warned:
            self._has_warned = True
            log.warning("a group of one sample: it agrees with itself, and is no signal; is n_samples_per_prompt set?")

    def forget(self, key: Hashable, member: Member, size: int) -> None:
        """Say that a sample will not come."""
        (self._evaluation if self._is_evaluation(size) else self._training).forget(key, member, size)

    async def close(self) -> None:
        """Let everyone go who waits, and end the scorer's processes."""
        await self._training.close()
        await self._evaluation.close()
        self._scorer.close()

    def _is_evaluation(self, size: int | None) -> bool:
        return size is not None and size == self._settings.evaluation_size


def reply(result: SampleReward, *, scores: str, by_label: bool) -> Reply:
    """A sample reward in OpenRLHF's words.

    Args:
        result: what the sample was given.
        scores: as in `Settings`.
        by_label: the sample belongs to an evaluation and has a label: its reward is its accuracy, and NaN where that
            is not known: a fault must not look like a wrong answer.
    """
    accuracy = None if result.correct is None else float(result.correct)
    reward = result.reward
    if by_label:
        reward = math.nan if accuracy is None else accuracy
    score = accuracy if accuracy is not None and scores == "accuracy" else reward
    # 0 for what a group has none of: mean(accuracy) / mean(labelled) is the accuracy of those that have a label.
    logs = result.metrics(absent=0.0)
    return Reply(reward, score, {LOG_PREFIX + name: value for name, value in logs.items()})

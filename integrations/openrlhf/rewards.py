"""Rewards in OpenRLHF's format: `rewards`, `scores` and `extra_logs` for each sample."""

from __future__ import annotations

import logging
import math
from collections.abc import Hashable
from dataclasses import dataclass, replace

from empo_rewards.config import Source
from empo_rewards.errors import ConfigError
from empo_rewards.gather import GatherLimits, Member
from empo_rewards.gather.samples import LOG_PREFIX, NeutralReward, Sample, SampleReward, SampleScorer
from empo_rewards.integrations.openrlhf.settings import OpenRLHFSettings
from empo_rewards.scorer import Scorer

log = logging.getLogger("empo_rewards")


@dataclass(frozen=True)
class OpenRLHFReward:
    """The result for one sample.

    Args:
        reward: what OpenRLHF trains on; the mean is reported for an evaluation.
        score: what its dynamic filtering sees.
        logs: metrics; the same keys for every sample and no NaN, because OpenRLHF averages them over a batch.
    """

    reward: float
    score: float
    logs: dict[str, float]


class GroupRewards:
    """Rewards the samples of one engine; belongs to one event loop, which scoring does not block.

    Args:
        settings: of this engine.
        limits: deadlines and bounds, where the settings have none.

    Raises:
        ConfigError, PluginError, MissingExtraError: the scorer cannot be built.
    """

    def __init__(self, settings: OpenRLHFSettings, limits: GatherLimits) -> None:
        config: Source = settings.config
        self._settings = settings
        self._has_warned = False
        limits = replace(limits, **settings.limits)
        self._scorer = Scorer(config)
        self._scorer.warn_of_lost_scales("OpenRLHF")
        # Two, so that the mean reward of training is not mixed with that of evaluation.
        self._training, self._evaluation = (
            SampleScorer(self._scorer.ascore, settings.group_size, limits, neutral=NeutralReward(settings.neutral))
            for _ in range(2)
        )
        log.info("empo_rewards: %s, %s", settings, limits)

    async def reward(
        self, sample: Sample, key: Hashable = None, member: Member | None = None, size: int | None = None
    ) -> OpenRLHFReward:
        """Wait for the sample's group (see `SampleScorer.submit`)."""
        is_evaluation = self._is_evaluation(size)
        rendezvous = self._evaluation if is_evaluation else self._training
        result = await rendezvous.submit(sample, key=key, member=member, size=size)
        return in_openrlhf_format(
            result, scores=self._settings.scores, by_label=is_evaluation and sample.reference is not None
        )

    def check_size(self, size: int) -> None:
        """Check that a group has the size of training or of evaluation, where both are known.

        Raises:
            ConfigError: it has neither: the settings do not fit the trainer's.
        """
        known = (self._settings.group_size, self._settings.evaluation_size)
        if None not in known and size not in known:
            raise ConfigError(
                f"a group has {size} samples, but EMPO_REWARDS_GROUP_SIZE is {known[0]} and "
                f"EMPO_REWARDS_EVALUATION_SIZE is {known[1]}: set them to the trainer's samples per prompt"
            )
        if size == 1 and known[1] != 1 and not self._has_warned:
            self._has_warned = True
            log.warning("a group of one sample has no signal; is n_samples_per_prompt set?")

    def forget(self, key: Hashable, member: Member, size: int) -> None:
        """Report a sample that will not come."""
        (self._evaluation if self._is_evaluation(size) else self._training).forget(key, member, size)

    async def close(self) -> None:
        """Release all waiting callers, and end the scorer's processes."""
        await self._training.close()
        await self._evaluation.close()
        self._scorer.close()

    def _is_evaluation(self, size: int | None) -> bool:
        return size is not None and size == self._settings.evaluation_size


def in_openrlhf_format(result: SampleReward, *, scores: str, by_label: bool) -> OpenRLHFReward:
    """A sample reward in OpenRLHF's format.

    Args:
        result: of the sample.
        scores: as in `Settings`.
        by_label: the sample belongs to an evaluation and has a label: its reward is its accuracy, NaN where that is not
            known, because a fault must not look like a wrong answer.
    """
    accuracy = None if result.correct is None else float(result.correct)
    reward = result.reward
    if by_label:
        reward = math.nan if accuracy is None else accuracy
    score = accuracy if accuracy is not None and scores == "accuracy" else reward
    # 0 stands for a missing metric: mean(accuracy) / mean(labelled) is the accuracy over labelled samples.
    logs = result.metrics(absent=0.0)
    return OpenRLHFReward(reward, score, {LOG_PREFIX + name: value for name, value in logs.items()})

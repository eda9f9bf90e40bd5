"""The reward function of TRL's trainers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from empo_rewards.config import ScorerConfig, Source
from empo_rewards.gather.samples import NeutralReward, mean_metrics, sample_rewards
from empo_rewards.group import Group, GroupScore
from empo_rewards.integrations.trl import batch
from empo_rewards.integrations.trl.batch import Completion, Prompt
from empo_rewards.integrations.trl.ranks import gather, ranks
from empo_rewards.scorer import Scorer

log = logging.getLogger("empo_rewards")

LogProbs = Callable[[Sequence[Prompt], Mapping[str, Any]], Sequence[Sequence[float] | None]]
LogMetric = Callable[[str, float], None]
LogExtra = Callable[[str, list[str]], None]

# Collectives must be called in the same order on all ranks, over all rewards of a process. The calls on an event loop
# take turns in the order in which they started, which is the same on all ranks.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class _RankShare(NamedTuple):
    """This rank's share of a batch.

    Args:
        groups: those that this rank scores.
        size: of each group.
        start, stop: the range of this rank's completions among those of all ranks.
    """

    groups: list[Group]
    size: int
    start: int
    stop: int


class _GroupResult(NamedTuple):
    """The rewards of one group (None: no reward), its metrics, and the details of its completions."""

    rewards: tuple[float | None, ...]
    metrics: dict[str, float]
    details: tuple[dict[str, str], ...]


class EMPOReward:
    """Label-free group rewards for `reward_funcs=`; the same numbers as scoring each group offline.

    A trainer calls it on each rank with that rank's part of the batch. The parts are gathered, each group is scored by
    one rank, and each rank returns its own rewards; so every rank must call it, as TRL does. A response without a
    reward gets None: TRL gives it the advantage 0 and leaves it out of its group's mean and deviation.

    It can be pickled. `async_empo` is the same reward for trainers that run several at once.

    Args:
        config: a preset's name, the path of a YAML file, or a mapping (docs/configuration.md).
        reference: the column of gold answers, used for metrics only; batches without it are unlabelled.
        group_size: completions per prompt, for trainers that do not pass TRL's `log_metric`.
        logprobs: for strategies that need the log-probabilities of the sampled tokens, which TRL does not pass: called
            with the prompts and the trainer's other arguments (`completion_ids` among them), gives each completion's.
        name: under which TRL logs the reward; `NAME/` is the prefix of its metrics.
        plugins: see `Scorer`.

    Raises:
        ConfigError, PluginError, MissingExtraError: the scorer cannot be built.
    """

    def __init__(
        self,
        config: Source | ScorerConfig = "empo-math",
        *,
        reference: str | None = None,
        group_size: int | None = None,
        logprobs: LogProbs | None = None,
        name: str = "empo",
        plugins: Sequence[object] = (),
    ) -> None:
        self.__name__ = name  # by which TRL names a reward
        self._scorer = Scorer(config, plugins=plugins)
        self._scorer.warn_of_lost_scales("TRL")
        self._reference, self._group_size, self._logprobs = reference, group_size, logprobs
        self._has_warned = False
        self._causes: set[str] = set()

    def __call__(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[Completion],
        *,
        trainer_state: Any = None,
        log_metric: LogMetric | None = None,
        log_extra: LogExtra | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """The rewards of this rank's completions, in order.

        Args:
            prompts, completions: texts, or lists of messages; the same prompt for each completion of a group.
            trainer_state: names the groups in the log.
            log_metric: TRL's; the group sizes are found by it, and metrics are logged with it.
            log_extra: TRL's; the table of completions gets each one's answer, cluster, share and cause.
            columns: those of the data set, and other arguments of the trainer; `reference` is looked up here.

        Raises:
            ConfigError: the group size is unknown.
            GroupError: the completions of all ranks are no whole groups, or a label is no text, number, or list of
                them.
        """
        share = self._receive(prompts, completions, trainer_state, log_metric, columns)
        return self._share(share, list(self._scorer.score_many(share.groups)), log_metric, log_extra)

    async def async_empo(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[Completion],
        *,
        trainer_state: Any = None,
        log_metric: LogMetric | None = None,
        log_extra: LogExtra | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """`__call__` for use beside other asynchronous rewards: `reward_funcs=[judge, EMPOReward(...).async_empo]`.

        Instances of this class take turns at gathering across ranks. Another reward that gathers across ranks after its
        first `await` must not be used beside it.
        """
        async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            share = self._receive(prompts, completions, trainer_state, log_metric, columns)
            scores = await asyncio.to_thread(list, self._scorer.score_many(share.groups))
            return self._share(share, scores, log_metric, log_extra)

    def close(self) -> None:
        """End the processes that scoring started; they also end with this process."""
        self._scorer.close()

    def _receive(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[Completion],
        trainer_state: Any,
        log_metric: LogMetric | None,
        columns: dict[str, Any],
    ) -> _RankShare:
        """Gather the batch of all ranks, and take this rank's share of its groups."""
        size = batch.check_size(batch.told_size(log_metric), self._group_size)
        logprobs = None if self._logprobs is None else self._logprobs(prompts, columns)
        parts = gather(batch.samples(prompts, completions, self._labels(columns), logprobs))
        step = None if trainer_state is None else trainer_state.global_step
        groups = batch.groups([sample for part in parts for sample in part], size, step)
        rank, world_size = ranks()
        start = sum(map(len, parts[:rank]))
        return _RankShare(groups[rank::world_size], size, start, start + len(parts[rank]))

    def _labels(self, columns: dict[str, Any]) -> Sequence[object] | None:
        """The column of gold answers, or None: a training set may lack what an evaluation set has."""
        if self._reference is None:
            return None
        if self._reference not in columns and not self._has_warned:
            self._has_warned = True
            log.warning("a batch has no column %r, so no accuracy is logged: %s", self._reference, ", ".join(columns))
        return columns.get(self._reference)

    def _share(
        self, share: _RankShare, scores: Sequence[GroupScore], log_metric: LogMetric | None, log_extra: LogExtra | None
    ) -> list[float | None]:
        """Exchange the results of all ranks, and return the rewards of this rank's completions."""
        parts = gather([_result(score) for score in scores])
        results = [parts[i % len(parts)][i // len(parts)] for i in range(sum(map(len, parts)))]
        if log_metric is not None:
            self._log(mean_metrics(result.metrics for result in results), log_metric)
        own = [divmod(i, share.size) for i in range(share.start, share.stop)]
        if log_extra is not None:
            details = [results[group].details[member] for group, member in own]
            for name in details[0] if details else ():
                log_extra(f"{self.__name__}/{name}", [row[name] for row in details])
        return [results[group].rewards[member] for group, member in own]

    def _log(self, metrics: dict[str, float], log_metric: LogMetric) -> None:
        """Log the means over the batch of all ranks; TRL's mean over ranks does not change them.

        The share of each cause of unscored groups is logged from its first occurrence on: most never occur.
        """
        self._causes.update(name for name, value in metrics.items() if name.startswith("unscored/") and value > 0)
        for name, value in metrics.items():
            if not name.startswith("unscored/") or name in self._causes:
                log_metric(f"{self.__name__}/{name}", value)


def _result(score: GroupScore) -> _GroupResult:
    given = sample_rewards(score, NeutralReward())
    details = tuple(result.details() for result in given)
    return _GroupResult(score.rewards, mean_metrics(result.metrics() for result in given), details)

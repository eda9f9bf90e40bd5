"""The reward function of TRL's trainers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
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

LogMetric = Callable[[str, float], None]

# Collectives must be called in the same order on all ranks, which is the order of the process, not of one reward. The
# calls of an event loop take their turns in the order in which they started; that is the same everywhere.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class _Task(NamedTuple):
    """One batch of the world.

    Args:
        mine: the groups that this rank scores.
        size: of each group.
        start, stop: where the completions of this rank stand among those of all ranks.
    """

    mine: list[Group]
    size: int
    start: int
    stop: int


class _Result(NamedTuple):
    """What becomes of one group: a reward or None for each member, and numbers for the log."""

    rewards: tuple[float | None, ...]
    metrics: dict[str, float]


class EMPOReward:
    """Group rewards for `reward_funcs=`: label-free, and the same numbers as scoring each group offline.

    A trainer calls it on each rank with that rank's part of the batch. The parts are gathered, each group is scored
    once in the world, and each rank returns its own rewards; so every rank must call it, as TRL does. A response
    without a reward gets None: TRL gives it the advantage 0 and leaves it out of its group's mean and deviation.

    It pickles, and `async_empo` is the same reward for trainers that run several at once.

    Args:
        config: a preset's name, the path of a YAML file, or a mapping (docs/configuration.md).
        reference: the column of gold answers, for metrics only; batches without it are unlabelled.
        group_size: completions of a prompt, for trainers that do not pass TRL's `log_metric`; TRL's own tell it.
        name: under which TRL logs the reward; `NAME/` stands before its metrics.
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
        name: str = "empo",
        plugins: Sequence[object] = (),
    ) -> None:
        self.__name__ = name  # TRL names a reward so
        self._scorer = Scorer(config, plugins=plugins)
        self._reference, self._group_size = reference, group_size
        self._has_warned = False
        self._causes: set[str] = set()

    def __call__(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[Completion],
        *,
        trainer_state: Any = None,
        log_metric: LogMetric | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """The rewards of this rank's completions, in order.

        Args:
            prompts, completions: texts, or lists of messages; the same prompt for each completion of a group.
            trainer_state: names the groups in the log.
            log_metric: TRL's; where the group sizes are found, and where the metrics go.
            columns: those of the data set, and what else a trainer passes; `reference` is looked up here.

        Raises:
            ConfigError: the group size is not known.
            GroupError: the completions of all ranks are no whole groups.
            InputError: a label is neither a text nor a number.
        """
        task = self._receive(prompts, completions, trainer_state, log_metric, columns)
        return self._share(task, list(self._scorer.score_many(task.mine)), log_metric)

    async def async_empo(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[Completion],
        *,
        trainer_state: Any = None,
        log_metric: LogMetric | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """The same, while other asynchronous rewards go on: `reward_funcs=[judge, EMPOReward(...).async_empo]`.

        Rewards that gather across ranks take turns; one of your own that does so after its first `await` must not stand
        beside it.
        """
        async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            task = self._receive(prompts, completions, trainer_state, log_metric, columns)
            scores = await asyncio.to_thread(list, self._scorer.score_many(task.mine))
            return self._share(task, scores, log_metric)

    def close(self) -> None:
        """End the processes that scoring started; they also end with this one."""
        self._scorer.close()

    def _receive(
        self,
        prompts: Sequence[Prompt],
        completions: Sequence[Completion],
        trainer_state: Any,
        log_metric: LogMetric | None,
        columns: dict[str, Any],
    ) -> _Task:
        """Gather the batch, and take this rank's share of its groups."""
        size = batch.check_size(batch.told_size(log_metric), self._group_size)
        parts = gather(batch.rows(prompts, completions, self._labels(columns)))
        name = "batch" if trainer_state is None else f"step {trainer_state.global_step}"
        groups = batch.groups([row for part in parts for row in part], size, name)
        rank, world_size = ranks()
        start = sum(map(len, parts[:rank]))
        return _Task(groups[rank::world_size], size, start, start + len(parts[rank]))

    def _labels(self, columns: dict[str, Any]) -> Sequence[object] | None:
        """The column of gold answers: a training set may lack what an evaluation's has."""
        if self._reference is None:
            return None
        if self._reference not in columns and not self._has_warned:
            self._has_warned = True
            log.warning("a batch has no column %r, so no accuracy is logged: %s", self._reference, ", ".join(columns))
        return columns.get(self._reference)

    def _share(self, task: _Task, scores: Sequence[GroupScore], log_metric: LogMetric | None) -> list[float | None]:
        """Hand out what each rank found, and take this rank's own."""
        parts = gather([_result(score) for score in scores])
        results = [parts[i % len(parts)][i // len(parts)] for i in range(sum(map(len, parts)))]
        if log_metric is not None:
            self._log(mean_metrics(result.metrics for result in results), log_metric)
        return [results[i // task.size].rewards[i % task.size] for i in range(task.start, task.stop)]

    def _log(self, metrics: dict[str, float], log_metric: LogMetric) -> None:
        """Log the means over the batch: the same on each rank, so that TRL's mean over ranks does not change them.

        Why groups are unscored is logged from a cause's first occurrence on: most never occur.
        """
        self._causes.update(name for name, value in metrics.items() if name.startswith("unscored/") and value > 0)
        for name, value in metrics.items():
            if not name.startswith("unscored/") or name in self._causes:
                log_metric(f"{self.__name__}/{name}", value)


def _result(score: GroupScore) -> _Result:
    given = sample_rewards(score, NeutralReward())
    return _Result(score.rewards, mean_metrics(result.metrics() for result in given))

"""The stages on Ray Data: rows to groups, groups to scores in a pool of actors that keep their models and caches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.data import Dataset

from empo_rewards.config import ScorerConfig
from empo_rewards.errors import ConfigError
from empo_rewards.integrations.ray.tables import LOCATED, SCORES, located_of, located_row, score_row, table_of
from empo_rewards.reading import Located, ReadGroup, ReadOptions, Rejected
from empo_rewards.reading.containers import RawRow
from empo_rewards.reading.rollouts import Member, Piece, located_in
from empo_rewards.scorer import Scorer

GROUPS = 64
"""Groups that an actor scores at once."""

DATASET = "dataset"
"""What stands for the file's name in messages about rows of a dataset."""

Settings = str | Path | Mapping[str, Any] | ScorerConfig


def score_dataset(
    rows: Dataset,
    config: Settings = "empo-math",
    *,
    key: str | list[str] | None = None,
    group_size: int | None = None,
    reading: ReadOptions | None = None,
    actors: int = 1,
    actor_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """The scores of the groups in a dataset; lazy, as all of Ray Data.

    Args:
        rows: rollouts, in any of the forms that `score` reads.
        config: of the scorer.
        key: the column, or columns, whose values rows of one response share that make a group. None: each row holds a
            whole group.
        group_size: how many responses make a group; a group with fewer is incomplete.
        reading: how rows become groups, beyond `group_size`.
        actors: how many actors score; each has a scorer of its own.
        actor_options: of Ray for each actor (`num_gpus`, `num_cpus`, ...). By default each reserves one CPU, or less
            where the cluster has no two more; on one that grows, say `num_cpus`.

    Returns:
        A row for each group, with the fields of `GroupScore`; and one for each row that cannot be read, of which
        `rejected` says why (null in all others).
    """
    options = reading or ReadOptions(group_size=group_size)
    if reading is not None and group_size is not None:
        raise ConfigError("group_size is one of the reading's options: give it there")
    if options.limit is not None:
        raise ConfigError("a limit is for one process; use the dataset's own: rows.limit(N)")
    if key is None:
        located = rows.map_batches(partial(_whole_groups, reading=options), batch_format="pyarrow")
    else:
        located = rows.groupby(key).map_groups(partial(_groups_of_a_key, reading=options), batch_format="pyarrow")
    return scored(located, config, actors, actor_options)


def scored(located: Dataset, config: Settings, actors: int, actor_options: Mapping[str, Any] | None = None) -> Dataset:
    """The scores of located groups."""
    return located.map_batches(
        ScoringActor,
        fn_constructor_args=(config,),
        batch_size=GROUPS,
        batch_format="pyarrow",
        concurrency=actors,
        **{"num_cpus": _cpus_of_an_actor(actors), **(actor_options or {})},
    )


def _cpus_of_an_actor(actors: int) -> float:
    """The CPUs that each actor reserves: 1, or less, so that two CPUs of the cluster are left to read, shuffle, write.

    Actors keep what they reserve: with all CPUs taken, the tasks that feed them would never begin.
    """
    left = ray.cluster_resources().get("CPU", 0.0) - 2
    return min(1.0, max(0.0, left / actors))


class ScoringActor:
    """An actor with a scorer, which keeps its models and caches from batch to batch."""

    def __init__(self, config: Settings) -> None:
        self._scorer = Scorer(config)

    def __call__(self, batch: Any) -> Any:
        """Score the groups of a batch; bad rows pass."""
        items = [located_of(row) for row in batch.to_pylist()]
        groups = [item for item in items if isinstance(item, ReadGroup)]
        scores = self._scorer.score_many((item.group for item in groups), batch_size=GROUPS)
        rows = [score_row(score, item) for score, item in zip(scores, groups, strict=True)]
        return table_of([*rows, *(located_row(item) for item in items if isinstance(item, Rejected))], SCORES)


def _raw_rows(table: Any) -> Iterator[RawRow]:
    for value in table.to_pylist():
        yield RawRow(0, {name: cell for name, cell in value.items() if cell is not None}, partial(str, value))


def _whole_groups(table: Any, reading: ReadOptions) -> Any:
    """The groups of rows each of which holds one."""

    def items() -> Iterator[Located]:
        for item in Piece(DATASET, partial(_raw_rows, table)).located(reading):
            if isinstance(item, ReadGroup | Rejected):
                yield item
            elif isinstance(item, Member) and item.is_row:
                yield Rejected(0, "the row has one response: key=COLUMN says which rows make a group", DATASET)

    return table_of(map(located_row, items()), LOCATED)


def _groups_of_a_key(table: Any, reading: ReadOptions) -> Any:
    """The groups of rows that share a key."""
    return table_of(
        map(located_row, located_in(DATASET, [Piece(DATASET, partial(_raw_rows, table))], reading)), LOCATED
    )

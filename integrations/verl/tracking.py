"""EMPO's numbers of a training step in verl's tracking, and its details in verl's rollout dumps.

Each row carries its metrics and details in `reward_extra_info`. verl's v0-style trainers (v0, one-step-off, fully
asynchronous) keep them in the batch and dump them, but log none; the v1 trainer leaves them in its queue. So the
functions in which verl computes the metrics of a step are wrapped (see `trainer_hooks`): what they return has the means
over the rows of the batch beside `critic/*`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from empo_rewards.gather.samples import LOG_PREFIX, mean_metrics
from empo_rewards.integrations.verl.row_rewards import DETAILS, KEYS

ALARM = "monitor/alarm"
"""Of this metric a step has the largest value: the first row after the alarm has it."""

Info = Mapping[str, Any]
"""The `reward_extra_info` of a row."""


def step_metrics(rows: Iterable[Info]) -> dict[str, float]:
    """The numbers of a step for verl's tracking, under `empo/`: the mean over the rows that have the number.

    Args:
        rows: of the step's batch; those that this adapter did not reward are left out.
    """
    ours = [{key: _number(row.get(key)) for key in KEYS} for row in rows if row.get("scored") is not None]
    means = mean_metrics(ours)
    if ALARM in means:
        means[ALARM] = float(np.nanmax([row[ALARM] for row in ours]))
    return {LOG_PREFIX + name: value for name, value in means.items()}


def columns(rows: Sequence[Info]) -> dict[str, list[Any]]:
    """The metrics and details of rows, for a dump: a list with a value for each row under each key."""
    return {key: [row.get(key) for row in rows] for key in (*KEYS, *DETAILS)}


def batch_rows(fields: Mapping[str, Any]) -> list[Info]:
    """The rows of a v0 batch, from its non-tensor fields; none where this adapter did not reward it."""
    found = {key: fields[key] for key in KEYS if key in fields}
    return [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]


def queued_rows(keys: Sequence[str], partition: str) -> list[Info]:
    """The rows with these keys in v1's queue, in order; an empty mapping for one without `reward_extra_info`."""
    import transfer_queue  # noqa: PLC0415 - v0 lacks it

    found = transfer_queue.kv_batch_get(keys=list(keys), partition_id=partition, select_fields=["extra_fields"])
    extras = found.pop("extra_fields").tolist()
    return [extra.get("reward_extra_info") or {} if isinstance(extra, Mapping) else {} for extra in extras]


def with_step_metrics(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Wrap `compute_data_metrics(batch, use_critic)`, from which v0-style trainers take the metrics of a step."""

    @wraps(original)
    def compute_data_metrics(batch: Any, use_critic: bool = True) -> dict[str, Any]:
        return {**original(batch, use_critic), **step_metrics(batch_rows(batch.non_tensor_batch))}

    return compute_data_metrics


def with_queued_step_metrics(original: Callable[..., None]) -> Callable[..., None]:
    """Wrap v1's `_compute_metrics`, which adds the metrics of a step to the mapping that it is given."""

    @wraps(original)
    def _compute_metrics(self: Any, batch: Any, metrics: Any, timing_raw: Any, global_steps: int, epoch: int) -> None:
        original(self, batch, metrics, timing_raw, global_steps, epoch)
        keys = [key for key, tag in zip(batch.keys, batch.tags, strict=True) if not tag.get("is_padding", False)]
        metrics.update(step_metrics(queued_rows(keys, batch.partition_id)))

    return _compute_metrics


def with_queued_columns(original: Callable[..., None]) -> Callable[..., None]:
    """Wrap v1's `_dump_generations`: of a training batch, verl gives it the keys of the rows alone."""

    @wraps(original)
    def _dump_generations(
        self: Any, inputs: Any, outputs: Any, gts: Any, scores: Any, reward_extra_infos_dict: Any, dump_path: Any
    ) -> None:
        extra = dict(reward_extra_infos_dict)
        if extra.keys() == {"uid"}:
            extra.update(columns(queued_rows(extra["uid"], "train")))
        original(self, inputs, outputs, gts, scores, extra, dump_path)

    return _dump_generations


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)

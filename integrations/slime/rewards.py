"""The group reward, and its metrics in slime's log."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import MutableMapping, Sequence
from itertools import count
from typing import Any

from empo_rewards.errors import ConfigError
from empo_rewards.gather.samples import LOG_PREFIX, mean_metrics, sample_rewards
from empo_rewards.integrations.slime.scoring import is_lost, read_group, scoring

log = logging.getLogger("empo_rewards")

METADATA = "empo_rewards"
"""The key of a sample's metrics in its `metadata`, which slime's debug dumps have."""

DETAILS = "empo_rewards_details"
"""The key of its answer, cluster, share and cause."""


async def custom_rm(args: Namespace, samples: Sequence[Any], **_: Any) -> list[float]:
    """`--custom-rm-path`, with `--group-rm`: one reward for each sample of a group, in order.

    A sample without a reward is given the neutral value (see `empo_rewards.gather.samples`): slime trains on every
    number, and drops the samples that a short list does not reach. An aborted or failed sample counts as missing: its
    group is incomplete.

    Args:
        args: slime's; `args.empo_config` names the configuration.
        samples: all of a prompt's.

    Raises:
        ConfigError: `--group-rm` is not set, or the configuration is wrong.
        GroupError: the samples are no group, or a label is neither a text nor a number.
    """
    if not isinstance(samples, list | tuple):
        raise ConfigError(
            "a group reward was asked for a single sample: set --group-rm; for evaluations, --eval-function-path "
            "empo_rewards.integrations.slime.evaluate"
        )
    scorer, neutral = scoring(args)
    came = [sample for sample in samples if not is_lost(sample)]
    if not came:
        log.warning("all %s samples of a group were aborted or failed", len(samples))
        return [neutral.fallback] * len(samples)
    places = count()
    positions = [None if is_lost(sample) else next(places) for sample in samples]
    score = await scorer.ascore(read_group(came, expected=len(samples)))
    given = sample_rewards(score, neutral, positions)
    for sample, result in zip(samples, given, strict=True):
        sample.metadata[METADATA] = result.metrics()
        sample.metadata[DETAILS] = result.details()
    return [result.reward for result in given]


def log_rollout(
    rollout_id: int,
    args: Namespace,
    samples: Sequence[Any],
    rollout_extra_metrics: MutableMapping[str, Any] | None,
    rollout_time: float,
) -> bool:
    """`--custom-rollout-log-function-path`: add the means of the metrics, under `empo/`, to slime's own log.

    Returns:
        False: slime then logs by itself, including what was added to `rollout_extra_metrics`.
    """
    numbers = mean_metrics(sample.metadata[METADATA] for sample in samples if METADATA in sample.metadata)
    found = {LOG_PREFIX + name: value for name, value in numbers.items()}
    if rollout_extra_metrics is None:  # some rollout functions of users give none
        log.info("rollout %s: %s", rollout_id, found)
    else:
        rollout_extra_metrics.update(found)
    return False

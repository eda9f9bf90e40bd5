"""Shared by rewards and evaluation: the scorer of a run, and groups of slime's samples."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from empo_rewards.errors import GroupError
from empo_rewards.gather.samples import NeutralReward, Sample, group_of, token_logprobs
from empo_rewards.group import Group, read_label
from empo_rewards.scorer import Scorer

DEFAULT_CONFIG = "empo-math"

LOST = ("aborted", "failed")
"""Values of `Sample.status` for responses that were cut off by the engine."""


class Scoring(NamedTuple):
    """The scorer of a run, and the reward of samples without one."""

    scorer: Scorer
    neutral: NeutralReward


def scoring(args: Namespace) -> Scoring:
    """The scoring named by `args.empo_config`, a preset or the path of a YAML file; made once per process and name.

    slime sets `args.empo_config` from its own `--custom-config-path`.

    Raises:
        ConfigError, PluginError, MissingExtraError: the scorer cannot be built.
    """
    return _scoring(str(getattr(args, "empo_config", DEFAULT_CONFIG)))


@lru_cache
def _scoring(config: str) -> Scoring:
    scorer = Scorer(config)
    scorer.warn_of_lost_scales("slime")
    return Scoring(scorer, NeutralReward())


def is_lost(sample: Any) -> bool:
    """Whether a sample's response was aborted or failed."""
    status = getattr(sample, "status", None)
    return getattr(status, "value", status) in LOST


def read_group(samples: Sequence[Any], expected: int) -> Group:
    """The group of slime's samples.

    Args:
        samples: those that arrived, at least one.
        expected: how many were sampled.

    Raises:
        GroupError: several prompts, an element that is no sample, or a label that is no text, number, or list of
            them.
    """
    for sample in samples:
        if not isinstance(getattr(sample, "response", None), str):
            raise GroupError(
                f"a group holds a {type(sample).__name__} where a sample with a response was expected: rollouts that "
                "branch into several samples have no one response to compare"
            )
    first = samples[0]
    if any(sample.prompt != first.prompt for sample in samples):
        raise GroupError("the samples of a group have different prompts")
    members = [
        Sample(
            first.prompt,
            sample.response,
            read_label(sample.label),
            token_logprobs=token_logprobs(sample.rollout_log_probs),
        )
        for sample in samples
    ]
    name = None if first.group_index is None else str(first.group_index)
    return group_of(members, id=name, expected_size=expected)

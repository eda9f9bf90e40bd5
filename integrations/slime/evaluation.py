"""Evaluation by the accuracy of single samples: slime refuses to evaluate with a group reward."""

from __future__ import annotations

import math
from argparse import Namespace
from copy import copy
from typing import Any

from empo_rewards.integrations.slime.scoring import read_group, scoring

ACCURACY = "empo_rewards.integrations.slime.accuracy"


async def accuracy(args: Namespace, samples: Any, **_: Any) -> float | list[float]:
    """1 for a response that agrees with its label, 0 for one that does not, NaN where that is unknown.

    For evaluations only: as a training reward it would be supervised.

    Args:
        args: slime's; `args.empo_config` names the configuration.
        samples: one sample, or a list of them (a rollout that branches).

    Returns:
        A number for a sample, a list for a list.
    """
    if isinstance(samples, list | tuple):
        return [await _accuracy(args, sample) for sample in samples]
    return await _accuracy(args, samples)


async def _accuracy(args: Namespace, sample: Any) -> float:
    score = await scoring(args).scorer.ascore(read_group([sample], expected=1))
    return math.nan if score.correct is None else float(score.correct[0])


def evaluate(args: Namespace, rollout_id: int, data_source: Any, evaluation: bool = True) -> Any:
    """`--eval-function-path`: slime's own evaluation, with `accuracy` in place of the group reward.

    Args:
        args: those of training; not changed, because rollouts may go on meanwhile.
        rollout_id, data_source, evaluation: slime's.

    Returns:
        What slime's evaluation returns.
    """
    from slime.rollout.sglang_rollout import GenerateState, generate_rollout  # noqa: PLC0415 - only there is slime

    # slime has one state a process, which keeps the arguments that it was first made with: with those below, training
    # would continue without groups, by the label.
    GenerateState(args)
    asked = copy(args)
    asked.group_rm, asked.custom_rm_path = False, ACCURACY
    return generate_rollout(asked, rollout_id, data_source, evaluation=evaluation)

"""The reward function: `--reward.remote_url FILE` (before 0.10.4 `--remote_rm_url FILE`), FILE ending in .py.

For set-ups that cannot use the agent file. A call knows only its prompt: groups of one prompt are filled in the order
in which samples arrive, all groups have one size, and each waiting sample holds a thread (see `waiting`). `empo-rewards
path openrlhf/reward_func` prints this file's path.
"""

from __future__ import annotations

from typing import Any

import torch

from empo_rewards.integrations.openrlhf.settings import OpenRLHFSettings
from empo_rewards.integrations.openrlhf.waiting import WaitingRewards
from empo_rewards.server.openrlhf import read

# OpenRLHF takes a plain function; only while it imports this file is its event loop the running one.
_rewards = WaitingRewards(OpenRLHFSettings.from_environment())


def reward_func(queries: list[str], prompts: list[str], labels: list[Any], **_: Any) -> dict[str, Any]:
    """Rewards for samples of any groups, once these are complete.

    Args:
        queries: each a prompt and its response, decoded as one text.
        prompts: the prompts.
        labels: the empty string where there is none.

    Returns:
        `rewards`, `scores` (see `OpenRLHFSettings.scores`) and each of `extra_logs`: a float tensor of shape
        (len(queries),).

    Raises:
        EmpoError: see `WaitingRewards.reward`. OpenRLHF logs it at level INFO and continues without a reward.
    """
    samples = read({"query": queries, "prompts": prompts, "labels": labels}).samples
    replies = _rewards.reward(samples)
    return {
        "rewards": torch.tensor([reply.reward for reply in replies]),
        "scores": torch.tensor([reply.score for reply in replies]),
        "extra_logs": {name: torch.tensor([reply.logs[name] for reply in replies]) for name in replies[0].logs},
    }

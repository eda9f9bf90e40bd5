"""The advantage estimator `empo_grpo`: GRPO's, with a scale and a shift per group, with abstentions and votes.

verl gives an estimator only rewards and group ids. The rendezvous remembers the rest: a group's scale (SEED-GRPO, arXiv
2505.12346), which division by the standard deviation would cancel in a reward, and its shift (RESTRAIN, arXiv
2510.02172); how many of its members the strategy gave no reward; and the reward by which members are known that only
voted. Neither of these count in the mean or in the deviation, and the advantage of votes is 0.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ray
import torch
from ray.exceptions import RayActorError
from ray.util import list_named_actors

from empo_rewards.integrations.verl.rendezvous import Advantage
from empo_rewards.integrations.verl.shards import PREFIX, job_name

log = logging.getLogger("empo_rewards")

EPSILON = 1e-6
"""As in verl's GRPO."""


def empo_grpo(
    token_level_rewards: torch.Tensor,
    response_mask: torch.Tensor,
    index: Sequence[object],
    config: Any = None,
    **_: object,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Advantages and returns (equal, as for GRPO), of shape (B, R).

    Args:
        token_level_rewards: (B, R), the outcome reward at one of the tokens.
        response_mask: (B, R).
        index: (B,), the uid of each row.
        config: verl's `algorithm`; `norm_adv_by_std_in_grpo` is read.
    """
    uids = [str(uid) for uid in index]
    normalise = True if config is None else bool(config.get("norm_adv_by_std_in_grpo", True))
    with torch.no_grad():
        scores = group_advantages(token_level_rewards.sum(dim=-1), uids, remembered(set(uids)), normalise)
        advantages = scores.unsqueeze(-1) * response_mask
    return advantages, advantages


def group_advantages(
    rewards: torch.Tensor, uids: Sequence[str], groups: Mapping[str, Advantage], normalise: bool = True
) -> torch.Tensor:
    """One advantage a row, of shape (B,): scale · (r - mean) / (std + ε) + shift over the members that have a reward.

    Members that only voted, and those on which the strategy abstained, have 0.

    Args:
        rewards: (B,).
        uids: (B,).
        groups: the scale and the abstentions of each group; a group that is missing has advantage 0, and is counted in
            the log.
        normalise: divide by the standard deviation.
    """
    rows: dict[str, list[int]] = {}
    for row, uid in enumerate(uids):
        rows.setdefault(uid, []).append(row)
    unknown = rows.keys() - groups.keys()
    if unknown:
        log.warning(
            "%d of %d groups are not remembered (a rendezvous actor died?): no advantage", len(unknown), len(rows)
        )
    result = torch.zeros_like(rewards)
    for uid, members in rows.items():
        if uid not in groups or groups[uid].scale == 0:
            continue
        group = groups[uid]
        kept = _with_reward(rewards, members, group)
        own = rewards[kept]
        # A group of one has nothing to be relative to; verl's GRPO takes its reward as it is.
        mean, deviation = (own.mean(), own.std()) if len(kept) > 1 else (own.new_tensor(0.0), own.new_tensor(1.0))
        advantages = own - mean
        result[kept] = group.shift + group.scale * (advantages / (deviation + EPSILON) if normalise else advantages)
    return result


def _with_reward(rewards: torch.Tensor, members: list[int], group: Advantage) -> list[int]:
    """The rows of a group without those that only voted, whose reward no other has, and those that were abstained on.

    The latter were given the mean of the others. A member whose own reward equals that mean may be dropped in their
    place: the remaining rewards are the same, and both advantages are 0.
    """
    if group.vote is not None:
        vote = rewards.new_tensor(group.vote)
        members = [row for row in members if rewards[row] != vote]
    if not group.abstained:
        return members
    neutral = rewards.new_tensor(group.neutral)
    given = [row for row in members if rewards[row] == neutral][: group.abstained]
    return [row for row in members if row not in given]


def remembered(uids: Iterable[str]) -> dict[str, Advantage]:
    """The scale and the abstentions of these groups, from the rendezvous actors of this job that answer.

    The fully asynchronous trainer numbers its prompts: another job's may have the same uids.
    """
    wanted, prefix = list(uids), PREFIX + job_name()
    shards = [ray.get_actor(name) for name in list_named_actors() if name.startswith(prefix)]
    found: dict[str, Advantage] = {}
    for answer in [shard.advantages.remote(wanted) for shard in shards]:
        try:
            found.update(ray.get(answer))
        except RayActorError as error:  # it has just died, and with it what it remembered
            log.warning("a rendezvous actor does not answer: %s", error)
    return found

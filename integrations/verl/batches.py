"""Whole batches: their rows divided into groups, which are scored all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from empo_rewards import Group, GroupScore
from empo_rewards.gather.samples import NeutralReward, group_of, sample_rewards
from empo_rewards.integrations.verl import row_rewards
from empo_rewards.integrations.verl.row_rewards import RowReward
from empo_rewards.integrations.verl.rows import RolloutRow


class BatchGroup(NamedTuple):
    """One group of a batch.

    Args:
        uid: its uid; without one its prompt, and the number of the group among those of the prompt.
        size: the number of members that were sampled.
        positions: the indices in the batch of those that are in it, ascending.
    """

    uid: str
    size: int
    positions: tuple[int, ...]


def groups_of(rows: Sequence[RolloutRow], size: int) -> list[BatchGroup]:
    """Divide the rows of a whole batch into groups.

    Rows with the same uid are a group, as many as they are: one with more than `size` rows was sampled with a larger n.
    Rows without a uid are divided by prompt, and those of a prompt by order.

    Args:
        rows: of the batch.
        size: of a group, where its rows do not give one.
    """
    by_uid: dict[tuple[str, bool], list[int]] = {}
    for position, row in enumerate(rows):
        key = (row.sample.prompt, False) if row.uid is None else (row.uid, True)
        by_uid.setdefault(key, []).append(position)
    groups: list[BatchGroup] = []
    for (name, is_uid), positions in by_uid.items():
        expected = rows[positions[0]].size or size
        if is_uid:
            groups.append(BatchGroup(name, max(expected, len(positions)), tuple(positions)))
        else:
            parts = [positions[start : start + expected] for start in range(0, len(positions), expected)]
            groups.extend(BatchGroup(f"{name}#{count}", expected, tuple(part)) for count, part in enumerate(parts))
    return groups


def to_score(rows: Sequence[RolloutRow], groups: Iterable[BatchGroup]) -> list[Group]:
    """The scorer's input for these groups of a batch."""
    return [
        group_of([rows[i].sample for i in group.positions], id=group.uid, expected_size=group.size) for group in groups
    ]


def rewards_of(
    rows: Sequence[RolloutRow], groups: Iterable[BatchGroup], scores: Iterable[GroupScore], neutral: NeutralReward
) -> list[RowReward]:
    """The rewards of the rows of a batch, in order, from the scores of all of its groups.

    Args:
        rows, groups: as divided by `groups_of`.
        scores: of the groups, in order.
        neutral: the reward of a row without one.
    """
    found: dict[int, RowReward] = {}
    for group, score in zip(groups, scores, strict=True):
        for position, result in zip(group.positions, sample_rewards(score, neutral), strict=True):
            found[position] = row_rewards.of_sample_reward(result)
    return [found[position] for position in range(len(rows))]


def at_last_tokens(data: Any, rewards: Sequence[RowReward]) -> Any:
    """The tensor of shape (B, R) that has each row's reward at the last token of its response.

    Args:
        data: a batch of verl with tensors `responses` (B, R) and `attention_mask` (B, P + R).
        rewards: of its rows.
    """
    import torch  # noqa: PLC0415 - the rendezvous, which divides batches, does without it

    responses = data.batch["responses"]
    lengths = data.batch["attention_mask"][:, -responses.shape[-1] :].sum(dim=-1)
    result = torch.zeros_like(responses, dtype=torch.float32)
    result[torch.arange(len(rewards)), lengths - 1] = torch.tensor([reward.reward for reward in rewards])
    return result

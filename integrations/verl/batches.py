"""Padded batches: each reward worker receives one chunk, and the chunks of all workers are the batch.

verl pads the batch with copies of its first rows. A copy cannot be told from another member with the same answer,
except by its place: in the whole batch, in order, copies are the surplus rows at the end of their group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from empo_rewards.integrations.verl.row_rewards import RowReward
from empo_rewards.integrations.verl.rows import RolloutRow

Position = int
"""The index of a row in the padded batch."""


class GroupKey(NamedTuple):
    """The key of a group of a batch: a later batch may have the same uids.

    Args:
        uid: its uid; without one its prompt, and the number of the group among those of the prompt.
        batch: the number of the batch.
    """

    uid: str
    batch: int

    def __str__(self) -> str:
        return self.uid


class PlannedGroup(NamedTuple):
    """One group of a batch.

    Args:
        uid: see `GroupKey`.
        size: the number of its members.
        members: the positions of those that arrived, ascending.
    """

    uid: str
    size: int
    members: tuple[Position, ...]


class BatchPlan(NamedTuple):
    """The groups of a batch, and for each copy the position of its original."""

    groups: tuple[PlannedGroup, ...]
    copies: Mapping[Position, Position]


def plan(rows: Mapping[Position, RolloutRow], size: int, padding: int) -> BatchPlan:
    """Divide the rows of a whole batch into groups.

    Args:
        rows: by position in the padded batch.
        size: of a group, where its rows do not give one.
        padding: the largest possible number of copies.
    """
    by_key: dict[tuple[str, bool], list[Position]] = {}
    for position in sorted(rows):
        row = rows[position]
        key = (row.sample.prompt, False) if row.uid is None else (row.uid, True)
        by_key.setdefault(key, []).append(position)
    groups: list[PlannedGroup] = []
    copies: dict[Position, Position] = {}
    for (name, is_uid), positions in by_key.items():
        expected = rows[positions[0]].size or size
        spare = _copies(rows, positions, len(positions) - expected if is_uid else len(positions) % expected, padding)
        copies.update(spare)
        kept = [position for position in positions if position not in spare]
        if is_uid:
            # The batch is whole: a group with more members than expected was sampled with a larger n.
            groups.append(PlannedGroup(name, max(expected, len(kept)), tuple(kept)))
        else:
            parts = [kept[start : start + expected] for start in range(0, len(kept), expected)]
            groups.extend(PlannedGroup(f"{name}#{count}", expected, tuple(part)) for count, part in enumerate(parts))
    return BatchPlan(tuple(groups), copies)


def _copies(
    rows: Mapping[Position, RolloutRow], positions: Sequence[Position], surplus: int, padding: int
) -> dict[Position, Position]:
    """The last `surplus` positions, each with that of its original, as far as they have one and may be padding."""
    first: dict[object, Position] = {}
    for position in positions:
        first.setdefault(rows[position].sample, position)
    found: dict[Position, Position] = {}
    for position in positions[::-1][: max(0, min(surplus, padding))]:
        original = first[rows[position].sample]
        if original == position:
            break
        found[position] = original
    return found


class GatheredBatch:
    """One batch, until the messages of all workers have arrived.

    Args:
        workers: their number.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.rows: dict[Position, RolloutRow] = {}
        self.heard: set[int] = set()
        self.whole = asyncio.Event()
        self.rewards: asyncio.Task[Mapping[Position, RowReward]] | None = None

    def add(self, worker: int, rows: Mapping[Position, RolloutRow]) -> None:
        """Take in one worker's message; a repeated one counts once."""
        self.heard.add(worker)
        self.rows.update(rows)
        if len(self.heard) >= self.workers:
            self.whole.set()

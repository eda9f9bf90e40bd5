"""The batch path: every reward worker is handed one chunk of the batch, so together their messages hold all of it.

verl fills the last chunks up with copies of the batch's first rows. By itself a copy cannot be told from a peer with
the same answer; but in the whole batch, in its order, the copies are what comes last and is too much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from empo_rewards.integrations.verl.rows import Row
from empo_rewards.integrations.verl.verdicts import Verdict

Position = int
"""The place of a row in the padded batch."""


class GroupKey(NamedTuple):
    """What a group of a batch is recognised by: the next batch may have the same uids.

    Args:
        uid: its uid; without one its prompt, and which of the prompt's groups it is.
        batch: counts the batches.
    """

    uid: str
    batch: int

    def __str__(self) -> str:
        return self.uid


class Placed(NamedTuple):
    """One group of a round.

    Args:
        uid: its uid; without one its prompt, and which of the prompt's groups it is.
        size: how many members it has.
        members: the positions of those that are here, ascending.
    """

    uid: str
    size: int
    members: tuple[Position, ...]


class Placement(NamedTuple):
    """The groups of a round, and for each copy the position of its original."""

    groups: tuple[Placed, ...]
    copies: Mapping[Position, Position]


def place(rows: Mapping[Position, Row], size: int, padding: int) -> Placement:
    """Sort the rows of a whole round into groups.

    Args:
        rows: by position in the padded batch.
        size: a group's size, where its rows do not say.
        padding: how many copies there may be at most.
    """
    by_key: dict[tuple[str, bool], list[Position]] = {}
    for position in sorted(rows):
        row = rows[position]
        key = (row.sample.prompt, False) if row.uid is None else (row.uid, True)
        by_key.setdefault(key, []).append(position)
    groups: list[Placed] = []
    copies: dict[Position, Position] = {}
    for (name, is_uid), positions in by_key.items():
        expected = rows[positions[0]].size or size
        spare = _copies(rows, positions, len(positions) - expected if is_uid else len(positions) % expected, padding)
        copies.update(spare)
        kept = [position for position in positions if position not in spare]
        if is_uid:
            # The round is whole: a group that has more members than was said was sampled with a larger n.
            groups.append(Placed(name, max(expected, len(kept)), tuple(kept)))
        else:
            parts = [kept[start : start + expected] for start in range(0, len(kept), expected)]
            groups.extend(Placed(f"{name}#{count}", expected, tuple(part)) for count, part in enumerate(parts))
    return Placement(tuple(groups), copies)


def _copies(
    rows: Mapping[Position, Row], positions: Sequence[Position], surplus: int, padding: int
) -> dict[Position, Position]:
    """The last `surplus` positions, each with that of its original; as far as they have one and may be padding."""
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


class Round:
    """One batch, until the messages of all workers are here.

    Args:
        workers: how many there are.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.rows: dict[Position, Row] = {}
        self.heard: set[int] = set()
        self.whole = asyncio.Event()
        self.verdict: asyncio.Task[Mapping[Position, Verdict]] | None = None

    def hear(self, worker: int, rows: Mapping[Position, Row]) -> None:
        """Take in one worker's message; said twice it counts once."""
        self.heard.add(worker)
        self.rows.update(rows)
        if len(self.heard) >= self.workers:
            self.whole.set()

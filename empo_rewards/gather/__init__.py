"""The rendezvous: assembles groups from single, concurrent submissions.

Frameworks ask for a reward one sample at a time, and a group reward needs the whole group. `Gather` suspends each
caller until its group is complete (or cannot become complete any more), has the group scored once, and returns to every
caller the same verdict and its own position in it. It is plain asyncio on one event loop, knows no framework, and
starts no task but the scoring of a gathered group. docs/gather.md has its guarantees and how an adapter uses it.

All state changes in plain functions, between two awaits, so nothing needs a lock. Each kind of
deadline has a fixed delay and a queue of its own, in which insertion order is due order: one `call_at` serves all
queues, and a submission costs O(1).
"""

from empo_rewards._moved import moved
from empo_rewards.gather.rendezvous import Gather
from empo_rewards.gather.types import (
    Collected,
    Ending,
    GatherClosedError,
    GatherConflictError,
    GatherError,
    GatherFullError,
    GatherLimits,
    GatherOutcome,
    GatherScoreError,
    GatherSizeError,
    GatherStats,
    Member,
)

__all__ = [
    "Collected",
    "Ending",
    "Gather",
    "GatherClosedError",
    "GatherConflictError",
    "GatherError",
    "GatherFullError",
    "GatherLimits",
    "GatherOutcome",
    "GatherScoreError",
    "GatherSizeError",
    "GatherStats",
    "Member",
]

__getattr__ = moved(
    __name__,
    {
        "Outcome": "empo_rewards.gather.types:GatherOutcome",
    },
)

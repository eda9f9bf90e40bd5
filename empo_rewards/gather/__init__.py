"""The rendezvous: brings one group together out of single, concurrent submissions.

Frameworks ask for a reward one sample at a time, and a group reward needs all of the group. `Gather` parks each caller
until its group is whole (or will not become whole any more), has the group scored once, and gives every caller the same
verdict and its own place in it. It is plain asyncio on one event loop, knows no framework, and starts no task but the
scoring of a gathered group. docs/gather.md says what it promises and how an adapter uses it.

How it is built: all state changes in plain functions, between two awaits, so nothing needs a lock. Each kind of
deadline has a fixed delay and a queue of its own, where insertion order is due order: one `call_at` serves all of them,
and a submission costs O(1).
"""

from empo_rewards.gather.rendezvous import Gather
from empo_rewards.gather.types import (
    Collected,
    Ending,
    GatherClosedError,
    GatherError,
    GatherFullError,
    GatherLimits,
    GatherScoreError,
    GatherSizeError,
    GatherStats,
    Member,
    Outcome,
)

__all__ = [
    "Collected",
    "Ending",
    "Gather",
    "GatherClosedError",
    "GatherError",
    "GatherFullError",
    "GatherLimits",
    "GatherScoreError",
    "GatherSizeError",
    "GatherStats",
    "Member",
    "Outcome",
]

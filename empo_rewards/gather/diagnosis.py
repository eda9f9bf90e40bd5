"""Why groups keep ending incomplete, as far as the number of members that arrived can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from empo_rewards.gather.types import Ending

DIAGNOSED_GROUPS = 32
"""The number of latest groups that are used: about half a step of training, enough to tell a half from a third."""

DIAGNOSIS_NEEDS = 8
"""The least number of incomplete groups for a diagnosis."""

SHORT_SHARE = 0.9
"""The share of groups that must be incomplete: a wrong set-up affects all of them, lost samples only some."""

TOLERANCE = 0.15
"""Relative tolerance for an n-th of a group: two standard errors of 8 groups of 16 that are halved at random."""


class GatheredGroup(NamedTuple):
    """How the gathering of one group ended."""

    came: int
    expected: int
    ending: Ending


def diagnose(recent: Sequence[GatheredGroup]) -> str | None:
    """The likely cause where nearly all groups expired with the same fraction of their members; else None."""
    short = [group for group in recent if group.ending in (Ending.IDLE, Ending.TOTAL)]
    if len(short) < max(DIAGNOSIS_NEEDS, SHORT_SHARE * len(recent)):
        return None
    came = sum(group.came for group in short) / len(short)
    expected = sum(group.expected for group in short) / len(short)
    parts = round(expected / came)
    is_a_part = parts > 1 and abs(came * parts / expected - 1) <= TOLERANCE
    if not is_a_part and len({(group.came, group.expected) for group in short}) > 1:
        return None
    causes = [f"the trainer samples {came:.3g} responses a prompt, not {expected:.3g}: set the group size to that"]
    if is_a_part:
        causes.append(
            f"the samples of a group are spread over {parts} places that do not share their state (several reward "
            "endpoints, several server processes): use one"
        )
    return (
        f"{len(short)} of the last {len(recent)} groups expired with about {came:.3g} of {expected:.3g} members. "
        f"Either {'; or '.join(causes)}."
    )

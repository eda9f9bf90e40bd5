"""Why groups keep ending short: what can be told from how short they end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from empo_rewards.gather.types import Ending

DIAGNOSED_GROUPS = 32
"""How many of the last groups are looked at: about half a step of training, enough to tell a half from a third."""

DIAGNOSIS_NEEDS = 8
"""Fewer groups than this say nothing."""

SHORT_SHARE = 0.9
"""How many of the groups must be short: a wrong setup cuts all of them, lost samples only some."""

TOLERANCE = 0.15
"""How far from an n-th the members that came may be: two standard errors of 8 groups of 16 halved at random."""


class GatheredGroup(NamedTuple):
    """How one group stopped gathering."""

    came: int
    expected: int
    ending: Ending


def diagnose(recent: Sequence[GatheredGroup]) -> str | None:
    """The likely cause where nearly all of the groups expired at one fraction of their members; else None."""
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

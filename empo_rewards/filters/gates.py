"""Gates: exclude groups by their semantic entropy or by the share of their largest cluster."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from empo_rewards.group import MAX_NUMBER, Cause
from empo_rewards.protocols import Clusters

TOLERANCE = 1e-9
"""Tolerance in nats, so that rounding does not let H = ln G (G different answers) pass a band that ends there."""


class EntropyBand(BaseModel):
    """EMPO's band δ_low < H < δ_high, open at both ends (arXiv 2504.05812, eq. 6).

    Args:
        low, high: the bounds; None: unbounded.
        unit: `nats`, or `relative`: fractions of ln G, from 0 (unanimous) to 1 (G different answers).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float | None = Field(default=None, ge=0)
    high: float | None = Field(default=None, gt=0)
    unit: Literal["nats", "relative"] = "nats"

    @model_validator(mode="after")
    def _possible(self) -> EntropyBand:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"no entropy lies between low = {self.low} and high = {self.high}; low must be below high")
        if self.unit == "relative" and self.low is not None and self.low >= 1:
            raise ValueError(f"low = {self.low} lets no group pass: relative entropy is at most 1")
        return self

    def outside(self, entropy: float, size: int) -> Cause | None:
        """The cause if the entropy (nats) of a group of `size` responses is outside the band; else None."""
        unit = math.log(size) if self.unit == "relative" else 1.0
        if self.low is not None and entropy <= self.low * unit + TOLERANCE:
            return Cause.ENTROPY_LOW
        if self.high is not None and entropy >= self.high * unit - TOLERANCE:
            return Cause.ENTROPY_HIGH
        return None


class Gates(BaseModel):
    """Conditions that a group must meet to be rewarded.

    Args:
        entropy: the entropy band.
        min_share: the minimum share of the largest cluster.
        reward: the reward of all members of an excluded group; None: the group is unscored.
        guards_apply: whether guards replace the `reward` of members of an excluded group, too, as in EMPO's free-form
            code, where a response without an answer gets -0.5 in any group.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    entropy: EntropyBand = EntropyBand()
    min_share: float | None = Field(default=None, ge=0, le=1)
    reward: float | None = Field(default=None, allow_inf_nan=False)
    guards_apply: bool = False

    @model_validator(mode="after")
    def _has_a_usable_reward(self) -> Gates:
        if self.reward is not None and abs(self.reward) > MAX_NUMBER:
            raise ValueError(f"reward is {self.reward:g}; its size must be at most {MAX_NUMBER:g}")
        if self.guards_apply and self.reward is None:
            raise ValueError("guards_apply needs a reward that guards can replace: an excluded group is unscored")
        return self

    def outside(self, entropy: float, clusters: Clusters) -> tuple[Cause, str] | None:
        """The cause and a sentence if a gate excludes the group; else None."""
        size = len(clusters.labels)
        cause = self.entropy.outside(entropy, size)
        if cause is not None:
            band = f"{self.entropy.low} < H < {self.entropy.high} ({self.entropy.unit})"
            return cause, f"semantic entropy {entropy:.4f} nats of {size} responses is outside {band}"
        if self.min_share is not None and clusters.largest_share < self.min_share:
            share = f"the largest share {clusters.largest_share:.4f} is below {self.min_share}"
            return Cause.SHARE_LOW, share
        return None

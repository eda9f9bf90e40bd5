"""Gates: groups that carry no signal, by their semantic entropy or by the share of their largest cluster."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from empo_rewards.group import Cause
from empo_rewards.protocols import Clusters

TOLERANCE = 1e-9
"""In nats: H of G different answers is ln G but for rounding, and must not pass a band that ends there."""


class EntropyBand(BaseModel):
    """EMPO's band δ_low < H < δ_high, open at both ends (arXiv 2504.05812, eq. 6).

    Args:
        low, high: the ends; None leaves that end open.
        unit: `nats`, or `relative`: as parts of ln G, so that 0 is unanimity and 1 is G different answers.
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
        """The cause where an entropy (nats) of a group of `size` lies outside."""
        unit = math.log(size) if self.unit == "relative" else 1.0
        if self.low is not None and entropy <= self.low * unit + TOLERANCE:
            return Cause.ENTROPY_LOW
        if self.high is not None and entropy >= self.high * unit - TOLERANCE:
            return Cause.ENTROPY_HIGH
        return None


class Gates(BaseModel):
    """Which groups give no signal.

    Args:
        entropy: the entropy band.
        min_share: the least share that the largest cluster must have.
        reward: what the members of a group outside get: None (unscored), or a constant, the same for all of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    entropy: EntropyBand = EntropyBand()
    min_share: float | None = Field(default=None, ge=0, le=1)
    reward: float | None = None

    def outside(self, entropy: float, clusters: Clusters) -> tuple[Cause, str] | None:
        """The cause and a sentence, where a gate stops the group."""
        size = len(clusters.labels)
        cause = self.entropy.outside(entropy, size)
        if cause is not None:
            band = f"{self.entropy.low} < H < {self.entropy.high} ({self.entropy.unit})"
            return cause, f"semantic entropy {entropy:.4f} nats of {size} responses is outside {band}"
        if self.min_share is not None and clusters.largest_share < self.min_share:
            share = f"the largest share {clusters.largest_share:.4f} is below {self.min_share}"
            return Cause.SHARE_LOW, share
        return None

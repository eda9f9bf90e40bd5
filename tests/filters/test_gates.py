"""The entropy band and the share gate."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from empo_rewards import Group, Scorer
from empo_rewards.entropy.counts import plug_in
from empo_rewards.errors import ConfigError
from empo_rewards.filters.gates import EntropyBand, Gates
from empo_rewards.group import Cause
from empo_rewards.protocols import Clusters

OPEN = EntropyBand(low=0, high=1, unit="relative")


@pytest.mark.parametrize("size", range(2, 65))
def test_the_ends_of_the_relative_band_are_outside_at_every_size(size: int) -> None:
    assert OPEN.outside(plug_in([size]), size) is Cause.ENTROPY_LOW
    assert OPEN.outside(plug_in([1] * size), size) is Cause.ENTROPY_HIGH
    if size > 2:
        assert OPEN.outside(plug_in([2] + [1] * (size - 2)), size) is None


def test_a_group_of_one_has_no_entropy() -> None:
    assert OPEN.outside(0.0, 1) is Cause.ENTROPY_LOW
    assert EntropyBand().outside(0.0, 1) is None


def test_nats() -> None:
    band = EntropyBand(low=0.5, high=1.0)
    assert band.outside(0.5, 8) is Cause.ENTROPY_LOW
    assert band.outside(0.75, 8) is None
    assert band.outside(1.0, 8) is Cause.ENTROPY_HIGH
    assert EntropyBand(high=math.log(3)).outside(plug_in([1, 1, 1]), 3) is Cause.ENTROPY_HIGH


def test_the_share_gate_counts_votes_only() -> None:
    gates = Gates(min_share=0.5)
    half = Clusters((0, 0, 1, 2), (2, 1, 1), 1, ("a",))
    blanks = Clusters((0, 1), (1, 1), 0, ())
    assert gates.outside(1.0, half) is None
    stopped = gates.outside(1.0, blanks)
    assert stopped is not None
    assert stopped[0] is Cause.SHARE_LOW


@pytest.mark.parametrize(
    "band",
    [
        {"low": 1, "high": 1},
        {"low": 2, "high": 1},
        {"low": -0.1},
        {"high": 0},
        {"low": 1, "unit": "relative"},
        {"lo": 1},
    ],
)
def test_impossible_bands_are_refused(band: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EntropyBand.model_validate(band)


def test_guards_may_apply_in_an_excluded_group() -> None:
    """EMPO's free-form code by hand: no share reaches .2, so 0; without an answer -0.5 all the same."""
    config = {"preset": "empo-natural-paper", "equivalence": "exact"}
    responses = [rf"\boxed{{answer {k}}}" for k in range(10)] + ["I do not know", r"\boxed{}"]
    with Scorer(config) as scorer:
        score = scorer.score(Group("What is it?", responses))
        assert score.rewards == (0,) * 10 + (-0.5, -0.5)
        assert score.cause is Cause.SHARE_LOW
        agreed = scorer.score(Group("Is it 7 or 9?", [r"\boxed{seven}"] * 3 + [r"\boxed{9}", "9"]))
        assert agreed.rewards == (0.6, 0.6, 0.6, 0, -0.5)  # 9 stands in the question
    with Scorer({**config, "gates": {"guards_apply": False}}) as scorer:
        assert scorer.score(Group("What is it?", responses)).rewards == (0,) * 12
    with pytest.raises(ConfigError, match="guards_apply needs a reward"):
        Scorer({"preset": "empo-math", "gates": {"min_share": 0.2, "guards_apply": True}})

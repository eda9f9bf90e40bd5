"""Strategies: rewards computed by hand, and properties for any group."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from empo_rewards.clustering import answer_set, cluster
from empo_rewards.entropy.counts import plug_in
from empo_rewards.errors import ConfigError, GroupError
from empo_rewards.group import Group
from empo_rewards.protocols import Relation, Strategy, StrategyInput
from empo_rewards.strategies.consensus import Empo, Majority, MajorityThreshold
from empo_rewards.strategies.controls import Best, Format, Random, Reference
from empo_rewards.strategies.entropy_scaled import EntropyScaled
from empo_rewards.strategies.likelihood import Likelihood
from empo_rewards.strategies.mix import Mix
from empo_rewards.strategies.scrl import Scrl


def verdict(votes: list[str | None], logprobs: list[float] | None = None, correct: object = None) -> StrategyInput:
    """A group whose answers are exact strings."""
    clusters = cluster(votes, answer_set(votes, "q"), Relation())
    token_logprobs = None if logprobs is None else [[value] for value in logprobs]
    responses = [vote or "" for vote in votes]
    group = Group("q", responses, token_logprobs=token_logprobs)
    return StrategyInput(group, clusters, plug_in(clusters.sizes), correct)  # type: ignore[arg-type] # a tuple or None


VOTES: list[str | None] = ["a", "a", "b", None, "a", "c", "b", None]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Empo(), (3 / 8, 3 / 8, 2 / 8, 0, 3 / 8, 1 / 8, 2 / 8, 0)),
        (Majority(), (1, 1, 0, 0, 1, 0, 0, 0)),
        (MajorityThreshold(0.375), (1, 1, 0, 0, 1, 0, 0, 0)),
        (MajorityThreshold(0.5), (None,) * 8),
        (Format(), (1, 1, 1, 0, 1, 1, 1, 0)),
        (Scrl(mode="binary", margin=0.1, logprobs="optional"), (1, 1, 0, -1, 1, 0, 0, -1)),
        (Scrl(mode="binary", logprobs="optional"), (0, 0, 0, -1, 0, 0, 0, -1)),  # .375 exceeds .25 by no more than .125
    ],
)
def test_rewards_by_hand(strategy: Strategy, expected: tuple[float | None, ...]) -> None:
    assert strategy(verdict(VOTES)).rewards == expected


def test_majority_ties() -> None:
    assert Majority()(verdict(["a", "b", "b", "a", "c"])).rewards == (1, 1, 1, 1, 0)
    assert Majority(ties="none")(verdict(["a", "b", "b", "a", "c"])).rewards == (0, 0, 0, 0, 0)
    assert Majority()(verdict([None, None])).rewards == (0, 0)


SIXTEEN: list[str | None] = ["a"] * 8 + ["b"] * 5 + ["c", "d", None]
UNCERTAINTIES = [0.2] * 8 + [0.4] * 5 + [1.0, 0.1, 0.3]
"""Their mean is (1.6 + 2.0 + 1.0 + 0.1 + 0.3)/16 = 0.3125."""


def test_scrl_as_published_by_hand() -> None:
    """The continuous rewards of scrl_math/__init__.py with the constants of run_example.sh (Jasper-Yan/SCRL)."""
    rewards = Scrl()(verdict(SIXTEEN, [-value for value in UNCERTAINTIES])).rewards
    positive = 0.5 - 0.1 * (0.2 - 0.3125)  # a: .5 >= .375, and .5 - .3125 > .125
    neutral = -0.1 * (0.4 - 0.3125)  # b
    negative = -(0.125 - 0.0625) - 0.1 * (1.0 - 0.3125)  # c: .0625 < .125, and 1.0 >= .3125
    sure = -0.1 * (0.1 - 0.3125)  # d: as small, but less uncertain than the group
    assert rewards == pytest.approx([positive] * 8 + [neutral] * 5 + [negative, sure, -1], abs=1e-12)
    assert (positive, negative) == pytest.approx((0.51125, -0.13125), abs=1e-12)


def test_scrl_binary_by_hand() -> None:
    rewards = Scrl(mode="binary", abstain=None)(verdict(SIXTEEN, [-value for value in UNCERTAINTIES])).rewards
    assert rewards == (1,) * 8 + (None,) * 5 + (-1, None, -1)


def test_scrl_without_uncertainties_is_refused_or_said_to_be_partial() -> None:
    with pytest.raises(GroupError, match="needs token_logprobs"):
        Scrl()(verdict(SIXTEEN))
    assert Scrl(logprobs="optional")(verdict(SIXTEEN)).rewards == (0.5,) * 8 + (0,) * 7 + (-1,)


def test_a_single_answer_needs_no_margin_in_scrl() -> None:
    alone: list[str | None] = ["a"] * 3 + [None] * 5
    assert Scrl(logprobs="optional")(verdict(alone)).rewards == (0.375,) * 3 + (-1,) * 5
    close: list[str | None] = ["a"] * 4 + ["b"] * 3 + ["c"]
    assert Scrl(mode="binary", logprobs="optional")(verdict(close)).rewards == (0,) * 8


@pytest.mark.parametrize(
    ("form", "expected"), [("linear", 1 - 0.75), ("exponential", math.exp(-0.75)), ("focal", 0.25**2)]
)
def test_entropy_scaled_by_hand(form: str, expected: float) -> None:
    # Sizes 2, 1, 1 of 4: H = 1.5 ln 2 = 0.75 ln 4.
    scaled = EntropyScaled(form=form)(verdict(["a", "a", "b", "c"]))  # type: ignore[arg-type] # a parameter
    assert scaled.advantage_scale == pytest.approx(expected, abs=1e-12)
    assert scaled.rewards == (0.5, 0.5, 0.25, 0.25)


def test_entropy_scaled_at_the_ends() -> None:
    assert EntropyScaled()(verdict(["a"])).advantage_scale == 1
    assert EntropyScaled()(verdict(["a", "a"])).advantage_scale == 1
    assert EntropyScaled(alpha=2.0)(verdict(["a", "b"])).advantage_scale == 0
    assert EntropyScaled(base=Majority())(verdict(["a", "a", "b"])).rewards == (1, 1, 0)


def test_entropy_scaled_needs_what_its_base_needs_and_keeps_its_scale() -> None:
    assert EntropyScaled(base=Scrl()).uses_logprobs
    assert not EntropyScaled().uses_logprobs
    assert EntropyScaled(base=Best()).uses_reference
    half = EntropyScaled(base=EntropyScaled(alpha=0.5), alpha=0.5)
    assert half(verdict(["a", "b"])).advantage_scale == pytest.approx(0.25)


def test_random_is_a_function_of_the_group_and_follows_its_order() -> None:
    texts = [f"r{i % 20}" for i in range(400)]
    rewards = Random(seed=7)(verdict(list(texts))).rewards
    assert rewards == Random(seed=7)(verdict(list(texts))).rewards
    assert rewards != Random(seed=8)(verdict(list(texts))).rewards
    backwards = Random(seed=7)(verdict(list(reversed(texts)))).rewards
    for text in set(texts):
        forward = sorted(r for r, t in zip(rewards, texts, strict=True) if t == text and r is not None)
        assert forward == sorted(r for r, t in zip(backwards, reversed(texts), strict=True) if t == text)


def test_random_is_uniform_whatever_the_response() -> None:
    rewards = [r for r in Random()(verdict([None if i % 2 else f"{i}" for i in range(4_000)])).rewards if r is not None]
    for low in range(10):  # 400 +- 19 in each tenth
        assert 300 < sum(low <= 10 * reward < low + 1 for reward in rewards) < 500


def test_random_by_option() -> None:
    answered = Random(answered_only=True)(verdict(["a", None])).rewards
    assert answered[0] == Random()(verdict(["a", None])).rewards[0]
    assert answered[1] == 0
    assert set(Random("coin", probability=0)(verdict(["a", "b"])).rewards) == {0}
    assert set(Random("coin", probability=1)(verdict(["a", "b"])).rewards) == {1}


def test_best_pays_labels_where_the_majority_is_wrong() -> None:
    """`reward_type == 'best'` of compute_metrics.py (QingyangZhang/EMPO)."""
    votes: list[str | None] = ["a", "a", "b", None]
    assert Best()(verdict(votes, correct=(False, False, True, False))).rewards == (0, 0, 1, 0)
    assert Best()(verdict(votes, correct=(True, True, False, False))).rewards == (0, 0, 0, 0)
    assert Best()(verdict(["a", "b"], correct=(True, False))).rewards == (1, 0)
    assert Best()(verdict([None], correct=(False,))).rewards == (0,)
    with pytest.raises(GroupError, match="needs a reference"):
        Best()(verdict(votes))


def test_likelihood_by_hand() -> None:
    group = Group("q", ["x", "y"], token_logprobs=[[-0.5, -1.5], [-3.0]])
    given = replace(verdict(["x", "y"]), group=group)
    assert Likelihood()(given).rewards == (-1, -3)
    assert Likelihood("sum")(given).rewards == (-2, -3)
    assert Likelihood("probability")(given).rewards == pytest.approx((math.exp(-2), math.exp(-3)))
    with pytest.raises(GroupError, match="needs token_logprobs"):
        Likelihood()(verdict(["x"]))


IMPOSSIBLE = replace(verdict(["x", "y"]), group=Group("q", ["x", "y"], token_logprobs=[[-0.5], [-1.0, -math.inf]]))


@pytest.mark.parametrize(
    "strategy", [Likelihood(), Likelihood("sum"), Scrl(), Scrl("binary"), Scrl(logprobs="optional")]
)
def test_an_impossible_response_has_no_uncertainty_to_reward(strategy: Strategy) -> None:
    with pytest.raises(GroupError, match="finds response 1 impossible"):
        strategy(IMPOSSIBLE)


def test_an_impossible_response_has_the_probability_0() -> None:
    assert Likelihood("probability")(IMPOSSIBLE).rewards == pytest.approx((math.exp(-0.5), 0))


def test_mix_by_hand() -> None:
    mixed = Mix([Empo(), Reference()], [0.5, 2])(verdict(["a", "a", "b"], correct=(False, False, True)))
    assert mixed.rewards == pytest.approx((1 / 3, 1 / 3, 1 / 6 + 2))
    assert Mix([Empo(), Majority()])(verdict(["a", "b", "b"])).rewards == pytest.approx((1 / 6, 5 / 6, 5 / 6))
    abstains = Mix([Empo(), Scrl("binary", abstain=None, logprobs="optional")])(verdict(["a", "a", "a", "b"]))
    assert abstains.rewards == (0.875, 0.875, 0.875, None)
    assert Mix([EntropyScaled(alpha=2.0), Empo()])(verdict(["a", "b"])).advantage_scale == 0
    assert Mix([Empo(), Reference()]).uses_reference
    assert not Mix([Empo(), Majority()]).uses_reference


def test_reference_uses_what_it_is_given() -> None:
    assert Reference()(verdict(["a", "b"], correct=(False, True))).rewards == (0, 1)
    with pytest.raises(GroupError, match="needs a reference"):
        Reference()(verdict(["a", "b"]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: MajorityThreshold(0),
        lambda: MajorityThreshold(1.1),
        lambda: EntropyScaled(alpha=0),
        lambda: Random(probability=2),
        lambda: Mix([]),
        lambda: Mix([Empo()], [1, 2]),
        lambda: Mix([Empo()], [math.nan]),
        lambda: Mix([Empo()], [math.inf]),
        lambda: Scrl(entropy_weight=math.nan),
        lambda: Scrl(entropy_weight=-0.1),
        lambda: Scrl(positive=math.nan),
    ],
)
def test_impossible_options_are_refused(make: object) -> None:
    with pytest.raises(ConfigError):
        make()  # type: ignore[operator] # a parameter

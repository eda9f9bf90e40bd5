"""Strategies: rewards computed by hand, and properties for any group."""

from __future__ import annotations

import math

import pytest

from empo_rewards.clustering import answer_set, cluster
from empo_rewards.entropy.counts import plug_in
from empo_rewards.errors import ConfigError, GroupError
from empo_rewards.group import Group
from empo_rewards.protocols import Relation, Strategy, StrategyInput
from empo_rewards.strategies.consensus import Empo, Majority, MajorityThreshold
from empo_rewards.strategies.controls import Format, Random, Reference
from empo_rewards.strategies.entropy_scaled import EntropyScaled
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
        (Scrl(positive=0.3, margin=0.1), (1, 1, 0, 0, 1, 0, 0, 0)),
        (Scrl(), (0,) * 8),
    ],
)
def test_rewards_by_hand(strategy: Strategy, expected: tuple[float | None, ...]) -> None:
    assert strategy(verdict(VOTES)).rewards == expected


def test_majority_ties() -> None:
    assert Majority()(verdict(["a", "b", "b", "a", "c"])).rewards == (1, 1, 1, 1, 0)
    assert Majority(ties="none")(verdict(["a", "b", "b", "a", "c"])).rewards == (0, 0, 0, 0, 0)
    assert Majority()(verdict([None, None])).rewards == (0, 0)


def test_scrl_labels_small_uncertain_clusters_negative() -> None:
    votes: list[str | None] = ["a"] * 6 + ["b", "c", None]
    # Mean uncertainty (6·0.1 + 2.0 + 0.05 + 0.35)/9 = 1/3: b is above it, c below.
    logprobs = [-0.1] * 6 + [-2.0, -0.05, -0.35]
    strategy = Scrl(abstain=None)
    assert strategy(verdict(votes, logprobs)).rewards == (1,) * 6 + (-1, None, None)
    assert strategy(verdict(votes)).rewards == (1,) * 6 + (None, None, None)


def test_scrl_wants_a_margin() -> None:
    close: list[str | None] = ["a"] * 5 + ["b"] * 4 + ["c"]  # .5 against .4
    assert Scrl()(verdict(close)).rewards == (0,) * 10
    assert Scrl(margin=0.05)(verdict(close)).rewards == (1,) * 5 + (0,) * 5


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


def test_random_is_a_function_of_the_group_and_follows_its_order() -> None:
    texts = [f"r{i % 20}" for i in range(400)]
    rewards = Random(seed=7)(verdict(list(texts))).rewards
    assert rewards == Random(seed=7)(verdict(list(texts))).rewards
    assert rewards != Random(seed=8)(verdict(list(texts))).rewards
    assert 140 < sum(r for r in rewards if r) < 260
    backwards = Random(seed=7)(verdict(list(reversed(texts)))).rewards
    for text in set(texts):
        forward = sorted(r for r, t in zip(rewards, texts, strict=True) if t == text)
        assert forward == sorted(r for r, t in zip(backwards, reversed(texts), strict=True) if t == text)
    assert set(Random(probability=0)(verdict(["a", "b"])).rewards) == {0}
    assert set(Random(probability=1)(verdict(["a", "b"])).rewards) == {1}


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
    ],
)
def test_impossible_options_are_refused(make: object) -> None:
    with pytest.raises(ConfigError):
        make()  # type: ignore[operator] # a parameter

"""What holds for every strategy: order does not matter, nor the scale of weights, nor a label unless it is named."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empo_rewards import Group, GroupScore, Scorer
from empo_rewards.config import Component
from empo_rewards.plugins.registry import load
from empo_rewards.protocols import Strategy

NEEDED: dict[str, dict[str, Any]] = {
    "mix": {"parts": ["empo", "majority"]},
    "restrain": {"centre": 0.5, "width": 0.3, "least_votes": 2, "penalty": 0.5},
}
"""Options without a default."""

ASKING = {"evol", "group_judge", "synthesis"}
"""Strategies that need a model: their order is tested where the model's stub is (test_evol, test_asked)."""

REGISTRY = load()
NAMES = sorted(set(REGISTRY.entries["strategy"]) - ASKING)
LABELLED = {"best", "reference"}


@cache
def scorer(name: str) -> Scorer:
    strategy = {"name": name, **NEEDED.get(name, {})}
    return Scorer({"extraction": ["boxed"], "equivalence": "exact", "strategy": strategy})


@cache
def made(name: str) -> Strategy:
    return REGISTRY.create(Strategy, Component(name=name, **NEEDED.get(name, {})), "strategy")


@st.composite
def groups(draw: st.DrawFn) -> Group:
    """A group with everything that a strategy may ask for; its responses are all different."""
    answers = draw(st.lists(st.sampled_from(["1", "2", "3", ""]), min_size=2, max_size=8))
    size = len(answers)
    trained = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    trained[draw(st.integers(0, size - 1))] = True
    sides = [draw(st.sampled_from("xy")) for _ in answers]
    sides[:2] = ["x", "y"]
    return Group(
        "q",
        [rf"{i} \boxed{{{answer}}}" for i, answer in enumerate(answers)],
        reference="1",
        token_logprobs=[[-draw(st.integers(0, 8)) / 8] for _ in answers],
        trained=trained,
        sides=sides,
        vote_weights=[draw(st.sampled_from([0.25, 1.0, 3.0])) for _ in answers],
    )


def fitting(name: str, group: Group) -> Group:
    """The group without what the strategy does not follow."""
    strategy = made(name)
    group = group if strategy.uses_weights else replace(group, vote_weights=None)
    return group if strategy.uses_sides else replace(group, sides=None)


def moved(group: Group, order: list[int]) -> Group:
    members = ("responses", "token_logprobs", "trained", "sides", "vote_weights")
    return replace(group, **{n: [v[i] for i in order] for n in members if (v := getattr(group, n)) is not None})


def score(name: str, group: Group) -> GroupScore:
    found = scorer(name).score(group)
    assert found.cause is None or not found.cause.is_fault, found.detail
    assert all(reward is None for reward, paid in zip(found.rewards, group.trained or (), strict=True) if not paid)
    return found


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(group=groups(), seed=st.integers(0, 99))
def test_a_permutation_permutes_the_rewards(name: str, group: Group, seed: int) -> None:
    group = fitting(name, group)
    order = random.Random(seed).sample(range(len(group)), len(group))
    plain, other = score(name, group), score(name, moved(group, order))
    assert [None if r is None else pytest.approx(r, abs=1e-12) for r in other.rewards] == [
        plain.rewards[i] for i in order
    ]
    assert other.advantage_scale == pytest.approx(plain.advantage_scale)
    assert other.advantage_shift == plain.advantage_shift


@pytest.mark.parametrize("name", [name for name in NAMES if made(name).uses_weights])
@settings(max_examples=10, deadline=None)
@given(group=groups(), scale=st.sampled_from([0.5, 4.0, 1024.0]))
def test_the_scale_of_the_weights_does_not_matter(name: str, group: Group, scale: float) -> None:
    group = fitting(name, group)
    scaled = replace(group, vote_weights=[weight * scale for weight in group.vote_weights or ()])
    assert score(name, scaled) == score(name, group)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(group=groups())
def test_no_label_is_read_but_by_the_strategies_that_say_so(name: str, group: Group) -> None:
    group = fitting(name, group)
    assert made(name).uses_reference is (name in LABELLED)
    if name not in LABELLED:
        assert score(name, replace(group, reference=None)).rewards == score(name, group).rewards


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, deadline=None)
@given(group=groups())
def test_what_a_strategy_does_not_follow_leaves_the_group_unscored(name: str, group: Group) -> None:
    strategy = made(name)
    if not strategy.uses_sides:
        assert scorer(name).score(replace(group, vote_weights=None)).rewards == (None,) * len(group)
    if not strategy.uses_weights and len(set(group.vote_weights or ())) > 1:
        assert scorer(name).score(replace(group, sides=None)).rewards == (None,) * len(group)

"""A scorer inside ray actors, plain and concurrent, gives the scores of one process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import ray

from empo_rewards import Group, Scorer

ANSWERS = ["1", "0.5", r"\frac12", "x+1", "1+x", r"\sin 2x", r"2 \sin x \cos x", r"\sqrt{3+2\sqrt2}", r"1+\sqrt2"]


def made_groups() -> list[Group]:
    """200 groups of eight, with hard pairs among them."""
    dice = random.Random(5)
    return [Group(f"q{k}", [rf"\boxed{{{dice.choice(ANSWERS)} + {k % 5}}}" for _ in range(8)]) for k in range(200)]


@ray.remote(num_cpus=0)
class Rewarder:
    """Scores in an actor."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def rewards(self, groups: list[Group]) -> list[tuple[Any, ...]]:
        """One after the other."""
        return [score.rewards for score in self.scorer.score_many(groups)]

    async def arewards(self, group: Group) -> tuple[Any, ...]:
        """Many at once, on the actor's event loop."""
        return (await self.scorer.ascore(group)).rewards


@pytest.fixture(scope="module")
def scorer() -> Iterator[Scorer]:
    with Scorer("empo-math") as made:
        yield made


def test_an_actor_scores_as_one_process_does(cluster: None, scorer: Scorer) -> None:
    groups = made_groups()
    alone = [score.rewards for score in scorer.score_many(groups)]
    assert len(set(alone)) > 20
    actor = Rewarder.remote(scorer)
    assert ray.get(actor.rewards.remote(groups), timeout=400) == alone
    assert ray.get([actor.arewards.remote(group) for group in groups], timeout=400) == alone
    ray.kill(actor)

"""Samples submitted one at a time, compared with the offline score of their groups."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

from empo_rewards import Cause, Group, GroupScore, Scorer, Status
from empo_rewards.errors import GroupError
from empo_rewards.gather import GatherLimits
from empo_rewards.gather.samples import (
    LABELLED_METRICS,
    METRICS,
    NeutralReward,
    Sample,
    SampleReward,
    SampleScorer,
    mean_metrics,
    sample_rewards,
)
from empo_rewards.group import read_label

CONFIG = {"preset": "empo-math", "equivalence": "exact"}


def submit_all(
    samples: list[tuple[Sample, dict[str, object]]], config: object = CONFIG, **options: object
) -> list[SampleReward]:
    """Submit all samples at once, and be given."""

    async def run(scorer: Scorer) -> list[SampleReward]:
        rendezvous = SampleScorer(scorer.ascore, **options)  # type: ignore[arg-type] # a test's options
        try:
            tasks = [rendezvous.submit(sample, **keywords) for sample, keywords in samples]  # type: ignore[arg-type]
            return list(await asyncio.wait_for(asyncio.gather(*tasks), 60))
        finally:
            await rendezvous.close()

    with Scorer(config) as scorer:  # type: ignore[arg-type] # a preset or mapping
        return asyncio.run(run(scorer))


def test_labels_that_can_be_references() -> None:
    none: tuple[object, ...] = ("", None, math.nan, [], ["", None])
    assert [read_label(label) for label in none] == [None] * len(none)
    assert [read_label(label) for label in ("x", 3, 0.5, ["x"])] == ["x", "3", "0.5", "x"]
    assert read_label(["Paris", "", "City of Paris", "Paris", 75]) == ("Paris", "City of Paris", "75")
    wrong: tuple[object, ...] = ({}, True, [["1"], ["2"]], [None, {}], b"x")
    for label in wrong:
        with pytest.raises(GroupError, match="a reference must be a text, a number, or a list of them, not"):
            read_label(label)


def test_shuffled_samples_are_paid_the_offline_reward_of_their_group() -> None:
    dice = random.Random(3)
    groups = {
        f"group {k}": Group(f"prompt {k % 5}", [rf"\boxed{{{dice.randrange(4)}}}" for _ in range(8)], reference="1")
        for k in range(20)
    }
    samples = [
        (Sample(str(group.prompt), response, "1"), {"key": key, "member": i})
        for key, group in groups.items()
        for i, response in enumerate(group.responses)
    ]
    dice.shuffle(samples)
    given = submit_all(samples, size=8)
    with Scorer(CONFIG) as scorer:
        offline = {key: scorer.score(group) for key, group in groups.items()}
    for (sample, where), result in zip(samples, given, strict=True):
        expected = offline[str(where["key"])]
        assert result.reward == expected.rewards[int(str(where["member"]))]
        assert result.position == where["member"]
        assert result.scored
        assert result.correct is (sample.response == r"\boxed{1}")
        assert result.score.id == where["key"]


def test_an_incomplete_group_is_paid_one_constant_and_says_why() -> None:
    samples = [(Sample("q", rf"\boxed{{{i}}}"), {"key": "g", "member": i}) for i in range(3)]
    limits = GatherLimits(idle_seconds=0.05)
    given = submit_all(samples, size=4, limits=limits, neutral=NeutralReward(0.25))
    for result in given:
        assert (result.reward, result.scored) == (0.25, False)
        assert (result.score.status, result.score.cause) == (Status.UNSCORED, Cause.INCOMPLETE)
        assert result.metrics()["unscored/incomplete"] == 1
    partial = submit_all(samples, {**CONFIG, "incomplete": "partial"}, size=4, limits=limits)
    assert [result.reward for result in partial] == [1 / 3] * 3
    assert partial[0].metrics()["partial"] == 1


def score(*rewards: float | None) -> GroupScore:
    """A score with these rewards."""
    return GroupScore(rewards, (), (), (), None, Status.SCORED)


def test_the_neutral_value_is_the_running_mean_or_a_constant() -> None:
    running, fixed = NeutralReward(), NeutralReward(-1)
    assert (running.of(score(None, None)), fixed.of(score(None, None))) == (0, -1)
    assert running.of(score(1.0, None, 0.5)) == 0.75
    assert running.of(score(None)) == 0.75
    running.of(score(0.0, 0.0))
    assert running.of(score(None)) == pytest.approx(1.5 / 4)
    assert fixed.of(score(1.0, None)) == 1


def test_an_abstention_is_paid_the_mean_of_the_others() -> None:
    texts = ["1", "1", "1", "2"]
    samples = [(Sample("q", rf"\boxed{{{text}}}"), {"key": "g", "member": i}) for i, text in enumerate(texts)]
    config = {**CONFIG, "strategy": {"name": "scrl", "mode": "binary", "abstain": None, "logprobs": "optional"}}
    given = submit_all(samples, config, size=4)
    assert [result.reward for result in given] == [1, 1, 1, 1]
    assert [result.scored for result in given] == [True, True, True, False]


def test_every_payment_has_the_same_keys() -> None:
    labelled = submit_all([(Sample("q", r"\boxed{1}", "1"), {})], size=1)[0].metrics()
    bare = submit_all([(Sample("q", ""), {})], size=1)[0].metrics()
    assert list(labelled) == list(bare)
    assert {*METRICS, *LABELLED_METRICS} < set(bare)
    assert labelled["accuracy"] == 1
    assert math.isnan(bare["accuracy"])


def test_labels_that_differ_within_a_group_are_none() -> None:
    samples = [(Sample("q", r"\boxed{1}", label), {"key": "g", "member": i}) for i, label in enumerate("12")]
    assert [result.correct for result in submit_all(samples, size=2)] == [None, None]


def test_a_group_that_came_whole_is_paid_in_order_and_who_did_not_come_the_neutral_value() -> None:
    with Scorer(CONFIG) as scorer:
        score = scorer.score(Group("q", [r"\boxed{1}", r"\boxed{1}", r"\boxed{2}", r"\boxed{3}"]))
    assert [result.reward for result in sample_rewards(score, NeutralReward(-7.0))] == [0.5, 0.5, 0.25, 0.25]
    given = sample_rewards(score, NeutralReward(-7.0), [2, None, 0, 1, 3])
    assert [(result.reward, result.scored) for result in given] == [
        (0.25, True),
        (0.375, False),  # the mean of the group's own
        (0.5, True),
        (0.5, True),
        (0.25, True),
    ]


def test_means_leave_out_what_a_row_does_not_have() -> None:
    rows = [{"a": 1.0, "b": math.nan, "c": math.nan}, {"a": 3.0, "b": 5.0, "c": math.nan}]
    assert mean_metrics(rows) == {"a": 2.0, "b": 5.0}

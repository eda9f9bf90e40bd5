"""The advantage estimator: equal to verl's GRPO where it should be, otherwise computed by hand."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage, get_adv_estimator_fn

from empo_rewards.group import Answer, AnswerKind, GroupScore, Status
from empo_rewards.integrations.verl import row_rewards
from empo_rewards.integrations.verl.advantage import empo_grpo, group_advantages
from empo_rewards.integrations.verl.rendezvous import Advantage

PLAIN = Advantage(scale=1.0, abstained=0, neutral=0.0)


def test_it_is_registered_by_name() -> None:
    assert get_adv_estimator_fn("empo_grpo") is empo_grpo


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_grpo_where_nothing_abstains_and_nothing_is_scaled(seed: int, normalise: bool) -> None:
    torch.manual_seed(seed)
    uids = np.array([f"g{i}" for i in torch.randint(0, 9, (64,)).tolist()], dtype=object)
    rewards = torch.zeros(64, 7)
    rewards[:, 6] = torch.randint(0, 17, (64,)) / 16
    mask = torch.ones(64, 7)
    expected, _ = compute_grpo_outcome_advantage(rewards.clone(), mask, uids, norm_adv_by_std_in_grpo=normalise)
    found = group_advantages(rewards.sum(-1), [str(uid) for uid in uids], {f"g{i}": PLAIN for i in range(9)}, normalise)
    assert torch.equal(found.unsqueeze(-1) * mask, expected)


def test_a_scale_multiplies_the_advantages_of_its_group() -> None:
    rewards = torch.tensor([0.75, 0.75, 0.75, 0.25, 0.5, 0.5, 1.0, 0.0])
    uids = ["a"] * 4 + ["b"] * 4
    plain = group_advantages(rewards, uids, {"a": PLAIN, "b": PLAIN})
    found = group_advantages(rewards, uids, {"a": Advantage(0.25, 0, 0.625), "b": PLAIN})
    assert torch.equal(found[:4], 0.25 * plain[:4])
    assert torch.equal(found[4:], plain[4:])
    # mean 0.625, unbiased deviation 0.25
    assert found[:4].tolist() == pytest.approx([0.125, 0.125, 0.125, -0.375], rel=1e-5)


def test_members_that_the_strategy_abstained_on_count_neither_in_mean_nor_deviation() -> None:
    """+1, +1, -1 and two that were given their mean 1/3: what GRPO gives for the three alone."""
    rewards = torch.tensor([1.0, 1 / 3, 1.0, -1.0, 1 / 3])
    found = group_advantages(rewards, ["g"] * 5, {"g": Advantage(1.0, 2, 1 / 3)})
    three, _ = compute_grpo_outcome_advantage(
        torch.tensor([[1.0], [1.0], [-1.0]]), torch.ones(3, 1), np.array(["g"] * 3, dtype=object)
    )
    assert found[[0, 2, 3]].tolist() == three.squeeze(-1).tolist()
    assert found[[1, 4]].tolist() == [0.0, 0.0]


def test_a_group_without_rewards_has_no_advantage_whatever_it_was_paid() -> None:
    """verl's GRPO makes some of the rounding of a constant's mean."""
    rewards = torch.full((12,), 0.437)
    found = group_advantages(rewards, ["g"] * 12, {"g": Advantage(0.0, 12, 0.437)})
    assert found.tolist() == [0.0] * 12


def test_members_that_only_voted_count_neither_in_mean_nor_deviation_and_have_no_advantage() -> None:
    """Two votes among four: what GRPO gives for the others alone, one of which has the mean of its peers by itself."""
    vote = float(np.nextafter(np.float32(0.5), np.float32(1)))
    rewards = torch.tensor([1.0, vote, 0.0, vote, 0.5])
    found = group_advantages(rewards, ["g"] * 5, {"g": Advantage(1.0, 0, 0.5, vote=vote)})
    three, _ = compute_grpo_outcome_advantage(
        torch.tensor([[1.0], [0.0], [0.5]]), torch.ones(3, 1), np.array(["g"] * 3, dtype=object)
    )
    assert found[[0, 2, 4]].tolist() == three.squeeze(-1).tolist()
    assert found[[1, 3]].tolist() == [0.0, 0.0]


def test_a_shift_is_added_to_what_is_trained_on_and_to_nothing_else() -> None:
    rewards = torch.tensor([0.0, 1e-30, 0.0])
    found = group_advantages(rewards, ["g"] * 3, {"g": Advantage(0.5, 0, 0.0, -0.25, 1e-30)}, normalise=False)
    assert found.tolist() == [-0.25, 0.0, -0.25]


@pytest.mark.parametrize("rewards", [(0.5, 0.5, None), (0.0, 1.0, None), (0.5, float(np.float32(0.5 + 6e-8)), None)])
def test_the_reward_of_a_vote_is_that_of_no_other_row(rewards: tuple[float | None, ...]) -> None:
    blank = (Answer("", AnswerKind.BLANK),) * 3
    score = GroupScore(rewards, blank, (), (), None, Status.SCORED, size=3, trained=(True, True, False))
    vote = row_rewards.vote_reward(0.5, score)
    assert np.float32(vote) not in {np.float32(reward) for reward in rewards if reward is not None}
    assert vote == pytest.approx(0.5, abs=1e-6)


def test_where_all_rewards_are_equal_votes_have_the_same() -> None:
    """So that a filter of groups without differences drops it; not where a penalty is added to what is trained on."""
    blank = (Answer("", AnswerKind.BLANK),) * 3
    score = GroupScore((0.1, 0.1, None), blank, (), (), None, Status.SCORED, size=3, trained=(True, True, False))
    assert not row_rewards.votes_are_told_apart(score)
    assert row_rewards.votes_are_told_apart(replace(score, advantage_shift=-1.0))
    assert not row_rewards.votes_are_told_apart(replace(score, rewards=(None,) * 3))
    found = group_advantages(torch.tensor([0.5] * 3), ["g"] * 3, {"g": Advantage(1.0, 0, 0.5)})
    assert found.tolist() == [0.0] * 3


def test_a_group_that_is_not_remembered_has_no_advantage_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "empo_rewards"):
        found = group_advantages(torch.tensor([0.0, 1.0, 0.0, 1.0]), ["a", "a", "b", "b"], {"b": PLAIN})
    assert found[:2].tolist() == [0.0, 0.0]
    assert found[2:].tolist() != [0.0, 0.0]
    assert "1 of 2 groups are not remembered" in caplog.text

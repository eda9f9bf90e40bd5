"""The values returned to OpenRLHF, and their documentation."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from pathlib import Path

import pytest
from pages import quoted, table

from empo_rewards import GroupScore, Status
from empo_rewards.gather.samples import SampleReward
from empo_rewards.integrations.openrlhf.rewards import in_openrlhf_format
from empo_rewards.integrations.openrlhf.settings import SCORES, OpenRLHFSettings

PAGE = (Path(__file__).parents[3] / "docs" / "openrlhf.md").read_text(encoding="utf-8")


def result(correct: bool | None) -> SampleReward:
    score = GroupScore((0.75,), (), (), (), None, Status.SCORED, correct=None if correct is None else (correct,))
    return SampleReward(0.75, True, correct, score, 0)


@pytest.mark.parametrize(
    ("correct", "scores", "by_label", "reward", "score"),
    [
        (None, "accuracy", False, 0.75, 0.75),
        (False, "accuracy", False, 0.75, 0.0),
        (True, "reward", False, 0.75, 0.75),
        (False, "reward", True, 0.0, 0.0),
        (True, "accuracy", True, 1.0, 1.0),
        (None, "accuracy", True, math.nan, math.nan),
    ],
)
def test_reward_and_score(correct: bool | None, scores: str, by_label: bool, reward: float, score: float) -> None:
    told = in_openrlhf_format(result(correct), scores=scores, by_label=by_label)
    assert (told.reward, told.score) == pytest.approx((reward, score), nan_ok=True)
    assert not any(math.isnan(number) for number in told.logs.values())


def test_the_page_lists_the_variables_and_their_defaults() -> None:
    listed = {quoted(name)[0]: default.strip("`") for name, default, _ in table(PAGE, "variable", "default")}
    assert list(listed) == [f"EMPO_REWARDS_{setting.name.upper()}" for setting in fields(OpenRLHFSettings)]
    environment = {name: "" if default == "none" else default for name, default in listed.items()}
    assert OpenRLHFSettings.from_environment(environment) == OpenRLHFSettings()
    assert OpenRLHFSettings.from_environment({}) == OpenRLHFSettings()


def test_the_page_lists_what_is_logged() -> None:
    section = PAGE.partition("## What is logged")[2].partition("##")[0]
    listed = set(re.findall(r"`(\w+)`", section)) - {"extra_logs"}
    logged = {
        name.removeprefix("empo/") for name in in_openrlhf_format(result(None), scores=SCORES[0], by_label=False).logs
    }
    assert listed == {name for name in logged if "/" not in name}

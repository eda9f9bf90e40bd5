"""RESTRAIN's advantages by hand, and against GRPO's loss for each label computed one label at a time."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards import ConfigError, Group, Scorer
from empo_rewards.group import Cause
from empo_rewards.strategies.restrain import Restrain

OPTIONS = {"centre": 0.5, "width": 0.25, "least_votes": 2, "penalty": 0.3}
CONFIG = {"extraction": ["boxed"], "equivalence": "exact", "guards": []}


def score(answers: str, **options: Any) -> Any:
    responses = [rf"\boxed{{{letter}}}" if letter != " " else "no idea" for letter in answers]
    return _scorer(json.dumps(options)).score(Group("q", responses))


@cache
def _scorer(options: str) -> Scorer:
    return Scorer({**CONFIG, "strategy": {"name": "restrain", **OPTIONS, **json.loads(options)}})


def test_by_hand() -> None:
    """Of four, a has 3/4 and b 1/4: both are 1/4 from the centre, so their weights are 1/2 each."""
    found = score("aaab")
    a = 0.5 * math.sqrt(1 / 3) - 0.5 * math.sqrt(1 / 3)  # for a: sqrt((1/4)/(3/4)); against b: sqrt((1/4)/(3/4))
    b = 0.5 * math.sqrt(3) - 0.5 * math.sqrt(3)
    assert found.rewards == pytest.approx([a, a, a, b], abs=1e-12)
    sure = score("aaab", centre=0.75)  # g(3/4) = 1, g(1/4) = e^-2
    w = 1 / (1 + math.exp(-2))
    a = w * math.sqrt(1 / 3) - (1 - w) * math.sqrt(1 / 3)
    assert sure.rewards == pytest.approx([a, a, a, -3 * a], abs=1e-12)
    assert (sure.advantage_scale, sure.advantage_shift) == (1, 0)


def test_one_answer_moves_nothing() -> None:
    found = score("aaaa")
    assert (found.rewards, found.advantage_shift) == ((0,) * 4, 0)


def test_without_consensus_every_response_is_penalised() -> None:
    for answers in ("abcd", "    "):
        found = score(answers)
        assert (found.rewards, found.advantage_scale, found.advantage_shift) == ((0,) * 4, 1, -0.3)
    assert score("aabc").advantage_shift == 0


@given(st.lists(st.sampled_from("abcd "), min_size=2, max_size=12))
def test_it_is_the_weighted_sum_of_grpo_with_each_answer_as_the_label(answers: list[str]) -> None:
    names = sorted(set(answers) - {" "})
    if max((answers.count(name) for name in names), default=0) < 2:
        return
    masses = [math.exp(-((answers.count(name) / len(answers) - 0.5) ** 2) / (2 * 0.25**2)) for name in names]
    expected = [0.0] * len(answers)
    for name, mass in zip(names, masses, strict=True):
        rewards = [float(answer == name) for answer in answers]
        deviation = pstdev(rewards)
        for i, reward in enumerate(rewards):
            if deviation > 0:
                expected[i] += mass / sum(masses) * (reward - fmean(rewards)) / deviation
    found = score("".join(answers)).rewards
    assert found == pytest.approx(expected, abs=1e-9)
    assert fmean(found) == pytest.approx(0, abs=1e-9)


def test_a_narrow_width_takes_the_answer_that_is_closest() -> None:
    found = score("aaab", centre=0.75, width=1e-3)
    assert found.rewards == pytest.approx([math.sqrt(1 / 3)] * 3 + [-math.sqrt(3)], abs=1e-9)


def test_prompts_are_weighted_by_a_frozen_base(tmp_path: Path) -> None:
    base = tmp_path / "base.jsonl"
    base.write_text(json.dumps({"prompt": "q", "largest_share": 0.25}) + "\n", encoding="utf-8")
    u = math.exp(-(0.25**2) / (2 * 0.25**2))
    found = score("abcd", base=str(base))
    assert found.advantage_scale == pytest.approx(u)
    assert found.advantage_shift == pytest.approx(-0.3 * u)
    other = tmp_path / "other.jsonl"
    other.write_text("", encoding="utf-8")
    unknown = score("aabb", base=str(other))
    assert (unknown.cause, unknown.rewards) == (Cause.STRATEGY_FAILED, (None,) * 4)
    assert "no share of this prompt" in str(unknown.detail)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"prompt": "q"}',
        '{"prompt": 1, "largest_share": 0.5}',
        '{"prompt": "q", "largest_share": 2}',
        '{"prompt": "q", "largest_share": NaN}',
        '{"prompt": "q", "largest_share": 0.5}\n{"prompt": "q", "largest_share": 0.25}',
        None,
    ],
)
def test_a_file_of_a_base_that_cannot_be_read(tmp_path: Path, content: str | None) -> None:
    base = tmp_path / "base.jsonl"
    if content is not None:
        base.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"base: .*base\.jsonl"):
        Restrain(**OPTIONS, base=base)  # type: ignore[arg-type] # its options


@pytest.mark.parametrize(
    "options",
    [{"centre": 1.5}, {"width": 0}, {"width": math.inf}, {"least_votes": 0}, {"penalty": -1}, {"penalty": math.nan}],
)
def test_impossible_options(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        Restrain(**{**OPTIONS, **options})  # type: ignore[arg-type] # its options


def test_the_papers_constants_are_no_defaults() -> None:
    with pytest.raises(ConfigError, match="centre"):
        Scorer({"strategy": "restrain"})


def test_a_group_with_weights_is_unscored() -> None:
    with Scorer({**CONFIG, "strategy": {"name": "restrain", **OPTIONS}}) as scorer:
        found = scorer.score(Group("q", [r"\boxed{a}", r"\boxed{a}"], vote_weights=[1, 2]))
    assert found.cause is Cause.STRATEGY_FAILED

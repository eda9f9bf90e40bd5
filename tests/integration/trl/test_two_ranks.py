"""Two ranks of one training: every reward equals the offline score of its group, wherever its members are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny

from empo_rewards import Group, Scorer

HERE = Path(__file__).parent
GEOMETRIES = ("4x1", "8x1", "12x1", "2x2", "3x8")
STEPS = 3


def run_two_ranks(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Both ranks, on this machine. The timeout is how long a hang is waited for."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(HERE)}
    return subprocess.run(
        [*command, str(HERE / "two_ranks.py"), str(folder), *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank wrote down."""
    folder = tmp_path_factory.mktemp("two_ranks")
    done = run_two_ranks(folder)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"rank{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


@pytest.fixture(scope="module")
def scorer() -> Iterator[Scorer]:
    with Scorer(tiny.CONFIG) as scorer:
        yield scorer


class Member:
    """One completion, as its rank saw it."""

    def __init__(self, call: dict[str, Any], position: int, rank: int) -> None:
        self.number, self.prompt = call["number"][position], call["prompts"][position]
        self.completion, self.reward, self.rank = call["completions"][position], call["rewards"][position], rank


def groups(calls: Iterable[dict[str, Any]]) -> list[list[Member]]:
    """The groups of one batch of the world, told apart by the column that the rewards do not look at."""
    found: dict[int, list[Member]] = {}
    for rank, call in enumerate(calls):
        for position in range(len(call["rewards"])):
            member = Member(call, position, rank)
            found.setdefault(member.number, []).append(member)
    return list(found.values())


def batches(ranks: list[dict[str, Any]], geometry: str, phase: str) -> list[list[list[Member]]]:
    """The groups of each batch; of two rewards at once, each one's."""
    ours = [
        [call for name in ("empo", "slow", "fast") for call in rank[geometry][phase] if call["name"] == name]
        for rank in ranks
    ]
    return [groups(calls) for calls in zip(*ours, strict=True)]


def check(batch: list[list[Member]], size: int, scorer: Scorer) -> None:
    for members in batch:
        assert len(members) == size
        assert len({member.prompt for member in members}) == 1
        offline = scorer.score(Group(members[0].prompt, [member.completion for member in members]))
        assert [member.reward for member in members] == list(offline.rewards)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_every_reward_is_the_offline_score_of_its_group(
    ranks: list[dict[str, Any]], scorer: Scorer, geometry: str
) -> None:
    batch_size, accumulated = map(int, geometry.split("x"))
    rewards_at_once = 2 if geometry == "12x1" else 1
    trained = batches(ranks, geometry, "train")
    assert len(trained) == STEPS * rewards_at_once
    for batch in trained:
        assert len(batch) == 2 * batch_size * accumulated // 8
        check(batch, 8, scorer)
    values = {member.reward for batch in trained for members in batch for member in members}
    assert len(values) > 2  # the model's answers are neither all equal nor all different
    assert sum(rank[geometry]["groups"] for rank in ranks) == sum(map(len, trained))  # once in the world


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_evaluations_have_groups_of_their_own_size(ranks: list[dict[str, Any]], scorer: Scorer, geometry: str) -> None:
    evaluated = batches(ranks, geometry, "evaluation")
    assert evaluated
    for batch in evaluated:
        check(batch, 4, scorer)


def test_groups_lie_across_ranks_and_prompts_repeat(ranks: list[dict[str, Any]]) -> None:
    """What the tests above rest on."""
    for geometry in ("4x1", "12x1", "2x2"):
        trained = batches(ranks, geometry, "train")
        assert any(len({member.rank for member in members}) == 2 for batch in trained for members in batch)
    for batch in batches(ranks, "3x8", "train"):
        prompts = [members[0].prompt for members in batch]
        assert len(set(prompts)) < len(prompts)


def test_the_log_has_the_means_of_the_world(ranks: list[dict[str, Any]], scorer: Scorer) -> None:
    for geometry in ("8x1", "2x2", "3x8"):
        lines = [line for line in ranks[0][geometry]["log"] if "empo/largest_share" in line]
        for line, batch in zip(lines, batches(ranks, geometry, "train"), strict=True):
            offline = [
                scorer.score(Group(m[0].prompt, [member.completion for member in m], reference=str(m[0].number % 6)))
                for m in batch
            ]
            for name in ("largest_share", "entropy", "accuracy", "blanks"):
                mean = sum(score.metrics[name] for score in offline) / len(offline)
                assert line[f"empo/{name}"] == pytest.approx(mean, abs=1e-6), name
        assert any("eval_empo/accuracy" in line for line in ranks[0][geometry]["log"])
    assert any("slow/entropy" in line and "fast/entropy" in line for line in ranks[0]["12x1"]["log"])


def test_all_ranks_are_told_the_same_when_there_are_no_groups(ranks: list[dict[str, Any]]) -> None:
    assert "4 completions, which are no whole groups of 8" in ranks[0]["refusal"]
    assert ranks[0]["refusal"] == ranks[1]["refusal"]


def test_a_killed_rank_ends_the_job(tmp_path: Path) -> None:
    done = run_two_ranks(tmp_path, "kill")
    assert done.returncode != 0
    assert "SIGKILL" in done.stderr or "Signal 9" in done.stderr, done.stderr[-4000:]

"""Scores from threads, an event loop, and forked and spawned processes equal those of a single process."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

import pytest

from empo_rewards import Group, Scorer

GROUPS = 200
THREADS = 24

# Answers that canonical forms decide, and some that only enclosures can.
ANSWERS = [
    "1",
    "0.5",
    r"\frac12",
    "x+1",
    "1+x",
    r"\sqrt{8}",
    r"2\sqrt2",
    r"\sin 2x",
    r"2 \sin x \cos x",
    r"\ln 4 + c",
    "k",
]


def made_groups() -> list[Group]:
    """Groups of eight, with a few hard pairs among them."""
    dice = random.Random(11)
    return [
        Group(f"q{k}", [rf"So \boxed{{{dice.choice(ANSWERS)} + {k % 7}}}." for _ in range(8)], id=str(k))
        for k in range(GROUPS)
    ]


def comparable(scores: Any) -> list[str]:
    """The scores without what may differ: how the work was done."""
    plain = []
    for score in scores:
        row = score.to_dict()
        row["metrics"] = {k: v for k, v in row["metrics"].items() if not k.startswith("equivalence/")}
        plain.append(json.dumps(row, sort_keys=True))
    return plain


@pytest.fixture(scope="module")
def scorer() -> Iterator[Scorer]:
    with Scorer("empo-math") as made:
        yield made


@pytest.fixture(scope="module")
def alone(scorer: Scorer) -> list[str]:
    """What one process says."""
    scores = list(scorer.score_many(made_groups()))
    assert all(score.status.value == "scored" for score in scores)
    assert any(score.metrics["equivalence/pairs_refined"] for score in scores)
    assert any(len(set(score.clusters)) < 8 for score in scores)
    return comparable(scores)


def test_threads(scorer: Scorer, alone: list[str]) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        assert comparable(threads.map(scorer.score, made_groups())) == alone


def test_an_event_loop(scorer: Scorer, alone: list[str]) -> None:
    async def together() -> list[Any]:
        return list(await asyncio.gather(*(scorer.ascore(group) for group in made_groups())))

    assert comparable(asyncio.run(together())) == alone


def in_a_child(scorer: Scorer, pipe: Connection) -> None:
    """Score everything with an inherited or unpickled scorer, and send it back."""
    try:
        pipe.send(comparable(scorer.score_many(made_groups())))
    finally:
        scorer.close()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("daemon", [False, True])
def test_child_processes(scorer: Scorer, alone: list[str], method: str, daemon: bool) -> None:
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=in_a_child, args=(scorer, theirs), daemon=daemon)  # type: ignore[attr-defined] # of any context
    process.start()
    theirs.close()
    assert ours.poll(120), "the child gave no answer"
    assert ours.recv() == alone
    process.join(30)
    assert process.exitcode == 0
    # The parent's own workers still answer.
    assert comparable([scorer.score(made_groups()[0])]) == alone[:1]

"""The pool of scoring processes: what is scored, and what becomes of workers that die, hang, or are stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import NoReturn

import pytest

from empo_rewards.errors import ConfigError, EmpoError, WorkerError
from empo_rewards.group import Cause, Group, GroupScore
from empo_rewards.workers import WorkerPool


class FakeScorer:
    """Says which process scored; some responses make it do worse things."""

    def __init__(self, closed: Path) -> None:
        self.closed = closed

    def score_many(self, groups: Iterable[Group], /) -> Iterator[GroupScore]:
        for group in groups:
            word = group.responses[0]
            if word == "die":
                os._exit(9)
            if word == "refuse":
                raise ConfigError("no such thing")
            if word == "crash":
                raise RuntimeError("a bug")
            if word == "hang":
                self.closed.with_name("hangs").touch()
                time.sleep(600)
            yield GroupScore.unscored(group, Cause.ABSTAINED, str(os.getpid()))

    def close(self) -> None:
        self.closed.write_text(str(os.getpid()))


class Unloadable:
    """A scorer that cannot be built in another process."""

    def __reduce__(self) -> tuple[object, ...]:
        return _fail, ()

    def score_many(self, groups: Iterable[Group], /) -> Iterator[GroupScore]:
        raise NotImplementedError

    def close(self) -> None:
        pass


def _fail() -> NoReturn:
    raise RuntimeError("cannot be built")


@pytest.fixture
def scorer(tmp_path: Path) -> FakeScorer:
    return FakeScorer(tmp_path / "closed")


def process_of(pool: WorkerPool, word: str = "a") -> int:
    """The process that scores a group."""
    (score,) = pool.submit([Group("p", [word])]).result(60)
    return int(score.detail or "")


def test_scores_come_in_order_from_a_worker_that_is_kept(scorer: FakeScorer) -> None:
    with WorkerPool(scorer, 2) as pool:
        scores = pool.submit([Group("p", ["a"], id=name) for name in "xyz"]).result(60)
        assert [score.id for score in scores] == ["x", "y", "z"]
        assert process_of(pool) == process_of(pool) == int(scores[0].detail or "") != os.getpid()


def test_a_worker_that_dies_is_replaced(scorer: FakeScorer, capfd: pytest.CaptureFixture[str]) -> None:
    with WorkerPool(scorer, 1) as pool:
        first = process_of(pool)
        with pytest.raises(WorkerError, match=r"^a worker process died \(exit code 9\)$"):
            process_of(pool, "die")
        assert process_of(pool) != first
        with pytest.raises(WorkerError, match="exit code 1"):
            process_of(pool, "crash")
    assert "RuntimeError: a bug" in capfd.readouterr().err


def test_a_worker_that_hangs_is_killed_and_replaced(scorer: FakeScorer) -> None:
    with WorkerPool(scorer, 1, score_seconds=1.0) as pool:
        first = process_of(pool)
        with pytest.raises(WorkerError, match="took longer than 1 s for a group and was killed"):
            process_of(pool, "hang")
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        assert process_of(pool) != first


def test_an_error_of_the_scorer_is_told_in_its_words_and_costs_no_worker(scorer: FakeScorer) -> None:
    with WorkerPool(scorer, 1) as pool:
        first = process_of(pool)
        with pytest.raises(EmpoError, match=r"^no such thing$"):
            process_of(pool, "refuse")
        assert process_of(pool) == first


def test_signals_to_all_processes_of_a_group_do_not_end_a_worker(scorer: FakeScorer) -> None:
    with WorkerPool(scorer, 1) as pool:
        first = process_of(pool)
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(first, number)
        assert process_of(pool) == first


def test_closing_stops_a_busy_worker_which_closes_its_scorer(scorer: FakeScorer, tmp_path: Path) -> None:
    with WorkerPool(scorer, 1) as pool:
        first = process_of(pool)
        hung, waiting = (pool.submit([Group("p", ["hang"])]) for _ in range(2))
        while not (tmp_path / "hangs").exists():
            time.sleep(0.01)
    assert scorer.closed.read_text() == str(first)
    with pytest.raises(EmpoError, match="closed"):
        hung.result(0)
    with pytest.raises(CancelledError):
        waiting.result(0)
    with pytest.raises(EmpoError, match="closed"):
        pool.submit([Group("p", ["a"])])


def test_a_scorer_that_cannot_be_built_is_an_error_at_the_start() -> None:
    with WorkerPool(Unloadable(), 2) as pool, pytest.raises(WorkerError, match="died"):
        pool.start()

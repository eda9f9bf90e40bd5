"""The pool of scoring processes: what is scored, and what becomes of workers that die, hang, or are stopped."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from empo_rewards import workers
from empo_rewards.errors import ConfigError, EmpoError, WorkerError
from empo_rewards.group import Cause, Group, GroupScore
from empo_rewards.turns import checkpoint
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
                subprocess.Popen([sys.executable, "-c", f"import time; time.sleep(600)  # {self.closed.parent}"])
                self.closed.with_name("hangs").touch()
                time.sleep(600)
            if word in {"compute", "search"}:  # in steps of ten milliseconds
                while not (word == "compute" and self.closed.with_name("enough").exists()):
                    until = time.thread_time() + 0.01
                    while time.thread_time() < until:
                        pass
                    self.closed.with_name("at work").touch()
                    checkpoint()
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


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "STOPPING_SECONDS", 0.3)


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


def test_a_group_that_has_been_scored_is_not_kept(scorer: FakeScorer) -> None:
    gc.disable()  # it goes without a collection
    try:
        with WorkerPool(scorer, 1) as pool:
            group = Group("p", ["a"])
            scored, reference = pool.submit([group]), weakref.ref(group)
            scored.result(60)
            del scored, group
            process_of(pool)  # the threads of the pool hold what they did last
            end = time.monotonic() + 10
            while reference() is not None and time.monotonic() < end:
                time.sleep(0.01)
            assert reference() is None
    finally:
        gc.enable()


def test_a_worker_that_dies_is_replaced(scorer: FakeScorer) -> None:
    with WorkerPool(scorer, 1) as pool:
        first = process_of(pool)
        with pytest.raises(WorkerError, match=r"^a worker process died \(exit code 9\)$"):
            process_of(pool, "die")
        assert process_of(pool) != first


def test_a_fault_of_the_scorer_costs_its_group_only(scorer: FakeScorer, capfd: pytest.CaptureFixture[str]) -> None:
    with WorkerPool(scorer, 1) as pool:
        first = process_of(pool)
        with pytest.raises(WorkerError, match="scoring failed in a worker process: RuntimeError: a bug"):
            process_of(pool, "crash")
        assert process_of(pool) == first
    assert "Traceback" in capfd.readouterr().err


def test_a_worker_that_hangs_is_killed_and_replaced(scorer: FakeScorer) -> None:
    with WorkerPool(scorer, 1, score_seconds=1.0) as pool:
        first = process_of(pool)
        with pytest.raises(WorkerError, match="took longer than 1 s for a group and was stopped"):
            process_of(pool, "hang")
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        assert process_of(pool) != first


def start_but_for_the_first_time(mark: Path) -> None:
    """What a process that has no memory for a thread does."""
    if not mark.exists():
        mark.touch()
        raise RuntimeError("can't start new thread")


def test_a_worker_that_cannot_be_set_up_is_replaced(
    scorer: FakeScorer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with WorkerPool(scorer, 1, set_up=partial(start_but_for_the_first_time, tmp_path / "tried")) as pool:
        process_of(pool)
    assert "Traceback" not in capfd.readouterr().err


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


def eventually(is_so: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def running_under(folder: Path) -> list[str]:
    """The command lines of living processes that name a folder."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode()
            if str(folder) in line:
                lines.append(line)
    return lines


@pytest.mark.parametrize("late", [True, False])
def test_what_a_stopped_group_has_started_ends_with_it(scorer: FakeScorer, tmp_path: Path, late: bool) -> None:
    with WorkerPool(scorer, 1, score_seconds=0.5 if late else None) as pool:
        hung = pool.submit([Group("p", ["hang"])])
        eventually(lambda: bool(running_under(tmp_path)))
        if late:
            with pytest.raises(WorkerError):
                hung.result(30)
            assert running_under(tmp_path) == []
    assert running_under(tmp_path) == []


def test_short_groups_are_scored_while_long_ones_compute(scorer: FakeScorer, tmp_path: Path) -> None:
    with WorkerPool(scorer, 1, threads=32) as pool:
        long = [pool.submit([Group("p", ["compute"])]) for _ in range(20)]
        eventually((tmp_path / "at work").exists)
        for _ in range(5):
            process_of(pool)
        assert not any(future.done() for future in long)
        (tmp_path / "enough").touch()
        assert len({future.result(60)[0].detail for future in long}) == 1


def test_a_group_that_nobody_waits_for_any_more_stops(scorer: FakeScorer, tmp_path: Path) -> None:
    with WorkerPool(scorer, 1) as pool:
        first = process_of(pool)
        endless = pool.submit([Group("p", ["search"])])
        eventually((tmp_path / "at work").exists)
        assert endless.cancel()
        assert process_of(pool) == first, "it is stopped, and its worker goes on"


def test_a_group_that_takes_too_long_does_not_cost_those_beside_it(scorer: FakeScorer, tmp_path: Path) -> None:
    with WorkerPool(scorer, 1, threads=4, score_seconds=1.5) as pool:
        process_of(pool)
        late = [pool.submit([Group("p", [word])]) for word in ("search", "hang")]
        eventually((tmp_path / "hangs").exists)
        time.sleep(1)
        beside = pool.submit([Group("p", ["compute"])])  # its worker is killed with it
        for future in late:
            with pytest.raises(WorkerError, match=r"took longer than 1\.5 s"):
                future.result(60)
        (tmp_path / "enough").touch()
        assert beside.result(60)[0].cause is Cause.ABSTAINED


def test_what_cannot_be_sent_is_an_error_and_costs_no_worker(scorer: FakeScorer) -> None:
    with WorkerPool(scorer, 1) as pool:
        first = process_of(pool)
        with pytest.raises(WorkerError, match="a task cannot be sent"):
            pool.run(lambda scorer: None).result(30)
        with pytest.raises(WorkerError, match="a result cannot be sent"):
            pool.run(unsendable).result(30)
        assert process_of(pool) == first


def unsendable(scorer: object) -> object:
    return lambda: scorer

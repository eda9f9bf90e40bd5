"""Tasks in several processes: equal results in equal order, and no process left behind after failures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path

import pytest

from empo_rewards.cli import parallel
from empo_rewards.cli.parallel import InOrder, in_order
from empo_rewards.errors import EmpoError, InputError
from empo_rewards.group import Answer, Group, GroupScore, Status
from empo_rewards.workers import StreamScorer


@dataclass
class FakeScorer:
    """Answers with the first response and the process that scored; some responses make it do worse things."""

    folder: Path

    def score_many(self, groups: Iterable[Group], /) -> Iterator[GroupScore]:
        (self.folder / f"{os.getpid()} scores").touch()
        for group in groups:
            act(group.responses[0])
            yield GroupScore(
                rewards=(1.0,),
                answers=(Answer(group.responses[0]),),
                clusters=(0,),
                cluster_shares=(1.0,),
                entropy=0.0,
                status=Status.SCORED,
                detail=str(os.getpid()),
                id=group.id,
            )

    def close(self) -> None:
        (self.folder / f"{os.getpid()} closed").touch()


def closed(folder: Path) -> set[str]:
    """The processes whose scorer has been closed."""
    return {path.name.removesuffix(" closed") for path in folder.glob("* closed")}


def act(response: str) -> None:
    if response == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if response.startswith("sleep"):
        time.sleep(float(response.removeprefix("sleep ")))


def scored(responses: Sequence[str], scorer: StreamScorer) -> list[GroupScore]:
    """The task: the scores of groups of one."""
    return list(scorer.score_many([Group("p", [response], id=response) for response in responses]))


def done(do: InOrder, *responses: str) -> Iterator[tuple[int, GroupScore]]:
    """The scores of single responses, each with its number."""
    for number, scores in do((n, partial(scored, [response])) for n, response in enumerate(responses)):
        assert scores is not None
        yield number, scores[0]


def children() -> set[int]:
    """The processes whose parent is this one, but for multiprocessing's own resource tracker."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and is_alive(int(entry.name)):
            try:
                stat = (entry / "stat").read_text()
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                continue
            if int(stat.rpartition(")")[2].split()[1]) == os.getpid() and b"resource_tracker" not in command:
                found.add(int(entry.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true while one can reasonably wait."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(autouse=True)
def others() -> Iterator[set[int]]:
    """The processes that other tests left running; after a test here there are no more of them."""
    before = children()
    yield before
    assert children() <= before


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_in_order_each_with_its_key(tmp_path: Path, workers: int) -> None:
    # The first of some takes longest, so that others overtake it.
    given = [f"sleep {0.02 * (n % 7 == 0)}" for n in range(20)]
    with in_order(FakeScorer(tmp_path), workers) as do:
        found = list(done(do, *given))
    assert [number for number, _ in found] == list(range(20))
    assert [score.answers[0].text for _, score in found] == given


@pytest.mark.parametrize("workers", [1, 2])
def test_keys_without_a_task_stand_in_their_place(tmp_path: Path, workers: int) -> None:
    with in_order(FakeScorer(tmp_path), workers) as do:
        found = [(key, result is None) for key, result in do([(0, partial(scored, "a")), (1, None), (2, None)])]
    assert found == [(0, False), (1, True), (2, True)]


@pytest.mark.parametrize("workers", [1, 2])
def test_tasks_within_tasks(tmp_path: Path, workers: int) -> None:
    with in_order(FakeScorer(tmp_path), workers) as do:
        found = [(outer, inner) for outer, _ in done(do, *"abcd") for inner, _ in done(do, *"ef")]
    assert found == [(outer, inner) for outer in range(4) for inner in range(2)]


def test_one_worker_is_this_process_and_leaves_its_scorer_open(tmp_path: Path) -> None:
    with in_order(FakeScorer(tmp_path)) as do:
        assert {score.detail for _, score in done(do, "a", "b")} == {str(os.getpid())}
    assert closed(tmp_path) == set()


def test_more_workers_are_other_processes_and_close_their_scorers(tmp_path: Path) -> None:
    with in_order(FakeScorer(tmp_path), 2) as do:
        processes = {score.detail for _, score in done(do, *["sleep 0.2"] * 8)}
    assert str(os.getpid()) not in processes
    assert len(processes) == 2
    assert closed(tmp_path) == processes


def test_no_more_processes_than_there_is_work_for(tmp_path: Path) -> None:
    with in_order(FakeScorer(tmp_path), 8) as do:
        list(done(do, "a"))
    assert len(closed(tmp_path)) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_to_do(tmp_path: Path, workers: int) -> None:
    with in_order(FakeScorer(tmp_path), workers) as do:
        assert list(do([])) == []


def test_tasks_are_taken_as_the_work_gets_on(tmp_path: Path) -> None:
    taken = count()
    tasks = ((next(taken), partial(scored, "a")) for _ in count())
    with in_order(FakeScorer(tmp_path), 2) as do:
        for number, _ in islice(do(tasks), 60):
            assert next(taken) <= number + 60 + 2 * parallel.AHEAD


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", [InputError, OSError])
def test_what_comes_before_a_fault_of_the_tasks_is_done(tmp_path: Path, workers: int, kind: type[Exception]) -> None:
    def damaged() -> Iterator[tuple[int, partial[list[GroupScore]]]]:
        yield from ((n, partial(scored, "a")) for n in range(5))
        raise kind("damaged after line 5")

    with in_order(FakeScorer(tmp_path), workers) as do:
        results = do(damaged())
        assert [next(results)[0] for _ in range(5)] == list(range(5))
        with pytest.raises(kind, match="damaged after line 5"):
            next(results)


def test_a_task_of_which_workers_die(tmp_path: Path) -> None:
    with in_order(FakeScorer(tmp_path), 2) as do:
        results = done(do, "a", "die", *"bcdefgh")
        assert next(results)[0] == 0
        with pytest.raises(EmpoError) as error:
            next(results)
    assert str(error.value) == "a worker process died (exit code -9): run again with --resume"


def test_workers_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    with in_order(FakeScorer(tmp_path), 2) as do:
        found = []
        for number, score in done(do, *["sleep 0.05"] * 12):
            found.append(number)
            if number in (1, 2, 5):
                with suppress(ProcessLookupError):  # it may have been replaced
                    os.kill(int(score.detail or ""), signal.SIGKILL)
    assert found == list(range(12))
    assert len({path.name for path in tmp_path.glob("* scores")}) > 2


def test_work_that_is_not_used_up_leaves_no_process(tmp_path: Path, others: set[int]) -> None:
    with in_order(FakeScorer(tmp_path), 2) as do:
        next(done(do, *["a", "sleep 600"] * 4))
        assert len(children() - others) == 2
        # One that is ended while it still starts has nothing to close.
        assert eventually(lambda: len(list(tmp_path.glob("* scores"))) == 2)
    # Not only the idle worker: the busy one closes its scorer too.
    assert len(closed(tmp_path)) == 2


def test_no_workers(tmp_path: Path) -> None:
    with pytest.raises(EmpoError, match="must be at least 1"), in_order(FakeScorer(tmp_path), 0):
        pass


JOB = """
import signal
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_parallel
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
    with test_parallel.in_order(test_parallel.FakeScorer(Path(sys.argv[2])), 2) as do:
        for number, score in test_parallel.done(do, "sleep 0.3", "sleep 0.3", *[sys.argv[3]] * 8):
            print(score.detail, flush=True)
"""


@pytest.mark.parametrize(
    ("ending", "task"),
    [(signal.SIGINT, "sleep 600"), (signal.SIGKILL, "sleep 0.5")],  # who is killed can stop nobody: a batch is finished
    ids=["ctrl-c", "sigkill"],
)
def test_workers_end_with_their_parent(tmp_path: Path, ending: signal.Signals, task: str) -> None:
    script = tmp_path / "job.py"
    script.write_text(JOB)
    command = [sys.executable, script, Path(__file__).parent, tmp_path, task]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as job:
        assert job.stdout is not None
        workers = {int(job.stdout.readline()), int(job.stdout.readline())}
        if ending is signal.SIGINT:
            os.killpg(job.pid, ending)  # as a terminal sends it: to every process of the group
        else:
            job.kill()
        assert job.wait() != 0
    try:
        assert eventually(lambda: not any(is_alive(pid) for pid in workers))
    finally:
        for pid in workers:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)

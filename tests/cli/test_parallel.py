"""Scoring in several processes: equal scores in equal order, and no process left behind after failures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from empo_rewards.cli import parallel
from empo_rewards.cli.parallel import score_stream
from empo_rewards.errors import EmpoError, InputError
from empo_rewards.group import Answer, Group, GroupScore, Status
from empo_rewards.reading.rollouts import ReadGroup


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


def items(*responses: str) -> list[ReadGroup]:
    return [ReadGroup(Group("p", [response], id=str(n)), n + 1) for n, response in enumerate(responses)]


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
def test_scores_in_input_order_each_with_its_item(tmp_path: Path, workers: int) -> None:
    # The first of each batch takes longest, so that batches overtake each other.
    given = items(*(f"sleep {0.02 * (n % 7 == 0)}" for n in range(50)))
    scored = list(score_stream(FakeScorer(tmp_path), given, workers, batch=3))
    assert [item for item, _ in scored] == given
    assert [score.id for _, score in scored] == [str(n) for n in range(50)]
    assert [score.answers[0].text for _, score in scored] == [item.group.responses[0] for item in given]


def test_one_worker_is_this_process_and_leaves_its_scorer_open(tmp_path: Path) -> None:
    scored = list(score_stream(FakeScorer(tmp_path), items("a", "b"), 1))
    assert {score.detail for _, score in scored} == {str(os.getpid())}
    assert closed(tmp_path) == set()


def test_more_workers_are_other_processes_and_close_their_scorers(tmp_path: Path) -> None:
    scored = list(score_stream(FakeScorer(tmp_path), items(*["sleep 0.2"] * 8), 2, batch=1))
    processes = {score.detail for _, score in scored}
    assert str(os.getpid()) not in processes
    assert len(processes) == 2
    assert closed(tmp_path) == processes


def test_no_more_processes_than_there_is_work_for(tmp_path: Path) -> None:
    list(score_stream(FakeScorer(tmp_path), items("a"), 8))
    assert len(closed(tmp_path)) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_to_score(tmp_path: Path, workers: int) -> None:
    assert list(score_stream(FakeScorer(tmp_path), [], workers)) == []


def test_input_is_read_as_scoring_gets_on(tmp_path: Path) -> None:
    read = 0

    def endless() -> Iterator[ReadGroup]:
        nonlocal read
        while True:
            read += 1
            yield from items(str(read))

    with closing(score_stream(FakeScorer(tmp_path), endless(), 2, batch=3)) as stream:
        for count in range(1, 61):
            next(stream)
            assert read <= count + 2 * parallel.AHEAD * 3


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", [InputError, OSError])
def test_what_was_read_before_a_fault_of_the_input_is_scored(
    tmp_path: Path, workers: int, kind: type[Exception]
) -> None:
    def damaged() -> Iterator[ReadGroup]:
        yield from items(*"abcde")
        raise kind("damaged after line 5")

    stream = score_stream(FakeScorer(tmp_path), damaged(), workers, batch=2)
    assert [next(stream)[1].answers[0].text for _ in range(5)] == list("abcde")
    with pytest.raises(kind, match="damaged after line 5"):
        next(stream)


def test_a_worker_that_is_killed(tmp_path: Path) -> None:
    with pytest.raises(EmpoError) as error:
        list(score_stream(FakeScorer(tmp_path), items("a", "die", *"bcdefgh"), 2, batch=1))
    assert str(error.value) == "a worker process died (exit code -9): run again with --resume"


def test_a_worker_that_is_killed_while_it_waits(tmp_path: Path) -> None:
    def kill_each() -> None:
        for _, score in score_stream(FakeScorer(tmp_path), items(*["a"] * 100), 2, batch=1):
            with suppress(ProcessLookupError):  # a batch that came back before its worker was killed
                os.kill(int(score.detail or ""), signal.SIGKILL)

    with pytest.raises(EmpoError, match="a worker process died"):
        kill_each()


def test_a_stream_that_is_not_used_up_leaves_no_process(tmp_path: Path, others: set[int]) -> None:
    with closing(score_stream(FakeScorer(tmp_path), items(*["a", "sleep 600"] * 4), 2, batch=1)) as stream:
        next(stream)
        assert len(children() - others) == 2
        # One that is ended while it still starts has nothing to close.
        assert eventually(lambda: len(list(tmp_path.glob("* scores"))) == 2)
    # Not only the idle worker: the busy one closes its scorer too.
    assert len(closed(tmp_path)) == 2


@pytest.mark.parametrize(("workers", "batch"), [(0, 1), (1, 0)])
def test_numbers_below_one(tmp_path: Path, workers: int, batch: int) -> None:
    with pytest.raises(EmpoError, match="must be at least 1"):
        score_stream(FakeScorer(tmp_path), [], workers, batch)


JOB = """
import signal
import sys
from contextlib import closing
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_parallel
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
    given = test_parallel.items(*["a", "a", *[sys.argv[3]] * 8])
    with closing(test_parallel.score_stream(test_parallel.FakeScorer(Path(sys.argv[2])), given, 2, batch=1)) as stream:
        for item, score in stream:
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

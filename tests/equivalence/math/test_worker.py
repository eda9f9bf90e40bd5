"""The workers: bounded time and memory, use from any thread or process, end with their owner."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from generated import hostile_texts

from empo_rewards.equivalence.math import worker_process
from empo_rewards.equivalence.math.symbolic_probe import DIFFERENT, SAME
from empo_rewards.equivalence.math.worker import SymbolicPool, SymbolicTask, Verdict
from empo_rewards.errors import EquivalenceError

HANGS = r"\sum_{a=1}^{5000}\sum_{b=1}^{5000} \sin(ab)"
TASK = SymbolicTask(("x+1", "1+x", "x+2"), ((0, 1), (0, 2), (1, 2)))
EXPECTED = [True, False, False]
KILLED = Verdict(None, killed=True)


@pytest.fixture(scope="module")
def pool() -> Iterator[SymbolicPool]:
    pool = SymbolicPool()
    yield pool
    pool.close()


def values(verdicts: list[Verdict]) -> list[bool | None]:
    return [verdict.equal for verdict in verdicts]


def decides_rightly(pool: SymbolicPool) -> bool:
    return values(pool.decide([TASK])[0]) == EXPECTED


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(400):
        if condition():
            return True
        time.sleep(0.05)
    return False


def children_of(pid: int) -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except FileNotFoundError:
            continue
        if parent == pid:
            found.add(int(stat.parent.name))
    return found


# --- verdicts --------------------------------------------------------------------------------------------------------


def test_verdicts_follow_tasks_and_pairs(pool: SymbolicPool) -> None:
    tasks = [TASK, SymbolicTask(("1", "2"), ()), SymbolicTask(("0.5", r"\frac12"), ((0, 1),))]
    assert [values(verdicts) for verdicts in pool.decide(tasks)] == [EXPECTED, [], [True]]


def test_no_worker_starts_without_a_question() -> None:
    pool = SymbolicPool()
    before = children_of(os.getpid())
    assert pool.decide([]) == []
    assert pool.decide([SymbolicTask(("1", "2"), ())]) == [[]]
    assert children_of(os.getpid()) == before


@pytest.mark.parametrize("pair", [(0, 0), (1, 0), (0, 3), (-1, 1)])
def test_a_pair_outside_the_texts_is_refused(pool: SymbolicPool, pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        pool.decide([SymbolicTask(("1", "2", "3"), (pair,))])


def test_long_texts_are_undecided_unread() -> None:
    pool = SymbolicPool(max_chars=10)
    try:
        assert pool.decide([SymbolicTask(("1" * 11, "1" * 11, "1"), ((0, 1), (0, 2)))]) == [[Verdict(None)] * 2]
    finally:
        pool.close()


@pytest.mark.parametrize("text", ["\ud800", "\x00", "1\n2", "{" * 1500, r"\frac" * 300, "((" * 700, "\u202e42"])
def test_odd_texts_cost_no_worker(pool: SymbolicPool, text: str) -> None:
    verdicts = pool.decide([SymbolicTask((text, "x+1", "1+x"), ((0, 1), (1, 2)))])[0]
    assert verdicts[0].equal is not True
    assert not verdicts[0].killed
    assert verdicts[1].equal is True


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_a_kill_costs_the_pairs_of_the_text_that_hangs() -> None:
    pool = SymbolicPool(deadline=0.5)
    task = SymbolicTask(("x+1", HANGS, "1+x", "x+2"), ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)))
    try:
        verdicts = pool.decide([task, TASK])
    finally:
        pool.close()
    assert verdicts[0] == [KILLED, Verdict(True, True), Verdict(False), KILLED, KILLED, Verdict(False)]
    assert values(verdicts[1]) == EXPECTED


class Supervised:
    """A supervisor in this process, whose child runs what a test puts in the place of the mathematics."""

    def __init__(self, deadline: float, memory_bytes: int) -> None:
        limits = {"deadline": deadline, "memory_bytes": memory_bytes, "max_chars": 100}
        self.supervisor = worker_process._Supervisor(limits, os.dup(0), os.dup(1), os.getppid())
        self.supervisor.start_child()

    def decide(self, texts: list[str], pairs: list[tuple[int, int]]) -> tuple[list[object], list[str]]:
        faults: list[str] = []
        try:
            return self.supervisor._decide(texts, pairs, faults), faults
        finally:
            self.supervisor.stop_child()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads a text as itself; compares as texts, unless a text says what to do instead."""

    def read(text: str) -> str:
        if text == "hang in reading":
            time.sleep(3600)
        if text == "much memory":
            bytearray(2**45)
        return text

    def compare(a: str, b: str) -> object:
        if "hang together" in (a, b) and "touchy" in (a, b):
            time.sleep(3600)
        if "fault" in (a, b):
            raise TypeError("our own mistake")
        if "end" in (a, b):
            os._exit(3)
        return SAME if a == b else DIFFERENT

    monkeypatch.setattr("empo_rewards.equivalence.math.symbolic.read", read)
    monkeypatch.setattr("empo_rewards.equivalence.math.symbolic.compare", compare)


UNTOUCHED = (False, False, False)
GONE = (None, False, True)


@pytest.mark.usefixtures("stand_in")
class TestSupervisor:
    def test_a_hang_in_reading_costs_every_pair_of_that_text_and_one_deadline(self) -> None:
        pairs = [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]
        verdicts, faults = Supervised(0.3, 2**44).decide(["a", "hang in reading", "b", "c"], pairs)
        assert verdicts == [GONE, UNTOUCHED, GONE, GONE, UNTOUCHED]
        assert faults == []

    def test_a_hang_in_comparing_costs_that_pair_only(self) -> None:
        pairs = [(0, 1), (0, 2), (0, 3), (1, 3), (2, 3)]
        verdicts, _ = Supervised(0.3, 2**44).decide(["a", "hang together", "b", "touchy"], pairs)
        assert verdicts == [UNTOUCHED, UNTOUCHED, UNTOUCHED, GONE, UNTOUCHED]

    def test_memory_past_the_limit_costs_that_pair_only(self) -> None:
        verdicts, _ = Supervised(60, 2**44).decide(["a", "much memory", "b"], [(0, 1), (0, 2)])
        assert verdicts == [GONE, UNTOUCHED]

    def test_a_child_that_ends_costs_that_pair_only(self) -> None:
        verdicts, _ = Supervised(60, 2**44).decide(["a", "end", "b"], [(0, 1), (0, 2)])
        assert verdicts == [GONE, UNTOUCHED]

    def test_a_fault_of_ours_is_undecided_and_reported(self) -> None:
        verdicts, faults = Supervised(60, 2**44).decide(["a", "fault", "b"], [(0, 1), (0, 2)])
        assert verdicts == [(None, False, False), UNTOUCHED]
        assert "our own mistake" in faults[0]

    def test_more_pairs_than_the_board_holds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(worker_process, "MAX_PAIRS", 2)
        texts = ["a", "b", "hang in reading", "c"]
        pairs = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3)]
        verdicts, _ = Supervised(0.3, 2**44).decide(texts, pairs)
        assert verdicts == [UNTOUCHED, GONE, GONE, UNTOUCHED, UNTOUCHED]


def test_every_hostile_input_is_answered(pool: SymbolicPool) -> None:
    hostile = hostile_texts()
    verdicts = pool.decide([SymbolicTask((one.text, one.other), ((0, 1),)) for one in hostile])
    assert [len(v) for v in verdicts] == [1] * len(hostile)
    assert all(v.equal is None for [v] in verdicts if v.killed)
    assert decides_rightly(pool)


# --- from anywhere ---------------------------------------------------------------------------------------------------


def numbered_task(n: int) -> SymbolicTask:
    return SymbolicTask((f"(x+{n})^2", f"x^2+{2 * n}x+{n * n}", f"x^2+{n}"), ((0, 1), (0, 2)))


@pytest.mark.parametrize("workers", [1, 2])
def test_threads_get_what_one_gets(workers: int) -> None:
    pool = SymbolicPool(workers=workers, deadline=10)
    expected = [[True, n == 0] for n in range(48)]
    try:
        with ThreadPoolExecutor(24) as threads:
            results = list(threads.map(lambda n: values(pool.decide([numbered_task(n)])[0]), range(48)))
        together = [values(verdicts) for verdicts in pool.decide([numbered_task(n) for n in range(48)])]
    finally:
        pool.close()
    assert results == expected
    assert together == expected


def test_works_from_asyncio_without_the_main_thread(pool: SymbolicPool) -> None:
    async def many() -> list[list[list[Verdict]]]:
        return await asyncio.gather(*(asyncio.to_thread(pool.decide, [TASK]) for _ in range(8)))

    for verdicts in asyncio.run(many()):
        assert values(verdicts[0]) == EXPECTED


def use_in_child(pool: SymbolicPool, results: multiprocessing.queues.Queue[bool]) -> None:
    results.put(decides_rightly(pool))
    pool.close()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("daemon", [False, True])
def test_works_in_multiprocessing_children(pool: SymbolicPool, method: str, daemon: bool) -> None:
    assert decides_rightly(pool)  # a forked child inherits a pool with a live worker, and must not use it
    context = multiprocessing.get_context(method)
    results = context.Queue()
    child = context.Process(target=use_in_child, args=(pool, results), daemon=daemon)
    child.start()
    assert results.get(timeout=120)
    child.join(60)
    assert child.exitcode == 0
    assert decides_rightly(pool)


def test_a_fork_while_other_threads_use_the_pool(pool: SymbolicPool) -> None:
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            pool.decide([TASK])

    threads = [threading.Thread(target=keep_busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            pid = os.fork()
            if not pid:
                os._exit(0 if decides_rightly(pool) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_pickles_without_its_workers(pool: SymbolicPool) -> None:
    copy = pickle.loads(pickle.dumps(pool))
    try:
        assert decides_rightly(copy)
    finally:
        copy.close()


def test_an_alarm_of_the_caller_is_left_alone(pool: SymbolicPool) -> None:
    previous = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        assert decides_rightly(pool)
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


# --- life and death --------------------------------------------------------------------------------------------------


def test_close_leaves_no_process_and_may_be_followed_by_use() -> None:
    pool = SymbolicPool()
    for _ in range(2):
        before = children_of(os.getpid())
        assert decides_rightly(pool)
        (supervisor,) = children_of(os.getpid()) - before
        children = children_of(supervisor)
        assert len(children) == 1
        pool.close()
        assert eventually(lambda pids=(supervisor, *children): not any(map(alive, pids)))


def test_a_worker_killed_from_outside_is_replaced() -> None:
    pool = SymbolicPool()
    try:
        before = children_of(os.getpid())
        assert decides_rightly(pool)
        (supervisor,) = children_of(os.getpid()) - before
        (child,) = children_of(supervisor)
        os.kill(child, signal.SIGKILL)
        assert eventually(lambda: not alive(child))
        assert values(pool.decide([TASK])[0])[1:] == EXPECTED[1:]  # at most the pair at hand is lost
        os.kill(supervisor, signal.SIGKILL)
        assert eventually(lambda: not alive(supervisor))
        assert decides_rightly(pool)
    finally:
        pool.close()


OWNER = """
import sys, time
from empo_rewards.equivalence.math.worker import SymbolicPool, SymbolicTask
pool = SymbolicPool(deadline=60)
pool.decide([SymbolicTask(("1", "2"), ((0, 1),))])
print("ready", flush=True)
if sys.argv[1] == "busy":
    pool.decide([SymbolicTask((sys.argv[2], "2"), ((0, 1),))])
time.sleep(600)
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_workers_end_with_an_owner_that_is_killed(state: str) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, state, HANGS], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "ready\n"
    (supervisor,) = children_of(owner.pid)
    (child,) = children_of(supervisor)
    if state == "busy":
        time.sleep(0.5)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert eventually(lambda: not alive(supervisor) and not alive(child))


def test_a_forked_sibling_does_not_keep_workers_alive() -> None:
    script = OWNER.replace('print("ready", flush=True)', "import os; os.write(1, b'%d\\n' % os.fork())")
    owner = subprocess.Popen([sys.executable, "-c", script, "idle"], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    sibling = max(int(owner.stdout.readline()), int(owner.stdout.readline()))
    (supervisor,) = children_of(owner.pid) - {sibling}
    try:
        owner.kill()
        owner.wait()
        assert alive(sibling)  # it holds a copy of the owner's end of the pipe
        assert eventually(lambda: not alive(supervisor))
    finally:
        os.kill(sibling, signal.SIGKILL)
        owner.stdout.close()


def test_processes_memory_and_descriptors_stay_flat(pool: SymbolicPool) -> None:
    before = children_of(os.getpid())
    assert decides_rightly(pool)

    def footprint() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(children_of(os.getpid()) - before)

    first = footprint()
    for n in range(400):
        pool.decide([SymbolicTask((f"x+{n}", f"{n}+x"), ((0, 1),))])
    assert footprint() == first


def test_a_child_that_grows_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "GROWTH_BYTES", -1)
    reader, writer = os.pipe()
    answers, out = os.pipe()
    supervisor = worker_process._Supervisor(
        {"deadline": 10.0, "memory_bytes": 2**44, "max_chars": 100}, reader, out, os.getppid()
    )
    supervisor.start_child()
    first = supervisor.child
    worker_process.send(writer, {"texts": ["1", "2"], "pairs": [[0, 1]]})
    os.close(writer)
    with pytest.raises(EOFError):
        supervisor.run()
    assert supervisor.child != first
    supervisor.stop_child()
    assert worker_process.receive(answers, None)["verdicts"] == [[False, False, False]]
    for fd in (reader, answers, out):
        os.close(fd)


def test_a_worker_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sympy.py").write_text("raise ImportError('no sympy on this machine')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(EquivalenceError, match="no sympy on this machine"):
        SymbolicPool().decide([TASK])


def test_no_interpreter_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(EquivalenceError, match=r"sys\.executable"):
        SymbolicPool().decide([TASK])


def test_an_interrupted_caller_leaves_no_stale_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = SymbolicPool()
    try:
        assert decides_rightly(pool)
        with monkeypatch.context() as patch:

            def interrupt(*_: object) -> None:
                raise KeyboardInterrupt

            patch.setattr("empo_rewards.equivalence.math.worker.receive", interrupt)
            with pytest.raises(KeyboardInterrupt):
                pool.decide([SymbolicTask(("1", "1.0"), ((0, 1),))])
        assert decides_rightly(pool)
    finally:
        pool.close()


def test_output_of_the_worker_reaches_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    pool = SymbolicPool(deadline=0.3)
    pool.decide([TASK, SymbolicTask((HANGS, "1"), ((0, 1),))])
    pool.close()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("options", [{"deadline": 0}, {"memory_bytes": 0}, {"workers": 0}, {"max_chars": 0}])
def test_bounds_must_be_positive(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        SymbolicPool(**options)

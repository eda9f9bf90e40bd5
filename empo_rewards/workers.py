"""A pool of processes that score groups, for the server and the command line.

Each worker process has a scorer of its own and one pipe to the pool. It scores several groups at a time, in threads
that take turns (`turns`), and stops what nobody waits for. It ends when the pipe does, whatever it is scoring, together
with every process that its scorer has started: they form a process group. (The processes of `concurrent.futures` stay,
and none of them can be stopped in the middle of a task or replaced after its death.)
"""

from __future__ import annotations

import itertools
import logging
import math
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, Protocol, TypeVar

from empo_rewards.errors import EmpoError, WorkerDiedError, WorkerError, described
from empo_rewards.group import Group, GroupScore
from empo_rewards.turns import AbandonedError, Turn, Turns

T = TypeVar("T")

log = logging.getLogger("empo_rewards")

START_SECONDS = 120.0
"""Time limit for a worker to import everything and build its scorer: generous, for a cold disk and a busy machine."""

RETRY_SECONDS = 1.0
"""How long after a worker could not be started another is tried, where there is none."""

EXIT_CODE_SECONDS = 1.0
"""How long the exit code of a worker whose pipe has ended is waited for."""

CLOSE_SECONDS = 5.0
"""How long a worker's scorer may take to close when the pool has gone."""

STOPPING_SECONDS = 2.0
"""How long a submission that is out of time may take to stop at a checkpoint before its worker is killed."""

SWITCH_SECONDS = 0.0005
"""Python's switch interval in a worker: what a thread that has just been given work waits for one that computes."""


class Closable(Protocol):
    """What a worker holds: a scorer, mostly. It must pickle."""

    def close(self) -> None:
        """End the processes and threads that it started."""
        ...


class StreamScorer(Closable, Protocol):
    """What tasks need of a scorer; a `Scorer` has it."""

    def score_many(self, groups: Iterable[Group], /) -> Iterator[GroupScore]:
        """One score a group, in order."""
        ...


Task = Callable[[Any], T]
"""What a worker does with what it holds. It must pickle, as must what it returns."""


class WorkerPool:
    """Worker processes that score groups; thread-safe. A worker that dies or hangs is replaced.

    Args:
        scorer: copied into each process, or whatever else its tasks work with.
        workers: the most processes there are at a time. They are started when they are needed.
        threads: how many submissions each of them works on at a time; the others wait, the first come first.
        score_seconds: a submission that takes longer is stopped, or its worker killed; None: no limit.
        closing_seconds: how long `close` lets workers close their scorers before it kills them.
        set_up: called first in each process; something that can be pickled.
    """

    def __init__(
        self,
        scorer: Closable,
        workers: int,
        *,
        threads: int = 1,
        score_seconds: float | None = None,
        closing_seconds: float = 5.0,
        set_up: Callable[[], object] | None = None,
    ) -> None:
        self._scorer, self._most, self._threads, self._set_up = scorer, workers, threads, set_up
        self._seconds = math.inf if score_seconds is None else score_seconds
        self._closing_seconds = closing_seconds
        self._lock, self._closed = threading.Lock(), False
        self._workers: set[_Worker] = set()
        self._queue: deque[_Submission] = deque()
        self._retry: threading.Timer | None = None

    def start(self) -> None:
        """Start all workers now, and return when they are ready.

        Raises:
            WorkerError: one of them did not start.
        """
        with self._lock:
            started = [self._new_worker() for _ in range(self._most - len(self._workers))]
        for worker in started:
            worker.ready.future.result()

    def submit(self, groups: Sequence[Group]) -> Future[list[GroupScore]]:
        """Have one worker score these groups; their scores come in order. See `run`."""
        return self.run(partial(_score_all, groups))

    def run(self, task: Task[T]) -> Future[T]:
        """Have one worker do a task. Cancel the future where nobody waits for it: that stops the task.

        The future raises `WorkerError` where the task took too long or failed, `WorkerDiedError` where the worker died,
        of this task or of another, and `EmpoError` where the task raised one or the pool was closed meanwhile.

        Raises:
            EmpoError: the pool is closed.
        """
        submission = _Submission(task, Future())
        with self._lock:
            if self._closed:
                raise EmpoError("the pool of scoring processes is closed")
            self._queue.append(submission)
            self._assign()
        # By a weak reference: the future keeps its callbacks, and a cycle would keep the task until it is collected.
        submission.future.add_done_callback(partial(self._done, weakref.ref(submission)))
        return submission.future

    def close(self) -> None:
        """End all workers. Busy ones are stopped in the middle of their groups; all may close their scorers."""
        with self._lock:
            self._closed = True
            workers = list(self._workers)
            waiting = list(self._queue)
            self._queue.clear()
        for submission in waiting:
            submission.future.cancel()
        for worker in workers:
            worker.outbox.put(None)
        deadline = time.monotonic() + self._closing_seconds
        for worker in workers:
            worker.reader.join(timeout=max(0.0, deadline - time.monotonic()))  # it ends with its process
            worker.kill()
            worker.reader.join()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _assign(self) -> None:
        """Hand queued submissions to the least busy workers, started where all are busy. With the lock held."""
        while self._queue:
            worker = min(self._workers, key=lambda one: len(one.running), default=None)
            if (worker is None or worker.running) and len(self._workers) < self._most:
                try:
                    worker = self._new_worker()
                except (OSError, RuntimeError) as error:  # no descriptors, memory or threads are left
                    log.error("a worker process cannot be started: %s", described(error))
                    if worker is None:
                        self._assign_later()
            if worker is None or len(worker.running) >= self._threads:
                return
            worker.take(self._queue.popleft(), self._seconds)

    def _assign_later(self) -> None:
        """Try again to start a worker. With the lock held."""

        def again() -> None:
            with self._lock:
                self._retry = None
                if not self._closed:
                    self._assign()

        if self._retry is None:
            self._retry = threading.Timer(RETRY_SECONDS, again)
            self._retry.daemon = True
            self._retry.start()

    def _new_worker(self) -> _Worker:
        worker = _Worker(self._scorer, self._threads, self._set_up)
        self._workers.add(worker)
        worker.reader = threading.Thread(target=self._serve, args=(worker,), name="empo-rewards-worker", daemon=True)
        worker.reader.start()
        return worker

    def _done(self, reference: weakref.ref[_Submission], future: Future[Any]) -> None:
        """Stop a submission whose future was cancelled."""
        if future.cancelled() and (submission := reference()) is not None:
            with self._lock:
                if submission in self._queue:
                    self._queue.remove(submission)
                for worker in self._workers:
                    if worker.running.get(submission.number) is submission:
                        worker.outbox.put((submission.number, None))

    def _serve(self, worker: _Worker) -> None:
        """Thread of one worker in the pool's process: settle what it answers, until it has ended."""
        try:
            while (answer := self._next(worker)) is not None:
                number, result, error = answer
                with self._lock:
                    submission = worker.running.pop(number)
                    if submission is worker.ready:
                        worker.set_deadlines(self._seconds)
                    self._assign()
                _settle(submission, result, error)
        except (EOFError, OSError):
            pass  # it has died, or ends
        except Exception:
            log.exception("the answer of a worker process cannot be read; it is replaced")
        with self._lock:
            self._workers.discard(worker)
        code = worker.end()
        with self._lock:
            left = sorted(worker.running.values(), key=lambda one: one.number)
            closed, late = self._closed, any(one.late for one in left)
            if late and not closed:  # those that were with it are innocent
                self._queue.extendleft(reversed([one for one in left if not one.late and one is not worker.ready]))
                left = [one for one in left if one.late]
            if not closed:
                self._assign()
        for submission in left:
            if closed:
                error = EmpoError("the pool of scoring processes was closed")
            elif late:
                error = _too_long(submission)
            else:
                error = WorkerDiedError(f"a worker process died (exit code {code})")
            _settle(submission, None, error)

    def _next(self, worker: _Worker) -> tuple[int, Any, EmpoError | None] | None:
        """The worker's next answer; None where it was killed because a submission did not stop."""
        while True:
            with self._lock:
                due = min((one.deadline for one in worker.running.values()), default=math.inf)
            seconds = min(due - time.monotonic(), self._seconds, START_SECONDS)
            # The process is waited for as well: a child of its own may keep the pipe open for a while.
            if wait([worker.pipe, worker.process.sentinel], timeout=max(0.0, seconds)):
                if not worker.pipe.poll():
                    raise EOFError
                answer: tuple[int, Any, EmpoError | None] = worker.pipe.recv()
                return answer
            with self._lock:
                if worker.out_of_time():
                    return None


@dataclass(eq=False)
class _Submission:
    """A task, and where its result goes.

    Args:
        number: within the worker that has it.
        seconds: what it may take.
        late: it has taken longer and was told to stop.
    """

    task: Task[Any] | None
    future: Future[Any]
    number: int = 0
    seconds: float = START_SECONDS
    deadline: float = math.inf
    late: bool = False


class _Worker:
    """One process, the pool's end of its pipe, and what it works on."""

    reader: threading.Thread

    def __init__(self, scorer: Closable, threads: int, set_up: Callable[[], object] | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        with closing(theirs):
            self.process: SpawnProcess = context.Process(
                target=_work, args=(scorer, theirs, threads, set_up), name="empo-rewards worker"
            )
            self.process.start()
        self._numbers, self._ended = itertools.count(1), False
        self._ending = threading.Lock()
        self.ready = _Submission(None, Future(), deadline=time.monotonic() + START_SECONDS)  # its first answer
        self.running: dict[int, _Submission] = {0: self.ready}
        # Sending may block until the worker reads: not in the thread that submits.
        self.outbox: queue.SimpleQueue[tuple[int, Task[Any] | None] | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send, name="empo-rewards-worker", daemon=True)
        self._sender.start()

    def take(self, submission: _Submission, seconds: float) -> None:
        """Send a submission."""
        submission.number, submission.seconds, submission.late = next(self._numbers), seconds, False
        submission.deadline = math.inf if 0 in self.running else time.monotonic() + seconds
        self.running[submission.number] = submission
        self.outbox.put((submission.number, submission.task))

    def set_deadlines(self, seconds: float) -> None:
        """Let the time of all submissions begin now."""
        for submission in self.running.values():
            submission.deadline = time.monotonic() + seconds

    def out_of_time(self) -> bool:
        """Tell submissions past their deadline to stop; whether one has not done so, and the process was killed."""
        now = time.monotonic()
        for number, submission in self.running.items():
            if submission.deadline <= now:
                if submission.late or number == 0:
                    submission.late = True
                    self.kill()
                    return True
                submission.late, submission.deadline = True, now + STOPPING_SECONDS
                self.outbox.put((number, None))
        return False

    def kill(self) -> None:
        """End the process and those that it started."""
        with self._ending:
            if self._ended:
                return
            self.process.kill()
            if self.process.pid is not None and hasattr(os, "killpg"):
                # It is not reaped yet, so its number still names its group, where it has made one.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> int | None:
        """Free what belongs to a process that has ended, or is about to; its exit code."""
        wait([self.process.sentinel], timeout=EXIT_CODE_SECONDS)
        self.kill()
        self.process.join()
        code = self.process.exitcode
        self.outbox.put(None)
        with self._ending:
            self._ended = True
            self.process.close()
        self._sender.join(EXIT_CODE_SECONDS)
        if not self._sender.is_alive():  # else it would write to whatever gets the number of the closed pipe
            self.pipe.close()
        return code

    def _send(self) -> None:
        with suppress(OSError):  # it has died: its reader sees that
            while (message := self.outbox.get()) is not None:
                try:
                    packed = ForkingPickler.dumps(message)
                except Exception as fault:  # noqa: BLE001 - whatever a task's parts raise
                    error = WorkerError(f"a task cannot be sent to a worker process: {described(fault)}")
                    _settle(self.running.pop(message[0]), None, error)
                else:
                    self.pipe.send_bytes(packed)
            self.pipe.send(None)


def _settle(submission: _Submission, result: Any, error: EmpoError | None) -> None:
    with suppress(InvalidStateError):  # it was cancelled meanwhile
        if submission.late:
            error = _too_long(submission)
        if error is None:
            submission.future.set_result(result)
        else:
            submission.future.set_exception(error)


def _too_long(submission: _Submission) -> WorkerError:
    purpose = "to start" if submission.task is None else "for a group"
    return WorkerError(f"a worker process took longer than {submission.seconds:g} s {purpose} and was stopped")


def _score_all(groups: Sequence[Group], scorer: StreamScorer) -> list[GroupScore]:
    return list(scorer.score_many(groups))


def _work(scorer: Closable, pipe: Connection, threads: int, set_up: Callable[[], object] | None) -> None:
    """Worker main loop: run each task read from the pipe in a thread, stop those that are named; exit on EOF."""
    # A terminal and a process manager send these to all processes; the pool's process decides what follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # what the scorer starts ends with it
    sys.setswitchinterval(SWITCH_SECONDS)
    if set_up is not None:
        try:
            set_up()
        except RuntimeError:  # there is no memory for its thread: the pool tells of the exit, and replaces this process
            os._exit(1)
    work = _TaskRunner(scorer, pipe)
    executor = ThreadPoolExecutor(threads, thread_name_prefix="empo-rewards-score")
    work.answer(0, None, None)  # the scorer is built
    with suppress(EOFError, OSError):
        while True:
            packed = pipe.recv_bytes()
            message = pickle.loads(packed)  # noqa: S301 - from the pool
            if message is None:
                break
            number, task = message
            if task is None:
                work.stop(number)
            else:
                work.running[number] = Turn(len(packed))
                try:
                    executor.submit(work.run, number, task)
                except RuntimeError as error:  # there is no memory for a thread: the pool replaces this process
                    log.error("a worker process ends: %s", described(error))
                    os._exit(1)
    # Threads may be in the middle of a group, and are not waited for.
    threading.Thread(target=_end_after, args=(CLOSE_SECONDS,), daemon=True).start()
    scorer.close()
    _end()


class _TaskRunner:
    """What a worker process is working on."""

    def __init__(self, scorer: Closable, pipe: Connection) -> None:
        self._scorer, self._pipe, self._sending = scorer, pipe, threading.Lock()
        self._turns = Turns()
        self.running: dict[int, Turn] = {}

    def run(self, number: int, task: Task[Any]) -> None:
        """Do one task in this thread, and send its result."""
        turn = self.running[number]
        result, error = None, None
        try:
            with self._turns.taken(turn):
                turn.check_abandoned()
                result = task(self._scorer)
        except AbandonedError:
            error = EmpoError("nobody waited for it")
        except EmpoError as refused:
            error = _sendable(refused)
        except MemoryError:
            error = WorkerError("a worker process has no memory left for it")
        except Exception as fault:
            log.exception("scoring failed")
            error = WorkerError(f"scoring failed in a worker process: {described(fault)}")
        del self.running[number]
        self.answer(number, result, error)

    def stop(self, number: int) -> None:
        """Let a task end at its next checkpoint, if it has not."""
        if (turn := self.running.get(number)) is not None:
            turn.abandon()

    def answer(self, number: int, result: Any, error: EmpoError | None) -> None:
        """Send a result, or the error that stands in its place."""
        try:
            packed = ForkingPickler.dumps((number, result, error))
        except Exception as fault:  # noqa: BLE001 - whatever a result's parts raise
            message = f"a result cannot be sent by a worker process: {described(fault)}"
            packed = ForkingPickler.dumps((number, None, WorkerError(message)))
        with self._sending, suppress(OSError):  # where the pool has gone, this process ends
            self._pipe.send_bytes(packed)


def _sendable(error: EmpoError) -> EmpoError:
    """The error, or its words where its class cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - its own
    except Exception:  # noqa: BLE001 - an exception's arguments may be anything
        return EmpoError(str(error))
    return error


def _end_after(seconds: float) -> None:
    time.sleep(seconds)
    _end()


def _end() -> None:
    """End this process and those that its scorer started."""
    sys.stdout.flush()
    logging.shutdown()
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)

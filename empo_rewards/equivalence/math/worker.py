"""The symbolic stage behind a pipe: comparisons run in a process that can be killed.

A worker is two processes. The *supervisor* is started with `subprocess` (so daemonic processes and ray actors may
have one, and no `__main__` is imported again), imports sympy once, forks the *child* and then only watches: it hands
tasks on, counts the deadline, kills a child that hangs and forks the next one. It never touches an expression, so it
always answers, and it has one thread, so its forks are safe. Why not pebble: its pool starts through
`multiprocessing`, which a daemonic process may not do, and its deadline is one for a task, where ours is one for a
pair; measured beside each other (benchmarks/bench_math.py) a task through this pipe also costs less than half.

Messages are JSON behind a four-byte length; nothing is ever unpickled. No signal handler, no alarm, no main thread is
needed. A worker notices the end of its owner by the end of its input and, where a forked sibling still holds that pipe
open, by its parent's process id.

POSIX only: it forks.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from empo_rewards.errors import EquivalenceError

START_SECONDS = 120.0
"""How long a worker may take to import sympy: a cold disk and a loaded machine, not a hang."""
GROWTH_BYTES = 128 * 2**20
"""A child whose resident memory grew by this much since its fork is replaced before its next task."""
PARENT_CHECK_SECONDS = 2.0
"""How often an idle supervisor looks whether its parent is still the process that started it."""
STDERR_LINES = 6
STDERR_CHARS = 2_000
"""How much of a failed worker's last words an error quotes."""

_PR_SET_PDEATHSIG = 1
_log = logging.getLogger(__name__)
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True)
class SymbolicTask:
    """One group's open questions.

    Args:
        texts: answer texts, LaTeX or plain, without their delimiters.
        pairs: positions (i, j), i < j, in `texts`.
    """

    texts: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Verdict:
    """What is known about one pair.

    Args:
        equal: whether the two mean the same; None where that could not be decided within the bounds.
        probed: `equal` rests on numerical agreement at several points, not on a proof.
        killed: the comparison had to be ended by force (time or memory); then `equal` is None.
    """

    equal: bool | None
    probed: bool = False
    killed: bool = False


@dataclass(frozen=True)
class _Limits:
    deadline: float
    memory_bytes: int
    max_chars: int


class SymbolicPool:
    """Long-lived workers for symbolic comparisons; safe to share between threads, and it survives a fork.

    Workers start at first need. A forked or unpickled copy has workers of its own.

    Args:
        deadline: seconds of wall time that one pair may take, reading its two texts included.
        memory_bytes: the address space of a worker's child.
        workers: how many pairs may be worked on at once.
        max_chars: a longer text is not read; its pairs are undecided.
    """

    def __init__(
        self, deadline: float = 1.0, memory_bytes: int = 512 * 2**20, workers: int = 1, max_chars: int = 2_000
    ) -> None:
        if deadline <= 0 or memory_bytes <= 0 or workers < 1 or max_chars < 1:
            raise ValueError("deadline, memory_bytes, workers and max_chars must be positive")
        self._limits = _Limits(deadline, memory_bytes, max_chars)
        self._workers = workers
        self._desks: dict[int, _Desk] = {}

    def __reduce__(self) -> tuple[type[SymbolicPool], tuple[float, int, int, int]]:
        limits = self._limits
        return SymbolicPool, (limits.deadline, limits.memory_bytes, self._workers, limits.max_chars)

    def decide(self, tasks: Sequence[SymbolicTask]) -> list[list[Verdict]]:
        """A verdict for each pair of each task, in their order.

        Raises:
            EquivalenceError: a worker cannot be started, or ended twice in a row without an answer.
        """
        desk = self._desk()
        if self._workers == 1 or len(tasks) < 2:
            return [self._answer(desk, task) for task in tasks]
        with ThreadPoolExecutor(min(self._workers, len(tasks)), "empo-symbolic") as threads:
            return list(threads.map(lambda task: self._answer(desk, task), tasks))

    def close(self) -> None:
        """Ends every idle worker now, and a busy one when its task is done. The pool may be used again afterwards."""
        desk = self._desks.pop(os.getpid(), None)
        if desk is not None:
            desk.close()

    def _desk(self) -> _Desk:
        # setdefault is atomic: after a fork several threads of the child may come here at once.
        pid = os.getpid()
        desk = self._desks.get(pid)
        if desk is None:
            desk = self._desks.setdefault(pid, _Desk(self._limits, self._workers))
            for other in [key for key in self._desks if key != pid]:
                inherited = self._desks.pop(other, None)
                if inherited is not None:
                    inherited.disown()
        return desk

    def _answer(self, desk: _Desk, task: SymbolicTask) -> list[Verdict]:
        if not task.pairs:
            return []
        for i, j in task.pairs:
            if not 0 <= i < j < len(task.texts):
                raise ValueError(f"pair ({i}, {j}) does not fit {len(task.texts)} texts")
        request = asdict(task)
        try:
            return desk.ask(request, len(task.pairs))
        except _WorkerLostError:
            # Somebody outside ended the worker (the kernel short of memory, an operator): once is no reason to give up.
            try:
                return desk.ask(request, len(task.pairs))
            except _WorkerLostError as error:
                raise EquivalenceError(f"the symbolic worker ended twice without an answer: {error}") from error


class _WorkerLostError(Exception):
    """The supervisor ended while it owed an answer."""


class _Desk:
    """The workers of one process, lent first come, first served."""

    def __init__(self, limits: _Limits, workers: int) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._free = workers
        self._idle: list[_Worker] = []
        self._queue: deque[threading.Lock] = deque()
        self._closed = False
        self._finalizer = weakref.finalize(self, _end_all, self._idle, os.getpid())

    def ask(self, request: dict[str, Any], pairs: int) -> list[Verdict]:
        worker = self._take()
        try:
            if worker is None:
                worker = _Worker(self._limits)
            verdicts = worker.ask(request, pairs)
        except BaseException:
            # Whatever interrupted us (a KeyboardInterrupt, too), the answer may still be under way: never reuse it.
            if worker is not None:
                worker.end()
            self._give(None)
            raise
        self._give(worker)
        return verdicts

    def close(self) -> None:
        with self._lock:
            self._closed = True
            workers = [*self._idle]
            self._idle.clear()
        for worker in workers:
            worker.end()

    def disown(self) -> None:
        """Forgets the workers of the process that forked this one: they are not ours to end."""
        self._finalizer.detach()
        for worker in self._idle:
            worker.disown()
        self._idle.clear()

    def _take(self) -> _Worker | None:
        """A permit, and an idle worker where there is one."""
        with self._lock:
            if self._free:
                self._free -= 1
                return self._idle.pop() if self._idle else None
            turn = threading.Lock()
            turn.acquire()
            self._queue.append(turn)
        try:
            turn.acquire()
        except BaseException:
            self._leave(turn)
            raise
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _leave(self, turn: threading.Lock) -> None:
        with self._lock:
            if turn in self._queue:
                self._queue.remove(turn)
                return
        self._give(None)

    def _give(self, worker: _Worker | None) -> None:
        """Hands the permit straight to the first in the queue, so that no thread can overtake it."""
        with self._lock:
            surplus = worker if self._closed else None
            if worker is not None and surplus is None:
                self._idle.append(worker)
            if self._queue:
                self._queue.popleft().release()
            else:
                self._free += 1
        if surplus is not None:
            surplus.end()


def _end_all(workers: list[_Worker], pid: int) -> None:
    for worker in workers:
        if os.getpid() == pid:
            worker.end()
        else:
            worker.disown()
    workers.clear()


# The owner's search path goes along, so that the worker imports what its owner would, wherever that was started from.
# The parent packages stand in empty, so that a worker loads this module and not everything that the package exports.
_BOOT = """
import importlib, json, pathlib, sys, types
settings = json.loads(sys.argv[1])
sys.path[:] = settings["path"]
names, folder = settings["module"].split(".")[:-1], pathlib.Path(settings["folder"])
for depth in range(len(names), 0, -1):
    package = sys.modules[".".join(names[:depth])] = types.ModuleType(".".join(names[:depth]))
    package.__path__ = [str(folder)]
    folder = folder.parent
importlib.import_module(settings["module"]).serve(settings["limits"])
"""


class _Worker:
    """One supervisor, seen from its owner."""

    def __init__(self, limits: _Limits) -> None:
        if not sys.executable:
            raise EquivalenceError("the symbolic worker needs a Python to run, and sys.executable names none")
        settings = {
            "path": sys.path,
            "module": __name__,
            "folder": str(Path(__file__).parent),
            "limits": asdict(limits),
        }
        with tempfile.TemporaryFile() as noise:
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and our own code)
                [sys.executable, "-c", _BOOT, json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=noise,
                bufsize=0,
                start_new_session=True,  # a Ctrl-C in the owner's terminal is the owner's to handle
            )
            if self._process.stdin is None or self._process.stdout is None:
                raise AssertionError("both were asked for as pipes")
            self._input: IO[bytes] = self._process.stdin
            self._output: IO[bytes] = self._process.stdout
            try:
                ready = _receive(self._output.fileno(), time.monotonic() + START_SECONDS)
            except BaseException as error:
                self.end()
                noise.seek(0)
                detail = noise.read().decode(errors="replace").strip()[-STDERR_CHARS:]
                if isinstance(error, _Expired | EOFError):
                    raise EquivalenceError(f"the symbolic worker did not start: {detail or error}") from error
                raise
        self.child = int(ready["pid"])

    def ask(self, request: dict[str, Any], pairs: int) -> list[Verdict]:
        try:
            _send(self._input.fileno(), request)
            answer = _receive(self._output.fileno(), None)
            for fault in answer["faults"]:
                _log.warning("a comparison failed and counts as undecided: %s", fault)
        except (EOFError, OSError) as error:
            raise _WorkerLostError(str(error) or "it closed its pipe") from error
        verdicts = [Verdict(*verdict) for verdict in answer["verdicts"]]
        if len(verdicts) != pairs:
            raise _WorkerLostError(f"{len(verdicts)} verdicts for {pairs} pairs")
        return verdicts

    def end(self) -> None:
        """Ends both processes and reaps the one that is ours. Neither holds anything that is worth a farewell."""
        self._input.close()
        self._output.close()
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def disown(self) -> None:
        self._input.close()
        self._output.close()
        self._process.returncode = 0  # another process's child: Popen must not wait for it


class _Expired(Exception):  # noqa: N818  (private; it ends a wait)
    """A deadline passed before the message came."""


def _send(fd: int, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    data = memoryview(_LENGTH.pack(len(body)) + body)
    while data:
        data = data[os.write(fd, data) :]


def _receive(fd: int, until: float | None) -> dict[str, Any]:
    """The next message; EOFError where the other side is gone, _Expired where it did not come in time."""
    (length,) = _LENGTH.unpack(_read(fd, _LENGTH.size, until))
    message: dict[str, Any] = json.loads(_read(fd, length, until))
    return message


def _read(fd: int, size: int, until: float | None) -> bytes:
    parts: list[bytes] = []
    while size:
        if until is not None and not _readable([fd], max(0.0, until - time.monotonic())):
            raise _Expired("no answer in time")
        part = os.read(fd, min(size, 2**16))
        if not part:
            raise EOFError("the other side of the pipe is gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _readable(fds: list[int], seconds: float) -> list[int]:
    # poll, not select: a descriptor's number may be past select's 1024 in a busy process.
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll(seconds * 1000)]


# --- in the worker ---------------------------------------------------------------------------------------------------


def serve(limits: dict[str, Any]) -> None:
    """The supervisor: reads tasks from standard input and answers on standard output until the input ends."""
    owner = os.getppid()
    # Libraries may print: the protocol moves out of the way of descriptors 0 and 1, and those lead nowhere.
    requests, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)

    from empo_rewards.equivalence.math import symbolic  # noqa: PLC0415  (sympy belongs into the worker only)

    symbolic.warm_up()
    gc.freeze()  # what is loaded stays: collections in the child must not copy its pages
    supervisor = _Supervisor(_Limits(**limits), requests, answers, owner)
    _send(answers, {"pid": os.getpid()})
    os.dup2(nowhere, 2)
    try:
        supervisor.run()
    except (EOFError, BrokenPipeError):
        pass  # the owner is gone, and with it everyone who could be told
    finally:
        supervisor.stop_child()


class _Supervisor:
    """Forks, feeds, times and kills the child."""

    def __init__(self, limits: _Limits, requests: int, answers: int, owner: int) -> None:
        self._limits = limits
        self._requests = requests
        self._answers = answers
        self._owner = owner
        self._child = 0
        self._to_child = self._from_child = -1
        self._resident = 0
        self._faults: list[str] = []

    def run(self) -> NoReturn:
        self._start_child()
        while True:
            while not _readable([self._requests], PARENT_CHECK_SECONDS):
                self._check_owner()
            request = _receive(self._requests, None)
            self._faults = []
            verdicts = [astuple(verdict) for verdict in self._decide(request)]
            _send(self._answers, {"verdicts": verdicts, "faults": self._faults})
            if _resident_bytes(self._child) > self._resident + GROWTH_BYTES:
                self._restart_child()

    def _check_owner(self) -> None:
        if os.getppid() != self._owner:
            raise EOFError("the owner is gone")

    def _decide(self, request: dict[str, Any]) -> list[Verdict]:
        texts: list[str | None] = [t if len(t) <= self._limits.max_chars else None for t in request["texts"]]
        pairs: list[tuple[int, int]] = [(i, j) for i, j in request["pairs"]]
        decided: list[Verdict] = []
        hopeless: set[int] = set()  # texts that cannot even be read in time: asking again would cost the same again
        while len(decided) < len(pairs):
            if hopeless.intersection(pairs[len(decided)]):
                decided.append(Verdict(None, killed=True))
                continue
            rest = [pair for pair in pairs[len(decided) :] if not hopeless.intersection(pair)]
            given = self._ask_child(texts, rest, hopeless)
            for pair in pairs[len(decided) :]:
                if not given:
                    break
                decided.append(Verdict(None, killed=True) if hopeless.intersection(pair) else given.popleft())
        return decided

    def _ask_child(self, texts: list[str | None], pairs: list[tuple[int, int]], hopeless: set[int]) -> deque[Verdict]:
        """Verdicts for `pairs` up to the first that had to be killed, that one included."""
        given: deque[Verdict] = deque()
        reading: int | None = None
        begun = started = time.monotonic()
        try:
            _send(self._to_child, {"texts": texts, "pairs": pairs})
            while len(given) < len(pairs):
                message = self._await_child(begun + self._limits.deadline)
                started = time.monotonic()
                reading = message.get("reading")
                if "verdict" in message:
                    given.append(Verdict(*message["verdict"]))
                    self._faults.extend([message["fault"]] if "fault" in message else [])
                    begun = started
        except (_Expired, EOFError, BrokenPipeError):
            self._restart_child()
            given.append(Verdict(None, killed=True))
            if reading is not None and time.monotonic() - started > self._limits.deadline / 2:
                hopeless.add(reading)
        return given

    def _await_child(self, until: float) -> dict[str, Any]:
        while not _readable([self._from_child], min(PARENT_CHECK_SECONDS, max(0.0, until - time.monotonic()))):
            if time.monotonic() >= until:
                raise _Expired("the deadline passed")
            self._check_owner()
        return _receive(self._from_child, until)

    def _start_child(self) -> None:
        task_end, self._to_child = os.pipe()
        self._from_child, verdict_end = os.pipe()
        supervisor = os.getpid()
        self._child = os.fork()
        if self._child == 0:
            for fd in (self._to_child, self._from_child, self._requests, self._answers):
                os.close(fd)
            _work(task_end, verdict_end, self._limits, supervisor)
        os.close(task_end)
        os.close(verdict_end)
        self._resident = _resident_bytes(self._child)

    def stop_child(self) -> None:
        """Kills and reaps the child."""
        if self._child:
            os.kill(self._child, signal.SIGKILL)  # not reaped yet, so its id is still its own
            os.waitpid(self._child, 0)
            os.close(self._to_child)
            os.close(self._from_child)
            self._child = 0

    def _restart_child(self) -> None:
        self.stop_child()
        self._start_child()


def _work(tasks: int, verdicts: int, limits: _Limits, supervisor: int) -> NoReturn:
    """The child: everything that touches an expression happens here."""
    status = 1
    try:
        _confine(limits.memory_bytes, supervisor)
        from empo_rewards.equivalence.math import symbolic  # noqa: PLC0415  (imported before the fork)

        while True:
            request = _receive(tasks, None)
            texts: list[str | None] = request["texts"]
            readings: dict[int, symbolic.Reading | None] = {}
            for i, j in request["pairs"]:
                try:
                    for position in (i, j):
                        if position not in readings:
                            _send(verdicts, {"reading": position})
                            text = texts[position]
                            readings[position] = None if text is None else symbolic.read(text)
                    _send(verdicts, {"reading": None})
                    equal, probed = symbolic.compare(readings[i], readings[j])
                    _send(verdicts, {"verdict": [equal, probed]})
                except (MemoryError, OSError):
                    raise
                except Exception:  # noqa: BLE001  (our own mistake, on one odd pair: it goes to the owner's log)
                    _send(verdicts, {"verdict": [None], "fault": traceback.format_exc(limit=-STDERR_LINES)})
    except EOFError:
        status = 0
    finally:
        # Never back into the supervisor's stack; a MemoryError ends here, and the supervisor sees the pipe close.
        os._exit(status)


def _confine(memory_bytes: int, supervisor: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A busy child does not read its pipe: the kernel must tell it that its supervisor is gone.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            raise EOFError("the supervisor is gone")


def _resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 where the system has no /proc (then a child lives until it is killed)."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except FileNotFoundError:
        return 0

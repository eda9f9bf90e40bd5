"""The symbolic stage behind a pipe: comparisons run in a process that can be killed.

A worker is two processes. The *supervisor* is started with `subprocess` (so daemonic processes and ray actors may
have one, and no `__main__` is imported again), imports sympy once, forks the *child* and then only watches: it hands
tasks on, counts the deadline, kills a child that hangs and forks the next one. It never touches an expression, so it
always answers, and it has one thread, so its forks are safe. Why not pebble: its pool starts through
`multiprocessing`, which a daemonic process may not do, and its deadline is one for a task, where ours is one for a
pair. A task costs about what it costs there (0.4 ms of CPU on a busy machine), a kill a fork (25 ms).

Messages are JSON behind a four-byte length; nothing is ever unpickled. No signal handler, no alarm, no main thread is
needed. A worker notices the end of its owner by the end of its input and, where a forked sibling still holds that pipe
open, by its parent's process id.

POSIX only: it forks.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from empo_rewards.equivalence.math.worker_messages import Expired, receive, send
from empo_rewards.errors import EquivalenceError

START_SECONDS = 120.0
"""How long a worker may take to import sympy: a cold disk and a loaded machine, not a hang."""
STDERR_CHARS = 2_000
"""How much of a failed worker's last words an error quotes."""

_SERVER = "empo_rewards.equivalence.math.worker_process"
_log = logging.getLogger(__name__)


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
        deadline: seconds of wall time that one pair may take, reading its two texts and ending it included.
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
            "module": _SERVER,
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
                ready = receive(self._output.fileno(), time.monotonic() + START_SECONDS)
            except BaseException as error:
                self.end()
                noise.seek(0)
                detail = noise.read().decode(errors="replace").strip()[-STDERR_CHARS:]
                if isinstance(error, Expired | EOFError):
                    raise EquivalenceError(f"the symbolic worker did not start: {detail or error}") from error
                raise
        self.child = int(ready["pid"])

    def ask(self, request: dict[str, Any], pairs: int) -> list[Verdict]:
        try:
            send(self._input.fileno(), request)
            answer = receive(self._output.fileno(), None)
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

"""What runs in a worker: a supervisor that only watches, and the child that it forks for the mathematics."""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from empo_rewards.equivalence.math.worker_messages import Expired, readable, receive, send

GROWTH_BYTES = 128 * 2**20
"""A child whose resident memory grew by this much since its fork is replaced before its next task."""
OWNER_CHECK_SECONDS = 2.0
"""How often a waiting supervisor looks whether its parent is still the process that started it."""
KILL_SHARE = 0.2
"""The share of the deadline kept for the kill, the reaping of what the child held, and the next fork: the caller has
its verdict at the deadline, not a while after. Some 30 ms on an idle machine, several times that on a busy one."""
MAX_PAIRS = 2**15
"""Pairs that a child is given at once: a byte each on the board."""
FAULT_LINES = 6

_PR_SET_PDEATHSIG = 1
_Answer = tuple["bool | None", bool, bool]
"""equal, probed, killed"""
_KILLED: _Answer = (None, False, True)
_ANSWERS: tuple[_Answer, ...] = ((None, False, False), (False, False, False), (True, False, False), (True, True, False))
"""What the codes on the board mean."""


def serve(limits: dict[str, Any]) -> None:
    """The supervisor: reads tasks from standard input and answers on standard output until the input ends."""
    owner = os.getppid()
    # Libraries may print: the protocol moves out of the way of descriptors 0 and 1, and those lead nowhere.
    requests, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)

    from empo_rewards.equivalence.math import symbolic  # noqa: PLC0415  (sympy: nobody but a worker loads it)

    symbolic.warm_up()
    gc.freeze()  # what is loaded stays: collections in the child must not copy its pages
    supervisor = _Supervisor(limits, requests, answers, owner)
    supervisor.start_child()
    send(answers, {"pid": supervisor.child})
    os.dup2(nowhere, 2)
    try:
        supervisor.run()
    except (EOFError, BrokenPipeError):
        pass  # the owner is gone, and with it everyone who could be told
    finally:
        supervisor.stop_child()


class _Board:
    """Memory that child and supervisor share: what is done, what is being done, since when.

    So a task costs one message each way, and yet nothing that was decided is lost with a killed child.
    """

    _HEAD = struct.Struct("dqq")  # when the pair began, how many pairs are done, which text is being read (or -1)

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self._HEAD.size + MAX_PAIRS)

    def note(self, begun: float, done: int, reading: int) -> None:
        self._HEAD.pack_into(self._memory, 0, begun, done, reading)

    def look(self) -> tuple[float, int, int]:
        begun, done, reading = self._HEAD.unpack_from(self._memory, 0)
        return begun, done, reading

    def decide(self, pair: int, equal: bool | None, probed: bool) -> None:
        self._memory[self._HEAD.size + pair] = _ANSWERS.index((equal, probed, False))

    def decided(self, done: int) -> list[_Answer]:
        return [_ANSWERS[code] for code in self._memory[self._HEAD.size : self._HEAD.size + done]]


class _Supervisor:
    """Forks, feeds, times and kills the child."""

    def __init__(self, limits: dict[str, Any], requests: int, answers: int, owner: int) -> None:
        self._deadline: float = limits["deadline"] * (1 - KILL_SHARE)
        self._memory_bytes: int = limits["memory_bytes"]
        self._max_chars: int = limits["max_chars"]
        self._requests = requests
        self._answers = answers
        self._owner = owner
        self._board = _Board()
        self._to_child = self._from_child = -1
        self._resident = 0
        self.child = 0

    def run(self) -> NoReturn:
        """Answers task after task; EOFError when the owner is gone."""
        while True:
            while not readable(self._requests, OWNER_CHECK_SECONDS):
                self._check_owner()
            task = receive(self._requests, None)
            faults: list[str] = []
            verdicts = self._decide(task["texts"], [(i, j) for i, j in task["pairs"]], faults)
            send(self._answers, {"verdicts": verdicts, "faults": faults})
            if _resident_bytes(self.child) > self._resident + GROWTH_BYTES:
                self._restart_child()

    def _check_owner(self) -> None:
        if os.getppid() != self._owner:
            raise EOFError("the owner is gone")

    def _decide(self, texts: Sequence[str], pairs: Sequence[tuple[int, int]], faults: list[str]) -> list[_Answer]:
        read = [text if len(text) <= self._max_chars else None for text in texts]
        verdicts: dict[int, _Answer] = {}
        hopeless: set[int] = set()  # texts that cannot even be read in time: asking again would cost the same again
        remaining = list(range(len(pairs)))
        while remaining:
            asked = remaining[:MAX_PAIRS]
            answers, unreadable = self._ask_child(read, [pairs[index] for index in asked], faults)
            verdicts.update(zip(asked, answers, strict=False))
            if unreadable is not None:
                hopeless.add(unreadable)
            verdicts.update((i, _KILLED) for i in remaining if i not in verdicts and hopeless.intersection(pairs[i]))
            remaining = [index for index in remaining if index not in verdicts]
        return [verdicts[index] for index in range(len(pairs))]

    def _ask_child(
        self, texts: Sequence[str | None], pairs: Sequence[tuple[int, int]], faults: list[str]
    ) -> tuple[list[_Answer], int | None]:
        """Verdicts up to the first pair that had to be killed, that one included, and the text that was to blame."""
        self._board.note(time.monotonic(), 0, -1)
        try:
            send(self._to_child, {"texts": texts, "pairs": pairs})
            faults.extend(self._await_child()["faults"])
        except (Expired, EOFError, BrokenPipeError):
            self.stop_child()
        if self.child:
            return self._board.decided(len(pairs)), None
        begun, done, reading = self._board.look()
        self.start_child()
        # A text that another one left too little time for is not to blame: its next pair will show.
        blamed = reading if reading >= 0 and time.monotonic() - begun > self._deadline / 2 else None
        return [*self._board.decided(done), _KILLED][: len(pairs)], blamed

    def _await_child(self) -> dict[str, Any]:
        while True:
            left = self._board.look()[0] + self._deadline - time.monotonic()
            if readable(self._from_child, min(left, OWNER_CHECK_SECONDS)):
                return receive(self._from_child, time.monotonic() + self._deadline)
            if self._board.look()[0] + self._deadline <= time.monotonic():
                raise Expired("the deadline passed")
            self._check_owner()

    def start_child(self) -> None:
        """Forks the next child. The supervisor has one thread, so nothing is held that the child would wait for."""
        task_end, self._to_child = os.pipe()
        self._from_child, verdict_end = os.pipe()
        supervisor = os.getpid()
        self.child = os.fork()
        if self.child == 0:
            for fd in (self._to_child, self._from_child, self._requests, self._answers):
                os.close(fd)
            _work(task_end, verdict_end, self._board, self._memory_bytes, supervisor)
        os.close(task_end)
        os.close(verdict_end)
        self._resident = _resident_bytes(self.child)

    def stop_child(self) -> None:
        """Kills and reaps the child."""
        if self.child:
            os.kill(self.child, signal.SIGKILL)  # not reaped yet, so its id is still its own
            os.waitpid(self.child, 0)
            os.close(self._to_child)
            os.close(self._from_child)
            self.child = 0

    def _restart_child(self) -> None:
        self.stop_child()
        self.start_child()


def _work(tasks: int, verdicts: int, board: _Board, memory_bytes: int, supervisor: int) -> NoReturn:
    """The child: everything that touches an expression happens here."""
    status = 1
    try:
        _confine(memory_bytes, supervisor)
        while True:
            task = receive(tasks, None)
            send(verdicts, {"faults": _compare_all(task["texts"], task["pairs"], board)})
    except EOFError:
        status = 0
    finally:
        # Never back into the supervisor's stack. A MemoryError ends here, and the supervisor sees the pipe close.
        os._exit(status)


def _compare_all(texts: Sequence[str | None], pairs: Sequence[tuple[int, int]], board: _Board) -> list[str]:
    """Compares the pairs, each text read once, verdicts on the board; returns our own mistakes, for the owner's log."""
    from empo_rewards.equivalence.math import symbolic  # noqa: PLC0415  (loaded before the fork)

    readings: dict[int, symbolic.Reading | None] = {}
    faults: list[str] = []
    for index, (i, j) in enumerate(pairs):
        begun = time.monotonic()
        equal, probed = None, False
        try:
            for position in (i, j):
                if position not in readings:
                    board.note(begun, index, position)
                    text = texts[position]
                    readings[position] = None if text is None else symbolic.read(text)
            board.note(begun, index, -1)
            equal, probed = symbolic.compare(readings[i], readings[j])
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  (one odd pair must not cost the others; it is reported, and undecided)
            faults.append(traceback.format_exc(limit=-FAULT_LINES))
        board.decide(index, equal, probed)
    board.note(time.monotonic(), len(pairs), -1)
    return faults


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

"""The log of the server's processes: one line a record, whatever callers have sent, and few lines where one repeats.

Neither a record that repeats nor a standard error that nobody reads (a full pipe, a stopped terminal) holds up the
process that logs.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from empo_rewards.errors import printable

WINDOW_SECONDS = 10.0
"""In so long a time ..."""

MOST = 20
"""... so many records of one kind are logged. Further ones are counted."""

MAX_KINDS = 1_000
"""Kinds of records that are counted at a time. A record whose text is not a template is a kind of its own."""

MAX_WAITING = 1_000
"""Records that wait to be written. Further ones are counted."""

FLUSH_SECONDS = 0.5
"""The longest wait for those, at the end of the process."""


def set_up(level: int | str) -> None:
    """Log to standard error, from this level on; warnings of Python's `warnings`, too."""
    handler = DescriptorHandler(2)
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(message)s"))
    repetitions = RepetitionFilter()
    handler.addFilter(repetitions)
    logging.basicConfig(handlers=[handler], level=level)
    logging.captureWarnings(True)
    atexit.register(repetitions.tell)  # before `logging` flushes its handlers: the last that is registered comes first


class DescriptorHandler(logging.Handler):
    """Writes records to a file descriptor in a thread of its own; ends when the descriptor cannot be written.

    Records for which there is no room are told of, by their number, before the next one that there is room for.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._lines: queue.Queue[str | threading.Event] = queue.Queue(MAX_WAITING)
        self._lost = 0  # in `emit` alone, around which `logging` holds the handler's lock
        self._writer = threading.Thread(target=self._write, args=(descriptor,), name="empo-rewards-log", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Let a record be written, if there is room."""
        records = [record]
        if self._lost:
            about = {"levelno": logging.WARNING, "levelname": "WARNING", "msg": "%d records lost: nobody read the log"}
            records.insert(0, logging.makeLogRecord({**about, "args": (self._lost,)}))
        try:
            self._lines.put_nowait("".join(f"{self.format(one)}\n" for one in records))
            self._lost = 0
        except queue.Full:
            self._lost += 1

    def flush(self) -> None:
        """Wait a little for what is not written yet."""
        written = threading.Event()
        with suppress(queue.Full):
            self._lines.put(written, timeout=FLUSH_SECONDS)
            written.wait(FLUSH_SECONDS if self._writer.is_alive() else 0)

    def _write(self, descriptor: int) -> None:
        # Not by sys.stderr: whoever waits in its `write` holds its lock, which the end of the process needs.
        while True:
            line = self._lines.get()
            if isinstance(line, threading.Event):
                line.set()
                continue
            left = memoryview(line.encode(errors="backslashreplace"))
            while left:
                try:
                    left = left[os.write(descriptor, left) :]
                except BlockingIOError:  # somebody has made it one that does not wait
                    time.sleep(FLUSH_SECONDS)
                except OSError:
                    return


class LineFormatter(logging.Formatter):
    """One line a record. Only a traceback has more, which are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        record.message = printable(record.getMessage())
        record.asctime = self.formatTime(record)
        lines = [self.formatMessage(record)]
        if record.exc_info:
            lines += ["    " + printable(line) for line in self.formatException(record.exc_info).splitlines()]
        return "\n".join(lines)


@dataclass
class _Window:
    until: float
    seen: int = 0


class RepetitionFilter(logging.Filter):
    """Lets `MOST` records of a kind (logger, level and template) pass in a window; tells how many more there were."""

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[tuple[str, int, str], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        now = time.monotonic()
        self.tell(now)
        if record.levelno <= logging.DEBUG or len(self._windows) >= MAX_KINDS:
            return True
        window = self._windows.setdefault((record.name, record.levelno, str(record.msg)), _Window(now + WINDOW_SECONDS))
        window.seen += 1
        return window.seen <= MOST

    def tell(self, now: float = math.inf) -> None:
        """Log how many records were left out, of the windows that are over by now."""
        over = {kind: window for kind, window in tuple(self._windows.items()) if window.until <= now}
        ended = [(kind, window) for kind, window in over.items() if self._windows.pop(kind, None) is window]
        for (name, level, template), window in ended:  # each is logged through this filter
            if window.seen > MOST:
                more = (window.seen - MOST, WINDOW_SECONDS, template)
                logging.getLogger(name).log(level, "%d more within %g s of: %s", *more)

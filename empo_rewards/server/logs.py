"""The server's log: one line a record, whatever callers have sent, and few lines where one repeats."""

from __future__ import annotations

import atexit
import logging
import math
import time
from dataclasses import dataclass

from empo_rewards.errors import printable

WINDOW_SECONDS = 10.0
"""In so long a time ..."""

MOST = 20
"""... so many records of one kind are logged. Further ones are counted."""

MAX_KINDS = 1_000
"""Kinds of records that are counted at a time. A record whose text is not a template is a kind of its own."""


def set_up(level: str) -> None:
    """Log to standard error, from this level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(message)s"))
    repetitions = RepetitionFilter()
    handler.addFilter(repetitions)
    atexit.register(repetitions.tell)
    logging.basicConfig(handlers=[handler], level=level)


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
        over = [kind for kind, window in self._windows.items() if window.until <= now]
        for kind in over:
            window = self._windows.pop(kind)
            if window.seen > MOST:
                name, level, template = kind
                more = (window.seen - MOST, WINDOW_SECONDS, template)
                logging.getLogger(name).log(level, "%d more within %g s of: %s", *more)

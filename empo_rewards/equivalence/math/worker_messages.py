"""JSON messages over a pipe, each behind its length. Nothing is ever unpickled."""

from __future__ import annotations

import json
import os
import select
import struct
import time
from collections.abc import Mapping
from typing import Any

_LENGTH = struct.Struct(">I")


class Expired(Exception):  # noqa: N818  (it ends a wait)
    """A deadline passed before the message came."""


def send(fd: int, message: Mapping[str, Any]) -> None:
    """Writes a message; BrokenPipeError where the other side is gone."""
    body = json.dumps(message).encode()
    data = memoryview(_LENGTH.pack(len(body)) + body)
    while data:
        data = data[os.write(fd, data) :]


def receive(fd: int, until: float | None) -> dict[str, Any]:
    """The next message; EOFError where the other side is gone, Expired where it did not come in time."""
    (length,) = _LENGTH.unpack(_read(fd, _LENGTH.size, until))
    message: dict[str, Any] = json.loads(_read(fd, length, until))
    return message


def _read(fd: int, size: int, until: float | None) -> bytes:
    parts: list[bytes] = []
    while size:
        if until is not None and not readable(fd, until - time.monotonic()):
            raise Expired("no answer in time")
        part = os.read(fd, min(size, 2**16))
        if not part:
            raise EOFError("the other side of the pipe is gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def readable(fd: int, seconds: float) -> bool:
    """Whether something (or the end) can be read within the time."""
    # poll, not select: a descriptor's number may be past select's 1024 in a busy process.
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))

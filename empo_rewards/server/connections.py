"""The connections of the server: how many there may be, and which are closed because nothing happens on them.

uvicorn closes a connection that stays idle after an answer. It does not close one that never sends a request, sends
half of one, or does not read its answer; and it accepts connections until no descriptor is left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from empo_rewards.server.bodies import encode

SWEEP_SECONDS = 1.0
"""How often connections are looked at."""

IDLE_SECONDS = 15.0
"""How long a new connection may take to send the head of its first request."""

KEEP_ALIVE_SECONDS = 75
"""How long a connection is kept after an answer. Longer than clients keep it: a server that closes it first may do so
while a client sends on it."""

SENDING_SECONDS = 120.0
"""How long a caller may take to send the body of a request."""

READING_SECONDS = 60.0
"""How long a caller may read nothing of its answer."""

MAX_HEAD_BYTES = 2**16
"""Bytes of a request's head, and of what stands between the parts of its body and after them. For uvicorn's parser in C
(httptools), which has no limit of its own; that in Python (h11) has, and does not say where a body is."""

_PARSED_IN_C = hasattr(AutoHTTPProtocol, "on_body")

SPARE = 0.125
"""Share of the descriptors that is kept for refusing: a connection that is too much is accepted, told so and closed."""


TOO_MANY = "there are too many connections: the limit of open files is reached (ulimit -n)"

_TURNED_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"retry-after: 1\r\nconnection: close\r\n\r\n"
)

_Since = tuple[tuple[str, int], int, float]
"""What happens on a connection and how many answers it has had, the bytes that are not read, and since when so."""


class Connections:
    """What is known of the open connections.

    Args:
        descriptors: how many there are for them.
    """

    def __init__(self, descriptors: int) -> None:
        self.spare = max(4, int(descriptors * SPARE))
        self.most = max(4, descriptors - self.spare)
        """Requests on more connections than this are answered with 503."""
        self.undelivered_bytes = 0
        """Bytes of answers that their callers have not read, when it was last looked."""
        self._open: Collection[Any] = ()
        self._since: dict[Any, _Since] = {}
        self._swept = 0.0

    @property
    def crowded(self) -> bool:
        """Whether there are so many that further requests are refused."""
        return len(self._open) > self.most

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._open)

    def protocol(self) -> type[asyncio.Protocol]:
        """uvicorn's protocol, whose connections are refused where there are too many to wait for their request."""
        hard = self.most + self.spare // 2

        class _Limited(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # which of uvicorn's it is, its import says
            head_bytes = answers = 0
            cycle: Any
            headers: Any

            def connection_made(self, transport: Any) -> None:
                super().connection_made(transport)
                if len(self.connections) > hard:
                    self.turn_away(TOO_MANY)

            def turn_away(self, why: str) -> None:
                """Refuse what has not been asked for yet."""
                body = encode({"error": why, "retry": True, "request_id": None})
                self.transport.write(_TURNED_AWAY % len(body) + body)
                self.transport.close()

            def data_received(self, data: bytes) -> None:
                self.head_bytes += len(data) if _PARSED_IN_C else 0
                super().data_received(data)
                if self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete:
                    self.head_bytes = 0  # the request is there: what follows waits unread
                elif self.head_bytes > MAX_HEAD_BYTES:
                    self.transport.abort()

            def on_headers_complete(self) -> None:  # of the parser in C only, as the next one
                super().on_headers_complete()
                self.headers = []  # trailers come here: they are no headers

            def on_body(self, body: bytes) -> None:
                self.head_bytes = 0
                super().on_body(body)

            def on_response_complete(self) -> None:
                super().on_response_complete()
                self.answers += 1
                if self.cycle.response_complete and not self.cycle.more_body:
                    self.cycle = self.scope = None  # most connections are idle: what is left of the request goes

        return _Limited

    def sweep(self, connections: Collection[Any]) -> None:
        """Close those of uvicorn's connections on which nothing happens for too long; in a crowd idle ones at once."""
        self._open = connections
        now, crowded = time.monotonic(), self.crowded
        if now < self._swept + SWEEP_SECONDS and not crowded:
            return
        self._swept, undelivered = now, 0
        since: dict[Any, _Since] = {}
        for connection in list(connections):
            unread = connection.transport.get_write_buffer_size()
            undelivered += unread
            kind, seconds = _doing(connection, unread)
            state = kind, connection.answers
            before, left, start = self._since.get(connection, (state, 0, now))
            if state != before or (kind == "reading" and unread < left):
                start = now
            since[connection] = state, unread, start
            if now - start > seconds or (crowded and kind == "idle"):
                connection.transport.abort()
        self._since, self.undelivered_bytes = since, undelivered


def silent(connections: Collection[Any]) -> list[Any]:
    """Those that have not sent the head of a request."""
    return [one for one in connections if one.cycle is None and not one.answers]


def _doing(connection: Any, unread: int) -> tuple[str, float]:
    """What is happening on a connection, and for how many seconds it may."""
    if unread:
        return "reading", READING_SECONDS
    if connection.cycle is None and not connection.answers:
        return "new", IDLE_SECONDS
    if connection.cycle is None or connection.cycle.response_complete:
        return "idle", KEEP_ALIVE_SECONDS + IDLE_SECONDS
    if connection.cycle.more_body:
        return "sending", SENDING_SECONDS
    return "waiting", float("inf")

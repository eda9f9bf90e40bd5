"""What became of an answer once it was sent: whether its caller was still there to read it.

A caller that gives up closes its connection and posts again. Where the answer is already on its way, nothing in HTTP
tells: the retry would wait as a new member for a group that is complete without it. TCP knows: a connection that is
closed over unread bytes is reset, one that is closed before they were sent says so when asked, and one that is closed
before they arrived ends in order, but has not acknowledged them.
"""

from __future__ import annotations

import asyncio
import fcntl
import select
import socket
import struct
import termios
from collections.abc import Callable
from typing import Any

Address = tuple[str, int]


class Link:
    """One connection.

    Args:
        transport: its transport.
    """

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._unread: Callable[[], None] | None = None

    @property
    def is_left(self) -> bool:
        """Whether the caller has closed its side, even where the event loop has not come to see it yet."""
        return self._transport.is_closing() or _is_closed_there(self._transport.get_extra_info("socket"))

    def sending(self, unread: Callable[[], None]) -> None:
        """An answer is sent: `unread` is called if the connection ends without the caller having had it."""
        self._unread = unread

    def arrived(self) -> None:
        """Another request came: the caller has read what was sent before."""
        self._unread = None

    def ended(self, error: Exception | None) -> None:
        """The connection ended: in order, or by an error."""
        unread, self._unread = self._unread, None
        if unread is not None and (error is not None or _is_unacknowledged(self._transport.get_extra_info("socket"))):
            unread()


def _is_closed_there(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))


def _is_unacknowledged(connection: socket.socket) -> bool:
    """Whether the other side closed before what was sent last had arrived there.

    Either that is still under way, or the reset that answered it is here already. Reading does not tell of a reset
    that comes behind an end in order; the socket's own error does.
    """
    if not _is_closed_there(connection):
        return False  # it is us who close
    under_way = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    return under_way > 0 or connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


class Links:
    """The connections of a server, by their caller's address."""

    def __init__(self) -> None:
        self._links: dict[Address, Link] = {}

    def of(self, client: Any) -> Link | None:
        """The connection of a request's `client`, if it is one of ours."""
        return None if client is None else self._links.get((client[0], client[1]))

    def watched(self, protocol: type[asyncio.Protocol]) -> type[asyncio.Protocol]:
        """A protocol that also keeps these links."""
        links = self._links

        class Watched(protocol):  # type: ignore[valid-type,misc] # chosen at run time
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                peer = transport.get_extra_info("peername")
                self._empo_rewards_peer: Address = peer[:2]
                links[self._empo_rewards_peer] = Link(transport)
                super().connection_made(transport)

            def connection_lost(self, error: Exception | None) -> None:
                super().connection_lost(error)
                link = links.pop(self._empo_rewards_peer, None)
                if link is not None:
                    link.ended(error)

        return Watched

"""Whether a caller was still there to read its answer, on real connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from empo_rewards.server.links import Link, Links


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop run until something holds."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it does not come to hold")


async def answer(caller: Callable[[socket.socket, Callable[[], None]], None]) -> int:
    """How often the answer to a caller counted as unread. The caller is given its socket, and a call that answers."""
    ended, unread = [], []
    transports: list[asyncio.Transport] = []

    class Server(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            transports.append(transport)

        def connection_lost(self, error: Exception | None) -> None:
            ended.append(error)

    links = Links()
    server = await asyncio.get_running_loop().create_server(links.watched(Server), "127.0.0.1", 0)
    try:
        with socket.create_connection(server.sockets[0].getsockname()) as connection:
            await until(lambda: transports)
            link = links.of(connection.getsockname())
            assert isinstance(link, Link)
            assert not link.is_left

            def send() -> None:
                link.sending(lambda: unread.append(True))
                transports[0].write(b"answer")

            caller(connection, send)
        await until(lambda: ended)
        return len(unread)
    finally:
        server.close()


def reads(connection: socket.socket, send: Callable[[], None]) -> None:
    send()
    assert connection.recv(100) == b"answer"


def closes_without_reading(connection: socket.socket, send: Callable[[], None]) -> None:
    send()


def has_just_closed(connection: socket.socket, send: Callable[[], None]) -> None:
    """After the server looked, and before it wrote."""
    connection.close()
    send()


@pytest.mark.parametrize(("caller", "unread"), [(reads, 0), (closes_without_reading, 1), (has_just_closed, 1)])
def test_an_answer_is_unread_where_its_caller_left_before_it(
    caller: Callable[[socket.socket, Callable[[], None]], None], unread: int
) -> None:
    for _ in range(50):
        assert asyncio.run(answer(caller)) == unread

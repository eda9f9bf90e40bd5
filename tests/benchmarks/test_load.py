"""The load generator: a caller that has its answer does not post again."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from load import Connection

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


async def connected() -> tuple[Connection, asyncio.AbstractServer]:
    """A connection to a server that never answers."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    _, connection = await asyncio.get_running_loop().create_connection(Connection, host, port)
    return connection, server


@pytest.mark.parametrize("comes", [True, False])
def test_an_answer_that_comes_in_the_moment_of_hanging_up_is_taken(comes: bool) -> None:
    async def run() -> tuple[int, bytes]:
        connection, server = await connected()
        try:
            asking = asyncio.create_task(connection.exchange(b"request"))
            await asyncio.sleep(0)
            if comes:
                connection.data_received(ANSWER)
            asking.cancel()
            return await asking
        finally:
            connection.close()
            server.close()

    if comes:
        assert asyncio.run(run()) == (200, b"{}")
    else:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(run())

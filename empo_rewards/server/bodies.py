"""HTTP bodies: bounded reading, strict JSON, and cancelling work whose caller has disconnected."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from empo_rewards.gather import GatherFullError
from empo_rewards.server.errors import CallerGoneError, RequestError

if TYPE_CHECKING:
    from starlette.types import Receive  # OpenRLHF's reward function reads its bodies without the extra

T = TypeVar("T")

DISCARDED_BYTES = 2**28
"""So much of a body that is refused is still read."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def too_large(limit: int) -> RequestError:
    """The error for a body longer than `limit` bytes."""
    message = f"the body is longer than {limit} bytes (--max-body-mb): send fewer groups"
    return RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message, unread=True)


async def discard(receive: Receive) -> None:
    """Read and discard what is left of a body: a caller that is cut off while it sends may never read the answer."""
    size, more = 0, True
    while more and size < DISCARDED_BYTES:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)


async def read_body(receive: Receive, limit: int, hold: Callable[[int], None]) -> bytes:
    """The whole body of a request.

    Args:
        receive: of the request.
        limit: the longest body that is read.
        hold: called with the number of bytes of each part; raises `GatherFullError` where there is no room for them.

    Raises:
        RequestError: 413, it is longer than `limit` bytes; 429, there is no room.
        CallerGoneError: the caller disconnected before the end of the body.
    """
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        more = message.get("more_body", False)
        if size > limit:
            if more:
                await discard(receive)
            raise too_large(limit)
        try:
            hold(len(chunk))
        except GatherFullError as error:
            if more:
                await discard(receive)
            raise RequestError(HTTPStatus.TOO_MANY_REQUESTS, str(error), retry=True, unread=True) from error
        chunks.append(chunk)
        if not more:
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def decode(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        RequestError: 400, the body is not JSON (NaN and Infinity are not), or is nested too deeply to be read.
    """
    try:
        return _DECODER.decode(body.decode())
    except ValueError as error:  # also: not UTF-8, or an integer of too many digits
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, "the body is nested too deeply") from error


def encode(value: object) -> bytes:
    """A value as JSON, in ASCII.

    Raises:
        ValueError: it contains a NaN or an infinity.
    """
    return _ENCODER.encode(value).encode()


def finite(value: Any) -> Any:
    """The value with None for NaN and infinities, which JSON cannot represent."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return value


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the caller disconnects.

    ASGI servers do not cancel the handler of an abandoned request. Without this it would go on waiting for its group,
    and the caller's retry could not take its place there.

    Args:
        receive: of a request whose body has been read completely: its next message is `http.disconnect`.
        work: what to wait for.

    Raises:
        CallerGoneError: the caller disconnected first.
        Exception: what `work` raises.
    """
    loop = asyncio.get_running_loop()
    this = asyncio.current_task()
    assert this is not None  # noqa: S101 - a coroutine runs in a task
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        this.cancel()

    watcher = loop.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if gone:
            raise CallerGoneError from None
        raise
    finally:
        watcher.cancel()

"""Bodies in and out: bounded reading, JSON that cannot hurt, and noticing that a caller has gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

from starlette.types import Receive, Send

from empo_rewards.server.errors import RequestError

T = TypeVar("T")


class CallerGoneError(Exception):
    """The caller closed its connection: nobody is there to answer."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def too_large(limit: int) -> RequestError:
    """The refusal of a body past the limit."""
    return RequestError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {limit} bytes (--max-body-mb): send fewer groups"
    )


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises:
        RequestError: 413, it is longer than `limit`.
        CallerGoneError: the caller went away before it was there.
    """
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def decode(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        RequestError: 400, it is none (NaN and infinity are none), or it is nested too deeply to be read.
    """
    try:
        return _DECODER.decode(body.decode())
    except ValueError as error:  # a text that is no UTF-8, and an integer of too many digits, too
        raise RequestError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, "the body is nested too deeply") from error


def encode(value: object) -> bytes:
    """A value as JSON, in ASCII.

    Raises:
        ValueError: there is a NaN or an infinity in it.
    """
    return _ENCODER.encode(value).encode()


async def send_json(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Send an answer."""
    common = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*common, *headers]})
    await send({"type": "http.response.body", "body": body})


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the caller goes away.

    Servers do not cancel the handler of an abandoned request: it would wait for its group, and the caller's retry could
    not take its place.

    Args:
        receive: of a request whose body has been read: what comes next is its end.
        work: what to wait for.

    Raises:
        CallerGoneError: the caller went away first.
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

"""Access control of the HTTP server: API key, body size, request id, request counts and log.

Not to be confused with the guards of `empo_rewards.filters`, which judge responses.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import itertools
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from empo_rewards.errors import described
from empo_rewards.server.bodies import discard, encode, too_large
from empo_rewards.server.browser import PAGES, BrowserAccess
from empo_rewards.server.connections import TOO_MANY
from empo_rewards.server.errors import RequestError
from empo_rewards.server.service import STOPPING, Holding, Service

log = logging.getLogger("empo_rewards.server")

OPEN_PATHS = frozenset({"/health", "/ready"})
"""Paths that need no API key: health probes have none."""

ROUTES = frozenset({*OPEN_PATHS, *PAGES, "/get_reward", "/eval/get_reward", "/score", "/metrics"})
"""Paths that are counted by name. All others share one label: arbitrary paths must not grow the metrics."""

MAX_ID = 128
"""A longer `X-Request-ID` of the caller is replaced. Longer names of a run or a member are refused."""

CLIENT = "empo_rewards.client"
"""Key of a request's scope: the address that it came from, whose room it takes."""

HOLDING = "empo_rewards.holding"
"""Key of a request's scope: its `Holding`."""


class AccessControl:
    """ASGI middleware around the application.

    Args:
        app: the application.
        service: its metrics count the requests, its room their bodies. Its settings have the key that callers must send
            as `Authorization: Bearer KEY`, or as the password of `Authorization: Basic` (which a URL of the form
            http://user:KEY@host gives), and the length of body that is refused before it is read.
        crowded: whether there are too many connections to take in more.
        browser: what else opens the report; None: there is no report.
    """

    def __init__(
        self, app: ASGIApp, service: Service, crowded: Callable[[], bool], browser: BrowserAccess | None = None
    ) -> None:
        self._app, self._service, self._crowded, self._browser = app, service, crowded, browser
        self._metrics = service.metrics
        self._limit, key = service.settings.max_body_bytes, service.settings.api_key
        self._key = None if key is None else key.encode()
        self._run, self._numbers = secrets.token_hex(4), itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the application, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = _printable_id(headers.get(b"x-request-id")) or f"{self._run}-{next(self._numbers)}"
        scope["empo_rewards.request_id"] = request_id
        client = scope[CLIENT] = scope["client"][0] if scope["client"] else None
        holding = scope[HOLDING] = Holding(self._service.room, client)
        status = 0

        async def send_out(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                if self._service.stopping or (b"expect" in headers and status >= HTTPStatus.BAD_REQUEST):
                    # After an answer that comes before `100 Continue` nobody knows whether the body still comes.
                    message["headers"].append((b"connection", b"close"))
            try:
                await send(message)
            except Exception as error:  # noqa: BLE001 - of the HTTP library's own, which need not be installed
                # What followed the request on its connection was no HTTP, and has ended it.
                log.warning("an answer could not be sent: %s (request %s)", described(error), request_id)

        path = scope["path"]
        try:
            if (refused := self._refused(scope, headers)) is not None:
                await refused(scope, receive, send_out)
            elif (unreadable := _unreadable(headers)) is not None:
                await refusal(scope, unreadable)(scope, receive, send_out)
            elif int(headers.get(b"content-length", b"0")) > self._limit:
                await discard(receive)
                await refusal(scope, too_large(self._limit))(scope, receive, send_out)
            else:
                await self._app(scope, receive, send_out)
        except asyncio.CancelledError:
            if status or not self._service.stopping:
                raise
            # uvicorn cancels what is left at shutdown: requests whose body has not come or is being read.
            error = RequestError(HTTPStatus.SERVICE_UNAVAILABLE, STOPPING, retry=True, unread=True)
            await refusal(scope, error)(scope, receive, send_out)
        finally:
            holding.release()
            seconds = time.perf_counter() - started
            self._metrics.request(_route(path), status, seconds)
            log.debug("%s %s %s in %.3f s (request %s)", scope["method"], path, status or "gone", seconds, request_id)

    def _refused(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Response | None:
        """The answer to a request that is refused before its body is read; None: it is not."""
        path = scope["path"]
        if path in OPEN_PATHS:
            return None
        if (why := STOPPING if self._service.stopping else TOO_MANY if self._crowded() else None) is not None:
            return refusal(scope, RequestError(HTTPStatus.SERVICE_UNAVAILABLE, why, retry=True, unread=True))
        if self._key is None or _has_key(headers.get(b"authorization"), self._key):
            return None
        if self._browser is not None:
            if self._browser.admits(scope, headers):
                return None
            if path == "/":
                return self._browser.form()
        return refusal(scope, RequestError(HTTPStatus.UNAUTHORIZED, "a valid API key is needed"))


def refusal(scope: Scope, error: RequestError) -> Response:
    """The response to a refused request; the refusal is logged in one line."""
    request_id = scope["empo_rewards.request_id"]
    level = logging.ERROR if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.WARNING
    template = f"%s %s: {error.status}, %s (request %s)"  # its repetitions are counted by status
    log.log(level, template, scope["method"], _route(scope["path"]), error, request_id)
    headers = {}
    if error.retry:
        headers["retry-after"] = "1"
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if error.unread:
        headers["connection"] = "close"
    body = {"error": str(error), "retry": error.retry, "request_id": request_id}
    return Response(encode(body), error.status, headers, "application/json")


def _unreadable(headers: Mapping[bytes, bytes]) -> RequestError | None:
    """Why a body cannot be read as it is sent; None: it can."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body without a Content-Encoding")
    if b"upgrade" in headers and (b"transfer-encoding" in headers or int(headers.get(b"content-length", b"0"))):
        # The parser in C takes what follows the head for the other protocol's.
        return RequestError(HTTPStatus.BAD_REQUEST, "send the body by HTTP/1.1, without an Upgrade", unread=True)
    return None


def _printable_id(given: bytes | None) -> str | None:
    """The caller's request id, where it is short printable ASCII; else None."""
    if given and len(given) <= MAX_ID and given.isascii() and (text := given.decode()).isprintable():
        return text
    return None


def _has_key(authorization: bytes | None, key: bytes) -> bool:
    scheme, _, value = (authorization or b"").partition(b" ")
    if scheme.lower() == b"basic":
        try:
            value = base64.b64decode(value, validate=True).partition(b":")[2]
        except binascii.Error:
            return False
    elif scheme.lower() != b"bearer":
        return False
    return hmac.compare_digest(value.strip(), key)


def _route(path: str) -> str:
    if path in ROUTES:
        return path
    return "/v1/groups" if path.startswith("/v1/groups/") else "other"

"""The HTTP client of language models: many requests at once, each with a deadline, with retries and failover.

The `openai` package is not used. Its retries stay at one base URL and have no circuit breaker, it returns replies that
it has not validated, and it takes 30 MB; docs/architecture.md names the tests that it fails.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from empo_rewards.completions.endpoints import Endpoints
from empo_rewards.errors import ConfigError, EmpoError

RETRIED = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that are about the state of the server and not about the request."""

NO_SERVER = frozenset({502, 503, 504})
"""Statuses by which a gateway says that it cannot reach its server."""

DOWN_AFTER = 4
"""The least number of silences in a row after which servers count as down: one slow question must not fail others."""

MALFORMED_ATTEMPTS = 4
"""How many malformed replies a request may get: what is no such server does not become one by waiting."""

LONGEST_RETRY_AFTER = 60.0
"""Seconds of a `Retry-After` that are honoured at most."""

SHOWN = 200
"""Characters of a server's error message that are repeated in ours."""

T = TypeVar("T")
Form = TypeVar("Form", bound=BaseModel)


class MalformedReplyError(Exception):
    """A server's reply does not have the form that the protocol gives it."""


class NoReplyError(EmpoError):
    """No server answered a request, after all attempts."""


class RefusedError(EmpoError):
    """A server refuses a request; another attempt is of no use.

    Args:
        url: the server.
        status: the HTTP status.
        shown: what it says, cut.
    """

    def __init__(self, url: str, status: int, shown: str) -> None:
        super().__init__(f"{url} refused the request: {status}: {shown}")
        self.url, self.status, self.shown = url, status, shown


class Limits(BaseModel):
    """Concurrency, deadlines and retries of the client.

    Args:
        concurrency: requests in flight at the same time, over all servers.
        timeout: seconds for one attempt: to connect, and to receive the whole reply.
        deadline: seconds for one question with all its attempts, from when it gets a slot.
        attempts: attempts for one question, each at the server that is best off. A server that fails is paused (0.5 s,
            doubled with each failure in a row, 8 s at most). While all are paused after that many silences in a row
            (four at the least), questions fail at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrency: int = Field(default=64, ge=1)
    timeout: float = Field(default=30.0, gt=0)
    deadline: float = Field(default=90.0, gt=0)
    attempts: int = Field(default=4, ge=1)


class Client:
    """The client of one event loop, on which all of it but the constructor runs.

    Args:
        urls: base URLs up to and including the `/v1`, without a slash at the end.
        limits: concurrency, deadlines, retries.
        api_key: sent as the bearer token; no message repeats it.
        on_failure: is told of each attempt that failed and is made again.
    """

    def __init__(
        self,
        urls: Sequence[str],
        limits: Limits,
        api_key: str | None,
        on_failure: Callable[[str], None] = lambda why: None,
    ) -> None:
        import httpx  # noqa: PLC0415 - an optional extra

        self._limits, self._api_key, self._on_failure = limits, api_key, on_failure
        self._endpoints = Endpoints(urls)
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {api_key}"} if api_key else {})
        # One client a slot. A shared connection pool searches all its connections for each request: with 64 of them a
        # request takes 3.1 ms of CPU instead of 0.8.
        verify = httpx.create_ssl_context() if any(url.startswith("https:") for url in urls) else False
        self._slots: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        for _ in range(limits.concurrency):
            self._slots.put_nowait(httpx.AsyncClient(headers=headers, timeout=limits.timeout, verify=verify))
        self._late = (asyncio.TimeoutError, httpx.TimeoutException)
        self._broken = httpx.HTTPError

    async def ask(self, path: str, body: Mapping[str, Any], read: Callable[[bytes], T]) -> tuple[T, int]:
        """What the reply to a request holds, and after how many failed attempts.

        Args:
            path: below the base URL.
            body: the request's, as JSON.
            read: reads the body of the reply, or raises `MalformedReplyError`: then the request is made again.

        Raises:
            NoReplyError: no attempt succeeded.
            RefusedError: a server refuses the request.
        """
        http = await self._slots.get()
        failures: list[str] = []
        try:
            asked = self._with_retries(http, path, json.dumps(body).encode(), read, failures)
            return await asyncio.wait_for(asked, self._limits.deadline), len(failures)
        except asyncio.TimeoutError:
            raise _no_reply(f"within {self._limits.deadline:g} s", failures) from None
        finally:
            self._slots.put_nowait(http)

    async def get(self, path: str) -> bytes | None:
        """The body of a path below the first base URL that a server gives; None where it has none there.

        Raises:
            NoReplyError: nothing can be reached there, in one attempt.
            RefusedError: the server refuses it for want of a key.
        """
        http = await self._slots.get()
        url = self._endpoints.urls[0]
        try:
            response = await http.get(url + path)
        except self._broken as error:
            words = self._without_key(str(error))
            raise NoReplyError(f"{url} cannot be reached: {type(error).__name__}: {words}") from error
        finally:
            self._slots.put_nowait(http)
        if response.status_code in (401, 403):
            raise RefusedError(url, response.status_code, self._shown(response.text))
        return bytes(response.content) if response.status_code == 200 else None

    async def close(self) -> None:
        """Close the connections that are not in use."""
        while not self._slots.empty():
            await self._slots.get_nowait().aclose()

    async def _with_retries(
        self, http: Any, path: str, content: bytes, read: Callable[[bytes], T], failures: list[str]
    ) -> T:
        clock = asyncio.get_running_loop().time
        until = clock() + self._limits.deadline
        malformed = 0
        while len(failures) < self._limits.attempts and malformed < MALFORMED_ATTEMPTS:
            endpoint = self._endpoints.pick(clock())
            pause = endpoint.paused_until - clock()
            if pause > 0:
                if clock() + pause >= until or self._endpoints.down(clock(), max(self._limits.attempts, DOWN_AFTER)):
                    failures.append(endpoint.last_failure)
                    raise _no_reply("and no server is up", failures)
                await asyncio.sleep(pause)
                continue  # another one may be better off by now
            with endpoint.busy():
                try:
                    found = read(await self._post(http, endpoint.url, path, content))
                except _AttemptError as failure:
                    endpoint.failed(clock(), str(failure), silent=failure.silent, at_least=failure.retry_after)
                    failures.append(str(failure))
                except MalformedReplyError as error:
                    malformed += 1
                    failures.append(f"{endpoint.url} gave a malformed reply: {error}")
                    endpoint.failed(clock(), failures[-1], silent=False)
                else:
                    endpoint.answered()
                    return found
                self._on_failure(failures[-1])
        raise _no_reply(f"in {len(failures)} tries", failures)

    async def _post(self, http: Any, url: str, path: str, content: bytes) -> bytes:
        """The body of the reply to one attempt.

        Raises:
            _AttemptError: another attempt may succeed.
            RefusedError: none will.
        """
        try:  # httpx bounds each step of an attempt (connecting, each read), and this all of it
            response = await asyncio.wait_for(http.post(url + path, content=content), self._limits.timeout)
        except self._late:
            raise _AttemptError(f"{url} did not answer within {self._limits.timeout:g} s", silent=True) from None
        except self._broken as error:
            message = f"{url}: {type(error).__name__}: {self._without_key(str(error))}"
            raise _AttemptError(message, silent=True) from error
        status = response.status_code
        if status == 200:
            return bytes(response.content)
        shown = self._shown(response.text)
        if status not in RETRIED:
            raise RefusedError(url, status, shown)
        retry_after = _seconds(response.headers.get("retry-after"))
        raise _AttemptError(f"{url} answered {status}: {shown}", silent=status in NO_SERVER, retry_after=retry_after)

    def _shown(self, text: str) -> str:
        return " ".join(self._without_key(text).split())[:SHOWN]

    def _without_key(self, text: str) -> str:
        return text.replace(self._api_key, "***") if self._api_key else text


class _AttemptError(Exception):
    """An attempt failed in a way that another may not.

    Args:
        silent: no server was there to answer.
        retry_after: seconds that the server asked to be left alone.
    """

    def __init__(self, message: str, *, silent: bool, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.silent, self.retry_after = silent, retry_after


def _no_reply(how: str, failures: Sequence[str]) -> NoReplyError:
    return NoReplyError(f"no answer {how}" + (f"; last: {failures[-1]}" if failures else ""))


def _seconds(retry_after: str | None) -> float:
    """A `Retry-After` in seconds, within bounds; 0 for a date, for which the usual pause serves."""
    return min(float(retry_after), LONGEST_RETRY_AFTER) if retry_after and retry_after.isdecimal() else 0.0


def validated(form: type[Form], body: bytes) -> Form:
    """A reply's body in its form.

    Raises:
        MalformedReplyError: it has another.
    """
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise MalformedReplyError(f"{place + ': ' if place else ''}{first['msg']}") from error


def base_url(url: str) -> str:
    """A base URL without the slash at its end.

    Raises:
        ConfigError: it is none, or holds a password.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(char.isspace() for char in url):
        raise ConfigError(f"{url!r} is no base URL such as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("a server's URL holds no user, password or query: an environment variable gives the API key")
    return url.rstrip("/")


def api_key_of(variable: str) -> str:
    """The API key in an environment variable.

    Raises:
        ConfigError: it is not set, or holds none.
    """
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"the environment variable {variable} is not set, or empty: it should hold the API key")
    if not key.isascii() or any(not char.isprintable() or char.isspace() for char in key):
        raise ConfigError(f"the environment variable {variable} holds no API key: it has odd characters")
    return key

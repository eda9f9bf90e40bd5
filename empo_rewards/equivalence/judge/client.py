"""Asks servers: many questions at once, each within its deadline, again where that may help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from empo_rewards.equivalence.judge.endpoints import Endpoints
from empo_rewards.equivalence.judge.questions import Reply, Request
from empo_rewards.equivalence.judge.wire import MalformedReplyError, reply_of
from empo_rewards.errors import EquivalenceError

if TYPE_CHECKING:
    import httpx

TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""What a server says of its own state, and not of the request."""

NOBODY_THERE = frozenset({502, 503, 504})
"""What a gateway says of a server that it cannot reach."""

DOWN_AFTER = 4
"""Silences in a row, at the least, before servers count as down: one slow question is no reason to refuse others."""

LONGEST_RETRY_AFTER = 60.0
"""Seconds that a server may ask to be left alone; a longer wish is taken for this one."""

SHOWN = 200
"""Characters of a server's refusal that a message repeats."""


class Limits(BaseModel):
    """What the client may ask of the servers, and how long it waits for them.

    Args:
        concurrency: questions under way at the same time, over all servers.
        timeout: seconds for one try: to connect, and to get the whole reply.
        deadline: seconds for one question with all its tries, from when its turn comes.
        attempts: tries for one question, each at the server that is best off. A server that fails rests (0.5 s, doubled
            with each failure in a row, 8 s at most). While all of them rest after that many silences in a row (four at
            the least), questions fail at once: nobody queues up at a dead judge.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrency: int = Field(default=64, ge=1)
    timeout: float = Field(default=30.0, gt=0)
    deadline: float = Field(default=90.0, gt=0)
    attempts: int = Field(default=4, ge=1)


@dataclass(frozen=True)
class Call:
    """A request, and what goes over the wire for it: the path below the base URL, and the JSON body."""

    request: Request
    path: str
    body: bytes


class Client:
    """The client of one event loop; all of it but the constructor runs there.

    Args:
        urls: base URLs, without a slash at the end.
        limits: see there.
        api_key: sent as the bearer token; no message repeats it.
    """

    def __init__(self, urls: Sequence[str], limits: Limits, api_key: str | None) -> None:
        import httpx  # noqa: PLC0415 - an optional extra

        self._limits, self._api_key = limits, api_key
        self._endpoints = Endpoints(urls)
        self._slots = asyncio.Semaphore(limits.concurrency)
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {api_key}"} if api_key else {})
        options: dict[str, Any] = {"headers": headers, "timeout": limits.timeout, "verify": httpx.create_ssl_context()}
        # Each slot has a client of its own: a pool looks through all of its connections, squared, for each question.
        self._new_http: Callable[[], httpx.AsyncClient] = partial(httpx.AsyncClient, **options)
        self._all_http: list[httpx.AsyncClient] = []
        self._idle_http: list[httpx.AsyncClient] = []
        self._late: tuple[type[Exception], ...] = (asyncio.TimeoutError, httpx.TimeoutException)
        self._broken = httpx.HTTPError

    async def ask_all(self, calls: Sequence[Call]) -> list[Reply | Exception]:
        """The reply to each call, or the `EquivalenceError` that says why there is none."""
        return await asyncio.gather(*map(self._ask, calls))

    async def close(self) -> None:
        """Ends the connections."""
        for http in self._all_http:
            await http.aclose()

    async def _ask(self, call: Call) -> Reply | Exception:
        async with self._slots:
            failures: list[str] = []
            try:
                return await asyncio.wait_for(self._try_until_answered(call, failures), self._limits.deadline)
            except asyncio.TimeoutError:
                return _no_answer(f"within {self._limits.deadline:g} s", failures)
            except EquivalenceError as error:
                return error

    async def _try_until_answered(self, call: Call, failures: list[str]) -> Reply:
        clock = asyncio.get_running_loop().time
        until = clock() + self._limits.deadline
        while len(failures) < self._limits.attempts:
            endpoint = self._endpoints.pick(clock())
            rest = endpoint.rests_until - clock()
            if rest > 0:
                if clock() + rest >= until or self._endpoints.down(clock(), max(self._limits.attempts, DOWN_AFTER)):
                    failures.append(endpoint.last_failure)
                    raise _no_answer("and no server is up", failures)
                await asyncio.sleep(rest)
                continue  # another one may be better off by now
            with endpoint.busy():
                try:
                    reply = await self._post(endpoint.url, call)
                except _UnavailableError as failure:
                    endpoint.failed(clock(), str(failure), silent=failure.silent, at_least=failure.retry_after)
                    failures.append(str(failure))
                else:
                    endpoint.answered()
                    return replace(reply, retries=len(failures))
        raise _no_answer(f"in {len(failures)} tries", failures)

    async def _post(self, url: str, call: Call) -> Reply:
        try:  # httpx bounds each step of a try (connecting, each read), and this all of it
            with self._http() as http:
                posted = http.post(url + call.path, content=call.body)
                response = await asyncio.wait_for(posted, self._limits.timeout)
        except self._late:
            raise _UnavailableError(f"{url} did not answer within {self._limits.timeout:g} s", silent=True) from None
        except self._broken as error:
            raise _UnavailableError(
                f"{url}: {type(error).__name__}: {self._without_key(str(error))}", silent=True
            ) from error
        if response.status_code in TRY_AGAIN:
            raise _UnavailableError(
                f"{url} answered {response.status_code}: {self._shown(response.text)}",
                silent=response.status_code in NOBODY_THERE,
                retry_after=_seconds(response.headers.get("retry-after")),
            )
        if response.status_code != 200:
            raise EquivalenceError(f"{url} refused the question: {response.status_code}: {self._shown(response.text)}")
        try:
            return reply_of(call.request, response.content)
        except MalformedReplyError as error:
            raise _UnavailableError(f"{url} gave a malformed reply: {error}") from error

    @contextmanager
    def _http(self) -> Iterator[httpx.AsyncClient]:
        """A client that nobody else uses meanwhile."""
        if not self._idle_http:
            self._idle_http.append(self._new_http())
            self._all_http.append(self._idle_http[-1])
        http = self._idle_http.pop()
        try:
            yield http
        finally:
            self._idle_http.append(http)

    def _shown(self, text: str) -> str:
        return " ".join(self._without_key(text).split())[:SHOWN]

    def _without_key(self, text: str) -> str:
        return text.replace(self._api_key, "***") if self._api_key else text


class _UnavailableError(Exception):
    """A try failed in a way that another may not."""

    def __init__(self, message: str, *, silent: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.silent, self.retry_after = silent, retry_after


def _no_answer(how: str, failures: Sequence[str]) -> EquivalenceError:
    return EquivalenceError(f"the judge gave no answer {how}" + (f"; last: {failures[-1]}" if failures else ""))


def _seconds(retry_after: str | None) -> float:
    """A Retry-After in seconds, within bounds; 0 for a date, which the usual pause will do for."""
    return min(float(retry_after), LONGEST_RETRY_AFTER) if retry_after and retry_after.isdecimal() else 0.0

"""The HTTP client of the judge: many questions at once, each with a deadline, with retries and failover.

The `openai` package is not used. Its retries stay at one base URL and have no circuit breaker, it returns replies that
it has not validated, and it takes 30 MB; docs/architecture.md names the tests that it fails.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from empo_rewards.equivalence.judge.endpoints import Endpoints
from empo_rewards.equivalence.judge.questions import Generation, Request
from empo_rewards.equivalence.judge.wire import MalformedReplyError, body_of, generation_of
from empo_rewards.errors import EquivalenceError

RETRIED = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that are about the state of the server and not about the request."""

NO_SERVER = frozenset({502, 503, 504})
"""Statuses by which a gateway says that it cannot reach its server."""

DOWN_AFTER = 4
"""The least number of silences in a row after which servers count as down: one slow question must not fail others."""

LONGEST_RETRY_AFTER = 60.0
"""Seconds of a `Retry-After` that are honoured at most."""

SHOWN = 200
"""Characters of a server's error message that are repeated in ours."""


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


class JudgeClient:
    """The client of one event loop, on which all of it but the constructor runs.

    Args:
        urls: base URLs up to and including the `/v1`, without a slash at the end.
        model: the name by which the servers know the model.
        top_logprobs: how many of the likeliest tokens to ask for.
        limits: concurrency, deadlines, retries.
        extra_body: further keys of each request's body.
        api_key: sent as the bearer token; no message repeats it.
    """

    def __init__(
        self,
        urls: Sequence[str],
        model: str,
        top_logprobs: int,
        limits: Limits,
        extra_body: Mapping[str, Any],
        api_key: str | None,
    ) -> None:
        import httpx  # noqa: PLC0415 - an optional extra

        self._limits, self._api_key = limits, api_key
        self._model, self._top_logprobs, self._extra_body = model, top_logprobs, dict(extra_body)
        self._endpoints = Endpoints(urls)
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {api_key}"} if api_key else {})
        # One client a slot. A shared connection pool searches all its connections for each request: with 64 of them a
        # request takes 3.1 ms of CPU instead of 0.8.
        verify = httpx.create_ssl_context()
        self._slots: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        for _ in range(limits.concurrency):
            self._slots.put_nowait(httpx.AsyncClient(headers=headers, timeout=limits.timeout, verify=verify))
        self._late = (asyncio.TimeoutError, httpx.TimeoutException)
        self._broken = httpx.HTTPError
        self._batches: set[asyncio.Task[Any] | None] = set()

    async def ask_all(self, requests: Sequence[Request]) -> list[Generation | Exception]:
        """The generation for each request, or the `EquivalenceError` that says why there is none."""
        batch = asyncio.current_task()
        self._batches.add(batch)
        try:
            return await asyncio.gather(*map(self._ask, requests))
        finally:
            self._batches.discard(batch)

    async def close(self) -> None:
        """Cancel the requests in flight and close the connections."""
        batches = [batch for batch in self._batches if batch is not None]
        for batch in batches:
            batch.cancel()
        await asyncio.gather(*batches, return_exceptions=True)
        while not self._slots.empty():
            await self._slots.get_nowait().aclose()

    async def _ask(self, request: Request) -> Generation | Exception:
        http = await self._slots.get()
        failures: list[str] = []
        try:
            return await asyncio.wait_for(self._with_retries(http, request, failures), self._limits.deadline)
        except asyncio.TimeoutError:
            return _no_answer(f"within {self._limits.deadline:g} s", failures)
        except EquivalenceError as error:
            return error
        finally:
            self._slots.put_nowait(http)

    async def _with_retries(self, http: Any, request: Request, failures: list[str]) -> Generation:
        path, body = body_of(request, self._model, self._top_logprobs)
        content = json.dumps({**body, **self._extra_body}).encode()
        clock = asyncio.get_running_loop().time
        until = clock() + self._limits.deadline
        while len(failures) < self._limits.attempts:
            endpoint = self._endpoints.pick(clock())
            pause = endpoint.paused_until - clock()
            if pause > 0:
                if clock() + pause >= until or self._endpoints.down(clock(), max(self._limits.attempts, DOWN_AFTER)):
                    failures.append(endpoint.last_failure)
                    raise _no_answer("and no server is up", failures)
                await asyncio.sleep(pause)
                continue  # another one may be better off by now
            with endpoint.busy():
                try:
                    found = generation_of(request, await self._post(http, endpoint.url, path, content))
                except _AttemptError as failure:
                    endpoint.failed(clock(), str(failure), silent=failure.silent, at_least=failure.retry_after)
                    failures.append(str(failure))
                except MalformedReplyError as error:
                    failures.append(f"{endpoint.url} gave a malformed reply: {error}")
                    endpoint.failed(clock(), failures[-1], silent=False)
                else:
                    endpoint.answered()
                    return replace(found, retries=len(failures))
        raise _no_answer(f"in {len(failures)} tries", failures)

    async def _post(self, http: Any, url: str, path: str, content: bytes) -> bytes:
        """The body of the reply to one attempt.

        Raises:
            _AttemptError: another attempt may succeed.
            EquivalenceError: none will: the server refuses the request.
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
        shown = " ".join(self._without_key(response.text).split())[:SHOWN]
        if status not in RETRIED:
            raise EquivalenceError(f"{url} refused the question: {status}: {shown}")
        retry_after = _seconds(response.headers.get("retry-after"))
        raise _AttemptError(f"{url} answered {status}: {shown}", silent=status in NO_SERVER, retry_after=retry_after)

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


def _no_answer(how: str, failures: Sequence[str]) -> EquivalenceError:
    return EquivalenceError(f"the judge gave no answer {how}" + (f"; last: {failures[-1]}" if failures else ""))


def _seconds(retry_after: str | None) -> float:
    """A `Retry-After` in seconds, within bounds; 0 for a date, for which the usual pause serves."""
    return min(float(retry_after), LONGEST_RETRY_AFTER) if retry_after and retry_after.isdecimal() else 0.0

"""The engine that asks servers: a client and its event loop for each process, started at first need."""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from empo_rewards.equivalence.judge.client import Call, Client, Limits
from empo_rewards.equivalence.judge.event_loop import LoopThread
from empo_rewards.equivalence.judge.questions import Reply, Request
from empo_rewards.equivalence.judge.wire import body_of
from empo_rewards.errors import EquivalenceError


class Servers:
    """One model behind one or more OpenAI-compatible servers.

    Safe to share between threads; a forked child has a thread and connections of its own.

    Args:
        urls: base URLs, up to and with the `/v1`.
        model: the name that the servers know it by.
        top_logprobs: how many of the likeliest tokens to ask for.
        limits: of the client.
        extra_body: further keys of each request's body.
        api_key: sent as the bearer token.
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
        self._client = urls, limits, api_key
        self._model, self._top_logprobs, self._extra_body = model, top_logprobs, dict(extra_body)
        self._lines: dict[int, _Line] = {}
        weakref.finalize(self, _end_own, self._lines)

    def ask(self, requests: Sequence[Request]) -> Sequence[Reply | Exception]:
        """The reply to each request, or why there is none.

        Raises:
            EquivalenceError: `close` was called meanwhile.
        """
        # Those of the process that forked this one stay untouched: closing an event loop here would unregister its
        # sockets there. setdefault is atomic: after a fork several threads may come here at once.
        line = self._lines.setdefault(os.getpid(), _Line(*self._client))
        return line.ask([self._call(request) for request in requests])

    def close(self) -> None:
        """Ends the connections and the thread; `ask` starts them anew."""
        _end_own(self._lines)

    def _call(self, request: Request) -> Call:
        path, body = body_of(request, self._model, self._top_logprobs)
        return Call(request, path, json.dumps({**body, **self._extra_body}).encode())


class _Line:
    """What one process has: nothing until it asks."""

    def __init__(self, urls: Sequence[str], limits: Limits, api_key: str | None) -> None:
        self._options = urls, limits, api_key
        self._lock = threading.Lock()
        self._started: tuple[LoopThread, Client] | None = None
        self._closed = False

    def ask(self, calls: Sequence[Call]) -> list[Reply | Exception]:
        with self._lock:
            if self._closed:
                raise EquivalenceError("the judge was closed while it was asked")
            if self._started is None:
                self._started = LoopThread(), Client(*self._options)
            loop, client = self._started
        return loop.run(client.ask_all(calls))

    def close(self) -> None:
        with self._lock:
            self._closed = True
        if self._started is not None:
            loop, client = self._started
            loop.close(client.close)


def _end_own(lines: dict[int, _Line]) -> None:
    line = lines.pop(os.getpid(), None)
    if line is not None:
        line.close()

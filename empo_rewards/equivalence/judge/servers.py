"""The engine that asks servers: the client on an event loop of its own, in a thread, for each process."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

from empo_rewards.completions.client import Limits, api_key_of, base_url
from empo_rewards.equivalence.judge.client import JudgeClient
from empo_rewards.equivalence.judge.questions import Generation, Request
from empo_rewards.errors import ConfigError, EquivalenceError
from empo_rewards.per_process import PerProcess
from empo_rewards.turns import result_of

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal


class Servers:
    """One model behind one or more OpenAI-compatible servers.

    Safe to share between threads; a forked child has a thread and connections of its own.

    Args:
        urls, model, top_logprobs, limits, extra_body, api_key: see `JudgeClient`.
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
        make_client = partial(JudgeClient, urls, model, top_logprobs, limits, extra_body, api_key)
        self._connections: PerProcess[_Connection] = PerProcess(partial(_Connection, make_client))
        weakref.finalize(self, _close, self._connections)

    def ask(self, requests: Sequence[Request]) -> Sequence[Generation | Exception]:
        """The generation for each request, or why there is none.

        Raises:
            EquivalenceError: `close` was called meanwhile.
        """
        return self._connections.get().ask(requests)

    def close(self) -> None:
        """End the connections and the thread; `ask` starts them anew."""
        _close(self._connections)


def servers_from(
    url: str | list[str],
    model: str,
    limits: Limits,
    api_key_variable: str | None,
    extra_body: Mapping[str, Any] | None,
    *,
    top_logprobs: int = 2,
) -> Servers:
    """The servers that a component's options name; nothing is asked yet.

    Raises:
        ConfigError: a URL or the API key cannot be used.
    """
    urls = [base_url(one) for one in ([url] if isinstance(url, str) else url)]
    if not urls:
        raise ConfigError("url is an empty list; a judge needs a server")
    key = None if api_key_variable is None else api_key_of(api_key_variable)
    return Servers(urls, model, top_logprobs, limits, extra_body or {}, key)


class _Connection:
    """The client and its event loop in one process; they start with the first question."""

    def __init__(self, make_client: partial[JudgeClient]) -> None:
        self._make_client = make_client
        self._lock = threading.Lock()
        self._closed = False
        self._thread: AbstractContextManager[BlockingPortal] | None = None
        self._ident: int
        self._portal: BlockingPortal
        self._client: JudgeClient

    def ask(self, requests: Sequence[Request]) -> list[Generation | Exception]:
        from anyio.from_thread import start_blocking_portal  # noqa: PLC0415 - an optional extra

        with self._lock:
            if self._closed:
                raise EquivalenceError("the judge was closed while it was asked")
            if self._thread is None:
                self._client = self._make_client()
                self._thread = start_blocking_portal(name="empo-judge")
                self._portal = self._thread.__enter__()
                self._ident = self._portal.call(threading.get_ident)
            future = self._portal.start_task_soon(self._client.ask_all, requests)
        try:
            return result_of(future)
        except CancelledError as error:
            raise EquivalenceError("the judge was closed while it was asked") from error
        except BaseException:  # the caller was interrupted: nobody waits for the answers
            future.cancel()
            raise

    def close(self) -> None:
        with self._lock:
            self._closed = True
        if self._thread is None:
            return
        if threading.get_ident() == self._ident:  # garbage collection runs anywhere, and a thread cannot join itself
            threading.Thread(target=self.close, daemon=True).start()
            return
        self._portal.call(self._client.close)
        self._thread.__exit__(None, None, None)


def _close(connections: PerProcess[_Connection]) -> None:
    connection = connections.pop()
    if connection is not None:
        connection.close()

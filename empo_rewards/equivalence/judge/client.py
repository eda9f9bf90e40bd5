"""The judge's questions to OpenAI-compatible servers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from empo_rewards.completions.client import Client, Limits, NoReplyError, RefusedError
from empo_rewards.equivalence.judge.questions import Generation, Request
from empo_rewards.equivalence.judge.wire import body_of, generation_of
from empo_rewards.errors import EquivalenceError


class JudgeClient:
    """The client of one event loop, on which all of it but the constructor runs.

    Args:
        urls, limits, api_key: see `Client`.
        model: the name by which the servers know the model.
        top_logprobs: how many of the likeliest tokens to ask for.
        extra_body: further keys of each request's body.
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
        self._client = Client(urls, limits, api_key)
        self._model, self._top_logprobs, self._extra_body = model, top_logprobs, dict(extra_body)
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
        await self._client.close()

    async def _ask(self, request: Request) -> Generation | Exception:
        path, body = body_of(request, self._model, self._top_logprobs)
        read = partial(generation_of, request)
        try:
            found, retries = await self._client.ask(path, {**body, **self._extra_body}, read)
        except NoReplyError as error:
            return EquivalenceError(f"the judge gave {error}")
        except RefusedError as error:
            return EquivalenceError(f"{error.url} refused the question: {error.status}: {error.shown}")
        return replace(found, retries=retries)

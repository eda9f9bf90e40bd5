"""Samples from OpenAI-compatible servers: many requests at once, results in the order of the prompts."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from empo_rewards.completions.client import Client, Limits, RefusedError
from empo_rewards.errors import ConfigError, EmpoError, suggestion
from empo_rewards.extras import require
from empo_rewards.generation.sampling import Asked, Item, Refused, Response, Sampled, Sampler, Sampling
from empo_rewards.generation.wire import body_of, models_of, sampled_of

OF_THE_PROMPT = frozenset({400, 413, 422})
"""Statuses by which a server refuses one prompt, for its length say; others are about the key or the model."""

REFUSED_FIRST = 4
"""After so many refusals, and no answer yet, it is not the prompts that are refused."""

HINT = " (a base URL usually ends in /v1)"

NOT_FOUND = 404

AHEAD = 2
"""Prompts for each request in flight that may be begun; what is done early waits for those before it."""


def find_model(urls: Sequence[str], model: str | None, limits: Limits, api_key: str | None) -> str:
    """The name of the model: the one that is given, if the first server lists it; else the only one that it lists.

    Raises:
        ConfigError: it does not list the model, or lists several and none was named.
        EmpoError: the server cannot be reached, or refuses the key.
        MissingExtraError: httpx is not installed.
    """
    require("judge", "sampling from a server")

    async def models() -> list[str]:
        client = Client(urls, limits.model_copy(update={"concurrency": 1}), api_key)
        try:
            return models_of(await client.get("/models") or b"")
        finally:
            await client.close()

    listed, url = asyncio.run(models()), urls[0]
    if model is not None:
        if listed and model not in listed:
            raise ConfigError(f"{url} has no model {model!r}{suggestion(model, listed)}")
        return model
    if len(listed) != 1:
        what = f"lists several models: {', '.join(listed)}" if listed else "does not list its models"
        raise ConfigError(f"{url} {what}; name one: --model NAME{'' if listed else HINT}")
    return listed[0]


class ServerSampler(Sampler):
    """Samples from servers with the same model.

    A server that gives fewer responses than were asked for (llama.cpp and Ollama ignore `n`) is asked for the others;
    from then on a request asks for as many as it gave.

    Args:
        urls: base URLs with their `/v1`.
        model: the name by which the servers know the model (`find_model`).
        sampling: how responses are sampled.
        limits: concurrency, deadlines, retries.
        extra_body: further keys of each request, as the servers define them.
        api_key: sent as the bearer token; it stands in no message.
        on_failure: is told of each attempt that failed and is made again.

    Raises:
        MissingExtraError: httpx is not installed.
    """

    def __init__(
        self,
        urls: Sequence[str],
        model: str,
        sampling: Sampling,
        *,
        limits: Limits,
        extra_body: Mapping[str, Any] | None = None,
        api_key: str | None = None,
        on_failure: Callable[[str], None] = lambda why: None,
    ) -> None:
        require("judge", "sampling from a server")
        self._urls, self._model, self._sampling, self._limits = urls, model, sampling, limits
        self._extra, self._api_key, self._on_failure = dict(extra_body or {}), api_key, on_failure
        self._at_once = sampling.n
        self._answered, self._refused = False, 0

    def sample(
        self,
        prompts: Iterable[tuple[Item, Asked | Refused]],
        done: Callable[[Item, Sampled | Refused], None],
        *,
        first: int = 0,
    ) -> None:
        """See `Sampler.sample`."""
        asyncio.run(self._sample(prompts, done, first))

    async def _sample(
        self,
        prompts: Iterable[tuple[Item, Asked | Refused]],
        done: Callable[[Item, Sampled | Refused], None],
        first: int,
    ) -> None:
        client = Client(self._urls, self._limits, self._api_key, self._on_failure)
        begun: deque[tuple[Item, asyncio.Task[Sampled | Refused]]] = deque()
        remaining = iter(enumerate(prompts, first))
        try:
            while True:
                for position, (item, asked) in itertools.islice(
                    remaining, AHEAD * self._limits.concurrency - len(begun)
                ):
                    begun.append((item, asyncio.create_task(self._outcome(client, asked, position))))
                if not begun:
                    return
                item, task = begun[0]
                outcome = await task
                begun.popleft()
                done(item, outcome)
        finally:
            for _, task in begun:
                task.cancel()
            await asyncio.gather(*(task for _, task in begun), return_exceptions=True)
            await client.close()

    async def _outcome(self, client: Client, prompt: Asked | Refused, position: int) -> Sampled | Refused:
        if isinstance(prompt, Refused):
            return prompt
        try:
            return await self._responses(client, self._sampling.asked(prompt), position)
        except ConfigError as error:
            return Refused(str(error))
        except RefusedError as error:
            self._refused += 1
            if error.status not in OF_THE_PROMPT or (not self._answered and self._refused >= REFUSED_FIRST):
                raise EmpoError(f"{error}{HINT if error.status == NOT_FOUND else ''}") from error
            return Refused(str(error))

    async def _responses(self, client: Client, prompt: Asked, position: int) -> Sampled:
        """`n` responses, by as many requests as it takes."""
        wanted = self._sampling.n
        responses: list[Response] = []
        prompt_tokens = completion_tokens = 0
        while (have := len(responses)) < wanted:
            sizes = {start: min(self._at_once, wanted - start) for start in range(have, wanted, self._at_once)}
            requests = [
                self._request(client, prompt, size, self._sampling.seed_of(position, start))
                for start, size in sizes.items()
            ]
            replies = await asyncio.gather(*requests, return_exceptions=True)
            for size, reply in zip(sizes.values(), replies, strict=True):
                if isinstance(reply, BaseException):
                    raise reply
                self._answered = True
                if len(reply.responses) < size:
                    self._at_once = min(self._at_once, len(reply.responses))
                responses.extend(reply.responses[:size])
                prompt_tokens = max(prompt_tokens, reply.prompt_tokens)
                completion_tokens += reply.completion_tokens
        return Sampled(tuple(responses), prompt_tokens, completion_tokens)

    async def _request(self, client: Client, prompt: Asked, size: int, seed: int | None) -> Sampled:
        path, body = body_of(prompt, self._model, self._sampling, size, seed, self._extra)
        sampled, _ = await client.ask(path, body, sampled_of)
        return sampled

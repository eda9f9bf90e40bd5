"""A real HTTP server with an OpenAI-compatible endpoint that answers prompts, and misbehaves as tests tell it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from local_server import Answer, LocalServer


class SamplingServer(LocalServer):
    """The server, while it is used as a context manager; `answer` and `models` may be replaced."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.models: Answer = (200, {"data": [{"id": "tiny"}]})
        self.answer: Callable[[dict[str, Any]], Answer | None] = self.sampled
        self._numbers = itertools.count()

    def get(self, path: str) -> Answer:
        return self.models if path == "/v1/models" else (404, {})

    def post(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer | None:
        self.requests.append(body)
        self.headers.append(headers)
        return self.answer(body) if path.startswith("/v1/") else (404, {"error": "no such path"})

    def sampled(self, body: dict[str, Any], count: int | None = None) -> Answer:
        """So many different responses, which repeat the prompt; by default `n`."""
        prompt = prompt_of(body)
        choices = []
        for index in range(body.get("n", 1) if count is None else count):
            text = rf"{prompt}: I think \boxed{{{next(self._numbers)}}}"
            choice: dict[str, Any] = {"index": index, "finish_reason": "stop"}
            if "prompt" in body:
                choice["text"] = text
            else:
                choice["message"] = {"role": "assistant", "content": text}
            if body.get("logprobs"):
                choice["logprobs"] = {"content": [{"token": "x", "logprob": -0.5}] * 3}
            choices.append(choice)
        usage = {"prompt_tokens": 7, "completion_tokens": 3 * len(choices)}
        return 200, {"choices": choices, "usage": usage}


def prompt_of(body: dict[str, Any]) -> str:
    """The prompt of a request."""
    return str(body["prompt"] if "prompt" in body else body["messages"][-1]["content"])

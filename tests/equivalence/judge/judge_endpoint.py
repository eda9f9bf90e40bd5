"""A real HTTP server with an OpenAI-compatible endpoint and a stub of a judge with known decisions.

It knows the meanings of a few answers, extracts the two answers from the prompt with its own patterns, and fails if an
answer requests it: an answer with `!500` gets an internal error, and so on.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable
from typing import Any

from local_server import Answer, LocalServer

MEANINGS = {
    "Paris": "paris",
    "the capital of France": "paris",
    "Lutetia": "paris",
    "London": "london",
    "the capital of the UK": "london",
    "Rome": "rome",
}

_VERIFIER = re.compile(r"### Ground Truth Answer: (.*)\n\n### Student Answer: (.*)\n\nFor the above question")


def same(first: str, second: str) -> bool:
    """The oracle: whether two answers mean the same."""
    return MEANINGS.get(first, first) == MEANINGS.get(second, second)


def answers_in(body: dict[str, Any]) -> tuple[str, str]:
    """The two answers that a request asks about."""
    if "prompt" in body:
        (found,) = _VERIFIER.findall(body["prompt"])
        return found[0], found[1]
    data = json.loads(body["messages"][-1]["content"])
    return data["answer_1"], data["answer_2"]


def likeliest(yes: float, no: float, other: float = 0.0) -> dict[str, float]:
    """Next tokens with their log-probabilities."""
    masses = {" Yes": yes, " No": no, " Perhaps": other}
    return {token: math.log(mass) for token, mass in masses.items() if mass}


def reply(body: dict[str, Any], tokens: list[tuple[str, dict[str, float]]], text: str | None = None) -> dict[str, Any]:
    """A reply in the form of OpenAI's API reference; 7 prompt tokens."""
    said = "".join(token for token, _ in tokens) if text is None else text
    if "prompt" in body:
        logprobs: Any = {"tokens": [t for t, _ in tokens], "top_logprobs": [top for _, top in tokens]}
        choice = {"index": 0, "text": said, "logprobs": logprobs, "finish_reason": "stop"}
    else:
        content = [
            {"token": t, "logprob": 0.0, "top_logprobs": [{"token": k, "logprob": v} for k, v in top.items()]}
            for t, top in tokens
        ]
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "logprobs": {"content": content}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 7, "completion_tokens": max(len(tokens), 1), "total_tokens": 7 + max(len(tokens), 1)}
    return {"id": "x", "object": "y", "model": body["model"], "choices": [choice], "usage": usage}


def verdict(body: dict[str, Any], yes: float) -> dict[str, Any]:
    """A reply that says Yes with this probability, in the form that the request asks for."""
    word = "Yes" if yes >= 0.5 else "No"
    if "response_format" in body:
        return reply(body, [], json.dumps({"decision": word}))
    top = likeliest(yes, 1 - yes)
    if body["max_tokens"] > 1:
        thought: dict[str, float] = {"x": 0.0}
        words = ["I", " compare", ".", "\n", "Final", " Decision", ":"]
        return reply(body, [*((w, thought) for w in words), (f" {word}", top), (".", thought)])
    return reply(body, [(f" {word}", top)])


class Endpoint(LocalServer):
    """The server, while it is used as a context manager; `answer` may be replaced."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.answer: Callable[[dict[str, Any]], Answer] = self.judge
        self.under_way = self.most_under_way = 0
        self.released = threading.Event()
        """What `!hang` waits for."""
        self._lock = threading.Lock()

    def kill(self) -> None:
        super().kill()
        self.released.set()  # too late for an answer

    @property
    def asked(self) -> list[tuple[str, str]]:
        """The answers that were asked about."""
        return [answers_in(body) for _, _, body in self.requests]

    def judge(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Says what `same` says, and misbehaves as it is told."""
        first, second = answers_in(body)
        both = first + second
        if "!hang" in both:
            self.released.wait(60)
        if "!500" in both:
            return 500, {"error": {"message": "the engine died"}}
        if "!400" in both:
            return 400, {"error": {"message": "maximum context length is 512 tokens"}}
        if "!malformed" in both:
            return 200, b"{'choices': "
        if "!neither" in both:
            return 200, reply(body, [(" Perhaps", likeliest(0, 0, 1))], '{"decision": "Perhaps"}')
        return 200, verdict(body, 0.9 if same(first, second) else 0.2)

    def post(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        with self._lock:
            self.requests.append((path, headers, body))
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return self.answer(body)
        finally:
            with self._lock:
                self.under_way -= 1

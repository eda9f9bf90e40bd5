"""The OpenAI-compatible protocol for sampling: JSON bodies of requests, and responses out of JSON bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from empo_rewards.completions.client import MalformedReplyError, validated
from empo_rewards.generation.sampling import Asked, Response, Sampled, Sampling
from empo_rewards.group import content_text


def body_of(
    prompt: Asked, model: str, sampling: Sampling, n: int, seed: int | None, extra: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """The path below the server's base URL, and the JSON body, of a request for `n` responses."""
    given = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": seed,
    }
    body: dict[str, Any] = {"model": model, "n": n, **{key: value for key, value in given.items() if value is not None}}
    if sampling.logprobs:
        body["logprobs"] = True if sampling.chat else 1
    if isinstance(prompt, str):
        return "/completions", {**body, "prompt": prompt, **extra}
    return "/chat/completions", {**body, "messages": [dict(message) for message in prompt], **extra}


def sampled_of(body: bytes) -> Sampled:
    """The responses in the body of a reply, of a completion or a chat.

    Raises:
        MalformedReplyError: it has another form.
    """
    start = body.lstrip()[:5].lower()
    if start.startswith(b"<"):
        raise MalformedReplyError("a page of HTML or XML; the base URL of a server usually ends in /v1")
    if start.startswith((b"data:", b"event")):
        raise MalformedReplyError("a stream of events, which was not asked for")
    reply = validated(_Reply, body)
    if not reply.choices:
        raise MalformedReplyError(f"no choices{f': {str(reply.error)[:200]}' if reply.error else ''}")
    responses = tuple(choice.response for choice in sorted(reply.choices, key=lambda choice: choice.index))
    usage = reply.usage or _TokenCounts()
    return Sampled(responses, usage.prompt_tokens or 0, usage.completion_tokens or 0)


def models_of(body: bytes) -> list[str]:
    """The names of the models that a server lists; none where the list has another form."""
    try:
        return [model.id for model in validated(_Models, body).data]
    except MalformedReplyError:
        return []


class _TokenCounts(BaseModel):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0


class _Token(BaseModel):
    logprob: float


class _Logprobs(BaseModel):
    content: list[_Token] | None = None
    token_logprobs: list[float | None] | None = None


class _SampledMessage(BaseModel):
    content: Any = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(BaseModel):
    index: int = 0
    text: str | None = None
    message: _SampledMessage | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None

    @property
    def response(self) -> Response:
        if self.text is None and self.message is None:
            raise MalformedReplyError("a choice has neither a text nor a message")
        text = self.text if self.message is None else self._written(self.message)
        return Response(text or "", self.finish_reason, self._logprobs())

    @staticmethod
    def _written(message: _SampledMessage) -> str:
        """The message's text; reasoning that the server has taken out stands before it again, as the model wrote it."""
        reasoning = message.reasoning_content or message.reasoning
        return (f"<think>\n{reasoning}\n</think>\n" if reasoning else "") + content_text(message.content)

    def _logprobs(self) -> tuple[float, ...] | None:
        given = self.logprobs
        if given is None:
            return None
        if given.content is not None:
            values = [token.logprob for token in given.content]
        else:
            values = [value for value in given.token_logprobs or () if value is not None]
            if len(values) != len(given.token_logprobs or ()):
                return None
        # Some servers give log-probabilities a hair above 0.
        return tuple(min(value, 0.0) for value in values) if values else None


class _Reply(BaseModel):
    choices: list[_Choice] = Field(default_factory=list)
    usage: _TokenCounts | None = None
    error: Any = None


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]

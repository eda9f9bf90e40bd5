"""The OpenAI-compatible protocol: requests to JSON bodies, and JSON bodies to generations. Nothing is sent here.

Completions and chat completions, as in OpenAI's API reference and as vLLM, SGLang and llama.cpp serve them.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from empo_rewards.completions.client import validated
from empo_rewards.equivalence.judge.questions import GeneratedToken, Generation, Request


def body_of(request: Request, model: str, top_logprobs: int) -> tuple[str, dict[str, Any]]:
    """The path below the server's base URL, and the JSON body, of a request."""
    body: dict[str, Any] = {"model": model, "max_tokens": request.max_tokens, "temperature": 0}
    if isinstance(request.prompt, str):
        body["prompt"] = request.prompt
        if request.logprobs:
            body["logprobs"] = top_logprobs
    else:
        body["messages"] = [dict(message) for message in request.prompt]
        if request.logprobs:
            body |= {"logprobs": True, "top_logprobs": top_logprobs}
    if request.schema is not None:
        schema = {"name": "decision", "strict": True, "schema": dict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return ("/completions" if isinstance(request.prompt, str) else "/chat/completions"), body


def generation_of(request: Request, body: bytes) -> Generation:
    """The generation in the body of the reply to a request.

    Raises:
        MalformedReplyError: the body is no JSON, or lacks something.
    """
    read = validated(_Completions, body) if isinstance(request.prompt, str) else validated(_ChatCompletions, body)
    return Generation(
        read.choices[0].text, read.choices[0].tokens, read.usage.prompt_tokens, read.usage.completion_tokens
    )


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _CompletionLogprobs(BaseModel):
    tokens: list[str]
    top_logprobs: list[dict[str, float] | None]


class _Completion(BaseModel):
    text: str
    logprobs: _CompletionLogprobs | None = None

    @property
    def tokens(self) -> list[GeneratedToken]:
        if self.logprobs is None:
            return []
        pairs = zip(self.logprobs.tokens, self.logprobs.top_logprobs, strict=False)
        return [GeneratedToken(text, tuple((likeliest or {}).items())) for text, likeliest in pairs]


class _Completions(BaseModel):
    choices: list[_Completion] = Field(min_length=1)
    usage: _Usage = _Usage()


class _Likely(BaseModel):
    token: str
    logprob: float


class _ChatToken(BaseModel):
    token: str
    top_logprobs: list[_Likely] = []


class _ChatLogprobs(BaseModel):
    content: list[_ChatToken] | None = None


class _Message(BaseModel):
    content: str | None = None


class _ChatCompletion(BaseModel):
    message: _Message
    logprobs: _ChatLogprobs | None = None

    @property
    def text(self) -> str:
        return self.message.content or ""

    @property
    def tokens(self) -> list[GeneratedToken]:
        content = self.logprobs.content if self.logprobs else None
        return [
            GeneratedToken(t.token, tuple((like.token, like.logprob) for like in t.top_logprobs)) for t in content or ()
        ]


class _ChatCompletions(BaseModel):
    choices: list[_ChatCompletion] = Field(min_length=1)
    usage: _Usage = _Usage()

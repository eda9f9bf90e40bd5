"""The wire protocol: request bodies, and valid and malformed replies."""

from __future__ import annotations

import json

import pytest

from empo_rewards.completions.client import MalformedReplyError
from empo_rewards.equivalence.judge.questions import Request
from empo_rewards.equivalence.judge.wire import body_of, generation_of

PLAIN = Request("a prompt", max_tokens=1)
CHAT = Request(({"role": "user", "content": "hello"},), max_tokens=9)


def test_bodies() -> None:
    common = {"model": "m", "temperature": 0}
    assert body_of(PLAIN, "m", 5) == (
        "/completions",
        {**common, "max_tokens": 1, "prompt": "a prompt", "logprobs": 5},
    )
    messages = [{"role": "user", "content": "hello"}]
    assert body_of(CHAT, "m", 5) == (
        "/chat/completions",
        {**common, "max_tokens": 9, "messages": messages, "logprobs": True, "top_logprobs": 5},
    )
    schema = {"type": "object"}
    path, body = body_of(Request(CHAT.prompt, 64, logprobs=False, schema=schema), "m", 5)
    assert (path, set(body)) == ("/chat/completions", {*common, "max_tokens", "messages", "response_format"})
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "decision", "strict": True, "schema": schema},
    }


def test_a_completion() -> None:
    logprobs = {"tokens": [" Yes"], "top_logprobs": [{" Yes": -0.1, " No": -2}], "token_logprobs": [-0.1]}
    body = {"choices": [{"text": " Yes", "logprobs": logprobs}], "usage": {"prompt_tokens": 90, "completion_tokens": 1}}
    reply = generation_of(PLAIN, json.dumps(body).encode())
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == (" Yes", 90, 1)
    assert [(token.text, token.likeliest) for token in reply.tokens] == [(" Yes", ((" Yes", -0.1), (" No", -2.0)))]


def test_a_chat_completion() -> None:
    top = [{"token": "Yes", "logprob": -0.1, "bytes": [89]}, {"token": "Yes", "logprob": -3.0, "bytes": None}]
    logprobs = {"content": [{"token": "Yes", "logprob": -0.1, "bytes": None, "top_logprobs": top}]}
    choice = {"message": {"role": "assistant", "content": "Yes"}, "logprobs": logprobs}
    reply = generation_of(CHAT, json.dumps({"choices": [choice]}).encode())
    assert reply.text == "Yes"
    assert reply.tokens[0].likeliest == (("Yes", -0.1), ("Yes", -3.0))  # two tokens may read the same
    assert (reply.prompt_tokens, reply.completion_tokens) == (0, 0)


@pytest.mark.parametrize("logprobs", [None, {"content": None}, {"content": []}])
def test_a_chat_without_log_probabilities(logprobs: object) -> None:
    choice = {"message": {"content": None}, "logprobs": logprobs}
    reply = generation_of(CHAT, json.dumps({"choices": [choice]}).encode())
    assert (reply.text, list(reply.tokens)) == ("", [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"{'choices': ",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [null]}',
        b'{"choices": [{"text": null, "message": 3}]}',
        b'{"choices": [{"text": "a", "message": {}, "logprobs": {"tokens": [1], "content": [1]}}]}',
        b'{"choices": [{"text": "a", "message": {}}], "usage": {"prompt_tokens": "many"}}',
        b'{"choices": [{"text": "\xff", "message": {}}]}',
    ],
)
def test_malformed_replies(body: bytes) -> None:
    for request in (PLAIN, CHAT):
        with pytest.raises(MalformedReplyError) as caught:
            generation_of(request, body)
        assert "\n" not in str(caught.value)

"""Hostile HTTP requests: bodies made from the served OpenAPI description, and their mutations as raw bytes."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from requests import PreparedRequest, Request
from schemathesis import GenerationMode

READ_SECONDS = 0.3
"""How long an answer is waited for before the connection is cut: a member of a group that never gathers has none."""

STRANGER = "127.0.0.2"
"""The senders' address: to the server they are another client than the innocent callers."""

SENDERS = 16
"""Connections at a time."""

DOCUMENTED = frozenset({200, 204, 303, 400, 401, 404, 405, 409, 413, 415, 422, 429, 503})
"""Statuses that docs/server.md names, and those of HTTP itself for a path or a method that there is not."""


def corpus(description: dict[str, Any], examples: int) -> list[bytes]:
    """Requests that the description allows, and requests that it forbids, of each operation; the same each time."""
    requests: list[bytes] = []
    for found in schemathesis.openapi.from_dict(description).get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=examples,
                derandomize=True,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(operation.as_strategy(generation_mode=mode))
            def collect(case: schemathesis.Case) -> None:
                try:
                    prepared = Request(**case.as_transport_kwargs(base_url="http://fuzz")).prepare()
                except (ValueError, UnicodeError):  # what `requests` cannot send; the mutations below can
                    return
                requests.append(raw(prepared))

            try:
                collect()
            except Unsatisfiable:  # an operation that takes nothing has nothing wrong
                assert operation.method == "get"
    return requests


def raw(request: PreparedRequest) -> bytes:
    """A request as it goes over the wire."""
    body = request.body or b""
    content = body.encode() if isinstance(body, str) else bytes(body)
    lines = [f"{request.method} {request.path_url} HTTP/1.1".encode(), b"Host: fuzz"]
    for name, value in request.headers.items():
        lines.append(b": ".join(part if isinstance(part, bytes) else part.encode("latin-1") for part in (name, value)))
    return b"\r\n".join(lines) + b"\r\n\r\n" + content


def with_body(request: bytes, body: bytes, *headers: bytes) -> bytes:
    """The same request line with another body, of a right length unless the headers say otherwise."""
    line = request.partition(b"\r\n")[0]
    if not any(header.lower().startswith((b"content-length", b"transfer-encoding")) for header in headers):
        headers += (b"Content-Length: %d" % len(body),)
    return b"\r\n".join((line, b"Host: fuzz", *headers, b"", body))


def odd_json(dice: random.Random) -> bytes:
    """JSON that parsers and validators fall over, in the shapes of the routes' bodies."""
    text = dice.choice(
        [
            '"' + "\\ud800" * dice.randrange(1, 9) + '"',
            '"\\u0000\\r\\nERROR forged line"',
            "[" * 10**5,
            '{"a":' * 5000,
            "9" * 5000,
            "1e999",
            "NaN",
            "-0",
            '"' + "\\\\boxed{" * 200 + '"',
            '"\\\\boxed{' + "(" * 3000 + '"',
            '"\\\\boxed{\\\\sin^{300000000}x}"',
            '"\\\\boxed{10^{10^{10^{10}}}}"',
            '"' + "<think>" * 999 + '"',
            '"' + "\U0001f4a9\u202e\u0007\u001b[2J" * 50 + '"',
            "null",
            "true",
            "{}",
            "[]",
            '""',
        ]
    )
    shape = dice.choice(
        [
            "%s",
            '{"query": [%s], "prompts": [%s], "labels": [%s]}',
            '{"query": %s, "prompts": %s}',
            '{"prompt": %s, "responses": [%s, %s]}',
            '{"prompt": "q", "responses": [%s, "\\\\boxed{1}"], "id": %s}',
            '{"groups": [%s, {"prompt": "q", "responses": [%s]}]}',
            '{"prompt": "q", "response": %s, "group_size": 1}',
            '{"prompt": "q", "response": "1", "group_size": %s}',
            '{"prompt": "q", "responses": ["1"], "metadata": {%s: 1, "\\r\\n500 forged": %s}}',
            '{"prompt": [{"role": %s, "content": %s}], "responses": ["1"], "token_logprobs": [[%s]]}',
        ]
    )
    return shape.replace("%s", text).encode("utf-8", "surrogatepass")


Mutation = Callable[[bytes, random.Random], bytes]


def flip(request: bytes, dice: random.Random) -> bytes:
    """Other bytes at random places."""
    data = bytearray(request)
    for _ in range(dice.choice([1, 1, 2, 5, 30])):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


def splice(request: bytes, dice: random.Random) -> bytes:
    """A part taken out, or repeated."""
    start, end = sorted(dice.randrange(len(request) + 1) for _ in range(2))
    return request[:start] + request[start:end] * dice.choice([0, 2, 2, 40]) + request[end:]


def truncate(request: bytes, dice: random.Random) -> bytes:
    """Only its start."""
    return request[: dice.randrange(len(request) + 1)]


def wrong_length(request: bytes, dice: random.Random) -> bytes:
    """A length that is not that of the body, or two, or chunks that are none."""
    body = request.partition(b"\r\n\r\n")[2][:2000] or b"{}"
    length = len(body)
    headers = dice.choice(
        [
            [b"Content-Length: %d" % (length + dice.choice([-1, 1, 1000, 10**6, 10**18]))],
            [b"Content-Length: %s" % dice.choice([b"-1", b"+5", b"1_0", b"0x10", b"", b" 5 5", b"9" * 5000, b"\xb2"])],
            [b"Content-Length: %d" % length, b"Content-Length: %d" % (length + 1)],
            [b"Content-Length: %d" % length, b"Transfer-Encoding: chunked"],
            [b"Transfer-Encoding: gzip, chunked"],
            [b"Transfer-Encoding: chunked"],
        ]
    )
    if headers == [b"Transfer-Encoding: chunked"]:
        size = dice.choice([b"%x" % length, b"%X;name=value" % length, b"-1", b"f" * 17, b"", b"g", b"0"])
        body = size + b"\r\n" + body + dice.choice([b"\r\n0\r\n\r\n", b"\r\n0\r\nTrailer: x\r\n\r\n", b"0\r\n", b""])
    return with_body(request, body, *headers)


def odd_body(request: bytes, dice: random.Random) -> bytes:
    """A body of `odd_json`, some of it broken."""
    body = odd_json(dice)
    if dice.random() < 0.3:
        body = flip(body, dice)
    return with_body(request, body, dice.choice([b"Content-Type: application/json", b"Content-Type: \xff", b"X: y"]))


def odd_head(request: bytes, dice: random.Random) -> bytes:
    """Another method, path, version or header."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, _, headers = head.partition(b"\r\n")
    method, _, rest = line.partition(b" ")
    path = rest.rpartition(b" ")[0]
    version = b"HTTP/1.1"
    kind = dice.randrange(5)
    if kind == 0:
        method = dice.choice([b"PATCH", b"TRACE", b"CONNECT", b"OPTIONS", b"HEAD", b"GET", b"p\xf6st", b"PRI", b""])
    elif kind == 1:
        path = dice.choice(
            [
                b"/v1/groups/a%0aERROR%20forged/members/%0d%0a0",
                b"/v1/groups//members/",
                b"/v1/groups/%ff%fe/members/%C0%80",
                b"/",
                b"/report/index?run=%s&after=99999999999" % dice.randbytes(3).hex().encode(),
                b"/report/group?run=%ff&row=%b2",
                b"/login",
                b"/../../etc/passwd",
                b"*",
                b"/%00",
                b"/" + b"a" * 70_000,
                b"//score",
                b"http://other/score",
                b"/score?" + b"a=b&" * 5000,
                b"/get_reward?group_size=%s" % dice.choice([b"0", b"99999", b"x", b"%31"]),
            ]
        )
    elif kind == 2:
        version = dice.choice([b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.1.1", b"http/1.1", b""])
    elif kind == 3:
        headers += b"\r\n" + dice.choice(
            [
                b"X-Request-ID: a\tb\x1b[31m",
                b"X-Request-ID: " + b"a" * 5000,
                b"X-Group-Size: \xb2",
                b"X-Group-Size: 99999999999999999999",
                b"Authorization: Basic " + b"=" * 100,
                b"Authorization: Bearer \xff\x00",
                b"Expect: 100-continue",
                b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13",
                b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
                b"X: " + b"y" * 100_000,
                b"X: y\r\n" * 2000 + b"Z: z",
                b" folded: header",
                b"no colon",
                b": no name",
                b"X: \x00",
            ]
        )
    else:
        return dice.choice(
            [
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + dice.randbytes(200),  # TLS
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + dice.randbytes(50),
                b"GET /\r\n",
                b"\r\n" * 50 + request,
                dice.randbytes(dice.choice([1, 100, 10_000])),
                b"",
            ]
        )
    return b"%s %s %s\r\n%s\r\n\r\n%s" % (method, path, version, headers, body)


MUTATIONS: tuple[tuple[Mutation, float], ...] = (
    (lambda request, dice: request, 2.0),
    (flip, 2.0),
    (splice, 1.0),
    (truncate, 1.0),
    (wrong_length, 1.0),
    (odd_body, 2.0),
    (odd_head, 2.0),
)
"""Each with how often it is taken, relative to the others."""


def mutants(requests: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """So many mutated requests; some of two glued together, as by a pipelining client or a smuggler."""
    dice = random.Random(seed)
    mutations, weights = zip(*MUTATIONS, strict=True)
    for _ in range(count):
        parts = []
        for _ in range(2 if dice.random() < 0.05 else 1):
            (mutation,) = dice.choices(mutations, weights)
            parts.append(mutation(dice.choice(requests), dice))
        yield b"".join(parts)


@dataclass
class Answers:
    """What a server answered.

    Args:
        statuses: how often each status; 0: none before the connection ended, or within `READ_SECONDS`.
        undocumented: the starts of requests, with the answers that docs/server.md does not allow.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    undocumented: list[tuple[bytes, bytes]] = field(default_factory=list)

    def add(self, request: bytes, answer: bytes) -> None:
        """Count an answer, and judge it."""
        answer = final(answer)
        status = int(answer[9:12]) if answer[:9] == b"HTTP/1.1 " and answer[9:12].isdigit() else 0
        self.statuses[status] += 1
        right = status in DOCUMENTED if status else not answer
        if status == 503:
            right = json.loads(answer.partition(b"\r\n\r\n")[2]).get("retry") is True
        if not right:
            self.undocumented.append((request[:500], answer[:500]))


async def send(port: int, requests: Iterator[bytes]) -> Answers:
    """Send each request over a connection of its own, `SENDERS` at a time; read its first answer."""
    answers = Answers()

    async def sender() -> None:
        for request in requests:
            answers.add(request, await exchange(port, request))

    await asyncio.gather(*(sender() for _ in range(SENDERS)))
    return answers


async def exchange(port: int, request: bytes) -> bytes:
    """The first answer to a request; empty where there is none in time."""
    connection = socket.socket()
    connection.setblocking(False)
    connection.bind((STRANGER, 0))
    # A reset instead of a farewell: this host's ports would run out before the last one is free again.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    loop = asyncio.get_running_loop()
    answer = b""
    try:
        await loop.sock_connect(connection, ("127.0.0.1", port))

        async def talk() -> None:
            nonlocal answer
            await loop.sock_sendall(connection, request)
            while not whole(answer) and (part := await loop.sock_recv(connection, 2**16)):
                answer += part

        await asyncio.wait_for(talk(), READ_SECONDS)
    except (OSError, asyncio.TimeoutError):
        pass  # hung up by the server, or nothing to be had yet
    finally:
        connection.close()
    return answer


def final(answer: bytes) -> bytes:
    """An answer without the interim one (100 Continue) before it."""
    return answer.partition(b"\r\n\r\n")[2] if answer.startswith(b"HTTP/1.1 100 ") else answer


def whole(answer: bytes) -> bool:
    """Whether an answer is there to its end; those of no stated length end with their connection."""
    head, end, body = final(answer).partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return bool(end) and len(body) >= int(line.partition(b":")[2])
    return False

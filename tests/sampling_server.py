"""A real HTTP server with an OpenAI-compatible endpoint that answers prompts, and misbehaves as tests tell it."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
"""A status, and an object for JSON or bytes; None: the connection is cut."""


class SamplingServer:
    """The server, while it is used as a context manager; `answer` may be replaced.

    Args:
        port: 0 takes a free one.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.models: Answer = (200, {"data": [{"id": "tiny"}]})
        self.answer: Callable[[dict[str, Any]], Answer | None] = self.sampled
        self._numbers = itertools.count()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(server.models if self.path == "/v1/models" else (404, {}))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.requests.append(body)
                server.headers.append({key.lower(): value for key, value in self.headers.items()})
                answer = server.answer(body) if self.path.startswith("/v1/") else (404, {"error": "no such path"})
                if answer is None:
                    self.close_connection = True
                    self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
                else:
                    self._send(answer)

            def _send(self, answer: Answer) -> None:
                data = answer[1] if isinstance(answer[1], bytes) else json.dumps(answer[1]).encode()
                self.send_response(answer[0])
                for key, value in (answer[2] if len(answer) > 2 else {}).items():
                    self.send_header(key, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, *arguments: object) -> None:
                pass  # a client that went away

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> SamplingServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

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

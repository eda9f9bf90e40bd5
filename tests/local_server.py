"""A real HTTP server of JSON on this machine, for tests; what it answers is its subclasses'."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import Self

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
"""A status, an object for JSON or bytes, and further headers."""


class LocalServer:
    """The server, while it is used as a context manager.

    Args:
        port: 0 takes a free one.
    """

    def __init__(self, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def get(self, path: str) -> Answer:
        """The answer to a GET."""
        return 404, {}

    def post(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer | None:
        """The answer to a POST, the names of whose headers are in small letters; None: the connection is cut."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Nothing listens any more, and open connections are cut."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        for connection in self._server.connections:
            with suppress(OSError):  # it has ended by itself
                connection.shutdown(2)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.connections: list[Any] = []

    def get_request(self) -> Any:
        found = super().get_request()
        self.connections.append(found[0])
        return found

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: clients that go away are what tests are about."""


def _handler(server: LocalServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._send(server.get(self.path))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = server.post(self.path, headers, body)
            if answer is None:
                self.close_connection = True
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
            else:
                self._send(answer)

        def _send(self, answer: Answer) -> None:
            status, content, *more = answer
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            headers = {"content-type": "application/json", "content-length": str(len(data)), **dict(*more)}
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler

"""Serves a report that grows: the page, its index, and the texts of one group, on this machine only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from empo_rewards.errors import InputError
from empo_rewards.report.contents import Contents
from empo_rewards.report.page import live_page

HOST = "127.0.0.1"


class LiveReport:
    """The contents of a report, shared by what adds groups to them and what shows them."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._lock = threading.Lock()

    def add(self, change: Callable[[Contents], None]) -> None:
        """Change the contents, while nobody reads them."""
        with self._lock:
            change(self._contents)

    def answer(self, path: str, seconds: float) -> tuple[str, str] | None:
        """The content type and the text for a request's path; None for a path that there is not.

        `/` is the page, `/report/index?after=N` the overview and the rows from N on, `/report/group?row=N` a group.
        """
        address = urlsplit(path)
        query = parse_qs(address.query)
        number = {name: values[0] for name, values in query.items() if values[0].isdecimal() and len(values[0]) < 12}
        if address.path == "/":
            return "text/html; charset=utf-8", live_page(self._contents.title, seconds)
        with self._lock:
            if address.path == "/report/index":
                found: object = self._contents.index(after=int(number.get("after", "0")), fresh=False)
            elif address.path == "/report/group" and "row" in number:
                found = self._contents.detail(int(number["row"]))
            else:
                return None
        return "application/json", json.dumps(found, allow_nan=False)


def serve(report: LiveReport, port: int, seconds: float) -> ThreadingHTTPServer:
    """A server of the report on 127.0.0.1, running in a thread; `shutdown` ends it. Port 0 takes a free one.

    Raises:
        InputError: the port cannot be had.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with the page or its data. Other hosts' pages are refused (DNS rebinding)."""
            host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
            found = report.answer(self.path, seconds) if host in (HOST, "localhost") else None
            if found is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            body = found[1].encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", found[0])
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parameter of the base class
            """Requests are not logged."""

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise InputError(
            f"port {port} of {HOST} cannot be had: {error.strerror or error}; choose another --port"
        ) from error
    threading.Thread(target=server.serve_forever, name="empo-rewards-report", daemon=True).start()
    return server

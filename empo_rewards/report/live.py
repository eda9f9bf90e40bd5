"""Serves a report that grows: the page, its index, and the texts of one group, on this machine only."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from empo_rewards.errors import InputError
from empo_rewards.report.contents import Contents
from empo_rewards.report.page import live_page

HOST = "127.0.0.1"


class LiveAnswer(NamedTuple):
    """What a request is answered: its status, JSON for 200."""

    status: HTTPStatus
    body: bytes = b""


class LiveReport:
    """The contents of a report, shared by what adds groups to them and what shows them."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._lock = threading.Lock()
        self._run = secrets.token_hex(4)
        """Names these contents: rows that are known of others are not theirs."""

    def add(self, change: Callable[[Contents], None]) -> None:
        """Change the contents, while nobody reads them."""
        with self._lock:
            change(self._contents)

    def answer(self, address: str) -> LiveAnswer:
        """The answer to a request for data.

        `/report/index?run=R&after=N`: the overview and the rows from N on, where R is this run (else all); 204 where
        there is nothing new. `/report/group?run=R&row=N`: a group.
        """
        path, query = urlsplit(address).path, parse_qs(urlsplit(address).query)
        number = {name: int(given[0]) for name, given in query.items() if _is_number(given[0])}
        ours = query.get("run") == [self._run]
        with self._lock:
            if path == "/report/index":
                if ours and number.get("after") == self._contents.rows and self._contents.is_current:
                    return LiveAnswer(HTTPStatus.NO_CONTENT)
                after = number.get("after", 0) if ours else 0
                found: object = {**self._contents.index(after=after, fresh=False), "run": self._run}
            elif path == "/report/group" and ours and "row" in number:
                found = self._contents.detail(number["row"])
            else:
                return LiveAnswer(HTTPStatus.NOT_FOUND)
        return LiveAnswer(HTTPStatus.OK, json.dumps(found, allow_nan=False).encode())


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 12


def serve(report: LiveReport, title: str, port: int, seconds: float) -> ThreadingHTTPServer:
    """A server of the report on 127.0.0.1, running in a thread; `shutdown` ends it. Port 0 takes a free one.

    Args:
        report: its data.
        title: of the page.
        port: where it listens.
        seconds: how often the page asks for what is new.

    Raises:
        InputError: the port cannot be had.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with the page or its data. Other hosts' pages are refused (DNS rebinding)."""
            host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
            if host not in (HOST, "localhost"):
                self.send_error(HTTPStatus.NOT_FOUND)
            elif urlsplit(self.path).path == "/":
                self._send("text/html; charset=utf-8", LiveAnswer(HTTPStatus.OK, live_page(title, seconds).encode()))
            elif (found := report.answer(self.path)).status is HTTPStatus.NOT_FOUND:
                self.send_error(HTTPStatus.NOT_FOUND)
            else:
                self._send("application/json", found)

        def _send(self, kind: str, answer: LiveAnswer) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(answer.body)

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

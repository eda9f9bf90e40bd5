"""The server as a process: its socket, its signals, and an end that leaves nobody waiting."""

from __future__ import annotations

import logging
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from types import FrameType
from typing import NoReturn

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from empo_rewards.errors import EmpoError
from empo_rewards.scorer import Scorer
from empo_rewards.server.app import create_app
from empo_rewards.server.crew import ATTEMPTS, START_SECONDS, Crew
from empo_rewards.server.links import Links
from empo_rewards.server.service import Service, Settings

log = logging.getLogger("empo_rewards.server")

GRACE_SECONDS = 2.0
"""At the end, what groups that are being scored may take; then their callers are told to come again."""

SENDING_SECONDS = 1
"""At the end, what callers have to take in their answers."""

BACKLOG = 4096
"""Connections that may wait to be accepted: a step of training opens one a sample, all at once."""

QUEUE_SECONDS = 600.0
"""What a group may wait for a free worker."""

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep an idle connection, so that it is they who close it, and not while they send."""


def run(scorer: Scorer, settings: Settings, host: str, port: int) -> None:
    """Serve until a signal ends it.

    Args:
        scorer: what scores; the caller closes it.
        settings: see there.
        host, port: where to listen; port 0: any that is free. The log says where.

    Raises:
        EmpoError: the port cannot be had.
    """
    _raise_descriptor_limit()
    with _listening(host, port) as listener, _ended_by_signals():
        if settings.workers == 1:
            _serve(Service(scorer.ascore, settings), listener)
        else:
            seconds = settings.limits.score_seconds
            with closing(Crew(scorer, settings.workers, seconds)) as crew:
                # The crew sees to the deadline of each group; the rendezvous only to that of a crew that is stuck.
                limits = replace(settings.limits, score_seconds=ATTEMPTS * (START_SECONDS + seconds) + QUEUE_SECONDS)
                _serve(Service(crew.score, replace(settings, limits=limits)), listener)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answers whoever waits, and only then does what uvicorn does: which waits until nobody does."""
        await self._service.close(GRACE_SECONDS)
        await super().shutdown(sockets)


def _serve(service: Service, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    links = Links()
    config = uvicorn.Config(
        create_app(service, links),
        http=links.watched(AutoHTTPProtocol),
        proxy_headers=False,  # connections are told apart by who is at their other end
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SENDING_SECONDS,
    )
    log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    _Server(config, service).run([listener])
    log.info("stopped")


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise EmpoError(f"cannot listen on {host}:{port}: {error}") from error


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Signals end the block as `sys.exit` does, so that what it opened is closed.

    While uvicorn runs it takes them itself; when it has stopped it sends itself the signal again.
    """

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(0)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise_descriptor_limit() -> None:
    """Each parked request holds a connection: the usual soft limit of 1,024 is one small step of training."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

"""The server as a process: socket, signals, worker processes, and a shutdown that answers everybody who waits."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import NoReturn

import uvicorn

from empo_rewards.errors import EmpoError, WorkerError
from empo_rewards.group import Cause, Group, GroupScore
from empo_rewards.scorer import Scorer
from empo_rewards.server.app import create_app
from empo_rewards.server.service import ServerSettings, Service
from empo_rewards.workers import START_SECONDS, WorkerPool

log = logging.getLogger("empo_rewards.server")

GRACE_SECONDS = 2.0
"""At shutdown, how long groups that are being scored may take; then their callers are answered with 503."""

SENDING_SECONDS = 1
"""At shutdown, how long callers have to read their answers."""

CLOSING_SECONDS = 1.0
"""At shutdown, how long workers have to close their scorers before they are killed."""

ATTEMPTS = 2
"""How many workers may die or hang on one group before it is unscored: the first may have died of something else."""

QUEUE_SECONDS = 600.0
"""How long a group may wait for a free worker."""

BACKLOG = 4096
"""Connections that may wait to be accepted: a training step opens one per sample, all at once."""

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep an idle connection: a server that closes it first may do so while a client sends on it."""


def run(scorer: Scorer, settings: ServerSettings, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        scorer: what scores; the caller closes it.
        settings: the server's settings.
        host, port: where to listen; port 0: any that is free. The log says where.

    Raises:
        EmpoError: the port cannot be bound, or a worker process does not start.
    """
    _raise_descriptor_limit()
    with _listening(host, port) as listener, _ended_by_signals():
        if settings.workers == 1:
            _serve(Service(scorer.ascore, settings), listener)
        else:
            seconds = settings.limits.score_seconds
            pool = WorkerPool(scorer, settings.workers, score_seconds=seconds, closing_seconds=CLOSING_SECONDS)
            with pool:
                pool.start()
                # The pool enforces the deadline of each group; that of the rendezvous is for a pool that is stuck.
                limits = replace(settings.limits, score_seconds=ATTEMPTS * (START_SECONDS + seconds + QUEUE_SECONDS))
                _serve(Service(partial(_score_in, pool), replace(settings, limits=limits)), listener)


async def _score_in(pool: WorkerPool, group: Group) -> GroupScore:
    """The group's score; unscored where `ATTEMPTS` workers died or hung on it."""
    why = ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return (await asyncio.wrap_future(pool.submit([group])))[0]
        except WorkerError as error:
            why = str(error)
            log.error("%s (attempt %d of %d)", why, attempt, ATTEMPTS)
    return GroupScore.unscored(group, Cause.SCORING_FAILED, why)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer the waiting callers, then shut uvicorn down, which waits until all requests are answered."""
        await self._service.close(GRACE_SECONDS)
        await super().shutdown(sockets)


def _serve(service: Service, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        create_app(service),
        proxy_headers=False,  # no answer depends on the caller's address
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
    """SIGTERM and SIGINT raise SystemExit in the block, so that what it opened is closed.

    While uvicorn runs it handles them itself; when it has stopped, it raises the signal again.
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
    """Raise the soft limit of open files to the hard one, where the system has such limits.

    Each waiting request holds a connection: the usual soft limit of 1,024 is less than one training step needs.
    """
    try:
        import resource  # noqa: PLC0415 - only Unix has it
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

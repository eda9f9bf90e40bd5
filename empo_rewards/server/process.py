"""The server as a process: socket, signals, worker processes, and a shutdown that answers everybody who waits."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any, NoReturn, TypeVar

import uvicorn

from empo_rewards.errors import EmpoError, WorkerDiedError, described
from empo_rewards.scorer import Scorer
from empo_rewards.server import logs
from empo_rewards.server.app import create_app
from empo_rewards.server.connections import KEEP_ALIVE_SECONDS, Connections, silent
from empo_rewards.server.report import GroupReport, report_pool
from empo_rewards.server.service import STOPPING, ServerSettings, Service
from empo_rewards.workers import START_SECONDS, Task, WorkerPool

log = logging.getLogger("empo_rewards.server")

T = TypeVar("T")

GRACE_SECONDS = 1.5
"""At shutdown, how long groups that are being scored may take; then their callers are answered with 503."""

LAST_SECONDS = 1.0
"""At shutdown, how long requests on open connections are heard at most ..."""

QUIET_SECONDS = 0.1
"""... and after how long without any they are closed."""

SENDING_SECONDS = 1
"""At shutdown, how long callers have to read their answers."""

CLOSING_SECONDS = 0.5
"""At shutdown, how long workers have to close their scorers before they are killed."""

QUEUE_SECONDS = 600.0
"""How long a group may wait for a worker."""

THREADS = 256
"""Groups that a worker process scores at a time, in turns."""

LARGE_BYTES = 2**20
"""A longer body is read aside: its JSON is read in one step, during which nothing else happens in a process."""

OWN_DESCRIPTORS = 40
"""Descriptors that the server needs beside its connections: files, the socket, the process for large bodies."""

DESCRIPTORS_PER_WORKER = 4
"""Descriptors that a worker process takes: its pipe, what tells its end, and as many while it starts."""

MANY_DESCRIPTORS = 2**20
"""The limit where there is none."""

FEW_CONNECTIONS = 4_096
"""For fewer connections than this there is a warning: 256 prompts of 16 samples."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What `accept` fails with where no descriptors or memory are left, although room was kept for it."""

BACKLOG = 4096
"""Connections that may wait to be accepted: a training step opens one per sample, all at once."""


def run(scorer: Scorer, settings: ServerSettings, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        scorer: what scores, in other processes.
        settings: the server's settings.
        host, port: where to listen; port 0: any that is free. The log says where.

    Raises:
        EmpoError: the port cannot be bound, or a worker process does not start.
    """
    processes = settings.workers + bool(settings.report_groups)
    connections = Connections(_descriptors() - OWN_DESCRIPTORS - DESCRIPTORS_PER_WORKER * processes)
    if connections.most < FEW_CONNECTIONS:
        log.warning(
            "the limit of open files allows for %d connections, which is fewer than the samples of a training step may "
            "be: raise it (ulimit -n)",
            connections.most,
        )
    # The members of an open group may each hold a connection: what cannot become complete is not begun.
    limits = replace(settings.limits, max_members=min(settings.limits.max_members, connections.most))
    seconds = limits.score_seconds
    set_up = partial(logs.set_up, logging.getLogger().level)
    new_pool = partial(
        WorkerPool,
        scorer,
        score_seconds=seconds,
        closing_seconds=CLOSING_SECONDS,
        set_up=set_up,
    )
    with (
        _listening(host, port) as listener,
        _ended_by_signals(),
        new_pool(settings.workers, threads=THREADS) as scoring,
        new_pool(1) as aside,
        report_pool(settings.report_groups, set_up) as reporting,
    ):
        scoring.start()
        report = None
        if settings.report_groups:
            reporting.start()
            report = GroupReport(reporting)
        # The pool enforces the deadline of each group; that of the rendezvous is for a pool that is stuck.
        limits = replace(limits, score_seconds=START_SECONDS + 2 * (seconds + QUEUE_SECONDS))
        settings = replace(settings, limits=limits)
        _serve(Service(Processes(scoring, aside), settings, report=report), connections, listener)


class Processes:
    """The server's work in worker processes.

    Args:
        scoring: scores, many groups at a time.
        aside: a process for what would disturb that: large bodies, and groups whose process died, one at a time.
    """

    def __init__(self, scoring: WorkerPool, aside: WorkerPool) -> None:
        self._scoring, self._aside = scoring, aside

    async def score(self, task: Task[T]) -> T:
        """The result of a task; see `Runner`. It is tried again where its process died, maybe of a group beside it."""
        try:
            return await asyncio.wrap_future(self._scoring.run(task))
        except WorkerDiedError as error:
            log.error("%s; it is tried once more, by itself", error)
        return await asyncio.wrap_future(self._aside.run(task))

    async def read(self, task: Task[T], size: int) -> T:
        """The result of a task that reads a body; see `Runner`."""
        return await asyncio.wrap_future((self._aside if size > LARGE_BYTES else self._scoring).run(task))


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service, connections: Connections) -> None:
        super().__init__(config)
        self._service, self._connections = service, connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections, a few at a time; the others wait in the system's queue."""
        asyncio.get_running_loop().set_exception_handler(_log_loop_error)
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)
        # What is there by now stays: else it is looked through with each full collection, which is the rarer for it.
        gc.collect()
        gc.freeze()

    async def on_tick(self, counter: int) -> bool:
        """Look after the connections; called ten times a second."""
        self._connections.sweep(self.server_state.connections)
        self._service.delivering(self._connections.undelivered_bytes)
        self._service.metrics.connections.set(self._connections.count)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer who waits and who has connected; then shut uvicorn down, which waits until all answers are sent."""
        await self._service.close(GRACE_SECONDS)
        for listener in sockets or ():
            await self._accept_last(listener)
        await self._hear_out()
        await super().shutdown(sockets)

    async def _accept_last(self, listener: socket.socket) -> None:
        """Accept the connections in the system's queue, and listen no more: those that are in it then are reset."""
        queued = []
        listener.setblocking(False)
        with suppress(OSError):  # there are no more, or no descriptors for them
            while True:
                queued.append(listener.accept()[0])
        for server in self.servers:
            server.close()
        for connection in queued:
            connection.setblocking(False)
            await asyncio.get_running_loop().connect_accepted_socket(self._new_protocol, connection)

    async def _hear_out(self) -> None:
        """Let requests on open connections be read and answered as long as any come, and turn away those without one.

        A request may have arrived long ago, where the server is busy. A connection that is closed with it is reset.
        """
        state, before, end = self.server_state, (-1, -1), time.monotonic() + LAST_SECONDS
        while state.connections and time.monotonic() < end:
            if before == (before := (state.total_requests, len(silent(state.connections)))):
                break
            await asyncio.sleep(QUIET_SECONDS)
        for connection in silent(state.connections):
            connection.turn_away(STOPPING)

    def _new_protocol(self) -> asyncio.Protocol:
        protocol: type[Any] = self.config.http_protocol_class
        new: asyncio.Protocol = protocol(self.config, self.server_state, self.lifespan.state)
        return new


def _log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what no task has caught; one line where the system is out of resources, which the loop tries again."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in EXHAUSTED:
        log.warning("%s", described(error))
    else:
        loop.default_exception_handler(context)


def _serve(service: Service, connections: Connections, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        create_app(service, lambda: connections.crowded, host),
        http=connections.protocol(),
        ws="none",
        proxy_headers=False,  # no answer depends on the caller's address
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=min(BACKLOG, max(1, connections.spare // 2)),
        lifespan="off",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SENDING_SECONDS,
    )
    log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    try:
        _Server(config, service, connections).run([listener])
    finally:  # uvicorn raises the signal that has ended it once more
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


def _descriptors() -> int:
    """The limit of open descriptors, raised as far as it may be.

    Each waiting request holds a connection: the usual soft limit of 1,024 is less than one training step needs.
    """
    try:
        import resource  # noqa: PLC0415 - only Unix has it
    except ImportError:
        return MANY_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return MANY_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard

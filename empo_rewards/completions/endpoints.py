"""Load balancing over servers: the one that is not paused and has the fewest requests in flight is asked next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

FIRST_PAUSE = 0.5
"""Seconds that a server is paused after its first failure; each further failure in a row doubles them."""

LONGEST_PAUSE = 8.0
"""Seconds of pause at most: a server that is back is found within them."""


@dataclass
class Endpoint:
    """One server and its state; times are in seconds of one monotonic clock."""

    url: str
    in_flight: int = 0
    failures: int = 0
    """In a row; requests that fail during a pause were sent before it, and count as the same failure."""
    silences: int = 0
    """How many of its latest failures in a row were silent: no reply, or a gateway's status for a missing server."""
    paused_until: float = 0.0
    last_failure: str = ""

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count a request in flight, for the block."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def failed(self, now: float, why: str, *, silent: bool, at_least: float = 0.0) -> None:
        """Pause it after a failed request, for `at_least` so many seconds."""
        self.last_failure = why
        if not silent:
            self.silences = 0
        if now < self.paused_until:
            return
        pause = min(FIRST_PAUSE * 2**self.failures, LONGEST_PAUSE)
        self.failures += 1
        self.silences += silent
        self.paused_until = now + max(pause, at_least)

    def answered(self) -> None:
        """Count a valid reply: failures in a row start again from 0."""
        self.failures = self.silences = 0


class Endpoints:
    """The servers, which all serve the same model."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = tuple(urls)
        self._all = [Endpoint(url) for url in urls]

    def pick(self, now: float) -> Endpoint:
        """The server whose pause is over, or will be first; of several the one with the fewest requests in flight.

        One that has just failed gets one request at a time while there is a better one.
        """
        return min(
            self._all,
            key=lambda endpoint: (
                max(endpoint.paused_until - now, 0.0),
                endpoint.failures > 0 and endpoint.in_flight > 0,
                endpoint.in_flight,
            ),
        )

    def down(self, now: float, silences: int) -> bool:
        """Whether all servers are paused after so many silences in a row, so that asking is waiting for nothing.

        A server that answers with errors is not down: one question that it cannot take must not fail the others.
        """
        return all(endpoint.silences >= silences and now < endpoint.paused_until for endpoint in self._all)

"""Which of several servers is asked next: the one that is well and has least to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

FIRST_REST = 0.5
"""Seconds that a server is left alone after its first failure; each further failure in a row doubles them."""

LONGEST_REST = 8.0
"""Seconds of rest at most: a server that is back is found within them."""


@dataclass
class Endpoint:
    """One server, by its base URL; times are those of one monotonic clock, in seconds."""

    url: str
    in_flight: int = 0
    failures: int = 0
    """In a row; what fails while it rests was sent before, and counts as the same failure."""
    silences: int = 0
    """Those of its latest failures in a row where nobody was there: no reply, or a gateway's that has no server."""
    rests_until: float = 0.0
    last_failure: str = ""

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Counts what is under way."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def failed(self, now: float, why: str, *, silent: bool, at_least: float = 0.0) -> None:
        """It gave no reply that is one: it rests, `at_least` so long as it asked for."""
        self.last_failure = why
        if not silent:
            self.silences = 0
        if now < self.rests_until:
            return
        rest = min(FIRST_REST * 2**self.failures, LONGEST_REST)
        self.failures += 1
        self.silences += silent
        self.rests_until = now + max(rest, at_least)

    def answered(self) -> None:
        """It is well."""
        self.failures = self.silences = 0


class Endpoints:
    """The servers that may be asked, which all serve the same model."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._all = [Endpoint(url) for url in urls]

    def pick(self, now: float) -> Endpoint:
        """The one whose rest is over, or will be first; of those the least busy.

        One that has just failed is asked one question at a time where there is a better one: it may fail again, late.
        """
        return min(
            self._all,
            key=lambda endpoint: (
                max(endpoint.rests_until - now, 0.0),
                endpoint.failures > 0 and endpoint.in_flight > 0,
                endpoint.in_flight,
            ),
        )

    def down(self, now: float, silences: int) -> bool:
        """Whether all of them rest after so many silences in a row: who asks now would only wait.

        A server that answers, if only with errors, is not down: one question that it cannot take must not cost others.
        """
        return all(endpoint.silences >= silences and now < endpoint.rests_until for endpoint in self._all)

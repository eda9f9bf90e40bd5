"""Which connections are closed because nothing happens on them; without a network, at a clock of its own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from empo_rewards.server import connections
from empo_rewards.server.connections import IDLE_SECONDS, KEEP_ALIVE_SECONDS, Connections


class Connection:
    """A connection as `sweep` sees it, between two requests."""

    def __init__(self, answers: int) -> None:
        self.cycle, self.answers, self.closed = None, answers, False
        self.transport = SimpleNamespace(get_write_buffer_size=lambda: 0, abort=self.abort)

    def abort(self) -> None:
        self.closed = True


def test_a_connection_that_is_used_is_not_idle_however_short_its_requests_are(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: now))
    watch = Connections(1000)
    used, idle, new = Connection(1), Connection(1), Connection(0)
    while now < 3 * KEEP_ALIVE_SECONDS:
        now += 1.0
        used.answers += 1  # asked and answered since it was last looked at
        watch.sweep([one for one in (used, idle, new) if not one.closed])
        assert new.closed == (now > IDLE_SECONDS + 1)
        assert idle.closed == (now > KEEP_ALIVE_SECONDS + IDLE_SECONDS + 1)
        assert not used.closed

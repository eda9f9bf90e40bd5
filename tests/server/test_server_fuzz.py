"""Fuzzed requests: the server answers each as documented, logs no traceback, and pays the groups in between."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from hostile import Answers, corpus, mutants, send
from serving import (
    EXACT,
    Behaviour,
    added_latencies,
    assert_rewards,
    boxed,
    peak_megabytes,
    quantile,
    replay,
    serving,
)

EXAMPLES = 8
"""Requests of each operation that are made from the description, as allowed and as forbidden ones each."""


def test_fuzzed_requests_break_nothing_and_innocent_groups_are_paid(
    request: pytest.FixtureRequest, figures: dict[str, Any]
) -> None:
    count = request.config.getoption("--fuzz-requests")
    latencies: list[float] = []
    options = ("--group-size", "4", "--idle-seconds", "15", "--workers", "2", "--report-groups", "50", *EXACT)
    with serving(*options) as server:
        requests = corpus(server.get("/openapi.json").json(), EXAMPLES)
        assert len(requests) > 8 * EXAMPLES
        answers: list[Answers] = []
        fuzz = threading.Thread(
            target=lambda: answers.append(asyncio.run(send(server.port, mutants(requests, count, seed=15)))),
            daemon=True,
        )
        fuzz.start()
        innocents = 0
        while fuzz.is_alive() or not innocents:
            groups = [boxed(f"Innocent {innocents + n}. ", [n % 3, 1, 2, 1]) for n in range(4)]
            members = asyncio.run(replay(groups, server.url, Behaviour(spread_seconds=0.2, tries=60)))
            assert_rewards(groups, members)
            latencies += added_latencies(members)
            innocents += len(groups)
            time.sleep(0.1)
        fuzz.join()
        (given,) = answers
        assert server.process.poll() is None
        figures |= {
            "requests": count,
            "statuses": {status or "none": number for status, number in sorted(given.statuses.items())},
            "undocumented": len(given.undocumented),
            "innocent_groups": innocents,
            "innocent_p99_ms": 1e3 * quantile(latencies, 0.99),
            "peak_mb": peak_megabytes(server.process.pid),
        }
    assert given.undocumented == []
    assert given.statuses.total() == count
    assert {200, 400, 404, 405, 422} <= set(given.statuses)

"""Callers that mean harm or are broken, beside innocent ones, on a real server process."""

from __future__ import annotations

import asyncio
import fcntl
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import EXACT, Behaviour, Group, assert_rewards, eventually, made_up, replay, serving, slow_serving

from empo_rewards.server.logs import MAX_WAITING

BARE = Path(__file__).parent / "bare"
"""Modules that stand for uvloop and httptools, and cannot be imported."""

STRANGER = httpx.HTTPTransport(local_address="127.0.0.2")
"""Another client: one with another address."""


def member(answer: object, **more: Any) -> dict[str, Any]:
    return {"prompt": "q", "response": rf"\boxed{{{answer}}}", **more}


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as pool:
        yield pool


def test_groups_that_never_end_do_not_keep_others_waiting(threads: ThreadPoolExecutor) -> None:
    groups = made_up(6, 4, seed=21)
    whole = {"prompt": "q", "responses": [r"\boxed{hang}"]}
    with slow_serving("--group-size", "4") as server:
        hostile = [threads.submit(server.post, "/score", json=whole) for _ in range(40)]
        server.wait_for("empo_rewards_requests_total", 0, route="/score")
        assert_rewards(groups, asyncio.run(replay(groups, server.url, Behaviour(spread_seconds=0.2))))
        assert not any(post.done() for post in hostile)
        server.stop()
        assert [post.result().status_code for post in hostile] == [503] * 40


def test_the_health_of_a_server_that_reads_a_large_body_is_known(threads: ThreadPoolExecutor) -> None:
    text = json.dumps({"prompt": "q", "responses": ["word " * 2_000_000 + r"\boxed{1}"] * 2}).encode()
    with serving("--group-size", "2", "--max-body-mb", "100", *EXACT) as server:
        for path in ("/score", "/get_reward"):
            large = threads.submit(server.post, path, content=text)
            answers = 0
            while not large.done():
                answers += server.get("/health").status_code == 200
            assert answers > 1  # one that waits for the body is answered once
        assert large.result().status_code == 422
        assert server.metric("empo_rewards_groups_total", status="scored") == 1


def test_only_what_is_sent_holds_a_place_and_who_holds_most_makes_room(threads: ThreadPoolExecutor) -> None:
    with (
        serving("--group-size", "2", "--max-members", "100", *EXACT) as server,
        httpx.Client(transport=STRANGER, timeout=60) as other,
    ):

        def put(n: int, size: int) -> httpx.Response:
            return server.post(f"/v1/groups/{n}/members/0", json=member(1, group_size=size))

        for n in range(16):  # members that were never sent: one place for each loss that was told
            httpx.delete(f"{server.url}/v1/groups/lost {n}/members/0?group_size=65536", timeout=30)
        assert server.get("/ready").json()["status"] == "ok"
        groups = made_up(8, 2, seed=22)
        assert_rewards(groups, asyncio.run(replay(groups, server.url, Behaviour(spread_seconds=0.1))))

        held = [threads.submit(put, n, 42) for n in range(2)]
        server.wait_for("empo_rewards_waiting", 2, phase="training")
        assert put(2, 42).status_code == 429
        ready = server.get("/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "full")
        assert other.post(server.url + "/score", json={"prompt": "q", "responses": ["1"]}).status_code == 200
        first = threads.submit(other.post, f"{server.url}/v1/groups/o/members/0", json=member(1))
        server.wait_for("empo_rewards_gather_groups_total", 1, phase="training", ending="evicted")
        assert other.post(f"{server.url}/v1/groups/o/members/1", json=member(1)).json()["reward"] == 1
        assert first.result().json()["reward"] == 1
        eventually(lambda: sum(post.done() for post in held) == 1, "who made room was not told")
        (evicted,) = [post.result() for post in held if post.done()]
        assert (evicted.status_code, evicted.json()["retry"]) == (429, True)
        server.stop()


def test_bodies_and_answers_that_are_held_are_counted(threads: ThreadPoolExecutor) -> None:
    big = {"prompt": "q", "responses": [r"\boxed{" + "x" * 60_000 + "}"] * 40}
    content = json.dumps(big).encode()
    head = b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(content)
    with serving("--group-size", "2", "--max-held-mb", "8", *EXACT) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
        for caller in silent:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.settimeout(30)

        def ask(caller: socket.socket) -> None:
            for _ in range(3):  # each answer is as long; none is read
                try:
                    caller.sendall(head + content)
                except OSError:
                    return

        asking = [threads.submit(ask, caller) for caller in silent]
        eventually(
            lambda: server.metric("empo_rewards_requests_total", route="/score", status="429") > 0, "none is refused"
        )
        assert server.metric("empo_rewards_all_held_bytes") < 3 * 2**23
        for caller in silent:
            caller.close()
        for one in asking:
            one.result()
        server.wait_for("empo_rewards_all_held_bytes", 0)
        parked = threads.submit(server.post, "/get_reward", json={"query": ["q" + "x" * 7_000_000], "prompts": ["q"]})
        server.wait_for("empo_rewards_waiting", 1, phase="training")
        full = server.post("/get_reward", json={"query": ["r" + "x" * 7_000_000], "prompts": ["r"]})
        assert full.status_code == 429
        assert "max_bytes" in full.json()["error"]
        server.stop()
        assert parked.result().status_code == 503


ENDLESS = {
    b"": b"a: " + b"x" * 1000 + b"\r\n",
    b"a: ": b"x" * 1000,
    b"Transfer-Encoding: chunked\r\n\r\n1;a=": b"x" * 1000,
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n": b"a: " + b"x" * 1000 + b"\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0\r\na: ": b"x" * 1000,
}
"""Requests whose head, or what stands beside their body, has no end: how each begins, and what it goes on with."""


def test_few_descriptors_are_enough_for_many_posts_and_a_head_without_end_is_cut_off() -> None:
    groups = made_up(25, 16, seed=23)
    patient = Behaviour(spread_seconds=0.5, tries=100, retry_seconds=0.3)
    with serving("--group-size", "16", *EXACT, descriptors=256) as server:
        assert "the limit of open files allows for" in server.text
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        members = asyncio.run(replay(groups, server.url, patient))
        for caller in idle:
            caller.close()
        assert_rewards(groups, members)
        assert len(server.log) < 200
        for start, more in ENDLESS.items():
            send_until_cut_off(server.port, b"POST /score HTTP/1.1\r\nHost: a\r\n" + start, more)


def send_until_cut_off(port: int, start: bytes, more: bytes) -> None:
    """Send 3 MB, and wait until the server closes the connection, with an answer or without; fails after 30 seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as caller, suppress(ConnectionError):
        caller.sendall(start + more * 3_000)
        while caller.recv(2**16):
            pass


def test_a_run_that_names_itself_is_not_paid_from_another(threads: ThreadPoolExecutor) -> None:
    with serving("--group-size", "2", "--idle-seconds", "60", *EXACT) as server:

        def post(answer: int, query: str = "", **options: Any) -> httpx.Response:
            content = {"query": [rf"q\boxed{{{answer}}}"], "prompts": ["q"], "labels": [None]}
            return server.post(f"/get_reward{query}", json=content, **options)

        with pytest.raises(httpx.ReadTimeout):  # the old run crashes: its callers go away
            post(1, "?run=old", timeout=0.5)
        server.wait_for("empo_rewards_waiting", 0, phase="training")
        new = threads.submit(post, 1, "?run=new")
        server.wait_for("empo_rewards_waiting", 1, phase="training")
        assert server.metric("empo_rewards_gather_joined_total", phase="training") == 0
        assert post(3, headers={"X-Run": "new"}).json()["rewards"] == new.result().json()["rewards"] == 0.5
        assert post(3, "?run=").status_code == 422

        put = threads.submit(server.post, "/v1/groups/g/members/0?run=old", json=member(1))
        server.wait_for("empo_rewards_waiting", 1, phase="training")
        other = server.post("/v1/groups/g/members/0?run=new", json=member(2, group_size=1)).json()
        assert (other["reward"], other["group"]["id"]) == (1, "g")
        assert server.post("/v1/groups/g/members/1?run=old", json=member(1)).json()["reward"] == 1
        assert put.result().json()["reward"] == 1
        warning = "a client does not name its run"
        assert warning not in server.text
        for n in range(3):
            assert server.post(f"/v1/groups/{n}/members/0", json=member(1, group_size=1)).status_code == 200
        assert server.text.count(warning) == 1


LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR) .*")


def test_the_log_cannot_be_forged_or_filled() -> None:
    forged = "x\n2026-01-01 00:00:00,000 ERROR the disk is full\x1b[2J\x1b]0;title\x07\u202e\u2028\x9b31m\r"
    with serving("--group-size", "1", "--log-level", "debug", *EXACT) as server:
        server.post("/score", json={"prompt": "q", "responses": ["a"], forged: 1})
        server.post("/get_reward", json={"query": ["q"], "prompts": ["q"], "labels": [{forged: 1}]})
        for path in ("/a%0a2026-01-01 00:00:00,000 ERROR b", "/v1/groups/%0a%1b[2J/members/%0d", "/score%e2%80%ae"):
            server.post(path, json={})
        server.post("/get_reward?group_size=%0a%1b", json={"query": [], "prompts": []})
        with socket.create_connection(("127.0.0.1", server.port)) as caller:
            caller.sendall(b"GET /\x1b[2J HTTP/1.1\r\n\r\n" + b"\n\x1b[2J" * 100)
        server.get("/health")
        lines = server.text.splitlines()
        assert r"\x1b[2J" in server.text
        with httpx.Client() as client:  # a line that repeats is counted
            for _ in range(300):
                client.get(server.url + "/get_reward")
        server.stop()
    assert all(LINE.fullmatch(line) and line.isprintable() for line in server.text.split("\n")[:-1]), lines
    assert not any(" ERROR the disk" in line[:60] for line in lines)
    logged = sum(": 405, " in line and " more within " not in line for line in server.log)
    counted = sum(int(found[1]) for line in server.log if (found := re.search(r" (\d+) more within .*: 405, ", line)))
    assert logged + counted == 300
    assert counted > 0


def test_a_log_that_nobody_reads_holds_nobody_up() -> None:
    group = {"prompt": "q", "responses": [r"\boxed{1}", r"\boxed{1}"]}
    with (
        serving("--group-size", "2", "--log-level", "debug", *EXACT) as server,
        httpx.Client(base_url=server.url) as client,
    ):
        assert server.process.stderr is not None
        fcntl.fcntl(server.process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        server.reading.clear()
        for _ in range(MAX_WAITING + 200):
            assert client.get("/health").status_code == 200
        assert client.post("/score", json=group).json()["rewards"] == [1, 1]
        server.reading.set()
        eventually(lambda: len(server.log) > MAX_WAITING, "what waited is not written")
        client.get("/health")
        server.stop()
    assert sum(int(found[1]) for found in re.finditer(r" WARNING (\d+) records lost", server.text)) > 0
    assert server.text.endswith("INFO stopped\n")


def test_an_end_while_nobody_reads_the_log_is_no_later(threads: ThreadPoolExecutor) -> None:
    with serving("--group-size", "2", "--log-level", "debug", *EXACT) as server:
        assert server.process.stderr is not None
        fcntl.fcntl(server.process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        server.reading.clear()
        with httpx.Client(base_url=server.url) as client:
            for _ in range(200):
                client.get("/health")
        waiting = threads.submit(server.post, "/v1/groups/a/members/0", json=member(1))
        server.wait_for("empo_rewards_open_groups", 1)
        server.process.terminate()
        assert waiting.result().status_code == 503
        assert server.process.wait(10) == 0
        server.reading.set()


def test_without_uvloop_and_httptools_it_serves_too() -> None:
    groups = made_up(16, 4, seed=24)
    whole = json.dumps({"prompt": "q", "responses": ["x" * 2**18 + r"\boxed{1}"] * 4}).encode()
    limit = ("--max-body-mb", "2")
    with serving("--group-size", "4", *limit, *EXACT, PYTHONPATH=str(BARE), EMPO_REWARDS_API_KEY="k") as server:
        url = server.url.replace("http://", "http://empo:k@")
        members = asyncio.run(replay(groups, url, Behaviour(spread_seconds=0.3)))
        assert_rewards(groups, members)
        for content, status in ((whole, 200), (whole * 3, 413)):
            for body in (content, (content[at : at + 2**16] for at in range(0, len(content), 2**16))):
                assert httpx.post(url + "/score", content=body, timeout=60).status_code == status
            assert server.post("/score", content=content).status_code == 401
        server.stop()


def test_posts_whose_groups_never_complete_leave_nothing_behind() -> None:
    groups = [Group(group.prompt, group.responses[:1]) for group in made_up(200, 2, seed=25)]
    with serving("--group-size", "2", "--idle-seconds", "1", *EXACT) as server:
        from_many = Behaviour(spread_seconds=0.5, clients=50)
        figures = []
        for _ in range(3):
            members = asyncio.run(replay(groups, server.url, from_many))
            assert all(one.answer and not one.answer["extra_logs"]["empo/scored"] for one in members)
            eventually(lambda: server.metric("empo_rewards_connections") <= 1, "connections are left")  # its own
            figures.append((server.metric("process_resident_memory_bytes"), server.metric("process_open_fds")))
        assert server.metric("empo_rewards_open_groups") == server.metric("empo_rewards_all_held_bytes") == 0
        (_, before), (settled, _), (last, after) = figures
        assert (after, last <= 1.1 * settled) == (before, True), figures

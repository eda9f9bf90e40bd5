"""Faults between a trainer and the server, on a real server process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import httpx
import pytest
from serving import (
    EXACT,
    Behaviour,
    Group,
    Member,
    Server,
    assert_rewards,
    boxed,
    children,
    commands,
    eventually,
    made_up,
    replay,
    serving,
    slow_serving,
)

STEPPING_CLOCK = Path(__file__).parent / "stepping_clock"

PATIENT = {"tries": 200, "retry_seconds": 0.5}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The one of the tests that need none of their own. Who waits for a peer that does not come waits shortly."""
    options = ("--group-size", "2", "--idle-seconds", "2.5", "--neutral", "-1", "--max-body-mb", "1")
    with serving(*options, *EXACT) as running:
        yield running


def post(server: Server, prompt: str, answer: object, **options: Any) -> httpx.Response:
    """One sample."""
    content = {"query": [rf"{prompt}\boxed{{{answer}}}"], "prompts": [prompt], "labels": [None]}
    return server.post("/get_reward", json=content, **options)


def test_killed_and_restarted_in_the_middle_of_a_step() -> None:
    groups = made_up(64, 16, seed=3, prompts=48)  # some prompts are there twice
    members: list[Member] = []
    with serving("--group-size", "16", *EXACT) as first:
        # Until half of the time hardly any group can be whole, so that the kill finds nobody's answer half sent.
        behaviour = Behaviour(spread_seconds=6, **PATIENT)
        caller = threading.Thread(target=lambda: members.extend(asyncio.run(replay(groups, first.url, behaviour))))
        caller.start()
        eventually(lambda: first.metric("empo_rewards_waiting") >= 300, "nobody waits")
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        with serving("--group-size", "16", *EXACT, port=first.port):
            caller.join(120)
    assert len(members) == 64 * 16
    assert sum(0 in member.statuses for member in members) >= 300
    assert_same_prompt_rewards(groups, members)


def assert_same_prompt_rewards(groups: list[Group], members: list[Member]) -> None:
    """Groups of one prompt are exchangeable: each member has the share of its answer in one of their possible mixtures.

    Where a prompt is there once, that is its reward by hand. Where it is there twice, 32 members form two groups of 16:
    for each answer the given shares of all its members must come from counts that sum up to its count.
    """
    alone = {n for n, group in enumerate(groups) if sum(g.prompt == group.prompt for g in groups) == 1}
    assert alone
    assert_rewards(groups, members, but=frozenset(set(range(len(groups))) - alone))
    for prompt in {groups[n].prompt for n in set(range(len(groups))) - alone}:
        given: dict[str, list[float]] = {}
        for member in members:
            if groups[member.group].prompt == prompt:
                assert member.answer is not None
                assert member.answer["extra_logs"]["empo/scored"] == 1
                given.setdefault(groups[member.group].responses[member.place], []).append(member.answer["rewards"])
        for rewards in given.values():
            # k members of one group are given k/16 each, so k/16 must be there a multiple of k times.
            counts = {reward: rewards.count(reward) / (16 * reward) for reward in set(rewards)}
            assert all(count == int(count) for count in counts.values()), counts
            assert sum(counts.values()) <= 2


def test_callers_that_hang_up_before_the_answer_and_come_again_join_their_groups() -> None:
    groups = made_up(64, 16, seed=4)
    with serving("--group-size", "16", "--idle-seconds", "30", *EXACT) as server:
        with ExitStack() as first_callers:
            for group in groups:
                body = next(iter(group.bodies()))
                head = f"POST /get_reward HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
                caller = first_callers.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                caller.sendall(head.encode() + body)
            server.wait_for("empo_rewards_waiting", 64, phase="training")
        server.wait_for("empo_rewards_gather_withdrawn_total", 64, phase="training")
        members = asyncio.run(replay(groups, server.url, Behaviour(spread_seconds=1.0)))
        assert server.metric("empo_rewards_gather_joined_total", phase="training") == 64
        assert server.metric("empo_rewards_gather_members_total", phase="training") == 64 * 16
        assert server.metric("empo_rewards_open_groups") == 0
        assert_rewards(groups, members)


def test_two_of_a_hundred_never_come(server: Server) -> None:
    groups = made_up(32, 16, seed=6)
    counted = server.counting()
    behaviour = Behaviour(spread_seconds=1, never=0.02, seed=6, path="/get_reward?group_size=16")
    members = asyncio.run(replay(groups, server.url, behaviour))
    short = frozenset(member.group for member in members if member.sent is None)
    assert counted("empo_rewards_groups_total", status="unscored", cause="incomplete") == len(short)
    assert counted("empo_rewards_groups_total", status="scored") == 32 - len(short)
    assert 0 < len(short) < 32
    assert_rewards(groups, members, but=short)
    for member in members:
        if member.group in short and member.sent is not None:
            assert member.answer is not None
            logs = member.answer["extra_logs"]
            assert (logs["empo/scored"], logs["empo/unscored/incomplete"], member.answer["rewards"]) == (0, 1, -1)
            assert "incomplete: " in member.answer["detail"]


def test_a_wall_clock_that_steps_by_days_ends_no_group_early_and_keeps_none() -> None:
    path = os.pathsep.join(filter(None, (str(STEPPING_CLOCK), os.environ.get("PYTHONPATH", ""))))
    options = ("--group-size", "4", "--idle-seconds", "3", "--log-level", "debug", *EXACT)
    with serving(*options, PYTHONPATH=path) as server:
        groups = made_up(6, 4, seed=22)
        alone = boxed("Nobody else comes. ", [1])
        members = asyncio.run(replay([*groups, alone], server.url, Behaviour(spread_seconds=1.5)))
        assert len({line[:10] for line in server.log}) > 1, "the log's clock steps"
    assert_rewards(groups, members, but=frozenset({len(groups)}))
    (lonely,) = [member.answer for member in members if member.group == len(groups)]
    assert lonely is not None
    assert lonely["extra_logs"]["empo/unscored/incomplete"] == 1


def test_a_full_queue_refuses_at_once_and_takes_in_again_when_there_is_room() -> None:
    groups = made_up(6, 8, seed=9)
    with (
        serving("--group-size", "8", "--max-members", "16", *EXACT) as server,
        ThreadPoolExecutor(16) as threads,
    ):
        parked = [threads.submit(post, server, prompt, 1) for prompt in ("first", "second")]
        server.wait_for("empo_rewards_waiting", 2, phase="training")
        refused = post(server, "third", 1)
        assert (refused.status_code, refused.headers["retry-after"], refused.json()["retry"]) == (429, "1", True)
        assert "max_members" in refused.json()["error"]
        assert server.get("/ready").json() == {"status": "full", "detail": ANY}
        assert server.get("/ready").status_code == 503
        peers = [threads.submit(post, server, prompt, 1) for prompt in ("first", "second") for _ in range(7)]
        assert [answer.result().json()["rewards"] for answer in (*parked, *peers)] == [1.0] * 16
        members = asyncio.run(replay(groups, server.url, Behaviour(spread_seconds=0.5, **PATIENT)))
    assert_rewards(groups, members)
    assert any(429 in member.statuses for member in members)


def test_sigterm_answers_everybody_and_ends_in_time_whatever_is_being_done() -> None:
    """Callers that wait for peers, groups that finish, that hang, that have started a process; half a body."""
    groups = made_up(16, 16, seed=10)
    partial = [Group(group.prompt, group.responses[:15]) for group in groups]
    members: list[Member] = []
    with slow_serving("--group-size", "2", "--workers", "2") as server, ThreadPoolExecutor(20) as threads:
        behaviour = Behaviour(spread_seconds=0.2, tries=1, path="/get_reward?group_size=16")
        caller = threading.Thread(target=lambda: members.extend(asyncio.run(replay(partial, server.url, behaviour))))
        caller.start()
        server.wait_for("empo_rewards_waiting", 16 * 15, phase="training")
        hung = [threads.submit(post, server, f"hung {n // 2}", "hang") for n in range(8)]
        whole = {"prompt": "q", "responses": [r"\boxed{start}", r"\boxed{hang}"]}
        hung += [threads.submit(server.post, "/score", json=whole) for _ in range(4)]
        half = socket.create_connection(("127.0.0.1", server.port))
        half.sendall(b"POST /score HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
        eventually(lambda: started_by_groups(server) == 4, "what the groups start is not there")
        scored = [threads.submit(post, server, "good", "sleep 0.5") for _ in range(2)]
        server.wait_for("empo_rewards_scoring_groups", 5, phase="training")
        below = children(server.process.pid)
        assert server.stop(seconds=5) == 0
        assert [answer.result().json().get("rewards") for answer in scored] == [1.0, 1.0]
        assert [answer.result().status_code for answer in hung] == [503] * 12
        assert half.recv(100).startswith(b"HTTP/1.1 503 ")
        caller.join(30)
        eventually(lambda: not commands(below), "a process is left")
    assert [member.statuses for member in members] == [[503]] * (16 * 15)


def to_its_end(caller: socket.socket) -> bytes:
    """What a connection gives until the server closes it."""
    return b"".join(iter(lambda: caller.recv(10_000), b""))


def test_sigterm_answers_whoever_has_connected_and_tells_who_has_not_asked() -> None:
    """Requests that nobody has accepted or read yet: the server is stopped while they come."""
    content = json.dumps({"query": ["q1"], "prompts": ["q"], "labels": [None]}).encode()
    request = b"POST /get_reward HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(content) + content
    with serving("--group-size", "1000", *EXACT) as server, ExitStack() as open_ones:

        def caller() -> socket.socket:
            return open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))

        idle = caller()
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        answered = b""
        while not answered.endswith(b"}"):
            answered += idle.recv(10_000)
        server.process.send_signal(signal.SIGSTOP)
        callers = [idle, *(caller() for _ in range(100))]
        for one in callers:
            one.sendall(request)
        callers.append(caller())  # this one asks for nothing
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGCONT)
        for one in callers:
            head, _, body = to_its_end(one).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 "), head
            assert b"connection: close" in head
            assert json.loads(body)["retry"] is True
        assert server.process.wait(30) == 0


def started_by_groups(server: Server) -> int:
    """How many processes that "start" has started live."""
    return sum("time.sleep" in line for line in commands(children(server.process.pid)).values())


def test_no_process_outlives_a_server_that_is_killed() -> None:
    whole = {"prompt": "q", "responses": [r"\boxed{start}", r"\boxed{hang}"]}
    with slow_serving("--group-size", "2", "--workers", "2") as server, ThreadPoolExecutor(4) as threads:
        posts = [threads.submit(server.post, "/score", json=whole) for _ in range(4)]
        eventually(lambda: started_by_groups(server) == 4, "what the groups start is not there")
        below = children(server.process.pid)
        server.stop(signal.SIGKILL)
        eventually(lambda: not commands(below), "a process is left")
        assert all(isinstance(answer.exception(), httpx.TransportError) for answer in posts)


def test_bodies_that_are_too_long_are_refused(server: Server) -> None:
    long = b"x" * 2**21
    for path in ("/get_reward", "/score", "/v1/groups/g/members/0"):
        for content in (long, iter([long] * 2)):
            answer = server.post(path, content=content)
            assert answer.status_code == 413
            assert "1048576" in answer.json()["error"]


def test_half_of_every_group_is_said_to_be_elsewhere() -> None:
    """As where two servers share the posts of a trainer."""
    halves = [Group(group.prompt, group.responses[::2]) for group in made_up(32, 8, seed=11)]
    with serving("--group-size", "8", "--idle-seconds", "2.5", *EXACT) as server:  # it says this once in a minute
        members = asyncio.run(replay(halves, server.url, Behaviour(spread_seconds=0.1)))
        diagnosis = server.get("/ready").json()["diagnosis"]
        assert "spread over 2 places" in diagnosis
        assert "--reward.remote_url" in diagnosis
        assert "agent file" in diagnosis
        assert diagnosis.split(". ")[1] in server.text
        assert server.metric("empo_rewards_groups_cut", phase="training") == 1
        assert any(diagnosis[-40:] in member.answer["detail"] for member in members if member.answer)


def test_an_abandoned_request_leaves_no_wait_behind(server: Server) -> None:
    counted = server.counting()
    with pytest.raises(httpx.ReadTimeout):
        post(server, "abandoned", 1, timeout=0.5)
    server.wait_for("empo_rewards_waiting", 0, phase="training")
    assert counted("empo_rewards_gather_withdrawn_total", phase="training") == 1
    assert counted("empo_rewards_requests_total", route="/get_reward", status="499") == 1
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(b"POST /get_reward HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{")
    with ThreadPoolExecutor(2) as threads:  # the retry takes the place that is kept, so one more makes it whole
        answers = [threads.submit(post, server, "abandoned", answer) for answer in (1, 2)]
        assert [answer.result().json()["rewards"] for answer in answers] == [0.5, 0.5]


@contextmanager
def unread_answer(server: Server, request: str, body: dict[str, Any]) -> Iterator[None]:
    """A caller that sends a request, and closes its connection at the end of the block without reading the answer."""
    content = json.dumps(body).encode()
    head = f"{request} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as caller:
        caller.sendall(head.encode() + content)
        server.wait_for("empo_rewards_waiting", 1, phase="training")
        yield
        eventually(lambda: len(caller.recv(1, socket.MSG_PEEK)) == 1, "no answer was sent")


def test_without_ids_a_retry_after_a_lost_answer_is_unscored_and_changes_no_reward(server: Server) -> None:
    with ThreadPoolExecutor(3) as threads:
        lost = {"query": [r"lost\boxed{1}"], "prompts": ["lost"], "labels": [None]}
        with unread_answer(server, "POST /get_reward", lost):
            assert post(server, "lost", 2).json()["rewards"] == 0.5
        again = threads.submit(post, server, "lost", 1)
        server.wait_for("empo_rewards_waiting", 1, phase="training")
        other = [threads.submit(post, server, "another", answer) for answer in (1, 1)]
        assert [answer.result().json()["rewards"] for answer in other] == [1.0, 1.0]
        answer = again.result().json()
        assert (answer["rewards"], answer["extra_logs"]["empo/scored"]) == (-1.0, 0)
        assert answer["extra_logs"]["empo/unscored/incomplete"] == 1
        # The next group of that prompt is scored from its own members.
        later = [threads.submit(post, server, "lost", answer) for answer in (3, 3)]
        assert [answer.result().json()["rewards"] for answer in later] == [1.0, 1.0]


def test_without_ids_a_retry_after_a_lost_answer_takes_a_place_in_an_open_group_of_its_prompt(server: Server) -> None:
    """What docs/server.md warns of: that response counts twice, and one response of the other group is unscored."""
    with ThreadPoolExecutor(3) as threads:
        lost = {"query": [r"twice\boxed{1}"], "prompts": ["twice"], "labels": [None]}
        with unread_answer(server, "POST /get_reward", lost):
            assert post(server, "twice", 2).json()["rewards"] == 0.5
        next_group = threads.submit(post, server, "twice", 3)
        server.wait_for("empo_rewards_waiting", 1, phase="training")
        assert post(server, "twice", 1).json()["rewards"] == next_group.result().json()["rewards"] == 0.5
        assert post(server, "twice", 3).json()["rewards"] == -1.0


def test_with_ids_a_retry_after_a_lost_answer_gets_that_answer(server: Server) -> None:
    def body(answer: int) -> dict[str, Any]:
        return {"prompt": "q", "response": rf"\boxed{{{answer}}}"}

    counted = server.counting()
    with unread_answer(server, "PUT /v1/groups/lost/members/0", body(1)):
        assert server.post("/v1/groups/lost/members/1", json=body(2)).json()["reward"] == 0.5
    again = server.post("/v1/groups/lost/members/0", json=body(1)).json()
    assert (again["reward"], again["group"]["size"], again["group"]["status"]) == (0.5, 2, "scored")
    assert counted("empo_rewards_gather_members_total", phase="training") == 2


@pytest.fixture(scope="module")
def slow_server() -> Iterator[Server]:
    """One with two workers, in which scoring a group may take two seconds."""
    with slow_serving("--group-size", "2", "--workers", "2", "--score-seconds", "2", "--neutral", "0.5") as running:
        yield running


def scoring_processes(server: Server) -> set[int]:
    """The worker processes of a server."""
    below = commands(children(server.process.pid))
    return {pid for pid, line in below.items() if "spawn_main" in line}


@pytest.mark.parametrize("killed_by", ["its group", "somebody"])
def test_a_worker_that_dies_costs_no_group(slow_server: Server, killed_by: str, tmp_path: Path) -> None:
    """Its groups are scored by another worker; a group that two workers do not survive would be unscored."""
    eventually(lambda: len(scoring_processes(slow_server)) >= 2, "two workers are not running")
    before = scoring_processes(slow_server)
    fuse = tmp_path / "fuse"
    deadly = [boxed("Deadly. ", [f"die {fuse}", 1])] if killed_by == "its group" else []
    groups = [*deadly, *(boxed(f"{killed_by} {n}. ", [n, "sleep 0.3"]) for n in range(8))]
    members: list[Member] = []
    behaviour = Behaviour(spread_seconds=0.2)
    caller = threading.Thread(target=lambda: members.extend(asyncio.run(replay(groups, slow_server.url, behaviour))))
    caller.start()
    eventually(lambda: slow_server.metric("empo_rewards_scoring_groups") > 0, "nothing is scored")
    if not deadly:
        os.kill(min(before), signal.SIGKILL)
    caller.join(60)
    assert_rewards(groups, members)
    assert fuse.exists() == bool(deadly)
    assert not before <= scoring_processes(slow_server)


@pytest.mark.parametrize(("answer", "part"), [("die", "died (exit code 9)"), ("hang", "longer than 2 s")])
def test_a_group_that_no_worker_survives_is_unscored_and_the_others_are_paid(
    slow_server: Server, answer: str, part: str
) -> None:
    with ThreadPoolExecutor(2) as threads:
        lost = list(threads.map(lambda text: post(slow_server, answer, text).json(), [answer, "x"]))
    for given in lost:
        assert (given["rewards"], given["extra_logs"]["empo/unscored/scoring_failed"]) == (0.5, 1)
        assert part in given["detail"]
    groups = made_up(4, 2, seed=8)
    assert_rewards(groups, asyncio.run(replay(groups, slow_server.url, Behaviour(spread_seconds=0.1))))


def test_a_slow_scorer_is_waited_for_and_asked_once(slow_server: Server) -> None:
    groups = [boxed(f"Slow {n}. ", [*range(7), "sleep 1.5"]) for n in range(2)]
    counted = slow_server.counting()
    # Every caller hangs up and comes again long before its group is scored.
    quickly = {"spread_seconds": 0.1, "disconnect": 1.0, "hang_up_seconds": 0.3, "retry_seconds": 0.1}
    behaviour = Behaviour(**quickly, path="/get_reward?group_size=8")
    members = asyncio.run(replay(groups, slow_server.url, behaviour))
    assert counted("empo_rewards_groups_total") == 2
    assert counted("empo_rewards_gather_members_total", phase="training") == 16
    assert all(member.statuses == [0, 200] for member in members)
    assert_rewards(groups, members)

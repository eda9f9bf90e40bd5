"""The contract of each route, on one real server process."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from serving import EXACT, Behaviour, Server, assert_rewards, boxed, made_up, replay, serving, shares

from empo_rewards import Group as WholeGroup
from empo_rewards import Scorer

SIZE = 4


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("--group-size", str(SIZE), "--eval-group-size", "2", *EXACT) as running:
        yield running


def body(prompt: str, *answers: object, labels: list[Any] | None = None) -> dict[str, Any]:
    queries = [f"{prompt}\\boxed{{{answer}}}" for answer in answers]
    return {"query": queries, "prompts": [prompt] * len(queries), "labels": labels or [None] * len(queries)}


def test_single_posts_in_any_order_are_paid_by_their_group(server: Server) -> None:
    groups = made_up(24, SIZE, seed=1, prompts=24)
    members = asyncio.run(replay(groups, server.url, Behaviour()))
    assert_rewards(groups, members)


def test_the_offline_score_of_the_same_groups_is_the_oracle_for_what_cannot_be_counted_by_hand() -> None:
    groups = [boxed("Solve it. ", ["1/2", "0.5", r"\frac{1}{2}", "50"]), boxed("And this. ", ["x+1", "1+x", "", "-x"])]
    with Scorer("empo-math") as scorer:
        offline = [scorer.score(WholeGroup(group.prompt, group.responses)) for group in groups]
    with serving("--group-size", "4") as running:
        members = asyncio.run(replay(groups, running.url, Behaviour(spread_seconds=0.2)))
    for member in members:
        expected = offline[member.group]
        assert member.answer is not None
        assert member.answer["rewards"] == expected.rewards[member.place]
        assert member.answer["extra_logs"]["empo/entropy"] == expected.entropy
    assert offline[0].rewards == (0.75, 0.75, 0.75, 0.25)


def test_groups_of_one_prompt_are_filled_one_after_another(server: Server) -> None:
    prompt = "The same prompt, three times. "
    answers = [[1, 1, 1, 2], [1, 2, 2, 2], [3, 3, 3, 3]]

    def one_group(values: list[int]) -> list[float]:
        with ThreadPoolExecutor(SIZE) as threads:
            posts = [threads.submit(server.post, "/get_reward", json=body(prompt, value)) for value in values]
            return [post.result().json()["rewards"] for post in posts]

    assert [one_group(values) for values in answers] == [
        [0.75, 0.75, 0.75, 0.25],
        [0.25, 0.75, 0.75, 0.75],
        [1.0, 1.0, 1.0, 1.0],
    ]


def test_a_batch_of_whole_groups_is_scored_at_once(server: Server) -> None:
    first, second = body("One batch. ", 1, 1, 2, 3), body("Two groups. ", 5, 5, 5, 5, 6, 6, 7, 7)
    both = {name: [*first[name], *second[name]] for name in first}
    answer = server.post("/get_reward", json=both).json()
    assert answer["rewards"] == [0.5, 0.5, 0.25, 0.25, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]
    assert answer["extra_logs"]["empo/unanimous"] == [0] * 4 + [1] * 4 + [0] * 4


def test_what_a_batch_leaves_over_waits_for_its_peers(server: Server) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(server.post, "/get_reward", json=body("Cut in two. ", 1, 1, 1, 2, 3, 3))
        server.wait_for("empo_rewards_waiting", 2, phase="training")
        rest = server.post("/get_reward", json=body("Cut in two. ", 3, 4)).json()
        assert waiting.result().json()["rewards"] == [0.75, 0.75, 0.75, 0.25, 0.75, 0.75]
    assert rest["rewards"] == [0.75, 0.25]


def test_empty_lists_are_answered_with_empty_lists(server: Server) -> None:
    answer = server.post("/get_reward", json={"query": [], "prompts": [], "labels": []}).json()
    assert (answer["rewards"], answer["scores"]) == ([], [])
    assert set(map(tuple, answer["extra_logs"].values())) == {()}


def test_evaluation_beside_training_on_the_same_prompts(server: Server) -> None:
    groups = made_up(8, SIZE, seed=5)
    halves = [boxed(group.prompt, [7, 8], "7") for group in groups]
    pairs = [boxed(group.prompt, [9, 9, 9], "7") for group in groups]

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(
            replay(groups, server.url, Behaviour()),
            replay(halves, server.url, Behaviour(path="/eval/get_reward", seed=1)),
            replay(pairs, server.url, Behaviour(path="/get_reward?group_size=3", seed=2)),
        )

    training, evaluation, threes = asyncio.run(all_at_once())
    assert_rewards(groups, training)
    assert_rewards(halves, evaluation)
    assert_rewards(pairs, threes)
    assert [member.answer["scores"] for member in evaluation] == [1, 0] * 8
    header = server.post("/get_reward", json=body(groups[0].prompt, 1), headers={"X-Group-Size": "1"})
    assert header.json()["rewards"] == 1


def test_score_gives_the_whole_group_score(server: Server) -> None:
    group = {"prompt": [{"role": "user", "content": "q"}], "responses": [r"\boxed{1}", r"\boxed{1}", ""], "id": "g"}
    one = server.post("/score", json={**group, "reference": "1"}).json()
    assert (one["rewards"][:2], one["clusters"], one["status"], one["id"]) == ([2 / 3] * 2, [0, 0, 1], "scored", "g")
    assert one["correct"] == [True, True, False]
    many = server.post("/score", json={"groups": [group, {**group, "expected_size": 4}]}).json()["scores"]
    assert many[0]["rewards"] == one["rewards"]
    assert (many[1]["rewards"], many[1]["status"], many[1]["cause"]) == ([None] * 3, "unscored", "incomplete")
    assert server.post("/score", json={"groups": []}).json() == {"scores": []}


@pytest.mark.parametrize("label", ["1", 1, ["7", 1], [None, "1"]])
def test_a_label_is_a_text_a_number_or_a_list_of_them(server: Server, label: object) -> None:
    group = {"prompt": "q", "responses": [r"\boxed{1}", r"\boxed{2}"], "reference": label}
    assert server.post("/score", json=group).json()["correct"] == [True, False]
    member = {"prompt": "q", "response": r"\boxed{1}", "reference": label, "group_size": 1}
    answer = httpx.put(f"{server.url}/v1/groups/labelled {label}/members/0", json=member, timeout=60).json()
    assert answer["correct"] is True


@pytest.mark.parametrize("label", [True, [[1]], {"a": 1}])
def test_what_is_no_label_is_refused(server: Server, label: object) -> None:
    assert server.post("/score", json={"prompt": "q", "responses": ["1"], "reference": label}).status_code == 422


def test_members_with_ids_join_once_and_may_be_forgotten(server: Server) -> None:
    def put(member: int | str, answer: int, group: str = "step 1/g 7", **more: Any) -> httpx.Response:
        content = {"prompt": "q", "response": rf"\boxed{{{answer}}}", "reference": "1", **more}
        return httpx.put(f"{server.url}/v1/groups/{group}/members/{member}", json=content, timeout=60)

    with ThreadPoolExecutor(SIZE + 1) as threads:
        posts = [threads.submit(put, member, answer) for member, answer in ((0, 1), (0, 1), (1, 1), (2, 2), (3, 1))]
        answers = [post.result().json() for post in posts]
    assert [answer["reward"] for answer in answers] == [0.75, 0.75, 0.75, 0.25, 0.75]
    assert [answer["correct"] for answer in answers] == [True, True, True, False, True]
    assert answers[0]["group"]["id"] == "step 1/g 7"
    assert put(2, 2).json()["reward"] == 0.25
    for conflict in (put(2, 9), put(2, 2, prompt="another"), put(4, 1, prompt="another")):  # never paid
        assert (conflict.status_code, conflict.json()["retry"]) == (409, False)
        assert "step 1/g 7" in conflict.json()["error"]

    gone = httpx.delete(f"{server.url}/v1/groups/short/members/b?group_size=2", timeout=30)
    assert gone.json() == {"forgotten": True}
    left = put("a", 1, "short", group_size=2).json()
    assert (left["reward"], left["group"]["cause"], left["group"]["size"]) == (None, "incomplete", 1)
    other_size = put("a", 1, "short", group_size=3)
    assert other_size.status_code == 422
    assert "2 members" in other_size.json()["error"]


def test_members_that_only_vote(server: Server) -> None:
    """They have no reward; without one that is trained on their group is refused, or incomplete where it was lost."""

    def put(group: str, member: int, answer: int, size: int, **more: Any) -> httpx.Response:
        content = {"prompt": "q", "response": rf"\boxed{{{answer}}}", "group_size": size, **more}
        return httpx.put(f"{server.url}/v1/groups/{group}/members/{member}", json=content, timeout=60)

    def gathered(group: str, size: int, members: list[dict[str, Any]]) -> list[httpx.Response]:
        with ThreadPoolExecutor(len(members)) as threads:
            posts = [threads.submit(put, group, i, 1 + i // 2, size, **more) for i, more in enumerate(members)]
            return [post.result() for post in posts]

    vote = {"trained": False}
    answers = [post.json() for post in gathered("votes", 4, [{}, vote, {}, {"trained": False, "vote_weight": 3}])]
    assert [answer["reward"] for answer in answers] == [2 / 6, None, 4 / 6, None]
    assert [answer["trained"] for answer in answers] == [True, False, True, False]
    assert answers[1]["neutral"] == pytest.approx(0.5)
    for refused in gathered("alone", 2, [vote, vote]):
        assert (refused.status_code, refused.json()["retry"]) == (422, False)
        assert "no response is trained on" in refused.json()["error"]
    assert httpx.delete(f"{server.url}/v1/groups/lost/members/9?group_size=2", timeout=30).json() == {"forgotten": True}
    (lost,) = gathered("lost", 2, [vote])
    assert (lost.json()["reward"], lost.json()["group"]["cause"]) == (None, "incomplete")
    for wrong in ({"vote_weight": -1}, {"vote_weight": "1"}, {"trained": 1}, {"side": 3}):
        assert put("wrong", 0, 1, 2, **wrong).status_code == 422


def test_groups_with_votes_weights_and_sides(server: Server) -> None:
    body = {"prompt": "q", "responses": [r"\boxed{1}", r"\boxed{2}", r"\boxed{2}"]}
    found = server.post("/score", json={**body, "trained": [True, True, False], "vote_weights": [2, 1, 0.5]}).json()
    assert (found["rewards"], found["trained"]) == ([2 / 3.5, 1.5 / 3.5, None], [True, True, False])
    for wrong in (
        {"trained": [False] * 3},
        {"trained": [True]},
        {"vote_weights": [0, 0, 0]},
        {"vote_weights": [1, 1, -1]},
        {"sides": ["x", None, "y"]},
    ):
        assert server.post("/score", json={**body, **wrong}).status_code == 422
    sides = server.post("/score", json={**body, "sides": ["x", "y", "y"]}).json()
    assert (sides["status"], sides["rewards"]) == ("unscored", [None] * 3)


MALFORMED = {
    "no JSON": (b"{", 400),
    "no UTF-8": (b'{"query": ["\xff"]}', 400),
    "NaN": (b'{"query": [NaN], "prompts": ["a"]}', 400),
    "deep": (b"[" * 200_000, 400),
    "long integer": (b"[" + b"1" * 10_000 + b"]", 400),
    "empty": (b"", 400),
    "a list": (b"[]", 422),
    "null": (b"null", 422),
    "wrong type": (b'{"query": "a", "prompts": ["a"], "responses": 3, "prompt": 1, "response": []}', 422),
    "wrong types inside": (b'{"query": [1], "prompts": [2], "responses": [3], "prompt": {}, "response": null}', 422),
}


@pytest.mark.parametrize("path", ["/get_reward", "/eval/get_reward", "/score", "/v1/groups/x/members/0"])
@pytest.mark.parametrize(("content", "status"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_bodies_are_refused_in_one_line(server: Server, path: str, content: bytes, status: int) -> None:
    answer = server.post(path, content=content, headers={"X-Request-ID": "mine 17"})
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "retry", "request_id"}
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "mine 17"
    assert "\n" not in answer.json()["error"]
    assert len(answer.content) < 500
    assert "Traceback" not in server.text


def test_other_mistakes_are_4xx(server: Server) -> None:
    whole = {"prompt": "q", "responses": ["a"]}
    for path, content, part in (
        ("/score", {**whole, "colour": 1}, "colour"),
        ("/score", {**whole, "expected_size": 0}, "expected_size"),
        ("/score", {**whole, "token_logprobs": [[0.5]]}, "log-probability"),
        ("/score", {"groups": [whole, {"prompt": "q", "responses": []}]}, "groups[1].responses"),
        ("/score", {"groups": [], "more": 1}, "groups"),
        ("/score", {"groups": 3}, "groups"),
        ("/get_reward?group_size=0", body("q", 1), "group_size"),
        ("/get_reward?group_size=1e9", body("q", 1), "group_size"),
        ("/get_reward?group_size=99999", body("q", 1), "group_size"),
        ("/v1/groups/g/members/0", {"prompt": "q", "response": "a", "group_size": 0}, "group_size"),
    ):
        answer = server.post(path, json=content)
        assert answer.status_code == 422, path
        assert part in answer.json()["error"]
    assert server.post("/nothing", json={}).status_code == 404
    assert server.get("/get_reward").status_code == 405
    assert httpx.put(server.url + "/score", json=whole).status_code == 405
    assert "Traceback" not in server.text


def test_health_readiness_and_metrics(server: Server) -> None:
    assert server.get("/health").json()["status"] == "ok"
    assert server.get("/ready").json() == {"status": "ok", "diagnosis": None}
    before = {name: server.metric(f"empo_rewards_{name}") for name in ("groups_total", "unanimous_groups_total")}
    blanks = server.metric("empo_rewards_responses_total", answer="blank")
    groups = [boxed("Metrics. ", [1, 1, 1, 1]), boxed("More metrics. ", [1, 2, 3, 4])]
    asyncio.run(replay(groups, server.url, Behaviour(spread_seconds=0.1)))
    server.post("/score", json={"prompt": "q", "responses": ["", r"\boxed{1}"]})
    assert server.metric("empo_rewards_groups_total") == before["groups_total"] + 3
    assert server.metric("empo_rewards_unanimous_groups_total") == before["unanimous_groups_total"] + 1
    assert server.metric("empo_rewards_responses_total", answer="blank") == blanks + 1
    assert server.metric("empo_rewards_open_groups") == 0
    text = server.get("/metrics").text
    for name in ("entropy_nats_bucket", "largest_share_sum", "request_seconds_bucket", "oldest_seconds", "waiting"):
        assert f"empo_rewards_{name}" in text


def test_the_description_covers_every_path(server: Server) -> None:
    paths = server.get("/openapi.json").json()["paths"]
    wanted = {"/get_reward", "/eval/get_reward", "/score", "/health", "/ready", "/metrics"}
    assert wanted | {"/v1/groups/{group_id}/members/{member}"} == set(paths)
    assert paths["/get_reward"]["post"]["requestBody"]["required"] is True
    json.dumps(paths)


MEMBER = "/v1/groups/two ways/members/0"


@pytest.mark.parametrize(
    ("path", "headers", "status", "part"),
    [
        ("/v1/groups/%ff/members/0", {}, 422, "UTF-8"),
        ("/v1/groups/g/members/%fe", {}, 422, "UTF-8"),
        ("/v1/groups/g/members/1%2Fmembers%2F2", {}, 422, "slash"),
        (f"{MEMBER}?run=%ff", {}, 422, "UTF-8"),
        (MEMBER, {"X-Run": b"\xff"}, 422, "UTF-8"),
        (f"{MEMBER}?run=a&run=b", {}, 422, "more than once"),
        (f"{MEMBER}?run=a", {"X-Run": "b"}, 422, "more than once"),
        (f"{MEMBER}?group_size=2", {}, 422, "more than once"),
        (MEMBER, {"X-Group-Size": "2"}, 422, "more than once"),
        (MEMBER, {"Content-Encoding": "gzip"}, 415, "Content-Encoding"),
        (MEMBER, {"Connection": "Upgrade", "Upgrade": "h2c"}, 400, "Upgrade"),
        (f"{MEMBER}/", {}, 404, "Not Found"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(
    server: Server, path: str, headers: dict[str, Any], status: int, part: str
) -> None:
    content = {"prompt": "q", "response": r"\boxed{1}", "group_size": 1}
    answer = server.post(path, json=content, headers=headers)
    assert (answer.status_code, part in answer.text) == (status, True), answer.text


def test_two_names_are_not_read_as_one_and_one_name_is_one_wherever_it_stands(server: Server) -> None:
    content = {"prompt": "q", "response": r"\boxed{1}"}
    with ThreadPoolExecutor(2) as threads:
        for first, second in (
            (("/v1/groups/01/members/1?group_size=2", {}), ("/v1/groups/01/members/01", {"X-Group-Size": "2"})),
            (
                ("/v1/groups/r/members/0?run=%C3%A9&group_size=2", {}),
                ("/v1/groups/r/members/1?group_size=2", {"X-Run": "\xe9".encode()}),
            ),
        ):
            posts = [
                threads.submit(server.post, path, json=content, headers=headers) for path, headers in (first, second)
            ]
            assert [post.result().json()["reward"] for post in posts] == [1.0, 1.0]


def test_trailers_are_no_headers(server: Server) -> None:
    content = json.dumps({"query": ["q"], "prompts": ["q"]}).encode()
    request = (
        b"POST /get_reward?group_size=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"%x\r\n%s\r\n0\r\nX-Group-Size: 2\r\nX-Request-ID: trailed\r\n\r\n" % (len(content), content)
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as caller:
        caller.sendall(request)
        answer = caller.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"trailed" not in answer


def test_a_refused_request_that_waits_to_be_told_to_go_on_is_the_last_of_its_connection(server: Server) -> None:
    """Whether its body still comes is not known: what follows must not be read as the body."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as caller:
        caller.sendall(b"POST /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        answer = b""
        while part := caller.recv(10_000):
            answer += part
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"connection: close" in answer


def test_odd_text_does_no_harm(server: Server) -> None:
    surrogate = b'{"query": ["q\\ud800\\\\boxed{\\ud800}"], "prompts": ["q"], "labels": ["\\ud800"]}'
    answer = server.post("/get_reward?group_size=1", content=surrogate)
    assert (answer.status_code, answer.json()["rewards"]) == (200, 1.0)
    hostile = boxed("q", ["__import__('os').system('exit')", "{0.__class__}", "a\x00b", "1" * 5000], None)
    answers = server.post("/score", json={"prompt": "q", "responses": hostile.responses}).json()
    assert answers["rewards"] == shares(hostile)

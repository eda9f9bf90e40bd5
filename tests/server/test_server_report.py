"""Who is let in by the API key; the report at `/`: who sees it, and what is in it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from serving import EXACT, Server, boxed, children, commands, eventually, made_up, serving

from empo_rewards import Group, Scorer
from empo_rewards.server import report as report_module
from empo_rewards.server.report import LastGroups

KEY = "s3cret/+"
MOST = 16


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file = tmp_path_factory.mktemp("secrets") / "key"
    file.write_text(KEY + "\n")
    options = ("--group-size", "2", "--idle-seconds", "1", "--report-groups", str(MOST), "--api-key-file", str(file))
    with serving(*options, *EXACT) as running:
        yield running


@pytest.fixture
def trainer(server: Server) -> Iterator[httpx.Client]:
    """Who has the key."""
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client:
        yield client


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    """A browser in which the key was entered."""
    with httpx.Client(base_url=server.url, timeout=60, follow_redirects=True) as client:
        assert client.post("/login", data={"key": KEY}).status_code == 200
        yield client


def index(client: httpx.Client, wanted: int, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """The index as soon as it has so many rows: what is new to who knows one."""
    query = {} if known is None else {"run": known["run"], "after": known["rows"]}
    found: dict[str, Any] = {}

    def is_there() -> bool:
        answer = client.get("/report/index", params=query)
        found.update(answer.json() if answer.content else {"rows": 0})
        return bool(found["rows"] >= wanted)

    eventually(is_there, f"{wanted} rows are not there")
    return found


def post_group(trainer: httpx.Client, name: str, *answers: object) -> dict[str, Any]:
    group = boxed(f"{name}? ", answers)
    body = {"id": name, "prompt": group.prompt, "responses": group.responses}
    return trainer.post("/score", json=body).raise_for_status().json()  # type: ignore[no-any-return] # of JSON


def test_the_key_is_asked_for(server: Server) -> None:
    whole = {"prompt": "q", "responses": [r"\boxed{1}"]}
    wrong = [
        {},
        {"Authorization": "Bearer s3cret"},
        {"Authorization": KEY},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic " + "czNjcmV0"},
    ]
    for headers in wrong:
        answer = server.post("/score", json=whole, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "error" in answer.json()
    long = server.post("/score", content=b"x" * 2**22, headers={"Authorization": "Bearer wrong"})
    assert long.status_code == 401, "whoever sends a long body is told, too"
    assert server.get("/metrics").status_code == 401
    assert server.get("/health").status_code == server.get("/ready").status_code == 200
    assert server.post("/score", json=whole, headers={"Authorization": f"Bearer {KEY}"}).json()["rewards"] == [1]
    url = server.url.replace("http://", "http://empo:s3cret%2F%2B@") + "/score"
    assert httpx.post(url, json=whole).json()["rewards"] == [1]
    assert "s3cret" not in server.text


def test_without_the_key_there_is_a_form_and_nothing_else(server: Server, trainer: httpx.Client) -> None:
    post_group(trainer, "a secret question", 1, 2)
    with httpx.Client(base_url=server.url) as stranger:
        form = stranger.get("/")
        assert (form.status_code, "www-authenticate" in form.headers) == (401, False)
        assert 'type="password"' in form.text
        for path in ("/report/index", "/report/group?row=0", "//", "/login"):
            assert stranger.get(path).status_code in (401, 405)
        for data in ({"key": "s3cret"}, {"key": ""}, {}, {"key": "\u00e9\ud83d"}):
            refused = stranger.post("/login", content=str(data) if len(data.get("key", "")) == 2 else None, data=data)
            assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
            assert "This is not the key." in refused.text
        stranger.cookies.set("empo_rewards_report", "x")
        assert stranger.get("/report/index").status_code == 401
        assert stranger.post("/login", content=b"key=" + b"x" * 10**6).status_code == 413


def test_the_key_opens_the_report_for_reading_and_nothing_else(server: Server) -> None:
    with httpx.Client(base_url=server.url, timeout=60) as browser:
        entered = browser.post("/login", data={"key": KEY})
        assert (entered.status_code, entered.headers["location"]) == (303, "./")
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        page = browser.get("/")
        assert page.status_code == 200
        assert 'id="live"' in page.text
        assert page.headers["content-security-policy"] == "frame-ancestors 'none'"
        again = browser.get("/", headers={"If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        found = browser.get("/report/index")
        for text in (cookie, page.text, found.text, str(found.headers)):
            assert "s3cret" not in text
        whole = {"prompt": "q", "responses": ["1"]}
        for method, path in (
            ("POST", "/score"),
            ("POST", "/get_reward"),
            ("PUT", "/v1/groups/g/members/0"),
            ("DELETE", "/v1/groups/g/members/0"),
            ("POST", "/"),
            ("POST", "/report/index"),
            ("GET", "/metrics"),
            ("GET", "/openapi.json"),
        ):
            assert browser.request(method, path, json=whole).status_code == 401, path
    assert "s3cret" not in server.text


def test_new_groups_of_every_path_appear_and_nothing_is_sent_twice(
    trainer: httpx.Client, browser: httpx.Client
) -> None:
    before = index(browser, 0)
    unchanged = browser.get("/report/index", params={"run": before["run"], "after": before["rows"]})
    assert (unchanged.status_code, unchanged.content) == (204, b"")
    score = post_group(trainer, "direct", 1, 1, "<script>alert(1)</script>")
    batch = {"query": [r"p\boxed{1}", r"p\boxed{2}"], "prompts": ["p", "p"], "labels": ["1", "1"]}
    assert trainer.post("/eval/get_reward", json=batch).status_code == 200
    alone = {"prompt": "q", "response": r"\boxed{3}"}
    assert trainer.put("/v1/groups/alone/members/0", json=alone).json()["reward"] is None
    after = index(browser, before["rows"] + 3, before)
    columns = after["columns"]
    assert len(columns["id"]) == 3, "what was there is not sent again"
    row = after["rows"] - 3 + columns["id"].index("direct")
    assert sorted(columns["outcome"]) == ["incomplete", "scored", "scored"]
    assert {source["name"] for source in after["overview"]["sources"]} >= {"direct", "evaluation", "training"}
    shown = browser.get("/report/group", params={"run": after["run"], "row": row}).json()
    assert shown["rewards"] == score["rewards"] == [2 / 3, 2 / 3, 1 / 3]
    assert shown["responses"][2].count("<script>") == 1


def test_old_groups_are_forgotten(trainer: httpx.Client, browser: httpx.Client) -> None:
    before = index(browser, 0)
    for n in range(2 * MOST):
        post_group(trainer, f"group {n}", n)
    after = index(browser, before["rows"] + 2 * MOST, before)
    assert len(after["columns"]["id"]) == after["rows"] - after["first"] <= MOST
    assert after["columns"]["id"][-1] == f"group {2 * MOST - 1}"
    for row, there in ((after["first"] - 1, False), (after["first"], True)):
        shown = browser.get("/report/group", params={"run": after["run"], "row": row}).json()
        assert (shown is not None) == there


def test_the_death_of_its_process_costs_no_score_and_it_begins_anew(
    server: Server, trainer: httpx.Client, browser: httpx.Client
) -> None:
    post_group(trainer, "before", 1)
    known = index(browser, 1)
    started = [pid for pid, line in commands(children(server.process.pid)).items() if "spawn_main" in line]
    os.kill(max(started), signal.SIGKILL)  # it was started last
    assert post_group(trainer, "after", 1, 1)["rewards"] == [1, 1]

    def is_anew() -> bool:
        answer = trainer.get("/report/index", params={"run": known["run"], "after": known["rows"]})
        return answer.status_code == 200 and answer.json()["run"] != known["run"]

    eventually(is_anew, "the report does not begin anew")
    post_group(trainer, "later", 1, 1)
    assert index(browser, 1)["columns"]["id"][-1] == "later"


def test_where_it_was_not_asked_for_there_is_none_and_without_a_key_no_other_name_reads_it() -> None:
    with serving("--group-size", "2", "--report-groups", "4", *EXACT) as server:
        for host, status in (("127.0.0.1:1", 200), ("localhost", 200), ("[::1]:80", 200), ("evil.example:80", 404)):
            for path in ("/", "/report/index"):
                assert httpx.get(server.url + path, headers={"Host": host}, timeout=30).status_code == status
        assert server.stop() == 0


@pytest.mark.parametrize("bound", ["number", "bytes"])
def test_what_is_kept_has_bounds(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if bound == "bytes":
        monkeypatch.setattr(report_module, "KEPT_BYTES", 100_000)
    last = LastGroups(8 if bound == "number" else 10**6)
    with Scorer({"preset": "empo-math", "equivalence": "exact"}) as scorer:
        for n, made in enumerate(made_up(40, 4, seed=3)):
            group = Group(
                made.prompt,
                [text + "x" * 2_000 for text in made.responses],
                id="i" * 5_000,
                data_source="s" * 5_000,
                metadata={"step": n / 7},
            )
            last.add(group, scorer.score(group), "direct")
            (found,) = [json.loads(last.live.answer("/report/index").body)]
            kept = len(found["columns"]["id"])
            assert 1 <= kept <= (8 if bound == "number" else 10)
            assert found["first"] + kept == found["rows"] == n + 1
            assert found["overview"]["groups"] == kept
    assert max(map(len, found["columns"]["id"])) == report_module.MAX_NAME
    assert found["overview"]["steps"] is None
    huge = Group("q", ["x" * 200_000])
    last.add(huge, Scorer("empo-math").score(huge), "direct")
    assert json.loads(last.live.answer("/report/index").body)["rows"] == 41

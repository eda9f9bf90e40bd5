"""`generate` with a real vLLM, whose server is killed and restarted, and what the guide does with its output."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from vllm_server import ENVIRONMENT, VllmServer

from empo_rewards.cli.app import run
from empo_rewards.reading import ReadGroup, read_groups

CITIES = ("Paris", "London", "Rome", "Oslo")
N = 3


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    file = tmp_path / "prompts.jsonl"
    rows = [{"id": k, "prompt": f"{CITIES[k % 4]} or {CITIES[k // 4 % 4]}, {k}?", "answer": "No"} for k in range(24)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def groups(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def check(out: Path, prompts: Path) -> None:
    """Each prompt has its group, once and in order, with what vLLM says of it."""
    found = groups(out)
    assert [row["prompt"] for row in found] == [json.loads(line)["prompt"] for line in prompts.open()]
    for row in found:
        assert len(row["responses"]) == len(row["token_logprobs"]) == N
        assert {*row["metadata"]["finish_reasons"]} <= {"length", "stop"}
        assert row["metadata"]["completion_tokens"] == sum(map(len, row["token_logprobs"])) <= 2 * N
        assert row["metadata"]["prompt_tokens"] > 0


GIVEN = ("-n", str(N), "--max-tokens", "2", "--logprobs", "--seed", "1")


def test_a_server_that_is_killed_and_restarted_loses_nothing_and_doubles_nothing(
    model: Path, prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rollouts.jsonl"
    first = VllmServer(model, tmp_path / "log.txt")
    try:
        first.wait()
        given = ["generate", str(prompts), "--url", first.url, "--out", str(out), *GIVEN, "--concurrency", "1"]
        codes: list[int] = []
        job = threading.Thread(target=lambda: codes.append(run([*given, "--attempts", "200"])))
        job.start()
        while not (out.exists() and len(groups(out)) >= 3) and job.is_alive():
            job.join(0.02)
        first.kill()
        second = VllmServer(model, tmp_path / "log2.txt", port=first.port)
        try:
            job.join(400)
            assert codes == [0], capsys.readouterr().err
            check(out, prompts)
            # The guide's next steps.
            scores, chosen, page = tmp_path / "scores.jsonl", tmp_path / "chosen.jsonl", tmp_path / "page.html"
            assert run(["score", str(out), "--config", "empo-natural", *SHORT, "--out", str(scores)]) == 0
            assert run(["select", str(out), *SHORT, "--entropy", "0..", "--for", "plain", "--out", str(chosen)]) == 0
            assert run(["dataset", str(chosen), "--for", "trl", "--out", str(tmp_path)]) == 0
            assert run(["report", str(scores), str(out), "--out", str(page)]) == 0
            assert len(groups(scores)) == len(groups(chosen)) == 24
        finally:
            second.kill()
    finally:
        first.kill()


SHORT = ("--set", "extraction=[whole_text]", "--set", "equivalence=exact")


def test_in_this_process_as_the_server_says(
    server: VllmServer, model: Path, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    texts = {}
    arguments = ["--set", "dtype=float32", "--set", "max_model_len=512", "--set", "enforce_eager=true"]
    for kind, given in (("served", ["--url", server.url]), ("own", ["--vllm", str(model), *arguments])):
        out = tmp_path / f"{kind}.jsonl"
        assert run(["generate", str(prompts), *given, *GIVEN, "--out", str(out)]) == 0
        check(out, prompts)
        texts[kind] = [row["responses"] for row in groups(out)]
    assert texts["own"] == texts["served"]


def test_a_prompt_that_is_too_long_stands_apart(server: VllmServer, tmp_path: Path) -> None:
    file, out = tmp_path / "prompts.jsonl", tmp_path / "out.jsonl"
    file.write_text(json.dumps({"prompt": "Paris"}) + "\n" + json.dumps({"prompt": "Rome " * 600}) + "\n")
    assert run(["generate", str(file), "--url", server.url, *GIVEN, "--out", str(out)]) == 3
    assert [row["prompt"] for row in groups(out)] == ["Paris"]
    (bad,) = groups(tmp_path / "out.jsonl.rejected.jsonl")
    assert bad["line"] == 2
    assert "400" in bad["cause"]


@pytest.mark.parametrize("path", ["chat/completions", "completions"])
def test_its_replies_are_read(server: VllmServer, tmp_path: Path, path: str) -> None:
    chat = [{"role": "user", "content": "Paris or Rome?"}]
    asked = {"messages": chat, "logprobs": True} if path.startswith("chat") else {"prompt": "Paris?", "logprobs": 1}
    body = {"model": "tiny", "n": 3, "max_tokens": 2, "seed": 1, **asked}
    reply = httpx.post(f"{server.url}/{path}", json=body, timeout=60).json()
    file = tmp_path / "replies.jsonl"
    file.write_text(json.dumps({"request": body, "response": reply}) + "\n")
    (item,) = read_groups(file)
    assert isinstance(item, ReadGroup)
    assert item.group.prompt == asked.get("messages", "Paris?")
    texts = [choice["text"] if "text" in choice else choice["message"]["content"] for choice in reply["choices"]]
    assert list(item.group.responses) == texts
    assert item.group.token_logprobs is not None
    assert sum(map(len, item.group.token_logprobs)) == reply["usage"]["completion_tokens"]

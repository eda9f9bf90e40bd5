"""`generate` against a server that misbehaves: every prompt gets its responses once, whatever happens."""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from local_server import Answer
from pages import code_blocks
from sampling_server import SamplingServer, prompt_of

from empo_rewards.cli.app import run
from empo_rewards.completions import endpoints

Generate = Callable[..., tuple[int, str]]

N = 4


@pytest.fixture
def server() -> Iterator[SamplingServer]:
    with SamplingServer() as running:
        yield running


@pytest.fixture
def generate(
    server: SamplingServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Generate:
    """Runs the command on a file of ten prompts; its exit code and what it says."""
    monkeypatch.setattr(endpoints, "FIRST_PAUSE", 0.05)
    write_prompts(tmp_path, 10)

    def call(*more: str | Path, url: str | None = None) -> tuple[int, str]:
        arguments = ["generate", tmp_path / "prompts.jsonl", "--url", url or server.url, "-n", N]
        code = run([*map(str, arguments), "--out", str(tmp_path / "out.jsonl"), *map(str, more)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out + said.err

    return call


def write_prompts(folder: Path, count: int) -> None:
    rows = [{"id": k, "prompt": f"p{k}", "answer": str(k)} for k in range(count)]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def groups(folder: Path, name: str = "out.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def check_whole(folder: Path, count: int = 10, n: int = N) -> None:
    """Each prompt has its group, in order, and no response stands twice."""
    found = groups(folder)
    assert [row["prompt"] for row in found] == [f"p{k}" for k in range(count)]
    responses = [(row["prompt"], response) for row in found for response in row["responses"]]
    assert all(response.startswith(f"{prompt}:") for prompt, response in responses)
    assert len(responses) == len(set(responses)) == count * n
    assert all(len(row["metadata"]["finish_reasons"]) == n for row in found)


def test_a_group_for_each_prompt_that_score_reads(generate: Generate, tmp_path: Path) -> None:
    code, said = generate()
    assert code == 0
    check_whole(tmp_path)
    first = groups(tmp_path)[0]
    assert (first["id"], first["reference"]) == ("0", "0")
    assert first["metadata"]["model"] == "tiny"
    assert (first["metadata"]["prompt_tokens"], first["metadata"]["completion_tokens"]) == (7, 3 * N)
    assert "10 groups; now 40 responses, 120 tokens" in said
    assert run(["score", str(tmp_path / "out.jsonl"), "--out", str(tmp_path / "scores.jsonl")]) == 0
    assert len((tmp_path / "scores.jsonl").read_text().splitlines()) == 10


@pytest.mark.parametrize("page", ["generate.md", "guide.md"])
def test_the_commands_of_the_pages(
    server: SamplingServer, generate: Generate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """Sampling and what follows, as they print it, but for the server and its model."""
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    block = next(block for block in code_blocks(text, "sh") if "empo-rewards generate" in block)
    commands = [shlex.split(line) for line in block.splitlines() if line.startswith("empo-rewards")]
    assert [command[1] for command in commands][:2] == ["generate", "score"]
    for command in commands:
        own = {"http://localhost:8000/v1": server.url, "MODEL": "tiny"}
        assert run([own.get(argument, argument) for argument in command[1:]]) == 0
    assert len(groups(tmp_path, "rollouts.jsonl")[9]["responses"]) == 16


def test_what_is_asked(server: SamplingServer, generate: Generate, tmp_path: Path) -> None:
    given = ("--temperature", "0.7", "--top-p", "0.9", "--max-tokens", "99", "--set", "top_k=5", "--limit", "1")
    assert generate(*given, "--instruction", "Answer in {prompt} words.")[0] == 0
    assert server.requests == [
        {
            "model": "tiny",
            "n": N,
            "temperature": 0.7,
            "top_p": 0.9,
            "max_tokens": 99,
            "top_k": 5,
            "messages": [{"role": "user", "content": "Answer in p0 words."}],
        }
    ]
    assert groups(tmp_path)[0]["prompt"] == "p0"
    assert groups(tmp_path)[0]["metadata"]["instruction"] == "Answer in {prompt} words."


def test_texts_for_base_models(server: SamplingServer, generate: Generate, tmp_path: Path) -> None:
    assert generate("--completions")[0] == 0
    assert {body["prompt"] for body in server.requests} == {f"p{k}" for k in range(10)}
    check_whole(tmp_path)


def test_log_probabilities_where_they_are_given(server: SamplingServer, generate: Generate, tmp_path: Path) -> None:
    assert generate("--logprobs", "--limit", "2")[0] == 0
    assert groups(tmp_path)[0]["token_logprobs"] == [[-0.5] * 3] * N
    server.answer = lambda body: server.sampled({**body, "logprobs": None})
    code, said = generate("--logprobs", "--limit", "2", "--overwrite")
    assert code == 0
    assert "8 of 8 responses came without log-probabilities" in said
    assert "token_logprobs" not in groups(tmp_path)[0]


@pytest.mark.parametrize("most", [1, 3])
def test_a_server_that_gives_fewer_than_asked_is_asked_for_the_rest(
    server: SamplingServer, generate: Generate, tmp_path: Path, most: int
) -> None:
    server.answer = lambda body: server.sampled(body, min(most, body["n"]))
    assert generate("--concurrency", "1", "--seed", "5")[0] == 0
    check_whole(tmp_path)
    assert len({body["seed"] for body in server.requests}) == len(server.requests)
    # Once it is known how many it gives, no more are asked for at once.
    assert [body["n"] for body in server.requests[-2:]] == ([1, 1] if most == 1 else [3, 1])


def test_a_server_that_gives_more_than_asked(server: SamplingServer, generate: Generate, tmp_path: Path) -> None:
    server.answer = lambda body: server.sampled(body, body["n"] + 3)
    assert generate()[0] == 0
    check_whole(tmp_path)


@pytest.mark.parametrize(
    "fault",
    [
        (429, {"error": "slow down"}, {"retry-after": "0"}),
        (500, {"error": "out of luck"}),
        (503, b"<html>bad gateway</html>"),
        (200, b"{}"),
        None,
    ],
    ids=["429", "500", "503", "no choices", "cut"],
)
def test_faults_that_pass(server: SamplingServer, generate: Generate, tmp_path: Path, fault: Answer | None) -> None:
    asked: Counter[str] = Counter()

    def answer(body: dict[str, Any]) -> Answer | None:
        asked[prompt_of(body)] += 1
        return fault if asked[prompt_of(body)] == 1 and prompt_of(body) in ("p0", "p7") else server.sampled(body)

    server.answer = answer
    code, said = generate()
    assert code == 0
    assert "trying again" in said
    check_whole(tmp_path)


def test_a_server_that_is_killed_and_comes_back(generate: Generate, tmp_path: Path) -> None:
    with SamplingServer() as first:
        port = first.port
        gone = threading.Event()

        def answer(body: dict[str, Any]) -> Answer | None:
            if prompt_of(body) not in ("p0", "p1", "p2"):
                gone.set()
                return None
            return first.sampled(body)

        first.answer = answer
        results: list[tuple[int, str]] = []
        job = threading.Thread(target=lambda: results.append(generate("--concurrency", "2", url=first.url)))
        job.start()
        assert gone.wait(30)
    time.sleep(0.7)  # nothing listens
    with SamplingServer(port):
        job.join(60)
    assert results[0][0] == 0
    check_whole(tmp_path)


def test_an_interrupted_run_is_resumed(server: SamplingServer, generate: Generate, tmp_path: Path) -> None:
    server.answer = lambda body: (401, {"error": "expired"}) if prompt_of(body) == "p6" else server.sampled(body)
    code, said = generate("--concurrency", "2")
    assert code == 2
    assert "401" in said
    assert "run again with --resume" in said
    before = (tmp_path / "out.jsonl").read_bytes()
    assert len(groups(tmp_path)) == 6
    server.requests.clear()
    server.answer = server.sampled
    assert generate("--resume")[0] == 0
    assert (tmp_path / "out.jsonl").read_bytes().startswith(before)
    assert sorted(prompt_of(body) for body in server.requests) == ["p6", "p7", "p8", "p9"]
    check_whole(tmp_path)
    server.requests.clear()
    assert generate("--resume")[0] == 0
    assert server.requests == []


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz"])
def test_prompts_that_the_server_refuses_stand_apart(
    server: SamplingServer, generate: Generate, tmp_path: Path, name: str
) -> None:
    stop = threading.Event()

    def answer(body: dict[str, Any]) -> Answer:
        if prompt_of(body) == "p7" and not stop.is_set():
            return 403, {"error": "stop"}
        if prompt_of(body) in ("p2", "p5"):
            return 400, {"error": "maximum context length is 512 tokens"}
        return server.sampled(body)

    server.answer = answer
    out = tmp_path / name
    assert generate("--out", out, "--concurrency", "1")[0] == 2
    stop.set()
    assert generate("--out", out, "--resume")[0] == 3
    bad = [json.loads(line) for line in (tmp_path / f"{name}.rejected.jsonl").read_text().splitlines()]
    assert [(row["line"], json.loads(row["row"])) for row in bad] == [(3, "p2"), (6, "p5")]
    assert "maximum context length" in bad[0]["cause"]
    assert run(["score", str(out), "--out", str(tmp_path / "scores.jsonl")]) == 0
    scores = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert [score["id"] for score in scores] == ["0", "1", "3", "4", "6", "7", "8", "9"]


def test_what_is_no_prompts_fault_ends_the_run(server: SamplingServer, generate: Generate, tmp_path: Path) -> None:
    server.answer = lambda body: (400, {"error": "top_k must be positive"})
    code, said = generate("--concurrency", "1")
    assert (code, len(server.requests)) == (2, 4)
    assert "top_k must be positive" in said


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"<!doctype html><title>Welcome</title>", "HTML"),
        (b'data: {"choices": []}\n\ndata: [DONE]\n', "a stream of events"),
        ({"object": "error", "error": {"message": "model is loading"}}, "model is loading"),
        ({"choices": [{"index": 0}]}, "neither a text nor a message"),
    ],
)
def test_what_is_no_such_server(server: SamplingServer, generate: Generate, reply: Any, said: str) -> None:
    server.answer = lambda body: (200, reply)
    code, told = generate("--limit", "1")
    assert code == 2
    assert said in told
    assert len(server.requests) == 4


def test_models(server: SamplingServer, generate: Generate) -> None:
    code, said = generate("--model", "tinny")
    assert (code, server.requests) == (2, [])
    assert "no model 'tinny'; did you mean 'tiny'?" in said
    server.models = (200, {"data": [{"id": "tiny"}, {"id": "large"}]})
    assert "lists several models: tiny, large; name one" in generate()[1]
    server.models = (404, {})
    assert "(a base URL usually ends in /v1)" in generate()[1]
    assert generate("--model", "any")[0] == 0


def test_a_base_url_without_its_end(server: SamplingServer, generate: Generate) -> None:
    for more in ((), ("--model", "tiny")):
        code, said = generate(*more, url=server.url.removesuffix("/v1"))
        assert code == 2
        assert "(a base URL usually ends in /v1)" in said


def test_no_prompts(generate: Generate, tmp_path: Path) -> None:
    for text, said in (("", "the file is empty"), ("\n \n", "there are no prompts")):
        (tmp_path / "prompts.jsonl").write_text(text)
        code, told = generate()
        assert code == 2
        assert said in told


def test_nothing_listens(generate: Generate) -> None:
    code, said = generate(url="http://127.0.0.1:1/v1")
    assert code == 2
    assert "http://127.0.0.1:1/v1 cannot be reached" in said


def test_the_key_is_sent_and_never_shown(
    server: SamplingServer, generate: Generate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-0123456789"
    monkeypatch.setenv("SOME_KEY", key)
    server.answer = lambda body: (401, {"error": f"{key} is not known"})
    code, said = generate("--api-key-variable", "SOME_KEY")
    assert code == 2
    assert "*** is not known" in said
    assert {headers["authorization"] for headers in server.headers} == {f"Bearer {key}"}
    server.answer = server.sampled
    assert generate("--api-key-variable", "SOME_KEY", "--overwrite")[0] == 0
    assert key not in "".join(path.read_text() for path in tmp_path.iterdir())
    assert "is not set" in generate("--api-key-variable", "NO_KEY")[1]


def test_changed_prompts_are_another_job(server: SamplingServer, generate: Generate, tmp_path: Path) -> None:
    server.answer = lambda body: (401, {}) if prompt_of(body) == "p3" else server.sampled(body)
    assert generate()[0] == 2
    write_prompts(tmp_path, 11)
    code, said = generate("--resume")
    assert code == 2
    assert "is of another job" in said
    assert "--overwrite begins anew" in generate()[1]


def test_an_empty_output_is_begun(generate: Generate, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").touch()
    assert generate("--resume")[0] == 0
    check_whole(tmp_path)


def test_prompts_once_and_rows_without_one_apart(server: SamplingServer, generate: Generate, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "p0"}\n{"prompt": "p0"}\n{"other": 1}\n{"prompt": "p1"}\n')
    code, said = generate()
    assert code == 3
    assert "1 row left out: the prompt is repeated" in said
    assert "prompts.jsonl:3: no prompt" in said
    check_whole(tmp_path, 2)


def test_cut_off_responses_are_pointed_at(server: SamplingServer, generate: Generate) -> None:
    def answer(body: dict[str, Any]) -> Answer:
        status, reply = server.sampled(body)[:2]
        reply["choices"][0] |= {"finish_reason": "length", "message": {"role": "assistant", "content": None}}
        return status, reply

    server.answer = answer
    said = generate("--max-tokens", "8")[1]
    assert "10 of 40 responses were cut off at the limit of tokens of 8" in said
    assert "10 of 40 responses are empty" in said


def test_reasoning_that_the_server_takes_out_is_put_back(
    server: SamplingServer, generate: Generate, tmp_path: Path
) -> None:
    message = {"role": "assistant", "content": r"\boxed{1}", "reasoning_content": "hm"}
    server.answer = lambda body: (200, {"choices": [{"index": k, "message": message} for k in range(body["n"])]})
    assert generate("--limit", "1")[0] == 0
    assert groups(tmp_path)[0]["responses"][0] == "<think>\nhm\n</think>\n\\boxed{1}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--temperature", "0"), "all responses to a prompt are the same"),
        (("--top-p", "2"), "top_p must be"),
        (("--out", "-"), "generate writes a file"),
        (("--vllm", "model"), "one of the two"),
        (("--url", "localhost:8000"), "is no base URL"),
        (("--set", "top_k"), "is not KEY=VALUE"),
        (("--set", "stream=true"), "--set stream: an option of the command, or the prompt, gives it"),
        (("--map", "promt=x"), "promt"),
        (("--instruction", "boxd"), "did you mean 'boxed'?"),
    ],
)
def test_wrong_usage_is_one_line(generate: Generate, arguments: tuple[str, ...], said: str) -> None:
    code, told = generate(*arguments)
    assert code == 2
    assert said in told
    assert len(told.splitlines()) == 1

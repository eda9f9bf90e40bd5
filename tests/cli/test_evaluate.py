"""`evaluate` with prompts: their responses are sampled as by `generate`, then compared with the labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from local_server import Answer
from sampling_server import SamplingServer, prompt_of

from empo_rewards.cli.app import run

Evaluate = Callable[..., tuple[int, str, str]]

N = 4


def answered(body: dict[str, Any]) -> Answer:
    r"""The problems `p0 of amc`, `p1 of aime`, ...: problem k gets k % (N + 1) responses that are right."""
    right = int(prompt_of(body).split()[0].removeprefix("p")) % (N + 1)
    texts = [r"so \boxed{7}" if place < right else r"so \boxed{8}" for place in range(body["n"])]
    return 200, {"choices": [{"message": {"content": text}, "finish_reason": "stop"} for text in texts]}


@pytest.fixture
def server() -> Iterator[SamplingServer]:
    with SamplingServer() as running:
        running.answer = answered
        yield running


@pytest.fixture
def evaluate(server: SamplingServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Evaluate:
    """Runs the command on a file of ten labelled prompts: its exit code, standard output and standard error."""
    rows = [{"question": f"p{k} of it", "gt": "7", "data_source": ("amc", "aime")[k % 2]} for k in range(10)]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def call(*more: str, url: bool = True) -> tuple[int, str, str]:
        where = ("--url", server.url) if url else ()
        code = run(["evaluate", str(tmp_path / "prompts.jsonl"), *where, "-n", str(N), *more])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, " ".join(said.err.split())

    return call


def test_one_call_is_generate_and_evaluate(
    evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "rollouts.jsonl")
    code, said, _ = evaluate("--out", out, "--json", "--k", "2")
    assert code == 0
    found = json.loads(said)["benchmarks"]
    assert {name: found[name]["groups"] for name in found} == {"amc": 5, "aime": 5}
    for benchmark in found.values():  # each has 0 to 4 of 4 responses right, in one of its problems
        assert benchmark["metrics"]["accuracy"]["mean"] == pytest.approx(0.5)
        assert benchmark["metrics"]["pass@2"]["mean"] == pytest.approx((0 + 3 / 6 + 5 / 6 + 1 + 1) / 5)
    assert run(["evaluate", out, "--json", "--k", "2"]) == 0
    assert capsys.readouterr().out == said


def test_what_is_asked(server: SamplingServer, evaluate: Evaluate, tmp_path: Path) -> None:
    given = ("--temperature", "0.6", "--max-tokens", "99", "--request", "top_k=5", "--set", "equivalence=exact")
    code, *_ = evaluate("--out", str(tmp_path / "out.jsonl"), *given, "--limit", "1", "--instruction", "{prompt} Now!")
    assert code == 0
    assert server.requests == [
        {
            "model": "tiny",
            "n": N,
            "temperature": 0.6,
            "max_tokens": 99,
            "top_k": 5,
            "messages": [{"role": "user", "content": "p0 of it Now!"}],
        }
    ]


def test_an_interrupted_evaluation_is_taken_up(server: SamplingServer, evaluate: Evaluate, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "rollouts.jsonl"), "--json", "--concurrency", "1")
    server.answer = lambda body: (401, {}) if len(server.requests) > 3 else answered(body)
    assert evaluate(*out)[0] == 2
    server.answer = answered
    assert "exists" in evaluate(*out)[2]
    code, said, _ = evaluate(*out, "--resume")
    assert code == 0
    assert sum(benchmark["groups"] for benchmark in json.loads(said)["benchmarks"].values()) == 10
    assert evaluate(*out, "--resume")[1] == said
    assert len(server.requests) < 20


def test_a_prompt_without_responses_is_no_wrong_answer(
    server: SamplingServer, evaluate: Evaluate, tmp_path: Path
) -> None:
    server.answer = lambda body: (400, {}) if prompt_of(body).startswith("p0") else answered(body)
    code, said, errors = evaluate("--out", str(tmp_path / "rollouts.jsonl"), "--json")
    assert code == 3
    assert "1 prompt without responses" in errors
    amc = json.loads(said)["benchmarks"]["amc"]["metrics"]["accuracy"]
    assert (amc["problems"], amc["mean"]) == (4, pytest.approx((1 + 2 + 3 + 4) / 16))


@pytest.mark.parametrize(
    ("more", "url", "message"),
    [
        ((), True, "writes one of rollouts: --out FILE"),
        (("OTHER", "--out", "OUT"), True, "sampling takes one file of prompts"),
        (("--out", "OUT"), False, "are for sampling: give --url or --vllm"),
        (("--resume",), False, "are for sampling: give --url or --vllm"),
        ((), False, "this is a prompt dataset without responses: generate first"),
        (("--out", "OUT", "--vllm", "model"), True, "Give --url URL or --vllm MODEL (one of the two)"),
        (("--out", "OUT", "--request", "n=3"), True, "n: an option of the command"),
    ],
)
def test_wrong_uses_are_one_line_and_ask_nothing(
    server: SamplingServer, evaluate: Evaluate, tmp_path: Path, more: tuple[str, ...], url: bool, message: str
) -> None:
    own = {"OUT": str(tmp_path / "out.jsonl"), "OTHER": str(tmp_path / "prompts.jsonl")}
    code, said, errors = evaluate(*(own.get(one, one) for one in more), url=url)
    assert (code, said) == (2, "")
    assert message in errors
    assert server.requests == []


def test_prompts_without_labels_are_refused_before_they_are_sampled(
    server: SamplingServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.txt").write_text("p0 of it\np1 of it\n")
    given = (str(tmp_path / "prompts.txt"), "--url", server.url, "--out", str(tmp_path / "out.jsonl"))
    assert run(["evaluate", *given]) == 2
    assert "prompts.txt: no prompt has a label to evaluate by" in " ".join(capsys.readouterr().err.split())
    assert server.requests == []

"""The judge behind a real vLLM server. The last test kills it."""

from __future__ import annotations

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import Any

import httpx
import pytest
from tiny_judge import ATLANTIS, MEANINGS, decision
from vllm_server import VllmServer

from empo_rewards import Group, GroupScore, Scorer

CITIES = tuple(MEANINGS)
PATIENT = {"timeout": 240, "deadline": 300}
"""vLLM takes its time with the first request, and longer on a busy machine."""


def scorer(server: VllmServer, **options: Any) -> Scorer:
    judge = {"url": server.url, "model": "tiny", "limits": PATIENT, **options}
    return Scorer({"preset": "empo-judge", "equivalence": judge, "gates": {"min_share": None}})


def group(*answers: str, name: str = "g") -> Group:
    return Group(f"Which city? ({name})", answers, id=name)


def shares(*answers: str) -> tuple[float, ...]:
    """The rewards, from what the judge is known to say."""
    same = [[a == b or decision(a, b) == "Yes" for b in answers] for a in answers]
    return tuple(sum(row) / len(answers) for row in same)


def assert_unscored(score: GroupScore, *detail: str) -> None:
    assert (score.status.value, score.cause and score.cause.value) == ("unscored", "equivalence_failed")
    assert any(part in (score.detail or "") for part in detail), score.detail


@pytest.mark.parametrize("form", ["verifier", "chat", "structured"])
@pytest.mark.parametrize("orders", ["both", "canonical"])
def test_every_form_is_understood(server: VllmServer, form: str, orders: str) -> None:
    with scorer(server, asking={"form": form, "orders": orders}) as judge:
        score = judge.score(group(*CITIES))
    assert score.rewards == shares(*CITIES)
    assert score.metrics["equivalence/prompt_tokens"] > 100
    assert score.metrics["equivalence/completion_tokens"] >= score.metrics["equivalence/model_evaluations"] > 0


def test_many_groups_from_many_threads(server: VllmServer) -> None:
    groups = [group(*answers, name=f"{n}") for n, answers in enumerate(combinations((*CITIES, "Paris"), 4))]
    with scorer(server, limits={**PATIENT, "concurrency": 16}) as judge, ThreadPoolExecutor(4) as threads:
        scores = list(threads.map(judge.score, groups))
        together = list(judge.score_many(groups))
    assert [score.rewards for score in scores] == [shares(*one.responses) for one in groups]
    assert [score.rewards for score in together] == [score.rewards for score in scores]


def test_what_is_no_answer_befalls_its_group(server: VllmServer) -> None:
    too_long = Group("word " * 600, ["Rome", "Oslo"])  # the model takes 512 tokens
    with scorer(server) as judge:
        scores = list(judge.score_many([group(*CITIES), group("Rome", ATLANTIS), too_long, group("Rome", "Oslo")]))
    assert scores[0].rewards == shares(*CITIES)
    assert scores[3].rewards == (0.5, 0.5)
    assert_unscored(scores[1], "neither Yes nor No")
    assert_unscored(scores[2], "refused the question: 400")


def test_a_server_that_does_not_answer_in_time(server: VllmServer) -> None:
    with scorer(server, limits={"timeout": 2, "attempts": 1}) as judge:
        server.signal(signal.SIGSTOP)
        try:
            score = judge.score(group(*CITIES))
        finally:
            server.signal(signal.SIGCONT)
    assert_unscored(score, "did not answer within 2 s")
    with scorer(server) as judge:
        assert judge.score(group(*CITIES)).rewards == shares(*CITIES)


def test_it_takes_over_from_a_server_that_is_not_there(server: VllmServer) -> None:
    with socket.socket() as bound:  # but it does not listen
        bound.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
        with scorer(server, url=[dead, server.url]) as judge:
            assert judge.score(group(*CITIES)).rewards == shares(*CITIES)


def test_a_server_killed_in_the_middle(server: VllmServer) -> None:
    def answered() -> float:
        lines = httpx.get(server.url.removesuffix("/v1") + "/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:request_success_total"))

    pairs = [("Paris", "Lutetia"), ("Rome", "Oslo")] * 300
    groups = [group(*pair, name=f"{n}") for n, pair in enumerate(pairs)]
    before = answered()
    with scorer(server, limits={"concurrency": 1, "attempts": 1}) as judge, ThreadPoolExecutor(1) as thread:
        scoring = thread.submit(lambda: list(judge.score_many(groups, batch_size=len(groups))))
        while answered() < before + 20:
            time.sleep(0.02)
        server.kill()
        scores = scoring.result()
    scored = [(one, score) for one, score in zip(groups, scores, strict=True) if score.status.value == "scored"]
    assert 5 <= len(scored) < len(groups)
    assert all(score.rewards == shares(*one.responses) for one, score in scored)
    for score in scores:
        if score.status.value != "scored":
            assert_unscored(score, "127.0.0.1")

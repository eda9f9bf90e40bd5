"""OpenRLHF's real actor and single-turn executor over HTTP, with the real server process."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rollouts
from rollouts import all_of, assert_shares, offline, passed_on, request, texts_of
from transformers import PreTrainedTokenizerFast

COMMAND = str(Path(sys.executable).parent / "empo-rewards")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server for groups of 16, and of 4 in evaluation."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    arguments = ["--config", "empo-math", "--group-size", "16", "--eval-group-size", "4", "--port", str(port)]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen([COMMAND, "serve", *arguments], stderr=log, env={**os.environ, "NO_COLOR": "1"})
        try:
            wait_for(f"{address}/ready", process, tmp_path / "server.log")
            yield address
        finally:
            process.terminate()
            process.wait(60)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def run(model: Path, server: str, training: list[dict[str, Any]], evaluation: list[dict[str, Any]]) -> list[Any]:
    """All groups at once."""

    async def rollout() -> list[Any]:
        actor = await rollouts.make_actor(model, remote_rm_url=[f"{server}/get_reward"])
        # OpenRLHF has one address for both; who evaluates with another size starts it with the second one.
        evaluating = await rollouts.make_actor(model, remote_rm_url=[f"{server}/eval/get_reward"])
        waits = [actor.generate_responses(**asked) for asked in training]
        waits += [evaluating.generate_responses(**asked) for asked in evaluation]
        return await all_of(*waits, seconds=240)

    return asyncio.run(rollout())


def test_every_reward_is_the_offline_reward_of_its_group(
    server: str, model: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    """64 groups of 16, of which 16 share a prompt with another, and 16 groups of 4 on the same prompts."""
    training = [request(tokenizer, f"question {k % 56}: ", "1/2" if k % 2 else "", 16) for k in range(64)]
    evaluation = [request(tokenizer, f"question {k}: ", "3", 4) for k in range(16)]
    random.Random(11).shuffle(training)
    results = run(model, server, training, evaluation)
    alone = {f"question {k}: " for k in range(8, 56)}
    shared: dict[str, list[tuple[str, float]]] = {}
    for asked, outputs in zip([*training, *evaluation], results, strict=True):
        responses = texts_of(tokenizer, outputs)
        rewards = [output["reward"] for output in outputs]
        if asked["prompt"] in alone or asked["num_samples"] == 4:
            expected = offline(asked["prompt"], responses, asked["label"] or None)
            assert rewards == list(expected.rewards)
            scores = rewards if expected.correct is None else expected.correct
            assert [o["scores"] for o in outputs] == [passed_on(*pair) for pair in zip(scores, rewards, strict=True)]
        else:  # without ids, two groups of one prompt are filled in order of arrival
            shared.setdefault(asked["prompt"], []).extend(zip(responses, rewards, strict=True))
    assert len(shared) == 8
    for given in shared.values():
        assert len(given) == 32
        assert_shares(given, 16)

"""Fixture: a real vLLM server with a tiny judge, per session (it takes half a minute to start)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_judge
from vllm_server import VllmServer


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-judge")
    tiny_judge.make(folder)
    return folder


@pytest.fixture(scope="session")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    running = VllmServer(model, tmp_path_factory.mktemp("vllm") / "log.txt")
    try:
        running.wait()
        yield running
    finally:
        running.kill()

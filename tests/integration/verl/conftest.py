"""Fixtures: one ray instance and one byte-level model per module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import verl_support as support


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder without weights."""
    return support.make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def tokenizer(model: Path) -> Any:
    """Its tokenizer: one token a byte."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A local ray."""
    with support.ray_session(TRANSFER_QUEUE_ENABLE="1"):
        yield

"""Tests that need OpenRLHF: the `openrlhf` sessions of noxfile.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

STUBS = Path(__file__).parent / "stubs"
sys.path[:0] = [str(STUBS), str(Path(__file__).parent)]

import rollouts  # noqa: E402 - the stubbed engine must be on the path first


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tokenizer, which is all of the model that the stubbed engine needs."""
    folder = tmp_path_factory.mktemp("model")
    rollouts.make_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(model: Path) -> rollouts.PreTrainedTokenizerFast:
    return rollouts.PreTrainedTokenizerFast.from_pretrained(model)

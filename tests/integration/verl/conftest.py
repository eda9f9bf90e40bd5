"""Fixtures: one byte-level model, one ray instance and one set of reward workers for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "nli"))
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


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """A local ray."""
    with support.ray_session(TRANSFER_QUEUE_ENABLE="1"):
        yield


@pytest.fixture(scope="session")
def manager(model: Path, cluster: None) -> Iterator[Any]:
    """verl's reward workers, started once: each takes ten seconds to import verl."""
    manager = support.reward_loop(support.run_config(model))
    yield manager
    support.end(manager)


@pytest.fixture(scope="session")
def queued(model: Path, cluster: None) -> Iterator[Any]:
    """A configuration of the v1 trainer, with its queue."""
    import transfer_queue as tq  # v0 lacks it

    made = support.run_config(model, "actor_rollout_ref.rollout.val_kwargs.n=2")
    made.transfer_queue.enable = True
    made.transfer_queue.backend.SimpleStorage.num_data_storage_units = 1
    tq.init(made.transfer_queue)
    yield made
    tq.close()

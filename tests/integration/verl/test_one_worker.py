"""One reward worker, and more rows than it runs calls at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import verl_support as support

pytestmark = pytest.mark.usefixtures("cluster")


def test_1600_rows_in_one_worker_come_through(model: Path, tokenizer: Any) -> None:
    manager = support.reward_loop(support.config(model, "data.train_batch_size=32", workers=1))
    rows = support.made_up_rows(100, 16, seed=9)
    result = manager.compute_rm_score(support.batch(tokenizer, rows))
    uids, responses = [uid for uid, _ in rows], [response for _, response in rows]
    rewards, _ = support.offline(uids, responses, [f"question of {uid}" for uid in uids])
    assert result.batch["rm_scores"].sum(-1).tolist() == support.float32(rewards)
    support.end(manager)


def test_twelve_rows_on_eight_workers(model: Path, tokenizer: Any) -> None:
    """A row and a half for each worker: the last four rows of the padded batch are copies."""
    manager = support.reward_loop(support.config(model, workers=8, n=6))
    rows = [("a", "\\boxed{1}")] * 4 + [("a", "\\boxed{2}")] * 2 + [("b", "\\boxed{3}")] * 3 + [("b", "\\boxed{4}")] * 3
    result = manager.compute_rm_score(support.batch(tokenizer, rows))
    assert result.batch["rm_scores"].sum(-1).tolist() == support.float32([4 / 6] * 4 + [2 / 6] * 2 + [0.5] * 6)
    support.end(manager)

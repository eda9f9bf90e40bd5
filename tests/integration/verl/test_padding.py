"""Batches whose size is not a multiple of the number of reward workers, which verl 0.9 pads; and a single worker."""

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


def test_copies_that_pad_the_batch_are_no_members(model: Path, tokenizer: Any) -> None:
    """Twelve rows on eight workers; then forty-nine, of which one is all that came of its group."""
    manager = support.reward_loop(support.config(model, workers=8, n=6))
    rows = [("a", "\\boxed{1}")] * 4 + [("a", "\\boxed{2}")] * 2 + [("b", "\\boxed{3}")] * 3 + [("b", "\\boxed{4}")] * 3
    result = manager.compute_rm_score(support.batch(tokenizer, rows))
    assert result.batch["rm_scores"].sum(-1).tolist() == support.float32([4 / 6] * 4 + [2 / 6] * 2 + [0.5] * 6)
    for seed in range(3):
        rows = support.made_up_rows(8, 6, seed)
        result = manager.compute_rm_score(support.batch(tokenizer, [*rows, ("short", "\\boxed{1}")]))
        uids, responses = [uid for uid, _ in rows], [response for _, response in rows]
        rewards, _ = support.offline(uids, responses, [f"question of {uid}" for uid in uids])
        assert result.batch["rm_scores"].sum(-1).tolist() == [*support.float32(rewards), 0.0]
        extra = result.non_tensor_batch
        assert list(extra["scored"]) == [1.0] * 48 + [0.0]
        assert list(extra["unscored/incomplete"]) == [0.0] * 48 + [1.0]
        assert (extra["group_size"][-1], extra["group_expected"][-1]) == (1.0, 6.0)
    support.end(manager)

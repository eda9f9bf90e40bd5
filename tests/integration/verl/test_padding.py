"""Batches whose size is not a multiple of the number of reward workers, which verl 0.9 pads with copies of rows."""

from __future__ import annotations

from typing import Any

import verl_support as support


def test_copies_are_no_members_of_whole_groups(manager: Any, tokenizer: Any) -> None:
    """Three groups on four workers, of which the last has three rows and two copies."""
    rows = [("a", "\\boxed{1}")] * 4 + [("a", "\\boxed{2}")] * 2 + [("b", "\\boxed{3}")] * 3 + [("b", "\\boxed{4}")] * 3
    rows += [("c", "\\boxed{5}")] * 6
    result = manager.compute_rm_score(support.batch(tokenizer, rows))
    assert result.batch["rm_scores"].sum(-1).tolist() == support.float32(
        [4 / 6] * 4 + [2 / 6] * 2 + [0.5] * 6 + [1] * 6
    )


def test_copies_do_not_complete_a_short_group(manager: Any, tokenizer: Any) -> None:
    """Three copies: of nine rows, where the last worker has nothing else; and of forty-nine."""
    for groups, short, seed in ((1, 3, 0), (8, 1, 1), (8, 1, 2)):
        rows = support.made_up_rows(groups, support.N, seed)
        result = manager.compute_rm_score(support.batch(tokenizer, [*rows, *[("short", "\\boxed{1}")] * short]))
        uids, responses = [uid for uid, _ in rows], [response for _, response in rows]
        rewards, _ = support.offline(uids, responses, [f"question of {uid}" for uid in uids])
        assert result.batch["rm_scores"].sum(-1).tolist() == [*support.float32(rewards), *[0.0] * short]
        extra = result.non_tensor_batch
        assert list(extra["scored"]) == [1.0] * len(rows) + [0.0] * short
        assert list(extra["unscored/incomplete"]) == [0.0] * len(rows) + [1.0] * short
        assert (extra["group_size"][-1], extra["group_expected"][-1]) == (short, support.N)

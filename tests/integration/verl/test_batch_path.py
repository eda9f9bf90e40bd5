"""The batch path: verl chunks the batch over its reward workers and pads it with copies."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import verl_support as support

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture(scope="module")
def manager(model: Path, cluster: None) -> Iterator[Any]:
    manager = support.reward_loop(support.config(model, workers=3))
    yield manager
    support.end(manager)


def test_every_reward_is_the_offline_reward_of_its_group(manager: Any, tokenizer: Any) -> None:
    rows = support.made_up_rows(128, 16)
    result = manager.compute_rm_score(support.batch(tokenizer, rows))
    uids, responses = [uid for uid, _ in rows], [response for _, response in rows]
    rewards, scores = support.offline(uids, responses, [f"question of {uid}" for uid in uids])
    assert result.batch["rm_scores"].sum(-1).tolist() == support.float32(rewards)
    extra = result.non_tensor_batch
    assert list(extra["entropy"]) == [scores[uid].entropy for uid in uids]
    assert list(extra["pseudo_label_accuracy"]) == [scores[uid].metrics["pseudo_label_accuracy"] for uid in uids]
    assert set(extra["acc"]) == {0.0, 1.0}
    assert set(extra["scored"]) == {1.0}


def test_by_hand(manager: Any, tokenizer: Any) -> None:
    """Ten of one answer in three spellings, four of another, two blanks: 10/16, 4/16 and 0."""
    texts = ["\\boxed{4}"] * 5 + ["\\boxed{4.0}"] * 3 + ["\\boxed{\\frac{8}{2}}"] * 2 + ["\\boxed{5}"] * 4 + ["hm"] * 2
    rows = [("one", text) for text in texts]
    random.Random(1).shuffle(rows)
    result = manager.compute_rm_score(support.batch(tokenizer, rows))
    expected = [0.25 if "5" in text else 0.0 if text == "hm" else 0.625 for _, text in rows]
    assert result.batch["rm_scores"].sum(-1).tolist() == expected


@pytest.mark.parametrize("seed", range(3))
def test_copies_that_pad_the_batch_are_no_members(manager: Any, tokenizer: Any, seed: int) -> None:
    """Forty-nine rows over three workers: two copies of the first rows."""
    rows = support.made_up_rows(3, 16, seed)
    rows += [("short", "\\boxed{1}")]
    result = manager.compute_rm_score(support.batch(tokenizer, rows))
    whole = rows[:-1]
    uids, responses = [uid for uid, _ in whole], [response for _, response in whole]
    rewards, _ = support.offline(uids, responses, [f"question of {uid}" for uid in uids])
    assert result.batch["rm_scores"].sum(-1).tolist() == [*support.float32(rewards), 0.0]
    extra = result.non_tensor_batch
    assert list(extra["scored"]) == [1.0] * 48 + [0.0]
    assert list(extra["unscored/incomplete"]) == [0.0] * 48 + [1.0]
    assert (extra["group_size"][-1], extra["group_expected"][-1]) == (1.0, 16.0)


def test_rows_without_a_uid_are_grouped_by_prompt(manager: Any, tokenizer: Any) -> None:
    rows = support.made_up_rows(4, 16, seed=7)
    data = support.batch(tokenizer, rows)
    uids = list(data.non_tensor_batch.pop("uid"))
    result = manager.compute_rm_score(data)
    rewards, _ = support.offline(uids, [response for _, response in rows], [f"question of {uid}" for uid in uids])
    assert result.batch["rm_scores"].sum(-1).tolist() == support.float32(rewards)


def test_validation_rows_are_held_against_their_label(manager: Any, tokenizer: Any) -> None:
    texts = ["\\boxed{4}", "\\boxed{5}", "\\boxed{8/2}", "nothing", "\\boxed{4.0}"]
    result = manager.compute_rm_score(
        support.batch(tokenizer, [(f"v{i}", t) for i, t in enumerate(texts)], split="test")
    )
    assert result.batch["rm_scores"].sum(-1).tolist() == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert list(result.non_tensor_batch["acc"]) == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert set(result.non_tensor_batch["entropy"]) == {None}

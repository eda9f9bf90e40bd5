"""The batch manager of older versions of verl, with the data types of the installed version."""

from __future__ import annotations

from typing import Any

import pytest
import verl_support as support

from empo_rewards.errors import ConfigError
from empo_rewards.integrations.verl.check import environment
from empo_rewards.integrations.verl.legacy import EMPOBatchRewardManager


def test_a_training_batch_earns_the_offline_rewards(tokenizer: Any) -> None:
    rows = support.made_up_rows(16, 8)
    manager = EMPOBatchRewardManager(
        tokenizer=tokenizer, num_examine=0, compute_score=None, reward_fn_key="data_source"
    )
    result = manager(support.batch(tokenizer, rows), return_dict=True)
    uids, responses = [uid for uid, _ in rows], [response for _, response in rows]
    rewards, scores = support.offline(uids, responses, [f"question of {uid}" for uid in uids])
    assert isinstance(result, dict)
    assert result["reward_tensor"].sum(-1).tolist() == support.float32(rewards)
    assert result["reward_extra_info"]["entropy"] == [scores[uid].entropy for uid in uids]


@pytest.mark.parametrize("marked", [True, False])
def test_a_validation_batch_earns_accuracy(tokenizer: Any, marked: bool) -> None:
    """Marked by `meta_info`, or (in older versions) by rows without uids."""
    texts = ["\\boxed{4}", "\\boxed{5}", "\\boxed{8/2}", "nothing"]
    data = support.batch(tokenizer, [(f"v{i}", text) for i, text in enumerate(texts)])
    if marked:
        data.meta_info["validate"] = True
    else:
        data.non_tensor_batch.pop("uid")
    rewards = EMPOBatchRewardManager(tokenizer=tokenizer, scorer="empo-math")(data)
    assert rewards.sum(-1).tolist() == [1.0, 0.0, 1.0, 0.0]


def test_a_lost_member_leaves_its_group_without_rewards(tokenizer: Any) -> None:
    rows = [("a", "\\boxed{1}")] * 3 + [("b", "\\boxed{1}")] * 4
    manager = EMPOBatchRewardManager(tokenizer=tokenizer, group_size=4, neutral=0.25)
    result = manager(support.batch(tokenizer, rows), return_dict=True)
    assert isinstance(result, dict)
    assert result["reward_tensor"].sum(-1).tolist() == [0.25] * 3 + [1.0] * 4
    assert result["reward_extra_info"]["unscored/incomplete"] == [1.0] * 3 + [0.0] * 4


def test_an_unknown_key_is_one_line(tokenizer: Any) -> None:
    with pytest.raises(ConfigError, match="unknown key; did you mean 'scorer'"):
        EMPOBatchRewardManager(tokenizer=tokenizer, scorrer="empo-math")


def test_this_verl_finds_the_manager_that_it_can_use() -> None:
    """By whatever hook it has: this runs with older versions as well."""
    found = {check.name: check for check in environment()}
    assert found["reward manager"].fine, found["reward manager"].says
    assert found["verl"].fine, found["verl"].says

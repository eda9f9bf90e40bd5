"""Valid configurations, and one-line errors for invalid ones."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import verl_support as support
from omegaconf import OmegaConf

from empo_rewards.errors import ConfigError
from empo_rewards.gather.samples import Sample
from empo_rewards.integrations.verl import batches, rows, settings, validation
from empo_rewards.integrations.verl.manager import EMPORewardManager
from empo_rewards.integrations.verl.rows import RolloutRow
from empo_rewards.integrations.verl.validation import DataOrigin, ValidationRule


def read(model: Path, *overrides: str, **options: Any) -> settings.RunSettings:
    return settings.read(OmegaConf.to_container(support.config(model, *overrides, **options), resolve=True))


def test_one_line_is_enough(model: Path) -> None:
    run = read(model, workers=8)
    assert (run.group_size, run.shards, run.neutral, run.observed) == (16, 4, 0.0, False)
    assert run.settings.scorer == "empo-math"
    assert read(model, workers=1).shards == 1


def test_the_neutral_value_follows_the_advantage_estimator(model: Path) -> None:
    assert read(model, "algorithm.adv_estimator=rloo").neutral == 0.0
    assert read(model, "algorithm.adv_estimator=reinforce_plus_plus").neutral is None
    given = "+reward.reward_kwargs.neutral=-0.5"
    assert read(model, "algorithm.adv_estimator=reinforce_plus_plus", given).neutral == -0.5


def test_remax_has_one_more_member(model: Path) -> None:
    assert read(model, "algorithm.adv_estimator=remax").group_size == 17


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "+reward.reward_kwargs.scorrer=empo-math",
            "reward.reward_kwargs.scorrer: unknown key; did you mean 'scorer'?",
        ),
        ("+reward.reward_kwargs.validation.sources=[a]", "reward.reward_kwargs.validation.sources: unknown key"),
        ("+reward.reward_kwargs.shards=0", "reward.reward_kwargs.shards: input should be greater than or equal to 1"),
        ("+reward.reward_kwargs.idle_seconds=-3", "reward.reward_kwargs.idle_seconds: input should be greater than 0"),
    ],
)
def test_what_is_wrong_is_one_line(model: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(model, override)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_blocks_are_one_too_many(model: Path) -> None:
    with pytest.raises(ConfigError, match="keep one"):
        read(model, "+reward.reward_kwargs.shards=2", "+empo.shards=2")
    assert read(model, "+empo.shards=3").shards == 3


def test_the_digest_follows_the_settings_and_not_the_run(model: Path, tmp_path: Path) -> None:
    one = read(model)
    assert read(model, "data.train_batch_size=8").digest == one.digest
    assert one.model_copy(update={"run_id": "r", "observed": True}).digest == one.digest
    others = [read(model, f"+reward.reward_kwargs.{key}") for key in ("scorer=ttrl", "neutral=1.0", "idle_seconds=9")]
    assert len({one.digest, read(model, n=8).digest, *(other.digest for other in others)}) == 5
    path = tmp_path / "scorer.yaml"
    path.write_text("preset: ttrl", encoding="utf-8")
    before = read(model, f"+reward.reward_kwargs.scorer={path}").digest
    path.write_text("preset: empo-math", encoding="utf-8")
    assert read(model, f"+reward.reward_kwargs.scorer={path}").digest != before


def test_the_scorer_is_checked_when_the_manager_is_made(model: Path, tokenizer: Any) -> None:
    with pytest.raises(ConfigError, match="'empo-maths' is neither a preset nor a file; did you mean 'empo-math'"):
        EMPORewardManager(support.config(model, "+reward.reward_kwargs.scorer=empo-maths"), tokenizer)


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


def test_data_that_nothing_marks_as_validation_are_refused_at_the_start(
    model: Path, tokenizer: Any, tmp_path: Path
) -> None:
    train = write(tmp_path / "train.parquet", [{"data_source": "numina", "extra_info": {"split": "train", "index": 1}}])
    val = write(tmp_path / "val.parquet", [{"data_source": "aime", "extra_info": {"index": 1}}])
    files = [f"data.train_files={train}", f"data.val_files=[{val}]"]
    with pytest.raises(ConfigError, match=r"set \+\+reward.reward_kwargs.validation.data_sources=\[aime\]"):
        EMPORewardManager(support.config(model, *files), tokenizer)
    EMPORewardManager(support.config(model, *files, "+reward.reward_kwargs.validation.data_sources=[aime]"), tokenizer)
    with pytest.raises(ConfigError, match=r"training rows of numina \(train\) would be rewarded by their label"):
        EMPORewardManager(
            support.config(model, *files, "+reward.reward_kwargs.validation.data_sources=[aime,numina]"), tokenizer
        )


def test_origins_of_files(tmp_path: Path) -> None:
    rows = [{"data_source": s, "extra_info": {"split": p}} for s, p in itertools.product("ab", ["train", "test"])]
    path = write(tmp_path / "a.parquet", rows * 3)
    assert validation.origins([path]) == {DataOrigin(s, p) for s, p in itertools.product("ab", ["train", "test"])}
    assert validation.origins(write(tmp_path / "b.parquet", [{"prompt": "x"}])) == {DataOrigin(None, None)}
    assert validation.origins(None) == set()
    assert validation.origins(str(tmp_path / "nowhere.parquet")) == set()
    assert ValidationRule().covers(DataOrigin("a", "test"))
    assert not ValidationRule().covers(DataOrigin("a", "train"))
    assert not ValidationRule().covers(DataOrigin(None, None))


def row(text: str, uid: str | None = "g", size: int | None = None) -> RolloutRow:
    return RolloutRow(Sample("p", text), DataOrigin(None, None), uid, None, size)


def test_a_batch_is_divided_into_groups() -> None:
    """By uid, however many rows have it; a row may say its group's size; without uids a prompt has what fits."""
    larger = [row(f"text {i}") for i in range(5)]
    assert batches.groups_of(larger, 4) == [batches.BatchGroup("g", 5, (0, 1, 2, 3, 4))]
    assert batches.groups_of([row("same", size=3)] * 2, 4) == [batches.BatchGroup("g", 3, (0, 1))]
    mixed = [row("a", "g"), row("a", "h"), row("b", "g"), row("b", None)]
    assert [group.positions for group in batches.groups_of(mixed, 2)] == [(0, 2), (1,), (3,)]
    without = batches.groups_of([row(f"text {i % 3}", uid=None) for i in range(9)], 4)
    assert [(group.size, group.positions) for group in without] == [(4, (0, 1, 2, 3)), (4, (4, 5, 6, 7)), (4, (8,))]


@pytest.mark.parametrize(
    ("truth", "label"),
    [
        ("4", "4"),
        (4, "4"),
        (np.array(["4", "four"], dtype=object), ("4", "four")),
        (["4"], "4"),
        ("", None),
        (float("nan"), None),
        (None, None),
        ({"inputs": ["1"], "outputs": ["2"]}, None),
    ],
)
def test_a_label_is_what_it_is_elsewhere(truth: object, label: object) -> None:
    """Texts, numbers and lists of accepted answers; the test cases of a program are none."""
    assert rows.reference({"ground_truth": truth}) == label

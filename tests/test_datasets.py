"""Datasets for trainers, read back with the libraries that the trainers use."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from empo_rewards.datasets import DatasetFormat, Difficulty, SelectedPrompt, format_of, write_dataset
from empo_rewards.reading.rollouts import Rejected, read_groups
from empo_rewards.errors import InputError

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
KEPT = [
    SelectedPrompt("1+1?"),
    SelectedPrompt(MESSAGES, reference="2", data_source="sums", difficulty=Difficulty(math.log(2), 0.5, 0.25, 8)),
]


def test_verl(tmp_path: Path) -> None:
    out = tmp_path / "train.parquet"
    assert write_dataset(KEPT, out) == 2
    assert pq.read_table(out).to_pylist() == [
        {
            "data_source": "unknown",
            "prompt": [{"role": "user", "content": "1+1?"}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": None},
            "extra_info": {
                "split": "train",
                "index": 0,
                "difficulty": {"entropy": None, "largest_share": None, "pass_rate": None, "responses": None},
            },
        },
        {
            "data_source": "sums",
            "prompt": MESSAGES,
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": "2"},
            "extra_info": {
                "split": "train",
                "index": 1,
                "difficulty": {"entropy": math.log(2), "largest_share": 0.5, "pass_rate": 0.25, "responses": 8},
            },
        },
    ]
    assert pq.read_schema(out).field("reward_model").type.field("ground_truth").type == pa.string()


def test_openrlhf(tmp_path: Path) -> None:
    out = tmp_path / "train.jsonl"
    assert write_dataset(KEPT, out) == 2
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["input"], row["label"], row["datasource"]) for row in rows] == [
        ("1+1?", "", "unknown"),
        (MESSAGES, "2", "sums"),
    ]
    assert rows[1]["difficulty"] == {"entropy": math.log(2), "largest_share": 0.5, "pass_rate": 0.25, "responses": 8}


@pytest.mark.parametrize("form", list(DatasetFormat))
def test_what_is_written_reads_back_as_prompts_without_responses(tmp_path: Path, form: DatasetFormat) -> None:
    out = tmp_path / ("train.parquet" if form is DatasetFormat.VERL else "train.jsonl")
    write_dataset(KEPT, out, form=form)
    located = list(read_groups(out))
    assert [item.cause for item in located if isinstance(item, Rejected)] == [
        "this is a prompt dataset without responses: generate first"
    ] * 2


def test_many_rows_are_written_as_they_come(tmp_path: Path) -> None:
    out = tmp_path / "train.parquet"
    part = tmp_path / "train.parquet.part"
    sizes = []

    def prompts() -> Iterator[SelectedPrompt]:
        for n in range(5_000):
            if n % 1_000 == 999:
                sizes.append(part.stat().st_size)
            yield SelectedPrompt(f"{n}" * 50, reference=str(n) if n > 2_000 else None)

    assert write_dataset(prompts(), out) == 5_000
    assert sizes[0] < sizes[2] < sizes[4]
    table = pq.read_table(out)
    assert [row["index"] for row in table["extra_info"].to_pylist()] == list(range(5_000))
    assert table["reward_model"][4_999].as_py()["ground_truth"] == "4999"


@pytest.mark.parametrize(("name", "form"), [("a.parquet", DatasetFormat.VERL), ("a.jsonl", DatasetFormat.OPENRLHF)])
def test_the_ending_chooses(name: str, form: DatasetFormat) -> None:
    assert format_of(Path(name)) is form


def test_a_given_format_outweighs_the_ending(tmp_path: Path) -> None:
    out = tmp_path / "train.data"
    with pytest.raises(InputError, match=r"name it \.parquet"):
        write_dataset(KEPT, out)
    write_dataset(KEPT, out, form=DatasetFormat.VERL)
    assert pq.read_table(out).num_rows == 2


def test_nothing_kept_is_a_dataset_without_rows(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.jsonl"):
        assert write_dataset([], tmp_path / name) == 0
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 0
    assert (tmp_path / "a.jsonl").read_bytes() == b""


def test_an_output_that_exists(tmp_path: Path) -> None:
    out = tmp_path / "train.jsonl"
    out.write_text("precious\n")
    with pytest.raises(InputError, match=r"train\.jsonl exists: --overwrite"):
        write_dataset(KEPT, out)
    assert out.read_text() == "precious\n"
    assert write_dataset(KEPT, out, overwrite=True) == 2


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "image"}]},
        {"role": "user", "content": "x", "tool_calls": []},
        {"role": 1, "content": "x"},
    ],
)
def test_messages_that_verls_form_has_no_place_for_leave_the_output_alone(
    tmp_path: Path, message: dict[str, object]
) -> None:
    out = tmp_path / "train.parquet"
    out.write_text("precious\n")
    with pytest.raises(InputError, match="prompt 2: verl's dataset form"):
        write_dataset([SelectedPrompt("fine"), SelectedPrompt([message])], out, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["train.parquet"]
    assert out.read_text() == "precious\n"


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.jsonl"):
        with pytest.raises(InputError, match="cannot be written"):
            write_dataset(KEPT, tmp_path / "missing" / name)

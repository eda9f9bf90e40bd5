"""Datasets for trainers, read back with the libraries that the trainers use."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import code_blocks, quoted, section, table
from typer.testing import CliRunner

from empo_rewards.cli.app import app
from empo_rewards.datasets import (
    INSTRUCTIONS,
    DatasetFormat,
    Difficulty,
    MadeDataset,
    Prompt,
    make_dataset,
    read_prompts,
    write_dataset,
)
from empo_rewards.datasets.writing import format_of
from empo_rewards.errors import InputError, MissingExtraError
from empo_rewards.reading.rollouts import Rejected, read_groups

LAUNCH = (Path(__file__).parents[1] / "docs" / "launch.md").read_text(encoding="utf-8")
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
KEPT = [
    Prompt("1+1?"),
    Prompt(
        MESSAGES, reference="2", data_source="sums", ability="math", difficulty=Difficulty(math.log(2), 0.5, 0.25, 8)
    ),
]


def test_verl(tmp_path: Path) -> None:
    out = tmp_path / "train.parquet"
    assert write_dataset(KEPT, out) == 2
    assert pq.read_table(out).to_pylist() == [
        {
            "data_source": "unknown",
            "prompt": [{"role": "user", "content": "1+1?"}],
            "ability": "unknown",
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
    out = tmp_path / f"train{form.ending}"
    write_dataset(KEPT, out, form=form)
    located = list(read_groups(out))
    assert [item.cause for item in located if isinstance(item, Rejected)] == [
        "this is a prompt dataset without responses: generate first"
    ] * 2


def test_many_rows_are_written_as_they_come(tmp_path: Path) -> None:
    out = tmp_path / "train.parquet"
    sizes = []

    def prompts() -> Iterator[Prompt]:
        for n in range(5_000):
            if n % 1_000 == 999:
                (part,) = tmp_path.glob(".train.parquet.*.part")
                sizes.append(part.stat().st_size)
            yield Prompt(f"{n}" * 50, reference=str(n) if n > 2_000 else None)

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
        write_dataset([Prompt("fine"), Prompt([message])], out, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["train.parquet"]
    assert out.read_text() == "precious\n"


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.jsonl"):
        with pytest.raises(InputError, match="cannot be written"):
            write_dataset(KEPT, tmp_path / "missing" / name)


def test_trl_slime_and_plain(tmp_path: Path) -> None:
    rows = {form: _rows(tmp_path, form) for form in (DatasetFormat.TRL, DatasetFormat.SLIME, DatasetFormat.PLAIN)}
    user = [{"role": "user", "content": "1+1?"}]
    assert rows[DatasetFormat.TRL] == [
        {"prompt": user, "reference": None},
        {"prompt": MESSAGES, "reference": "2"},
    ]
    assert [(row["prompt"], row["label"]) for row in rows[DatasetFormat.SLIME]] == [(user, ""), (MESSAGES, "2")]
    assert rows[DatasetFormat.PLAIN] == [
        {"prompt": "1+1?"},
        {"prompt": MESSAGES, "reference": "2", "data_source": "sums"},
    ]


def _rows(folder: Path, form: DatasetFormat) -> list[dict[str, Any]]:
    out = folder / f"{form.value}.jsonl"
    write_dataset(KEPT, out, form=form)
    return [json.loads(line) for line in out.read_text().splitlines()]


def made(folder: Path, content: str, name: str = "prompts.jsonl", **options: Any) -> tuple[MadeDataset, list[Any], Any]:
    """A plain dataset made of a file's content: the report, its training rows, and its validation rows or None."""
    source = folder / name
    source.write_text(content, encoding="utf-8")
    report = make_dataset(source, folder / "out", form="plain", **options)
    read = [
        file and [json.loads(line) for line in file.path.read_text(encoding="utf-8").splitlines()]
        for file in (report.train, report.val)
    ]
    return report, read[0] or [], read[1]


class TestMaking:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("prompts.txt", "1+1?\n\n  2+2?\n"),
            ("prompts", "1+1?\n2+2?\n"),
            ("prompts.jsonl", '{"question": "1+1?"}\n{"prompt": "2+2?"}\n'),
            ("prompts.json", '[\n {"prompt": "1+1?"},\n {"prompt": "2+2?"}]'),
            ("prompts.csv", 'prompt,n\n1+1?,1\n"2+2?",2\n'),
        ],
    )
    def test_prompts_in_any_container(self, tmp_path: Path, name: str, content: str) -> None:
        _, train, val = made(tmp_path, content, name)
        assert [row["prompt"] for row in train] == ["1+1?", "2+2?"]
        assert {row["data_source"] for row in train} == {"prompts"}
        assert val is None

    def test_a_prompt_is_written_once_and_into_one_file_only(self, tmp_path: Path) -> None:
        content = "".join(f"q{n % 20}\n" for n in range(60))
        report, train, val = made(tmp_path, content, "prompts.txt", val=5)
        assert (report.repeated, len(train), len(val)) == (40, 15, 5)
        assert {row["prompt"] for row in [*train, *val]} == {f"q{n}" for n in range(20)}
        again = make_dataset(tmp_path / "prompts.txt", tmp_path / "again", form="plain", val=5)
        assert again.val is not None
        assert again.val.path.read_bytes() == (tmp_path / "out" / "val.jsonl").read_bytes()

    def test_labelled_validation_is_held_out_of_training(self, tmp_path: Path) -> None:
        labelled = tmp_path / "labelled.jsonl"
        labelled.write_text('{"prompt": "q1", "answer": 4}\n{"prompt": "new", "answer": ["a", "b"]}\n')
        report, train, val = made(tmp_path, '{"prompt": "q1"}\n{"prompt": "q2"}\n', labelled_val=labelled)
        assert [row["prompt"] for row in train] == ["q2"]
        assert [(row["prompt"], row["reference"]) for row in val] == [("q1", ["4"]), ("new", ["a", "b"])]
        assert (report.held_out, report.train.labelled) == (1, 0)
        assert report.val is not None
        assert report.val.labelled == 2

    @pytest.mark.parametrize(
        ("options", "content", "message"),
        [
            ({"val": 2}, "a\nb\n", "has 2 prompts, of which 2 cannot be held out"),
            ({"val": 1, "labelled_val": "x"}, "a\nb\n", "either a number of prompts to hold out, or a file"),
            ({"instruction": "boxd"}, "a\n", "no instruction is called 'boxd'; did you mean 'boxed'"),
            ({}, '{"n": 1}\n', "there is no prompt: the first row: no prompt among the fields: n"),
            ({"labelled_val": "prompts.txt"}, "a\nb\n", "2 of 2 prompts have no label"),
        ],
    )
    def test_what_is_wrong_is_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], content: str, message: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InputError) as error:
            made(tmp_path, content, "prompts.txt", **options)
        assert message in str(error.value)
        assert not (tmp_path / "out" / "train.jsonl").exists()

    @pytest.mark.parametrize("role", ["source", "labelled_val"])
    def test_what_is_read_is_never_replaced_by_whatever_name(self, tmp_path: Path, role: str) -> None:
        content = '{"prompt": "a", "answer": "1", "level": 3}\n'
        (tmp_path / "train.jsonl").write_text(content)
        (tmp_path / "link.jsonl").symlink_to(tmp_path / "train.jsonl")
        (tmp_path / "other.jsonl").write_text('{"prompt": "b"}\n')
        files = {"source": tmp_path / "other.jsonl", role: tmp_path / "link.jsonl"}
        with pytest.raises(InputError, match=r"train\.jsonl is part of the input"):
            make_dataset(out=tmp_path, form="plain", overwrite=True, **files)
        assert (tmp_path / "train.jsonl").read_text() == content

    @pytest.mark.parametrize("name", ["data/promts.jsonl", "data/promts.txt", "data/promts.csv.gz"])
    def test_a_misspelt_file_is_not_looked_for_on_the_hub(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=f"{name}: there is no such file"):
            make_dataset(name, tmp_path, form="plain")

    def test_rows_without_a_prompt_are_told_and_the_rest_is_written(self, tmp_path: Path) -> None:
        report, train, _ = made(tmp_path, '{"prompt": "a"}\n{"n": 1}\n{"prompt": " "}\nnot json\n')
        assert [(bad.line, bad.cause.partition(":")[0]) for bad in report.bad] == [
            (2, "no prompt among the fields"),
            (3, "the prompt is empty"),
            (4, "malformed JSON"),
        ]
        assert [row["prompt"] for row in train] == ["a"]

    def test_the_labels_of_verls_file_are_lists_where_one_has_several(self, tmp_path: Path) -> None:
        source = tmp_path / "p.jsonl"
        source.write_text('{"prompt": "a", "answer": "1"}\n{"prompt": "b"}\n{"prompt": "c", "answer": ["1", "one"]}\n')
        report = make_dataset(source, tmp_path, form="verl")
        labels = [row["reward_model"]["ground_truth"] for row in pq.read_table(report.train.path).to_pylist()]
        assert labels == [["1"], [], ["1", "one"]]


def test_instructions_of_the_paper() -> None:
    """As EMPO's own data for verl, and its recipe for TRL, have them."""
    asked = INSTRUCTIONS["empo-math"].apply(Prompt("What is {x}?"))
    assert asked.prompt == [
        {
            "role": "user",
            "content": "What is {x}? Let's think step by step and output the final answer within \\boxed{}.",
        }
    ]
    assert asked.ability == "math"
    natural = INSTRUCTIONS["empo-natural"].apply(Prompt([{"role": "user", "content": "Why?"}]))
    assert natural.prompt == [
        {"role": "system", "content": "Please reason step by step, and put your final answer within \\boxed{}."},
        {"role": "user", "content": "Question: Why? Reason step by step and put the answer in \\boxed{}."},
    ]
    own = INSTRUCTIONS["empo-natural"].apply(Prompt(MESSAGES))
    assert [message["content"] for message in own.prompt if message["role"] == "system"] == ["Be brief."]


def test_a_conversation_s_answer_is_no_part_of_its_prompt(tmp_path: Path) -> None:
    answered = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "the answer"}]
    _, train, _ = made(tmp_path, json.dumps({"messages": answered}) + "\n")
    assert train[0]["prompt"] == answered[:1]


def test_the_documented_calls_for_the_papers_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/launch.md: with a stand-in for the Hub, whose rows have the columns of the published datasets."""
    published = {
        "RLHFlow/numia_prompt_dpo1": [{"problem": "1+1?", "gt": "2"}],
        "qingyangzhang/natural_reasoning_simple": [
            {"question": f"Why {n}?", "reference_answer": "Because."} for n in range(600)
        ],
    }
    asked = []

    def load_dataset(path: str, configuration: str | None, *, split: str, streaming: bool) -> list[dict[str, str]]:
        asked.append((path, configuration, split, streaming))
        return published[path]

    hub = ModuleType("datasets")
    hub.load_dataset = load_dataset  # type: ignore[attr-defined] # a stand-in
    hub.__spec__ = ModuleSpec("datasets", None)
    monkeypatch.setitem(sys.modules, "datasets", hub)
    monkeypatch.chdir(tmp_path)
    Path("amc23.jsonl").write_text('{"problem": "2+2?", "gt": ["4"]}\n')
    (block,) = code_blocks(section(LAUNCH, "Datasets"), "bash")
    mathematics, natural = [shlex.split(line) for line in block.splitlines() if line.strip()]
    assert CliRunner().invoke(app, mathematics[1:]).exit_code == 0
    (row,) = pq.read_table("train.parquet").to_pylist()
    assert row["prompt"][0]["content"].startswith("1+1? Let's think step by step")
    assert (row["data_source"], row["reward_model"]["ground_truth"], row["ability"]) == ("numina_math", "2", "math")
    result = CliRunner().invoke(app, [*natural[1:], "--overwrite"])
    assert result.exit_code == 0, result.output
    rows = pq.read_table("train.parquet").to_pylist()
    assert (len(rows), rows[0]["reward_model"]["ground_truth"]) == (100, "Because.")
    assert asked == [(name, None, "train", True) for name in published]


def test_the_instructions_page_shows_them_as_they_are() -> None:
    shown = {
        quoted(name)[0]: (quoted(user), quoted(system))
        for name, user, system, _ in table(LAUNCH, "name", "the user's message")
    }
    assert shown.keys() == INSTRUCTIONS.keys()
    for name, (user, system) in shown.items():
        text = "\n".join(user)
        assert (text, system) == (INSTRUCTIONS[name].user, [INSTRUCTIONS[name].system] if system else [])
        assert bool(system) is (INSTRUCTIONS[name].system is not None)


def test_the_options_page_names_the_formats_there_are() -> None:
    (cells,) = [cells for cells in table(LAUNCH, "option") if cells[0] == "`--for`"]
    assert {form.value for form in DatasetFormat} == set(quoted(cells[1]))


def test_the_hub_without_its_library_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingExtraError, match=r"needs datasets, .* pip install 'empo-rewards\[hub\]'"):
        next(read_prompts("owner/name"))
    with pytest.raises(InputError, match=r"owner/name\.jsonl\.gz: there is no such file"):
        next(read_prompts("x/owner/name.jsonl.gz"))


def test_a_failing_hub_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*args: object, **options: object) -> None:
        raise ConnectionError("no route\nto host")

    hub = ModuleType("datasets")
    hub.load_dataset = load_dataset  # type: ignore[attr-defined] # a stand-in
    hub.__spec__ = ModuleSpec("datasets", None)
    monkeypatch.setitem(sys.modules, "datasets", hub)
    with pytest.raises(InputError, match="cannot be read from the Hub: ConnectionError: no route to host"):
        next(read_prompts("hf:owner/name"))

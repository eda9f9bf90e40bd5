"""The formats of docs/formats.md: each row of its tables is a file here, read by one command."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forms_cases import CASES, ONE, OWN_CASES, QUESTION, TWO
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import quoted, section, table
from typer.testing import CliRunner

from empo_rewards import Group, InputError
from empo_rewards.cli.app import app
from empo_rewards.plugins.registry import load
from empo_rewards.reading import ReadGroup, ReadOptions, Rejected, read_groups
from empo_rewards.reading.forms import FORM_FIELDS
from empo_rewards.reading.mapping import parse_mapping
from empo_rewards.reading.rows import (
    ID,
    LOGPROBS,
    METADATA,
    PROMPT,
    REFERENCE,
    RESPONSE,
    RESPONSES,
    SIDE,
    SIDES,
    SOURCE,
    STEP,
    TRAINED,
    UID,
    WEIGHT,
    WEIGHTS,
)

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
ALL = {**CASES, **OWN_CASES}


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def groups(*sources: Path | str, **options: Any) -> list[Group]:
    located = list(read_groups(sources, ReadOptions(**options)))
    assert [item.cause for item in located if isinstance(item, Rejected)] == []
    return [item.group for item in located if isinstance(item, ReadGroup)]


@pytest.mark.parametrize("name", ALL)
def test_the_groups_of_a_format_s_file(name: str, tmp_path: Path) -> None:
    rows, expected = ALL[name]
    file = tmp_path / "rollouts.jsonl"
    file.write_bytes(lines(rows))
    assert groups(file) == expected
    assert groups(file, form=name if name in CASES else "own") == expected


@pytest.mark.parametrize("name", ALL)
def test_a_format_s_file_is_scored_by_one_command(name: str, tmp_path: Path) -> None:
    """As JSON lines, a JSON array and Parquet."""
    rows, expected = ALL[name]
    (tmp_path / "a.jsonl").write_bytes(lines(rows))
    (tmp_path / "b.json").write_text(json.dumps(rows, indent=1))
    files = ["a.jsonl", "b.json"]
    if len({tuple(row) for row in rows}) == 1:  # Parquet has one set of columns
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "c.parquet")
        files.append("c.parquet")
    for file in files:
        done = CliRunner().invoke(app, ["score", str(tmp_path / file), "--out", "-"])
        scores = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert done.exit_code == 0, done.output
        wanted = [[1 / len(group)] * len(group) for group in expected]
        assert [score["rewards"] for score in scores] == wanted, file


def test_the_pages_tables_are_the_readers() -> None:
    shown = {quoted(name)[0]: about for name, about in table(PAGE, "format")}
    assert shown == {name: reader.about for name, reader in load().readers.items()}
    assert set(shown) == set(CASES)
    assert [cells[0] for cells in table(PAGE, "own fields, as written by")] == list(OWN_CASES)


def test_the_page_lists_the_names_of_the_fields() -> None:
    names = {
        "prompt": PROMPT,
        "responses": RESPONSES,
        "response": RESPONSE,
        "reference": (*REFERENCE, "reward_model.ground_truth"),
        "token_logprobs": LOGPROBS,
        "trained": TRAINED,
        "vote_weight": (*WEIGHT, *WEIGHTS),
        "side": (*SIDE, *SIDES),
        "data_source": SOURCE,
        "metadata": METADATA,
        "step": STEP,
        "uid": UID,
        "id": ID,
    }
    shown = {quoted(cells[0])[0]: set(quoted(cells[1])) for cells in table(PAGE, "field")}
    assert shown == {field: set(fields) - {field} for field, fields in names.items()}


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


class TestContainers:
    rows: ClassVar[list[dict[str, Any]]] = [{"prompt": QUESTION, "responses": [ONE, TWO]}]
    expected = (Group(QUESTION, [ONE, TWO]),)

    @pytest.mark.parametrize(
        ("ending", "pack"),
        [
            ("", bytes),
            (".gz", gzip.compress),
            (".bz2", bz2.compress),
            (".xz", lzma.compress),
            (".zst", zstd),
        ],
    )
    def test_compressed_by_name_or_not_as_a_file_and_on_standard_input(
        self, ending: str, pack: Any, tmp_path: Path
    ) -> None:
        data = pack(lines(self.rows))
        for name in (f"in.jsonl{ending}", "rollouts"):
            (tmp_path / name).write_bytes(data)
            assert groups(tmp_path / name) == list(self.expected)
        (item,) = read_groups("-", stdin=io.BytesIO(data))
        assert isinstance(item, ReadGroup)
        assert item.group == self.expected[0]

    def test_parquet_on_standard_input(self) -> None:
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(self.rows), buffer)
        (item,) = read_groups("-", stdin=io.BytesIO(buffer.getvalue()))
        assert isinstance(item, ReadGroup)
        assert item.group == self.expected[0]

    @pytest.mark.parametrize("delimiter", [",", "\t", ";"])
    @pytest.mark.parametrize("name", ["in.csv", "in"])
    def test_csv(self, delimiter: str, name: str, tmp_path: Path) -> None:
        """Cells over several lines; a list in a cell; an empty cell is no label."""
        text = io.StringIO()
        table = csv.writer(text, delimiter=delimiter)
        table.writerow(["prompt", "responses", "reference"])
        table.writerow([QUESTION, json.dumps([ONE, "a\nb"]), "2"])
        table.writerow(["[1, 2]\nis?", json.dumps(["[1, 2]"]), ""])
        (tmp_path / name).write_text(text.getvalue(), encoding="utf-8")
        assert groups(tmp_path / name) == [Group(QUESTION, [ONE, "a\nb"], "2"), Group("[1, 2]\nis?", ["[1, 2]"])]

    def test_a_flat_csv(self, tmp_path: Path) -> None:
        (tmp_path / "in.csv").write_text(f"uid,prompt,response\nu,{QUESTION},[1]\nu,{QUESTION},\nv,x,{{1}}\n")
        located = list(read_groups(tmp_path / "in.csv"))
        assert [(item.line, item.cause) for item in located if isinstance(item, Rejected)] == [
            (3, "response must be a text, not null")
        ]
        assert [item.group.responses for item in located if isinstance(item, ReadGroup)] == [["[1]"], ["{1}"]]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
    @pytest.mark.parametrize("indent", [None, 1])
    def test_windows_encodings(self, encoding: str, indent: int | None, tmp_path: Path) -> None:
        row = {"prompt": "é€", "responses": ["ü"]}
        text = json.dumps(row, ensure_ascii=False, indent=indent)
        (tmp_path / "in.json").write_bytes(f"{text}\r\n{text}\r\n".encode(encoding))
        assert groups(tmp_path / "in.json") == [Group("é€", ["ü"])] * 2

    def test_a_quote_that_is_not_closed_does_not_swallow_the_rows_after_it(self, tmp_path: Path) -> None:
        file = tmp_path / "in.csv"
        file.write_text('prompt,response\nq,"a\nb"\nq,"c\nq,d\nq,e\n')
        bad, read = read_groups(file)
        assert isinstance(bad, Rejected)
        assert (bad.line, "is not closed" in bad.cause) == (4, True)
        assert isinstance(read, ReadGroup)
        assert read.group.responses == ["a\nb"]

    def test_half_characters_in_a_cell_become_replacement_characters(self, tmp_path: Path) -> None:
        with (tmp_path / "in.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["prompt", "responses"], ["q", r'["\ud800", "\ud83d\ude00"]']])
        (read,) = groups(tmp_path / "in.csv")
        assert read.responses == ["\ufffd", "\U0001f600"]

    def test_a_large_array_is_read_item_by_item(self, tmp_path: Path) -> None:
        """Where it is cut off, what stands before is given first."""
        rows = [{"prompt": f"q{n}", "responses": ["x" * 3_000, str(n)]} for n in range(200)]
        text = json.dumps(rows)
        (tmp_path / "in.json").write_text(text)
        assert [group.responses[1] for group in groups(tmp_path / "in.json")] == [str(n) for n in range(200)]
        (tmp_path / "cut.json").write_text(text[: len(text) // 2])
        found: list[Any] = []
        with pytest.raises(InputError, match=r"cut\.json: malformed JSON in item \d+"):
            found.extend(read_groups(tmp_path / "cut.json"))
        assert len(found) == 100

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"PK\x03\x04....", "this is a zip archive; give JSON lines, a JSON array, CSV or Parquet"),
            (b"\x80\x04\x95...", "this is a Python pickle"),
            (b"ARROW1\x00\x00", "this is an Arrow file"),
            (b'[{"prompt": "p"}', "the array has no end: the file is cut off after item 1"),
            (b'[{"prompt": "p"}] 3', "there is more text after the end of the array"),
            (b'[{"prompt": "p"}]\n]', "there is more text after the end of the array"),
        ],
    )
    def test_what_is_no_file_of_rows_is_one_line(self, content: bytes, message: str, tmp_path: Path) -> None:
        (tmp_path / "in.jsonl").write_bytes(content)
        with pytest.raises(InputError) as error:
            list(read_groups(tmp_path / "in.jsonl"))
        assert message in str(error.value)


class TestMap:
    @pytest.mark.parametrize(
        ("row", "assignments", "expected"),
        [
            ({"q": "p", "generations": ["a"]}, ["prompt=q", "responses=generations"], Group("p", ["a"])),
            (
                {"doc": {"q": "p"}, "x": [{"t": "a"}, {"t": "b"}]},
                ["prompt=doc.q", "responses=x.*.t"],
                Group("p", ["a", "b"]),
            ),
            ({"prompt": "p", "r": [["a", "b"]]}, ["responses=r.0"], Group("p", ["a", "b"])),
            ({"prompt": "p", "responses": ["x"], "best": ["a"]}, ["responses=best"], Group("p", ["a"])),
            ({"a.b": "p", "responses": ["x"]}, ["prompt=a.b"], Group("p", ["x"])),
            ({"prompt": "p", "responses": ["x"], "gold": 4}, ["reference=gold"], Group("p", ["x"], 4)),
        ],
    )
    def test_fields_by_their_paths(
        self, row: dict[str, Any], assignments: list[str], expected: Group, tmp_path: Path
    ) -> None:
        (tmp_path / "in.jsonl").write_bytes(lines([row]))
        assert groups(tmp_path / "in.jsonl", mapping=parse_mapping(assignments)) == [expected]

    def test_beside_a_format_it_replaces_what_the_format_gives(self, tmp_path: Path) -> None:
        rows, (group,) = CASES["lm_eval"][0][:1], CASES["lm_eval"][1][:1]
        (tmp_path / "in.jsonl").write_bytes(lines(rows))
        (read,) = groups(tmp_path / "in.jsonl", form="lm_eval", mapping={"prompt": "doc.question"})
        assert (read.prompt, read.responses) == (QUESTION, group.responses)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("responses", "it must be FIELD=PATH"),
            ("respones=x", "no field is called 'respones'; did you mean 'responses'"),
        ],
    )
    def test_what_is_no_map(self, text: str, message: str) -> None:
        with pytest.raises(InputError) as error:
            parse_mapping([text])
        assert message in str(error.value)

    @pytest.mark.parametrize(
        ("row", "advice"),
        [
            ({"prompt": "p", "respones": ["a", "b"]}, "respones holds 2 texts: try --map responses=respones"),
            ({"prompt": "p", "generations": ["a"]}, "--map responses=generations"),
            ({"query": "p", "samples": ["a"]}, "--map responses=samples --map prompt=query"),
            ({"query": "p", "prediction": "a"}, "--map response=prediction --map prompt=query"),
            (
                {"doc": {"question": "p"}, "tries": [{"content": "a"}]},
                "--map responses=tries.*.content --map prompt=doc.question",
            ),
        ],
    )
    def test_the_map_that_is_advised_reads_the_row(self, row: dict[str, Any], advice: str, tmp_path: Path) -> None:
        (tmp_path / "in.jsonl").write_bytes(lines([row]))
        (bad,) = read_groups(tmp_path / "in.jsonl")
        assert isinstance(bad, Rejected)
        assert bad.cause.endswith(advice)
        assert "looked for responses, completions or outputs" in bad.cause
        options = bad.cause.partition("try ")[2].split()[1::2]
        (group,) = groups(tmp_path / "in.jsonl", mapping=parse_mapping(options))
        assert group.prompt == "p"

    @pytest.mark.parametrize(
        ("row", "said"),
        [
            (
                {"query": "p", "responses": ["a"]},
                "query, responses; looked for prompt, question, problem, input, messages; try --map prompt=query",
            ),
            ({"doc": {"question": "p"}, "response": "a"}, "; try --map prompt=doc.question"),
            ({"responses": ["a"], "n": 1}, "looked for prompt, question, problem, input, messages"),
        ],
    )
    def test_a_row_without_a_prompt_names_the_map_that_gives_it(
        self, row: dict[str, Any], said: str, tmp_path: Path
    ) -> None:
        (tmp_path / "in.jsonl").write_bytes(lines([row]))
        (bad,) = read_groups(tmp_path / "in.jsonl")
        assert isinstance(bad, Rejected)
        assert bad.cause.endswith(said)
        if "--map" in said:
            (group,) = groups(tmp_path / "in.jsonl", mapping=parse_mapping([said.rsplit(maxsplit=1)[-1]]))
            assert (group.prompt, list(group.responses)) == ("p", ["a"])

    def test_no_map_is_advised_where_nothing_could_be_responses(self, tmp_path: Path) -> None:
        rows = [{"prompt": "p"}, {"question": "p", "choices": ["a", "b"], "answer": "a"}, {"prompt": "p", "n": [1, 2]}]
        (tmp_path / "in.jsonl").write_bytes(lines(rows))
        assert {item.cause for item in read_groups(tmp_path / "in.jsonl") if isinstance(item, Rejected)} == {
            "this is a prompt dataset without responses: generate first"
        }


def test_a_failed_request_of_a_batch_is_a_bad_row(tmp_path: Path) -> None:
    row = {
        "custom_id": "q",
        "response": {"status_code": 429, "body": {"error": {"message": "slow down"}}},
        "error": None,
    }
    (tmp_path / "in.jsonl").write_bytes(lines([row]))
    (bad,) = read_groups(tmp_path / "in.jsonl")
    assert isinstance(bad, Rejected)
    assert bad.cause == 'the request q failed: {"message": "slow down"}'


def test_rows_of_a_task_that_compares_likelihoods_are_bad_rows(tmp_path: Path) -> None:
    row = {**CASES["lm_eval"][0][0], "resps": [[["-1.2", "False"]], [["-0.3", "True"]]]}
    (tmp_path / "in.jsonl").write_bytes(lines([row]))
    (bad,) = read_groups(tmp_path / "in.jsonl")
    assert isinstance(bad, Rejected)
    assert bad.cause == "resps holds no generated texts: only tasks that generate can be scored"


def test_a_document_with_several_requests_is_a_bad_row(tmp_path: Path) -> None:
    """Their texts answer different prompts: they are no group, and none of them stands for the document."""
    (row, *_), _ = CASES["lm_eval"]
    (tmp_path / "in.jsonl").write_bytes(lines([{**row, "resps": [["a", "b"], ["c", "d"]]}]))
    (bad,) = read_groups(tmp_path / "in.jsonl")
    assert isinstance(bad, Rejected)
    assert "the texts of 2 requests" in bad.cause


def test_a_forced_format_refuses_other_rows(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines([{"prompt": "p", "responses": ["a"]}]))
    (bad,) = read_groups(tmp_path / "in.jsonl", ReadOptions(form="vllm"))
    assert isinstance(bad, Rejected)
    assert bad.cause.startswith("not a row of the format vllm: vLLM's offline outputs")
    with pytest.raises(InputError, match="no format is called 'vlm'; did you mean 'vllm'"):
        ReadOptions(form="vlm")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["text", "content", "message", "role", "from", "value", "choices", "body", "output", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(sorted(FORM_FIELDS | {"outputs", "response", "completion", "prompt"})), json_values)
)
@settings(deadline=None)
def test_no_row_raises_whatever_its_parts_are(row: dict[str, Any]) -> None:
    located = list(read_groups("-", stdin=io.BytesIO(lines([row, {"prompt": "p", "responses": ["a"]}]))))
    assert Group("p", ["a"]) in [item.group for item in located if isinstance(item, ReadGroup)]


@pytest.mark.parametrize("failed", [0, 1])
def test_a_sample_that_failed_is_missing_from_its_group(failed: int, tmp_path: Path) -> None:
    """Whichever it is: those after it in the log are read."""
    (log,), _ = CASES["inspect"]
    samples = list(log["samples"])
    samples[failed] = {**samples[failed], "error": {"message": "timeout"}}
    (tmp_path / "in.json").write_text(json.dumps({**log, "samples": samples}))
    bad, read = read_groups(tmp_path / "in.json")
    assert isinstance(bad, Rejected)
    assert isinstance(read, ReadGroup)
    assert (read.group.responses, read.group.expected_size) == ([(TWO, ONE)[failed]], 2)


@pytest.mark.parametrize("size", [None, 2])
def test_a_rollout_of_several_outputs_is_not_scored_by_its_first(size: int | None, tmp_path: Path) -> None:
    """verl's v1 trainer dumps each output of an agent's rollout, of which the last is the answer."""
    row = {"input": "p", "output": ONE, "gts": None, "score": 0.0, "step": 3}
    keys = [("u", 0, 0), ("u", 0, 1), ("u", 1, 0), ("v", 0, 0), ("v", 1, 0)]
    rows = [{**row, "input": f"p{key[2]}", "uid": "_".join(map(str, key))} for key in keys]
    (tmp_path / "3.jsonl").write_bytes(lines(rows))
    bad, *read = read_groups(tmp_path / "3.jsonl", ReadOptions(group_size=size))
    assert isinstance(bad, Rejected)
    assert bad.cause == "this is output 2 of a rollout; rollouts of several outputs cannot be scored"
    found = {item.group.id: (len(item.group), item.group.expected_size) for item in read if isinstance(item, ReadGroup)}
    assert found["u"][0] < (found["u"][1] or 0)
    assert found["v"] == (2, None)


def test_numbers_of_a_log_say_which_rows_are_trained_on(tmp_path: Path) -> None:
    """As this package's adapter writes them to verl's dumps; a row that was lost has NaN."""
    rows = [{"prompt": "p", "response": ONE, "trained": value} for value in (1.0, 0.0, float("nan"))]
    (tmp_path / "in.jsonl").write_bytes(lines(rows))
    (group,) = groups(tmp_path / "in.jsonl")
    assert group.trained == [True, False, True]


@pytest.mark.parametrize("uid", [False, True])
@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("vllm", [{"outputs": [{"text": text}]} for text in (ONE, TWO)]),
        ("openai", [{"choices": [{"message": {"role": "assistant", "content": text}}]} for text in (ONE, TWO)]),
    ],
)
def test_samples_that_were_asked_for_one_at_a_time_make_a_group(
    name: str, samples: list[dict[str, Any]], uid: bool, tmp_path: Path
) -> None:
    """By their prompt, and by uid where they have one; each request has an id of its own."""
    rows = [
        {"id": f"request-{n}", "prompt": prompt, **sample, **({"uid": str(n % 3)} if uid else {})}
        for n, (prompt, sample) in enumerate((prompt, sample) for sample in samples for prompt in ("p", "q", "q"))
    ]
    (tmp_path / "in.jsonl").write_bytes(lines(rows))
    found = [(group.prompt, list(group.responses)) for group in groups(tmp_path / "in.jsonl", form=name)]
    divided = [("p", [ONE, TWO]), ("q", [ONE, TWO]), ("q", [ONE, TWO])]
    assert found == (divided if uid else [("p", [ONE, TWO]), ("q", [ONE, ONE, TWO, TWO])])


def test_single_samples_of_unknown_prompts_are_never_one_group(tmp_path: Path) -> None:
    """Those of a batch's output, of which the prompts stand in its input only."""
    reply = {"body": {"choices": [{"message": {"role": "assistant", "content": ONE}}]}}
    (tmp_path / "in.jsonl").write_bytes(lines([{"custom_id": str(n), "response": reply} for n in range(3)]))
    assert [(group.id, len(group)) for group in groups(tmp_path / "in.jsonl")] == [("0", 1), ("1", 1), ("2", 1)]


def test_rollouts_of_verifiers_that_failed_are_missing_from_their_group(tmp_path: Path) -> None:
    failed = {"verifiers": {"error": {"error": "ModelError"}}, "verifiers_traces": {"traces": [], "ok": False}}
    for name, changes in failed.items():
        rows, _ = CASES[name]
        (tmp_path / "in.jsonl").write_bytes(lines([rows[0], {**rows[1], **changes}]))
        bad, read = read_groups(tmp_path / "in.jsonl")
        assert isinstance(bad, Rejected)
        assert isinstance(read, ReadGroup)
        assert (list(read.group.responses), read.group.expected_size) == ([ONE], 2)


def test_an_eval_log_is_opened_by_inspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for its library, which gives the samples of a log one at a time."""
    (log,), expected = CASES["inspect"]

    class Sample(dict[str, Any]):
        def model_dump(self, mode: str) -> dict[str, Any]:
            return dict(self)

    inspect_log = ModuleType("inspect_ai.log")
    inspect_log.read_eval_log_samples = lambda path, all_samples_required: map(Sample, log["samples"])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "inspect_ai", ModuleType("inspect_ai"))
    monkeypatch.setitem(sys.modules, "inspect_ai.log", inspect_log)
    (tmp_path / "log.eval").write_bytes(b"PK\x03\x04")
    assert groups(tmp_path / "log.eval") == expected
    assert groups(tmp_path) == expected


def test_an_eval_log_without_inspect_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "log.eval").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"log\.eval: .* by inspect's own library: pip install inspect_ai"):
        list(read_groups(tmp_path / "log.eval"))


def test_a_folder_of_trls_completions(tmp_path: Path) -> None:
    rows, _ = OWN_CASES["TRL, logged completions"]
    for step in (2, 10):
        table = pa.Table.from_pylist([{**row, "step": step} for row in rows])
        pq.write_table(table, tmp_path / f"completions_{step:05}.parquet")
    assert [(group.metadata, list(group.responses)) for group in groups(tmp_path)] == [
        ({"step": "2"}, [ONE, TWO]),
        ({"step": "10"}, [ONE, TWO]),
    ]


def test_the_first_groups_only(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{n}", "responses": ["a"]} for n in range(5)]
    (tmp_path / "in.jsonl").write_bytes(lines(rows) + b"not json\n")
    assert [group.prompt for group in groups(tmp_path / "in.jsonl", limit=2)] == ["q0", "q1"]


def test_the_page_says_what_a_section_promises() -> None:
    assert {ending for ending in (".gz", ".bz2", ".xz", ".zst") if f"`{ending}`" in section(PAGE, "Containers")} == {
        ".gz", ".bz2", ".xz", ".zst"
    }  # fmt: skip


@pytest.mark.parametrize("workers", ["1", "2"])
def test_documents_of_several_filters_are_read_once(tmp_path: Path, workers: str) -> None:
    """lm-evaluation-harness writes all documents for one filter, then the same for the next."""
    rows = [
        {
            "doc_id": n,
            "doc": {"question": f"q{n}"},
            "target": "2",
            "arguments": {"gen_args_0": {"arg_0": f"Q: q{n}", "arg_1": {}}},
            "resps": [[ONE, TWO]],
            "filtered_resps": [name],
            "filter": name,
        }
        for name in ("strict-match", "flexible-extract")
        for n in range(40)
    ]
    file = tmp_path / "samples.jsonl"
    file.write_bytes(lines(rows))
    assert [group.id for group in groups(file)] == [str(n) for n in range(40)]
    done = CliRunner().invoke(app, ["score", str(file), "--workers", workers, "--out", str(tmp_path / "scores.jsonl")])
    assert done.exit_code == 0
    assert "40 rows left out, with the responses of others for another filter than strict-match" in done.output
    assert len((tmp_path / "scores.jsonl").read_text().splitlines()) == 40

"""Reading rollouts: all forms of rows, invalid rows, bounded memory."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from generated import math_groups, short_answer_groups, write_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from empo_rewards.errors import InputError
from empo_rewards.group import Group
from empo_rewards.reading import containers, rows
from empo_rewards.reading.rollouts import ReadGroup, Rejected, read_groups
from empo_rewards.reading.rows import RESPONSES
from empo_rewards.reading.sources import input_files, would_hold


def jsonl(*rows: object) -> bytes:
    """The rows as JSON lines; bytes stand for themselves."""
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)


def read(*rows: object, group_size: int | None = None) -> list[ReadGroup | Rejected]:
    return list(read_groups("-", group_size=group_size, stdin=io.BytesIO(jsonl(*rows))))


def groups(*rows: object, group_size: int | None = None) -> list[Group]:
    located = read(*rows, group_size=group_size)
    assert [item for item in located if isinstance(item, Rejected)] == []
    return [item.group for item in located if isinstance(item, ReadGroup)]


def rejected(*rows: object) -> list[Rejected]:
    return [item for item in read(*rows) if isinstance(item, Rejected)]


def good(*rows: object) -> list[Group]:
    return [item.group for item in read(*rows) if isinstance(item, ReadGroup)]


class TestGroupedRows:
    def test_all_fields_arrive(self) -> None:
        row = {
            "prompt": [{"role": "user", "content": "1+1?"}],
            "responses": ["2", ""],
            "reference": "2",
            "id": "q1",
            "token_logprobs": [[-0.1, -2], []],
            "data_source": "sums",
            "metadata": {"level": 3},
        }
        assert groups(row) == [
            Group(
                prompt=[{"role": "user", "content": "1+1?"}],
                responses=["2", ""],
                reference="2",
                id="q1",
                token_logprobs=[[-0.1, -2], []],
                data_source="sums",
                metadata={"level": 3},
            )
        ]

    @pytest.mark.parametrize("name", ["responses", "completions", "outputs"])
    def test_responses_by_any_name(self, name: str) -> None:
        assert groups({"prompt": "p", name: ["a", "b"]}) == [Group("p", ["a", "b"])]

    @pytest.mark.parametrize("name", ["prompt", "question", "problem", "input"])
    def test_prompt_by_any_name(self, name: str) -> None:
        assert groups({name: "p", "responses": ["a"]}) == [Group("p", ["a"])]

    @pytest.mark.parametrize("name", ["reference", "ground_truth", "gts", "answer", "label"])
    def test_reference_by_any_name(self, name: str) -> None:
        assert groups({"prompt": "p", "responses": ["a"], name: "4"})[0].reference == "4"

    @pytest.mark.parametrize(
        ("reference", "expected"),
        [
            (1, "1"),
            (0.5, "0.5"),
            (-3, "-3"),
            (["4", "four"], ("4", "four")),
            (["4"], "4"),
            ([4], "4"),
            (None, None),
            ("", None),
        ],
    )
    def test_reference_that_is_no_text(self, reference: object, expected: object) -> None:
        assert groups({"prompt": "p", "responses": ["a"], "reference": reference})[0].reference == expected

    def test_reference_longer_than_python_reads_integers(self) -> None:
        digits = b"7" * 5_000
        (group,) = groups(b'{"prompt": "p", "responses": ["a"], "reference": ' + digits + b"}\n")
        assert group.reference == digits.decode()

    def test_null_is_absent(self) -> None:
        row = {"prompt": None, "question": "p", "responses": ["a"], "reference": None, "answer": "4", "id": None}
        assert groups(row) == [Group("p", ["a"], reference="4")]

    def test_verl_dataset_with_generated_responses(self) -> None:
        row = {
            "data_source": "openai/gsm8k",
            "prompt": [{"role": "user", "content": "q"}],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": "72"},
            "extra_info": {"index": 0, "split": "train"},
            "responses": ["72", "71"],
        }
        (group,) = groups(row)
        assert group.reference == "72"
        assert group.data_source == "openai/gsm8k"
        assert group.metadata == {"index": 0, "split": "train"}

    def test_same_id_twice_stays_two_groups_told_apart_by_position(self) -> None:
        row = {"id": "same", "prompt": "p", "responses": ["a"]}
        assert [(item.line, item.group.id) for item in read(row, row) if isinstance(item, ReadGroup)] == [
            (1, "same"),
            (2, "same"),
        ]

    def test_group_size_cuts_and_marks(self) -> None:
        row = {"prompt": "p", "responses": list("abcde"), "token_logprobs": [[-1.0 * k] for k in range(5)]}
        parts = groups(row, group_size=2)
        assert [(list(part.responses), part.expected_size) for part in parts] == [
            (["a", "b"], 2),
            (["c", "d"], 2),
            (["e"], 2),
        ]
        assert parts[2].token_logprobs == [[-4.0]]

    def test_metadata_of_another_type_is_kept(self) -> None:
        assert groups({"prompt": "p", "responses": ["a"], "extra_info": "x"})[0].metadata == {"extra_info": "x"}

    def test_lone_surrogates_become_replacement_characters_and_pairs_stay(self) -> None:
        (group,) = groups(rb'{"prompt": "p", "responses": ["a\ud800b", "\ud83d\ude00"]}' + b"\n")
        assert group.responses == ["a\ufffdb", "\U0001f600"]

    def test_byte_order_mark_blank_lines_and_windows_line_ends(self) -> None:
        located = read(
            b'\xef\xbb\xbf{"prompt": "p", "responses": ["a"]}\r\n',
            b"\r\n",
            b'\xef\xbb\xbf{"prompt": "q", "responses": ["b"]}',
        )
        assert [(item.line, item.group.prompt) for item in located if isinstance(item, ReadGroup)] == [
            (1, "p"),
            (3, "q"),
        ]


class TestFlatRows:
    def test_members_anywhere_by_uid_in_order_of_first_rows(self) -> None:
        located = read(
            {"uid": "b", "prompt": "p", "response": "1", "reference": 4},
            {"uid": "a", "prompt": "p", "response": "2"},
            {"uid": "b", "prompt": "p", "response": "3", "reference": "4"},
            {"uid": "a", "prompt": "p", "response": ""},
        )
        assert located == [
            ReadGroup(Group("p", ["1", "3"], reference="4", id="b"), line=1),
            ReadGroup(Group("p", ["2", ""], id="a"), line=2),
        ]

    @pytest.mark.parametrize("name", ["response", "completion", "output"])
    def test_response_by_any_name(self, name: str) -> None:
        assert groups({"prompt": "p", name: "a"}, {"prompt": "p", name: "b"}) == [Group("p", ["a", "b"])]

    def test_by_prompt_where_there_is_no_uid(self) -> None:
        messages = [{"role": "user", "content": "p"}]
        rows = [
            {"prompt": prompt, "response": text} for text, prompt in enumerate_text(["p", messages, "q", messages, "p"])
        ]
        assert [(group.prompt, group.responses) for group in groups(*rows)] == [
            ("p", ["0", "4"]),
            (messages, ["1", "3"]),
            ("q", ["2"]),
        ]

    def test_ids_that_differ_in_every_row_name_rows(self) -> None:
        rows = [{"id": n, "prompt": "pq"[n % 2], "response": str(n)} for n in range(6)]
        assert [(group.id, group.responses) for group in groups(*rows)] == [
            (None, ["0", "2", "4"]),
            (None, ["1", "3", "5"]),
        ]

    def test_ids_that_rows_share_name_groups(self) -> None:
        rows = [{"id": n % 3, "prompt": "p", "response": str(n)} for n in range(6)]
        assert [(group.id, group.responses) for group in groups(*rows)] == [
            ("0", ["0", "3"]),
            ("1", ["1", "4"]),
            ("2", ["2", "5"]),
        ]

    def test_one_id_written_twice_does_not_turn_row_ids_into_names(self) -> None:
        rows = [{"id": n, "prompt": "p", "response": str(n)} for n in (0, 1, 2, 3, 3)]
        assert [group.responses for group in groups(*rows)] == [["0", "1", "2", "3", "3"]]

    def test_one_uid_with_two_prompts_is_two_groups(self) -> None:
        rows = [{"uid": 0, "prompt": prompt, "response": prompt} for prompt in "pqpq"]
        assert [group.responses for group in groups(*rows)] == [["p", "p"], ["q", "q"]]

    def test_group_size_cuts_a_key_in_order_of_arrival(self) -> None:
        parts = groups(*({"prompt": "p", "response": str(n)} for n in range(5)), group_size=2)
        assert [(part.responses, part.expected_size) for part in parts] == [
            (["0", "1"], None),
            (["2", "3"], None),
            (["4"], 2),
        ]

    def test_verl_dumps_group_by_step_and_input(self) -> None:
        rows = [
            {"input": "p", "output": f"{step}{n}", "gts": "4", "score": 0.0, "step": step}
            for step in (1, 2)
            for n in "ab"
        ]
        assert groups(*rows) == [
            Group("p", ["1a", "1b"], reference="4", metadata={"step": "1"}),
            Group("p", ["2a", "2b"], reference="4", metadata={"step": "2"}),
        ]

    def test_references_that_differ_leave_none_and_say_so(self) -> None:
        (group,) = groups(*({"prompt": "p", "response": "a", "reference": reference} for reference in ("5", "4", None)))
        assert group.reference is None
        assert group.metadata == {"conflicts": {"reference": ["4", "5"]}}

    def test_logprobs_that_some_rows_lack_leave_none_and_say_so(self) -> None:
        (group,) = groups({"prompt": "p", "response": "a", "token_logprobs": [-1.0]}, {"prompt": "p", "response": "b"})
        assert group.token_logprobs is None
        assert group.metadata == {"conflicts": {"token_logprobs": "missing in 1 of 2 rows"}}

    def test_logprobs_and_metadata_of_each_member_are_kept(self) -> None:
        (group,) = groups(
            *(
                {"prompt": "p", "response": r, "token_logprobs": [-k], "metadata": {"k": k}}
                for r, k in (("a", 1), ("b", 2))
            )
        )
        assert group.token_logprobs == [[-1], [-2]]
        assert group.metadata == {"members": [{"k": 1}, {"k": 2}]}

    def test_grouped_rows_do_not_wait_for_flat_ones(self) -> None:
        located = read(
            {"prompt": "p", "response": "a"}, {"prompt": "q", "responses": ["b"]}, {"prompt": "p", "response": "c"}
        )
        assert located == [ReadGroup(Group("q", ["b"]), line=2), ReadGroup(Group("p", ["a", "c"]), line=1)]


def enumerate_text(values: list[Any]) -> list[tuple[str, Any]]:
    return [(str(position), value) for position, value in enumerate(values)]


class TestLostMembers:
    @pytest.mark.parametrize(
        "bad",
        [
            {"uid": "u", "prompt": "p", "response": None},
            {"uid": "u", "prompt": "p", "response": 3},
            {"uid": "u", "prompt": "p", "response": "b", "token_logprobs": [0.5]},
            {"uid": "u", "prompt": "p"},
            {"uid": "u", "response": "b"},
            {"uid": "u", "prompt": 7, "response": "b"},
            {"uid": ["u", "v"], "prompt": "p", "response": "b"},
        ],
    )
    @pytest.mark.parametrize("first", [True, False])
    def test_a_bad_member_makes_its_group_expect_one_more(self, bad: dict[str, Any], first: bool) -> None:
        rows: list[dict[str, Any]] = [{"uid": "u", "prompt": "p", "response": "a"} for _ in range(2)]
        rows.insert(0 if first else 1, bad)
        rows.append({"uid": "other", "prompt": "q", "response": "z"})
        located = read(*rows)
        assert [type(item) for item in located] == [Rejected, ReadGroup, ReadGroup]
        assert [(group.id, len(group), group.expected_size) for group in good(*rows)] == [
            ("u", 2, 3),
            ("other", 1, None),
        ]

    def test_a_bad_member_of_a_prompt_group(self) -> None:
        rows = [{"prompt": "p", "response": "a"}, {"prompt": "p", "response": []}, {"prompt": "q", "response": "a"}]
        assert [(group.prompt, group.expected_size) for group in good(*rows)] == [("p", 2), ("q", None)]

    def test_a_bad_member_takes_its_place_in_a_group_of_known_size(self) -> None:
        rows = [{"prompt": "p", "response": text} for text in ("a", None, "c", "d")]
        located = read(*rows, group_size=2)
        assert [
            (item.group.responses, item.group.expected_size) for item in located if isinstance(item, ReadGroup)
        ] == [
            (["a"], 2),
            (["c", "d"], None),
        ]

    def test_a_group_that_lost_every_member_is_only_rejected_rows(self) -> None:
        assert [type(item) for item in read({"prompt": "p", "response": None})] == [Rejected]


class TestDisk:
    def test_a_full_disk_is_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def connect(*args: Any, **options: Any) -> sqlite3.Connection:
            database = really_connect(*args, **options)
            database.execute("PRAGMA max_page_count = 20")  # SQLite reports this bound as a full disk
            return database

        really_connect = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", connect)
        with pytest.raises(InputError, match=r"full.*set SQLITE_TMPDIR"):
            read(*({"prompt": "p", "response": "x" * 10_000} for _ in range(20)))


class TestBadRows:
    @pytest.mark.parametrize(
        ("row", "cause"),
        [
            (b'{"prompt": "p", "responses": ["a"\n', "malformed JSON: Expecting ',' delimiter"),
            (b"not json\n", "malformed JSON"),
            (b'{"prompt": "p\xff"}\n', "byte 0xff at position 14 is not UTF-8"),
            (b"[" * 100_000 + b"\n", "nested too deeply"),
            (["a"], "a row must be an object with named fields, not a list"),
            (3, "a row must be an object with named fields, not a number"),
            ({}, "no prompt and no responses"),
            ({"text": "x", "n": 1}, "no prompt and no responses among the fields: text, n"),
            ({"prompt": "p"}, "this is a prompt dataset without responses: generate first"),
            ({"input": "p", "label": "4"}, "this is a prompt dataset without responses: generate first"),
            ({"prompt": "p", "responses": None}, "responses is null"),
            ({"prompt": "p", "responses": []}, "responses is empty"),
            ({"prompt": "p", "responses": "a"}, "responses must be a list of texts, not a text"),
            ({"prompt": "p", "responses": ["a", 1]}, "responses[1] must be a text"),
            ({"prompt": "p", "responses": ["a", None]}, "responses[1] must be a text, not null"),
            (
                {"prompt": "p", "responses": [{"score": 1, "text": "a"}]},
                "responses[0] must be a text, not an object: try --map responses=responses.*.text",
            ),
            ({"responses": ["a"]}, "no prompt among the fields: responses"),
            ({"prompt": {"x": 1}, "responses": ["a"]}, "prompt must be a text or a list of messages, not an object"),
            ({"prompt": ["hi"], "responses": ["a"]}, "prompt[0] must be a message"),
            ({"prompt": "p", "responses": ["a"], "id": {}}, "id must be a text or a number, not an object"),
            ({"prompt": "p", "responses": ["a"], "token_logprobs": [[0.1]]}, "a log-probability is <= 0"),
            (
                {"prompt": "p", "responses": ["a"], "token_logprobs": [[-1], [-1]]},
                "one list for each of the 1 responses",
            ),
            ({"prompt": "p", "response": None}, "response must be a text, not null"),
            ({"prompt": "p", "response": ["a"]}, "response must be a text, not a list"),
            ({"prompt": "", "response": "a"}, "the prompt is empty and there is no uid"),
            ({"prompt": "p", "response": "a", "step": {}}, "step must be a text or a number"),
        ],
    )
    def test_is_rejected_with_line_and_cause_and_the_rest_goes_on(self, row: object, cause: str) -> None:
        fine = {"prompt": "other", "responses": ["a"]}
        located = read(fine, row, fine)
        assert [type(item) for item in located] == [ReadGroup, Rejected, ReadGroup]
        bad = located[1]
        assert isinstance(bad, Rejected)
        assert bad.line == 2
        assert cause in bad.cause
        assert "\n" not in bad.cause
        assert bad.row == jsonl(row)[: containers.MAX_ROW_EXCERPT].decode(errors="backslashreplace").rstrip("\n")

    @pytest.mark.parametrize(
        ("label", "cause"),
        [
            ({"reference": {"x": 1}}, "reference must be a text, a number, or a list of them, not an object"),
            ({"label": True}, "label must be a text, a number, or a list of them, not true or false"),
            ({"gts": [["1"], ["2"]]}, "gts must be a text, a number, or a list of them, not a list"),
            ({"reward_model": "rule"}, "reward_model must be an object with `ground_truth`, not a text"),
        ],
    )
    def test_a_label_that_cannot_be_read_costs_the_label_and_not_the_row(
        self, label: dict[str, Any], cause: str
    ) -> None:
        whole, flat = {"prompt": "p", "responses": ["a"], **label}, {"prompt": "q", "response": "b", **label}
        for group in groups(whole, flat):
            assert group.reference is None
            assert group.metadata == {"conflicts": {"reference": cause}}

    def test_deep_nesting_that_json_reads_but_nothing_else_would(self) -> None:
        for depth in range(200, 700, 50):
            deep = b'{"prompt": "p", "responses": ["\\u00e9"], "metadata": ' + b"[" * depth + b"]" * depth + b"}\n"
            assert len(read(deep)) == 1
            in_an_array = b"[\n" + deep.strip() + b',\n{"prompt": "q", "responses": ["a"]}]'
            assert len(read(in_an_array)) == 2

    def test_row_that_is_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(containers, "MAX_ROW_BYTES", 100)
        fine = {"prompt": "p", "responses": ["a"]}
        located = read({"prompt": "p" * 3_000_000, "responses": ["a"]}, fine)
        assert [(type(item), item.line) for item in located] == [(Rejected, 1), (ReadGroup, 2)]
        assert rejected({"prompt": "p" * 200, "responses": ["a"]})[0].cause == "the row is longer than 100 bytes"

    def test_row_as_long_as_it_may_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        line = jsonl({"prompt": "p", "responses": ["a"]})
        monkeypatch.setattr(containers, "MAX_ROW_BYTES", len(line))
        assert len(good(line, line)) == 2

    @given(st.binary(max_size=200))
    @settings(deadline=None)
    def test_no_bytes_raise(self, data: bytes) -> None:
        """The container is recognised by the first row."""
        fine = b'\n{"prompt": "p", "responses": ["a"]}\n'
        located = list(read_groups("-", stdin=io.BytesIO(fine + data + fine)))
        assert located[-1] == ReadGroup(Group("p", ["a"]), line=data.count(b"\n") + 4)

    json_values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    )

    @given(st.lists(st.dictionaries(st.sampled_from(sorted(rows.FIELDS)), json_values, max_size=6), min_size=1))
    @settings(deadline=None)
    def test_no_row_raises_and_none_is_lost(self, rows: list[dict[str, Any]]) -> None:
        located = read(*rows)
        whole = {n for n, row in enumerate(rows, 1) if any(row.get(name) is not None for name in RESPONSES)}
        accounted = sum(
            1 if isinstance(item, Rejected) or item.line in whole else len(item.group.responses) for item in located
        )
        assert accounted == len(rows)


class TestFiles:
    rows = ({"prompt": "p", "responses": ["a"]}, {"prompt": "q", "responses": ["b"]})

    def test_plain_and_gzip(self, tmp_path: Path) -> None:
        plain, packed = tmp_path / "in.jsonl", tmp_path / "in.jsonl.gz"
        plain.write_bytes(jsonl(*self.rows))
        packed.write_bytes(gzip.compress(jsonl(*self.rows)))
        expected = [Group("p", ["a"]), Group("q", ["b"])]
        for path in (plain, packed, str(packed)):
            located = list(read_groups(path))
            assert [item.group for item in located if isinstance(item, ReadGroup)] == expected
            assert {item.source for item in located} == {str(path)}

    def test_content_counts_where_the_name_says_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "rollouts"
        path.write_bytes(gzip.compress(jsonl(*self.rows)))
        assert len(list(read_groups(path))) == 2

    def test_folder_of_dumps_in_order_of_steps(self, tmp_path: Path) -> None:
        for step in (10, 9, 100):
            (tmp_path / f"{step}.jsonl").write_bytes(
                jsonl(*({"input": "p", "output": f"{step}", "gts": None, "score": 1.0, "step": step} for _ in range(2)))
            )
        (tmp_path / "notes.txt").write_text("not read")
        located = list(read_groups(tmp_path))
        assert [(Path(item.source).name, item.group.responses) for item in located if isinstance(item, ReadGroup)] == [
            ("9.jsonl", ["9", "9"]),
            ("10.jsonl", ["10", "10"]),
            ("100.jsonl", ["100", "100"]),
        ]

    @pytest.mark.parametrize(  # mtime=0: pytest names the cases by their bytes, and each worker makes its own
        ("name", "content", "cause"),
        [
            ("in.jsonl", b"", "is empty"),
            ("in.jsonl", b"\n\n", "there are no rows"),
            ("in.jsonl.gz", gzip.compress(b"", mtime=0), "there are no rows"),
            ("in.jsonl.gz", b'{"prompt": "p"}\n', "by its name a gzip file"),
            ("in.jsonl.gz", gzip.compress(b"x" * 10_000, mtime=0)[:20], "the gzip stream is damaged"),
            (
                "in.jsonl.gz",
                gzip.compress(b'{"prompt": "p", "responses": ["a"]}\n', mtime=0) + b"garbage",
                "damaged after line 1",
            ),
            ("in.parquet", b'{"prompt": "p"}\n', "by its name a Parquet file"),
            ("in.parquet", b"PAR1" + b"garbage" * 9, "cannot be read as Parquet"),
        ],
    )
    def test_a_file_that_is_no_input(self, tmp_path: Path, name: str, content: bytes, cause: str) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            list(read_groups(path))
        assert cause in str(error.value)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)

    def test_what_is_wrong_with_a_file_is_said_before_the_first_row(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no such file"):
            read_groups(tmp_path / "missing.jsonl")
        (tmp_path / "1.jsonl").write_bytes(jsonl(*self.rows))
        (tmp_path / "2.jsonl").write_bytes(b"")
        with pytest.raises(InputError, match=r"2\.jsonl: the file is empty"):
            read_groups(tmp_path)

    def test_several_inputs_and_patterns(self, tmp_path: Path) -> None:
        names = ["10.jsonl", "9.jsonl", "scores.jsonl.rejected.jsonl", "scores.jsonl.journal.json"]
        for name in names:
            (tmp_path / name).write_bytes(jsonl({"prompt": name, "responses": ["a"]}))
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "1.jsonl").write_bytes(jsonl({"prompt": "deep", "responses": ["a"]}))

        def prompts(*sources: Path | str) -> list[Any]:
            return [item.group.prompt for item in read_groups(sources) if isinstance(item, ReadGroup)]

        assert prompts(tmp_path) == ["9.jsonl", "10.jsonl"]  # and not what `score` writes beside its output
        assert prompts(tmp_path / "10.jsonl", str(tmp_path / "9.jsonl")) == ["10.jsonl", "9.jsonl"]
        assert prompts(f"{tmp_path}/*0.jsonl") == ["10.jsonl"]
        assert prompts(f"{tmp_path}/**/1*.jsonl") == ["10.jsonl", "deep"]

    def test_inputs_that_name_no_file_or_one_twice(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="the folder holds no files of rollouts"):
            read_groups(tmp_path)
        with pytest.raises(InputError, match="no file has such a name"):
            read_groups(f"{tmp_path}/*.jsonl")
        (tmp_path / "1.jsonl").write_bytes(jsonl(*self.rows))
        with pytest.raises(InputError, match=r"1\.jsonl is given twice"):
            read_groups([tmp_path, tmp_path / "1.jsonl"])
        with pytest.raises(InputError, match="is given twice"):
            read_groups(["-", "-"], stdin=io.BytesIO(jsonl(*self.rows)))
        with pytest.raises(InputError, match="an input has no name"):
            read_groups("")

    @pytest.mark.parametrize("source", [".", "a", "*.jsonl", "part-*.jsonl", "*/*.jsonl", "**/*.jsonl", "a/**/*.jsonl"])
    @pytest.mark.parametrize("name", ["new.jsonl", "a/new.jsonl", "a/b/new.jsonl", "a/part-2.jsonl"])
    def test_whether_a_file_that_appears_becomes_part_of_the_input(
        self, source: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "a" / "b").mkdir(parents=True)
        for folder in (".", "a", "a/b"):
            (tmp_path / folder / "part-1.jsonl").write_bytes(jsonl(*self.rows))
        foretold = would_hold(["a/b/part-1.jsonl", source], tmp_path / name)
        (tmp_path / name).write_bytes(jsonl(*self.rows))
        assert foretold == ((tmp_path / name).resolve() in {file.resolve() for file in input_files(source)})

    def test_empty_standard_input(self) -> None:
        with pytest.raises(InputError, match="standard input: there are no rows"):
            list(read_groups("-", stdin=io.BytesIO(b"")))

    def test_closed_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", None)
        with pytest.raises(InputError, match="standard input is closed"):
            read_groups("-")

    def test_group_size_below_one(self) -> None:
        with pytest.raises(InputError, match="at least 1, not 0"):
            read_groups("-", group_size=0, stdin=io.BytesIO(b"{}"))

    @pytest.mark.parametrize(
        "rows", [math_groups(40, 8), short_answer_groups(30)], ids=["mathematics", "short answers"]
    )
    def test_gzipped_groups(self, rows: list[dict[str, Any]], tmp_path: Path) -> None:
        located = list(read_groups(write_rows(tmp_path / "groups.jsonl.gz", rows)))
        assert [
            (item.group.prompt, item.group.responses, item.group.reference)
            for item in located
            if isinstance(item, ReadGroup)
        ] == [(row["prompt"], row["responses"], row["reference"]) for row in rows]


class TestParquet:
    def write(self, path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
        pq.write_table(pa.Table.from_pylist(rows), path, **options)
        return path

    def test_verl_dataset_with_responses(self, tmp_path: Path) -> None:
        rows = [
            {
                "data_source": "s",
                "prompt": [{"role": "user", "content": f"q{n}"}],
                "ability": "math",
                "reward_model": {"style": "rule", "ground_truth": str(n)},
                "extra_info": {"index": n, "split": "train"},
                "responses": [str(n), "x"],
            }
            for n in range(200)
        ]
        located = list(read_groups(self.write(tmp_path / "in.parquet", rows, row_group_size=70)))
        assert [item.line for item in located] == list(range(1, 201))
        last = located[-1]
        assert isinstance(last, ReadGroup)
        assert last.group == Group(
            [{"role": "user", "content": "q199"}],
            ["199", "x"],
            reference="199",
            data_source="s",
            metadata={"index": 199, "split": "train"},
        )

    def test_flat_rows(self, tmp_path: Path) -> None:
        rows = [{"uid": str(n % 2), "prompt": "p", "response": str(n), "tensor": b"\xff"} for n in range(4)]
        located = list(read_groups(self.write(tmp_path / "in.parquet", rows)))
        assert [item.group.responses for item in located if isinstance(item, ReadGroup)] == [["0", "2"], ["1", "3"]]

    def test_bad_rows_by_row_number(self, tmp_path: Path) -> None:
        rows = [
            {"prompt": "p", "responses": ["a"]},
            {"prompt": "p", "responses": None},
            {"prompt": None, "responses": ["a"]},
        ]
        located = list(read_groups(self.write(tmp_path / "in.parquet", rows)))
        assert [(type(item), item.line) for item in located] == [(ReadGroup, 1), (Rejected, 2), (Rejected, 3)]
        bad = located[1]
        assert isinstance(bad, Rejected)
        assert json.loads(bad.row) == rows[1]

    def test_prompts_alone(self, tmp_path: Path) -> None:
        located = list(read_groups(self.write(tmp_path / "in.parquet", [{"prompt": "p", "data_source": "s"}])))
        assert [item.cause for item in located if isinstance(item, Rejected)] == [
            "this is a prompt dataset without responses: generate first"
        ]

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        broken = pa.Array.from_buffers(
            pa.string(), 3, [None, pa.py_buffer(b"\x00\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xffc")]
        )
        path = tmp_path / "in.parquet"
        pq.write_table(pa.table({"prompt": ["p", "p", "p"], "response": broken}), path)
        located = list(read_groups(path))
        assert [(type(item), item.line) for item in located] == [(Rejected, 2), (ReadGroup, 1)]
        assert [item.group.responses for item in located if isinstance(item, ReadGroup)] == [["a", "c"]]

    def test_unknown_columns(self, tmp_path: Path) -> None:
        (row,) = read_groups(self.write(tmp_path / "in.parquet", [{"text": "x", "n": 1}]))
        assert isinstance(row, Rejected)
        assert row.cause == "no prompt and no responses among the fields: text, n"

    def test_no_rows(self, tmp_path: Path) -> None:
        path = tmp_path / "in.parquet"
        pq.write_table(pa.table({"prompt": pa.array([], pa.string())}), path)
        with pytest.raises(InputError, match="there are no rows"):
            list(read_groups(path))


flat_rows = st.lists(
    st.fixed_dictionaries(
        {"prompt": st.sampled_from(["p", "q"]), "response": st.sampled_from(["1", "2", "", None])},
        optional={
            "uid": st.sampled_from(["u", "v", 3]),
            "id": st.sampled_from(["i", "j", 1, 2]),
            "step": st.sampled_from([1, 2]),
            "reference": st.sampled_from(["4", "5"]),
        },
    ),
    min_size=1,
    max_size=12,
)


@given(st.data(), flat_rows)
@settings(deadline=None)
def test_any_shuffle_of_flat_rows_gives_the_same_groups(data: st.DataObject, rows: list[dict[str, Any]]) -> None:
    shuffled = data.draw(st.permutations(rows))
    assert bag(read(*rows)) == bag(read(*shuffled))


def bag(located: list[ReadGroup | Rejected]) -> Counter[Any]:
    """Groups and bad rows without their order or lines; a group without the order of its members."""
    counter: Counter[Any] = Counter()
    for item in located:
        if isinstance(item, Rejected):
            counter[item.cause, item.row] += 1
        else:
            group = item.group
            metadata = dict(group.metadata or {})
            members = sorted(json.dumps(member) for member in metadata.pop("members", ()))
            key = (group.prompt, group.id, group.reference, group.expected_size, json.dumps(metadata), *members)
            counter[(*key, tuple(sorted(group.responses)))] += 1
    return counter


MEMORY_PROBE = """
import resource, sys
from empo_rewards.reading.rollouts import ReadGroup, read_groups
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sizes = [len(item.group) for item in read_groups(sys.argv[1]) if isinstance(item, ReadGroup)]
print(len(sizes), min(sizes), max(sizes), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_large_interleaved_file_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "flat.jsonl"
    prompt, response = "p" * 300, "r" * 2_200
    with path.open("w") as file:
        for n in range(50_000):
            file.write(json.dumps({"uid": n % 6_250, "prompt": f"{n % 6_250} {prompt}", "response": response}) + "\n")
    run = subprocess.run([sys.executable, "-c", MEMORY_PROBE, path], capture_output=True, text=True, check=True)
    groups_read, smallest, largest, grown_kib = map(int, run.stdout.split())
    assert (groups_read, smallest, largest) == (6_250, 8, 8)
    # The file is over 120 MB, of which the database's cache and one group may be in memory.
    assert path.stat().st_size > 120_000_000
    assert grown_kib < 64 * 1024

"""All runs of one size in one Parquet file: a row a run, with its result as JSON and every group that it scored.

Samples of one prompt are exchangeable, so a group is kept sorted: the answers by how often they came and by what they
are, each with its lengths. Most wrong answers are one or two digits off, so an answer of the right length is kept as
its digits minus those of the right one, modulo 10. Both together halve the file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from empo_rewards.files import whole_file

from .task import Problem

Groups = list[dict[str, Any]]

_GROUP = pa.struct(
    {
        "step": pa.int32(),
        "prompt": pa.string(),
        "probe": pa.bool_(),
        "counts": pa.string(),  # how often each distinct answer came, the commonest first: "9 4 3"
        "offsets": pa.string(),  # these answers by their digits' offsets from the right one; `_OTHER` for the rest
        "others": pa.list_(pa.string()),  # the rest, in the same order; None: no answer
        "lengths": pa.string(),  # of the responses in characters, in the order of `counts`; one number if all agree
    }
)
_SCHEMA = pa.schema({"job": pa.string(), "result": pa.string(), "groups": pa.list_(_GROUP)})
_OTHER = "~"


def names(path: Path) -> set[str]:
    """The jobs of a file; none where there is no file."""
    return set(pq.read_table(path, columns=["job"])["job"].to_pylist()) if path.is_file() else set()


def results(path: Path) -> dict[str, dict[str, Any]]:
    """The result of each job of a file."""
    if not path.is_file():
        return {}
    table = pq.read_table(path, columns=["job", "result"])
    return {
        job: json.loads(text)
        for job, text in zip(*(table[name].to_pylist() for name in _SCHEMA.names[:2]), strict=True)
    }


def groups(path: Path) -> Iterator[tuple[str, Groups]]:
    """The groups of each job of a file that scored any, a job at a time."""
    if path.is_file():
        for batch in pq.ParquetFile(path).iter_batches(1, columns=["job", "groups"]):
            (row,) = batch.to_pylist()
            if row["groups"] is not None:
                yield row["job"], list(map(_unpacked, row["groups"]))


def write(path: Path, runs: Iterable[tuple[str, Mapping[str, Any], Iterable[Mapping[str, Any]] | None]]) -> None:
    """Make a file of (job, result, groups or None); it is there whole or not at all."""
    rows = [
        {"job": job, "result": json.dumps(result, separators=(",", ":")), "groups": found and list(map(_packed, found))}
        for job, result, found in runs
    ]
    table = pa.Table.from_pylist(rows, schema=_SCHEMA)
    dictionaries = [f"groups.list.element.{name}" for name in ("prompt", "counts", "lengths")]
    with whole_file(path) as part:
        pq.write_table(table, part, compression="brotli", compression_level=11, use_dictionary=dictionaries)


def _packed(group: Mapping[str, Any]) -> dict[str, Any]:
    right = _right(group["prompt"])
    count = Counter(group["answers"])
    offset = {answer: _offset(answer, right) for answer in count}
    order = sorted(count, key=lambda answer: (-count[answer], offset[answer], answer or ""))
    place = {answer: number for number, answer in enumerate(order)}
    members = sorted((place[answer], length) for answer, length in zip(group["answers"], group["lengths"], strict=True))
    lengths = [length for _, length in members]
    return {
        "step": group["step"],
        "prompt": group["prompt"],
        "probe": group.get("probe", False),
        "counts": " ".join(str(count[answer]) for answer in order),
        "offsets": "".join(offset[answer] for answer in order),
        "others": [answer for answer in order if offset[answer] == _OTHER],
        "lengths": " ".join(map(str, lengths if len(set(lengths)) > 1 else lengths[:1])),
    }


def _right(prompt: str) -> str:
    """The digits of the right answer; none where the prompt is a question in words."""
    return Problem.from_prompt(prompt).answer if prompt.endswith("=") else ""


def _offset(answer: str | None, right: str) -> str:
    if (
        not right
        or answer is None
        or len(answer) != len(right)
        or not (answer + right).isdecimal()
        or not answer.isascii()
    ):
        return _OTHER
    return "".join(str((int(digit) - int(of)) % 10) for digit, of in zip(answer, right, strict=True))


def _unpacked(group: Mapping[str, Any]) -> dict[str, Any]:
    counts = [int(count) for count in group["counts"].split()]
    lengths = [int(length) for length in group["lengths"].split()]
    answers = _answers(group["offsets"], _right(group["prompt"]), iter(group["others"]))
    return {
        "step": group["step"],
        "prompt": group["prompt"],
        "probe": group["probe"],
        "answers": [answer for answer, count in zip(answers, counts, strict=True) for _ in range(count)],
        "lengths": lengths if len(lengths) > 1 else lengths * sum(counts),
    }


def _answers(offsets: str, right: str, others: Iterator[str | None]) -> Iterator[str | None]:
    at = 0
    while at < len(offsets):
        if offsets[at] == _OTHER:
            yield next(others)
            at += 1
        else:
            digits = offsets[at : at + len(right)]
            yield "".join(str((int(digit) + int(of)) % 10) for digit, of in zip(digits, right, strict=True))
            at += len(right)

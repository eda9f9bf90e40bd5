"""Writes prompts as a trainer's dataset.

- verl: Parquet with `data_source`, `prompt` (chat messages), `ability`, `reward_model` (`style`, `ground_truth`) and
  `extra_info` (`split`, `index`, and `difficulty` added here), see verl's documentation on preparing data.
- OpenRLHF: JSON lines with `input` (a text, or chat messages where the prompt has them), `label`, `datasource` and
  `difficulty`. OpenRLHF's input key is `input` by default; its label key must be set to `label`.
- TRL: JSON lines with `prompt` (chat messages) and `reference`, for `EMPOReward(reference="reference")`.
- slime: JSON lines with `prompt` (chat messages), `label` and `metadata`, for `--input-key prompt --label-key label
  --apply-chat-template`.
- plain: JSON lines with the package's own fields, as the prompts were read.

Prompts of rollout dumps have had the chat template applied. As messages they would get it a second time: select from
rollouts that have the messages, or give OpenRLHF the text without a template.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any

from empo_rewards.datasets.prompts import Prompt
from empo_rewards.errors import InputError
from empo_rewards.extras import require
from empo_rewards.files import whole_file
from empo_rewards.group import Label, Message

UNKNOWN_SOURCE = "unknown"
"""verl chooses its built-in reward by `data_source`, so every row must have one; a custom reward ignores it."""

UNKNOWN_ABILITY = "unknown"
"""What verl's column `ability` holds where nothing is known of a prompt's kind; verl does not read it."""

ROWS_AT_ONCE = 1024


class DatasetFormat(str, Enum):
    """The trainer that a dataset is for."""

    VERL = "verl"
    OPENRLHF = "openrlhf"
    TRL = "trl"
    SLIME = "slime"
    PLAIN = "plain"

    @property
    def ending(self) -> str:
        """The ending of its files."""
        return ".parquet" if self is DatasetFormat.VERL else ".jsonl"


def format_of(out: Path) -> DatasetFormat:
    """The format that an output's name implies.

    Raises:
        InputError: the name ends in neither `.parquet` nor `.jsonl`.
    """
    known = {".parquet": DatasetFormat.VERL, ".jsonl": DatasetFormat.OPENRLHF}
    if out.suffix not in known:
        raise InputError(f"{out}: name it .parquet (for verl) or .jsonl (for OpenRLHF), or give the format")
    return known[out.suffix]


def _messages(prompt: Prompt) -> list[dict[str, Any]]:
    """The prompt as chat messages."""
    if isinstance(prompt.prompt, str):
        return [{"role": "user", "content": prompt.prompt}]
    return [dict(message) for message in prompt.prompt]


def _label(label: Label, several: bool) -> str | list[str] | None:
    """The label as it is written: a text, or for a dataset of which a prompt has several accepted answers a list."""
    accepted = [] if label is None else [label] if isinstance(label, str) else list(label)
    return accepted if several else next(iter(accepted), None)


def _verl_row(prompt: Prompt, index: int, split: str, several: bool) -> dict[str, Any]:
    return {
        "data_source": prompt.data_source or UNKNOWN_SOURCE,
        "prompt": [_plain_message(message, index) for message in _messages(prompt)],
        "ability": prompt.ability or UNKNOWN_ABILITY,
        "reward_model": {"style": "rule", "ground_truth": _label(prompt.reference, several)},
        "extra_info": {"split": split, "index": index, "difficulty": asdict(prompt.difficulty)},
    }


def _openrlhf_row(prompt: Prompt, index: int, split: str, several: bool) -> dict[str, Any]:
    return {
        "input": prompt.prompt if isinstance(prompt.prompt, str) else _messages(prompt),
        "label": _label(prompt.reference, several) or ([] if several else ""),
        "datasource": prompt.data_source or UNKNOWN_SOURCE,
        "difficulty": asdict(prompt.difficulty),
    }


def _trl_row(prompt: Prompt, index: int, split: str, several: bool) -> dict[str, Any]:
    return {"prompt": _messages(prompt), "reference": _label(prompt.reference, several)}


def _slime_row(prompt: Prompt, index: int, split: str, several: bool) -> dict[str, Any]:
    return {
        "prompt": _messages(prompt),
        "label": _label(prompt.reference, several) or ([] if several else ""),
        "metadata": {"data_source": prompt.data_source or UNKNOWN_SOURCE, "split": split, "index": index},
    }


def _plain_row(prompt: Prompt, index: int, split: str, several: bool) -> dict[str, Any]:
    row = {
        "prompt": prompt.prompt if isinstance(prompt.prompt, str) else _messages(prompt),
        "reference": _label(prompt.reference, several),
        "data_source": prompt.data_source,
    }
    return {name: value for name, value in row.items() if value is not None}


_ROWS = {
    DatasetFormat.VERL: _verl_row,
    DatasetFormat.OPENRLHF: _openrlhf_row,
    DatasetFormat.TRL: _trl_row,
    DatasetFormat.SLIME: _slime_row,
    DatasetFormat.PLAIN: _plain_row,
}


def write_dataset(
    prompts: Iterable[Prompt],
    out: Path,
    *,
    form: DatasetFormat | None = None,
    split: str = "train",
    several: bool = False,
    overwrite: bool = False,
) -> int:
    """Write a dataset, and return how many rows it has. `out` appears when it is complete.

    Args:
        prompts: the prompts; read once, never all in memory.
        out: the file.
        form: the format; None: the one that the name of `out` implies.
        split: what rows say about their purpose, where the format has a place for it: "train" or "test".
        several: write labels as lists of accepted answers; else the first of them.
        overwrite: replace `out` where it exists.

    Raises:
        InputError: `out` exists and `overwrite` is not given; its name implies no format; it cannot be written; a
            prompt does not fit the format.
    """
    form = check_new(out, form, overwrite)
    rows = (_ROWS[form](prompt, index, split, several) for index, prompt in enumerate(prompts))
    with whole_file(out) as part:
        return _write_parquet(rows, part, several) if form is DatasetFormat.VERL else _write_lines(rows, part)


def check_new(out: Path, form: DatasetFormat | None, overwrite: bool) -> DatasetFormat:
    """The format of a dataset that can be written; see `write_dataset`.

    Raises:
        InputError: `out` exists and is not to be replaced, or its name implies no format.
    """
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists: --overwrite replaces it, or choose another name")
    return form or format_of(out)


def _plain_message(message: Message, index: int) -> dict[str, str]:
    role, content = message.get("role", "user"), message["content"]
    others = [name for name, value in message.items() if name not in ("role", "content") and value is not None]
    if not isinstance(role, str) or not isinstance(content, str) or others:
        raise InputError(f"prompt {index + 1}: verl's dataset form has a place for messages of a role and a text only")
    return {"role": role, "content": content}


def _write_lines(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    count = 0
    with path.open("w", encoding="ascii") as file:
        for count, row in enumerate(rows, 1):  # noqa: B007 (the last one is the number of rows)
            file.write(json.dumps(row, allow_nan=False) + "\n")
    return count


def _write_parquet(rows: Iterator[Mapping[str, Any]], path: Path, several: bool) -> int:
    require("parquet", "writing Parquet")
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    def struct(**fields: pa.DataType) -> pa.DataType:
        return pa.struct(list(fields.items()))

    text, number, count = pa.string(), pa.float64(), pa.int64()
    # Not inferred: the first rows may have only nulls where later ones have text.
    difficulty = struct(entropy=number, largest_share=number, pass_rate=number, responses=count)
    schema = pa.schema(
        [
            ("data_source", text),
            ("prompt", pa.list_(struct(role=text, content=text))),
            ("ability", text),
            ("reward_model", struct(style=text, ground_truth=pa.list_(text) if several else text)),
            ("extra_info", struct(split=text, index=count, difficulty=difficulty)),
        ]
    )
    written = 0
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            written += len(batch)
    return written

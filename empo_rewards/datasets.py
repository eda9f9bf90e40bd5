"""Writes prompts as a trainer's dataset.

- verl: Parquet with `data_source`, `prompt` (chat messages), `ability`, `reward_model` (`style`, `ground_truth`) and
  `extra_info` (`split`, `index`, and `difficulty` added here), see verl's documentation on preparing data.
- OpenRLHF: JSON lines with `input` (a text, or chat messages where the prompt has them), `label`, `datasource` and
  `difficulty`. OpenRLHF's input key is `input` by default; its label key must be set to `label`.

Prompts of rollout dumps have had the chat template applied. As messages they would get it a second time: select from
rollouts that have the messages, or give OpenRLHF the text without a template.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any

from empo_rewards.errors import InputError
from empo_rewards.extras import require
from empo_rewards.group import Message

UNKNOWN_SOURCE = "unknown"
"""verl chooses its built-in reward by `data_source`, so every row must have one; a custom reward ignores it."""

ROWS_AT_ONCE = 1024


class DatasetFormat(str, Enum):
    """The trainer that a dataset is for."""

    VERL = "verl"
    OPENRLHF = "openrlhf"


@dataclass(frozen=True)
class Difficulty:
    """How hard a prompt is for the model that answered it.

    Args:
        entropy: semantic entropy in nats; 0 where all answers agree.
        largest_share: the share of the most frequent answer.
        pass_rate: the share of correct answers; None without a reference.
        responses: how many responses that was estimated from.
    """

    entropy: float | None = None
    largest_share: float | None = None
    pass_rate: float | None = None
    responses: int | None = None


@dataclass(frozen=True)
class SelectedPrompt:
    """A prompt to train on.

    Args:
        prompt: a text, or chat messages.
        reference: the first accepted answer; None without a label.
        data_source: the name of the data set that the prompt comes from.
        difficulty: how hard it is for the model that answered it.
    """

    prompt: str | Sequence[Message]
    reference: str | None = None
    data_source: str | None = None
    difficulty: Difficulty = Difficulty()


def format_of(out: Path) -> DatasetFormat:
    """The format that an output's name implies.

    Raises:
        InputError: the name ends in neither `.parquet` nor `.jsonl`.
    """
    known = {".parquet": DatasetFormat.VERL, ".jsonl": DatasetFormat.OPENRLHF}
    if out.suffix not in known:
        raise InputError(f"{out}: name it .parquet (for verl) or .jsonl (for OpenRLHF), or give the format")
    return known[out.suffix]


def verl_rows(
    kept: Iterable[SelectedPrompt], *, split: str = "train", ability: str = "math"
) -> Iterator[dict[str, Any]]:
    """Rows of verl's format.

    Raises:
        InputError: a message has more than a role and a text, which the format cannot hold.
    """
    for index, item in enumerate(kept):
        prompt = [{"role": "user", "content": item.prompt}] if isinstance(item.prompt, str) else item.prompt
        yield {
            "data_source": item.data_source or UNKNOWN_SOURCE,
            "prompt": [_plain_message(message, index) for message in prompt],
            "ability": ability,
            "reward_model": {"style": "rule", "ground_truth": item.reference},
            "extra_info": {"split": split, "index": index, "difficulty": asdict(item.difficulty)},
        }


def openrlhf_rows(kept: Iterable[SelectedPrompt]) -> Iterator[dict[str, Any]]:
    """Rows of OpenRLHF's format, where a missing reference is an empty label."""
    for item in kept:
        yield {
            "input": item.prompt if isinstance(item.prompt, str) else [dict(message) for message in item.prompt],
            "label": item.reference or "",
            "datasource": item.data_source or UNKNOWN_SOURCE,
            "difficulty": asdict(item.difficulty),
        }


def write_dataset(
    kept: Iterable[SelectedPrompt],
    out: Path,
    *,
    form: DatasetFormat | None = None,
    overwrite: bool = False,
) -> int:
    """Write a dataset, and return how many rows it has. `out` appears when it is complete.

    Args:
        kept: the prompts; read once, never all in memory.
        out: the file.
        form: the format; None: the one that the name of `out` implies.
        overwrite: replace `out` where it exists.

    Raises:
        InputError: `out` exists and `overwrite` is not given; its name implies no format; it cannot be written; a
            prompt does not fit the format.
    """
    form = form or format_of(out)
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists: --overwrite replaces it, or choose another name")
    part = out.with_name(out.name + ".part")
    try:
        count = (
            _write_parquet(verl_rows(kept), part)
            if form is DatasetFormat.VERL
            else _write_lines(openrlhf_rows(kept), part)
        )
        part.replace(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    return count


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


def _write_parquet(rows: Iterator[Mapping[str, Any]], path: Path) -> int:
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
            ("reward_model", struct(style=text, ground_truth=text)),
            ("extra_info", struct(split=text, index=count, difficulty=difficulty)),
        ]
    )
    written = 0
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            written += len(batch)
    return written

"""Prompts in the dataset form of a trainer.

- verl: Parquet with `data_source`, `prompt` (chat messages), `ability`, `reward_model` (`style`, `ground_truth`) and
  `extra_info` (`split`, `index`, and here `difficulty`), as verl's documentation on preparing data has it.
- OpenRLHF: JSON lines with `input` (a text, or chat messages where the prompt is such), `label`, `datasource` and
  `difficulty`. Its input key is `input` by default; its label key must be set to `label`.

Rollout dumps hold prompts that the chat template was already applied to. Written as messages they would go through it
twice: select from rollouts that have the messages, or give OpenRLHF the text without a template.
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
"""verl picks its built-in reward by `data_source`, so every row must have one; a reward of one's own ignores it."""

ROWS_AT_ONCE = 1024


class DatasetFormat(str, Enum):
    """Whose dataset form."""

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
    """A prompt worth training on; `reference` is the first accepted answer."""

    prompt: str | Sequence[Message]
    reference: str | None = None
    data_source: str | None = None
    difficulty: Difficulty = Difficulty()


def format_of(out: Path) -> DatasetFormat:
    """The form that an output's name asks for.

    Raises:
        InputError: its ending says neither.
    """
    known = {".parquet": DatasetFormat.VERL, ".jsonl": DatasetFormat.OPENRLHF}
    if out.suffix not in known:
        raise InputError(f"{out}: name it .parquet (for verl) or .jsonl (for OpenRLHF), or give the format")
    return known[out.suffix]


def verl_rows(
    kept: Iterable[SelectedPrompt], *, split: str = "train", ability: str = "math"
) -> Iterator[dict[str, Any]]:
    """The rows of verl's form.

    Raises:
        InputError: a message is more than a role and a text, which this form has no place for.
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
    """The rows of OpenRLHF's form. An absent reference is an empty label there."""
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
    """Writes a dataset as a stream, and returns how many rows it has. `out` appears once it is complete.

    Args:
        form: whose form; by default what the name of `out` says.

    Raises:
        InputError: `out` exists and `overwrite` is not given; its name says no format; it cannot be written; a prompt
            does not fit the form.
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
    # Written down, not inferred: the first rows may hold nothing but nulls where later ones hold text.
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

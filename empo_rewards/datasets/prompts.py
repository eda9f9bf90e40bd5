"""Prompts to train on, read from plain text, JSON lines, JSON, CSV, Parquet, or a dataset of the Hugging Face Hub."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from empo_rewards.errors import InputError, described
from empo_rewards.extras import require
from empo_rewards.group import Label, Message
from empo_rewards.reading.containers import (
    LAYOUT_OF,
    PACKING_OF,
    Fields,
    RawRow,
    bare_suffix,
    check_file,
    file_rows,
    is_stream,
    text_rows,
)
from empo_rewards.reading.mapping import mapped
from empo_rewards.reading.rows import (
    FIELDS,
    ID,
    SOURCE,
    STRUCTURED,
    UID,
    RowError,
    read_prompt,
    read_reference,
    read_text,
)

HUB = "hf:"
"""What a name of the Hub may begin with, to tell it from a file's."""

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", flags=re.ASCII)


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
class Prompt:
    """A prompt to train on.

    Args:
        prompt: a text, or chat messages.
        reference: the label: an accepted answer, or a tuple of them; None without a label.
        data_source: the name of the data set that the prompt comes from.
        ability: what it asks for, in verl's sense ("math"); None: unknown.
        difficulty: how hard it is for the model that answered it.
        id: the row's identifier; None: it has none.
        line: where the row stands in its file.
    """

    prompt: str | Sequence[Message]
    reference: Label = None
    data_source: str | None = None
    ability: str | None = None
    difficulty: Difficulty = Difficulty()
    id: str | None = None
    line: int = 0


@dataclass(frozen=True)
class BadPrompt:
    """A row that has no prompt: its file, its line, and why."""

    source: str
    line: int
    cause: str


def read_prompts(
    source: str | Path,
    *,
    mapping: Mapping[str, str] | None = None,
    split: str = "train",
    limit: int | None = None,
) -> Iterator[Prompt | BadPrompt]:
    """The prompts of a file or dataset. A label that cannot be read is left out.

    Args:
        source: a file (`.txt` and other text: a prompt a line), or a dataset's name on the Hub (`owner/name`,
            `owner/name:configuration`, with `hf:` before it where a file has that name).
        mapping: fields by their paths in a row, as for `score`: `{"prompt": "doc.question"}`.
        split: the split of a Hub dataset.
        limit: read so many rows.

    Raises:
        InputError: there is no such file or dataset, or it cannot be read.
    """
    name = str(source)
    rows = _hub_rows(name.removeprefix(HUB), split) if is_hub(name) else _local_rows(Path(name))
    for raw in islice(rows, limit):
        try:
            yield _prompt(raw, mapping or {})
        except RowError as error:
            yield BadPrompt(name, raw.line, str(error))


def _prompt(raw: RawRow, mapping: Mapping[str, str]) -> Prompt:
    if raw.fault is not None:
        raise RowError(raw.fault)
    if isinstance(raw.value, str):
        return Prompt(raw.value, line=raw.line)
    if not isinstance(raw.value, Mapping):
        raise RowError("a row must be an object with named fields, or a line of text")
    row = mapped(raw.value, mapping)
    prompt = read_prompt(row)
    if not isinstance(prompt, str):
        while prompt and prompt[-1].get("role") == "assistant":
            prompt = prompt[:-1]
    if not prompt or (isinstance(prompt, str) and not prompt.strip()):
        raise RowError("the prompt is empty")
    ability = row.get("ability")
    return Prompt(
        prompt,
        read_reference(row)[0],
        read_text(row, SOURCE),
        ability if isinstance(ability, str) else None,
        id=_id(row),
        line=raw.line,
    )


def _id(row: Mapping[str, Any]) -> str | None:
    """The row's identifier, where it is a text or a number."""
    try:
        return read_text(row, (*ID, *UID))
    except RowError:
        return None


def is_hub(name: str) -> bool:
    """Whether it names a dataset of the Hub, and no file."""
    if name.startswith(HUB):
        return True
    path = Path(name)
    is_file = path.exists() or path.suffix in PACKING_OF or path.suffix in (*LAYOUT_OF, ".txt")
    return not is_file and HUB_NAME.fullmatch(name) is not None


def _local_rows(path: Path) -> Iterator[RawRow]:
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    if path.is_dir():
        raise InputError(f"{path} is a folder: give one of its files")
    check_file(path)
    if bare_suffix(path) in ("", ".txt") and not is_stream(path) and not _has_json(path):
        return text_rows(path)
    return file_rows(path, fields=Fields(FIELDS, STRUCTURED))


def _has_json(path: Path) -> bool:
    """Whether the first row of a file is an object, whatever its name says."""
    try:
        return isinstance(next(file_rows(path)).value, Mapping | list)
    except (StopIteration, InputError):
        return False


def _hub_rows(name: str, split: str) -> Iterator[RawRow]:
    """The rows of a dataset of the Hub, streamed."""
    require("hub", f"reading the dataset {name}")
    import datasets  # noqa: PLC0415 - an extra

    path, _, configuration = name.partition(":")
    try:
        rows: Any = datasets.load_dataset(path, configuration or None, split=split, streaming=True)
        for line, row in enumerate(rows, 1):
            yield RawRow(line, row, lambda: "")
    except Exception as error:
        raise InputError(f"{name}: the dataset cannot be read from the Hub: {described(error)}") from error

"""Reads rollouts: a stream of groups and rejected rows, in bounded memory.

Inputs: JSON lines (plain or gzip), Parquet, standard input (`-`), and a folder of rollout dumps as verl writes them
(`trainer.rollout_data_dir`: `{step}.jsonl`, read in the order of the steps). `rows.py` has the forms of a row,
`grouping.py` the rules by which flat rows make a group.

A row with a whole group is yielded at once. Groups of flat rows (one response a row) are yielded at the end of their
file, in the order of their first rows. The stream depends on the input alone, so a position in it identifies a group,
whatever its `id`; `--resume` relies on that.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from empo_rewards.cli.grouping import Grouping
from empo_rewards.cli.rows import FIELDS, RowError, parse_row
from empo_rewards.errors import InputError
from empo_rewards.extras import require
from empo_rewards.group import Group

STDIN = "-"

MAX_ROW_BYTES = 256 * 2**20
"""A longer line is rejected unread. 64 responses of 100,000 tokens with log-probabilities take about 150 MiB."""

MAX_ROW_EXCERPT = 10_000
"""How many characters of a bad row are kept; its line number leads to the rest."""

PARQUET_BATCH = 64
"""Rows of a Parquet file that are decoded at once."""

_MAX_INT_DIGITS = 4_000
"""Python refuses to parse integers much longer than this (4,300 digits); they stay text, as references do anyway."""


@dataclass(frozen=True)
class ReadGroup:
    """A group with its file and the line of its first row (from 1; in Parquet: the row)."""

    group: Group
    line: int
    source: str = STDIN


@dataclass(frozen=True)
class Rejected:
    """A bad row: its file and line, why it was rejected, and its first `MAX_ROW_EXCERPT` characters."""

    line: int
    cause: str
    source: str = STDIN
    row: str = ""


Located: TypeAlias = ReadGroup | Rejected


@dataclass(frozen=True)
class _Raw:
    """A row of a file: its decoded value, or why it cannot be decoded."""

    line: int
    value: Any
    show: Callable[[], str]
    fault: str | None = None


def read_groups(
    source: str | Path, *, group_size: int | None = None, stdin: BinaryIO | None = None
) -> Generator[Located, None, None]:
    """The groups and rejected rows of a file, a folder of dumps, or standard input.

    Args:
        source: a path, or `-` for JSON lines on standard input.
        group_size: how many responses make a group. A group with more is cut in the order of arrival; one with fewer
            carries `expected_size=group_size`.
        stdin: what to read for `-`; by default the process's standard input.

    Returns:
        A generator; a bad row never raises. Close it (or use it up) to free its files.

    Raises:
        InputError: at once where the file is missing, empty, or not of the type that its name says; from the generator
            where the file is truncated or has no rows.
    """
    if group_size is not None and group_size < 1:
        raise InputError(f"the group size must be at least 1, not {group_size}")
    if str(source) == STDIN:
        return _read([(STDIN, _json_rows(STDIN, stdin or sys.stdin.buffer))], group_size)
    files = [(str(path), _rows(path, _container(path))) for path in input_files(source)]
    return _read(files, group_size)


def input_files(source: str | Path) -> tuple[Path, ...]:
    """The files that `read_groups` reads, in its order; none for standard input.

    Raises:
        InputError: there is no such file, or the folder does not consist of rollout dumps.
    """
    if str(source) == STDIN:
        return ()
    path = Path(source)
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder")
    return _dumps(path) if path.is_dir() else (path,)


def is_stream(path: Path) -> bool:
    """Whether a path is a pipe or device: it can be read only once, and has no size."""
    return not path.is_file()


def _dumps(folder: Path) -> tuple[Path, ...]:
    files = [path for path in folder.iterdir() if path.name.endswith((".jsonl", ".jsonl.gz", ".parquet"))]
    if not files:
        raise InputError(f"{folder}: the folder holds no rollout dumps ({{step}}.jsonl)")
    others = sorted(path.name for path in files if not _step(path).isdecimal() or path.suffix == ".parquet")
    if others:
        raise InputError(
            f"{folder}: {others[0]} is no rollout dump; a folder is read only where all its files are {{step}}.jsonl:"
            " give the file itself"
        )
    by_step = {int(_step(path)): path for path in files}
    if len(by_step) < len(files):
        raise InputError(f"{folder}: the folder holds two dumps of one step")
    return tuple(path for _, path in sorted(by_step.items()))


def _step(path: Path) -> str:
    return path.name.partition(".")[0]


class _Container(Enum):
    JSON = "JSON lines"
    GZIP = "gzip"
    PARQUET = "Parquet"


def _container(path: Path) -> _Container:
    """The type of a file by its first bytes.

    Raises:
        InputError: it is empty, or its name says another type.
    """
    if is_stream(path):
        return _Container.JSON
    with _open(path) as file:
        start = file.read(4)
    if not start:
        raise InputError(f"{path}: the file is empty")
    container = (
        _Container.PARQUET if start == b"PAR1" else _Container.GZIP if start[:2] == b"\x1f\x8b" else _Container.JSON
    )
    claimed = {".gz": _Container.GZIP, ".parquet": _Container.PARQUET}.get(path.suffix)
    if claimed not in (None, container):
        raise InputError(f"{path}: by its name a {claimed.value} file, but it does not begin like one")
    return container


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from error


def _read(files: Iterable[tuple[str, Iterator[_Raw]]], group_size: int | None) -> Generator[Located, None, None]:
    empty = True
    for name, rows in files:
        for located in _groups(name, rows, group_size):
            empty = False
            yield located
    if empty:
        raise InputError(f"{'standard input' if name == STDIN else name}: there are no rows")


def _groups(name: str, rows: Iterator[_Raw], group_size: int | None) -> Iterator[Located]:
    """The groups of one file."""
    with closing(Grouping()) as flat:
        for raw in rows:
            try:
                if raw.fault is not None:
                    raise RowError(raw.fault)
                parsed = parse_row(raw.value)
                if isinstance(parsed, Group):
                    yield from (ReadGroup(group, raw.line, name) for group in _cut(parsed, group_size))
                else:
                    flat.add(raw.line, parsed)
            except RecursionError:
                yield Rejected(raw.line, "nested too deeply", name, raw.show()[:MAX_ROW_EXCERPT])
            except RowError as error:
                if error.lost is not None:
                    flat.add_lost(raw.line, error.lost)
                yield Rejected(raw.line, str(error), name, raw.show()[:MAX_ROW_EXCERPT])
        for line, group in flat.groups(group_size):
            yield ReadGroup(group, line, name)


def _cut(group: Group, size: int | None) -> Iterator[Group]:
    """The group in parts of `size` responses; a shorter part has `expected_size=size`."""
    if size is None or len(group) == size:
        yield group
        return
    for start in range(0, len(group), size):
        part = slice(start, start + size)
        yield replace(
            group,
            responses=group.responses[part],
            token_logprobs=None if group.token_logprobs is None else group.token_logprobs[part],
            expected_size=size,
        )


def _rows(path: Path, container: _Container) -> Iterator[_Raw]:
    if container is _Container.PARQUET:
        yield from _parquet_rows(path)
        return
    with _open(path) as file:
        if container is _Container.JSON:
            yield from _json_rows(str(path), file)
            return
        with gzip.open(file) as unpacked:
            yield from _json_rows(str(path), unpacked)


def _json_rows(name: str, file: BinaryIO | gzip.GzipFile) -> Iterator[_Raw]:
    line = 0
    try:
        while data := file.readline(MAX_ROW_BYTES):
            line += 1
            if len(data) == MAX_ROW_BYTES and not data.endswith(b"\n"):
                while (rest := file.readline(2**20)) and not rest.endswith(b"\n"):
                    pass
                yield _raw_fault(line, data, f"the row is longer than {MAX_ROW_BYTES} bytes")
            elif data.strip():
                yield _decode(line, data.removeprefix(b"\xef\xbb\xbf") if line == 1 else data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name}: the gzip stream is damaged after line {line}: {error}") from error
    except OSError as error:
        raise InputError(f"{name}: cannot be read after line {line}: {error.strerror}") from error


def _decode(line: int, data: bytes) -> _Raw:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return _raw_fault(line, data, f"byte 0x{data[error.start]:02x} at position {error.start + 1} is not UTF-8")
    try:
        value = json.loads(text, parse_int=_integer)
        if "\\u" in text:
            value = _well_formed(value)
    except RecursionError:
        return _raw_fault(line, data, "nested too deeply")
    except json.JSONDecodeError as error:
        return _raw_fault(line, data, f"malformed JSON: {error.msg} at position {error.pos + 1}")
    return _Raw(line, value, lambda: text.rstrip("\r\n"))


def _raw_fault(line: int, data: bytes, fault: str) -> _Raw:
    # A character takes at most four bytes: enough of a huge row for the excerpt.
    return _Raw(line, None, lambda: data[: 4 * MAX_ROW_EXCERPT].decode(errors="backslashreplace").rstrip("\r\n"), fault)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else digits


def _well_formed(value: Any) -> Any:
    r"""The value with U+FFFD for lone surrogates (`\ud800` in JSON), which cannot be encoded as UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if not value.isascii() else value
    if isinstance(value, list):
        return [_well_formed(item) for item in value]
    if isinstance(value, dict):
        return {_well_formed(key): _well_formed(item) for key, item in value.items()}
    return value


def _parquet_rows(path: Path) -> Iterator[_Raw]:
    require("parquet", "reading Parquet")
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    line = 0
    try:
        # Without pre-buffering the current pages are in memory, not a whole row group.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            names = file.schema_arrow.names
            columns = [name for name in names if name in FIELDS]
            if not columns:
                raise InputError(f"{path}: none of its columns is known: {', '.join(names)}")
            for batch in file.iter_batches(batch_size=PARQUET_BATCH, columns=columns):
                for value, fault in _decoded(batch):
                    line += 1
                    yield _Raw(line, value, partial(json.dumps, value, ensure_ascii=False, default=str), fault)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as Parquet after row {line}: {str(error).splitlines()[0]}") from error


def _decoded(batch: Any) -> Iterator[tuple[Any, str | None]]:
    """The rows of a batch, each with None or why it cannot be decoded (a text that is not UTF-8, say)."""
    try:
        yield from ((row, None) for row in batch.to_pylist())
    except (ValueError, OverflowError):
        for position in range(batch.num_rows):
            try:
                yield batch.slice(position, 1).to_pylist()[0], None
            except (ValueError, OverflowError) as error:
                yield None, f"a value cannot be decoded: {error}"

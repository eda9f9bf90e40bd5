"""Reads rollouts: a stream of groups and rejected rows, in bounded memory.

`sources.py` says which files an input names, `containers.py` how rows stand in a file, `forms.py` which tools' rows
are read, `rows.py` what the package's own fields are, and `grouping.py` by which rules flat rows make a group.

A row with a whole group is yielded at once. Groups of flat rows (one response a row) are yielded at the end of their
file, in the order of their first rows. The stream depends on the input alone, so a position in it identifies a group,
whatever its `id`; `--resume` relies on that.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from empo_rewards.errors import EmpoError, GroupError, InputError, described, suggestion
from empo_rewards.group import Group
from empo_rewards.protocols import Reader
from empo_rewards.reading.containers import (
    CHUNK_ROWS,
    LAYOUT_OF,
    MAX_ROW_EXCERPT,
    Chunk,
    Fields,
    RawRow,
    check_file,
    file_chunks,
    row_chunks,
    stream_chunks,
)
from empo_rewards.reading.forms import BUILT_IN, FORM_FIELDS, OWN, is_own
from empo_rewards.reading.grouping import Grouping
from empo_rewards.reading.mapping import mapped
from empo_rewards.reading.rows import (
    FIELDS,
    RESPONSE,
    RESPONSES,
    STRUCTURED,
    FlatRow,
    GroupKeys,
    RowError,
    parse_row,
)
from empo_rewards.reading.sources import STDIN, Sources, input_files, listed

FILE_ENDINGS = frozenset(LAYOUT_OF)
TABLE = Fields(FIELDS | FORM_FIELDS, STRUCTURED | FORM_FIELDS)
RESPONSE_FIELDS = frozenset((*RESPONSE, *RESPONSES, *FORM_FIELDS))


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

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.cause}"


Located: TypeAlias = ReadGroup | Rejected


@dataclass(frozen=True)
class ReadOptions:
    """How rows become groups.

    Args:
        group_size: how many responses make a group. A group with more is cut in the order of arrival; one with fewer
            carries `expected_size=group_size`. None: all rows of a key, all responses of a row.
        readers: the forms of rows by name, tried in this order for rows that do not have the package's own fields.
        form: the name of the form that all rows have; None: each row's is recognised.
        mapping: fields by their paths in a row (`mapping.parse_mapping`).
        limit: stop after so many groups.

    Raises:
        InputError: an option has an impossible value.
    """

    group_size: int | None = None
    readers: Mapping[str, Reader] = field(default_factory=lambda: BUILT_IN)
    form: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.group_size is not None and self.group_size < 1:
            raise InputError(f"the group size must be at least 1, not {self.group_size}")
        if self.form not in (None, OWN, *self.readers):
            raise InputError(f"no format is called {self.form!r}{suggestion(self.form or '', [OWN, *self.readers])}")

    def settings(self) -> dict[str, Any]:
        """What the groups depend on beside the files, JSON-ready; options that are not given are left out."""
        given = {"format": self.form, "map": dict(self.mapping) or None, "limit": self.limit}
        return {"group_size": self.group_size, **{name: value for name, value in given.items() if value is not None}}

    def rows(self, row: Any) -> Sequence[Any]:
        """The rows in the package's own fields that a row of the file holds."""
        if not isinstance(row, Mapping):
            return [row]
        if self.form == OWN or (self.mapping and self.form is None):
            return [mapped(row, self.mapping)]
        name = self.form
        try:
            name = self.form or self._form_of(row)
            if name is None:
                return [row]
            reader = self.readers[name]
            if self.form and not reader.recognises(row):
                raise RowError(f"not a row of the format {name}: {reader.about}")
            converted = reader.convert(row)
        except (RowError, MemoryError):
            raise
        except Exception as error:  # a part that is not what a reader expects; the rows of a file are anything
            raise RowError(f"cannot be read in {name or 'any'} format: {described(error)}") from error
        return [mapped(row, self.mapping, own) for own in converted] if self.mapping else converted

    def _form_of(self, row: Mapping[str, Any]) -> str | None:
        """The name of the first reader that recognises a row; None for the package's own fields, and for none."""
        if is_own(row):
            return None
        return next((name for name, reader in self.readers.items() if reader.recognises(row)), None)

    def variant_of(self, row: Any) -> str | None:
        """See `Reader.variant`."""
        if not isinstance(row, Mapping) or self.form == OWN or (self.mapping and self.form is None):
            return None
        try:
            name = self.form or self._form_of(row)
            return None if name is None else self.readers[name].variant(row)
        except Exception:  # noqa: BLE001 - a part that is not what a reader expects: `rows` says so
            return None

    @property
    def endings(self) -> frozenset[str]:
        """The endings of the files that are read of a folder, without those of a compression."""
        return FILE_ENDINGS | {reader.ending for reader in self.readers.values() if reader.ending}

    def opener(self, path: Path) -> Reader | None:
        """The reader that opens a file by its ending; None for files of rows."""
        return next((r for r in self.readers.values() if r.ending and path.name.endswith(r.ending)), None)

    def columns(self, names: Sequence[str]) -> list[str] | None:
        """The columns of a table that can matter; None: all."""
        if self.mapping or self.form or self.readers != BUILT_IN or not RESPONSE_FIELDS & set(names):
            return None
        return [name for name in names if name in FIELDS or name in FORM_FIELDS]


@dataclass(frozen=True)
class Member:
    """A flat row with its line; or of one that was rejected the group keys that could be read: a missing member."""

    line: int
    row: FlatRow | GroupKeys

    @property
    def is_row(self) -> bool:
        """Whether the row could be read."""
        return isinstance(self.row, FlatRow)

    def join(self, grouping: Grouping) -> None:
        """Add it to the rows of its file."""
        if isinstance(self.row, FlatRow):
            grouping.add(self.line, self.row)
        else:
            grouping.add_lost(self.line, self.row)


@dataclass(frozen=True)
class LeftOut:
    """A row that repeats the responses of others, and which of these are read."""

    variant: str


Found: TypeAlias = Located | Member | LeftOut
"""What a row may hold."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a file, one after the other. It pickles, so that another process may decode them.

    Args:
        source: the file's name.
        chunk: gives the rows.
        variant: of the file's first row (`Reader.variant`); None: it has none.
    """

    source: str
    chunk: Chunk
    variant: str | None = None

    def located(self, reading: ReadOptions) -> Iterator[Found]:
        """What the rows hold: groups, bad rows, and members of groups that are known at the end of the file only."""
        for raw, row in _own_rows(self.chunk(), reading):
            if self.variant is not None and reading.variant_of(raw.value) not in (None, self.variant):
                yield LeftOut(self.variant)
                continue
            try:
                if isinstance(row, RowError):
                    raise row
                parsed = parse_row(row)
                if isinstance(parsed, Group):
                    yield from (ReadGroup(group, raw.line, self.source) for group in _cut(parsed, reading.group_size))
                else:
                    yield Member(raw.line, parsed)
            except RecursionError:
                yield Rejected(raw.line, "nested too deeply", self.source, _excerpt(raw))
            except GroupError as error:
                yield Rejected(raw.line, str(error), self.source, _excerpt(raw))
            except RowError as error:
                if error.lost is not None:
                    yield Member(raw.line, error.lost)
                yield Rejected(raw.line, str(error), self.source, _excerpt(raw))


InputFile: TypeAlias = tuple[str, Iterator[Piece]]
"""An input's name, and the pieces of it."""


def read_pieces(
    sources: Sources, reading: ReadOptions, *, stdin: BinaryIO | None = None, rows: int = CHUNK_ROWS
) -> list[InputFile]:
    """The pieces of files, folders, or standard input, which are read as they are asked for.

    Args:
        sources: a path, a folder, a pattern, `-` for standard input, or a list of these.
        reading: how rows become groups.
        stdin: what to read for `-`; by default the process's standard input.
        rows: the most rows of a piece.

    Raises:
        InputError: where a file is missing, empty, or not of the type that its name says; from the pieces of a file
            that is truncated.
    """
    if STDIN in listed(sources) and stdin is None and sys.stdin is None:
        raise InputError("standard input is closed")
    files: list[InputFile] = []
    if STDIN in listed(sources):
        chunks = stream_chunks(STDIN, stdin or sys.stdin.buffer, columns=reading.columns, fields=TABLE, rows=rows)
        files.append((STDIN, _pieces(STDIN, chunks, reading)))
    for path in input_files(sources, reading.endings):
        if reading.opener(path) is None:
            check_file(path)
        files.append((str(path), pieces_of(path, reading, rows)))
    return files


def pieces_of(path: Path, reading: ReadOptions, rows: int = CHUNK_ROWS) -> Iterator[Piece]:
    """The pieces of one file; see `read_pieces`."""
    opener = reading.opener(path)
    if opener is not None:
        chunks = row_chunks(_opened_rows(opener, path), rows)
    else:
        chunks = file_chunks(path, columns=reading.columns, fields=TABLE, rows=rows)
    return _pieces(str(path), chunks, reading)


def _pieces(name: str, chunks: Iterator[Chunk], reading: ReadOptions) -> Iterator[Piece]:
    first = next(chunks, None)
    if first is None:
        return
    raw = next(first(), None)
    variant = None if raw is None else reading.variant_of(raw.value)
    yield Piece(name, first, variant)
    yield from (Piece(name, chunk, variant) for chunk in chunks)


def read_groups(
    sources: Sources,
    reading: ReadOptions | None = None,
    *,
    group_size: int | None = None,
    stdin: BinaryIO | None = None,
) -> Generator[Located, None, None]:
    """The groups and rejected rows of files, folders, or standard input.

    Args:
        sources, stdin: see `read_pieces`.
        reading: how rows become groups; None: as `ReadOptions(group_size=group_size)`.
        group_size: how many responses make a group, where `reading` is not given.

    Returns:
        A generator; a bad row never raises. Close it (or use it up) to free its files.

    Raises:
        InputError: at once where a file is missing, empty, or not of the type that its name says; from the generator
            where a file is truncated or has no rows.
    """
    reading = reading or ReadOptions(group_size=group_size)
    return _read(read_pieces(sources, reading, stdin=stdin), reading)


def _opened_rows(reader: Reader, path: Path) -> Iterator[RawRow]:
    """The rows of a file that a reader opens itself, by its tool's own library."""
    try:
        for line, row in enumerate(reader.open(path), 1):
            yield RawRow(line, row, partial(json.dumps, row, default=str))
    except EmpoError:
        raise
    except Exception as error:
        raise InputError(f"{path}: cannot be read: {described(error)}") from error


def _read(files: Iterable[InputFile], reading: ReadOptions) -> Generator[Located, None, None]:
    name, empty, groups = STDIN, True, 0
    for name, pieces in files:
        for located in located_in(name, pieces, reading):
            empty = False
            yield located
            groups += isinstance(located, ReadGroup)
            if reading.limit is not None and groups >= reading.limit:
                return
    if empty:
        raise no_rows(name)


def no_rows(name: str) -> InputError:
    """The error of an input whose last file has this name, and which has no rows."""
    return InputError(f"{'standard input' if name == STDIN else name}: there are no rows")


def located_in(name: str, pieces: Iterable[Piece], reading: ReadOptions) -> Iterator[Located]:
    """The groups and bad rows of one file, its flat rows grouped."""
    with closing(Grouping()) as flat:
        for piece in pieces:
            for item in piece.located(reading):
                if isinstance(item, Member):
                    item.join(flat)
                elif not isinstance(item, LeftOut):
                    yield item
        yield from flat_groups(name, flat, reading)


def flat_groups(name: str, flat: Grouping, reading: ReadOptions) -> Iterator[Located]:
    """The groups of a file's flat rows, at its end; those whose rows make no group are rejected."""
    for line, group in flat.groups(reading.group_size):
        yield Rejected(line, str(group), name) if isinstance(group, GroupError) else ReadGroup(group, line, name)


def _own_rows(rows: Iterable[RawRow], reading: ReadOptions) -> Iterator[tuple[RawRow, Any]]:
    """Each row of a file with the row in the package's own fields; with each of them where it holds several.

    What cannot be read is a `RowError` in the row's place: a bad sample of a log costs itself, not the log.
    """
    for raw in rows:
        try:
            if raw.fault is not None:
                raise RowError(raw.fault)
            own = reading.rows(raw.value)
        except RowError as error:
            own = [error]
        yield from ((raw, row) for row in own)


def _excerpt(raw: RawRow) -> str:
    try:
        return raw.show()[:MAX_ROW_EXCERPT]
    except RecursionError:
        return ""


def _cut(group: Group, size: int | None) -> Iterator[Group]:
    """The group in parts of `size` responses; a shorter part has `expected_size=size`."""
    if size is None or len(group) == size:
        yield group
        return
    for start in range(0, len(group), size):
        part = slice(start, start + size)
        members: dict[str, Any] = {
            name: values[part]
            for name in ("token_logprobs", "trained", "vote_weights", "sides")
            if (values := getattr(group, name)) is not None
        }
        yield replace(group, responses=group.responses[part], expected_size=size, **members)

"""Rows of a file or stream: JSON lines, JSON arrays, CSV, Parquet or plain text, compressed or not.

The container is recognised by the first bytes; a name that claims another one is an error. Compression: gzip, bzip2,
xz, and zstd (by pyarrow). Text is UTF-8, or UTF-16 with a byte order mark.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar

from empo_rewards.errors import InputError
from empo_rewards.extras import require

T = TypeVar("T")

MAX_ROW_BYTES = 256 * 2**20
"""A longer row is rejected unread. 64 responses of 100,000 tokens with log-probabilities take about 150 MiB."""

MAX_ROW_EXCERPT = 10_000
"""How many characters of a bad row are kept; its line number leads to the rest."""

CHUNK_ROWS = 64
CHUNK_BYTES = 2**20
"""A chunk has at most so many rows and bytes, or one row that is longer."""

PEEK_BYTES = 64 * 1024
"""How much of the beginning of a file is looked at to recognise it."""

_MAX_INT_DIGITS = 4_000
"""Python refuses to parse integers much longer than this (4,300 digits); they stay text, as references do anyway."""


class Packing(Enum):
    """A compression: its name, its ending, and its first bytes."""

    GZIP = ("gzip", ".gz", b"\x1f\x8b")
    BZIP2 = ("bzip2", ".bz2", b"BZh")
    XZ = ("xz", ".xz", b"\xfd7zXZ\x00")
    ZSTD = ("zstd", ".zst", b"\x28\xb5\x2f\xfd")

    @property
    def magic(self) -> bytes:
        """The bytes with which it begins."""
        return self.value[2]


class Layout(Enum):
    """How the rows stand in a file, by the name for messages."""

    JSON_LINES = "JSON lines"
    JSON_VALUES = "JSON"
    CSV = "CSV"
    PARQUET = "Parquet"
    TEXT = "plain text"


PACKING_OF = {packing.value[1]: packing for packing in Packing}

LAYOUT_OF = {
    ".jsonl": Layout.JSON_LINES,
    ".json": Layout.JSON_LINES,
    ".ndjson": Layout.JSON_LINES,
    ".csv": Layout.CSV,
    ".tsv": Layout.CSV,
    ".parquet": Layout.PARQUET,
}
"""The endings of files that hold rows; `.json` and `.jsonl` may also hold a JSON array."""

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

FOREIGN = {
    b"PK\x03\x04": "a zip archive",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF document",
    b"\x80\x02": "a Python pickle",
    b"\x80\x03": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
}
"""Beginnings of files that are often given by mistake."""

READABLE = "JSON lines, a JSON array, CSV or Parquet"

DELIMITERS = ",\t;"

ByteStream: TypeAlias = "io.BufferedReader | _Utf8"
"""Bytes that have been unpacked and are UTF-8."""

Columns = Callable[[Sequence[str]], "list[str] | None"]
"""Which columns of a table are to be read, of those that it has; None: all."""


@dataclass(frozen=True)
class Fields:
    """What is known of the columns of a CSV file.

    Args:
        known: names by which a file without an ending is recognised as one.
        structured: columns whose cells may hold a JSON list or object.
    """

    known: frozenset[str] = frozenset()
    structured: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RawRow:
    """A row of a file: its decoded value, or why it cannot be decoded.

    Args:
        line: where it begins: the line (from 1), or the row of a table or array.
        value: the decoded value.
        show: gives its text, for a report of bad rows.
        fault: why it cannot be decoded; None if it can.
    """

    line: int
    value: Any
    show: Callable[[], str]
    fault: str | None = None


Chunk: TypeAlias = Callable[[], Iterator[RawRow]]
"""Some rows of a file in a row, which are decoded when it is called. It pickles: another process may decode them."""


def is_stream(path: Path) -> bool:
    """Whether a path is a pipe or device: it can be read only once, and has no size."""
    return not path.is_file()


def bare_suffix(path: Path) -> str:
    """The ending of a name without that of its compression: `.jsonl` of `a.jsonl.gz`."""
    return Path(path.stem).suffix if path.suffix in PACKING_OF else path.suffix


def check_file(path: Path) -> None:
    """Check that a file begins like a container that can be read; pipes are not touched.

    Raises:
        InputError: it cannot be opened, is empty, or is not what its name says.
    """
    if not is_stream(path):
        with ExitStack() as stack:
            _recognised(stack, str(path), _opened(path), path)


def file_rows(path: Path, *, fields: Fields | None = None) -> Iterator[RawRow]:
    """The rows of a file or pipe; see `file_chunks`."""
    for chunk in file_chunks(path, fields=fields):
        yield from chunk()


def file_chunks(
    path: Path, *, columns: Columns | None = None, fields: Fields | None = None, rows: int = CHUNK_ROWS
) -> Iterator[Chunk]:
    """The rows of a file or pipe, in chunks.

    Args:
        path: the file.
        columns: chooses the columns of a Parquet file; None: all are read.
        fields: what is known of a table's columns.
        rows: the most rows of a chunk.

    Raises:
        InputError: the file cannot be opened or is damaged; the rows before were given.
    """
    with ExitStack() as stack:
        yield from _chunks(stack, str(path), _opened(path), path, columns, fields or Fields(), rows)


def stream_chunks(
    name: str,
    stream: BinaryIO,
    *,
    columns: Columns | None = None,
    fields: Fields | None = None,
    rows: int = CHUNK_ROWS,
) -> Iterator[Chunk]:
    """The rows of an open stream, as `file_chunks`; `name` stands in messages. The stream stays open."""
    with ExitStack() as stack:
        yield from _chunks(stack, name, stream, None, columns, fields or Fields(), rows)


def row_chunks(rows: Iterable[RawRow], most: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """Chunks of rows that are decoded already."""
    for held in _held(rows, most, lambda row: 0):
        yield partial(iter, held)


def _held(items: Iterable[T], most: int, size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """The items in lists; what comes before an error of theirs is given before it, and a large one is alone."""
    held: list[T] = []
    size, fault = 0, None
    try:
        for item in items:
            if held and (len(held) >= most or size + size_of(item) > CHUNK_BYTES):
                yield held
                held, size = [], 0
            held.append(item)
            size += size_of(item)
    except Exception as error:  # noqa: BLE001 - raised below
        fault = error
    if held:
        yield held
    if fault is not None:
        raise fault


def text_rows(path: Path) -> Iterator[RawRow]:
    """The lines of a plain text file that are not blank.

    Raises:
        InputError: it cannot be opened, or is not UTF-8 (or UTF-16 with a byte order mark).
    """
    with ExitStack() as stack:
        _, file = _recognised(stack, str(path), _opened(path), None)
        line = 0
        for line, data in enumerate(iter(lambda: file.readline(MAX_ROW_BYTES), b""), 1):
            try:
                text = data.decode().lstrip("\ufeff").strip()
            except UnicodeDecodeError as error:
                raise InputError(f"{path}, line {line}: {_not_utf8(data, error)}") from error
            if text:
                yield RawRow(line, text, partial(str, text))


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from error


def _recognised(
    stack: ExitStack, name: str, stream: BinaryIO, path: Path | None, known: frozenset[str] = frozenset()
) -> tuple[Layout, ByteStream]:
    """The layout, and the stream unpacked, as UTF-8, at its beginning. `stack` closes what is opened on the way."""
    file = _peekable(stream)
    if path is not None:
        stack.callback(file.close)
    start = _start(name, file)
    if not start and path is not None and not is_stream(path):
        raise InputError(f"{name}: the file is empty")
    packing = next((packing for packing in Packing if start.startswith(packing.magic)), None)
    claimed = None if path is None else PACKING_OF.get(path.suffix)
    if claimed is not None and claimed is not packing:
        raise InputError(f"{name}: by its name a {claimed.value[0]} file, but it does not begin like one")
    if packing is not None:
        file = stack.enter_context(_peekable(_Unpacked(packing, file)))
        start = _start(name, file, packing)
    if start.startswith(UTF16_MARKS):
        text = _Utf8(file)
        stack.callback(text.close)
        return _layout(name, start.decode("utf-16", "ignore").encode(), path, known), text
    return _layout(name, start, path, known), file


def _peekable(stream: Any) -> io.BufferedReader:
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream, PEEK_BYTES)


def _start(name: str, file: io.BufferedReader, packing: Packing | None = None) -> bytes:
    try:
        return file.peek(PEEK_BYTES)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(name, packing, 0, error) from error


def _damaged(name: str, packing: Packing | None, line: int, error: Exception) -> InputError:
    if isinstance(error, OSError) and error.errno is not None:
        return InputError(f"{name}: cannot be read after line {line}: {error.strerror}")
    kind = "compressed" if packing is None else packing.value[0]
    return InputError(f"{name}: the {kind} stream is damaged after line {line}: {error}")


class _Unpacked(io.RawIOBase):
    """A compressed stream, unpacked as far as one read reaches: what precedes damage is given before the error."""

    def __init__(self, packing: Packing, file: io.BufferedReader) -> None:
        self.packing = packing
        self._file = _decompressor(packing, file)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _decompressor(packing: Packing, file: io.BufferedReader) -> Any:
    if packing is Packing.GZIP:
        return gzip.GzipFile(fileobj=file)
    if packing is Packing.BZIP2:
        return bz2.BZ2File(file)
    if packing is Packing.XZ:
        return lzma.LZMAFile(file)
    require("parquet", "reading zstd")
    import pyarrow as pa  # noqa: PLC0415 - an extra

    return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")


def _layout(name: str, start: bytes, path: Path | None, known: frozenset[str]) -> Layout:
    """The layout by the first bytes, and by the name for what has no mark of its own."""
    by_name = None if path is None else LAYOUT_OF.get(bare_suffix(path))
    if start.startswith(b"PAR1"):
        return Layout.PARQUET
    if by_name is Layout.PARQUET:
        raise InputError(f"{name}: by its name a Parquet file, but it does not begin like one")
    for magic, kind in FOREIGN.items():
        if start.startswith(magic):
            raise InputError(f"{name}: this is {kind}; give {READABLE}")
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    first = text.partition(b"\n")[0]
    if by_name is Layout.CSV:
        return Layout.CSV
    if text.startswith(b"[") and _is_array(first, text):
        return Layout.JSON_VALUES
    if first.strip() == b"{":
        return Layout.JSON_VALUES
    if by_name is None and not text.startswith(b"{") and _header(first) & known:
        return Layout.CSV
    return Layout.JSON_LINES


def _is_array(first: bytes, text: bytes) -> bool:
    """Whether text that begins with a bracket is one array of rows, and not lines of which the first is a list."""
    inside = text[1:].lstrip()
    return inside.startswith(b"{") or first.strip() == b"["


def _header(line: bytes) -> set[str]:
    """The column names if a line is the header of a CSV file."""
    text = line.decode(errors="replace").strip().lower()
    delimiter = max(DELIMITERS, key=text.count)
    return {cell.strip(' "') for cell in text.split(delimiter)} if delimiter in text else set()


class _Utf8(io.RawIOBase):
    """UTF-16 text, read as lines of UTF-8."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._text = io.TextIOWrapper(file, "utf-16", errors="replace", newline="")

    def readable(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._text.readline(-1 if size is None else size).encode()

    def read(self, size: int = -1, /) -> bytes:
        return self._text.read(size).encode()


def _chunks(
    stack: ExitStack,
    name: str,
    stream: BinaryIO,
    path: Path | None,
    columns: Columns | None,
    fields: Fields,
    rows: int,
) -> Iterator[Chunk]:
    layout, file = _recognised(stack, name, stream, path, fields.known)
    if layout is Layout.PARQUET:
        seekable = path if path is not None and path.suffix not in PACKING_OF and not is_stream(path) else None
        yield from _parquet_chunks(name, seekable or _spooled(stack, name, file), columns, rows)
    elif layout is Layout.CSV:
        yield from row_chunks(_csv_rows(name, file, fields.structured), rows)
    elif layout is Layout.JSON_VALUES:
        yield from row_chunks(_json_values(name, file), rows)
    else:
        line = 1
        for lines in _held(_lines(name, file), rows, len):
            yield partial(_decoded_lines, line, lines)
            line += len(lines)


def _lines(name: str, file: ByteStream) -> Iterator[bytes]:
    """The lines, each cut at `MAX_ROW_BYTES`; a damaged stream is an `InputError`."""
    line = 0
    try:
        while data := file.readline(MAX_ROW_BYTES):
            line += 1
            yield data
            if len(data) == MAX_ROW_BYTES and not data.endswith(b"\n"):
                while (rest := file.readline(2**20)) and not rest.endswith(b"\n"):
                    pass
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(name, _packing_of(file), line, error) from error


def _packing_of(file: ByteStream) -> Packing | None:
    """The compression of a stream, for messages."""
    return getattr(getattr(file, "raw", None), "packing", None)


def _decoded_lines(first: int, lines: Sequence[bytes]) -> Iterator[RawRow]:
    """The rows of JSON lines, of which the first has this number; blank ones are none."""
    for line, read in enumerate(lines, first):
        data = read.removeprefix(codecs.BOM_UTF8)  # of any line: files are concatenated
        if len(read) == MAX_ROW_BYTES and not data.endswith(b"\n"):
            yield _faulty(line, data, f"the row is longer than {MAX_ROW_BYTES} bytes")
        elif data.strip():
            yield _decoded_line(line, data)


def _decoded_line(line: int, data: bytes) -> RawRow:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return _faulty(line, data, _not_utf8(data, error))
    try:
        value = json.loads(text, parse_int=_integer)
        if "\\u" in text:
            value = _well_formed(value)
    except RecursionError:
        return _faulty(line, data, "nested too deeply")
    except json.JSONDecodeError as error:
        return _faulty(line, data, f"malformed JSON: {error.msg} at position {error.pos + 1}")
    return RawRow(line, value, lambda: text.rstrip("\r\n"))


def _faulty(line: int, data: bytes, fault: str) -> RawRow:
    # A character takes at most four bytes: enough of a huge row for the excerpt.
    return RawRow(
        line, None, lambda: data[: 4 * MAX_ROW_EXCERPT].decode(errors="backslashreplace").rstrip("\r\n"), fault
    )


def _not_utf8(data: bytes, error: UnicodeDecodeError) -> str:
    return f"byte 0x{data[error.start]:02x} at position {error.start + 1} is not UTF-8"


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


def _json_values(name: str, file: ByteStream) -> Iterator[RawRow]:
    """The items of a JSON array, or objects that go over several lines; `line` counts them. One is held at a time."""
    decode = json.JSONDecoder(parse_int=_integer).raw_decode
    utf8 = codecs.getincrementaldecoder("utf-8-sig")()
    text, position, item, ended = "", 0, 0, False
    array = closed = False

    def more() -> None:
        nonlocal text, position, ended
        wanted = max(PEEK_BYTES, len(text) - position)
        if wanted > MAX_ROW_BYTES:
            raise InputError(f"{name}: item {item + 1} is longer than {MAX_ROW_BYTES} bytes")
        try:
            data = file.read(wanted)
            text, position, ended = text[position:] + utf8.decode(data, not data), 0, not data
        except UnicodeDecodeError as error:
            raise InputError(f"{name}: not UTF-8 after item {item}") from error
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise _damaged(name, _packing_of(file), item, error) from error

    while True:
        while position < len(text) and (text[position].isspace() or (array and text[position] == ",")):
            position += 1
        if position == len(text):
            if ended:
                break
            more()
        elif item == 0 and not array and text[position] == "[":
            array, position = True, position + 1
        elif closed:
            raise InputError(f"{name}: there is more text after the end of the array")
        elif array and text[position] == "]":
            closed, position = True, position + 1
        else:
            try:
                value, end = decode(text, position)
            except (json.JSONDecodeError, RecursionError) as error:
                if not ended and not isinstance(error, RecursionError):
                    more()
                    continue
                what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
                raise InputError(f"{name}: malformed JSON in item {item + 1}: {what}") from error
            if end == len(text) and not ended:
                more()
                continue
            item, shown, position = item + 1, text[position : min(end, position + MAX_ROW_EXCERPT)], end
            yield _item(item, value, shown)
    if array and not closed:
        raise InputError(f"{name}: the array has no end: the file is cut off after item {item}")


def _item(line: int, value: Any, shown: str) -> RawRow:
    try:
        return RawRow(line, _well_formed(value), partial(str, shown))
    except RecursionError:
        return RawRow(line, None, partial(str, shown), "nested too deeply")


def _csv_rows(name: str, file: ByteStream, json_cells: frozenset[str]) -> Iterator[RawRow]:
    """The rows of a table with a header. An empty cell is null; those of columns in `json_cells` may hold JSON."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_BYTES))  # a bound of the process; it is only widened

    def texts() -> Iterator[str]:
        for line, data in enumerate(_lines(name, file), 1):
            try:
                text = data.decode()
            except UnicodeDecodeError as error:
                raise InputError(f"{name}, line {line}: {_not_utf8(data, error)}") from error
            if len(data) == MAX_ROW_BYTES:
                raise InputError(f"{name}, line {line}: the row is longer than {MAX_ROW_BYTES} bytes")
            yield text.removeprefix("\ufeff") if line == 1 else text

    lines = texts()
    head = next(lines, "")
    delimiter = max(DELIMITERS, key=head.count)
    ended = False

    def all_lines() -> Iterator[str]:
        nonlocal ended
        yield head
        yield from lines
        ended = True

    reader = csv.reader(all_lines(), delimiter=delimiter)
    try:
        names = [name.strip() for name in next(reader, [])]
        start = reader.line_num + 1
        for cells in reader:
            if cells:
                row = {key: _cell(key, cell, json_cells) for key, cell in zip(names, cells, strict=False)}
                fault = None if len(cells) == len(names) else f"{len(cells)} cells for {len(names)} columns"
                if ended:  # the reader asks for a line after the last one only inside of quotes
                    fault = "a quote that opens in this row is not closed: the rest of the file stands in it"
                yield RawRow(start, row, partial(json.dumps, row, ensure_ascii=False), fault)
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{name}, line {reader.line_num}: not CSV: {error}") from error


def _cell(name: str, cell: str, json_cells: frozenset[str]) -> Any:
    if name in json_cells and cell.startswith(("[", "{")):
        try:
            return _well_formed(json.loads(cell, parse_int=_integer))
        except (json.JSONDecodeError, RecursionError):
            return cell
    return cell or None


def _spooled(stack: ExitStack, name: str, file: ByteStream) -> Any:
    """A copy on disk of a stream, for a container that must be read from its end."""
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    try:
        shutil.copyfileobj(file, copy)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(name, _packing_of(file), 0, error) from error
    copy.seek(0)
    return copy


def _parquet_chunks(name: str, source: Any, columns: Columns | None, rows: int) -> Iterator[Chunk]:
    require("parquet", "reading Parquet")
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    line = 1
    try:
        # Without pre-buffering the current pages are in memory, not a whole row group.
        with pq.ParquetFile(source, pre_buffer=False) as table:
            chosen = columns(table.schema_arrow.names) if columns else None
            for batch in table.iter_batches(batch_size=rows, columns=chosen):
                yield partial(_decoded_batch, line, batch)
                line += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{name}: cannot be read as Parquet after row {line - 1}: {str(error).splitlines()[0]}"
        ) from error


def _decoded_batch(first: int, batch: Any) -> Iterator[RawRow]:
    """The rows of a batch, of which the first has this number; some may not be decodable (a text that is not UTF-8)."""
    try:
        values: list[tuple[Any, str | None]] = [(value, None) for value in batch.to_pylist()]
    except (ValueError, OverflowError):
        values = [_decoded_cell(batch.slice(position, 1)) for position in range(batch.num_rows)]
    for line, (value, fault) in enumerate(values, first):
        yield RawRow(line, value, partial(json.dumps, value, ensure_ascii=False, default=str), fault)


def _decoded_cell(row: Any) -> tuple[Any, str | None]:
    try:
        return row.to_pylist()[0], None
    except (ValueError, OverflowError) as error:
        return None, f"a value cannot be decoded: {error}"

"""The output of `score` on disk, which a run that was killed at any moment can resume: nothing lost, nothing twice.

A job writes three files:

- `OUT`: one JSON line per group, in the order of the input (a name that ends in `.gz`: compressed);
- `OUT.rejected.jsonl`: one JSON line per bad row, in that order too; only where there are bad rows;
- `OUT.journal.json`: the job that these belong to (package version, input, settings). It may be deleted when the job is
  done.

`OUT` is the file itself: a symbolic link is followed first, so that each name of a file leads to the same three. All
three are locked while the job runs (the files, not their names), and a file that is moved, replaced or deleted
meanwhile ends the job.

The input is a fixed sequence of groups and bad rows, and either file holds a prefix of its own kind. So the number of
whole lines in each says where to go on; what stands after the last of them is cut off. The job is written while both
files are empty: files with content have a complete description of their job, or were not written here.

Standard input can be scored but not resumed: it cannot be read again.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from empo_rewards.cli.job import differences, fingerprint, is_repeatable
from empo_rewards.cli.outputs import check_place, check_still_there, locked, write_whole
from empo_rewards.errors import InputError
from empo_rewards.files import resolved
from empo_rewards.reading.rollouts import FILE_ENDINGS, Located, ReadGroup, Rejected
from empo_rewards.reading.sources import Sources

MEMBER_BYTES = 256 * 1024
"""Lines of a compressed output are written in gzip members of this size (uncompressed). A member is whole or does not
count, so a killed process loses at most this much. One member per line would be four times the size on disk."""


def beside(out: Path) -> tuple[Path, Path]:
    """The files of the rejected rows and of the job that belong to an output, whichever of its names this is."""
    place = resolved(out)
    return place.with_name(place.name + ".rejected.jsonl"), place.with_name(place.name + ".journal.json")


def read_records(out: Path) -> Iterator[dict[str, Any]]:
    """The records of an output, plain or compressed, one per group.

    Raises:
        InputError: a line is not a JSON object, or what is compressed is damaged.
    """
    number = 0
    with gzip.open(out, "rb") if out.suffix == ".gz" else out.open("rb") as file:
        try:
            for number, line in enumerate(file, 1):
                yield record_of(line, f"{out}, line {number}")
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{out}: damaged after line {number}: {error}") from error


def record_of(line: bytes, where: str) -> dict[str, Any]:
    """The record of one line of an output.

    Raises:
        InputError: it is not a JSON object.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not a score: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{where}: not a score: it is no JSON object")
    return found


@contextmanager
def open_journal(
    out: Path,
    *,
    source: Sources,
    settings: Mapping[str, Any],
    endings: frozenset[str] = FILE_ENDINGS,
    resume: bool = False,
    overwrite: bool = False,
) -> Iterator[Journal]:
    """The output of one scoring job, open for writing and locked.

    Args:
        out: the file of scores.
        source: what `read_groups` is given; an output that would overwrite it or become part of it is refused.
        settings, endings: see `fingerprint`.
        resume: go on with an interrupted job; begin it where it did not write anything yet.
        overwrite: begin anew where the output exists.

    Raises:
        InputError: the output exists, and is neither to be resumed nor overwritten; it is of another job, and what
            differs is named; another process is writing it; it cannot be written.
    """
    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other")
    out = resolved(out)
    rejected, sidecar = beside(out)
    for path in (out, rejected, sidecar):
        check_place(path, source, endings)
    if not resume and not overwrite:
        _check_nothing_there(out, rejected)
    job = fingerprint(source, settings, endings)
    if resume:
        _check_resumable(job, out, rejected, sidecar)
    scores, bad = _LineFile(out, compressed=out.suffix == ".gz"), _LineFile(rejected)
    with closing(scores), closing(bad):
        scores.lock()
        bad.lock()
        with locked(sidecar, "a+b") as job_file:
            if overwrite:
                scores.empty()
                bad.delete()
            elif not resume:
                _check_nothing_there(out, rejected)  # again: now no other process can begin
            if resume and _have_content(out, rejected):
                _check_same_job(job, job_file, out)
            else:
                job_file.truncate(0)
                write_whole(job_file, sidecar, json.dumps(job, indent=1).encode() + b"\n")
            scores.create()
            scores.recover()
            bad.recover()
            yield Journal(scores, bad)
            scores.finish()
            bad.finish()


class Journal:
    """Writes the scores and the bad rows of a job that `open_journal` has opened.

    What earlier runs wrote is left out: the input gives it again, in the same order.
    """

    def __init__(self, scores: _LineFile, rejected: _LineFile) -> None:
        self._scores, self._rejected = scores, rejected
        self._groups_left, self._rejected_left = scores.count, rejected.count

    @property
    def groups_done(self) -> int:
        """How many groups the output holds, those of earlier runs included."""
        return self._scores.count

    @property
    def rows_done(self) -> int:
        """How many groups and bad rows earlier runs wrote, and this one."""
        return self._scores.count + self._rejected.count

    @property
    def skips(self) -> bool:
        """Whether the next group of the input is in the output already."""
        return self._groups_left > 0

    def skip(self) -> None:
        """Leave out the next group, which is in the output already."""
        self._groups_left -= 1

    def reject(self, row: Rejected) -> None:
        """Write the next bad row of the input."""
        if self._rejected_left:
            self._rejected_left -= 1
        else:
            self._rejected.append([line_of(asdict(row)) + "\n"])

    def write_rejected(self, row: Rejected) -> None:
        """Append a bad row after all groups that were written, for an input each of whose rows gives one of the two."""
        self._scores.flush()
        self._rejected.append([line_of(asdict(row)) + "\n"])

    def check_all_left_out(self) -> None:
        """At the end of the input: check that it gave all that the output has.

        Raises:
            InputError: the output holds more than the input does.
        """
        if self._groups_left or self._rejected_left:
            raise InputError(
                f"{self._scores.path}: it holds more than its input gives, so something else wrote to it too"
            )

    def pending(self, located: Iterable[Located]) -> Iterator[ReadGroup]:
        """The groups of the input that are still to be scored, in order; bad rows are written as they come.

        Raises:
            InputError: the output holds more than the input does.
        """
        for item in located:
            if isinstance(item, Rejected):
                self.reject(item)
            elif self.skips:
                self.skip()
            else:
                yield item
        self.check_all_left_out()

    def write(self, record: Mapping[str, Any]) -> None:
        """Append the record of the next pending group.

        Raises:
            InputError: the file cannot be written, or the record holds a number that JSON has no form for.
        """
        self.write_lines([line_of(record, f"{self._scores.path}: ")])

    def write_lines(self, lines: Sequence[str]) -> None:
        """Append the records of the next pending groups, as lines.

        Raises:
            InputError: the file cannot be written.
        """
        self._scores.append([line + "\n" for line in lines])


def line_of(record: Mapping[str, Any], where: str = "", *, ascii_only: bool = True) -> str:
    """A record as a line of JSON.

    Raises:
        InputError: it holds a number that JSON has no form for; `where` begins the message.
    """
    try:
        return json.dumps(record, allow_nan=False, ensure_ascii=ascii_only)
    except ValueError as error:
        raise InputError(f"{where}the record of {record.get('id')!r} cannot be written: {error}") from error


class _LineFile:
    """A file of JSON lines that is appended to. It is locked while it is open.

    Args:
        path: the file; it is created by `create`, or with the first line.
        compressed: write gzip members of `MEMBER_BYTES`; else each line is handed to the kernel at once.

    Attributes:
        count: how many lines there are, those that are held back included.
    """

    def __init__(self, path: Path, *, compressed: bool = False) -> None:
        self.path, self.count = path, 0
        self._whole = _whole_gzip_lines if compressed else _whole_lines
        self._compressed = compressed
        self._waiting = bytearray()
        self._file: IO[bytes] | None = None

    def lock(self) -> None:
        """Open and lock the file where it is there."""
        if self.path.exists():
            self._file = locked(self.path, "r+b")

    def empty(self) -> None:
        """Remove all lines, of what job they may be."""
        if self._file is not None:
            self._file.truncate(0)
            os.fsync(self._file.fileno())  # after a power cut no old lines may stand beside the new job

    def delete(self) -> None:
        """Delete the file where it is there."""
        self.empty()
        if self._file is not None:
            self._file.close()
            self._file = None
            self.path.unlink()

    def create(self) -> None:
        """Create the file where it is missing."""
        if self._file is None:
            self._file = locked(self.path, "x+b")

    def recover(self) -> None:
        """Count the whole lines, and cut off what follows the last of them."""
        if self._file is not None:
            self._file.seek(0)
            self.count, end = self._whole(self._file)
            self._file.truncate(end)

    def append(self, lines: Sequence[str]) -> None:
        """Append lines.

        Raises:
            InputError: the file cannot be written (it then ends with a whole line), or is not at its place any more.
        """
        for line in lines:
            self._waiting += line.encode()
            self.count += 1
            if not self._compressed or len(self._waiting) >= MEMBER_BYTES:
                self._write()

    def flush(self) -> None:
        """Write what is held back."""
        self._write()

    def finish(self) -> None:
        """Write what is held back; afterwards all lines are in the file that has this name.

        Raises:
            InputError: as for `append`.
        """
        self._write()
        if self._file is not None:
            check_still_there(self._file, self.path)

    def close(self) -> None:
        """Write what is held back, and close the file."""
        try:
            self._write()
        finally:
            if self._file is not None:
                self._file.close()

    def _write(self) -> None:
        data, self._waiting = bytes(self._waiting), bytearray()
        if not data:
            return
        if self._compressed:
            data = gzip.compress(data, mtime=0)  # without a time stamp, so that equal scores give equal bytes
        self.create()
        assert self._file is not None  # noqa: S101 - just created
        check_still_there(self._file, self.path)
        write_whole(self._file, self.path, data)


def _whole_lines(file: IO[bytes]) -> tuple[int, int]:
    """How many lines are whole, and the byte at which the last of them ends."""
    count = end = size = 0
    while chunk := file.read(2**20):
        count += chunk.count(b"\n")
        end = size + last + 1 if (last := chunk.rfind(b"\n")) >= 0 else end
        size += len(chunk)
    return count, end


def _whole_gzip_lines(file: IO[bytes]) -> tuple[int, int]:
    """How many lines there are in whole gzip members, and the byte at which the last of these ends."""
    count = end = in_member = 0
    member = zlib.decompressobj(wbits=31)
    while chunk := file.read(2**16):
        while chunk:
            try:
                in_member += member.decompress(chunk).count(b"\n")
            except zlib.error:  # no member begins or continues here
                return count, end
            chunk = member.unused_data
            if member.eof:
                count, end, in_member = count + in_member, file.tell() - len(chunk), 0
                member = zlib.decompressobj(wbits=31)
    return count, end


def _check_nothing_there(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise InputError(
                f"{path} exists: --resume takes its job up again, --overwrite begins anew, or choose another name"
            )


def _check_resumable(job: Mapping[str, Any], out: Path, rejected: Path, sidecar: Path) -> None:
    if not is_repeatable(job):
        raise InputError("standard input and pipes cannot be resumed: save the rollouts to a file")
    if _have_content(out, rejected) and not sidecar.exists():
        raise InputError(f"{out} cannot be resumed: {sidecar.name}, which says of what job it is, is missing")
    if _have_content(out) and out.stat().st_nlink > 1:
        raise InputError(
            f"{out} cannot be resumed: it has a second name (a hard link), by which another job may have written it; "
            "copy it, with the files beside it, to another folder"
        )


def _check_same_job(job: Mapping[str, Any], job_file: IO[bytes], out: Path) -> None:
    job_file.seek(0)
    try:
        before = json.loads(job_file.read())
    except ValueError as error:
        raise InputError(f"{job_file.name}: cannot be read: {error}") from error
    if different := list(differences(before, job)):
        raise InputError(f"{out} is of another job and cannot be resumed: {'; '.join(different[:5])}")


def _have_content(*paths: Path) -> bool:
    return any(path.exists() and path.stat().st_size > 0 for path in paths)

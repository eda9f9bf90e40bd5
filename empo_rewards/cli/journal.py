"""Scores on disk that survive a SIGKILL at any moment: nothing lost, nothing twice.

A job writes three files:

- `OUT`: one JSON line a group, in the order of the input (a name that ends in `.gz`: compressed);
- `OUT.rejected.jsonl`: one JSON line a bad row, in that order too; only where there are bad rows;
- `OUT.journal.json`: the sidecar, which says of what job these are: package version, input, settings. It stays when
  the job is done (a `--resume` of a finished job then finds nothing to do) and may be deleted from then on.

Why that suffices. The input is a fixed sequence of groups and bad rows, and each file holds a prefix of its own kind:
as many whole lines as `OUT` has, so many groups are done, and likewise for the rejected rows. Neither count needs the
other, so no order of writes between the two files has to hold. A line counts once its line break is there; what stands
after the last one is cut off. The order that does matter is that of the start: `OUT` is created empty, then the sidecar
appears by a rename, and only then comes a line. So `OUT` without a sidecar and with lines is somebody else's file.
While a job runs it holds a lock on its sidecar, which a second run of the same job would need too.

Standard input can be scored but not resumed: it cannot be read again.
"""

from __future__ import annotations

import errno
import fcntl
import gzip
import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any

from empo_rewards._version import __version__
from empo_rewards.cli.rollouts import STDIN, Located, ReadGroup, Rejected, input_files, is_stream
from empo_rewards.errors import InputError

SYNC_SECONDS = 5.0
"""Lines reach the kernel at once, which is what a killed process needs; the disk this often, for a power cut."""

MEMBER_BYTES = 256 * 1024
"""Lines of a compressed output that go into one gzip member. A member is whole or does not count, so this much work may
have to be done again."""

SAMPLE_BYTES = 64 * 1024
"""How much of each end of an input file stands for its content."""


class Mode(Enum):
    """What to do where the output exists."""

    NEW = "new"
    """Refuse."""
    RESUME = "resume"
    """Take the interrupted job up where it stopped; begin it, if it never began."""
    OVERWRITE = "overwrite"
    """Begin anew."""

    @classmethod
    def chosen(cls, *, resume: bool, overwrite: bool) -> Mode:
        """The mode of two switches.

        Raises:
            InputError: both are on.
        """
        if resume and overwrite:
            raise InputError("--resume and --overwrite exclude each other")
        return cls.RESUME if resume else cls.OVERWRITE if overwrite else cls.NEW


def fingerprint(source: str | Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two runs the same job: the package's version, the input, and the settings.

    Args:
        source: what `read_groups` is given.
        settings: everything else that the output depends on, JSON-ready (the configuration, the group size); nothing
            that it does not depend on (the number of workers).

    Raises:
        InputError: the input does not exist, or cannot be read.
    """
    files = None if str(source) == STDIN else [_file_fingerprint(path) for path in input_files(source)]
    # In the form in which JSON gives it back, so that a tuple and a list do not count as different.
    job: dict[str, Any] = json.loads(json.dumps({"version": __version__, "input": files, "settings": settings}))
    return job


def _file_fingerprint(path: Path) -> dict[str, Any] | None:
    if is_stream(path):
        return None
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256(file.read(SAMPLE_BYTES))
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - SAMPLE_BYTES))
            digest.update(file.read(SAMPLE_BYTES))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return {"name": path.name, "bytes": size, "ends": digest.hexdigest()}


def _is_repeatable(job: Mapping[str, Any]) -> bool:
    return job["input"] is not None and None not in job["input"]


def beside(out: Path) -> tuple[Path, Path]:
    """The names of the rejected rows and of the sidecar that go with an output."""
    return out.with_name(out.name + ".rejected.jsonl"), out.with_name(out.name + ".journal.json")


def read_scores(out: Path) -> Iterator[dict[str, Any]]:
    """The records of an output, plain or compressed, one a group."""
    with gzip.open(out, "rb") if out.suffix == ".gz" else out.open("rb") as file:
        for line in file:
            yield json.loads(line)


class Journal:
    """The output of one scoring job, begun or taken up again; a context manager.

    Args:
        out: the file of scores.
        source: what `read_groups` is given; an output that would overwrite it or become part of it is refused.
        settings: see `fingerprint`.
        mode: what to do where the output exists.
        strict: a bad row stops the job.

    Attributes:
        groups_done, rejected_done: how many groups and bad rows the output holds, earlier runs counted in.

    Raises:
        InputError: the output exists (`NEW`), or is of another job, and what differs is named (`RESUME`); another
            process is writing it; it cannot be written.
    """

    def __init__(
        self,
        out: Path,
        *,
        source: str | Path,
        settings: Mapping[str, Any],
        mode: Mode = Mode.NEW,
        strict: bool = False,
    ) -> None:
        self._strict = strict
        rejected, sidecar = beside(out)
        job = fingerprint(source, settings)
        _check_place(out, source)
        if mode is Mode.RESUME:
            _check_same_job(job, out, rejected, sidecar)
        elif mode is Mode.NEW:
            _check_nothing_there(out, rejected)
        self._scores = _GzipLines(out) if out.suffix == ".gz" else _Lines(out)
        self._bad = _Lines(rejected)
        self._locks: list[int] = []
        try:
            self._scores.open(new=mode is Mode.NEW)
            if mode is Mode.OVERWRITE:
                if sidecar.exists():
                    self._locks.append(_lock(sidecar, out))
                # The sidecar goes first: what is left if this is interrupted is nobody's, and is never resumed.
                sidecar.unlink(missing_ok=True)
                rejected.unlink(missing_ok=True)
                self._scores.clear()
            if not (mode is Mode.RESUME and sidecar.exists()):
                _write_sidecar(sidecar, job)
            self._locks.append(_lock(sidecar, out))
            self.groups_done = self._scores.recover()
            self.rejected_done = self._bad.recover()
            if strict and self.rejected_done:
                raise InputError(f"{rejected}: an earlier run without --strict has already rejected rows")
        except BaseException:
            self.close()
            raise

    def pending(self, located: Iterable[Located]) -> Iterator[ReadGroup]:
        """What of the input is still to be scored, in order; bad rows are written as they come.

        Raises:
            InputError: a bad row in a strict job; an output that holds more than the input does.
        """
        groups, rejected = self.groups_done, self.rejected_done
        for item in located:
            if isinstance(item, ReadGroup):
                if groups == 0:
                    yield item
                else:
                    groups -= 1
            elif rejected == 0:
                self._reject(item)
            else:
                rejected -= 1
        if groups or rejected:
            raise InputError(
                f"{self._scores.path}: it holds more than its input gives, so something else wrote to it too"
            )

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends the record of the next pending group.

        Raises:
            InputError: the file cannot be written, or the record holds a number that JSON has no form for.
        """
        try:
            line = json.dumps(record, allow_nan=False)
        except ValueError as error:
            raise InputError(f"the score of group {record.get('id')!r} cannot be written: {error}") from error
        self._scores.append(line.encode() + b"\n")
        self.groups_done += 1

    def _reject(self, row: Rejected) -> None:
        if self._strict:
            raise InputError(f"{row.source}, line {row.line}: {row.cause} (--strict stops here)")
        self._bad.append(json.dumps(asdict(row)).encode() + b"\n")
        self.rejected_done += 1

    def close(self) -> None:
        """Writes what is still held back, and closes the files. A closed journal takes no more records."""
        try:
            self._scores.close()
        finally:
            self._bad.close()
            while self._locks:
                os.close(self._locks.pop())

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _check_place(out: Path, source: str | Path) -> None:
    """An output must be a file in a folder that is there, and no part of its own input."""
    if not out.parent.is_dir():
        raise InputError(f"{out}: the folder {out.parent} does not exist")
    if out.exists() and not out.is_file():
        raise InputError(f"{out}: the output must be a file")
    if str(source) == STDIN:
        return
    place, whole = out.resolve(), Path(source).resolve()
    if whole in (place, place.parent):
        raise InputError(f"{out}: the output would become part of the input; choose another place")


def _check_nothing_there(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise InputError(
                f"{path} exists: --resume takes its job up again, --overwrite begins anew, or choose another name"
            )


def _check_same_job(job: Mapping[str, Any], out: Path, rejected: Path, sidecar: Path) -> None:
    if not _is_repeatable(job):
        raise InputError("standard input and pipes cannot be resumed: save the rollouts to a file")
    try:
        before = json.loads(sidecar.read_bytes())
    except FileNotFoundError:
        # A job that was killed before its sidecar has written nothing; anything else is not ours to continue.
        if rejected.exists() or (out.exists() and out.stat().st_size):
            raise InputError(
                f"{out} cannot be resumed: {sidecar.name}, which says of what job it is, is missing"
            ) from None
        return
    except (OSError, ValueError) as error:
        raise InputError(f"{sidecar}: cannot be read: {error}") from error
    differences = list(_differences(before, dict(job)))
    if differences:
        raise InputError(f"{out} is of another job and cannot be resumed: {'; '.join(differences[:5])}")


def _differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, one phrase a place."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from _differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for position, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from _differences(old, new, f"{path}[{position}]")
    elif before != now:
        yield f"{path} was {json.dumps(before)[:100]}, is {json.dumps(now)[:100]}"


def _write_sidecar(path: Path, job: Mapping[str, Any]) -> None:
    """All of it or nothing of it, whenever the process is killed."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(json.dumps(job, indent=1).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


class _Lines:
    """A file of whole lines: what is appended is there, or (after `recover`) was never there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._end = 0
        self._synced = time.monotonic()

    def open(self, *, new: bool = False) -> int:
        """Opens the file, and creates it if need be (`new`: it must not be there yet)."""
        if self._fd is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_EXCL if new else 0)
            try:
                self._fd = os.open(self.path, flags, 0o666)
            except OSError as error:
                raise InputError(f"{self.path}: cannot be written: {error.strerror}") from error
        return self._fd

    def clear(self) -> None:
        """Empties the file."""
        os.ftruncate(self.open(), 0)

    def recover(self) -> int:
        """Cuts off what an interrupted run left unfinished; how many lines there are."""
        if not self.path.exists():
            return 0
        count, self._end = self._whole_lines(self.open())
        os.ftruncate(self.open(), self._end)
        return count

    def _whole_lines(self, fd: int) -> tuple[int, int]:
        """How many lines are whole, and where the last of them ends (in bytes)."""
        count = end = position = 0
        while chunk := os.pread(fd, 2**20, position):
            count += chunk.count(b"\n")
            end = position + chunk.rfind(b"\n") + 1 if b"\n" in chunk else end
            position += len(chunk)
        return count, end

    def append(self, line: bytes) -> None:
        """Hands a line to the kernel: from then on a SIGKILL cannot take it back."""
        self._write(line)

    def _write(self, data: bytes) -> None:
        fd = self.open()
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(fd, data[written:], self._end + written)
            if time.monotonic() - self._synced > SYNC_SECONDS:
                os.fsync(fd)
                self._synced = time.monotonic()
            self._end += written
        except BaseException as error:
            # A full disk or a Ctrl-C in the middle of a line: what stays is whole lines.
            os.ftruncate(fd, self._end)
            if isinstance(error, OSError):
                raise InputError(f"{self.path}: cannot be written: {error.strerror}") from error
            raise

    def close(self) -> None:
        """Closes the file, once it is on the disk."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


class _GzipLines(_Lines):
    """The same, compressed: a gzip member holds many lines, and is whole or does not count."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._waiting = bytearray()

    def _whole_lines(self, fd: int) -> tuple[int, int]:
        count = end = in_member = position = 0
        member = zlib.decompressobj(wbits=31)
        while chunk := os.pread(fd, 2**16, position):
            position += len(chunk)
            while chunk:
                try:
                    in_member += member.decompress(chunk).count(b"\n")
                except zlib.error:
                    # No member begins or goes on here: all that counts lies before.
                    return count, end
                chunk = member.unused_data
                if member.eof:
                    count, end, in_member = count + in_member, position - len(chunk), 0
                    member = zlib.decompressobj(wbits=31)
        return count, end

    def append(self, line: bytes) -> None:
        self._waiting += line
        if len(self._waiting) >= MEMBER_BYTES:
            self._write_member()

    def _write_member(self) -> None:
        data, self._waiting = bytes(self._waiting), bytearray()
        # No time stamp: the same scores are the same bytes.
        self._write(gzip.compress(data, mtime=0))

    def close(self) -> None:
        try:
            if self._waiting:
                self._write_member()
        finally:
            super().close()


def _lock(sidecar: Path, out: Path) -> int:
    """Keeps a second process out; the kernel lifts the lock with the process, however that ends.

    A record lock, since it is not inherited: a child that outlives a killed parent for a moment must not hold it. It is
    lost where any file object of the same file is closed, so it is on the sidecar, which nothing else reads meanwhile.
    """
    fd = os.open(sidecar, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            os.close(fd)
            raise InputError(f"{out}: another process is writing it") from error
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            os.close(fd)
            raise
        # Some network file systems have no locks. The output is as safe there, only a second run is not noticed.
    return fd

"""The files that the commands write: where they may be, and that one process at a time writes them."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO
from weakref import WeakSet

from empo_rewards.errors import InputError
from empo_rewards.reading.sources import STDIN, Sources, input_files, listed, would_hold


def check_place(path: Path, source: Sources, endings: frozenset[str]) -> None:
    """Check that what is to be written is a file in a folder that exists, and not part of its own input.

    Args:
        path: the output.
        source, endings: the input, and which files of a folder are read (`input_files`).
    """
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        there = None
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    if not path.parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist")
    if there is not None and not stat.S_ISREG(there.st_mode):
        raise InputError(f"{path}: the output must be a file")
    inside = would_hold(source, path)
    given = [file.stat() for file in input_files(source, endings)]
    if STDIN in listed(source) and sys.stdin is not None:
        given.append(os.fstat(0))
    if inside or (there is not None and any(os.path.samestat(there, file) for file in given)):
        raise InputError(f"{path}: the output would become part of the input; choose another place")


def write_whole(file: IO[bytes], path: Path, data: bytes) -> None:
    """Append bytes to an unbuffered file: all of them, or (where that fails) none."""
    end = file.seek(0, os.SEEK_END)
    try:
        while data:
            data = data[file.write(data) :]
    except OSError as error:
        with suppress(OSError):  # then the part that was written is cut off when the job is resumed
            file.truncate(end)
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


_LOCKED: WeakSet[IO[bytes]] = WeakSet()


def _close_locked_files() -> None:
    """In a forked child: give up the parent's locks, which the parent keeps. Else a child that outlives a killed parent
    would keep others out."""
    for file in _LOCKED:
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_locked_files)


def locked(path: Path, mode: str) -> IO[bytes]:
    """Open a file without a buffer, and lock it until it is closed or this process ends.

    The lock (`flock`) belongs to the file, whatever names it has. Where there are no such locks (Windows, some network
    file systems), a second process that writes the same file is not noticed.

    Raises:
        InputError: it cannot be opened; another process holds the lock.
    """
    try:
        file = path.open(mode, buffering=0)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        _lock(file, path)
        check_still_there(file, path)  # another process may have put another file here between the two
    except BaseException:  # whatever it was, the lock must not be held any longer
        file.close()
        raise
    _LOCKED.add(file)
    return file


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415 - only Unix has it
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno == errno.EWOULDBLOCK:
            raise InputError(f"{path}: another process is writing it") from error
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise InputError(f"{path}: cannot be locked: {error.strerror}") from error


def check_still_there(file: IO[bytes], path: Path) -> None:
    """Check that a path still leads to an open file."""
    try:
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return
    except OSError:
        pass  # there is nothing at the path, or no way to it
    raise InputError(f"{path} was moved, replaced or deleted while it was being written; run the job again")

"""Files that are written: where a path leads, and files that appear when they are whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from empo_rewards.errors import InputError

NAME_CHARS = 100
"""Characters of a file's name that stand in the name of its part: a name of 255 bytes has no room for more."""


def resolved(path: Path) -> Path:
    """The file itself: symbolic links are followed, also where it is not there yet."""
    return Path(os.path.realpath(path))


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A new file's place beside `path`, to be written to; it becomes `path` when the block ends without an exception.

    Symbolic links are followed. Whatever ends the block otherwise, `path` stays as it was and the part is deleted.

    Raises:
        InputError: it cannot be written, or is something else than a file.
    """
    target = resolved(path)
    if target.exists() and not target.is_file():
        raise InputError(f"{path}: the output must be a file")
    part = target.with_name(f".{target.name[:NAME_CHARS]}.{secrets.token_hex(4)}.part")  # not another process's
    try:
        yield part
        part.replace(target)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # it has become the file, or was never there
            part.unlink()

"""What makes two runs of `score` the same job, so that one may go on where the other was interrupted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from empo_rewards._version import __version__
from empo_rewards.errors import InputError
from empo_rewards.reading.containers import is_stream
from empo_rewards.reading.sources import STDIN, Sources, input_files, listed

CHUNK_BYTES = 2**20
"""How much of an input file is read at once to hash it. All of it is hashed, at 1 to 2 GB/s: a row that was edited in
the middle makes another job, as it changes the groups that were scored already."""


def fingerprint(source: Sources, settings: Mapping[str, Any], endings: frozenset[str]) -> dict[str, Any]:
    """What makes two runs the same job: the package's version, the input, and the settings.

    Args:
        source: what `read_groups` is given.
        settings: everything else that the output depends on, JSON-ready (the configuration, the group size); nothing
            that it does not depend on (the number of workers).
        endings: which files of a folder are read (`input_files`).

    Raises:
        InputError: the input does not exist, or cannot be read.
    """
    files = None if STDIN in listed(source) else [_file_fingerprint(path) for path in input_files(source, endings)]
    # As JSON gives it back, so that a tuple and a list do not count as different.
    job: dict[str, Any] = json.loads(json.dumps({"version": __version__, "input": files, "settings": settings}))
    return job


def _file_fingerprint(path: Path) -> dict[str, Any] | None:
    if is_stream(path):
        return None
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return {"name": path.name, "bytes": size, "sha256": digest.hexdigest()}


def is_repeatable(job: Mapping[str, Any]) -> bool:
    """Whether the job's input can be read again: no standard input, no pipe."""
    return job["input"] is not None and None not in job["input"]


def differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, one phrase for each place."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for position, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from differences(old, new, f"{path}[{position}]")
    elif before != now:
        yield f"{path} was {json.dumps(before)[:100]}, is {json.dumps(now)[:100]}"

"""What an input names: a file, standard input (`-`), a folder, a pattern of names (`*`, `**`), or several of these."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from empo_rewards.errors import InputError
from empo_rewards.files import resolved
from empo_rewards.reading.containers import LAYOUT_OF, bare_suffix

STDIN = "-"

OWN_OUTPUTS = (".rejected.jsonl", ".journal.json")
"""Endings of files that `score` writes beside its output; a folder's are not read."""

Sources = str | Path | Sequence[str | Path]
"""One input or several."""


def listed(sources: Sources) -> list[str]:
    """The inputs as texts."""
    return [str(sources)] if isinstance(sources, str | Path) else [str(source) for source in sources]


def would_hold(sources: Sources, path: Path) -> bool:
    """Whether a file that appears at a path becomes part of the input: in a folder of it, or by a pattern."""
    place = resolved(path)
    for source in listed(sources):
        if os.path.isdir(source):
            if place.parent == Path(source).resolve():
                return True
        elif glob.has_magic(source) and not os.path.lexists(source):
            parts = Path(source).parts
            fixed = next(position for position, part in enumerate(parts) if glob.has_magic(part))
            above = Path(*parts[:fixed]).resolve()
            if place.is_relative_to(above) and _matches(place.relative_to(above).parts, parts[fixed:]):
                return True
    return False


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a pattern, of which `**` stands for any number."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def input_files(sources: Sources, suffixes: frozenset[str] = frozenset(LAYOUT_OF)) -> tuple[Path, ...]:
    """The files of all inputs in order; those of a folder or pattern in the order of the numbers in their names.

    Args:
        sources: the inputs; `-` stands for no file.
        suffixes: the endings, without that of a compression, by which a folder's files are chosen.

    Raises:
        InputError: there is no such file, a folder or pattern has none, or a file is given twice.
    """
    if listed(sources).count(STDIN) > 1:
        raise InputError("standard input (-) is given twice")
    files = [file for source in listed(sources) if source != STDIN for file in _files(source, suffixes)]
    seen: set[Path] = set()
    for file in files:
        if (place := file.resolve()) in seen:
            raise InputError(f"{file} is given twice")
        seen.add(place)
    return tuple(files)


def files_in(folder: Path, suffixes: frozenset[str] = frozenset(LAYOUT_OF)) -> list[Path]:
    """The files of a folder that are read (see `input_files`), in their order; there may be none."""
    return sorted((file for file in folder.iterdir() if _has_rows(file, suffixes)), key=_natural)


def _files(source: str, suffixes: frozenset[str]) -> list[Path]:
    if not source:
        raise InputError("an input has no name: give a file, a folder, a pattern, or - for standard input")
    path = Path(source)
    if os.path.isdir(path):
        if files := files_in(path, suffixes):
            return files
        raise InputError(f"{path}: the folder holds no files of rollouts ({', '.join(sorted(suffixes))})")
    if os.path.lexists(path):
        return [path]
    if glob.has_magic(source):
        matches = [Path(match) for match in glob.glob(source, recursive=True) if not os.path.isdir(match)]
        if not matches:
            raise InputError(f"{source}: no file has such a name")
        return sorted(matches, key=_natural)
    raise InputError(f"{path}: there is no such file or folder")


def _has_rows(file: Path, suffixes: frozenset[str]) -> bool:
    return bare_suffix(file) in suffixes and not file.name.endswith(OWN_OUTPUTS) and not file.is_dir()


def _natural(path: Path) -> list[tuple[int, str]]:
    """The parts of a path, its numbers as numbers: `9.jsonl` before `10.jsonl`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(path))]

"""What an input names: a file, standard input (`-`), a folder, a pattern of names (`*`, `**`), or several of these."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from empo_rewards.errors import InputError
from empo_rewards.reading.containers import LAYOUT_OF, bare_suffix

STDIN = "-"

OWN_OUTPUTS = (".rejected.jsonl", ".journal.json")
"""Endings of files that `score` writes beside its output; a folder's are not read."""

Sources = str | Path | Sequence[str | Path]
"""One input or several."""


def listed(sources: Sources) -> list[str]:
    """The inputs as texts."""
    return [str(sources)] if isinstance(sources, str | Path) else [str(source) for source in sources]


def folders(sources: Sources) -> set[Path]:
    """The folders of which all files are read; a file that appears in one becomes part of the input."""
    places = {
        Path(source) if os.path.isdir(source) else Path(source).parent
        for source in listed(sources)
        if os.path.isdir(source) or (glob.has_magic(source) and not os.path.lexists(source))
    }
    return {place.resolve() for place in places}


def input_files(sources: Sources, suffixes: frozenset[str] = frozenset(LAYOUT_OF)) -> tuple[Path, ...]:
    """The files of all inputs in order; those of a folder or pattern in the order of the numbers in their names.

    Args:
        sources: the inputs; `-` stands for no file.
        suffixes: the endings, without that of a compression, by which a folder's files are chosen.

    Raises:
        InputError: there is no such file, a folder or pattern has none, or a file is given twice.
    """
    files = [file for source in listed(sources) if source != STDIN for file in _files(source, suffixes)]
    seen: set[Path] = set()
    for file in files:
        if (place := file.resolve()) in seen:
            raise InputError(f"{file} is given twice")
        seen.add(place)
    return tuple(files)


def _files(source: str, suffixes: frozenset[str]) -> list[Path]:
    path = Path(source)
    if os.path.isdir(path):
        files = [file for file in path.iterdir() if _has_rows(file, suffixes)]
        if not files:
            raise InputError(f"{path}: the folder holds no files of rollouts ({', '.join(sorted(suffixes))})")
        return sorted(files, key=_natural)
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

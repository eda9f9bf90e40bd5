"""What `report` and `compare` show: scores with their groups, from files of scores, records of a run, or rollouts.

- Scores: what `score --out` wrote, one line a group; the groups come from the rollouts where these are given.
- Records: what the observer `record` wrote, a file or a folder with a file for each process; they hold their groups.
- Rollouts, in any form that `score` reads (a trainer's dumps): they are scored here.

`Following` reads the same while it grows.
"""

from __future__ import annotations

import heapq
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from empo_rewards.cli.console import err, foreign
from empo_rewards.cli.journal import read_records, record_of
from empo_rewards.errors import GroupError, InputError
from empo_rewards.group import Group, GroupScore
from empo_rewards.reading import ReadGroup, ReadOptions, Rejected, read_groups
from empo_rewards.reading.rows import parse_row
from empo_rewards.reading.sources import files_in
from empo_rewards.records import TIME
from empo_rewards.scorer import Scorer

POLL_SECONDS = 0.5
"""How often what grows is looked at."""

LINES = (".jsonl", ".json", ".gz", "")
"""Endings of files that may hold scores or records; others hold rollouts."""

Shown = tuple[Group | None, GroupScore]
"""A score, and its group where that is known."""


def are_scores(path: Path) -> bool:
    """Whether a file, or the first file of a folder, holds scores or records; if not, it holds rollouts.

    What is empty or cannot be read counts as scores, whose reading says what is wrong.
    """
    files = files_in(path) if path.is_dir() else [path]
    if not files:
        return True
    if files[0].suffix not in LINES:
        return False
    try:
        first = next(read_records(files[0]), None)
    except InputError:
        return True
    return first is None or "answers" in first or "rewards" in first


def shown(path: Path, rollouts: Path | None, reading: ReadOptions, scorer: Scorer | None) -> Iterator[Shown]:
    """All scores of what is to be shown.

    Raises:
        InputError: there are rollouts to score and no configuration, or what `scored_groups` raises.
    """
    if not are_scores(path):
        return scored_here(path, rollouts, reading, scorer)
    if not path.is_dir():
        return scored_groups(path, rollouts, reading)
    files = files_in(path)
    each = (scored_groups(file, None, reading, records=read_records(file)) for file in files)
    if len(files) == 1:
        return next(each)
    # Each process wrote a file in the order of time; together they are the run.
    timed = (zip(map(_time, read_records(file)), scored, strict=True) for file, scored in zip(files, each, strict=True))
    return (pair for _, pair in heapq.merge(*timed, key=lambda item: item[0]))


def _time(record: Mapping[str, Any]) -> float:
    value = record.get(TIME)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.inf


def scored_here(source: Path, rollouts: Path | None, reading: ReadOptions, scorer: Scorer | None) -> Iterator[Shown]:
    """The groups of rollouts with their scores; bad rows are told.

    Raises:
        InputError: there is no configuration to score them by, or other rollouts beside them.
    """
    if scorer is None:
        raise InputError(f"{source} holds no scores: if it holds rollouts, --config scores them here")
    if rollouts is not None:
        raise InputError(f"{source} holds rollouts, not the scores of {rollouts}: leave one of them out")
    return scorer.score_many(readable(source, reading), with_groups=True)


def readable(source: Path, reading: ReadOptions) -> Iterator[Group]:
    """The groups of rollouts. The first bad row is told at once, and how many there were at the end."""
    bad = 0
    for item in read_groups(source, reading):
        if isinstance(item, Rejected):
            bad += 1
            if bad == 1:
                err.print(foreign(str(item)), soft_wrap=True)
        else:
            yield item.group
    if bad > 1:
        err.print(foreign(f"{source}: {bad:,} rows cannot be read; `score` shows each of them"), soft_wrap=True)


def scored_groups(
    scores: Path,
    rollouts: Path | None,
    reading: ReadOptions,
    *,
    records: Iterable[dict[str, Any]] | None = None,
) -> Iterator[Shown]:
    """The scores of a file (or these records of it), each with its group: of the rollouts, or of the record itself.

    Raises:
        InputError: a record is no score, or the scores are not those of the rollouts.
    """
    records = read_records(scores) if records is None else records
    groups = () if rollouts is None else (g for g in read_groups(rollouts, reading) if isinstance(g, ReadGroup))
    for (number, record), read in zip(enumerate(records, 1), chain(groups, iter(lambda: None, 0)), strict=False):
        try:
            score = GroupScore.from_dict(record)
        except GroupError as error:
            raise InputError(f"{scores}, score {number}: {error}") from error
        if rollouts is not None and (wrong := _mismatch(record, score, read)) is not None:
            raise InputError(
                f"{scores} does not hold the scores of {rollouts}: {wrong}, and score {number} is of group "
                f"{score.id!r} of line {record.get('line')} with {score.size} responses; are these the rollouts, and "
                "the --group-size, that were scored?"
            )
        yield _own_group(record, score, f"{scores}, score {number}") if read is None else read.group, score


def _own_group(record: Mapping[str, Any], score: GroupScore, where: str) -> Group | None:
    """The group of a record that has one.

    Raises:
        InputError: it cannot be read, or is not the one that was scored.
    """
    if "responses" not in record:
        return None
    try:
        group = parse_row(record)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if not isinstance(group, Group) or len(group) != score.size:
        raise InputError(f"{where}: not as many responses as rewards")
    if (position := _misplaced(score, group)) is not None:
        raise InputError(f"{where}: response {position} ends before the place of its answer")
    return group


def _mismatch(record: Mapping[str, Any], score: GroupScore, read: ReadGroup | None) -> str | None:
    """What shows that a score is not that of a group: its place, its id, its size, or where its answers stand."""
    if read is None:
        return "the rollouts have ended"
    group = read.group
    if (record.get("line", read.line), score.id, score.size) != (read.line, group.id, len(group)):
        return f"line {read.line} has group {group.id!r} with {len(group)} responses"
    position = _misplaced(score, group)
    return None if position is None else f"response {position} of line {read.line} ends before the place of its answer"


def _misplaced(score: GroupScore, group: Group) -> int | None:
    """The first response that ends before the place of its answer."""
    for position, (answer, response) in enumerate(zip(score.answers, group.responses, strict=True)):
        if not 0 <= (answer.start or 0) <= (answer.end or 0) <= len(response):
            return position
    return None


# While it grows


def following(path: Path, rollouts: Path | None, reading: ReadOptions, scorer: Scorer | None) -> Iterator[Shown]:
    """As `shown`, with what is appended, and with the files that appear in a folder. It does not end.

    Raises:
        InputError: the scores cannot be followed (any more).
    """
    if path.suffix == ".gz":
        raise InputError(f"{path}: --follow reads plain JSON lines, which are whole sooner than compressed ones")
    if rollouts is not None or not path.is_dir():
        while not path.exists():
            time.sleep(POLL_SECONDS)
        if path.is_dir() or not are_scores(path):
            raise InputError(f"{path}: --follow reads scores as they grow, and of rollouts the folder of their dumps")
        yield from scored_groups(path, rollouts, reading, records=appended_records(lambda: [path]))
    while not files_in(path):
        time.sleep(POLL_SECONDS)
    if are_scores(path):
        yield from scored_groups(path, None, reading, records=appended_records(lambda: files_in(path)))
    for file in settled_files(path):
        yield from scored_here(file, None, reading, scorer)


def settled_files(folder: Path) -> Iterator[Path]:
    """The files of a folder of dumps, in their order, each once it has not changed between two looks. It does not end.

    A trainer writes the dump of a step as a whole; one that changes after it was read is told, and not read again.
    """
    seen: dict[Path, tuple[int, int]] = {}
    done: dict[Path, tuple[int, int]] = {}
    while True:
        for file in files_in(folder):
            status = file.stat()
            now = (status.st_size, status.st_mtime_ns)
            if file in done:
                if done[file] != now:
                    err.print(foreign(f"{file} has changed since it was read: it is not read again"), soft_wrap=True)
                    done[file] = now
            elif seen.get(file) == now and now[0]:
                done[file] = now
                yield file
            seen[file] = now
        time.sleep(POLL_SECONDS)


class Tail:
    """Reads what is appended to a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = self._position = 0
        self._followed: tuple[int, int] | None = None
        """The device and the inode of the file."""

    def new_records(self) -> Iterator[dict[str, Any]]:
        """The records of the lines that are new and whole; none while there is no such file yet.

        Raises:
            InputError: a line is not JSON, or the file became shorter, or another one.
        """
        path = self._path
        try:
            file = path.open("rb")
        except FileNotFoundError as error:
            if self._followed is None:
                return
            raise InputError(f"{path} is gone") from error
        with file:
            status = os.fstat(file.fileno())
            if self._followed not in (None, (status.st_dev, status.st_ino)) or status.st_size < self._position:
                raise InputError(f"{path} has become shorter or another file: it is written anew; start again")
            self._followed = (status.st_dev, status.st_ino)
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._number, self._position = self._number + 1, self._position + len(line)
                yield record_of(line, f"{path}, line {self._number}")


def appended_records(files: Callable[[], Iterable[Path]]) -> Iterator[dict[str, Any]]:
    """The records of these files, and of their later lines whenever they are whole. It does not end.

    Args:
        files: called at each look, for files that appear.
    """
    tails: dict[Path, Tail] = {}
    while True:
        for file in files():
            yield from tails.setdefault(file, Tail(file)).new_records()
        time.sleep(POLL_SECONDS)

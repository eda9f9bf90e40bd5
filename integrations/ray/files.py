"""Files of rollouts to a folder of Parquet files with their scores."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow.parquet as pq
import ray
from ray.data import Datasink

from empo_rewards.errors import EmpoError, InputError, described
from empo_rewards.group import GroupScore
from empo_rewards.integrations.ray.stages import Settings, scored
from empo_rewards.integrations.ray.tables import SCORES, located_row, scores_in
from empo_rewards.reading import ReadOptions, Rejected
from empo_rewards.reading.containers import check_file
from empo_rewards.reading.rollouts import located_in, pieces_of
from empo_rewards.reading.sources import STDIN, Sources, input_files, listed

Total = TypeVar("Total")

FAULT = -1
"""The line of what stands for a file that cannot be read to its end."""


def score_files(
    sources: Sources,
    out: str | Path,
    total: Callable[[Iterable[GroupScore | Rejected]], Total],
    *,
    config: Settings = "empo-math",
    reading: ReadOptions | None = None,
    actors: int = 1,
    actor_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> list[Total]:
    """Score files, one task a file reading, actors scoring, on the cluster that is running or on this machine.

    Writes Parquet files into the folder `out`, in no particular order; bad rows into a folder beside it,
    `OUT.rejected`, as JSON lines. A task that fails is done again; its file is replaced.

    Args:
        sources: files, folders or patterns, on a file system that all machines see, as must be `out`.
        out: the folder.
        total: called where results are written, with those of one file.
        config, reading, actors, actor_options: see `score_dataset`.
        overwrite: replace the folder where it has files.

    Returns:
        What `total` gave for each file that was written.

    Raises:
        InputError: an input does not exist, is none that can be read, or cannot be read to its end (then what comes
            before is written); the folder has files.
        EmpoError: Ray does not start.
    """
    reading = reading or ReadOptions()
    if STDIN in listed(sources):
        raise InputError("Ray reads files: save what comes on standard input")
    files = [path.resolve() for path in input_files(sources, reading.endings)]
    for path in files:
        if reading.opener(path) is None:
            check_file(path)
    folder, rejected = Path(out).resolve(), Path(f"{Path(out).resolve()}.rejected")
    _prepare(folder, rejected, files, overwrite)
    _start()
    names = [{"path": str(path)} for path in files]
    located = ray.data.from_items(names, override_num_blocks=len(files)).flat_map(partial(_read, reading=reading))
    sink: _Parquet[Total] = _Parquet(folder, rejected, total)
    scored(located, config, actors, actor_options).write_datasink(sink)
    (folder / "_SUCCESS").touch()
    if sink.faults:
        raise InputError(f"{sink.faults[0]}; what comes before is in {folder}")
    return sink.totals


def _prepare(folder: Path, rejected: Path, files: Iterable[Path], overwrite: bool) -> None:
    for path in files:
        if path.is_relative_to(folder) or path.is_relative_to(rejected):
            raise InputError(f"{folder}: the output holds its own input, {path}")
    for place in (folder, rejected):
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            if not overwrite or not place.is_dir():
                raise InputError(f"{place} exists: --overwrite replaces it, or choose another name")
            shutil.rmtree(place)
    try:
        folder.mkdir(parents=False, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from error


def _start() -> None:
    """Connect to the cluster, or start Ray on this machine; Ray Data would do the same, but tell a fault as a bug."""
    if ray.is_initialized():
        return
    try:
        ray.init()
    except Exception as error:
        # A process of Ray's that is not up in time is a plain Exception.
        raise EmpoError(f"Ray does not start: {described(error)}") from error


def _read(file: Mapping[str, str], reading: ReadOptions) -> Iterator[dict[str, Any]]:
    """The groups and bad rows of a file. A fault of the file is a bad row too: the others are scored."""
    path = Path(file["path"])
    missing = dict.fromkeys(("group", "rejected", "row"))
    try:
        for item in located_in(str(path), pieces_of(path, reading), reading):
            yield missing | located_row(item)
    except InputError as error:
        yield missing | located_row(Rejected(FAULT, str(error), str(path)))


class _Parquet(Datasink[tuple[Total, list[str]]], Generic[Total]):
    """Writes each task's scores as one Parquet file, and its bad rows as one of JSON lines."""

    def __init__(self, folder: Path, rejected: Path, total: Callable[[Iterable[GroupScore | Rejected]], Total]) -> None:
        self._folder, self._rejected, self._total = folder, rejected, total
        self.totals: list[Total] = []
        self.faults: list[str] = []

    def write(self, blocks: Iterable[Any], ctx: Any) -> tuple[Total, list[str]]:
        """Write the blocks of a task; done again, it writes the same files."""
        path = self._folder / f"part-{ctx.task_idx:06d}.parquet"
        bad: list[Rejected] = []

        def results() -> Iterator[GroupScore | Rejected]:
            with pq.ParquetWriter(path, SCORES) as writer:
                for block in blocks:
                    if not block.num_rows:
                        continue
                    writer.write_table(block.filter(block["rejected"].is_null()))
                    for result in scores_in(block):
                        if isinstance(result, Rejected):
                            bad.append(result)
                        if not isinstance(result, Rejected) or result.line != FAULT:
                            yield result

        total = self._total(results())
        if bad:
            self._rejected.mkdir(exist_ok=True)
            lines = [json.dumps(asdict(row)) + "\n" for row in bad]
            (self._rejected / f"part-{ctx.task_idx:06d}.jsonl").write_text("".join(lines), encoding="ascii")
        return total, [row.cause for row in bad if row.line == FAULT]

    def on_write_complete(self, write_result: Any) -> None:
        """Keep what the tasks gave."""
        for total, faults in write_result.write_returns:
            self.totals.append(total)
            self.faults.extend(faults)

"""Storage of results: one file per job, written atomically, until all of them are packed into one Parquet file."""

from __future__ import annotations

import gzip
import json
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import merge
from importlib.metadata import version
from operator import itemgetter
from pathlib import Path
from typing import Any

from empo_rewards.files import whole_file

from . import packed

_RESULT, _GROUPS = ".json", ".groups.jsonl.gz"

REPOSITORY = Path(__file__).parents[2]

SOURCES = ("benchmarks/bench_training.py", "benchmarks/training", "empo_rewards", "integrations/trl", "configs")
"""The paths of this repository on which a result depends."""


@dataclass(frozen=True)
class Store:
    """Results and models.

    Args:
        results: the folder of `runs.parquet` and the reports made from it, which are kept in the repository.
        work: the folder of the models, which can be made again, and of new runs, one file each until `pack`.
    """

    results: Path
    work: Path

    def base(self, seed: int, checkpoint: int) -> Path:
        """A base model's folder."""
        return self.work / f"base-{seed}" / str(checkpoint)

    def has(self, name: str) -> bool:
        """Whether a job is done."""
        return self._new(name, _RESULT).is_file() or name in packed.names(self._packed)

    def runs(self) -> dict[str, dict[str, Any]]:
        """The result of each job, sorted by name."""
        new = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in self._all_new(_RESULT).items()}
        return dict(sorted({**packed.results(self._packed), **new}.items()))

    def groups(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """The groups of each job that scored any, in the order of scoring, sorted by job."""
        new = self._all_new(_GROUPS)
        kept = ((name, found) for name, found in packed.groups(self._packed) if name not in new)
        yield from merge(kept, ((name, _read_groups(new[name])) for name in sorted(new)), key=itemgetter(0))

    def write(self, name: str, result: Mapping[str, Any]) -> None:
        """Store a job's result."""
        _write_whole(self._new(name, _RESULT), _json(result))

    def write_groups(self, name: str, groups: Iterable[Mapping[str, Any]]) -> None:
        """Store every group that a job scored, one per line."""
        lines = "".join(json.dumps(group, separators=(",", ":")) + "\n" for group in groups)
        _write_whole(self._new(name, _GROUPS), gzip.compress(lines.encode(), mtime=0))

    def write_report(self, name: str, report: Mapping[str, Any]) -> None:
        """Store a report on all runs."""
        _write_whole(self.results / f"{name}.json", _json(report))

    def pack(self) -> None:
        """Move new runs into `runs.parquet`."""
        done = [*self._all_new(_RESULT).values(), *self._all_new(_GROUPS).values()]
        if done:
            runs, groups = self.runs(), dict(self.groups())
            self.results.mkdir(parents=True, exist_ok=True)
            packed.write(self._packed, ((name, run, groups.get(name)) for name, run in runs.items()))
            for path in done:
                path.unlink()

    @property
    def _packed(self) -> Path:
        return self.results / "runs.parquet"

    def _new(self, name: str, suffix: str) -> Path:
        return self.work / "runs" / f"{name}{suffix}"

    def _all_new(self, suffix: str) -> dict[str, Path]:
        """The files of new runs by job, sorted."""
        folder = self.work / "runs"
        return {str(path.relative_to(folder)).removesuffix(suffix): path for path in sorted(folder.rglob(f"*{suffix}"))}


def _read_groups(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_bytes(content)


def made_by(device: str) -> dict[str, Any]:
    """Provenance: commit, whether the sources have changed since, versions, and device."""
    commit = _git("rev-parse", "--short", "HEAD").strip()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit,
        "changed_since": sorted(line[3:] for line in _git("status", "--porcelain", "--", *SOURCES).splitlines()),
        "device": device,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(("git", *arguments), cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout

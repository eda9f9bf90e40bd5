"""Storage of results: one JSON file per job, written atomically, with its provenance."""

from __future__ import annotations

import gzip
import json
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]

SOURCES = ("benchmarks/bench_training.py", "benchmarks/training", "empo_rewards", "integrations/trl", "configs")
"""The paths of this repository on which a result depends."""


@dataclass(frozen=True)
class Store:
    """Results and models.

    Args:
        results: the folder of the JSON files, which are kept in the repository.
        work: the folder of the models, which can be made again.
    """

    results: Path
    work: Path

    def path(self, name: str) -> Path:
        """The path of a job's result."""
        return self.results / f"{name}.json"

    def base(self, seed: int, checkpoint: int) -> Path:
        """A base model's folder."""
        return self.work / f"base-{seed}" / str(checkpoint)

    def has(self, name: str) -> bool:
        """Whether a job is done."""
        return self.path(name).is_file()

    def read(self, name: str) -> dict[str, Any]:
        """A job's result."""
        found: dict[str, Any] = json.loads(self.path(name).read_text(encoding="utf-8"))
        return found

    def write(self, name: str, result: Mapping[str, Any]) -> None:
        """Store a job's result."""
        _write_whole(self.path(name), (json.dumps({"job": name, **result}, indent=1) + "\n").encode())

    def write_groups(self, name: str, groups: Iterable[Mapping[str, Any]]) -> None:
        """Store every group that a job scored, one per line."""
        lines = "".join(json.dumps(group, separators=(",", ":")) + "\n" for group in groups)
        _write_whole(self.results / f"{name}.groups.jsonl.gz", gzip.compress(lines.encode(), mtime=0))


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)


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

"""`score` in pieces: one output, however many processes there are, and wherever it was interrupted."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from empo_rewards import Scorer
from empo_rewards.cli.app import run
from empo_rewards.cli.journal import line_of
from empo_rewards.reading import ReadGroup, ReadOptions, read_groups

OPTIONS: list[dict[str, int]] = [{}, {"group_size": 3}, {"limit": 90}, {"limit": 9, "group_size": 2}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of whole groups, of flat rows, and of both, with bad rows anywhere."""
    made = tmp_path_factory.mktemp("in")
    dice = random.Random(3)
    for name, flat in (("a", 0.0), ("b", 1.0), ("c", 0.5), ("d", 0.0)):
        lines = []
        for n in range(80):
            responses = [rf"\boxed{{{dice.randrange(3)}}}" for _ in range(4)]
            if dice.random() < 0.1:
                lines.append(f'{{"prompt": {n}')
            elif dice.random() < flat:
                lines.append(json.dumps({"uid": f"u{n % 13}", "prompt": f"q{n % 13}", "response": responses[0]}))
            else:
                lines.append(json.dumps({"id": f"{name}{n}", "prompt": f"p{n}", "responses": responses}))
        (made / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return made


def arguments(options: dict[str, int]) -> list[str]:
    return [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def expected(folder: Path, options: dict[str, int]) -> tuple[list[str], int]:
    """The lines of the scores by a plain loop over the groups, and how many rows are bad."""
    items = list(read_groups(folder, ReadOptions(**options)))
    groups = [item for item in items if isinstance(item, ReadGroup)]
    with Scorer("empo-math") as scorer:
        scores = [(item, scorer.score(item.group)) for item in groups]
    lines = [line_of({"id": s.id, "source": i.source, "line": i.line, **s.to_dict()}) for i, s in scores]
    return lines, len(items) - len(groups)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("workers", [1, 2])
def test_pieces_give_what_a_plain_loop_gives(
    folder: Path, tmp_path: Path, options: dict[str, int], workers: int
) -> None:
    lines, bad = expected(folder, options)
    out = tmp_path / "out.jsonl"
    given = ["score", str(folder), "--out", str(out), *arguments(options)]
    assert run([*given, "--workers", str(workers)]) in ((3, 5) if bad else (0, 4))
    assert out.read_text().splitlines() == lines
    rejected = Path(f"{out}.rejected.jsonl")
    assert len(rejected.read_text().splitlines() if rejected.exists() else []) == bad


@pytest.mark.parametrize("options", OPTIONS[1:3], ids=str)
def test_a_job_that_was_interrupted_anywhere_is_completed(
    folder: Path, tmp_path: Path, options: dict[str, int]
) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    given = ["score", str(folder), *arguments(options), "--out"]
    run([*given, str(whole)])
    scores = whole.read_bytes().splitlines(keepends=True)
    rejected = Path(f"{whole}.rejected.jsonl").read_bytes().splitlines(keepends=True)
    shutil.copy(f"{whole}.journal.json", f"{out}.journal.json")
    for done in (0, 1, len(scores) // 3, len(scores) // 2, len(scores) - 1, len(scores)):
        out.write_bytes(b"".join(scores[:done]) + b'{"cut')
        known = max(1, len(rejected) * done // len(scores))
        Path(f"{out}.rejected.jsonl").write_bytes(b"".join(rejected[:known]))
        run([*given, str(out), "--resume"])
        assert out.read_bytes().splitlines(keepends=True) == scores
        assert Path(f"{out}.rejected.jsonl").read_bytes().splitlines(keepends=True) == rejected

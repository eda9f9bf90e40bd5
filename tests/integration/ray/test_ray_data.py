"""Scoring on Ray Data gives the scores of one process, whatever happens to its actors."""

from __future__ import annotations

import gzip
import json
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from empo_rewards import Group, GroupScore, Scorer
from empo_rewards.cli.app import run
from empo_rewards.integrations.ray import score_dataset, stages
from empo_rewards.integrations.ray.tables import PLACE, SCORES
from empo_rewards.reading import ReadGroup, ReadOptions, read_groups

ANSWERS = ["1", "0.5", r"\frac12", "x+1", "1+x", r"\sin 2x", "Paris", ""]


Place = tuple[str, int, str | None]


def place(source: str, line: int, name: str | None) -> Place:
    """Where a group stands: a file's name, whether it is compressed or not, its line, and its id."""
    return Path(source).name.removesuffix(".gz"), line, name


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"g{k}",
            "prompt": [{"role": "user", "content": f"q{k}"}],
            "responses": [rf"so \boxed{{{ANSWERS[(k + j * j) % len(ANSWERS)]}}}" for j in range(6)],
            "reference": ["0.5", "1"],
            "token_logprobs": [[-0.1 * j, -0.25] for j in range(6)],
        }
        for k in range(count)
    ]


def flat(count: int) -> list[dict[str, Any]]:
    """A response a row, the members of a group far apart."""
    groups = rows(count)
    return [
        {"uid": f"u{g['id']}", "prompt": g["prompt"], "response": g["responses"][j]} for j in range(6) for g in groups
    ]


def write(path: Path, some: list[dict[str, Any]], *, bad: bool = False) -> Path:
    lines = [json.dumps(row) for row in some]
    path.write_text("\n".join([*lines[:3], *(['{"prompt": "q"', '{"x": 1}'] if bad else []), *lines[3:]]) + "\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Whole groups, flat rows and bad ones, in three files of two kinds."""
    made = tmp_path / "in"
    made.mkdir()
    write(made / "a.jsonl", rows(70), bad=True)
    write(made / "b.jsonl", flat(20), bad=True)
    pq.write_table(pa.Table.from_pylist(rows(40)), made / "c.parquet")
    return made


def here(folder: Path) -> dict[Place, GroupScore]:
    """The scores by one process, by place and id."""
    with Scorer("empo-math") as scorer:
        items = [item for item in read_groups(folder) if isinstance(item, ReadGroup)]
        return {place(item.source, item.line, item.group.id): scorer.score(item.group) for item in items}


def scores_of(table: Any) -> dict[Place, GroupScore]:
    """The scores in a table, by place and id."""
    return {
        place(row["source"], row["line"], row["id"]): GroupScore.from_dict({**row, "metrics": dict(row["metrics"])})
        for row in table.to_pylist()
    }


def test_files_to_a_folder_of_parquet(cluster: None, folder: Path, tmp_path: Path, capsys: Any) -> None:
    """Bad rows stand apart; a file that is cut off costs its end, and is named."""
    whole = gzip.compress(json.dumps(rows(1)[0]).encode() + b"\n") + gzip.compress(os.urandom(5000).hex().encode())
    (folder / "d.jsonl.gz").write_bytes(whole[:-2000])
    out = tmp_path / "scores"
    code = run(["score", str(folder), "--engine", "ray", "--workers", "2", "--out", str(out)])
    said = capsys.readouterr().err
    assert code == 2
    assert "d.jsonl.gz: the gzip stream is damaged after line 1" in said
    (folder / "d.jsonl.gz").unlink()
    write(folder / "d.jsonl", rows(1))
    table = pq.read_table(out)
    assert scores_of(table) == here(folder)
    assert table.num_rows == 131
    bad = [json.loads(line) for path in (tmp_path / "scores.rejected").iterdir() for line in path.open()]
    assert sorted((Path(row["source"]).name, row["line"]) for row in bad) == [
        *(("a.jsonl", 4), ("a.jsonl", 5)),
        *(("b.jsonl", 4), ("b.jsonl", 5)),
        ("d.jsonl.gz", -1),
    ]
    assert run(["score", str(folder), "--engine", "ray", "--out", str(out)]) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err


def scoring_processes() -> list[int]:
    """The processes of actors that score, which Ray names so."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # it ended meanwhile
            if entry.name.isdecimal() and b"MapWorker(MapBatches(ScoringActor" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def test_a_dataset_of_whole_groups_of_which_an_actor_is_killed(cluster: None) -> None:
    killed = []

    def kill() -> None:
        until = time.monotonic() + 200
        while not killed and time.monotonic() < until:
            for process in scoring_processes()[:1]:
                os.kill(process, signal.SIGKILL)
                killed.append(process)
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    found = score_dataset(ray.data.from_items([{**row, "reference": "1"} for row in rows(30)]), actors=2).take_all()
    killer.join()
    assert killed
    assert {row["id"]: tuple(row["rewards"]) for row in found} == rewards_here(30)


def test_a_dataset_of_flat_rows_that_share_a_key(cluster: None) -> None:
    found = score_dataset(ray.data.from_items(flat(20)), key="uid").take_all()
    assert {row["id"].removeprefix("u"): tuple(row["rewards"]) for row in found} == rewards_here(20)
    assert all(row["rejected"] is None for row in found)


def rewards_here(count: int) -> dict[str, tuple[float | None, ...]]:
    """The rewards of `rows(count)` by one process."""
    with Scorer("empo-math") as scorer:
        return {row["id"]: scorer.score(Group(row["prompt"], row["responses"])).rewards for row in rows(count)}


def test_a_score_has_a_column_for_each_field() -> None:
    assert {*SCORES.names} - {*PLACE} == {field.name for field in fields(GroupScore)}


def test_flat_rows_need_a_key() -> None:
    table = stages._whole_groups(pa.Table.from_pylist(flat(1)), ReadOptions())
    assert table["group"].null_count == table.num_rows == 6
    assert "key=COLUMN" in table["rejected"][0].as_py()


@pytest.mark.parametrize("option", [["--resume"], ["--strict"], ["--limit", "3"], []])
def test_what_it_does_not_take(folder: Path, tmp_path: Path, option: list[str], capsys: Any) -> None:
    given = ["score", str(folder), "--engine", "ray", *option]
    assert run([*given, *(["--out", str(tmp_path / "o")] if option else [])]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_ray_that_does_not_start_is_told_and_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def init() -> None:
        raise Exception("The current node timed out during startup")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    file = tmp_path / "rollouts.jsonl"
    file.write_text(json.dumps({"prompt": "p", "responses": [r"\boxed{1}"] * 2}) + "\n", encoding="utf-8")
    assert run(["score", str(file), "--engine", "ray", "--out", str(tmp_path / "scores")]) == 2
    assert "Ray does not start: " in capsys.readouterr().err

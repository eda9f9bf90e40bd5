"""`report`, `compare` and `explain` on files that are damaged, partial, foreign, or of other rollouts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from empo_rewards.cli.app import app
from empo_rewards.errors import EmpoError

EXAMPLE = Path(__file__).parents[2] / "examples" / "rollouts.jsonl"


def run(*arguments: object) -> str:
    """What a command says; its error where it ends with one of its own."""
    done = CliRunner().invoke(app, [*map(str, arguments)])
    if isinstance(done.exception, EmpoError):
        return str(done.exception)
    assert done.exit_code in (0, 1), done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done.output


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("scored") / "scores.jsonl"
    run("score", EXAMPLE, "--out", path)
    return path.read_bytes()


def without(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda record: {name: value for name, value in record.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: [r], "line 2: not a score: it is no JSON object"),
        (without("rewards"), "score 2: not a group's score: rewards"),
        (lambda r: {**r, "clusters": [9] * 8}, "score 2: not a group's score: clusters"),
        (lambda r: {**r, "cluster_shares": [7.0] * len(r["cluster_shares"])}, "cluster_shares"),
        (lambda r: {**r, "size": 3}, "size is 3 for 8 rewards"),
        (lambda r: {**r, "rewards": [], "answers": [], "clusters": [], "flags": [], "correct": None}, "for 0 rewards"),
        (lambda r: {**r, "entropy": float("nan")}, "score 2: not a group's score: entropy"),
    ],
)
def test_a_bad_score_is_named(change: Callable[[Any], object], message: str, scored: bytes, tmp_path: Path) -> None:
    lines = scored.decode().splitlines()
    lines[1] = json.dumps(change(json.loads(lines[1])))
    (tmp_path / "bad.jsonl").write_text("\n".join(lines))
    assert message in run("report", tmp_path / "bad.jsonl", "--out", tmp_path / "out.html")
    assert message in run("compare", tmp_path / "bad.jsonl", tmp_path / "bad.jsonl")
    assert not (tmp_path / "out.html").exists()


@pytest.mark.parametrize(
    "change",
    [
        without("metrics"),
        lambda r: {**r, "metrics": {"pseudo_label_accuracy": 0.0}},
        without("size", "expected_size", "flags", "correct", "advantage_scale", "id", "line"),
        lambda r: {**r, "rewards": [None] * 8},
        lambda r: {**r, "clusters": [], "cluster_shares": [], "entropy": None, "status": "unscored"},
    ],
)
def test_scores_that_lack_something_are_shown(change: Callable[[Any], object], scored: bytes, tmp_path: Path) -> None:
    part = "".join(json.dumps(change(json.loads(line))) + "\n" for line in scored.splitlines())
    (tmp_path / "part.jsonl").write_text(part)
    assert "18 groups" in run("report", tmp_path / "part.jsonl", "--out", tmp_path / "out.html")
    assert "groups" in run("compare", tmp_path / "part.jsonl", tmp_path / "part.jsonl", "--out", tmp_path / "c.html")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda data: gzip.compress(data)[:-900], "damaged after line"),
        (lambda data: gzip.compress(data)[:60] + b"\xff" * 90, "damaged after line 0"),
        (lambda data: data, "damaged after line 0"),
        (lambda data: gzip.compress(b"[" * 100_000), "line 1: not a score"),
        (gzip.compress, "18 groups"),
    ],
)
def test_compressed_scores(content: Callable[[bytes], bytes], message: str, scored: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.jsonl.gz").write_bytes(content(scored))
    assert message in run("report", tmp_path / "s.jsonl.gz", "--out", tmp_path / "out.html")


def test_compressed_scores_are_not_followed(tmp_path: Path) -> None:
    assert "--follow reads plain" in run("report", tmp_path / "s.jsonl.gz", "--follow", "--port", "0")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: {**row, "id": "another"}, "line 1 has group 'another'"),
        (lambda row: {**row, "responses": row["responses"][:3]}, "with 3 responses"),
        (lambda row: {**row, "responses": ["?"] * 8}, "response 0 of line 1 ends before the place of its answer"),
    ],
)
def test_rollouts_that_were_not_scored_are_refused(
    change: Callable[[Any], object], message: str, scored: bytes, tmp_path: Path
) -> None:
    (tmp_path / "s.jsonl").write_bytes(scored)
    rows = [json.loads(line) for line in EXAMPLE.read_text().splitlines()]
    rows[0] = change(rows[0])
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert message in run("report", tmp_path / "s.jsonl", tmp_path / "r.jsonl", "--out", tmp_path / "out.html")


def test_scores_without_ids_in_another_order_are_not_compared(scored: bytes, tmp_path: Path) -> None:
    lines = [json.dumps({**json.loads(line), "id": None}) + "\n" for line in scored.splitlines()]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    (tmp_path / "b.jsonl").write_text("".join(lines[::-1]))
    assert "None of line 18" in run("compare", tmp_path / "a.jsonl", tmp_path / "b.jsonl")


def test_groups_of_one_id_are_told_apart_by_their_number(scored: bytes, tmp_path: Path) -> None:
    lines = [{**json.loads(line), "id": "same"} for line in scored.splitlines()]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for line in (lines[2], lines[7]):
        line["entropy"] += 1
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = json.loads(run("compare", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--json"))
    assert said["changed_groups"] == [
        {"number": number, "id": "same", "changes": ["entropy"]} for number in (3, 8)
    ]  # fmt: skip


@pytest.mark.parametrize("command", ["report", "compare"])
def test_a_page_never_takes_the_place_of_what_it_is_made_from(command: str, scored: bytes, tmp_path: Path) -> None:
    path, link = tmp_path / "s.jsonl", tmp_path / "link"
    path.write_bytes(scored)
    link.symlink_to(path)
    other = [EXAMPLE] if command == "report" else [path]
    for target in (path, link):
        assert "is what the page is made from" in run(command, path, *other, "--out", target)
    assert path.read_bytes() == scored


def test_why_is_said_to_be_unknown_where_answers_cannot_be_compared() -> None:
    judge = ["--set", "equivalence={name: judge, url: 'http://127.0.0.1:9/v1', model: none, limits: {attempts: 1}}"]
    said = run("explain", EXAMPLE, *judge, "--why", "0", "1")
    assert "responses 0 and 1 cannot be compared" in said
    assert "no pair 0, 99 among 8" in run("explain", EXAMPLE, *judge, "--why", "0", "99")

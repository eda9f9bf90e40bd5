"""The report that follows a growing file of scores, over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from empo_rewards.cli.app import app

COMMAND = str(Path(sys.executable).parent / "empo-rewards")
EXAMPLE = Path(__file__).parents[2] / "examples" / "rollouts.jsonl"


def ask(url: str, host: str | None = None) -> Any:
    request = urllib.request.Request(url, headers={} if host is None else {"Host": host})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode()


class Follow(NamedTuple):
    """A report that follows a file with two scores: its address, the file, all lines, and the process."""

    address: str
    scores: Path
    lines: list[str]
    process: subprocess.Popen[str]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines of the example's scores."""
    whole = tmp_path_factory.mktemp("scored") / "scores.jsonl"
    assert CliRunner().invoke(app, ["score", str(EXAMPLE), "--out", str(whole)]).exit_code == 0
    return whole.read_text().splitlines(keepends=True)


@pytest.fixture
def growing(lines: list[str], tmp_path: Path) -> Iterator[Follow]:
    """A report that follows a file with two scores and a part of the third."""
    scores = tmp_path / "scores.jsonl"
    scores.write_text("".join(lines[:2]) + lines[2][:50])
    command = [COMMAND, "report", str(scores), str(EXAMPLE), "--follow", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        yield Follow(following.stdout.readline().split()[0], scores, lines, following)
        following.terminate()


def rows(address: str, wanted: int, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """The index as soon as it has so many rows: what is new to a page that has one."""
    query = "" if known is None else f"?run={known['run']}&after={known['rows']}"
    for _ in range(100):
        text = ask(f"{address}report/index{query}")
        index: dict[str, Any] = json.loads(text) if text else {"rows": 0}
        if index["rows"] >= wanted:
            return index
        time.sleep(0.1)
    raise AssertionError(index)


def test_new_scores_appear_and_what_is_known_is_not_sent_again(growing: Follow) -> None:
    address, scores, lines, _ = growing
    page = ask(address)
    assert 'id="live"' in page
    assert "connect-src 'self'" in page
    first = rows(address, 2)
    assert first["rows"] == 2  # the third line is not whole yet
    assert ask(f"{address}report/index?run={first['run']}&after=2") == ""  # nothing is new
    with scores.open("a") as file:
        file.write(lines[2][50:] + "".join(lines[3:]))
    more = rows(address, len(lines), first)
    assert more["overview"]["groups"] == len(lines)
    assert more["columns"]["id"] == [json.loads(line)["id"] for line in lines[2:]]
    other = json.loads(ask(f"{address}report/index?run=other&after=2"))
    assert len(other["columns"]["id"]) == len(lines), "a page of another run knows nothing"
    detail = json.loads(ask(f"{address}report/group?run={first['run']}&row=2"))
    assert detail["responses"] == json.loads(EXAMPLE.read_text().splitlines()[2])["responses"]


def test_a_file_that_is_written_anew_ends_it(growing: Follow) -> None:
    rows(growing.address, 2)
    growing.scores.write_text(growing.lines[0])
    assert "has become shorter or another file" in growing.process.communicate(timeout=30)[1]
    assert growing.process.returncode == 2


def test_another_file_of_that_name_is_noticed(growing: Follow) -> None:
    rows(growing.address, 2)
    growing.scores.rename(growing.scores.with_name("older"))
    growing.scores.write_text("".join(growing.lines))
    assert "another file" in growing.process.communicate(timeout=30)[1]


def test_bad_lines_end_it(growing: Follow) -> None:
    rows(growing.address, 2)
    with growing.scores.open("a") as file:
        file.write("{oops\n")
    assert "line 3: not a score" in growing.process.communicate(timeout=30)[1]


@pytest.mark.parametrize(
    ("path", "host"),
    [("report/group", None), ("report/group?row=1", None), ("../etc/passwd", None), ("report/index", "evil.example")],
)
def test_other_requests_are_refused(growing: Follow, path: str, host: str | None) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ask(growing.address + path, host)

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

from empo_rewards import Group, Scorer
from empo_rewards.cli.app import app
from empo_rewards.records import record

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


class Served(NamedTuple):
    """A report that follows a folder: its address, the folder, and the process."""

    address: str
    folder: Path
    process: subprocess.Popen[str]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A report of a folder that is empty yet; rollouts in it are scored here."""
    folder = tmp_path / "run"
    folder.mkdir()
    command = [COMMAND, "report", str(folder), "--config", "empo-math", "--follow", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        yield Served(following.stdout.readline().split()[0], folder, following)
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


def test_records_of_several_processes_are_followed_as_they_appear(served: Served) -> None:
    def say(file: str, number: int) -> None:
        group = Group("What is 1/2?", [r"\boxed{1/2}", r"\boxed{0.5}"], id=f"g{number}", metadata={"step": number})
        with (served.folder / file).open("a") as out:
            out.write(json.dumps(record(group, scorer.score(group))) + "\n")

    with Scorer("empo-math") as scorer:
        say("one.jsonl", 0)
        first = rows(served.address, 1)
        assert first["columns"]["id"] == ["g0"]
        say("two.jsonl", 1)
        say("one.jsonl", 2)
        found = rows(served.address, 3, first)
    assert sorted(found["columns"]["id"]) == ["g1", "g2"]
    assert [row["step"] for row in found["overview"]["steps"]["rows"]] == [0, 1, 2]
    detail = json.loads(ask(f"{served.address}report/group?run={found['run']}&row=0"))
    assert detail["reasons"]["0,1"]["relation"] == "equal"


def test_a_trainers_dumps_are_scored_as_they_appear(served: Served) -> None:
    def dump(step: int, answer: str) -> None:
        lines = [
            {"input": "What is 1/2?", "output": rf"\boxed{{{text}}}", "gts": "0.5", "score": 0.1, "step": step}
            for text in (answer, answer, "3")
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        with (served.folder / f"{step}.jsonl").open("w") as out:
            out.write(text[:100])
            out.flush()
            time.sleep(0.3)
            out.write(text[100:])

    dump(1, "1/2")
    first = rows(served.address, 1)
    assert first["columns"]["accuracy"] == [pytest.approx(2 / 3)]
    dump(2, "5")
    found = rows(served.address, 2, first)
    assert found["columns"]["majority"] == ["5"]
    assert [row["step"] for row in found["overview"]["steps"]["rows"]] == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((EXAMPLE, "--follow"), "of rollouts the folder of their dumps"),
        ((EXAMPLE,), "if it holds rollouts, --config scores them here"),
        ((EXAMPLE, EXAMPLE, "--config", "empo-math"), "leave one of them out"),
    ],
)
def test_what_cannot_be_shown_says_what_to_do(arguments: tuple[object, ...], message: str, tmp_path: Path) -> None:
    port = ["--port", "0"] if "--follow" in arguments else ["--out", str(tmp_path / "page.html")]
    done = CliRunner().invoke(app, ["report", *map(str, arguments), *port])
    assert message in str(done.exception)

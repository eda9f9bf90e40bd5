"""What models wrote, on a terminal and in messages: nothing of it controls the terminal or forges a line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text
from typer.testing import CliRunner

from empo_rewards.cli.app import app
from empo_rewards.cli.console import fail, foreign
from empo_rewards.errors import described, printable

HOSTILE = "x\x1b[2J\x1b]0;title\x07\u202e\u2066\u200b\u2028\x9b31m\r\nforged: 1\x00\x7f[red]m[/red]"


def output(*arguments: object) -> str:
    """What a command prints; no line of it holds what is not printable, but for the markup of a table."""
    done = CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "400", "NO_COLOR": "1"})
    for line in done.output.split("\n"):
        assert line.isprintable(), ascii(line)
    return done.output


def test_explain_and_audit_show_it_escaped(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    prompt = f"Which?\nA) 1\nB) 2\n{HOSTILE}"
    responses = [rf"\boxed{{{HOSTILE}}}", HOSTILE, "Option A is even, and (C) is a square. The answer is (B).", ""]
    file.write_text(json.dumps({"id": HOSTILE, "prompt": prompt, "responses": responses}), encoding="utf-8")
    shown = output("explain", file)
    assert r"\x1b[2J" in shown
    assert "[red]m[/red]" in shown
    assert not any(line.startswith("forged") for line in shown.splitlines())
    assert r"\u202e" in output("extract", file, "--audit", "-c", "empo-choice")


def write_prompts(folder: Path) -> Path:
    """A file of which one row is a prompt and the other none, in a folder whose name is hostile as well."""
    place = folder / HOSTILE.replace(chr(0), "").replace("/", "")
    place.mkdir()
    (place / "in.jsonl").write_text('{"prompt": "q"}\n{"prompt": 3}\n', encoding="utf-8")
    return place / "in.jsonl"


def test_messages_show_it_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / f"a{HOSTILE.replace(chr(0), '').replace('/', '')}.jsonl"
    file.write_text(json.dumps({"prompt": "q", HOSTILE: [1], "responses": 3}) + "\nno JSON\n", encoding="utf-8")
    for command in ("score", "extract"):
        more = ["--out", tmp_path / "out.jsonl"] if command == "score" else []
        assert r"\x1b[2J" in output(command, file, *more)
    assert r"\x1b[2J" in output("select", file, "--entropy", "0..", "--out", file.with_suffix(".parquet"))
    bad = write_prompts(tmp_path)
    assert r"\x1b[2J" in output("dataset", bad, "--for", "trl", "--out", bad.parent)
    fail(HOSTILE)
    assert capsys.readouterr().err == f"error: {printable(HOSTILE)}\n"


@given(st.text())
def test_foreign_text_is_one_line_of_printable_characters(text: str) -> None:
    shown = printable(text)
    assert all(c.isprintable() or c in "\u00a0\u202f\u3000" for c in shown)
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    assert foreign(text) == Text(shown)
    assert described(ValueError(text)).splitlines() in ([], [described(ValueError(text))])


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"])))
def test_words_stay_as_they_are(text: str) -> None:
    assert printable(text) == text

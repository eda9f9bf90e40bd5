"""docs/report.md: its commands and its code run as printed."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from pages import code_blocks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def test_the_commands_run_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    commands = [line.partition("  #")[0].strip() for block in code_blocks(PAGE, "sh") for line in block.splitlines()]
    following = [command for command in commands if "--follow" in command]  # tests/report/test_live.py runs it
    for command in [command for command in commands if command not in following]:
        program, *arguments = shlex.split(command)
        done = subprocess.run(
            [str(BIN / program), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, command + done.stderr
    assert len(following) == 1
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_code_runs() -> None:
    for block in code_blocks(PAGE, "python"):
        exec(compile(block, "docs/report.md", "exec"), {})


def test_the_picture_is_there() -> None:
    assert (ROOT / "docs" / "images" / "report.png").stat().st_size > 10_000
    assert "](images/report.png)" in PAGE

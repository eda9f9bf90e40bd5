"""What only some systems have is taken away (see Windows, macOS): only a function that needs it may miss it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[1]
COMMAND = str(Path(sys.executable).parent / "empo-rewards")
EXACT = ("--set", "equivalence={name: exact}")

WITHOUT = """
import select
import signal
import sys

for name in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None
for module, name in ((select, "POLLRDHUP"), (select, "epoll"), (signal, "SIGUSR1"), (signal, "SIGUSR2")):
    if hasattr(module, name):
        delattr(module, name)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of processes, and of their children, that have none of it."""
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WITHOUT)
    return {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "200"}


def test_it_is_taken_away(environment: dict[str, str]) -> None:
    for statement in ("import fcntl", "import resource", "import select; select.POLLRDHUP"):
        done = subprocess.run([sys.executable, "-c", statement], env=environment, capture_output=True, check=False)
        assert done.returncode == 1


def test_every_module_of_the_server_and_the_command_line_can_be_imported(environment: dict[str, str]) -> None:
    folders = ("empo_rewards", "empo_rewards/server", "empo_rewards/cli", "empo_rewards/gather")
    files = [path for folder in folders for path in (ROOT / folder).glob("*.py") if path.stem != "__init__"]
    modules = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files)
    assert "empo_rewards.server.process" in modules
    subprocess.run([sys.executable, "-c", f"import {', '.join(modules)}"], env=environment, check=True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_score_writes_and_resumes(tmp_path: Path, environment: dict[str, str], workers: str) -> None:
    out = tmp_path / "scores.jsonl"
    command = [COMMAND, "score", ROOT / "examples/rollouts.jsonl", "--out", out, "--workers", workers, *EXACT]
    subprocess.run(command, env=environment, check=True)
    whole = out.read_bytes()
    assert [json.loads(line)["status"] for line in whole.splitlines()] == ["scored"] * 18
    out.write_bytes(whole[: len(whole) // 2])
    subprocess.run([*command, "--resume"], env=environment, check=True)
    assert out.read_bytes() == whole


def test_serve_answers(environment: dict[str, str]) -> None:
    command = [COMMAND, "serve", "--group-size", "2", "--port", "0", "--workers", "2", *EXACT]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            log = iter(server.stderr.readline, "")
            url = next(found[1] for line in log if (found := re.search(r"listening on (\S+)", line)))
            group = {"prompt": "q", "responses": [r"\boxed{1}", r"\boxed{1}"]}
            assert httpx.post(f"{url}/score", json=group, timeout=60).json()["rewards"] == [1.0, 1.0]
        finally:
            server.terminate()
    assert server.returncode == 0

"""The README: its commands and code run, and its figures are those measured."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pages import code_blocks

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent

COMMANDS = [
    line.partition("  #")[0].strip()
    for block in code_blocks(README, "sh")
    for line in block.splitlines()
    if line.strip()
]
VERL_CHECK = "empo-rewards verl-check run.yaml reward.reward_manager.name=empo actor_rollout_ref.rollout.n=16"

BY_OTHERS = {
    "make demo": "run by .ci/run",
    "make demo-train": "tests/integration/trl/test_demo_train.py",
    "make test": "runs this test",
    "make test-fast": "the first part of `make test`",
    "make test-matrix": "run before a release",
    "make stress": "run before a release",
    "pip install empo-rewards": "run by `make demo`, from the sources",
    "pip install 'empo-rewards[server]'": "run by the session `light`, from the sources",
    "empo-rewards doctor --verl": "tests/integration/verl/test_launch.py",
    VERL_CHECK: "tests/integration/verl/test_requirements.py",
    "empo-rewards generate prompts.jsonl --url http://localhost:8000/v1 -n 16 --out rollouts.jsonl": (
        "tests/cli/test_generate.py"
    ),
    "empo-rewards serve --config empo-math --group-size 16 --port 5000": "tests/server",
}


RUN_HERE = [command for command in COMMANDS if command not in BY_OTHERS]


def test_every_command_is_accounted_for() -> None:
    assert set(BY_OTHERS) <= set(COMMANDS)
    assert all(command.startswith("empo-rewards ") for command in RUN_HERE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command, where in BY_OTHERS.items():
        if command.startswith("make "):
            assert f"\n{command.removeprefix('make ')}:" in makefile
        if where.startswith("tests/"):
            verb = command.split()[1]
            sources = [path for path in [ROOT / where, *(ROOT / where).glob("*.py")] if path.is_file()]
            assert any(f'"{verb}"' in path.read_text(encoding="utf-8") for path in sources), command


@pytest.mark.parametrize("command", RUN_HERE)
def test_the_command_runs(command: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    program, *arguments = shlex.split(command)
    if "scores.jsonl" in arguments and not command.startswith("empo-rewards score "):
        first = next(one for one in RUN_HERE if one.startswith("empo-rewards score ") and "--out scores.jsonl" in one)
        subprocess.run([str(BIN / program), *shlex.split(first)[1:]], cwd=tmp_path, capture_output=True, check=True)
    done = subprocess.run(
        [str(BIN / program), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("example", code_blocks(README, "python"))
def test_the_code_runs(example: str) -> None:
    exec(compile(example, "README.md", "exec"), {})


@pytest.mark.parametrize("page", re.findall(r"\]\(((?!http)[^)#]+)", README))
def test_the_links_lead_somewhere(page: str) -> None:
    assert (ROOT / page).exists()


def test_the_figures_are_the_measured_ones(tmp_path: Path) -> None:
    out = tmp_path / "scores.jsonl"
    subprocess.run(
        [str(BIN / "empo-rewards"), "score", str(ROOT / "examples" / "rollouts.jsonl"), "--out", str(out)],
        check=True,
        capture_output=True,
        timeout=600,
    )
    scores = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    quoted = dict(re.findall(r"<!-- (\w+) -->([\d.]+)<!-- -->", README))
    assert set(quoted) == {"accuracy", "pseudo_label_accuracy"}
    for name, text in quoted.items():
        mean = sum(score["metrics"][name] for score in scores) / len(scores)
        assert float(text) == pytest.approx(mean, abs=5e-5)

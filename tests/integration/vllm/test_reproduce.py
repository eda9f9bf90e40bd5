"""Every table and figure of the reproduction, with tiny models, made-up problems and a real vLLM."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from vllm_server import ENVIRONMENT, VllmServer

ROOT = Path(__file__).parents[3]
EXPERIMENTS = ("math", "free-form", "pass-at-k", "entropy", "clustering", "thresholds", "group-size")


def reproduce(folder: Path, *arguments: str, code: int = 0) -> str:
    """What the command prints, with tiny models and sets in a folder."""
    given = ("--tiny", "--work", str(folder), "--results", str(folder / "results"), "-n", "4", *arguments)
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "reproduce_empo.py"), *given],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == code, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reproduced")


def test_every_table_and_figure(folder: Path) -> None:
    """One tiny model stands for all."""
    names = reproduce(folder, "--names").split()
    server = VllmServer(folder / "models" / names[-1], folder / "log.txt", names=names, length=20000)
    try:
        server.wait()
        said = reproduce(folder, "--url", server.url)
    finally:
        server.kill()
    tables = [[line.strip("|").split("|") for line in text.splitlines()[2:]] for text in said.split("\n\n")[1::2]]
    assert list(map(len, tables)) == [9, 6, 9, 6, 4, 5, 4]
    for name, rows in zip(EXPERIMENTS, tables, strict=True):
        assert not any(cell == " – " for row in rows for cell in row[:-1])  # the last is published, or a correlation
        assert (folder / "results" / f"{name}.svg").stat().st_size > 10_000
    assert {tuple(map(str.strip, row[2:-1])) for row in tables[0]} == {("100.0",) * 7}  # its greedy answers


def test_what_is_missing_by_vllm_in_the_process(folder: Path) -> None:
    """The folder of the model is what training would have made; the other results are kept."""
    file = folder / "results" / "qwen2.5-3b" / "exact.json"
    before = json.loads(file.read_text())
    file.write_text(json.dumps({name: cell for name, cell in before.items() if name != "mmlu_pro"}))
    (folder / "rollouts" / "qwen2.5-3b" / "exact" / "mmlu_pro-1.jsonl").unlink()
    engine = ("dtype=float32", "enforce_eager=true", "max_model_len=20000")
    reproduce(folder, "clustering", "--model", "qwen2.5-3b/exact", *(p for one in engine for p in ("--set", one)))
    after = json.loads(file.read_text())
    assert after["gpqa"] == before["gpqa"]
    assert after["mmlu_pro"]["1"]["metrics"] == before["mmlu_pro"]["1"]["metrics"]

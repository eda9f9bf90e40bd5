"""Every table and figure of the reproduction, with tiny models, made-up problems and a real vLLM."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from vllm_server import ENVIRONMENT, VllmServer

ROOT = Path(__file__).parents[3]
EXPERIMENTS = ("math", "free-form", "pass-at-k", "entropy", "clustering", "thresholds", "group-size")


def reproduce(folder: Path, *arguments: str, code: int = 0) -> str:
    """What the command prints, with tiny models and sets in a folder of work beside the results."""
    given = ("--tiny", "--work", str(folder / "work"), "--results", str(folder / "results"), "-n", "4", *arguments)
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


def test_every_table_and_figure(tmp_path: Path) -> None:
    """One tiny model stands for all."""
    names = reproduce(tmp_path, "--names").split()
    server = VllmServer(tmp_path / "work" / "models" / names[-1], tmp_path / "log.txt", names=names, length=20000)
    try:
        server.wait()
        said = reproduce(tmp_path, "--url", server.url)
    finally:
        server.kill()
    tables = [[line.strip("|").split("|") for line in text.splitlines()[2:]] for text in said.split("\n\n")[1::2]]
    assert list(map(len, tables)) == [9, 6, 9, 6, 4, 5, 4]
    for name, rows in zip(EXPERIMENTS, tables, strict=True):
        assert not any(cell == " – " for row in rows for cell in row[:-1])  # the last is published, or a correlation
        assert (tmp_path / "results" / f"{name}.svg").stat().st_size > 10_000
    assert {tuple(map(str.strip, row[2:-1])) for row in tables[0]} == {("100.0",) * 7}  # its greedy answers


def test_what_is_missing_by_vllm_in_the_process(tmp_path: Path) -> None:
    """The folder of the model is what training would have made; a result that is there is kept."""
    accuracy = {"mean": 0.5, "least": 0.2, "most": 0.8, "problems": 9}
    kept = {"1": {"prompts": 9, "metrics": {"accuracy": accuracy}, "stands_in": True}}
    file = tmp_path / "results" / "qwen2.5-3b" / "exact.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"gpqa": kept}))
    engine = ("dtype=float32", "enforce_eager=true", "max_model_len=20000")
    given = (part for one in engine for part in ("--set", one))
    reproduce(tmp_path, "clustering", "--model", "qwen2.5-3b/exact", *given)
    after = json.loads(file.read_text())
    assert after["gpqa"] == kept
    assert after["mmlu_pro"]["1"]["metrics"]["accuracy"]["mean"] == 1  # greedy, as the model was made

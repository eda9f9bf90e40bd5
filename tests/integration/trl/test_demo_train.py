"""`make demo-train` for two steps: it trains SmolLM2, is stopped after the first, and goes on from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

DEMO = Path(__file__).parents[3] / "benchmarks" / "demo_train.py"
SMALL = ("--prompts", "2", "--group", "4", "--questions", "3")


def run(folder: Path, steps: int) -> str:
    done = subprocess.run(
        [sys.executable, DEMO, "--folder", folder, "--steps", str(steps), *SMALL],
        env=os.environ | {"COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_it_trains_goes_on_where_it_was_stopped_and_reports(tmp_path: Path) -> None:
    folder = tmp_path / "demo-train"
    run(folder, 1)
    before = (folder / "before.json").read_text(encoding="utf-8")
    (folder / "after.json").unlink()  # as if it had been stopped after the first step
    shown = run(folder, 2)
    assert (folder / "before.json").read_text(encoding="utf-8") == before
    assert [path.name for path in (folder / "checkpoints").glob("checkpoint-*")] == ["checkpoint-2"]
    groups = [json.loads(line) for line in (folder / "rollouts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert Counter(group["metadata"]["step"] for group in groups) == {1: 2, 2: 2}
    assert all(len(group["responses"]) == 4 for group in groups)

    found = [json.loads((folder / name).read_text(encoding="utf-8")) for name in ("before.json", "after.json")]
    assert [len(one["responses"]) for one in found] == [3, 3]
    assert found[0]["responses"] != found[1]["responses"]  # two steps change what is sampled
    assert "pass@1" in shown
    assert all(text.split("?")[0] in shown for text in found[0]["responses"])
    scores = (folder / "scores.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["status"] for line in scores] == ["scored"] * 4
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")

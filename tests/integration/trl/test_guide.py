"""The guide's example, run unchanged: from a file of prompts to a trained model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import torch
from transformers import LlamaForCausalLM

EXAMPLE = Path(__file__).parents[3] / "examples" / "train_trl.py"
WORDS = [rf"\boxed{{{answer}}}" for answer in range(6)]


def test_the_lines_train_a_model(tmp_path: Path) -> None:
    tiny.tokenizer(WORDS).save_pretrained(tmp_path / "model")
    tiny.model(WORDS).save_pretrained(tmp_path / "model")
    rows = [json.dumps({"prompt": f"What is {i} + {i}?"}) for i in range(40)]
    (tmp_path / "prompts.jsonl").write_text("\n".join(rows), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, EXAMPLE, "prompts.jsonl", "trained", "--model", "model", "--steps", "3", "--tokens", "2"],
        cwd=tmp_path,
        env=os.environ | {"HF_HOME": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]

    [state] = (tmp_path / "trained").glob("checkpoint-3/trainer_state.json")
    steps = [line for line in json.loads(state.read_text(encoding="utf-8"))["log_history"] if "reward" in line]
    assert [step["step"] for step in steps] == [1, 2, 3]
    for step in steps:
        assert 1 / 16 < step["reward"] < 1
        assert step["empo/scored"] == 1
        assert step["grad_norm"] > 0
        assert step["empo/monitor/alarm"] == 0
        assert step["kl"] >= 0
        assert "empo/accuracy" not in step  # there was no label
    before, after = (LlamaForCausalLM.from_pretrained(tmp_path / name).state_dict() for name in ("model", "trained"))
    assert any(not torch.equal(before[name], after[name].to(before[name].dtype)) for name in before)


@pytest.mark.parametrize("page", ["guide.md"])
def test_the_page_shows_these_lines(page: str) -> None:
    lines = EXAMPLE.read_text(encoding="utf-8")
    assert len(lines.splitlines()) <= 30
    assert f"```python\n{lines}```" in (EXAMPLE.parents[1] / "docs" / page).read_text(encoding="utf-8")

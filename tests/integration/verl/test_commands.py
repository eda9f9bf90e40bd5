"""The commands that a user runs before a job, and the launch scripts with verl's command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import verl_support as support

from empo_rewards.cli import app

BIN = Path(sys.executable).parent

PRIMARY = """
hydra:
  searchpath: ["pkg://verl.trainer.config"]
defaults: [ppo_trainer, _self_]
reward:
  reward_manager: {name: empo}
  reward_kwargs: {scorer: empo-math}
algorithm: {adv_estimator: grpo}
data: {train_batch_size: 8}
actor_rollout_ref:
  rollout: {name: vllm, n: 8, log_prob_micro_batch_size_per_gpu: 1}
  actor: {ppo_micro_batch_size_per_gpu: 1, ppo_mini_batch_size: 8}
trainer: {n_gpus_per_node: 1}
"""


def run(*command: str | Path, code: int = 0, errors: bool = True, **environment: str) -> str:
    """What a command says (with `errors`, on standard error as well); its exit code must be `code`."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200", "NO_COLOR": "1", **environment},
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said if errors else re.sub(r"(?m)^WARNING:.*$", "", done.stdout)  # verl logs to standard output as well


def test_doctor_says_whether_verl_finds_us(capsys: pytest.CaptureFixture[str]) -> None:
    """Once in this process, which has verl imported; and once in one that is told to leave our plugin out."""
    assert app.run(["doctor", "--verl"]) == 0
    assert "`empo` is empo_rewards.integrations.verl.manager" in " ".join(capsys.readouterr().out.split())
    said = run(BIN / "empo-rewards", "doctor", "--verl", code=1, VERL_USE_EXTERNAL_PLUGINS="none")
    assert "VERL_USE_EXTERNAL_PLUGINS=none leaves out 'empo_rewards'" in said


def test_verl_check_drives_a_configuration(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(PRIMARY, encoding="utf-8")
    said = run(
        BIN / "empo-rewards",
        "verl-check",
        path,
        f"actor_rollout_ref.model.path={model}",
        "actor_rollout_ref.rollout.val_kwargs.n=2",
        "reward.num_workers=8",
        *support.make_data(tmp_path),
        "--workers",
        "1",
    )
    assert "8 rollouts a prompt, over 4 rendezvous actors" in said
    assert "v1, training rows" in said
    assert "32 rows of 4 prompts have their group's offline reward" in said
    assert "8 rows of 4 prompts have the reward of their label" in said

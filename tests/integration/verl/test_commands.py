"""The commands that a user runs before a job, and the launch scripts with verl's command line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from empo_rewards.cli.app import main

BIN = Path(sys.executable).parent

PRIMARY = """
hydra:
  searchpath: ["pkg://verl.trainer.config"]
defaults: [ppo_trainer, _self_]
reward:
  reward_manager: {name: empo}
  reward_kwargs: {scorer: empo-math}
algorithm: {adv_estimator: grpo}
data: {train_files: null, val_files: null, train_batch_size: 8}
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


def test_doctor_says_whether_verl_finds_us(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Once in this process, which has verl imported; and once in one that is told to leave our plugin out."""
    monkeypatch.setattr(sys, "argv", ["empo-rewards", "doctor", "--verl"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
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
        "reward.num_workers=8",
        "--workers",
        "1",
    )
    assert "8 rollouts a prompt, over 4 rendezvous actors" in said
    assert said.count("32 rows in 4 groups have their offline reward") == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("reward.reward_kwargs.scorer=empo-maths", "error: 'empo-maths' is neither a preset nor a file"),
        ("reward.reward_manager.name=naive", "set it to empo"),
        ("reward.reward_managers.name=empo", "Could not override 'reward.reward_managers.name'"),
    ],
)
def test_what_is_wrong_is_one_line(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    override: str,
    message: str,
) -> None:
    """In this process: verl takes ten seconds to import."""
    path = tmp_path / "run.yaml"
    path.write_text(PRIMARY, encoding="utf-8")
    arguments = ["empo-rewards", "verl-check", str(path), f"actor_rollout_ref.model.path={model}", override]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert message in " ".join("".join(capfd.readouterr()).split())

"""The launch scripts, run up to `ray job submit`; their flags are parsed by OpenRLHF's argument parser."""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import socket
import subprocess
import sys
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from rollouts import VERSION

from empo_rewards.cli.paths import find
from empo_rewards.integrations.openrlhf.settings import OpenRLHFSettings

SCRIPTS = Path(__file__).parents[3] / "configs" / "openrlhf"
OLDER = "_older" if VERSION < (0, 10, 4) else ""


def launch(script: str, folder: Path, *extra: str, **variables: str) -> tuple[list[str], dict[str, str]]:
    """Run a script; the arguments of `ray job submit` for the trainer, and the environment that it is sent."""
    record = folder / "arguments"
    ray = folder / "ray"
    ray.write_text(f"#!/usr/bin/env bash\nprintf '%s\\0' \"$@\" > '{record}'\n")
    ray.chmod(0o755)
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", SCRIPTS / script, *extra],
        env={**os.environ, "PATH": path, "MODEL": "a/model", "DATA": "my prompts.jsonl", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    submit, command = [], record.read_text().split("\0")[:-1]
    while command[0] != "--":
        submit.append(command.pop(0))
    assert command[:4] == ["--", "python3", "-m", "openrlhf.cli.train_ppo_ray"]
    sent = submit[submit.index("--runtime-env-json") + 1] if "--runtime-env-json" in submit else '{"env_vars": {}}'
    return command[4:], json.loads(sent)["env_vars"]


def parsed(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What OpenRLHF's `train` gets: the main part of its script, parser and checks, with `train` taken out."""
    spec = find_spec("openrlhf.cli.train_ppo_ray")
    assert spec is not None
    assert spec.origin is not None
    source = ast.parse(Path(spec.origin).read_text())
    (main,) = [node for node in source.body if isinstance(node, ast.If)]
    got: list[Any] = []
    names: dict[str, Any] = {"argparse": argparse, "os": os, "train": got.append}
    exec("from datetime import datetime", names)
    monkeypatch.setattr(sys, "argv", ["train_ppo_ray", *arguments])
    exec(compile(ast.Module(main.body, []), spec.origin, "exec"), names)
    return got[0]


def named(arguments: Any, new: str, old: str) -> Any:
    """An argument by its name in this version; since 0.10.4 they are nested."""
    return attrgetter(old if OLDER else new)(arguments)


@pytest.mark.parametrize("evaluates", [False, True])
def test_the_agent_script(evaluates: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"EVAL_DATA": "evaluation.jsonl", "LABEL_KEY": "label"} if evaluates else {}
    arguments, environment = launch(f"agent{OLDER}.sh", tmp_path, REWARD="ttrl", SAMPLES="8", **more)
    values = parsed(arguments, monkeypatch)
    assert named(values, "train.agent_func_path", "agent_func_path") == str(find("openrlhf/agent_func"))
    assert named(values, "data.prompt_dataset", "prompt_data") == "my prompts.jsonl"
    assert named(values, "rollout.n_samples_per_prompt", "n_samples_per_prompt") == 8
    assert named(values, "train.batch_size", "train_batch_size") == 8 * 128
    settings = OpenRLHFSettings.from_environment(environment)
    assert settings == OpenRLHFSettings(
        "ttrl", scores="reward", **({"group_size": 8, "evaluation_size": 4} if evaluates else {})
    )
    if evaluates:
        assert named(values, "eval.n_samples_per_prompt", "eval_n_samples_per_prompt") == settings.evaluation_size
        assert named(values, "data.label_key", "label_key") == "label"


def test_the_server_script_starts_a_real_server_and_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments, _ = launch(f"server{OLDER}.sh", tmp_path, PORT=str(port), WORKERS="1", EVAL_DATA="evaluation.jsonl")
    values = parsed(arguments, monkeypatch)
    (url,) = named(values, "reward.remote_url", "remote_rm_url")
    assert re.fullmatch(rf"http://127\.0\.0\.1:{port}/get_reward\?run=\d+", url)
    assert named(values, "eval.n_samples_per_prompt", "eval_n_samples_per_prompt") == 16
    with socket.socket() as gone:
        assert gone.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("script", ["agent", "server"])
def test_dynamic_filtering_as_the_scripts_suggest_it(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flags that stand in a comment."""
    text = (SCRIPTS / f"{script}{OLDER}.sh").read_text()
    (line,) = [line for line in text.splitlines() if "dynamic_filtering" in line and line.startswith("  #   --")]
    arguments, _ = launch(f"agent{OLDER}.sh", tmp_path, *line.removeprefix("  #").split())
    values = parsed(arguments, monkeypatch)
    assert named(values, "algo.dynamic_filtering_range", "dynamic_filtering_reward_range") == [0.07, 1.0]


@pytest.mark.parametrize("script", ["agent", "server"])
def test_the_scripts_for_other_versions_are_refused_by_this_one(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser of these tests is one that refuses."""
    other = "" if OLDER else "_older"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments, _ = launch(f"{script}{other}.sh", tmp_path, PORT=str(port), WORKERS="1")
    with pytest.raises(SystemExit):
        parsed(arguments, monkeypatch)

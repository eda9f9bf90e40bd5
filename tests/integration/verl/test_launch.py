"""The launch files, and docs/launch.md: its commands as they stand there, and its table of settings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from pages import code_blocks, quoted, section, table

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from reproduce.steps import Folders, launch_lines
from reproduce.tables import MODELS
from verl.experimental.reward_loop.reward_manager.registry import REWARD_MANAGER

from empo_rewards.cli import app
from empo_rewards.errors import EmpoError
from empo_rewards.integrations.verl.nodes import wait_for_nodes

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
CONFIGS = ROOT / "configs" / "verl"
PAGE = (ROOT / "docs" / "launch.md").read_text(encoding="utf-8")
FILES = {"TRAIN": "train.parquet", "VAL": "val.parquet"}


def bash(command: str | list[str | Path], folder: Path, code: int = 0, **environment: str) -> str:
    """What a command prints on standard output; its exit code must be `code`."""
    done = subprocess.run(
        ["bash", "-c", command] if isinstance(command, str) else ["bash", *map(str, command)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200", "NO_COLOR": "1", **environment},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + ("" if code == 0 else done.stderr)


PYTHON = """#!/bin/sh
if [ "$2" = verl.trainer.main_ppo ]; then printf '%s\\n' "$@" > "$LAUNCHED"; else exec {python} "$@"; fi
"""


def launched(script: str, folder: Path, **environment: str) -> dict[str, Any]:
    """The configuration with which a script starts verl, on `FILES`."""
    config = launched_by([CONFIGS / script], folder, **FILES, **environment)
    assert (config["data"]["train_files"], config["data"]["val_files"]) == tuple(FILES.values())
    return config


def launched_by(command: str | list[str | Path], folder: Path, **environment: str) -> dict[str, Any]:
    """The configuration with which a command starts verl, composed in this process: verl is slow to import."""
    python = folder / "python3"
    python.write_text(PYTHON.format(python=sys.executable), encoding="utf-8")
    python.chmod(0o755)
    path = environment.pop("PATH", f"{folder}:{BIN}:{os.environ['PATH']}")
    bash(command, folder, PATH=path, LAUNCHED=str(folder / "launched"), **environment)
    _, _, *arguments = (folder / "launched").read_text(encoding="utf-8").splitlines()
    options, overrides = dict(zip(arguments[:4:2], arguments[1:4:2], strict=True)), arguments[4:]
    with initialize_config_dir(options["--config-path"], version_base=None):
        config = OmegaConf.to_container(compose(options["--config-name"], overrides=overrides), resolve=True)
    assert isinstance(config, dict)
    return config  # type: ignore[return-value] # its keys are texts


def value(config: dict[str, Any], key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = found[part]
    return found


def test_from_an_empty_folder_to_a_checked_job(model: Path, tmp_path: Path) -> None:
    """The page's commands, in one shell, with a model that is there without a network."""
    (commands,) = code_blocks(section(PAGE, "From prompts to a checked job"), "sh")
    rows = [{"prompt": f"What is {n} + {n}?"} for n in range(100)]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    commands_here = commands.replace("Qwen/Qwen2.5-Math-1.5B", str(model))
    said = bash(f"set -e\n{commands_here}", tmp_path)
    assert "train.parquet: 52 prompts" in said
    assert "16 rollouts a prompt, over 4 rendezvous actors" in said
    assert "v1, training rows" in said
    assert "64 rows of 4 prompts have their group's offline reward" in said
    assert "64 rows of 4 prompts have the reward of their label" in said
    config = yaml.safe_load(said[said.rindex("actor_rollout_ref:") :])
    assert config["data"]["train_files"] == "train.parquet"
    assert config["actor_rollout_ref"]["model"]["path"] == str(model)
    assert len(re.findall(r"(?m)^(?!export|RUN=)\S", commands)) == 4


def test_doctor_says_whether_verl_finds_us(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def doctor(code: int) -> str:
        assert app.run(["doctor", "--verl"]) == code
        return " ".join(capsys.readouterr().out.replace("│", " ").split())

    assert "`empo` is empo_rewards.integrations.verl.manager" in doctor(0)
    monkeypatch.setenv("VERL_USE_EXTERNAL_PLUGINS", "none")
    monkeypatch.delitem(REWARD_MANAGER, "empo")  # as in a process that verl has told to load no plugin
    assert "VERL_USE_EXTERNAL_PLUGINS=none leaves out 'empo_rewards'" in doctor(1)


@pytest.mark.parametrize(
    ("name", "model", "steps"),
    [
        ("qwen2.5-math-7b", "Qwen/Qwen2.5-Math-7B", 300),
        ("qwen2.5-math-1.5b", "Qwen/Qwen2.5-Math-1.5B", 300),
        ("octothinker-3b", "OctoThinker/OctoThinker-3B-Long-Base", 100),
    ],
)
def test_single_node(name: str, model: str, steps: int, tmp_path: Path) -> None:
    """The settings are those of the page's table, and the disk is bounded."""
    config = launched("single_node.sh", tmp_path, CONFIG=name)
    for setting, _, ours, *_ in table(PAGE, "setting", "authors"):
        if "by run" not in ours:
            assert value(config, quoted(setting)[0]) == yaml.safe_load(quoted(ours)[0]), setting
    assert config["actor_rollout_ref"]["model"]["path"] == model
    assert config["trainer"]["total_training_steps"] == steps
    assert (config["trainer"]["max_actor_ckpt_to_keep"], config["reward"]["reward_manager"]["name"]) == (2, "empo")
    longest = config["data"]["max_prompt_length"] + config["data"]["max_response_length"]
    assert config["actor_rollout_ref"]["actor"]["ppo_max_token_len_per_gpu"] >= longest


def test_several_nodes(tmp_path: Path, cluster: None) -> None:
    """With a stand-in for ray's command line; the nodes are those of the ray that these tests have started."""
    command = tmp_path / "ray"
    command.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/ray.log\n', encoding="utf-8")
    command.chmod(0o755)
    nodes = {"HEAD": "10.0.0.1", "PATH": f"{tmp_path}:{BIN}:{os.environ['PATH']}"}
    nodes["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    config = launched("multi_node.sh", tmp_path, NODES="1", RANK="0", **nodes)
    assert config["actor_rollout_ref"]["actor"]["strategy"] == "megatron"
    assert (config["trainer"]["nnodes"], config["ray_kwargs"]["ray_init"]["address"]) == (1, "auto")
    said = bash([CONFIGS / "multi_node.sh"], tmp_path, 1, NODES="2", RANK="0", JOIN_SECONDS="0", **nodes, **FILES)
    assert "error: 1 of 2 nodes have joined within 0 s" in said
    assert "main_ppo" not in said
    bash([CONFIGS / "multi_node.sh"], tmp_path, NODES="2", RANK="1", **nodes)
    head = "start --head --node-ip-address 10.0.0.1 --port 6379"
    assert (tmp_path / "ray.log").read_text(encoding="utf-8").splitlines() == [
        head, "stop", head, "stop", "start --address 10.0.0.1:6379 --block"
    ]  # fmt: skip


def test_training_waits_until_the_last_node_has_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    joined = iter([1, 1, 2, 3])
    asked = []

    def nodes() -> list[dict[str, bool]]:
        asked.append(next(joined))
        return [{"Alive": True}] * asked[-1] + [{"Alive": False}]

    monkeypatch.setattr(ray, "nodes", nodes)
    monkeypatch.setattr("empo_rewards.integrations.verl.nodes.PAUSE_SECONDS", 0.0)
    wait_for_nodes(3, seconds=60)
    assert asked == [1, 1, 2, 3]
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True}])
    with pytest.raises(EmpoError, match=r"1 of 3 nodes have joined within 0 s"):
        wait_for_nodes(3, seconds=0)


JUDGE = """#!{python}
import http.server, os, sys
open("judge.arguments", "w").write(" ".join(sys.argv[1:]) + " on " + os.environ["CUDA_VISIBLE_DEVICES"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
http.server.HTTPServer(("localhost", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""


def test_the_free_form_run_has_its_judge_beside_it(tmp_path: Path) -> None:
    """With a stand-in for vLLM that answers when it is healthy."""
    (tmp_path / "vllm").write_text(JUDGE.format(python=sys.executable), encoding="utf-8")
    (tmp_path / "vllm").chmod(0o755)
    (tmp_path / "ended").write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    (tmp_path / "ended").chmod(0o755)
    port = "18431"
    config = launched("natural.sh", tmp_path, VLLM=str(tmp_path / "vllm"), JUDGE_PORT=port)
    scorer = config["reward"]["reward_kwargs"]["scorer"]
    assert scorer["preset"] == "empo-judge"
    assert scorer["equivalence"] == {"url": f"http://localhost:{port}/v1", "model": "TIGER-Lab/general-verifier"}
    assert (config["actor_rollout_ref"]["rollout"]["n"], config["trainer"]["n_gpus_per_node"]) == (12, 6)
    assert config["data"]["train_batch_size"] * 12 % 6 == 0
    assert (tmp_path / "judge.arguments").read_text() == f"serve TIGER-Lab/general-verifier --port {port} on 7"
    said = bash([CONFIGS / "natural.sh"], tmp_path, 1, VLLM=str(tmp_path / "ended"), JUDGE_PORT=port, **FILES)
    assert "the judge has ended: see judge.log" in said


@pytest.mark.parametrize(
    ("name", "key", "expected"),
    [
        ("qwen2.5-math-1.5b/entropy-0.5", "gates", {"entropy": {"high": 0.5, "unit": "relative"}}),
        ("qwen2.5-math-1.5b/g8", "preset", "empo-math"),
        ("qwen2.5-3b/nli", "equivalence", {"name": "nli"}),
        ("qwen2.5-7b/labels", "strategy", "reference"),
    ],
)
def test_the_launch_lines_of_the_reproduction(name: str, key: str, expected: object, tmp_path: Path) -> None:
    """One of each kind of override."""
    (tmp_path / "vllm").write_text(JUDGE.format(python=sys.executable), encoding="utf-8")
    (tmp_path / "vllm").chmod(0o755)
    model = MODELS[name]
    line, _ = launch_lines(model, Folders(tmp_path / "sets", tmp_path / "work", tmp_path / "results"))
    config = launched_by(line, tmp_path, VLLM=str(tmp_path / "vllm"), JUDGE_PORT="18432")
    assert config["reward"]["reward_kwargs"]["scorer"][key] == expected
    assert config["actor_rollout_ref"]["model"]["path"] == model.base.hub
    assert config["actor_rollout_ref"]["rollout"]["n"] == (8 if name.endswith("g8") else 16 if "math" in name else 12)
    assert config["trainer"]["default_local_dir"] == str(tmp_path / "work" / "checkpoints" / name)
    assert config["data"]["val_files"] == str(tmp_path / "work" / "train" / model.base.prompts.name / "val.parquet")

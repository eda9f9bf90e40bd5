"""docs/server.md agrees with the server's options, paths, metrics and defaults; every command in it runs."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
import typer
from pages import code_blocks, quoted, table
from serving import ROOT, Server, serving

from empo_rewards.cli.app import app

PAGE = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
COMMANDS = [block.strip() for block in code_blocks(PAGE, "sh")]


def command(start: str) -> list[str]:
    """The words of the first command that starts so."""
    return shlex.split(next(line for line in COMMANDS if line.startswith(start)))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    words = command("empo-rewards serve")
    assert words[-2:] == ["--port", "5000"]
    with serving(*words[2:-2]) as running:
        yield running


def test_every_command_is_one_that_is_tried_here() -> None:
    starts = ("empo-rewards serve", "curl ", "python benchmarks/load.py", "python benchmarks/bench_server.py")
    flags = [line for line in COMMANDS if not line.startswith(starts)]
    assert [line.split()[0] for line in flags] == ["--reward.remote_url"], "a flag of OpenRLHF's, tried with OpenRLHF"


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("curl")])
def test_the_requests_are_answered(server: Server, line: str) -> None:
    words = shlex.split(line)
    method = words[words.index("-X") + 1] if "-X" in words else "POST"
    (url,) = [word for word in words if word.startswith("http://127.0.0.1:5000")]
    content = words[words.index("-d") + 1]
    headers = {"Content-Type": "application/x-www-form-urlencoded"}  # what curl sends with -d
    answer = httpx.request(
        method, url.replace("http://127.0.0.1:5000", server.url), content=content, headers=headers, timeout=60
    )
    assert answer.status_code == 200
    rewards = {"/score": [2 / 3, 2 / 3, 1 / 3], "/v1/groups/step-3.prompt-7/members/0": 1.0}
    body = answer.json()
    assert body["rewards" if "rewards" in body else "reward"] == rewards[httpx.URL(url).path]


def run(words: list[str]) -> str:
    """The output of a Python script."""
    done = subprocess.run(
        [sys.executable, *words[1:]], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_load_tool_replays_and_reports(server: Server) -> None:
    words = [word.replace("http://127.0.0.1:5000", server.url) for word in command("python benchmarks/load.py")]
    output = run(words)
    groups = sum(1 for _ in (ROOT / "examples" / "rollouts.jsonl").open(encoding="utf-8"))
    assert f"{groups} groups, {groups * 4} members" in output
    assert f"answered: {groups * 4} unscored: 0" in output
    assert "p99" in output


def test_the_benchmark_measures() -> None:
    figures = json.loads(run([*command("python benchmarks/bench_server.py"), "--json"]))["latency"]
    assert figures["data"] == "rollouts.jsonl"
    assert 0 < figures["p50_ms"] <= figures["p90_ms"] <= figures["p99_ms"]


def test_the_table_of_options_is_complete_and_its_defaults_are_right() -> None:
    parameters = typer.main.get_command(app).commands["serve"].params  # type: ignore[attr-defined] # it is a group
    options = {p.opts[0]: getattr(p.default, "value", p.default) for p in parameters if "--help" not in p.opts}
    documented = {flag: default for flags, default, _ in table(PAGE, "option", "default") for flag in quoted(flags)}
    assert set(documented) == set(options)
    for flag, default in options.items():
        if isinstance(default, int | float) and flag != "--port":
            assert float(documented[flag]) == default, flag
    assert documented["--host"] == documented["--port"] == f"`{options['--host']}`, {options['--port']}"
    assert documented["--scores"] == f"`{options['--scores']}`"


def test_the_paths_and_metrics_that_are_named_are_there(server: Server) -> None:
    paths = server.get("/openapi.json").json()["paths"]
    routes = [route for cells in table(PAGE, "path") for route in quoted(cells[0])]
    named = {route.split()[1].replace("{id}", "{group_id}").replace("{n}", "{member}") for route in routes}
    assert named - {"/", "/docs", "/openapi.json"} == set(paths)
    text = server.get("/metrics").text
    rows = table(PAGE, "metric (`empo_rewards_...`)")
    names = [name.partition("{")[0] for cells in rows for name in quoted(cells[0])]
    assert len(names) > 15
    for name in names:
        assert f"empo_rewards_{name}" in text, name

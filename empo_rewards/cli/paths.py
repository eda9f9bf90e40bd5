"""`empo-rewards path`: the paths of adapters, for frameworks that load a reward from a file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from empo_rewards.errors import InputError, suggestion

PRESETS = "presets"


def complete_name(incomplete: str) -> list[str]:
    """The names that `find` knows and that begin so, for the shell."""
    folders = _adapters()
    files = [f"{name}/{file}" for name, folder in folders.items() for file in _files(folder)]
    return [name for name in (PRESETS, *folders, *files) if name.startswith(incomplete)]


def path(
    name: Annotated[
        str,
        typer.Argument(
            help="A framework, one of its files as FRAMEWORK/FILE, or `presets` for their folder.",
            autocompletion=complete_name,
        ),
    ],
) -> None:
    """Print the path of a framework's adapter, for frameworks that want a file."""
    typer.echo(find(name))


def find(name: str) -> Path:
    """The path of a framework's folder (`openrlhf`) or of a file in it (`openrlhf/agent_func`).

    Raises:
        InputError: there is no such adapter or file; the message says which there are.
    """
    if name == PRESETS:
        return Path(str(resources.files("empo_rewards.configs")))
    framework, slash, file = name.partition("/")
    adapters = _adapters()
    if framework not in adapters:
        raise InputError(f"no adapter is called {framework!r}{suggestion(framework, [*adapters, PRESETS])}")
    folder = adapters[framework]
    if not slash:
        return folder
    files = _files(folder)
    module = file.removesuffix(".py")
    if module not in files:
        raise InputError(f"{framework} has no file {file!r}{suggestion(module, files)}")
    return files[module]


def _adapters() -> dict[str, Path]:
    """The folders of the adapters by name."""
    integrations = Path(str(resources.files("empo_rewards.integrations")))
    return {folder.name: folder for folder in sorted(integrations.iterdir()) if (folder / "__init__.py").is_file()}


def _files(folder: Path) -> dict[str, Path]:
    """The public modules of an adapter by name."""
    return {path.stem: path for path in sorted(folder.glob("[!_]*.py"))}

"""`empo-rewards path`: the paths of adapters, for frameworks that load a reward from a file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from empo_rewards.errors import InputError, suggestion

PRESETS = "presets"


def path(
    name: Annotated[
        str, typer.Argument(help="A framework, one of its files as FRAMEWORK/FILE, or `presets` for their folder.")
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
    integrations = Path(str(resources.files("empo_rewards.integrations")))
    adapters = [folder.name for folder in integrations.iterdir() if (folder / "__init__.py").is_file()]
    if framework not in adapters:
        raise InputError(f"no adapter is called {framework!r}{suggestion(framework, [*adapters, PRESETS])}")
    folder = integrations / framework
    if not slash:
        return folder
    files = {path.stem: path for path in folder.glob("[!_]*.py")}
    module = file.removesuffix(".py")
    if module not in files:
        raise InputError(f"{framework} has no file {file!r}{suggestion(module, files)}")
    return files[module]

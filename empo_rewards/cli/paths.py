"""`empo-rewards path`: where the files are that a framework wants by path."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from empo_rewards.errors import InputError
from empo_rewards.plugins import suggestion


def path(
    framework: Annotated[str, typer.Argument(help="A framework, or `presets` for the folder of presets.")],
) -> None:
    """Print the path of a framework's adapter, for frameworks that want a file."""
    typer.echo(find(framework))


def find(framework: str) -> Path:
    """The path.

    Raises:
        InputError: there is no adapter for it; the message lists those that there are.
    """
    if framework == "presets":
        return Path(str(resources.files("empo_rewards.configs")))
    integrations = resources.files("empo_rewards.integrations")
    adapters = {entry.name: Path(str(entry)) for entry in integrations.iterdir() if (entry / "__init__.py").is_file()}
    if framework not in adapters:
        raise InputError(f"no adapter is called {framework!r}{suggestion(framework, [*adapters, 'presets'])}")
    return adapters[framework]

"""`empo-rewards presets` and `empo-rewards config`: what can be configured, what is, and a file to begin with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.table import Table
from rich.text import Text

from empo_rewards.cli.console import SetOption, complete_preset, foreign, out
from empo_rewards.config import Component, ScorerConfig, load_config, merge, parse_assignments
from empo_rewards.errors import InputError
from empo_rewards.filters.gates import EntropyBand, Gates
from empo_rewards.plugins.registry import Registry, load

config = typer.Typer(help="Show a configuration in full, or write a file to begin with.", no_args_is_help=True)

NameArgument = Annotated[
    str, typer.Argument(metavar="PRESET|FILE", help="A preset's name or a YAML file.", autocompletion=complete_preset)
]

KIND_OF = {
    "extraction.extractors": "extractor",
    "equivalence": "equivalence backend",
    "entropy": "entropy estimator",
    "strategy": "strategy",
    "guards": "guard",
    "observers": "observer",
}
"""The kind of the component under each key."""


def presets() -> None:
    """List the presets, and what each is for."""
    registry = load()
    table = Table("preset", "what it is for", "from")
    for name, entry in sorted(registry.entries["preset"].items()):
        table.add_row(name, Text(_comment(entry.factory)), entry.plugin)
    out.print(table)


@config.command("show")
def show(name: NameArgument = "empo-math", assignments: SetOption = None) -> None:
    """Print a configuration in full as YAML: each key and option with its value, its default and its meaning."""
    registry = load()
    resolved = load_config(merge({"preset": name}, parse_assignments(assignments or [])), registry.presets)
    for line in _shown(resolved, registry):
        typer.echo(line)


@config.command("init")
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("empo.yaml"),
    preset: Annotated[str, typer.Option(help="What it builds on.", autocompletion=complete_preset)] = "empo-math",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
) -> None:
    """Write a file that builds on a preset, with every key as a comment."""
    registry = load()
    resolved = load_config(preset, registry.presets)
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists: --overwrite replaces it, or choose another name")
    if preset not in registry.presets:
        if path.exists() and path.samefile(preset):
            raise InputError(f"{path} would build on itself; choose another name")
        preset = os.path.join(
            os.curdir, os.path.relpath(preset, path.parent)
        )  # a preset is looked for from the file that names it
    lines = [
        yaml.safe_dump({"preset": preset}, allow_unicode=True, width=10**6),
        "# What it has; take the # away from what is to be another value.",
        "",
    ]
    text = "\n".join((*lines, *(f"# {line}".rstrip() for line in _shown(resolved, registry)))) + "\n"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    out.print(foreign(f"{path}: score with --config {path}"), soft_wrap=True)


def _comment(preset: Any) -> str:
    """The first sentence of a preset's file."""
    if isinstance(preset, Mapping):
        return ""
    lines = []
    for line in Path(preset).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    text = " ".join(lines)
    return text.partition(". ")[0].rstrip(".:") if text else ""


def _shown(resolved: ScorerConfig, registry: Registry) -> Iterator[str]:
    """The configuration as YAML, with a comment for each key."""
    meanings = _meanings(ScorerConfig)
    for key, value in resolved:
        yield f"# {meanings[key]}"
        if key == "extraction":
            yield "extraction:"
            yield from _listed("  ", "extractors", value.extractors, registry, "extractor")
            yield _line("  ", "skip_thinking", value.skip_thinking, True, _meanings(type(value))["skip_thinking"])
        elif key == "gates":
            yield "gates:"
            yield "  entropy:"
            yield from _fields("    ", value.entropy, EntropyBand, skip=())
            yield from _fields("  ", value, Gates, skip=("entropy",))
        elif isinstance(value, Component):
            yield f"{key}:"
            yield from _component("  ", value, registry, KIND_OF[key])
        elif key in KIND_OF:
            yield from _listed("", key, value, registry, KIND_OF[key])
        else:
            yield _line("", key, value, ScorerConfig.model_fields[key].default, "")
        yield ""


def _listed(indent: str, key: str, components: tuple[Component, ...], registry: Registry, kind: str) -> Iterator[str]:
    yield f"{indent}{key}:" if components else f"{indent}{key}: []"
    for component in components:
        first, *rest = _component(f"{indent}    ", component, registry, kind)
        yield f"{indent}  - {first.strip()}"
        yield from rest


def _component(indent: str, component: Component, registry: Registry, kind: str) -> Iterator[str]:
    """A component's name and all of its options."""
    yield f"{indent}name: {component.name}"
    entry = registry.find(kind, component.name)
    meanings = _meanings(entry.factory)
    for name, (_, default) in entry.parameters.items():
        given = component.options.get(name, None if default is ... else default)
        yield _line(indent, name, given, default, meanings.get(name, ""))


def _fields(indent: str, model: Any, kind: Any, skip: tuple[str, ...]) -> Iterator[str]:
    for name, value in model:
        if name not in skip:
            yield _line(indent, name, value, kind.model_fields[name].default, _meanings(kind).get(name, ""))


def _line(indent: str, name: str, value: Any, default: Any, meaning: str) -> str:
    """A key with its value, and as a comment its default where that is another, and its meaning."""
    said = [] if default is ... or value == default else [f"default: {_yaml(default)}"]
    comment = "; ".join([*said, *([meaning] if meaning else [])])
    return f"{indent}{name}: {_yaml(value)}" + (f"  # {comment}" if comment else "")


def _yaml(value: Any) -> str:
    """A value in YAML on one line; of an object its fields, of what is no plain value its text."""
    plain = vars(value) if hasattr(value, "__dict__") and not isinstance(value, type) else value
    plain = list(plain) if isinstance(plain, tuple | frozenset | set) else plain
    try:
        text = yaml.safe_dump(plain, default_flow_style=True, width=10**6, sort_keys=False)
    except yaml.YAMLError:
        text = str(value)
    return text.partition("\n...")[0].strip()


def _meanings(documented: Any) -> dict[str, str]:
    """What the `Args` of a docstring say about each parameter."""
    lines = (documented.__doc__ or "").partition("Args:\n")[2].splitlines()
    found: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        if not line.strip() or len(line) - len(line.lstrip()) < 8:
            break
        head, colon, text = line.strip().partition(": ")
        if colon and len(line) - len(line.lstrip()) == 8:
            names = [name.strip() for name in head.split(",")]
            found.update(dict.fromkeys(names, text))
        else:
            found.update({name: f"{found[name]} {line.strip()}" for name in names})
    return {name: text.rstrip(".") for name, text in found.items()}

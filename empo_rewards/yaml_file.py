"""Reads a YAML file of keys and values, and where each key stands, so that errors can name the line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from empo_rewards.errors import ConfigError

KeyPath: TypeAlias = tuple[str | int, ...]
"""The keys and positions that lead to a value."""


MAX_VALUES = 10_000
"""How many keys and items a text may hold, those that aliases repeat counted each time."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses a key that is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | PathLike[str]) -> tuple[dict[str, Any], Mapping[KeyPath, str]]:
    """The keys and values of a file, and the place of each key as `FILE, line N`.

    Raises:
        ConfigError: it cannot be read, is not YAML, holds no keys and values, or a key is given twice.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    data, lines = _parse(text, str(path))
    if data is None:
        return {}, {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold keys and values, not a {type(data).__name__}")
    return data, {keys: f"{path}, line {line}" for keys, line in lines.items()}


def parse_value(text: str, where: str) -> Any:
    """The value of a text in YAML.

    Raises:
        ConfigError: it is not YAML; `where` stands in the message.
    """
    return _parse(text, where)[0]


def _parse(text: str, where: str) -> tuple[Any, dict[KeyPath, int]]:
    """The value, and the line of each key and item in it."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        lines = list(islice(_lines(node, ()), MAX_VALUES + 1))
        if len(lines) > MAX_VALUES:  # an alias in its own anchor, or aliases of aliases, have no end
            raise ConfigError(f"{where}: more than {MAX_VALUES:,} values")
        return loader.construct_document(node), dict(lines)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark and "\n" in text else ""
        problem = " ".join(str(error.problem or error.context or error).split())
        what = problem if "given twice" in problem else f"not YAML: {problem}"
        raise ConfigError(f"{where}{line}: {what}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a number or date that cannot be
        raise ConfigError(f"{where} is not YAML: {' '.join(str(error).split())}") from error


def _lines(node: yaml.Node, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield (*path, position), value.start_mark.line + 1
            yield from _lines(value, (*path, position))

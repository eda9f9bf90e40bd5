"""Configuration: models with defaults, presets, YAML files, and errors that name the key."""

from __future__ import annotations

import inspect
import os.path
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from empo_rewards.errors import ConfigError, suggestion
from empo_rewards.filters.gates import Gates
from empo_rewards.yaml_file import KeyPath, parse_value, read_yaml

Source = str | PathLike[str] | Mapping[str, Any]
"""A preset's name, the path of a YAML file, or a mapping."""

Presets = Mapping[str, Mapping[str, Any] | str | PathLike[str]]
"""The registered presets by name: each a mapping, or the path of a YAML file."""


class Component(BaseModel):
    """Reference to a registered plugin: its `name`, and its options as further keys. A bare string is a name."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: object) -> object:
        if not isinstance(value, str | Mapping | Component):
            raise ValueError("a component is a name, or a mapping of its `name` and options")
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """The options, not yet validated."""
        return dict(self.model_extra or {})


DEFAULT_EXTRACTORS = tuple(
    Component(name=name) for name in ("boxed", "answer_tag", "answer_key", "hashes", "final_answer")
)


class Extraction(BaseModel):
    """How an answer is extracted from a response. A bare list is the list of extractors.

    Args:
        extractors: tried in order; the first that finds an answer is used.
        skip_thinking: if there is a thinking block, search only the text after it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    extractors: tuple[Component, ...] = Field(default=DEFAULT_EXTRACTORS, min_length=1)
    skip_thinking: bool = True

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, value: object) -> object:
        return {"extractors": value} if isinstance(value, list | tuple) else value


class ScorerConfig(BaseModel):
    """Configuration of a `Scorer`; all defaults are defined here.

    Args:
        extraction: how an answer is extracted from a response.
        equivalence: the equivalence backend, which decides which answers mean the same.
        entropy: the estimator of semantic entropy.
        strategy: the reward strategy.
        gates: conditions under which a group gives no signal.
        guards: rules that penalise responses; of several penalties the lowest reward counts.
        observers: components that receive each group with its score.
        incomplete: whether a group with fewer members than expected is `unscored`, or scored as `partial`.
        trained: how many members of a group are trained on, where it does not say it itself; the others only vote.
            None: all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    extraction: Extraction = Extraction()
    equivalence: Component = Component(name="math")
    entropy: Component = Component(name="plug_in")
    strategy: Component = Component(name="empo")
    gates: Gates = Gates()
    guards: tuple[Component, ...] = (Component(name="blank"), Component(name="refusal"))
    observers: tuple[Component, ...] = ()
    incomplete: Literal["unscored", "partial"] = "unscored"
    trained: int | None = Field(default=None, ge=1)


class Places:
    """Where each key of a configuration was given, for messages.

    Args:
        origin: the name of the source.
        lines: the place of each key that stands in a file.
    """

    def __init__(self, origin: str, lines: Mapping[KeyPath, str]) -> None:
        self._origin = origin
        self._lines = lines

    def place(self, keys: KeyPath) -> str:
        """The file and line of a key, of the innermost key around it that has one, or the source's name."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self._lines:
                return self._lines[keys[:length]]
        return self._origin

    @contextmanager
    def named(self) -> Iterator[None]:
        """Put the file and line before the messages of configuration errors that begin with a key."""
        try:
            yield
        except ConfigError as error:
            parts = _PARTS.findall(str(error).partition(":")[0])
            keys = tuple(int(part) if part.isdecimal() else part for part in parts)
            place = self.place(keys)
            if place == self._origin:
                raise
            raise ConfigError(f"{place}: {error}") from error


_PARTS = re.compile(r"\w+", flags=re.ASCII)


def load_config(source: Source | ScorerConfig, presets: Presets) -> ScorerConfig:
    """The configuration from a preset's name, the path of a YAML file, or a mapping.

    A file or mapping may name a `preset` (or another file) and override its keys: mappings are merged key by key, an
    empty one and any other value replace. A component is merged with the preset's if its name is the same or omitted.

    Raises:
        ConfigError: one line with the key's path and what is wrong with it.
    """
    return load_located(source, presets)[0]


def load_located(source: Source | ScorerConfig, presets: Presets) -> tuple[ScorerConfig, Places]:
    """The configuration as `load_config` gives it, and where its keys were given."""
    if isinstance(source, ScorerConfig):
        return source, Places("configuration", {})
    data, origin, lines = _resolve(source, presets, ())
    places = Places(origin, lines)
    try:
        return ScorerConfig.model_validate(data), places
    except ValidationError as error:
        raise ConfigError(one_line(error, ScorerConfig, places.place(error.errors()[0]["loc"]))) from error


def _resolve(
    source: Source, presets: Presets, seen: tuple[str, ...], folder: Path = Path()
) -> tuple[dict[str, Any], str, dict[KeyPath, str]]:
    """The mapping of a source with its presets merged in, the source's name, and where its keys stand.

    Args:
        source: as in `load_config`.
        presets: the registered presets.
        seen: the files and presets that build on this one.
        folder: where a relative path begins: that of the file that names it.
    """
    lines: dict[KeyPath, str] = {}
    if isinstance(source, Mapping):
        data, origin = dict(source), "configuration"
    else:
        content = _content(source, presets, folder)
        origin = str(source if isinstance(content, Mapping) else content)
        if origin in seen:
            raise ConfigError(f"presets build on each other in a circle: {' -> '.join((*seen, origin))}")
        if isinstance(content, Mapping):
            data = dict(content)
        else:
            data, found = read_yaml(content)
            lines, folder = dict(found), content.parent
    base = data.pop("preset", None)
    if base is None:
        return data, origin, lines
    if not isinstance(base, str):
        raise ConfigError(f"{origin}: preset must be a name or a path, not {type(base).__name__}")
    below, _, below_lines = _resolve(base, presets, (*seen, origin), folder)
    kept = {keys: place for keys, place in below_lines.items() if not _gives(data, keys)}
    return merge(below, data), origin, {**kept, **lines}


def _gives(data: Mapping[str, Any], keys: KeyPath) -> bool:
    """Whether a mapping has a value at these keys, or one in place of what they lead to."""
    value: Any = data
    for key in keys:
        if not isinstance(value, Mapping):
            return True
        if key not in value:
            return False
        value = value[key]
    return True


def _content(source: str | PathLike[str], presets: Presets, folder: Path) -> Mapping[str, Any] | Path:
    """The mapping of a preset, or the path of a preset's or another file."""
    name = str(source)
    if name in presets:
        content = presets[name]
        return content if isinstance(content, Mapping) else Path(content)
    path = folder / name
    if not os.path.isfile(path):  # `Path.is_file` raises for a name that is too long, before Python 3.14
        missing = "" if folder == Path() else f", looked for in {folder}"
        raise ConfigError(f"{name!r} is neither a preset nor a file{missing}{suggestion(name, presets)}")
    return path


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` updated with the keys of `over`; mappings are merged, unless they name different components.

    An empty mapping replaces, as an empty list does: `gates: {}` has no gate.
    """
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, str) and isinstance(value, Mapping):
            below = {"name": below}
        if not isinstance(below, Mapping) or not isinstance(value, Mapping) or not value:
            merged[key] = value
        elif value.get("name", below.get("name")) == below.get("name"):
            merged[key] = merge(below, value)
        else:
            merged[key] = dict(value)
    return merged


def one_line(error: ValidationError, model: type[BaseModel], origin: str, component: str | None = None) -> str:
    """The first problem of a validation as one line: its place, the problem, and a suggestion."""
    problems = error.errors(include_url=False)
    first = problems[0]
    location = first["loc"]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    place = (f"{origin}: {path}" if path else origin) if component is None else f"{origin}.{path}" if path else origin
    if first["type"] == "extra_forbidden":
        known = _fields(model, location[:-1])
        what = f"unknown {'option of ' + repr(component) if component else 'key'}"
        what += suggestion(str(location[-1]), known) if known else "; it takes none"
    elif first["type"] == "missing":
        what = "missing"
    else:
        given = f" (it is {first['input']!r})" if not isinstance(first["input"], Mapping | list | tuple) else ""
        message = _WORDS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
        what = message[:1].lower() + message[1:] + given
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{place}: {what}{more}"


_WORDS: Mapping[str, str] = {
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be keys and values",
    "model_type": "must be keys and values",
    "model_attributes_type": "must be keys and values",
    "dataclass_type": "must be keys and values",
}
"""Words for what pydantic calls by names of Python's types."""


def _fields(model: type[BaseModel], location: Sequence[str | int]) -> Iterable[str]:
    """The names of the valid keys at a location inside a model."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model inside an annotation, at any depth; None if there is none."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Parse overrides of the form `key.path=value`, with values in YAML.

    Raises:
        ConfigError: a text has no `=`, or its value is not YAML.
    """
    result: dict[str, Any] = {}
    for text in assignments:
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"{text!r} is not KEY=VALUE, as in strategy=majority or gates.min_share=0.2")
        nested: Any = parse_value(value, f"--set {text}")
        for key in reversed(path.strip().split(".")):
            nested = {key: nested}
        result = merge(result, nested)
    return result

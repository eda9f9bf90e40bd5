"""The configuration: its models and defaults, presets, YAML files, and errors that name the key."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from empo_rewards.errors import ConfigError, suggestion
from empo_rewards.filters.gates import Gates

Source = str | PathLike[str] | Mapping[str, Any]
"""A preset's name, the path of a YAML file, or a mapping."""

Presets = Mapping[str, Mapping[str, Any] | str | PathLike[str]]
"""The registered presets by name: each a mapping, or the path of a YAML file."""


class Component(BaseModel):
    """Something that a plugin registered, by name, with its options beside the name. A bare text is a name."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """The options, as written."""
        return dict(self.model_extra or {})


DEFAULT_EXTRACTORS = tuple(
    Component(name=name) for name in ("boxed", "answer_tag", "answer_key", "hashes", "final_answer")
)


class Extraction(BaseModel):
    """How an answer is found in a response. A bare list is the list of extractors.

    Args:
        extractors: in order; the first that gives an answer wins.
        skip_thinking: look only behind the thinking block, where there is one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    extractors: tuple[Component, ...] = Field(default=DEFAULT_EXTRACTORS, min_length=1)
    skip_thinking: bool = True

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, value: object) -> object:
        return {"extractors": value} if isinstance(value, list | tuple) else value


class ScorerConfig(BaseModel):
    """All that can be chosen about scoring; the one place where defaults live.

    Args:
        extraction: from a response to its answer.
        equivalence: which answers mean the same.
        entropy: the estimator of semantic entropy.
        strategy: from clusters to rewards.
        gates: which groups give no signal.
        guards: rules against answers that mean nothing; the lowest penalty counts.
        observers: who sees each score.
        incomplete: a group with fewer members than expected is `unscored`, or scored as `partial`.
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


def load_config(source: Source | ScorerConfig, presets: Presets) -> ScorerConfig:
    """The configuration from a preset's name, the path of a YAML file, or a mapping.

    A file or mapping may name a `preset` (or another file) and override its keys: mappings are merged key by key, all
    else replaces. A component is merged with the preset's where its name is the same or left out.

    Raises:
        ConfigError: in one line, the key's path and what is wrong with it.
    """
    if isinstance(source, ScorerConfig):
        return source
    data, origin = _resolve(source, presets, ())
    try:
        return ScorerConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(one_line(error, ScorerConfig, origin)) from error


def _resolve(source: Source, presets: Presets, seen: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """The mapping behind a source with its presets merged in, and the name to blame."""
    if isinstance(source, Mapping):
        data, origin = dict(source), "configuration"
    else:
        origin = str(source)
        if origin in seen:
            raise ConfigError(f"presets build on each other in a circle: {' -> '.join((*seen, origin))}")
        data = _read(source, presets)
    base = data.pop("preset", None)
    if base is None:
        return data, origin
    if not isinstance(base, str):
        raise ConfigError(f"{origin}: preset must be a name or a path, not {type(base).__name__}")
    below, _ = _resolve(base, presets, (*seen, origin))
    return merge(below, data), origin


def _read(source: str | PathLike[str], presets: Presets) -> dict[str, Any]:
    """The mapping of a preset's name or of a file."""
    name = str(source)
    if name in presets:
        content = presets[name]
        if isinstance(content, Mapping):
            return dict(content)
        path = Path(content)
    else:
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"{name!r} is neither a preset nor a file{suggestion(name, presets)}")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name} is not YAML: {' '.join(str(error).split())}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{name} must hold keys and values, not a {type(data).__name__}")
    return data


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over`; mappings are merged, unless they name different components."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, str) and isinstance(value, Mapping):
            below = {"name": below}
        if not isinstance(below, Mapping) or not isinstance(value, Mapping):
            merged[key] = value
        elif value.get("name", below.get("name")) == below.get("name"):
            merged[key] = merge(below, value)
        else:
            merged[key] = dict(value)
    return merged


def one_line(error: ValidationError, model: type[BaseModel], origin: str, component: str | None = None) -> str:
    """The first problem of a validation as one line: where, what, and what may have been meant."""
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
        message = first["msg"].removeprefix("Value error, ")
        what = message[:1].lower() + message[1:] + given
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{place}: {what}{more}"


def _fields(model: type[BaseModel], location: Sequence[str | int]) -> Iterable[str]:
    """The names of the keys that are known at a place inside a model."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model that an annotation holds, however deep."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Overrides from texts `key.path=value`, values in YAML.

    Raises:
        ConfigError: a text has no `=`.
    """
    result: dict[str, Any] = {}
    for text in assignments:
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"{text!r} is not KEY=VALUE, as in strategy=majority or gates.min_share=0.2")
        nested: Any = yaml.safe_load(value)
        for key in reversed(path.strip().split(".")):
            nested = {key: nested}
        result = merge(result, nested)
    return result

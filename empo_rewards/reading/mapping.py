"""Rows with other field names: `--map`, and which one would do for a row that cannot be read.

A map gives fields of the package's own by paths into a row: `prompt=doc.question`, `responses=outputs.*.text`. A path
is made of keys and positions (`resps.0`); `*` stands for all items of a list.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from empo_rewards.errors import InputError, suggestion

TARGETS = (
    "prompt",
    "responses",
    "response",
    "reference",
    "id",
    "uid",
    "step",
    "token_logprobs",
    "data_source",
    "metadata",
    "trained",
    "vote_weight",
    "vote_weights",
    "side",
    "sides",
)
"""The fields that a map can give."""

RESPONSE_WORDS = (
    "responses",
    "response",
    "generations",
    "generation",
    "samples",
    "candidates",
    "predictions",
    "prediction",
    "rollouts",
    "resps",
    "outputs",
    "completions",
    "generated_text",
    "model_output",
    "text",
)
PROMPT_WORDS = ("prompt", "query", "question", "instruction", "problem", "input", "user", "text")
"""Words by which the fields of a row are guessed at, the likeliest first."""

READ = frozenset(
    ("prompt", "question", "problem", "input", "reference", "ground_truth", "gts", "answer", "label", "reward_model",
     "metadata", "extra_info", "data_source")
)  # fmt: skip
"""Fields of the package's own that hold no responses."""

NO_RESPONSE_WORDS = frozenset(("choices", "options", "context", "tags", "topics", "references", "answers", "labels"))
"""Names of lists of texts that are not guessed to be responses."""

CLOSE = 0.75
"""Similarity (difflib's ratio) of a field's name and a word from which the field is taken for a misspelling."""

DEPTH = 3
"""How deep nested objects are searched."""

EXAMINED = 200
"""How many fields of a row are examined: it may have any number."""


class Shape(NamedTuple):
    """A part of a row that may be a field: its path, and what it holds in words for a message."""

    path: str
    kind: str
    is_list: bool


def parse_mapping(assignments: Sequence[str]) -> dict[str, str]:
    """The map from texts of the form `FIELD=PATH`.

    Raises:
        InputError: a text has another form, the field is unknown, or it is given twice.
    """
    mapping: dict[str, str] = {}
    for text in assignments:
        field, equals, path = (part.strip() for part in text.partition("="))
        if not equals or not path:
            raise InputError(f"--map {text}: it must be FIELD=PATH, as in responses=generations or prompt=doc.question")
        if field not in TARGETS:
            raise InputError(f"--map {text}: no field is called {field!r}{suggestion(field, TARGETS)}")
        if field in mapping:
            raise InputError(f"--map gives {field} twice")
        mapping[field] = path
    return mapping


def mapped(row: Mapping[str, Any], mapping: Mapping[str, str], base: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The row with the fields that the map gives, in place of its own of that name; a path that leads nowhere is null.

    Args:
        row: the row as it stands in the file.
        mapping: paths by field.
        base: the row whose other fields are kept; None: `row`.
    """
    found = {field: value_at(row, path) for field, path in mapping.items()}
    kept = dict(row if base is None else base)
    if found.keys() & {"responses", "response"}:
        for name in ("responses", "completions", "outputs", "response", "completion", "output"):
            kept.pop(name, None)
    return {**kept, **found}


def value_at(value: Any, path: str) -> Any:
    """The value at a path; None where it leads nowhere. A row's own key that contains dots has precedence."""
    if isinstance(value, Mapping) and path in value:
        return value[path]
    for position, part in enumerate(parts := path.split(".")):
        if part == "*":
            rest = ".".join(parts[position + 1 :])
            return [value_at(item, rest) if rest else item for item in value] if isinstance(value, list) else None
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def advise(row: Mapping[str, Any]) -> str | None:
    """The end of a message about a row without responses: the `--map` that would give them; None if none would."""
    shapes = [shape for shape in _shapes(row, "", DEPTH) if shape.path.partition(".")[0] not in READ][:EXAMINED]
    lists = [shape for shape in shapes if shape.is_list and not NO_RESPONSE_WORDS & set(shape.path.lower().split("."))]
    texts = [shape for shape in shapes if not shape.is_list]
    responses = _likeliest(lists, RESPONSE_WORDS, alone=True) or _likeliest(texts, RESPONSE_WORDS[:-1], alone=False)
    if responses is None:
        return None
    field = "responses" if responses.is_list else "response"
    options = f"--map {field}={responses.path}"
    if not any(name in row for name in ("prompt", "question", "problem", "input")):
        others = [shape for shape in texts if shape.path != responses.path]
        prompt = _likeliest(others, PROMPT_WORDS, alone=True)
        options += f" --map prompt={prompt.path}" if prompt else ""
    return f"; looked for responses, completions or outputs; {responses.path} holds {responses.kind}: try {options}"


def advise_prompt(row: Mapping[str, Any]) -> str:
    """The end of a message about a row without a prompt: the `--map` that would give one, if one would."""
    texts = [shape for shape in _shapes(row, "", DEPTH) if not shape.is_list][:EXAMINED]
    prompt = _likeliest(texts, PROMPT_WORDS, alone=False)
    return f"; try --map prompt={prompt.path}" if prompt else ""


def advise_texts(name: str, item: object) -> str:
    """The end of a message about a list of objects where texts were expected: the map that takes a text of each."""
    keys = [
        key
        for key in ("text", "content", *RESPONSE_WORDS)
        if isinstance(item, Mapping) and isinstance(item.get(key), str)
    ]
    return f": try --map responses={name}.*.{keys[0]}" if keys else ""


def _shapes(value: Mapping[str, Any], prefix: str, depth: int) -> Iterator[Shape]:
    for key, item in list(value.items())[:EXAMINED]:
        path = f"{prefix}{key}"
        if isinstance(item, str):
            yield Shape(path, "a text", False)
        elif isinstance(item, Mapping) and depth:
            yield from _shapes(item, f"{path}.", depth - 1)
        elif isinstance(item, list) and item:
            if isinstance(item[0], str):
                yield Shape(path, f"{len(item)} texts", True)
            elif isinstance(item[0], list) and item[0] and isinstance(item[0][0], str):
                yield Shape(f"{path}.0", f"{len(item[0])} texts", True)
            elif isinstance(item[0], Mapping) and depth:
                for inner in _shapes(item[0], "", depth - 1):
                    if not inner.is_list and inner.path.rpartition(".")[2] in ("text", "content", *RESPONSE_WORDS):
                        yield Shape(f"{path}.*.{inner.path}", f"{len(item)} texts", True)


def _likeliest(shapes: Sequence[Shape], words: Sequence[str], *, alone: bool) -> Shape | None:
    """The shape whose name is one of the words, or close to one; with `alone` also the only one there is."""

    def likeness(shape: Shape) -> float:
        names = shape.path.lower().replace("*.", "").split(".")
        exact = [2 - place / len(words) for place, word in enumerate(words) if word in names]
        return max(exact or (difflib.SequenceMatcher(None, w, name).ratio() for w in words for name in names))

    best = max(shapes, key=likeness, default=None)
    if best is None:
        return None
    return best if likeness(best) >= CLOSE or (alone and len(shapes) == 1) else None

"""Reads one row of a rollouts file, of any of the known forms: a whole group, or one response of a group.

The form is recognised by the row's fields, not by its file. Each field has several names; of those in a row, the first
that is not null is used. `reward_model.ground_truth` (verl's data sets) is a reference as well, and comes first.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from empo_rewards.errors import GroupError, InputError
from empo_rewards.group import Group, Label, Message, check_vote_weights, read_label
from empo_rewards.reading.mapping import advise, advise_prompt, advise_texts

PROMPT = ("prompt", "question", "problem", "input", "messages")
RESPONSES = ("responses", "completions", "outputs")
"""A list of texts: the row is a whole group."""
RESPONSE = ("response", "completion", "output")
"""One text: the row is one member of a group."""
REFERENCE = ("reference", "ground_truth", "gts", "answer", "label", "reference_answer", "target", "gt")
LOGPROBS = ("token_logprobs",)
TRAINED = ("trained",)
WEIGHT, WEIGHTS = ("vote_weight",), ("vote_weights",)
SIDE, SIDES = ("side",), ("sides",)
"""Of members that only vote, votes with weights, and groups with rollouts of several sides."""
SOURCE = ("data_source", "datasource", "source")
METADATA = ("metadata", "extra_info")
STEP = ("step", "global_step")
UID = ("uid",)
ID = ("id",)

FIELDS = frozenset(
    (
        *PROMPT,
        *RESPONSES,
        *RESPONSE,
        *REFERENCE,
        *LOGPROBS,
        *SOURCE,
        *METADATA,
        *STEP,
        *UID,
        *ID,
        "reward_model",
        *TRAINED,
        *WEIGHT,
        *WEIGHTS,
        *SIDE,
        *SIDES,
    )
)
"""The fields that are read; other columns of a Parquet file are not loaded."""

STRUCTURED = frozenset((*RESPONSES, *LOGPROBS, *METADATA, *TRAINED, *WEIGHTS, *SIDES, "messages", "reward_model"))
"""The fields that are lists or objects; in a CSV file they stand as JSON."""

_VERL_DUMP = frozenset(("input", "output", "gts", "step", "uid"))
"""The fields of a row in the rollout dumps of verl's v1 trainer."""

_VERL_KEY = re.compile(r"(.+)_\d{1,9}_(\d{1,9})", flags=re.DOTALL | re.ASCII)
"""What such a row has as its `uid`: UID_SESSION_OUTPUT, with the uid of its prompt."""

NO_RESPONSES = "this is a prompt dataset without responses: generate first"


class GroupKeys(NamedTuple):
    """The values by which a flat row is grouped; None where the row does not have one.

    Args:
        step, uid, id: the row's fields, as texts.
        prompt: a digest of the prompt (see `prompt_digest`).
        partial: a field that the row should have is missing or cannot be read.
    """

    step: str | None = None
    uid: str | None = None
    id: str | None = None
    prompt: bytes | None = None
    partial: bool = False


class RowError(InputError):
    """A row cannot be used.

    Args:
        cause: why, in a sentence.
        lost: the group keys of a flat row that can be read; None where no group can be found by them.
    """

    def __init__(self, cause: str, lost: GroupKeys | None = None) -> None:
        super().__init__(cause)
        self.lost = lost


@dataclass(frozen=True)
class FlatRow:
    """A row that has one response of a group: the response, and what the row says about the group."""

    keys: GroupKeys
    prompt: str | Sequence[Message]
    response: str
    reference: Label
    token_logprobs: Sequence[float] | None
    data_source: str | None
    metadata: Mapping[str, Any] | None
    label_fault: str | None = None
    trained: bool | None = None
    vote_weight: float = 1.0
    side: str | None = None


def parse_row(row: object) -> Group | FlatRow:
    """The group of a row that has a whole one, or the flat row.

    Raises:
        RowError: a field is missing or has the wrong type. For a flat row it has those group keys that can be read.
    """
    if not isinstance(row, Mapping):
        raise RowError(f"a row must be an object with named fields, not {_kind(row)}")
    if first_of(row, RESPONSES)[1] is not None:
        return _group(row)
    if any(name in row for name in RESPONSE):
        return _flat_row(row)
    if any(name in row for name in RESPONSES):
        raise RowError(f"{first_of(row, RESPONSES)[0]} is null")
    advice = advise(row)
    if advice is None and first_of(row, PROMPT)[1] is not None:
        raise RowError(NO_RESPONSES, _readable_keys(row))
    found = ", ".join(map(str, row)) or "there are none"
    what = "responses" if first_of(row, PROMPT)[1] is not None else "prompt and no responses"
    raise RowError(f"no {what} among the fields: {found}{advice or ''}", _readable_keys(row))


def _group(row: Mapping[str, Any]) -> Group:
    name, responses = first_of(row, RESPONSES)
    if not isinstance(responses, list):
        raise RowError(f"{name} must be a list of texts, not {_kind(responses)}")
    for position, response in enumerate(responses):
        if not isinstance(response, str):
            raise RowError(f"{name}[{position}] must be a text, not {_kind(response)}{advise_texts(name, response)}")
    try:
        reference, fault = read_reference(row)
        metadata = _metadata(row)
        if fault is not None:
            metadata = {**(metadata or {}), "conflicts": {"reference": fault}}
        return Group(
            prompt=read_prompt(row),
            responses=responses,
            reference=reference,
            id=read_text(row, ID) or read_text(row, UID),
            token_logprobs=first_of(row, LOGPROBS)[1],
            data_source=read_text(row, SOURCE),
            metadata=metadata,
            trained=first_of(row, TRAINED)[1],
            vote_weights=first_of(row, WEIGHTS)[1],
            sides=first_of(row, SIDES)[1],
        )
    except (InputError, GroupError) as error:
        raise RowError(str(error)) from error


def _flat_row(row: Mapping[str, Any]) -> FlatRow:
    name, response = first_of(row, RESPONSE)
    try:
        if not isinstance(response, str):
            raise RowError(f"{name} must be a text, not {_kind(response)}")
        prompt = read_prompt(row)
        keys, output = _verl_keys(row) or (None, 0)
        if output:
            raise RowError(f"this is output {output + 1} of a rollout; rollouts of several outputs cannot be scored")
        if keys is None:
            keys = GroupKeys(read_text(row, STEP), read_text(row, UID), read_text(row, ID), prompt_digest(prompt))
        if not prompt and keys.uid is None and keys.id is None:
            raise RowError("the prompt is empty and there is no uid: nothing says which group this response belongs to")
        logprobs = first_of(row, LOGPROBS)[1]
        trained, weight, side = _flag(first_of(row, TRAINED)[1]), first_of(row, WEIGHT)[1], first_of(row, SIDE)[1]
        if (logprobs, trained, weight, side) != (None,) * 4:
            # A group of one, of which another is lost, checks them with the same messages as a whole group.
            check_vote_weights(None if weight is None else [weight], 1, "group")
            tokens, trains, sides = (None if value is None else [value] for value in (logprobs, trained, side))
            Group(prompt, [response], token_logprobs=tokens, expected_size=2, trained=trains, sides=sides)
        reference, fault = read_reference(row)
        source, metadata = read_text(row, SOURCE), _metadata(row)
        weight = 1.0 if weight is None else weight
        return FlatRow(keys, prompt, response, reference, logprobs, source, metadata, fault, trained, weight, side)
    except (InputError, GroupError) as error:
        raise RowError(str(error), _readable_keys(row)) from error


def _flag(value: Any) -> Any:
    """A number of a log as true or false, 1.0 or 0.0; NaN is none. Anything else as it is."""
    if isinstance(value, float):
        return None if math.isnan(value) else {1.0: True, 0.0: False}.get(value, value)
    return value


def _verl_keys(row: Mapping[str, Any]) -> tuple[GroupKeys, int] | None:
    """The group keys of a row that verl's v1 trainer has dumped, and which output of its rollout it is, from 0.

    All outputs of a prompt's rollouts have the same keys, whatever their own prompts. None for any other row.
    """
    if not row.keys() >= _VERL_DUMP or not isinstance(row["uid"], str) or not isinstance(row["step"], int):
        return None
    key = _VERL_KEY.fullmatch(row["uid"])
    return None if key is None else (GroupKeys(str(row["step"]), key[1]), int(key[2]))


def _readable_keys(row: Mapping[str, Any]) -> GroupKeys | None:
    """The group keys of a row that can be read; None where no group can be found by them."""
    if (verl := _verl_keys(row)) is not None:
        return verl[0]
    parts: dict[str, Any] = {}
    for part, read in (
        ("step", lambda: read_text(row, STEP)),
        ("uid", lambda: read_text(row, UID)),
        ("id", lambda: read_text(row, ID)),
        ("prompt", lambda: prompt_digest(read_prompt(row))),
    ):
        try:
            parts[part] = read()
        except RowError:
            parts["partial"] = True
    if "step" not in parts:
        return None
    keys = GroupKeys(**parts)
    return None if keys[1:4] == (None, None, None) else keys


def prompt_digest(prompt: str | Sequence[Message]) -> bytes:
    """A digest of a prompt; that of a text differs from that of any list of messages."""
    if isinstance(prompt, str):
        return hashlib.blake2b(prompt.encode(), digest_size=16, person=b"text").digest()
    text = json.dumps(prompt, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("ascii"), digest_size=16, person=b"messages").digest()


def first_of(row: Mapping[str, Any], names: Sequence[str]) -> tuple[str, Any]:
    """The first of the names whose value is not null, with that value; else the first that the row has, with None."""
    present = None
    for name in names:
        if name in row:
            if row[name] is not None:
                return name, row[name]
            present = present or name
    return present or names[0], None


def read_prompt(row: Mapping[str, Any]) -> str | Sequence[Message]:
    """The row's prompt.

    Raises:
        RowError: there is none, or it is neither a text nor a list of messages.
    """
    name, prompt = first_of(row, PROMPT)
    if prompt is None:
        found = ", ".join(map(str, row)) or "there are none"
        raise RowError(f"no prompt among the fields: {found}; looked for {', '.join(PROMPT)}{advise_prompt(row)}")
    if isinstance(prompt, str):
        return prompt
    if not isinstance(prompt, list):
        raise RowError(f"{name} must be a text or a list of messages, not {_kind(prompt)}")
    for position, message in enumerate(prompt):
        if not isinstance(message, Mapping) or "content" not in message:
            raise RowError(f"{name}[{position}] must be a message with `role` and `content`")
    return prompt


def read_reference(row: Mapping[str, Any]) -> tuple[Label, str | None]:
    """The row's label, and why it cannot be read (None where it can): a fault costs the label, not the row."""
    name, value = "reward_model.ground_truth", row.get("reward_model")
    if isinstance(value, Mapping):
        value = value.get("ground_truth")
    elif value is not None:
        return None, f"reward_model must be an object with `ground_truth`, not {_kind(value)}"
    if value is None:
        name, value = first_of(row, REFERENCE)
    try:
        return read_label(value), None
    except GroupError:
        return None, f"{name} must be a text, a number, or a list of them, not {_kind(value)}"


def read_text(row: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The value of the first of the names that the row has, as text.

    Raises:
        RowError: it is neither a text nor a number.
    """
    return _as_text(*first_of(row, names))


def _as_text(name: str, value: object) -> str | None:
    """A text, or a number as text; a list of one of them counts as its element."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RowError(f"{name} must be a text or a number, not {_kind(value)}")
    return str(value)


def _metadata(row: Mapping[str, Any]) -> dict[str, Any] | None:
    name, value = first_of(row, METADATA)
    metadata = {} if value is None else dict(value) if isinstance(value, Mapping) else {name: value}
    step = read_text(row, STEP)
    if step is not None:
        metadata.setdefault("step", step)
    return metadata or None


def _kind(value: object) -> str:
    """The name of a value's JSON type."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)

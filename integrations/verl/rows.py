"""From a row of verl to a sample and the key of its group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from empo_rewards.errors import GroupError
from empo_rewards.gather import Member
from empo_rewards.gather.samples import Sample
from empo_rewards.group import Group, Label, read_label
from empo_rewards.integrations.verl.validation import DataOrigin, origin_of


class Tokenizer(Protocol):
    """The part of a tokenizer that is used."""

    def decode(self, token_ids: Any, *, skip_special_tokens: bool) -> str:
        """The text of token ids."""


class RolloutRow(NamedTuple):
    """One response and the key of its group.

    Args:
        sample: its texts.
        origin: its data source and split.
        uid: its group's id; None where verl gives none (the prompt is used instead).
        member: its id within the group; None where verl gives none.
        size: its group's size, where the row gives it.
    """

    sample: Sample
    origin: DataOrigin
    uid: str | None = None
    member: Member | None = None
    size: int | None = None


def of_item(item: Any, tokenizer: Tokenizer) -> RolloutRow:
    """The row of a `DataProtoItem`: tensors `prompts` (P,), `responses` (R,), `attention_mask` (P + R,)."""
    fields: Mapping[str, Any] = item.non_tensor_batch
    responses, mask = item.batch["responses"], item.batch["attention_mask"]
    length = responses.shape[-1]
    response = tokenizer.decode(responses[: int(mask[-length:].sum())], skip_special_tokens=True)
    messages = fields.get("raw_prompt")
    if messages is None:
        ids = item.batch["prompts"]
        prompt = tokenizer.decode(ids[mask[: ids.shape[-1]].bool()], skip_special_tokens=True)
    else:
        prompt = prompt_text(messages)
    return of_fields(fields, prompt, response)


def of_fields(fields: Mapping[str, Any], prompt: str, response: str) -> RolloutRow:
    """The row of texts and of verl's non-tensor fields."""
    origin = origin_of(fields)
    uid = fields.get("uid")
    return RolloutRow(
        Sample(prompt, response, _reference(fields.get("reward_model")), origin.data_source),
        origin,
        None if uid is None else str(uid),
        _member(fields),
        _size(fields.get("extra_info")),
    )


def prompt_text(messages: Any) -> str:
    """The text of chat messages, as a `Group` reads them."""
    return Group(messages if isinstance(messages, str) else list(messages), [""]).prompt_text


def _member(fields: Mapping[str, Any]) -> Member | None:
    """The member id: v1 numbers a prompt's sessions; v0 numbers the rows of a batch, for its scheduler."""
    number = fields.get("session_id", fields.get("priority"))
    return None if number is None else int(number)


def _reference(reward_model: object) -> Label:
    """The label, used for metrics only; None for ground truths of another kind, such as a program's test cases."""
    truth = reward_model.get("ground_truth") if isinstance(reward_model, Mapping) else None
    try:
        return read_label(list(truth) if isinstance(truth, np.ndarray) else truth)  # a list, as Parquet gives it
    except GroupError:
        return None


def _size(extra_info: object) -> int | None:
    """The group size in `extra_info.rollout_n`: verl removes `__rollout_n__` from the row."""
    size = extra_info.get("rollout_n") if isinstance(extra_info, Mapping) else None
    return None if size is None else int(size)

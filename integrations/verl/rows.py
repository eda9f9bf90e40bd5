"""From a row of verl to a sample: decoded, and told which group it is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from empo_rewards.gather import Member
from empo_rewards.gather.samples import Sample
from empo_rewards.group import Group
from empo_rewards.integrations.verl.phases import Origin, origin_of


class Tokenizer(Protocol):
    """What is needed of a tokenizer."""

    def decode(self, token_ids: Any, *, skip_special_tokens: bool) -> str:
        """The text of token ids."""


class Row(NamedTuple):
    """One response on its way to its group.

    Args:
        sample: its texts.
        origin: where it comes from.
        uid: its group; None where verl gives none (then the prompt stands for it).
        member: its place in the group; None where verl gives none.
        size: its group's size, where the row says so.
    """

    sample: Sample
    origin: Origin
    uid: str | None = None
    member: Member | None = None
    size: int | None = None


def of_item(item: Any, tokenizer: Tokenizer) -> Row:
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


def of_fields(fields: Mapping[str, Any], prompt: str, response: str) -> Row:
    """The row of texts and of verl's non-tensor fields."""
    origin = origin_of(fields)
    uid = fields.get("uid")
    return Row(
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
    """v1 counts a prompt's sessions; v0 numbers the rows of a batch, for its scheduler."""
    number = fields.get("session_id", fields.get("priority"))
    return None if number is None else int(number)


def _reference(reward_model: object) -> str | None:
    """The label, where it is one text or number; it feeds metrics only."""
    truth = reward_model.get("ground_truth") if isinstance(reward_model, Mapping) else None
    return str(truth) if isinstance(truth, str | int | float) and str(truth).strip() else None


def _size(extra_info: object) -> int | None:
    """verl takes `__rollout_n__` out of the row; a data set that varies n says it here as well."""
    size = extra_info.get("rollout_n") if isinstance(extra_info, Mapping) else None
    return None if size is None else int(size)

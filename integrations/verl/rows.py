"""From a row of verl to a sample and the key of its group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from empo_rewards.errors import GroupError
from empo_rewards.extraction.thinking import opens_thinking
from empo_rewards.gather import Member
from empo_rewards.gather.samples import Sample, token_logprobs
from empo_rewards.group import Group, Label, read_label
from empo_rewards.integrations.verl.validation import DataOrigin, origin_of

TAIL_TOKENS = 64
"""The end of a prompt in which a chat template may open thinking."""

THINKING = "<think>\n"
"""A mark that opens thinking."""


class Tokenizer(Protocol):
    """The part of a tokenizer that is used."""

    all_special_ids: list[int]
    added_tokens_decoder: Mapping[int, Any]
    """By id, the tokens that were added to the vocabulary; `special` says whether decoding may skip one."""

    def decode(self, token_ids: Any, *, skip_special_tokens: bool) -> str:
        """The text of token ids."""


class RolloutRow(NamedTuple):
    """One response and the key of its group.

    Args:
        sample: its texts and log-probabilities.
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


class Tokens(NamedTuple):
    """The tokens of a rollout, as an agent loop gives them.

    Args:
        prompt: the token ids of the prompt, with the chat template.
        ids: R token ids of the response.
        mask: for each 1 where the model generated it, 0 where a tool or the chat template wrote it.
        logprobs: for each its log-probability, where verl recorded any.
    """

    prompt: Sequence[int] | NDArray[np.int64]
    ids: ArrayLike
    mask: ArrayLike
    logprobs: ArrayLike | None = None


def of_item(item: Any, tokenizer: Tokenizer) -> RolloutRow:
    """The row of a `DataProtoItem`: tensors `prompts` (P,), `responses` (R,), `attention_mask` (P + R,).

    Also, where they are given, `response_mask` and `rollout_log_probs`, both (R,).
    """
    prompt, response, attended, own, logprobs = (
        None if values is None else values.numpy(force=True)
        for values in map(
            item.batch.get, ("prompts", "responses", "attention_mask", "response_mask", "rollout_log_probs")
        )
    )
    is_prompt, length = attended[: len(prompt)].astype(bool), int(attended[len(prompt) :].sum())
    tokens = Tokens(
        prompt[is_prompt],
        response[:length],
        np.ones(length) if own is None else own[:length],
        None if logprobs is None else logprobs[:length],
    )
    return of_fields(item.non_tensor_batch, tokens, tokenizer)


def of_fields(fields: Mapping[str, Any], tokens: Tokens, tokenizer: Tokenizer) -> RolloutRow:
    """The row of a rollout and of verl's non-tensor fields."""
    origin = origin_of(fields)
    uid, messages = fields.get("uid"), fields.get("raw_prompt")
    prompt = tokenizer.decode(tokens.prompt, skip_special_tokens=True) if messages is None else prompt_text(messages)
    return RolloutRow(
        Sample(
            prompt,
            response_text(tokens, tokenizer),
            reference(fields.get("reward_model")),
            origin.data_source,
            own_logprobs(tokens),
        ),
        origin,
        None if uid is None else str(uid),
        _member(fields),
        _size(fields.get("extra_info")),
    )


def prompt_text(messages: Any) -> str:
    """The text of chat messages, as a `Group` reads them."""
    return Group(messages if isinstance(messages, str) else list(messages), [""]).prompt_text


def response_text(tokens: Tokens, tokenizer: Tokenizer) -> str:
    """The text of what the model generated: of several turns, each on lines of its own.

    Special tokens stay where they have text behind them, for they tell thinking and channels from answers (gpt-oss's
    `<|channel|>`, Magistral's `[THINK]`); those at the end of a turn are left out. A mark that opens thinking and that
    the chat template wrote at the end of the prompt is put before the response.
    """
    ids, own = np.asarray(tokens.ids, dtype=np.int64), np.asarray(tokens.mask, dtype=bool)
    if len(ids) != len(own):
        raise ValueError(f"a response of {len(ids)} tokens has a mask of {len(own)}")
    turns = np.flatnonzero(np.diff(own, prepend=False, append=False)).reshape(-1, 2)
    text = "\n".join(_turn_text(ids[start:end], tokenizer) for start, end in turns)
    tail = tokenizer.decode(tokens.prompt[-TAIL_TOKENS:], skip_special_tokens=False)
    return f"{THINKING}{text}" if opens_thinking(tail) else text


def _turn_text(ids: NDArray[np.int64], tokenizer: Tokenizer) -> str:
    is_special = np.isin(ids, _special_ids(tokenizer))
    end = int((~is_special).nonzero()[0].max(initial=-1)) + 1
    return tokenizer.decode(ids[:end], skip_special_tokens=not is_special[:end].any())


@lru_cache(maxsize=8)
def _special_ids(tokenizer: Tokenizer) -> NDArray[np.int64]:
    """Of a tokenizer that is in use, and does not change any more: to collect them takes longer than to decode."""
    added = (token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special)
    return np.array([*tokenizer.all_special_ids, *added], dtype=np.int64)


def own_logprobs(tokens: Tokens) -> tuple[float, ...] | None:
    """The log-probabilities of the tokens that the model generated, in single precision, as verl keeps them.

    None where verl recorded none, or where one is not a number.
    """
    if tokens.logprobs is None:
        return None
    logprobs, own = np.asarray(tokens.logprobs, dtype=np.float32), np.asarray(tokens.mask, dtype=bool)
    values = token_logprobs(logprobs[own].tolist()) if len(logprobs) == len(own) else None
    return None if values is None or any(map(math.isnan, values)) else values


def reference(reward_model: object) -> Label:
    """The label, used for metrics only; None for ground truths of another kind, such as a program's test cases."""
    truth = reward_model.get("ground_truth") if isinstance(reward_model, Mapping) else None
    try:
        return read_label(list(truth) if isinstance(truth, np.ndarray) else truth)  # a list, as Parquet gives it
    except GroupError:
        return None


def _member(fields: Mapping[str, Any]) -> Member | None:
    """The member id: v1 numbers a prompt's sessions; v0 numbers the rows of a batch, for its scheduler."""
    number = fields.get("session_id", fields.get("priority"))
    return None if number is None else int(number)


def _size(extra_info: object) -> int | None:
    """The group size in `extra_info.rollout_n`: verl removes `__rollout_n__` from the row."""
    size = extra_info.get("rollout_n") if isinstance(extra_info, Mapping) else None
    return None if size is None else int(size)

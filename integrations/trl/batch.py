"""From a trainer's batch to groups: what was asked, what was answered, and which answers belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from empo_rewards.errors import ConfigError, GroupError
from empo_rewards.gather.samples import Sample, group_of
from empo_rewards.group import Group, Label, Message, content_text, read_label

Prompt = str | Sequence[Message]
Completion = str | Sequence[Message]


class Row(NamedTuple):
    """One completion, as text: it travels between ranks."""

    prompt: str
    response: str
    reference: Label = None


def rows(prompts: Sequence[Prompt], completions: Sequence[Completion], labels: Sequence[object] | None) -> list[Row]:
    """The rows of one rank's batch, plain or conversational.

    Raises:
        GroupError: lists of different lengths, or a prompt that is neither a text nor a list of messages.
        InputError: a label that is neither a text nor a number.
    """
    labels = [None] * len(prompts) if labels is None else labels
    if not len(prompts) == len(completions) == len(labels):
        raise GroupError(f"{len(prompts)} prompts, {len(completions)} completions and {len(labels)} labels")
    return [
        Row(prompt_text(prompt), response(completion), read_label(label))
        for prompt, completion, label in zip(prompts, completions, labels, strict=True)
    ]


def prompt_text(prompt: Prompt) -> str:
    """The text of a prompt. A message may lack content, where it only calls a tool."""
    if not isinstance(prompt, str):
        prompt = [{"content": None, **message} if isinstance(message, Mapping) else message for message in prompt]
    return Group(prompt, [""]).prompt_text


def response(completion: Completion) -> str:
    """What a completion answers: its text, or that of the assistant's last message, behind any calls of tools."""
    if isinstance(completion, str):
        return completion
    said = [message for message in completion if message.get("role") == "assistant"]
    return content_text(said[-1].get("content")) if said else ""


def told_size(log_metric: object) -> int | None:
    """The group size of the batch at hand, where its trainer can be seen.

    TRL passes its own bound method as `log_metric`, and with it the one place that knows: the sizes are the trainer's,
    and whether it trains or evaluates is its model's mode, which is how TRL itself tells.
    """
    trainer = getattr(log_metric, "__self__", None)
    size = getattr(trainer, "num_generations", None)
    if trainer is None or size is None:
        return None
    return int(size if trainer.model.training else getattr(trainer, "num_generations_eval", size))


def check_size(told: int | None, configured: int | None) -> int:
    """The group size, from what the trainer told and what the user set for trainers that do not tell.

    Raises:
        ConfigError: neither is known.
    """
    size = configured if told is None else told
    if size is None:
        raise ConfigError(
            "which completions belong together cannot be told: this trainer does not show its number of generations; "
            "say EMPOReward(..., group_size=N)"
        )
    return size


def groups(world: Sequence[Row], size: int, name: str) -> list[Group]:
    """The groups of all ranks' rows, in order: TRL keeps the completions of a prompt together, rank after rank.

    Groups of one prompt that follow each other are told apart by the size alone.

    Args:
        world: the rows of all ranks.
        size: of each group.
        name: of the batch, for the groups' ids.

    Raises:
        GroupError: the rows are no whole groups, or a group would have several prompts.
    """
    if len(world) % size:
        raise GroupError(
            f"{name}: all ranks together have {len(world)} completions, which are no whole groups of {size}; does the "
            "trainer sample another number for each prompt?"
        )
    return [_group(world[at : at + size], f"{name}, group {at // size}") for at in range(0, len(world), size)]


def _group(members: Sequence[Row], name: str) -> Group:
    if len({row.prompt for row in members}) > 1:
        raise GroupError(
            f"{name}: its {len(members)} completions have different prompts; the trainer does not keep the completions "
            "of a prompt together, or samples another number for each"
        )
    return group_of([Sample(row.prompt, row.response, row.reference) for row in members], id=name)

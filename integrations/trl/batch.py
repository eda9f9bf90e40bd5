"""From a trainer's batch to groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from empo_rewards.errors import ConfigError, GroupError
from empo_rewards.gather.samples import Sample, group_of, token_logprobs
from empo_rewards.group import Group, Message, content_text, read_label

Prompt = str | Sequence[Message]
Completion = str | Sequence[Message]


def samples(
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    labels: Sequence[object] | None,
    logprobs: Sequence[Iterable[float] | None] | None = None,
) -> list[Sample]:
    """The samples of one rank's batch, plain or conversational.

    Args:
        prompts, completions, labels: of the batch, one each.
        logprobs: of the tokens of each completion.

    Raises:
        GroupError: lists of different lengths, a prompt that is neither a text nor a list of messages, or a label that
            is no text, number, or list of them.
    """
    labels = [None] * len(prompts) if labels is None else labels
    logprobs = [None] * len(prompts) if logprobs is None else logprobs
    if not len(prompts) == len(completions) == len(labels) == len(logprobs):
        raise GroupError(
            f"{len(prompts)} prompts, {len(completions)} completions, {len(labels)} labels and {len(logprobs)} lists "
            "of log-probabilities"
        )
    return [
        Sample(prompt_text(prompt), response(completion), read_label(label), token_logprobs=token_logprobs(values))
        for prompt, completion, label, values in zip(prompts, completions, labels, logprobs, strict=True)
    ]


def prompt_text(prompt: Prompt) -> str:
    """The text of a prompt. A message that only calls a tool may lack content."""
    if not isinstance(prompt, str):
        prompt = [{"content": None, **message} if isinstance(message, Mapping) else message for message in prompt]
    return Group(prompt, [""]).prompt_text


def response(completion: Completion) -> str:
    """The response in a completion: its text, or that of the assistant's last message, after any tool calls."""
    if isinstance(completion, str):
        return completion
    said = [message for message in completion if message.get("role") == "assistant"]
    return content_text(said[-1].get("content")) if said else ""


def told_size(log_metric: object) -> int | None:
    """The group size of this batch, where the trainer can be found.

    TRL passes a bound method of the trainer as `log_metric`. The trainer has both sizes, and whether it trains or
    evaluates is the mode of its model, as in TRL itself.
    """
    trainer = getattr(log_metric, "__self__", None)
    size = getattr(trainer, "num_generations", None)
    if trainer is None or size is None:
        return None
    return int(size if trainer.model.training else getattr(trainer, "num_generations_eval", size))


def check_size(told: int | None, configured: int | None) -> int:
    """The group size by the trainer, or by the user for trainers that do not show theirs.

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


def groups(world: Sequence[Sample], size: int, step: int | None) -> list[Group]:
    """The groups of all ranks' samples, in order: TRL keeps the completions of a prompt together, rank after rank.

    Consecutive groups of one prompt are told apart by the size alone.

    Args:
        world: the samples of all ranks.
        size: of each group.
        step: the training step, for the groups' ids and metadata; None where the trainer does not say.

    Raises:
        GroupError: the samples are no whole groups, or a group would have several prompts.
    """
    name = "batch" if step is None else f"step {step}"
    if len(world) % size:
        raise GroupError(
            f"{name}: all ranks together have {len(world)} completions, which are no whole groups of {size}; does the "
            "trainer sample another number for each prompt?"
        )
    return [_group(world[at : at + size], f"{name}, group {at // size}", step) for at in range(0, len(world), size)]


def _group(members: Sequence[Sample], name: str, step: int | None) -> Group:
    if len({sample.prompt for sample in members}) > 1:
        raise GroupError(
            f"{name}: its {len(members)} completions have different prompts; the trainer does not keep the completions "
            "of a prompt together, or samples another number for each"
        )
    return group_of(members, id=name, metadata=None if step is None else {"step": step})

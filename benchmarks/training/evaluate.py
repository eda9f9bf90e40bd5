"""Evaluation of a model on held-out problems, with label-based and label-free measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from .measures import Evaluation, measure
from .model import device
from .task import Problem, Task, boxed

SLACK_TOKENS = 4
"""Tokens allowed beyond a well-formed solution; longer completions would not end."""

BATCH = 512

COLD = 0.3
"""The temperature of the baseline without training: the base at a lower temperature."""


def evaluate(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    task: Task,
    problems: Sequence[Problem],
    *,
    k: int = 16,
    temperature: float = 1.0,
) -> Evaluation:
    """Evaluate on problems, k samples each. The global random state is restored."""
    was_training = model.training
    model.eval()
    prompts = tokenizer([problem.prompt for problem in problems], return_tensors="pt")["input_ids"].to(device())
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        sampled = prompts.repeat_interleave(k, 0)
        sequences = _generate(model, sampled, task, temperature)
        token_entropy = _token_entropy(model, sequences, task.prompt_tokens, temperature)
        greedy = _answers(tokenizer, _generate(model, prompts, task, None), task)
    model.train(was_training)
    answers = _answers(tokenizer, sequences, task)
    groups = [answers[start : start + k] for start in range(0, len(answers), k)]
    truths = [problem.answer for problem in problems]
    labels = [[answer == truth for answer in group] for group, truth in zip(groups, truths, strict=True)]
    return measure(groups, labels, [a == b for a, b in zip(greedy, truths, strict=True)], token_entropy)


def _generate(model: LlamaForCausalLM, prompts: torch.Tensor, task: Task, temperature: float | None) -> torch.Tensor:
    """Prompts with their completions, padded to equal length; greedy if the temperature is None."""
    most = task.solution_tokens + SLACK_TOKENS
    how: dict[str, Any] = {"max_new_tokens": most, "pad_token_id": 0, "eos_token_id": 1, "do_sample": False}
    if temperature is not None:
        how |= {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    parts = []
    for batch in prompts.split(BATCH):
        made = model.generate(batch, attention_mask=torch.ones_like(batch), **how)
        parts.append(torch.nn.functional.pad(made, (0, batch.shape[1] + most - made.shape[1]), value=0))
    return torch.cat(parts)


def _answers(tokenizer: PreTrainedTokenizerFast, sequences: torch.Tensor, task: Task) -> list[str | None]:
    texts = tokenizer.batch_decode(sequences[:, task.prompt_tokens :], skip_special_tokens=True)
    return [boxed(text) for text in texts]


def _token_entropy(model: LlamaForCausalLM, sequences: torch.Tensor, prompt_tokens: int, temperature: float) -> float:
    """Mean entropy, over the sampled tokens, of softmax(logits / temperature)."""
    total, tokens = 0.0, 0
    for batch in sequences.split(BATCH):
        logits = model(batch).logits[:, prompt_tokens - 1 : -1].float() / temperature
        logprobs = logits.log_softmax(-1)
        was_sampled = batch[:, prompt_tokens:] != 0
        entropies = -(logprobs.exp() * logprobs).sum(-1)
        total += entropies[was_sampled].sum().item()
        tokens += int(was_sampled.sum())
    return total / tokens

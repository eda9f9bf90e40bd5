"""Pre-training of base models of several strengths on solutions of a teacher that makes errors."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from .model import device, new_model
from .settings import Size
from .task import TOKEN_PATTERN, TOKENS, Noise, Problem, held_out, solution

WARM_UP_STEPS = 50
LOSS_STEPS = 50


def pretrain(
    size: Size, seed: int, folder: Callable[[int], Path], progress: Callable[[int, int], None]
) -> dict[str, Any]:
    """Train from scratch on the teacher's solutions; store each checkpoint in the folder for its step.

    The learning rate rises linearly, then falls linearly to 0 at the last checkpoint.

    Returns:
        The loss in nats per token (means over `LOSS_STEPS`), and the number of parameters.
    """
    model, dice = new_model(size, seed), random.Random(seed)
    kept_away = frozenset(chain.from_iterable(held_out(size.task).values()))
    optimizer = torch.optim.AdamW(model.parameters(), lr=size.pretrain_rate, betas=(0.9, 0.98), weight_decay=0.01)
    last = size.checkpoints[-1]
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARM_UP_STEPS, 1 - step / last)
    )
    losses = []
    for step in range(1, last + 1):
        tokens = _batch(size, dice, kept_away).to(device())
        logits = model(tokens).logits[:, size.task.prompt_tokens - 1 : -1]
        targets = tokens[:, size.task.prompt_tokens :]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        progress(step, last)
        if step in size.checkpoints:
            model.save_pretrained(folder(step))
    loss_means = [round(fmean(losses[at : at + LOSS_STEPS]), 4) for at in range(0, last, LOSS_STEPS)]
    return {"losses": loss_means, "parameters": sum(weights.numel() for weights in model.parameters())}


def _batch(size: Size, dice: random.Random, kept_away: frozenset[Problem]) -> torch.Tensor:
    """Prompts with the teacher's solutions, as token ids: (pretrain_batch, prompt and solution tokens)."""
    ids = {token: i for i, token in enumerate(TOKENS)}
    rows: list[list[int]] = []
    while len(rows) < size.pretrain_batch:
        problem = size.task.draw(dice)
        if problem not in kept_away:
            text = problem.prompt + solution(problem, Noise(), dice)
            rows.append([ids[token] for token in re.findall(TOKEN_PATTERN, text)] + [ids["<eos>"]])
    return torch.tensor(rows)

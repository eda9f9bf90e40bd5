"""SmolLM2 as a trainee, and its curve on probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .grpo import Trainee
from .questions import Question
from .record import Recorder
from .settings import Words
from .smollm import SmolLM, Tokenizer
from .words import evaluate


def trainee(
    model: SmolLM, tokenizer: Tokenizer, watched: Sequence[Question], size: Words, recorder: Recorder
) -> Trainee:
    """The model of a run; the samples of its curve are recorded as probes."""

    def measure(trained: SmolLM) -> dict[str, Any]:
        point = evaluate(trained, tokenizer, watched, tokens=size.tokens, k=size.settings.group)
        for text, found in point.pop("responses").items():
            given = [response for response, count in found["samples"] for _ in range(count)]
            recorder.add(text, given, probe=True)
        del point["families"]
        return point

    parts = max(1, size.settings.prompts * size.settings.group // size.rows)
    options = {
        "per_device_train_batch_size": size.settings.prompts * size.settings.group // parts,
        "gradient_accumulation_steps": parts,
        "bf16": True,
    }
    return Trainee(model, tokenizer, size.tokens, measure, options)

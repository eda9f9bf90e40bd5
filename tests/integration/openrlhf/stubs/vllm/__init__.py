"""Stub of vLLM, which needs a GPU: an engine that generates short answers after a random delay. Nothing else is
replaced: OpenRLHF's own actor starts and calls it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

__version__ = "0.32.0"

FAILS = "[one generation fails]"
"""A prompt with this mark in it loses its third generation."""

RESPONSES = (
    r"So it is \boxed{1/2}.",
    r"Half: \boxed{0.5}",
    r"\boxed{\frac{1}{2}}",
    r"Therefore \boxed{3}",
    r"It is three, \boxed{3.0}.",
    r"\boxed{x^2 + 1}",
    "I ran out of ideas",
)


class SamplingParams(SimpleNamespace):
    """As given."""


class AsyncEngineArgs(SimpleNamespace):
    """As given."""


class AsyncLLMEngine:
    """Reads and writes the tokens of the tokenizer that is its model."""

    def __init__(self, model: str) -> None:
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self._asked: dict[str, int] = {}
        self._dice = random.Random(17)

    @classmethod
    def from_engine_args(cls, arguments: AsyncEngineArgs) -> AsyncLLMEngine:
        return cls(arguments.model)

    async def is_sleeping(self) -> bool:
        return False

    async def generate(
        self, prompt: dict[str, Any], sampling_params: SamplingParams, request_id: str
    ) -> AsyncIterator[SimpleNamespace]:
        text = self._tokenizer.decode(prompt["prompt_token_ids"])
        self._asked[text] = self._asked.get(text, 0) + 1
        is_lost = FAILS in text and self._asked[text] == 3
        response = self._dice.choice(RESPONSES)
        await asyncio.sleep(self._dice.random() * 0.5)
        if is_lost:
            raise RuntimeError("the engine died")
        tokens = [*self._tokenizer.encode(response, add_special_tokens=False), self._tokenizer.eos_token_id]
        logprobs = [{token: SimpleNamespace(logprob=-0.5)} for token in tokens]
        yield SimpleNamespace(
            outputs=[SimpleNamespace(token_ids=tokens, text=response, finish_reason="stop", logprobs=logprobs)]
        )

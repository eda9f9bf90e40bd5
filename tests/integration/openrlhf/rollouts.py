"""Shared by the tests of OpenRLHF: its real actor with a stubbed engine, and the expected rewards."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any
from unittest.mock import patch

import vllm
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from empo_rewards import Group, GroupScore, Scorer

VERSION = tuple(int(part) for part in metadata.version("openrlhf").split("."))
EOS = "<|end|>"
SCORER = Scorer("empo-math")


def make_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer, saved where an engine can load it."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={mark: i for i, mark in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=EOS, pad_token=EOS)
    fast.save_pretrained(folder)
    return fast


def actor_class() -> Any:
    """OpenRLHF's rollout actor; it had another name before 0.10."""
    engines = import_module("openrlhf.trainer.ray.vllm_engine")
    return engines.RolloutRayActor if hasattr(engines, "RolloutRayActor") else engines.LLMRayActor


async def make_actor(model: Path, **arguments: Any) -> Any:
    """The actor, in this process: its real constructor over the stubbed engine."""
    cls = actor_class().__ray_metadata__.modified_class
    actor = object.__new__(cls)
    with patch.dict(os.environ, {"RAY_ADDRESS": "none"}):  # else it asks the ray cluster that it would run in
        await cls.__init__(actor, model=str(model), num_gpus=1, distributed_executor_backend="uni", **arguments)
    return actor


def request(tokenizer: PreTrainedTokenizerFast, prompt: str, label: str, samples: int) -> dict[str, Any]:
    """The arguments that OpenRLHF's sampler gives to `generate_responses`."""
    return {
        "prompt": prompt,
        "label": label,
        "sampling_params": vllm.SamplingParams(temperature=1.0, max_tokens=64, logprobs=1),
        "max_length": 512,
        "hf_tokenizer": tokenizer,
        "num_samples": samples,
    }


def texts_of(tokenizer: PreTrainedTokenizerFast, outputs: Sequence[dict[str, Any]]) -> list[str]:
    """What the engine wrote."""
    texts = []
    for output in outputs:
        ((start, end),) = output["action_ranges"]
        texts.append(tokenizer.decode(output["observation_tokens"][start:end], skip_special_tokens=True))
    return texts


def offline(prompt: str, responses: Sequence[str], reference: str | None) -> GroupScore:
    """The score of the whole group."""
    return SCORER.score(Group(prompt, list(responses), reference=reference))


def passed_on(score: float, reward: float) -> float:
    """What OpenRLHF makes of a score that a reward function or server gave: 0.9.10 takes the reward in place of a 0."""
    return score or reward if VERSION < (0, 11) else score


def meaning(response: str) -> str | None:
    """What a response of the stubbed engine answers, by hand."""
    for value, spellings in {"1/2": ("1/2", "0.5", r"\frac"), "3": ("{3}", "{3.0}"), "x^2+1": ("x^2",)}.items():
        if any(spelling in response for spelling in spellings):
            return value
    return None


async def all_of(*waits: Any, seconds: float = 60.0) -> list[Any]:
    """The results of all, exceptions among them; none may hang."""
    return list(await asyncio.wait_for(asyncio.gather(*waits, return_exceptions=True), seconds))


def assert_shares(given: Sequence[tuple[str, float]], size: int) -> None:
    """Samples of whole groups of one prompt, in any partition: n members that agree are each given n/size."""
    groups = len(given) // size
    for (answer, reward), count in Counter((meaning(text), reward) for text, reward in given).items():
        if answer is None:  # a blank has its own price
            continue
        agreeing = round(reward * size)
        assert reward == agreeing / size
        assert count in [agreeing * times for times in range(1, groups + 1)], (answer, reward, count)

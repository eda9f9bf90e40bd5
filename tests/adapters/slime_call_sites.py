"""Minimal copies of slime's call sites of custom functions, from slime/rollout and slime/ray, 2026.

slime itself needs sglang, Megatron and GPUs. The names are slime's.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType
from typing import Any

import pytest


class Status(Enum):
    PENDING = "pending"
    COMPLETED = "completed"
    TRUNCATED = "truncated"
    ABORTED = "aborted"
    FAILED = "failed"


@dataclass
class Sample:
    """The fields of slime's that a reward can see."""

    group_index: int | None
    index: int
    prompt: Any
    response: str
    label: str | None = None
    status: Status = Status.COMPLETED
    reward: Any = None
    rollout_log_probs: list[float] | None = None
    custom_rm_path: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def load_function(path: str) -> Any:
    """slime.utils.misc."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def arguments(**given: Any) -> Namespace:
    """The arguments of a training with a group reward."""
    known = {
        "group_rm": True,
        "custom_rm_path": "empo_rewards.integrations.slime.custom_rm",
        "rollout_function_path": "slime.rollout.sglang_rollout.generate_rollout",
        "eval_function_path": "empo_rewards.integrations.slime.evaluate",
        "custom_rollout_log_function_path": "empo_rewards.integrations.slime.log_rollout",
    }
    return Namespace(**{**known, **given})


class GenerateState:
    """One a process, made with the arguments of whoever came first."""

    instance: Any = None

    def __new__(cls, args: Namespace) -> Any:
        if cls.instance is None:
            cls.instance = super().__new__(cls)
            cls.instance.args = args
        return cls.instance


async def async_rm(args: Namespace, sample: Sample) -> Any:
    """slime.rollout.rm_hub: one sample."""
    return await load_function(sample.custom_rm_path or args.custom_rm_path)(args, sample)


async def batched_async_rm(args: Namespace, samples: Sequence[Any]) -> Any:
    """slime.rollout.rm_hub: several samples."""
    return await load_function(args.custom_rm_path)(args, samples)


async def generate_and_rm(args: Namespace, sample: Any) -> Any:
    """One sample, whose response is there already, rewarded unless its group will be."""
    if args.group_rm:
        return sample
    if isinstance(sample, list):
        for one, reward in zip(sample, await batched_async_rm(args, sample), strict=False):
            one.reward = reward
        return sample
    sample.reward = await async_rm(args, sample)
    return sample


async def generate_and_rm_group(args: Namespace, group: Sequence[Any]) -> list[Any]:
    """A group; note the zip: a reward too few, and the samples behind it keep None."""
    group = await asyncio.gather(*(generate_and_rm(args, sample) for sample in group))
    if args.group_rm:
        for sample, reward in zip(group, await batched_async_rm(args, group), strict=False):
            sample.reward = reward
    return group


def train(args: Namespace, groups: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The groups of a rollout, through the state's arguments as `submit_generate_tasks` does."""
    state = GenerateState(args)

    async def rollout() -> list[list[Any]]:
        return await asyncio.gather(*(generate_and_rm_group(state.args, group) for group in groups))

    return asyncio.run(rollout())


def generate_rollout(args: Namespace, rollout_id: int, data_source: Any, evaluation: bool = False) -> Any:
    """slime.rollout.sglang_rollout, its evaluation; `data_source` holds the samples."""
    assert evaluation
    assert not args.group_rm, "Group RM is not supported for eval rollout"

    async def rollout() -> list[Any]:
        return await asyncio.gather(*(generate_and_rm(args, sample) for sample in data_source))

    return asyncio.run(rollout())


def log_rollout_data(args: Namespace, samples: Sequence[Sample], metrics: dict[str, Any] | None) -> dict[str, Any]:
    """slime.ray.rollout: what is logged of a rollout."""
    function = load_function(args.custom_rollout_log_function_path)
    assert not function(1, args, samples, metrics, 0.5)
    return {**(metrics or {}), "perf/rollout_time": 0.5}


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the adapter find these as slime's."""
    module = ModuleType("slime.rollout.sglang_rollout")
    module.GenerateState, module.generate_rollout = GenerateState, generate_rollout  # type: ignore[attr-defined] # so
    monkeypatch.setattr(GenerateState, "instance", None)
    for name in ("slime", "slime.rollout"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)

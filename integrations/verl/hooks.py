"""How a run's rows come to their groups: what is replaced in verl, for runs with this package's reward manager alone.

- `RewardLoopManager._init_reward_loop_workers`: a reward worker may hold any number of waiting rows (ray's default is
  1000), and the rendezvous belongs to the run.
- `RewardLoopManager.compute_rm_score`: a whole batch is scored as whole groups, not cut into rows.
- `AgentLoopManager._init_agent_loop_workers`, `.generate_sequences`: the agent-loop workers of every trainer, and of
  classes derived from verl's, are those of `agent_loop`.

See `seams` for how.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any
from uuid import uuid4

import numpy as np
import ray
import torch
from tensordict import TensorDict
from verl import DataProto
from verl.utils import hf_tokenizer
from verl.utils.fs import copy_to_local
from verl.utils.ray_utils import auto_await

from empo_rewards import Scorer
from empo_rewards.integrations.verl import rows, settings
from empo_rewards.integrations.verl.row_rewards import RowReward
from empo_rewards.integrations.verl.rows import RolloutRow
from empo_rewards.integrations.verl.seams import Seam, install
from empo_rewards.integrations.verl.shards import CONCURRENT_CALLS, Shards

log = logging.getLogger("empo_rewards")

Function = Callable[..., Any]


def begun(original: Function) -> Function:
    """Wrap `_init_reward_loop_workers`, with which each trainer starts: in its process a run begins."""

    @wraps(original)
    def _init_reward_loop_workers(self: Any) -> None:
        if settings.is_ours(self.config):
            settings.set_run(self.config, uuid4().hex, observed=observes())
            run = settings.read(settings.plain(self.config))
            Scorer(run.settings.scorer)  # a configuration that is wrong fails here
            self.empo_rewards_shards = Shards(run).create()
            workers = self.reward_loop_workers_class.__ray_actor_class__
            self.reward_loop_workers_class = ray.remote(max_concurrency=CONCURRENT_CALLS)(workers)
        original(self)

    return _init_reward_loop_workers


def in_groups(original: Function) -> Function:
    """Wrap `compute_rm_score(data)`, which cuts a batch into rows; with a reward model, verl's own remains."""

    @wraps(original)
    def compute_rm_score(self: Any, data: Any) -> Any:
        if not settings.is_ours(self.config) or self.reward_model_manager is not None:
            return original(self, data)
        return _scored(self, data)

    return compute_rm_score


def with_groups(original: Function) -> Function:
    """Wrap `_init_agent_loop_workers` of agent-loop managers."""

    @wraps(original)
    async def _init_agent_loop_workers(self: Any) -> None:
        if settings.is_ours(self.config):
            from empo_rewards.integrations.verl.agent_loop import grouped  # noqa: PLC0415 - slow to import

            self.agent_loop_workers_class = grouped(self.agent_loop_workers_class)
        await original(self)

    return _init_agent_loop_workers


def with_members(original: Function) -> Function:
    """Wrap v0's `generate_sequences(prompts)`, which divides a batch over the workers, whatever its groups."""
    undecorated = inspect.unwrap(original, stop=inspect.iscoroutinefunction)

    @auto_await  # type: ignore[untyped-decorator] # as verl's own: it looks at how its caller calls it
    @wraps(original)
    async def generate_sequences(self: Any, prompts: Any) -> Any:
        if settings.is_ours(self.config):
            from empo_rewards.integrations.verl.agent_loop import number_members  # noqa: PLC0415 - as above

            number_members(prompts)
        return await undecorated(self, prompts)

    return generate_sequences


def unchanged(original: Function) -> Function:
    """The function as it is: only its parameters matter."""
    return original


REWARD_LOOP = (
    Seam(
        "verl.experimental.reward_loop.reward_loop",
        "RewardLoopManager._init_reward_loop_workers",
        ("self",),
        begun,
        "a reward worker holds 1000 waiting rows, and the phase of a row is as declared",
    ),
    Seam(
        "verl.experimental.reward_loop.reward_loop",
        "RewardLoopManager.compute_rm_score",
        ("self", "data"),
        in_groups,
        "the rows of a batch are scored one by one",
    ),
)
"""Wrapped when verl is imported."""

AS_DECLARED = "the phase of a row is as declared, and its group's size as configured"

AGENT_LOOPS = (
    Seam(
        "verl.experimental.agent_loop.agent_loop",
        "AgentLoopWorker._run_agent_loop",
        ("self", "sampling_params", "trajectory", "agent_name", "trace", "kwargs"),
        unchanged,
        AS_DECLARED,
    ),
    Seam(
        "verl.experimental.agent_loop.agent_loop",
        "AgentLoopWorker._compute_score",
        ("self", "outputs", "kwargs"),
        unchanged,
        AS_DECLARED,
    ),
    Seam(
        "verl.experimental.agent_loop.agent_loop",
        "AgentLoopManager.generate_sequences",
        ("self", "prompts"),
        with_members,
        AS_DECLARED,
    ),
    Seam(
        "verl.experimental.agent_loop.agent_loop",
        "AgentLoopManager._init_agent_loop_workers",
        ("self",),
        with_groups,
        AS_DECLARED,
    ),
)
"""Wrapped at the start of a run, in the trainer's process."""


def observes() -> bool:
    """Whether this version of verl lets phase, size and losses of rows be seen; the agent loops are then wrapped."""
    return all(install((seam,)) for seam in AGENT_LOOPS)  # each only after the ones before it


def _scored(manager: Any, data: Any) -> Any:
    """The rewards of a whole batch, as `compute_rm_score` returns them."""
    model = manager.config.actor_rollout_ref.model
    tokenizer = hf_tokenizer(copy_to_local(model.tokenizer_path or model.path), trust_remote_code=True)
    run = settings.read(settings.plain(manager.config))
    batch = [rows.of_item(data[i], tokenizer) for i in range(len(data))]
    # In a thread, because the caller's may run an event loop.
    with ThreadPoolExecutor(1) as thread:
        given = thread.submit(lambda: asyncio.run(_rewards(run, batch, data.meta_info.get("validate", False)))).result()
    responses = data.batch["responses"]
    rewards = torch.zeros_like(responses, dtype=torch.float32)
    lengths = data.batch["attention_mask"][:, -responses.shape[-1] :].sum(dim=-1)
    rewards[torch.arange(len(data)), lengths - 1] = torch.tensor([reward.reward for reward in given])
    metrics = [reward.metrics for reward in given]
    return DataProto(
        batch=TensorDict({"rm_scores": rewards}, batch_size=len(data)),
        non_tensor_batch={key: np.array([values[key] for values in metrics]) for key in metrics[0]},
        meta_info={"reward_extra_keys": list(metrics[0])},
    )


async def _rewards(run: settings.RunSettings, batch: list[RolloutRow], validate: bool) -> list[RowReward]:
    covers = run.settings.validation.covers
    phase = [validate or covers(row.origin) for row in batch]
    shards = Shards(run)
    trained, checked = await asyncio.gather(
        shards.train_batch([row for row, is_checked in zip(batch, phase, strict=True) if not is_checked]),
        shards.validate([row for row, is_checked in zip(batch, phase, strict=True) if is_checked]),
    )
    found = {True: iter(checked), False: iter(trained)}
    return [next(found[is_checked]) for is_checked in phase]

"""What is replaced in verl where it has no hook, for runs with this package's reward manager alone.

- `RewardLoopManager._init_reward_loop_workers`: a reward worker may hold any number of waiting rows (ray's default is
  1000), and the rendezvous belongs to the run.
- `RewardLoopManager.compute_rm_score`: a whole batch is scored as whole groups, not cut into rows.
- `AgentLoopManager._init_agent_loop_workers`, `.generate_sequences`: the agent-loop workers of every trainer, and of
  classes derived from verl's, are those of `agent_loop`.

Each is replaced only if it has the parameters that are expected; if not, that is said, and verl's own remains.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, wraps
from types import ModuleType
from typing import Any
from uuid import uuid4

import numpy as np
import ray
from tensordict import TensorDict
from verl import DataProto
from verl.utils import hf_tokenizer
from verl.utils.fs import copy_to_local
from verl.utils.ray_utils import auto_await

from empo_rewards import Scorer
from empo_rewards.integrations.verl import batches, rows, settings
from empo_rewards.integrations.verl.row_rewards import RowReward
from empo_rewards.integrations.verl.rows import RolloutRow
from empo_rewards.integrations.verl.shards import CONCURRENT_CALLS, Shards

log = logging.getLogger("empo_rewards")

Function = Callable[..., Any]


class Wrapper:
    """One function of verl, and what replaces it.

    Args:
        owner: the class or module.
        name: the function's.
        parameters: its parameters in the versions that were tested.
        wrap: makes the replacement from the original.
        loss: what a run lacks without it.
    """

    def __init__(
        self, owner: type | ModuleType, name: str, parameters: str, wrap: Callable[[Function], Function], loss: str
    ) -> None:
        self.owner, self.name, self.parameters, self.wrap, self.loss = owner, name, parameters.split(), wrap, loss

    def install(self) -> bool:
        """Replace the function, once; whether it is replaced."""
        original = getattr(self.owner, self.name, None)
        if getattr(original, "_empo_rewards", False):
            return True
        if original is None or parameters_of(original) != self.parameters:
            log.error(
                "this verl has no %s.%s(%s): %s", self.owner.__name__, self.name, ", ".join(self.parameters), self.loss
            )
            return False
        replacement = self.wrap(original)
        replacement._empo_rewards = True  # type: ignore[attr-defined] # marks what is replaced already
        setattr(self.owner, self.name, replacement)
        return True


def parameters_of(function: Function) -> list[str]:
    """The names of a function's parameters, without those that ray adds to the methods of an actor's class."""
    return [name for name in inspect.signature(function).parameters if not name.startswith("_ray_")]


def install() -> None:
    """Replace what concerns the reward loop; called when verl is imported."""
    from verl.experimental.reward_loop.reward_loop import RewardLoopManager  # noqa: PLC0415 - verl is being imported

    for name, parameters, wrap, loss in (
        ("_init_reward_loop_workers", "self", begun, "its reward workers hold 1000 rows each; phases are as declared"),
        ("compute_rm_score", "self data", in_groups, "the rows of its batches are scored one by one"),
    ):
        Wrapper(RewardLoopManager, name, parameters, wrap, loss).install()


def install_agent_loops() -> bool:
    """Replace what concerns the agent loops; whether phase, size and losses of rows are known."""
    from verl.experimental.agent_loop import AgentLoopManager, AgentLoopWorker  # noqa: PLC0415 - slow to import

    for name, expected in (
        ("_run_agent_loop", ["self", "sampling_params", "trajectory", "agent_name", "trace", "kwargs"]),
        ("_compute_score", ["self", "outputs", "kwargs"]),
    ):
        if parameters_of(getattr(AgentLoopWorker, name)) != expected:
            log.error("this verl has no AgentLoopWorker.%s(%s): phases are as declared", name, ", ".join(expected))
            return False
    sizes = Wrapper(AgentLoopManager, "generate_sequences", "self prompts", with_members, "group sizes are `rollout.n`")
    workers = Wrapper(AgentLoopManager, "_init_agent_loop_workers", "self", with_groups, "phases are as declared")
    return sizes.install() and workers.install()


def begun(original: Function) -> Function:
    """Wrap `_init_reward_loop_workers`, with which each trainer starts: in its process a run begins."""

    @wraps(original)
    def _init_reward_loop_workers(self: Any) -> None:
        if settings.is_ours(self.config):
            settings.set_run(self.config, uuid4().hex, observed=install_agent_loops())
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

    @wraps(original)
    async def generate_sequences(self: Any, prompts: Any) -> Any:
        if settings.is_ours(self.config):
            from empo_rewards.integrations.verl.agent_loop import number_members  # noqa: PLC0415 - as above

            number_members(prompts)
        return await undecorated(self, prompts)

    decorated: Function = auto_await(generate_sequences)  # as verl's own is: it looks at how its caller calls it
    return decorated


def _scored(manager: Any, data: Any) -> Any:
    """The rewards of a whole batch, as `compute_rm_score` returns them."""
    model = manager.config.actor_rollout_ref.model
    tokenizer = _tokenizer(model.get("tokenizer_path") or model.path)
    run = settings.read(settings.plain(manager.config))
    batch = [rows.of_item(data[i], tokenizer) for i in range(len(data))]
    # In a thread, because the caller's may run an event loop.
    with ThreadPoolExecutor(1) as thread:
        given = thread.submit(lambda: asyncio.run(_rewards(run, batch, data.meta_info.get("validate")))).result()
    metrics = [reward.metrics for reward in given]
    return DataProto(
        batch=TensorDict({"rm_scores": batches.at_last_tokens(data, given)}, batch_size=len(data)),
        non_tensor_batch={key: np.array([values[key] for values in metrics]) for key in metrics[0]},
        meta_info={"reward_extra_keys": list(metrics[0])},
    )


@cache
def _tokenizer(path: str) -> Any:
    return hf_tokenizer(copy_to_local(path), trust_remote_code=True)  # as verl's reward workers load it


async def _rewards(run: settings.RunSettings, batch: list[RolloutRow], validate: bool | None) -> list[RowReward]:
    """The rewards of the rows of a batch; where the batch does not say whether it is for validation, as declared."""
    covers = run.settings.validation.covers
    phase = [covers(row.origin) if validate is None else validate for row in batch]
    shards = Shards(run)
    trained, checked = await asyncio.gather(
        shards.train_batch([row for row, is_checked in zip(batch, phase, strict=True) if not is_checked]),
        shards.validate([row for row, is_checked in zip(batch, phase, strict=True) if is_checked]),
    )
    found = {True: iter(checked), False: iter(trained)}
    return [next(found[is_checked]) for is_checked in phase]

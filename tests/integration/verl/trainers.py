"""verl's own trainers without models: what they do between a batch of prompts and their log, on CPUs.

Their training loops, batches, queues, advantages, metrics, dumps and trackers are verl's. Replaced are the parts that
need a model: the language model by a stub, log-probabilities by zeros, updates and checkpoints by nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import ray
import torch
import verl_support as support
from tqdm import tqdm
from verl import DataProto

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this module

PROMPTS = 32
"""Prompts of a step: the monitor's shortest window."""


class Speaker(support.FakeModel):
    """Answers `question K` with K or K + 1, and `collapsed K` with 0."""

    async def generate(self, request_id: str, prompt_ids: list[int], **_: object) -> Any:
        from verl.workers.rollout.replica import TokenOutput

        text = "".join(self.letters.get(token, "?") for token in prompt_ids)
        kind, number = re.search(r"(question|collapsed) (\d+)", text).groups()  # type: ignore[union-attr]
        count = self.asked[text] = self.asked.get(text, 0) + 1
        answer = 0 if kind == "collapsed" else int(number) + (count % 3 == 1)
        spoken = "nothing" if kind == "question" and int(number) % 8 == 7 and count % 3 == 0 else f"\\boxed{{{answer}}}"
        tokens = [self.alphabet[letter] for letter in spoken] + [1]
        versions = {"min_global_steps": 0, "max_global_steps": 0}  # of the weights
        return TokenOutput(token_ids=tokens, stop_reason="completed", extra_fields=versions)


def batches(steps: int, collapsed: int) -> list[dict[str, Any]]:
    """The batches of a data loader: of the steps the last ones are collapsed. Each question has its number as label."""
    found = []
    for step in range(steps):
        kind = "question" if step < steps - collapsed else "collapsed"
        numbers = [100 * step + i for i in range(PROMPTS)]
        found.append(
            {
                "dummy_tensor": torch.zeros(PROMPTS, 1, dtype=torch.uint8),
                "raw_prompt": support.objects([[{"role": "user", "content": f"{kind} {n}"}] for n in numbers]),
                "data_source": support.objects(["demo"] * PROMPTS),
                "reward_model": support.objects([{"ground_truth": str(n)} for n in numbers]),
                "extra_info": support.objects([{"split": "train", "index": n} for n in numbers]),
                "index": np.array(numbers),
                "tools_kwargs": support.objects([{}] * PROMPTS),
                "interaction_kwargs": support.objects([{}] * PROMPTS),
            }
        )
    return found


class Nothing:
    """Stands for worker groups and managers of checkpoints: every method does nothing, now or awaited."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("async_calls", "__")):
            raise AttributeError(name)
        return lambda *_, **__: None


class WithoutModels:
    """What v0-style trainers ask of their models."""

    config: Any

    def _load_checkpoint(self) -> None:
        """Nothing is loaded."""

    def _compute_old_log_prob(self, batch: Any) -> tuple[Any, float]:
        zeros = torch.zeros_like(batch.batch["responses"], dtype=torch.float32)
        return DataProto.from_single_dict({"old_log_probs": zeros, "entropys": zeros.clone()}), 0.0

    def _update_actor(self, batch: Any) -> Any:
        return DataProto(meta_info={"metrics": {"actor/pg_loss": [0.0]}})

    def _start_profiling(self, *_: object, **__: object) -> None:
        """No profile."""

    _stop_profiling = _start_profiling


def prepared(trainer: Any, config: Any, tokenizer: Any, steps: int) -> Any:
    """Set what verl's trainers set while they start their workers."""
    trainer.config, trainer.tokenizer = config, tokenizer
    trainer.total_training_steps, trainer.global_steps, trainer.epoch = steps, 0, 0
    trainer.use_rm = trainer.use_critic = trainer.use_reference_policy = False
    trainer.actor_rollout_wg, trainer.checkpoint_manager = Nothing(), Nothing()
    trainer.resource_pool_manager = SimpleNamespace(get_n_gpus=lambda: 1)
    trainer.train_dataset = None
    trainer._dump_executor, trainer._dump_futures = ThreadPoolExecutor(max_workers=1), []
    trainer.is_last_step = trainer.prev_step_profile = trainer.curr_step_profile = trainer.next_step_profile = False
    trainer.last_val_metrics, trainer.max_steps_duration = {}, 0
    trainer.metrics, trainer.timing_raw, trainer.progress_bar = {}, {}, tqdm(disable=True)
    return trainer


def run_v0(config: Any, tokenizer: Any, agents: Any, loader: list[dict[str, Any]]) -> None:
    """`RayPPOTrainer.fit`."""
    from verl.trainer.ppo.ray_trainer import RayPPOTrainer

    class Trainer(WithoutModels, RayPPOTrainer):
        pass

    trainer = prepared(Trainer.__new__(Trainer), config, tokenizer, len(loader))
    trainer.train_dataloader, trainer.async_rollout_manager = loader, agents
    trainer.fit()


def run_one_step_off(config: Any, tokenizer: Any, agents: Any, loader: list[dict[str, Any]]) -> None:
    """`OneStepOffRayTrainer.fit`."""
    from verl.experimental.one_step_off_policy.ray_trainer import OneStepOffRayTrainer

    class Trainer(WithoutModels, OneStepOffRayTrainer):
        def _fit_update_weights(self) -> None:
            """No weights."""

    trainer = prepared(Trainer.__new__(Trainer), config, tokenizer, len(loader))
    trainer.train_dataloader, trainer.async_rollout_manager = loader, agents
    asyncio.run(trainer.fit())
    trainer._dump_executor.shutdown()


def run_fully_async(config: Any, tokenizer: Any, agents: Any, loader: list[dict[str, Any]]) -> None:
    """`FullyAsyncTrainer.fit_step`, with its queue filled beforehand; two steps to a synchronisation."""
    from verl.experimental.fully_async_policy import fully_async_trainer
    from verl.experimental.fully_async_policy.detach_utils import (
        MetricsAggregator,
        RolloutSample,
        prepare_single_generation_data,
    )
    from verl.utils.tracking import Tracking

    class Trainer(WithoutModels, fully_async_trainer.FullyAsyncTrainer.__ray_actor_class__):
        async def _fit_update_weights(self) -> dict[str, Any] | None:
            return {} if self.local_trigger_step == 1 else None

        async def _fit_validate(self, val_before_train: bool = False) -> None:
            """No validation."""

        def _fit_save_checkpoint(self, force: bool = False) -> None:
            """No checkpoint."""

    class Queue:
        """A message queue that is full already."""

        def __init__(self, samples: Iterator[bytes]) -> None:
            self.samples = samples

        async def get_sample(self) -> tuple[bytes | None, int]:
            return next(self.samples, None), 0

        def get_queue_size_sync(self) -> int:
            return 0

    async def generated(rows: dict[str, Any], index: int, step: int) -> bytes:
        one = {key: values[index : index + 1] for key, values in rows.items()}
        full = prepare_single_generation_data(one, config)
        full.non_tensor_batch["uid"] = np.array([f"uid_{step}_{index}"] * len(full), dtype=object)
        full.meta_info["global_steps"] = step
        output = await agents.generate_sequences_single(full)
        return ray.cloudpickle.dumps(RolloutSample(full.union(output), f"sample_{step}_{index}", 0, {}))

    async def fill() -> list[bytes]:
        found: list[bytes] = []
        for step, rows in enumerate(loader):
            found += await asyncio.gather(*(generated(rows, index, step) for index in range(PROMPTS)))
        return found

    async def steps(trainer: Any) -> None:
        for _ in loader:
            await trainer.fit_step()

    trainer = prepared(Trainer.__new__(Trainer), config, tokenizer, len(loader))
    trainer.logger = Tracking("p", "e", config.trainer.logger, {"reward": {"reward_manager": {"name": "empo"}}})
    trainer.message_queue_client = Queue(iter(asyncio.run(fill())))
    trainer.dynamic_resource_controller, trainer.dynamic_schedule_enabled = None, False
    trainer.required_samples, trainer._step_wait_times, trainer._step_wait_samples = PROMPTS, [], []
    trainer.local_trigger_step, trainer.trigger_parameter_sync_step, trainer.current_param_version = 1, 2, 0
    trainer.stale_trajectory_processed, trainer.metrics_aggregator = 0, MetricsAggregator(1)
    asyncio.run(steps(trainer))
    trainer._dump_executor.shutdown()


def run_v1(config: Any, tokenizer: Any, agents: Any, loader: list[dict[str, Any]]) -> None:
    """`PPOTrainerSync.fit`, over TransferQueue and verl's replay buffer."""
    from verl.trainer.ppo.metric_utils import RolloutMoELoadBalanceMetricsAccumulator
    from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer
    from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

    class Trainer(PPOTrainerSync):
        def on_step_end(self) -> None:
            """No weights."""

        def on_sample_end(self) -> None:
            """No replicas."""

        def _reissue_inflight_prompts(self, partition_id: str = "train") -> int:
            return 0

        def _balance_batch(self, batch: Any, metrics: Any, **_: object) -> Any:
            return batch

        def _compute_old_log_prob(self, batch: Any, metrics: Any) -> Any:
            return batch

        def _update_actor(self, batch: Any, metrics: Any) -> Any:
            return batch

        def _start_profiling(self) -> None:
            """No profile."""

        _stop_profiling = _start_profiling

    trainer = prepared(Trainer.__new__(Trainer), config, tokenizer, len(loader))
    trainer.trainer_mode, trainer.parameter_sync_step, trainer.steps_per_epoch = "sync", 1, len(loader)
    trainer.use_teacher_policy, trainer.train_dataloader, trainer.train_dataloader_it = False, loader, None
    trainer.reward_loop_manager = SimpleNamespace(reward_loop_worker_handles=[])
    trainer._rollout_moe_lb_metrics_accumulator = RolloutMoELoadBalanceMetricsAccumulator(None)
    trainer.replay_buffer = ReplayBuffer("sync", None, None, "drop", None, poll_interval=0.2)
    trainer.fit(agents)


def logged(path: Path) -> dict[int, dict[str, float]]:
    """What verl's file logger wrote for each step of training; a step's entries as one."""
    steps: dict[int, dict[str, float]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        steps.setdefault(entry["step"], {}).update(entry["data"])
    return steps


def dumped(folder: Path) -> dict[int, list[dict[str, Any]]]:
    """The rows of verl's rollout dumps, by step."""
    return {
        int(path.stem): [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in folder.glob("*.jsonl")
    }


def shuffled(rows: list[Any]) -> list[Any]:
    """The rows in another order."""
    return random.Random(0).sample(rows, len(rows))

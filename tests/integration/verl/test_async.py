"""verl's asynchronous trainers: their own classes, over a stand-in for the language model's servers."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
import verl_support as support
from verl import DataProto
from verl.experimental.fully_async_policy.detach_utils import assemble_batch_from_rollout_samples
from verl.experimental.fully_async_policy.fully_async_rollouter import FullyAsyncLLMServerManager, FullyAsyncRollouter
from verl.experimental.fully_async_policy.message_queue import MessageQueue, MessageQueueClient
from verl.experimental.one_step_off_policy.ray_trainer import OneStepOffRayTrainer
from verl.experimental.reward_loop import RewardLoopManager
from verl.workers.rollout.llm_server import FullyAsyncLLMServerClient, LLMServerManager

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this module

PROMPTS = 128
SIZE = 16
UPDATED = 32
"""Prompts between two updates of the weights."""

SECONDS = 500
"""Deadline for what takes seconds on a quiet machine."""


Configure = Callable[..., Any]
"""The configuration of the trainer with a primary file and overrides."""


@pytest.fixture(scope="module")
def configure(model: Path, cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Configure:
    """For 128 shuffled prompts with 16 responses each, two agent-loop workers, and validation rows that look alike."""
    folder = tmp_path_factory.mktemp("data")
    for name, question, count in (("train", "problem", PROMPTS), ("val", "exam", 10)):
        rows = [
            {
                "prompt": [{"role": "user", "content": f"{question} {i}{'?' * (i % 9)}"}],
                "data_source": "demo",
                "reward_model": {"style": "rule", "ground_truth": "4"},
                "extra_info": {"split": "train", "index": i},
            }
            for i in range(count)
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    overrides = (
        f"data.train_files={folder}/train.parquet",
        f"data.val_files={folder}/val.parquet",
        "data.dataloader_num_workers=0",
        "actor_rollout_ref.hybrid_engine=false",
        "actor_rollout_ref.rollout.val_kwargs.n=2",
        "trainer.balance_batch=false",
    )
    # No reward workers: no row comes to one.
    return lambda file, *more: support.run_config(model, *overrides, *more, n=SIZE, file=file, workers=0)


def check_training(batch: DataProto, tokenizer: Any) -> None:
    """Each row has the offline reward of its group, to the bit."""
    uids = [str(uid) for uid in batch.non_tensor_batch["uid"]]
    names = [messages[0]["content"] for messages in batch.non_tensor_batch["raw_prompt"]]
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in batch.batch["responses"]]
    rewards, scores = support.offline(uids, texts, names)
    assert batch.batch["rm_scores"].sum(-1).tolist() == support.float32(rewards)
    assert list(batch.non_tensor_batch["entropy"]) == [scores[uid].entropy for uid in uids]
    assert len({round(reward, 6) for reward in rewards}) > 3  # not all alike


def check_validation(metrics: dict[str, Any], expired: list[int]) -> None:
    """Accuracy of ten answers, of which some are 4; and no more groups have passed their deadline than before."""
    assert totals("expired_idle", "expired_total") == expired
    accuracy = metrics["val-core/demo/acc/mean@2"]
    assert 0 < accuracy < 1
    assert accuracy * 20 == pytest.approx(round(accuracy * 20))
    assert metrics.get("val-aux/demo/reward/mean@2", accuracy) == accuracy


@pytest.fixture
def ended() -> Iterator[list[Any]]:
    """Agent-loop managers whose workers end with the test."""
    managers: list[Any] = []
    yield managers
    for actor in (actor for manager in managers for actor in manager.agent_loop_workers):
        ray.kill(actor)


def test_one_step_off(configure: Configure, tokenizer: Any, ended: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The next batch is generated while this one is trained on and weights are updated; validation in between."""
    config = configure(support.ONE_STEP_OFF, f"data.train_batch_size={PROMPTS // 2}")
    assert config.trainer.use_v1  # verl's default, although this trainer's batches are v0's
    servers = SimpleNamespace(get_client=lambda: support.FakeModel(support.alphabet_of(tokenizer)))
    monkeypatch.setattr(LLMServerManager, "create", lambda **_: servers)
    trainer = OneStepOffRayTrainer(config, tokenizer, {}, SimpleNamespace())
    trainer.reward_loop_manager = RewardLoopManager(config)
    trainer._init_async_rollout_manager()
    ended.append(trainer.async_rollout_manager)
    updates: list[int] = []
    monkeypatch.setattr(trainer, "_fit_update_weights", lambda: updates.append(trainer.global_steps))

    async def steps() -> list[DataProto]:
        batches = []
        iterator = trainer._create_continuous_iterator()
        coming: Any = asyncio.create_task(trainer._async_gen_next_batch(iterator))
        for trainer.global_steps in (1, 2):
            trainer.is_last_step = trainer.global_steps == 2
            batch, coming = await trainer._fit_generate(coming, iterator)
            batches.append(batch)
            expired = totals("expired_idle", "expired_total")
            check_validation(trainer._validate(), expired)
        return batches

    batches = asyncio.run(asyncio.wait_for(steps(), SECONDS))
    assert updates == [1, 2]
    for batch in batches:
        assert len(batch) == PROMPTS // 2 * SIZE
        check_training(batch, tokenizer)


class Interrupted(FullyAsyncLLMServerClient):
    """verl's client, over a server that gives a response in two parts, with an update of the weights in between."""

    def __init__(self, config: Any, model: support.FakeModel) -> None:
        super().__init__(config=config)
        self.model = model
        self.begun: dict[str, Any] = {}

    async def _acquire_server(self, request_id: str, **_: Any) -> tuple[str, Any]:
        remote = SimpleNamespace(remote=lambda **options: self.part(request_id, **options))
        return "server", SimpleNamespace(generate=remote)

    def _release_server(self, server_id: str, request_id: str | None = None) -> None:
        pass

    async def part(self, asked: str, prompt_ids: list[int], **_: Any) -> Any:
        if (rest := self.begun.pop(asked, None)) is not None:
            return rest
        whole = await self.model.generate(asked, prompt_ids)
        whole.extra_fields["global_steps"] = 1
        if sum(prompt_ids) % 3:
            return whole
        cut = len(whole.token_ids) // 2
        first = whole.model_copy(
            update={
                "token_ids": whole.token_ids[:cut],
                "log_probs": whole.log_probs[:cut],
                "stop_reason": "aborted",
                "extra_fields": {"global_steps": 0},
            }
        )
        rest = {"token_ids": whole.token_ids[cut:], "log_probs": whole.log_probs[cut:]}
        self.begun[asked] = whole.model_copy(update=rest)
        return first


def test_fully_asynchronous(
    configure: Configure, tokenizer: Any, ended: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rollouts that pause when they are stale, are interrupted and resumed; validation meanwhile; a failed rollout."""
    config = configure(
        support.FULLY_ASYNC,
        "data.train_batch_size=0",
        f"actor_rollout_ref.actor.ppo_mini_batch_size={UPDATED}",
        "async_training.staleness_threshold=0.5",
        "async_training.trigger_parameter_sync_step=1",
        f"rollout.total_rollout_steps={PROMPTS}",
    )
    client = Interrupted(config, support.FakeModel(support.alphabet_of(tokenizer), fail="broken"))
    servers = SimpleNamespace(get_client=lambda **_: client, get_active_server_count=lambda: 2)

    async def create(**_: Any) -> Any:
        return servers

    monkeypatch.setattr(FullyAsyncLLMServerManager, "create", create)
    rollouter = FullyAsyncRollouter.__ray_actor_class__(config, tokenizer)
    rollouter.reward_loop_manager, rollouter.teacher_model_manager = RewardLoopManager(config), None

    async def run() -> DataProto:
        rollouter._init_async_objects()
        await rollouter._init_async_rollout_manager()
        ended.append(rollouter.async_rollout_manager)
        queue = MessageQueueClient(MessageQueue.remote(config, 2 * UPDATED))
        await rollouter.set_message_queue_client(queue)
        await rollouter.set_max_required_samples()
        fitting = asyncio.create_task(rollouter.fit())
        samples: list[Any] = []
        expired = totals("expired_idle", "expired_total")
        check_validation(await asyncio.to_thread(rollouter.do_validate), expired)
        while (found := await queue.get_sample())[0] is not None:
            samples.append(ray.cloudpickle.loads(found[0]))
            if rollouter.paused or len(samples) % UPDATED == 0:
                await rollouter.reset_staleness()  # the trainer has updated the weights
        await fitting
        await lost(rollouter)
        assert len(samples) == PROMPTS
        return assemble_batch_from_rollout_samples(samples, tokenizer, config)

    batch = asyncio.run(asyncio.wait_for(run(), SECONDS))
    assert len(batch) == PROMPTS * SIZE
    assert batch.meta_info["fully_async/partial/total_partial_num"] > 0
    check_training(batch, tokenizer)
    assert "rollout_log_probs" in batch.batch


async def lost(rollouter: Any) -> None:
    """A prompt of which one rollout fails: verl ends the run with its error, and no other rollout waits."""
    prompt = {
        "raw_prompt": support.objects([[{"role": "user", "content": "broken"}]] * SIZE),
        "uid": support.objects(["uid_sample_lost"] * SIZE),
        "data_source": support.objects(["demo"] * SIZE),
        "reward_model": support.objects([{"ground_truth": "4"}] * SIZE),
        "extra_info": support.objects([{}] * SIZE),
        "index": np.zeros(SIZE, dtype=np.int64),
        "tools_kwargs": support.objects([{}] * SIZE),
    }
    before = totals("expired_idle", "shortened")
    with pytest.raises(RuntimeError, match="the engine died"):
        await rollouter.async_rollout_manager.generate_sequences_single(DataProto(non_tensor_batch=prompt))
    deadline = time.monotonic() + support.IDLE_SECONDS
    while totals("shortened") == before[1:] and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    assert totals("expired_idle", "shortened") == [before[0], before[1] + 1]
    assert totals("waiting") == [0]


def totals(*names: str) -> list[int]:
    """Sums of the statistics of all shards."""
    stats = ray.get([shard.stats.remote() for shard in support.rendezvous_actors()])
    return [sum(shard[name] for shard in stats) for name in names]

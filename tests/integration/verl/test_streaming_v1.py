"""v1's path: sessions write to a queue, from which the trainer samples."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import ray
import torch
import transfer_queue as tq
import verl_support as support
from verl.trainer.ppo.v1 import AgentLoopManagerTQ
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer
from verl.utils import tensordict_utils as tu


class Session(NamedTuple):
    """What verl's queue has of one rollout."""

    ids: Any
    reward: float
    info: dict[str, Any]
    logprobs: list[float]


def submit(agents: Any, partition: str, names: list[str], *, split: str, sizes: list[int] | None = None) -> list[str]:
    """Hand prompts to the agent loop as the trainer does; their uids."""
    count = len(names)
    uids = [f"{partition}-{name}" for name in names]
    fields: dict[str, Any] = {
        "uid": support.objects(uids),
        "raw_prompt": support.objects([[{"role": "user", "content": name}] for name in names]),
        "data_source": support.objects(["demo"] * count),
        "reward_model": support.objects([{"ground_truth": "4"}] * count),
        "extra_info": support.objects([{"split": split, "index": i} for i in range(count)]),
        "index": np.arange(count),
        "tools_kwargs": support.objects([{}] * count),
        "interaction_kwargs": support.objects([{}] * count),
        "dummy_tensor": torch.zeros(count, 1, dtype=torch.uint8),
    }
    if sizes is not None:
        fields["__rollout_n__"] = support.objects(sizes)
    data = tu.get_tensordict(fields)
    tu.assign_non_tensor_data(data, "global_steps", 1)
    if partition == "val":
        tu.assign_non_tensor_data(data, "validate", True)
    tags = [{"is_prompt": True, "status": "pending", "global_steps": 1} for _ in uids]
    tq.kv_batch_put(keys=uids, partition_id=partition, tags=tags)
    agents.generate_sequences(data)
    return uids


def sample(partition: str, count: int, seconds: float = 120, **options: Any) -> dict[str, list[Session]]:
    """What verl's replay buffer gives: for each uid its sessions."""
    buffer = ReplayBuffer("sync", None, None, "drop", None, poll_interval=0.2, **options)
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(buffer.sample(1, partition, count)), daemon=True)
    thread.start()
    thread.join(seconds)
    assert got, f"the trainer still waits for {partition} after {seconds} s"
    meta, _ = got[0]
    data = tq.kv_batch_get(
        keys=meta.keys,
        partition_id=partition,
        select_fields=["rm_scores", "responses", "extra_fields", "rollout_log_probs"],
    )
    rows: dict[str, list[Session]] = {}
    for key, reward, ids, extra, logprobs in zip(
        meta.keys,
        *(list(data[name]) for name in ("rm_scores", "responses", "extra_fields", "rollout_log_probs")),
        strict=True,
    ):
        info = getattr(extra, "data", extra)["reward_extra_info"]
        rows.setdefault(key.rsplit("_", 2)[0], []).append(Session(ids, float(reward.sum()), info, logprobs.tolist()))
    tq.kv_clear(keys=meta.keys, partition_id=partition)
    return rows


def check_training(rows: dict[str, list[Session]], tokenizer: Any) -> None:
    """Each row has the offline reward of its group, to the bit."""
    flat = [(uid, session) for uid, sessions in rows.items() for session in sessions]
    texts = [tokenizer.decode(session.ids, skip_special_tokens=True) for _, session in flat]
    names = [uid.split("-", 1)[1] for uid, _ in flat]
    rewards, scores = support.offline([uid for uid, _ in flat], texts, names)
    assert [session.reward for _, session in flat] == support.float32(rewards)
    assert {uid: group[0].info["entropy"] for uid, group in rows.items()} == {u: s.entropy for u, s in scores.items()}


def check_validation(rows: dict[str, list[Session]], tokenizer: Any) -> None:
    """Each row has 1 where its answer is 4, however it is written."""
    for session in (session for sessions in rows.values() for session in sessions):
        assert session.reward == float(tokenizer.decode(session.ids, skip_special_tokens=True) in support.ANSWERS[:3])
        assert session.info["acc"] == session.reward
        assert session.info["entropy"] is None


@pytest.fixture
def agents(queued: Any, manager: Any, tokenizer: Any) -> Iterator[Any]:
    """v1's own manager, over a model that fails once at a prompt that is "broken"."""
    made = AgentLoopManagerTQ.create(
        config=queued,
        llm_client=support.FakeModel(support.alphabet_of(tokenizer), fail="broken"),
        teacher_client=None,
        reward_loop_worker_handles=manager.reward_loop_worker_handles,
    )
    yield made
    for actor in made.agent_loop_workers:
        ray.kill(actor)


def test_the_agent_loops(agents: Any, tokenizer: Any) -> None:
    """Groups of their own sizes, validation rows that nothing marks, and a failure that nobody waits for."""
    questions = [f"question {i}{'?' * (i % 9)}" for i in random.Random(0).sample(range(128), 128)]
    submit(agents, "train", questions, split="train", sizes=[16] * 128)
    rows = sample("train", 128, seconds=300)
    assert Counter(map(len, rows.values())) == {16: 128}
    check_training(rows, tokenizer)
    names = [f"problem {i}{'?' * (i % 9)}" for i in range(12)]
    sizes = [4 + i % 5 for i in range(12)]
    submit(agents, "train", names, split="train", sizes=sizes)
    rows = sample("train", len(names))
    assert sorted(map(len, rows.values())) == sorted(sizes)
    check_training(rows, tokenizer)
    submit(agents, "val", names[:6], split="train")
    check_validation(sample("val", 6), tokenizer)
    # DAPO's filter: groups whose rewards are all equal are left out, and others generated in their place.
    more = itertools.count()

    def refill(count: int) -> None:
        submit(agents, "train", [f"refill {next(more)}{'?' * (next(more) % 9)}" for _ in range(count)], split="train")

    refill(8)
    options = {"filter_groups_metric": "reward", "refill_fn": refill, "train_batch_size": 8, "gen_batch_size": 1}
    rows = sample("train", 8, **options)
    assert len(rows) == 8
    assert all(len({session.reward for session in group}) > 1 for group in rows.values())
    assert next(more) > 16
    check_training(rows, tokenizer)
    shards = support.rendezvous_actors()
    expired = [stats["expired_idle"] for stats in ray.get([shard.stats.remote() for shard in shards])]
    submit(agents, "train", ["broken once", "sound"], split="train")
    rows = sample("train", 2)
    check_training({"train-sound": rows["train-sound"]}, tokenizer)
    lost = {(session.reward, session.info["unscored/incomplete"]) for session in rows["train-broken once"]}
    assert lost == {(0.0, 1.0)}
    after = ray.get([shard.stats.remote() for shard in shards])
    assert [stats["expired_idle"] for stats in after] == expired
    assert sum(stats["shortened"] for stats in after) >= 1

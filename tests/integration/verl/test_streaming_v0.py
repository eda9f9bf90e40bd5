"""v0's agent loops: several workers generate the rows of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch
import verl_support as support
from ray.exceptions import RayActorError
from tensordict import TensorDict
from verl import DataProto
from verl.experimental.agent_loop import AgentLoopManager
from verl.experimental.reward_loop import RewardLoopManager

from empo_rewards.integrations.verl.agent_loop import number_members


def prompts(names: list[str], n: int, *, split: str, validate: bool = False, truth: str = "4") -> DataProto:
    """A batch of prompts as the trainer hands it to an agent-loop manager: each of them n times."""
    count = len(names)
    data = DataProto(
        batch=TensorDict({"dummy_tensor": torch.zeros(count, 1, dtype=torch.uint8)}, batch_size=count),
        non_tensor_batch={
            "uid": support.objects([f"{split} {name}" for name in names]),
            "raw_prompt": support.objects([[{"role": "user", "content": name}] for name in names]),
            "data_source": support.objects(["demo"] * count),
            "reward_model": support.objects([{"ground_truth": truth}] * count),
            "extra_info": support.objects([{"split": split, "index": i} for i in range(count)]),
            "index": np.arange(count),
            "tools_kwargs": support.objects([{}] * count),
            "interaction_kwargs": support.objects([{}] * count),
        },
        meta_info={"global_steps": 1, "validate": validate},
    )
    return data.repeat(n, interleave=True)


def texts_of(output: DataProto, tokenizer: Any) -> list[str]:
    """The responses as generated."""
    return [tokenizer.decode(ids, skip_special_tokens=True) for ids in output.batch["responses"]]


def check_training(output: DataProto, generated: DataProto, tokenizer: Any) -> None:
    """Each row has the offline reward of its group, to the bit."""
    uids = list(generated.non_tensor_batch["uid"])
    names = [row[0]["content"] for row in generated.non_tensor_batch["raw_prompt"]]
    rewards, scores = support.offline(uids, texts_of(output, tokenizer), names)
    assert output.batch["rm_scores"].sum(-1).tolist() == support.float32(rewards)
    assert list(output.non_tensor_batch["largest_share"]) == [scores[uid].metrics["largest_share"] for uid in uids]
    assert len({round(reward, 6) for reward in rewards}) > 3  # not all alike


def check_validation(output: DataProto, tokenizer: Any) -> None:
    """Each row has 1 where its answer is 4, however it is written."""
    right = {text: float(text in support.ANSWERS[:3]) for text in support.ANSWERS}
    found = output.batch["rm_scores"].sum(-1).tolist()
    assert found == [right[text] for text in texts_of(output, tokenizer)]
    assert {0.0, 1.0} == set(found)
    assert list(output.non_tensor_batch["acc"]) == found


@pytest.fixture(scope="module")
def agents(model: Path, cluster: None, tokenizer: Any) -> Iterator[Any]:
    """verl's manager with two workers, of a run without reward workers, which no row comes to.

    `use_v1` is as one-step-off has it by default, whose batches are v0's.
    """
    config = support.run_config(model, "trainer.use_v1=true", workers=0)
    run = RewardLoopManager(config)
    made = AgentLoopManager.create(
        config=config,
        llm_client=support.FakeModel(support.alphabet_of(tokenizer)),
        reward_loop_worker_handles=run.reward_loop_worker_handles,
    )
    yield made
    for actor in made.agent_loop_workers:
        ray.kill(actor)


def test_rewards_are_those_of_whole_groups_with_phase_and_size_as_they_are(agents: Any, tokenizer: Any) -> None:
    """Shuffled groups of another size than `rollout.n`, cut over two workers; validation rows that nothing marks."""
    generated = prompts([f"problem {i}{'?' * (i % 9)}" for i in range(128)], 16, split="train")
    generated.reorder(torch.randperm(len(generated), generator=torch.Generator().manual_seed(0)))
    check_training(agents.generate_sequences(generated), generated, tokenizer)
    validating = prompts([f"exam {i}" for i in range(10)], 2, split="train", validate=True)
    check_validation(agents.generate_sequences(validating), tokenizer)


def test_a_killed_worker_takes_only_its_own_rows(agents: Any, tokenizer: Any) -> None:
    """Half of each group waits in the worker that dies: these answers count, and the others get whole groups' rewards.

    Both workers have the same model, which gives both halves of a group the same answers.
    """
    doomed, sound = agents.agent_loop_workers
    generated = prompts([f"killed {i}" for i in range(4)], 8, split="train")
    number_members(generated)
    first, rest = (generated.select_idxs([i for i in range(32) if i % 2 == half]) for half in (0, 1))
    lost = doomed.generate_sequences.remote(first)
    support.wait_for_members(16, "killed")
    ray.kill(doomed)
    with pytest.raises(RayActorError):
        ray.get(lost)
    output = ray.get(sound.generate_sequences.remote(rest), timeout=200)
    texts, uids = texts_of(output, tokenizer), list(rest.non_tensor_batch["uid"])
    names = [messages[0]["content"] for messages in rest.non_tensor_batch["raw_prompt"]]
    rewards, _ = support.offline(uids * 2, texts * 2, names * 2)
    assert output.batch["rm_scores"].sum(-1).tolist() == support.float32(rewards[:16])
    assert set(output.non_tensor_batch["group_size"]) == {8.0}

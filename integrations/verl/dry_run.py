"""The dry run of `verl-check`: rollouts of a stub model, through the manager and queue of the configured trainer.

Everything between the stub and the rewards is verl's own: its agent-loop workers, its reward workers, its queue.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from empo_rewards import Scorer
from empo_rewards.errors import ConfigError
from empo_rewards.gather.samples import NeutralReward, Sample, group_of, sample_rewards
from empo_rewards.integrations.verl import row_rewards, settings
from empo_rewards.integrations.verl.requirements import trainer_of

PROMPTS = 4
"""Prompts of a dry run: enough to spread over workers and shards."""

ANSWERS = ("\\boxed{12}", "\\boxed{12.0}", "\\boxed{\\frac{24}{2}}", "\\boxed{-7}", "\\boxed{x^2}", "I do not know.")
LABEL = "12"
LOGPROB = -0.5
"""The log-probability of every token of the stub."""

SECONDS = 600.0
"""Deadline for the rewards of a dry run."""


class Row(NamedTuple):
    """One generated response, and its reward in verl."""

    prompt: str
    response: str
    tokens: int
    reward: float


class StubModel:
    """Stands for verl's client of a language model: gives one of a few answers, another one each time.

    Args:
        answers: the token ids of each.
        end: the token id of the end of a text.
    """

    def __init__(self, answers: Sequence[Sequence[int]], end: int) -> None:
        self.tokenizer = None
        self._answers = [[*ids, end] for ids in answers]
        self._asked: Counter[tuple[int, ...]] = Counter()

    async def generate(self, request_id: str, prompt_ids: Sequence[int], **_: object) -> Any:
        """One response."""
        from verl.workers.rollout.replica import TokenOutput  # noqa: PLC0415 - slow to import

        key = tuple(prompt_ids)
        self._asked[key] += 1
        dice = random.Random(f"{key} {self._asked[key]}")  # noqa: S311 - made-up rollouts
        ids = dice.choice(self._answers[: 2 + len(self._asked)])
        return TokenOutput(token_ids=list(ids), log_probs=[LOGPROB] * len(ids), stop_reason="completed")


def dry_run(config: Any, workers: int) -> list[tuple[str, bool, str]]:
    """Training and validation rows through the configured trainer's own path.

    Args:
        config: as composed.
        workers: reward workers to start.

    Returns:
        For each phase its name, whether all rewards are as they should be, and what was found.

    Raises:
        ConfigError: the model's tokenizer cannot be loaded.
    """
    from omegaconf import OmegaConf  # noqa: PLC0415 - comes with verl

    tokenizer = _tokenizer(config)
    few = {
        "reward": {"num_workers": workers},
        "actor_rollout_ref": {"rollout": {"agent": {"num_workers": 1}}},
    }
    started = OmegaConf.merge(config, few)
    run = settings.read(settings.plain(started))
    trainer = trainer_of(settings.plain(started))
    stub = StubModel([tokenizer.encode(text, add_special_tokens=False) for text in ANSWERS], tokenizer.eos_token_id)
    with _ray(workers, queue=trainer == "v1"):
        generate = _DRIVERS[trainer](started, stub)
        rollout = started.actor_rollout_ref.rollout
        training = generate("train", int(rollout.n), tokenizer)
        validation = generate("val", int(rollout.val_kwargs.n), tokenizer)
    grouped = _offline(run.settings.scorer, training, by_label=False, neutral=run.fallback)
    labelled = _offline(run.settings.scorer, validation, by_label=True, neutral=run.fallback)
    return [
        (f"{trainer}, training rows", *_compared(training, grouped, "their group's offline reward")),
        (f"{trainer}, validation rows", *_compared(validation, labelled, "the reward of their label")),
    ]


def _compared(rows: Sequence[Row], expected: Sequence[float], what: str) -> tuple[bool, str]:
    wanted = torch.tensor(expected)
    wrong = int((torch.tensor([row.reward for row in rows]) != wanted).sum())
    count = f"{len(rows)} rows of {PROMPTS} prompts"
    return not wrong, f"{count} have {what}" if not wrong else f"{wrong} of {count} do not have {what}"


def _offline(scorer: Any, rows: Sequence[Row], *, by_label: bool, neutral: float) -> list[float]:
    """The reward of each row when its group is scored whole; or, by label, of its answer alone."""
    members: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        members.setdefault(row.prompt, []).append(position)
    rewards = [0.0] * len(rows)
    with Scorer(scorer) as made:
        for prompt, places in members.items():
            samples = [Sample(prompt, rows[i].response, LABEL, "dry run", (LOGPROB,) * rows[i].tokens) for i in places]
            for parts in [[i] for i in range(len(places))] if by_label else [list(range(len(places)))]:
                score = made.score(group_of([samples[i] for i in parts]))
                given = sample_rewards(score, NeutralReward(neutral))
                for i, result in zip(parts, given, strict=True):
                    paid = row_rewards.of_sample_reward(result).reward
                    rewards[places[i]] = float(bool(result.correct)) if by_label else paid
    return rewards


def _tokenizer(config: Any) -> Any:
    from transformers import AutoTokenizer  # noqa: PLC0415 - slow to import

    model = config.actor_rollout_ref.model
    source = model.get("tokenizer_path") or model.path
    try:
        return AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the tokenizer {source} cannot be loaded: {' '.join(str(error).split())[:300]}") from error


def _prompts(phase: str) -> dict[str, Any]:
    """The fields of the prompts of a phase, as verl's data set gives them."""

    def objects(values: Sequence[object]) -> Any:
        array = np.empty(len(values), dtype=object)
        array[:] = list(values)
        return array

    split = "train" if phase == "train" else "test"
    return {
        "dummy_tensor": torch.zeros(PROMPTS, 1, dtype=torch.uint8),
        "uid": objects([f"{phase}-{k}" for k in range(PROMPTS)]),
        "raw_prompt": objects([[{"role": "user", "content": f"{phase} {k}"}] for k in range(PROMPTS)]),
        "data_source": objects(["dry run"] * PROMPTS),
        "reward_model": objects([{"style": "rule", "ground_truth": LABEL}] * PROMPTS),
        "extra_info": objects([{"split": split, "index": k} for k in range(PROMPTS)]),
        "index": np.arange(PROMPTS),
        "tools_kwargs": objects([{}] * PROMPTS),
        "interaction_kwargs": objects([{}] * PROMPTS),
    }


def _rows(uids: Sequence[Any], responses: Sequence[Any], rewards: Sequence[Any], tokenizer: Any) -> list[Row]:
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in responses]
    lengths = [len(tokenizer.encode(text, add_special_tokens=False)) + 1 for text in texts]  # the end as well
    return [
        Row(str(uid), text, length, float(reward.sum()))
        for uid, text, length, reward in zip(uids, texts, lengths, rewards, strict=True)
    ]


Generate = Callable[[str, int, Any], list[Row]]
"""Given a phase, the number of responses per prompt, and the tokenizer: the rows of a batch."""


def _v0(config: Any, stub: StubModel) -> Generate:
    """verl's v0 and one-step-off trainers: the whole batch."""
    manager = _manager(config, stub, "verl.experimental.agent_loop", "AgentLoopManager")

    def generate(phase: str, n: int, tokenizer: Any) -> list[Row]:
        batch = _batch(phase).repeat(n, interleave=True)
        output = _done(manager.generate_sequences(batch))
        return _rows(batch.non_tensor_batch["uid"], output.batch["responses"], output.batch["rm_scores"], tokenizer)

    return generate


def _fully_async(config: Any, stub: StubModel) -> Generate:
    """verl's fully asynchronous trainer: one prompt at a time; its manager is not configurable."""
    module = "verl.experimental.fully_async_policy.fully_async_rollouter"
    manager = _manager(config, stub, module, "FullyAsyncAgentLoopManager", configurable=False)

    def generate(phase: str, n: int, tokenizer: Any) -> list[Row]:
        batch = _batch(phase)
        if phase == "val":
            whole = batch.repeat(n, interleave=True)
            outputs, parts = [_done(manager.generate_sequences(whole))], [whole]
        else:
            parts = [batch[k : k + 1].repeat(n, interleave=True) for k in range(PROMPTS)]
            outputs = asyncio.run(_all(manager.generate_sequences_single(part) for part in parts))
        return [
            row
            for part, output in zip(parts, outputs, strict=True)
            for row in _rows(
                part.non_tensor_batch["uid"], output.batch["responses"], output.batch["rm_scores"], tokenizer
            )
        ]

    return generate


def _v1(config: Any, stub: StubModel) -> Generate:
    """verl's v1 trainer: prompts into its queue, and rows out of its replay buffer."""
    import transfer_queue  # noqa: PLC0415 - v0 lacks it
    from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer  # noqa: PLC0415 - as above
    from verl.utils import tensordict_utils  # noqa: PLC0415 - slow to import

    config.transfer_queue.enable = True
    config.transfer_queue.backend.SimpleStorage.num_data_storage_units = 1  # of 8, each a process that imports torch
    transfer_queue.init(config.transfer_queue)
    manager = _manager(config, stub, "verl.trainer.ppo.v1", "AgentLoopManagerTQ", teacher_client=None)
    buffer = ReplayBuffer("sync", None, None, "drop", None, poll_interval=0.2)

    def generate(phase: str, n: int, tokenizer: Any) -> list[Row]:
        prompts = _prompts(phase)
        batch = tensordict_utils.get_tensordict(dict(prompts))
        tensordict_utils.assign_non_tensor_data(batch, "global_steps", 1)
        if phase == "val":
            tensordict_utils.assign_non_tensor_data(batch, "validate", True)
        tags = [{"is_prompt": True, "status": "pending", "global_steps": 1}] * PROMPTS
        transfer_queue.kv_batch_put(keys=list(prompts["uid"]), partition_id=phase, tags=tags)
        _done(manager.generate_sequences(batch))
        with ThreadPoolExecutor(1) as pool:
            found, _ = pool.submit(buffer.sample, 1, phase, PROMPTS).result(SECONDS)
        fields = ["uid", "responses", "rm_scores"]
        data = transfer_queue.kv_batch_get(keys=found.keys, partition_id=phase, select_fields=fields)
        return _rows(list(data["uid"]), list(data["responses"]), list(data["rm_scores"]), tokenizer)

    return generate


_DRIVERS: Mapping[str, Callable[[Any, StubModel], Generate]] = {
    "v0": _v0,
    "one_step_off": _v0,
    "fully_async": _fully_async,
    "v1": _v1,
}


def _manager(
    config: Any, stub: StubModel, module: str, name: str, *, configurable: bool = True, **arguments: object
) -> Any:
    """The agent-loop manager that the trainer would make, over verl's reward workers."""
    from verl.experimental.reward_loop import RewardLoopManager  # noqa: PLC0415 - slow to import
    from verl.utils.import_utils import load_class_from_fqn  # noqa: PLC0415 - slow to import

    named = config.actor_rollout_ref.rollout.agent.get("agent_loop_manager_class") if configurable else None
    rewards = RewardLoopManager(config)
    made = load_class_from_fqn(named or f"{module}.{name}", "AgentLoopManager").create(
        config=config, llm_client=stub, reward_loop_worker_handles=rewards.reward_loop_worker_handles, **arguments
    )
    manager = _done(made)
    manager.kept_alive = rewards
    return manager


def _batch(phase: str) -> Any:
    from verl import DataProto  # noqa: PLC0415 - comes with verl

    batch = DataProto.from_single_dict(_prompts(phase))
    batch.meta_info.update(global_steps=1, validate=phase == "val")
    return batch


async def _all(calls: Iterator[Any]) -> list[Any]:
    return list(await asyncio.wait_for(asyncio.gather(*calls), SECONDS))


def _done(result: Any) -> Any:
    """The result of a method of verl's that may be a coroutine."""
    return asyncio.run(asyncio.wait_for(result, SECONDS)) if asyncio.iscoroutine(result) else result


@contextmanager
def _ray(workers: int, *, queue: bool) -> Iterator[None]:
    """A local ray, which ends with the dry run; one that the process is connected to is used and left as it is."""
    import ray  # noqa: PLC0415 - comes with verl

    if ray.is_initialized():
        yield
        return
    if queue:
        os.environ["TRANSFER_QUEUE_ENABLE"] = "1"  # not by a runtime environment: ray starts workers beforehand
    # Logical: verl's actors ask for one each, and its queue for several.
    ray.init(num_cpus=workers + 12, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
        if queue:
            import transfer_queue  # noqa: PLC0415 - v0 lacks it

            transfer_queue.close()
    finally:
        ray.shutdown()

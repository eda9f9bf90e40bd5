"""Shared by the tests of the verl adapter: a byte-level model, verl's configuration, batches, and a stub
language model that needs no GPU. Everything else in these tests is the real verl and the real ray.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import torch
import verl
from hydra import compose, initialize_config_dir
from tensordict import TensorDict
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, PreTrainedTokenizerFast
from verl import DataProto

from empo_rewards import Group, GroupScore, Scorer

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this module

VERL = Path(verl.__file__).parent
VERL_CONFIG = VERL / "trainer" / "config"
ONE_STEP_OFF = VERL / "experimental" / "one_step_off_policy" / "config" / "one_step_off_ppo_trainer.yaml"
FULLY_ASYNC = VERL / "experimental" / "fully_async_policy" / "config" / "fully_async_ppo_trainer.yaml"
CPUS = 12
"""Logical ones: verl's actors ask for one each and hang at the start where there are too few."""

WORKERS = 2
"""Reward workers."""

N = 6
"""Rollouts per prompt."""

IDLE_SECONDS = 30
"""After which an incomplete group is given up: far more than its rows take on a busy machine."""

TEMPLATE = (
    "{% for m in messages %}{{m['role']}}: {{m['content']}}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def make_model(folder: Path) -> Path:
    """A model's folder without weights: a tokenizer with one token a byte, and a small configuration."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": 0, "<eos>": 1, "<unk>": 2, **{letter: i + 3 for i, letter in enumerate(alphabet)}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", model_max_length=2048
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        architectures=["LlamaForCausalLM"],
    ).save_pretrained(folder)
    return folder


def make_data(folder: Path) -> list[str]:
    """A training and a validation set in a folder, as overrides of verl's configuration."""
    for split in ("train", "test"):
        row = {"prompt": [{"role": "user", "content": "?"}], "data_source": "demo", "extra_info": {"split": split}}
        pq.write_table(pa.Table.from_pylist([row]), folder / f"{split}.parquet")
    return [f"data.train_files={folder}/train.parquet", f"data.val_files={folder}/test.parquet"]


@contextmanager
def ray_session(**environment: str) -> Iterator[None]:
    """A local ray with logical CPUs and these environment variables in its workers; shut down in any case."""
    os.environ.update(environment)  # not by a runtime environment, which the workers that ray starts beforehand lack
    ray.init(num_cpus=CPUS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        yield
    finally:
        ray.shutdown()


def config(
    model: Path, *overrides: str, workers: int = 2, n: int = 16, file: Path = VERL_CONFIG / "ppo_trainer.yaml"
) -> Any:
    """verl's own configuration (of the trainer with this file) with the empo manager and these overrides."""
    with initialize_config_dir(str(file.parent), version_base=None):
        composed = compose(
            file.stem,
            overrides=[
                "hydra.searchpath=[pkg://verl.trainer.config]",
                f"actor_rollout_ref.model.path={model}",
                "actor_rollout_ref.rollout.name=vllm",
                f"actor_rollout_ref.rollout.n={n}",
                "actor_rollout_ref.rollout.prompt_length=64",
                "actor_rollout_ref.rollout.response_length=48",
                "actor_rollout_ref.rollout.agent.num_workers=2",
                "data.max_prompt_length=64",
                "data.max_response_length=48",
                "data.train_batch_size=64",
                "algorithm.adv_estimator=grpo",
                "data.train_files=null",
                "data.val_files=null",
                f"reward.num_workers={workers}",
                "reward.reward_manager.name=empo",
                *overrides,
            ],
        )
    from verl.experimental.reward_loop import migrate_legacy_reward_impl  # not in the oldest that are tested

    return migrate_legacy_reward_impl(composed)


def run_config(model: Path, *overrides: str, **options: Any) -> Any:
    """The configuration that the shared reward workers run under, with overrides that do not concern them."""
    shared = (f"+reward.reward_kwargs.idle_seconds={IDLE_SECONDS}", "+reward.reward_kwargs.shards=2")
    return config(model, *shared, *overrides, **{"workers": WORKERS, "n": N, **options})


def objects(values: Sequence[object]) -> np.ndarray:
    """A one-dimensional array of objects, whatever they are."""
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def batch(
    tokenizer: Any,
    rows: Sequence[tuple[str, str]],
    *,
    length: int = 48,
    prompts: Sequence[str] | None = None,
    split: str = "train",
    truth: str = "4",
) -> DataProto:
    """Generated rows as the trainer has them: (uid, response) each."""
    prompts = prompts or [f"question of {uid}" for uid, _ in rows]
    encoded = [tokenizer(prompt)["input_ids"] for prompt in prompts]
    width = max(map(len, encoded))
    prompt_ids = torch.zeros(len(rows), width, dtype=torch.long)
    responses = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros(len(rows), width + length, dtype=torch.long)
    for i, (prompt, (_, response)) in enumerate(zip(encoded, rows, strict=True)):
        ids = tokenizer(response)["input_ids"][:length] or [1]
        prompt_ids[i, width - len(prompt) :] = torch.tensor(prompt)
        responses[i, : len(ids)] = torch.tensor(ids)
        mask[i, width - len(prompt) : width + len(ids)] = 1
    return DataProto(
        batch=TensorDict({"prompts": prompt_ids, "responses": responses, "attention_mask": mask}, batch_size=len(rows)),
        non_tensor_batch={
            "uid": objects([uid for uid, _ in rows]),
            "data_source": objects(["demo"] * len(rows)),
            "reward_model": objects([{"style": "rule", "ground_truth": truth}] * len(rows)),
            "extra_info": objects([{"split": split, "index": i} for i in range(len(rows))]),
        },
    )


ANSWERS = (
    "so \\boxed{4}",
    "\\boxed{4.0}",
    "\\boxed{\\frac{8}{2}}",
    "\\boxed{5}",
    "\\boxed{7}",
    "\\boxed{-4}",
    "no idea",
    "\\boxed{}",
)
"""Several spellings of one answer, other answers, and none."""


def made_up_rows(prompts: int, n: int, seed: int = 0) -> list[tuple[str, str]]:
    """n responses to each prompt, of all degrees of agreement, in shuffled order."""
    dice = random.Random(seed)
    rows = []
    for prompt in range(prompts):
        pool = dice.sample(ANSWERS, dice.randint(1, len(ANSWERS)))
        rows += [(f"uid-{prompt}", dice.choice(pool)) for _ in range(n)]
    dice.shuffle(rows)
    return rows


def offline(
    uids: Sequence[str],
    responses: Sequence[str],
    prompts: Sequence[str],
    scorer: object = "empo-math",
    truth: str = "4",
) -> tuple[list[float], dict[str, GroupScore]]:
    """What each row earns when its group is scored whole, offline; and the groups' scores."""
    members: dict[str, list[int]] = {}
    for i, uid in enumerate(uids):
        members.setdefault(uid, []).append(i)
    rewards = [0.0] * len(uids)
    scores = {}
    with Scorer(scorer) as offline_scorer:  # type: ignore[arg-type] # a preset or mapping
        for uid, rows in members.items():
            group = Group(prompts[rows[0]], [responses[i] for i in rows], reference=truth)
            scores[uid] = score = offline_scorer.score(group)
            for i, reward in zip(rows, score.rewards, strict=True):
                assert reward is not None
                rewards[i] = reward
    return rewards, scores


def float32(values: Sequence[float]) -> list[float]:
    """As verl keeps rewards."""
    return torch.tensor(values, dtype=torch.float32).tolist()


class FakeModel:
    """Answers like a language model behind verl's client: another answer each time, after another while.

    Args:
        alphabet: the token of each letter.
        fail: a prompt whose text contains this fails once.
        seconds: the longest that a generation takes.
    """

    def __init__(self, alphabet: dict[str, int], fail: str | None = None, seconds: float = 0.3) -> None:
        self.tokenizer = None
        self.alphabet, self.fail, self.seconds = alphabet, fail, seconds
        self.letters = {token: letter for letter, token in alphabet.items()}
        self.asked: dict[str, int] = {}

    async def generate(self, request_id: str, prompt_ids: list[int], **_: object) -> Any:
        """One response, with log-probabilities in double precision."""
        from verl.workers.rollout.replica import TokenOutput

        text = "".join(self.letters.get(token, "?") for token in prompt_ids)
        count = self.asked[text] = self.asked.get(text, 0) + 1
        dice = random.Random(int.from_bytes(hashlib.sha256(f"{text}|{count}".encode()).digest()[:8], "big"))
        await asyncio.sleep(dice.random() * self.seconds)
        if self.fail is not None and self.fail in text and count == 3:
            raise RuntimeError("the engine died on this one")
        tokens = [self.alphabet[letter] for letter in self.answer(text, prompt_ids, dice)] + [1]
        return TokenOutput(token_ids=tokens, log_probs=[-2 * dice.random() for _ in tokens], stop_reason="completed")

    def answer(self, text: str, prompt_ids: list[int], dice: random.Random) -> str:
        """The text of a response."""
        return dice.choice(ANSWERS[: 1 + len(text + str(prompt_ids[-20:])) % len(ANSWERS)])


def alphabet_of(tokenizer: Any) -> dict[str, int]:
    """The token of each printable letter."""
    letters = [chr(code) for code in range(32, 127)]
    return {letter: tokenizer(letter)["input_ids"][0] for letter in letters}


def reward_loop(settings: Any) -> Any:
    """verl's reward workers, ready."""
    from verl.experimental.reward_loop import RewardLoopManager

    manager = RewardLoopManager(settings)
    ray.get([worker.__ray_ready__.remote() for worker in manager.reward_loop_workers])
    return manager


def one_more_worker(manager: Any) -> Any:
    """A reward worker beside the shared ones, which a test may kill."""
    options = manager.reward_loop_workers_class.options(name="one more reward worker")
    return options.remote(manager.config, manager.reward_router_address)


def end(manager: Any) -> None:
    """End the reward workers and the rendezvous, so that the next test has names and CPUs."""
    for actor in [*manager.reward_loop_workers, *rendezvous_actors()]:
        ray.kill(actor)


def rendezvous_actors() -> list[Any]:
    """The shards that are there."""
    found = []
    for name in rendezvous_names():
        with contextlib.suppress(ValueError):  # it is ending: its name is listed a little longer
            found.append(ray.get_actor(name))
    return found


def rendezvous_names() -> list[str]:
    """Their names."""
    from ray.util import list_named_actors

    return sorted(name for name in list_named_actors() if name.startswith("empo_rewards_rendezvous_"))


def wait_for_members(count: int, name: str, seconds: float = 120) -> None:
    """Wait until as many rows wait in the rendezvous, so that what a test does next finds them there.

    Args:
        count: how many.
        name: for the message.
        seconds: how long to wait.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stats = ray.get([shard.stats.remote() for shard in rendezvous_actors()])
        if sum(shard["waiting"] for shard in stats) >= count:
            return
        time.sleep(0.1)
    raise AssertionError(f"{name}: {count} rows should wait by now: {stats}")

"""Run by torchrun on each rank: TRL's trainer in several batch geometries, recording all calls.

torchrun --nproc_per_node 2 two_ranks.py FOLDER [kill]
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import tiny
import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from empo_rewards import Group, GroupError, GroupScore, hookimpl
from empo_rewards.integrations.trl import EMPOReward
from empo_rewards.protocols import Observer

GEOMETRIES = ((4, 1), (8, 1), (12, 1), (2, 2), (3, 8))
"""Per-device batch, and batches accumulated."""
SIZE, EVALUATION_SIZE, STEPS = 8, 4, 3
RANK = int(os.environ["RANK"])


class Watch(Observer):
    """An observer: which groups this rank scores, and with how much delay."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay

    def __call__(self, group: Group, score: GroupScore) -> None:
        scored.append(str(group.id))
        time.sleep(self.delay)


class Plugin:
    @hookimpl
    def register_observers(self, register: Any) -> None:
        register("watch", Watch)


calls: list[dict[str, Any]] = []
scored: list[str] = []


def reward(name: str = "empo", *, delay: float = 0.0) -> EMPOReward:
    config = {**tiny.CONFIG, "observers": [{"name": "watch", "delay": delay}]}
    return EMPOReward(config, reference="answer", name=name, plugins=[Plugin()])


def write_down(name: str, rewards: list[float | None], columns: dict[str, Any]) -> list[float | None]:
    """One call on this rank; `number` is the column that says which group a completion is of."""
    calls.append(
        {"name": name, "rewards": rewards, **{key: columns[key] for key in ("number", "prompts", "completions")}}
    )
    return rewards


def sync_rewards() -> list[Any]:
    inner = reward()

    def empo(**columns: Any) -> list[float | None]:
        return write_down("empo", inner(**columns), columns)

    return [empo]


def async_rewards() -> list[Any]:
    """Two at once, each slow on another rank: without turns their gathers would cross."""
    slow, fast = reward("slow", delay=0.1 * (RANK == 0)), reward("fast", delay=0.1 * (RANK == 1))

    async def first(**columns: Any) -> list[float | None]:
        return write_down("slow", await slow.async_empo(**columns), columns)

    async def second(**columns: Any) -> list[float | None]:
        return write_down("fast", await fast.async_empo(**columns), columns)

    return [first, second]


def dying_rewards() -> list[Any]:
    """Rank 1 is killed while rank 0 waits for it."""
    [inner] = sync_rewards()

    def empo(**columns: Any) -> list[float | None]:
        if RANK == 1 and columns["trainer_state"].global_step == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return list(inner(**columns))

    return [empo]


def rows(count: int) -> Dataset:
    return Dataset.from_list(
        [{"prompt": tiny.prompt(number), "number": number, "answer": str(number % 6)} for number in range(count)]
    )


def train(folder: Path, batch: int, accumulated: int, rewards: list[Any]) -> GRPOTrainer:
    args = GRPOConfig(
        output_dir=str(folder / "out"),
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulated,
        num_generations=SIZE,
        per_device_eval_batch_size=6,
        num_generations_eval=EVALUATION_SIZE,
        max_completion_length=1,
        max_steps=STEPS,
        learning_rate=1e-2,
        shuffle_dataset=False,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        tiny.model(),
        rewards,
        args=args,
        train_dataset=rows(20),
        eval_dataset=rows(5),
        processing_class=tiny.tokenizer(),
    )
    trainer.train()
    return trainer


def check_refusal() -> str:
    """What every rank is told where the ranks' completions are no groups; they go on in step."""
    try:
        reward()(["a", "a"], ["1", "1"], log_metric=Shown().log_metric, answer=[None] * 2)
    except GroupError as error:
        return str(error)
    raise AssertionError("four completions were taken for a group of eight")


class Shown:
    """As much of a trainer as a reward can see."""

    num_generations = SIZE
    model = torch.nn.Identity()

    def log_metric(self, name: str, value: float) -> None:
        raise AssertionError((name, value))


def main(folder: Path, *, kill: bool) -> None:
    torch.set_num_threads(1)
    if kill:
        train(folder, 4, 1, dying_rewards())
        return
    report: dict[str, Any] = {}
    for batch, accumulated in GEOMETRIES:
        calls.clear()
        scored.clear()
        trainer = train(folder, batch, accumulated, async_rewards() if batch == 12 else sync_rewards())
        trained, groups = list(calls), len(scored)
        calls.clear()
        trainer.evaluate()
        report[f"{batch}x{accumulated}"] = {
            "train": trained,
            "evaluation": list(calls),
            "groups": groups,
            "log": trainer.state.log_history,
        }
    report["refusal"] = check_refusal()
    (folder / f"rank{RANK}.json").write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), kill="kill" in sys.argv[2:])

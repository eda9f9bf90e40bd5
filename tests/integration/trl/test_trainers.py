"""TRL's trainers in one process: the arguments that they pass, and the effect of None rewards."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import tiny
from datasets import Dataset, IterableDataset
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from empo_rewards import Group, Scorer
from empo_rewards.integrations.trl import EMPOReward
from empo_rewards.reading import ReadGroup, read_groups

SIZE = 4
ROWS = [{"prompt": tiny.prompt(number), "number": number} for number in range(12)]
CHATS = [
    {
        "prompt": [{"role": "system", "content": "a"}, {"role": "user", "content": row["prompt"]}],
        "number": row["number"],
    }
    for row in ROWS
]


@pytest.fixture(scope="module")
def scorer() -> Iterator[Scorer]:
    with Scorer(tiny.CONFIG) as scorer:
        yield scorer


class Calls(list[dict[str, Any]]):
    """What a reward was given, and what it gave back."""

    def of(self, reward: Any) -> Any:
        """The reward, written down."""

        def empo(**columns: Any) -> list[float | None]:
            rewards = list(reward(**columns))
            self.append({**columns, "rewards": rewards})
            return rewards

        return empo


def train(kind: Any, config: Any, folder: Path, rewards: Any, rows: Any, *, steps: int = 2, **settings: Any) -> Any:
    args = config(
        output_dir=str(folder),
        per_device_train_batch_size=2 * SIZE,
        num_generations=SIZE,
        max_completion_length=1,
        max_steps=steps,
        learning_rate=1e-3,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        disable_tqdm=True,
        **settings,
    )
    trainer = kind(tiny.model(), rewards, args=args, train_dataset=rows, processing_class=tiny.tokenizer())
    trainer.train()
    return trainer


def check(calls: Sequence[dict[str, Any]], scorer: Scorer, text: Any = str) -> None:
    """Each group, told by the column `number`, has the rewards of its offline score."""
    for call in calls:
        numbers = call["number"]
        assert len(numbers) == 2 * SIZE
        for number in set(numbers):
            places = [i for i, other in enumerate(numbers) if other == number]
            group = Group(call["prompts"][places[0]], [text(call["completions"][i]) for i in places])
            assert [call["rewards"][i] for i in places] == list(scorer.score(group).rewards)


def test_conversations(tmp_path: Path, scorer: Scorer) -> None:
    calls = Calls()
    train(GRPOTrainer, GRPOConfig, tmp_path, calls.of(EMPOReward(tiny.CONFIG)), Dataset.from_list(CHATS))
    assert isinstance(calls[0]["completions"][0], list)
    check(calls, scorer, text=lambda completion: completion[0]["content"])


def test_the_completions_that_it_keeps_say_answer_cluster_and_share(tmp_path: Path) -> None:
    """TRL's Parquet files of completions, against the groups and shares counted here."""
    train(GRPOTrainer, GRPOConfig, tmp_path, EMPOReward(tiny.CONFIG), Dataset.from_list(ROWS), log_completions=True)
    rows = [
        row
        for file in sorted((tmp_path / "completions").glob("*.parquet"))
        for row in pd.read_parquet(file).to_dict("records")
    ]
    assert len(rows) == 2 * 2 * SIZE
    for at in range(0, len(rows), SIZE):
        group = rows[at : at + SIZE]
        answers = [row["completion"] for row in group]
        assert [row["empo/answer"] for row in group] == answers
        shares = {float(row["empo/share"]) * SIZE for row in group if answers.count(row["completion"]) > 1}
        assert shares <= {float(answers.count(row["completion"])) for row in group}
        assert {row["empo/cluster"] for row in group if row["completion"] == max(answers, key=answers.count)} <= {
            "0",
            "1",
        }
        assert {row["empo/cause"] for row in group} == {""}
    read = [item.group for item in read_groups(tmp_path / "completions") if isinstance(item, ReadGroup)]
    assert [(group.prompt, list(group.responses)) for group in read] == [
        (rows[at]["prompt"], [row["completion"] for row in rows[at : at + SIZE]]) for at in range(0, len(rows), SIZE)
    ]


def test_streamed_prompts(tmp_path: Path, scorer: Scorer) -> None:
    calls = Calls()
    rows = IterableDataset.from_generator(lambda: iter(ROWS))
    train(GRPOTrainer, GRPOConfig, tmp_path, calls.of(EMPOReward(tiny.CONFIG)), rows)
    check(calls, scorer)


def test_rloo(tmp_path: Path, scorer: Scorer) -> None:
    calls = Calls()
    rows = Dataset.from_list(ROWS)
    trainer = train(RLOOTrainer, RLOOConfig, tmp_path, calls.of(EMPOReward(tiny.CONFIG)), rows, beta=0.0)
    check(calls, scorer)
    assert any("empo/entropy" in line for line in trainer.state.log_history)


class AdvantagesKept(GRPOTrainer):  # type: ignore[misc] # TRL is not typed where mypy runs
    """Keeps the advantages that TRL trains on."""

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        output = super()._generate_and_score_completions(inputs)
        self.__dict__.setdefault("kept", []).append(output["advantages"].tolist())
        return output


def check_advantages(calls: Sequence[dict[str, Any]], trainer: Any) -> None:
    """The advantages that TRL trained on, against the definition of GRPO's among those that have a reward."""
    for call, given in zip(calls, trainer.kept, strict=True):
        for at in range(0, len(given), SIZE):
            group = call["rewards"][at : at + SIZE]
            own = [value for value in group if value is not None]
            mean, deviation = (fmean(own), stdev(own)) if own else (0.0, 0.0)
            expected = [0.0 if value is None else (value - mean) / (deviation + 1e-4) for value in group]
            assert given[at : at + SIZE] == pytest.approx(expected, abs=1e-4)


def test_votes_that_are_not_trained_on(tmp_path: Path) -> None:
    """Of each group of four two are trained on by the majority of all four, and the others move nothing."""
    config = {**tiny.CONFIG, "strategy": "majority", "trained": 2}
    calls = Calls()
    rows = Dataset.from_list(ROWS)
    trainer = train(AdvantagesKept, GRPOConfig, tmp_path, calls.of(EMPOReward(config)), rows, steps=4)
    with Scorer(config) as scorer:
        check(calls, scorer)
    for call in calls:
        for at in range(0, len(call["rewards"]), SIZE):
            assert call["rewards"][at : at + SIZE].count(None) == 2
    check_advantages(calls, trainer)
    assert {1.0, 0.0} <= {value for call in calls for value in call["rewards"]}
    assert all(line["empo/scored"] == 1 for line in trainer.state.log_history[: len(calls)])
    assert all(line["empo/trained"] == 0.5 for line in trainer.state.log_history[: len(calls)])


def test_a_group_without_rewards_moves_nothing(tmp_path: Path) -> None:
    calls = Calls()
    reward = EMPOReward({**tiny.CONFIG, "gates": {"min_share": 0.5}})
    trainer = train(AdvantagesKept, GRPOConfig, tmp_path, calls.of(reward), Dataset.from_list(ROWS), steps=6)
    scored = [value is not None for call in calls for value in call["rewards"]]
    assert set(scored) == {True, False}
    check_advantages(calls, trainer)
    for call, line in zip(calls, trainer.state.log_history, strict=False):
        own = [value for value in call["rewards"] if value is not None]
        assert line["empo/scored"] == len(own) / len(call["rewards"])
        assert line["reward"] == (pytest.approx(fmean(own)) if own else None)


def test_beside_another_reward(tmp_path: Path, scorer: Scorer) -> None:
    def fixed(completions: Sequence[str], **_: Any) -> list[float]:
        return [float(len(completion)) for completion in completions]

    calls = Calls()
    rows = Dataset.from_list(ROWS)
    empo = calls.of(EMPOReward(tiny.CONFIG))
    trainer = train(GRPOTrainer, GRPOConfig, tmp_path, [empo, fixed], rows, reward_weights=[1.0, 0.5])
    check(calls, scorer)
    assert {"rewards/empo/mean", "rewards/fixed/mean"} <= set(trainer.state.log_history[0])


def test_the_rollout_worker_of_asynchronous_grpo(monkeypatch: pytest.MonkeyPatch) -> None:
    """It scores one group at a time, in a thread or awaited, in a process without TRL's trainer."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.experimental.async_grpo import async_rollout_worker as worker

    completions = [[{"role": "assistant", "content": text}] for text in "1123"]
    group = worker.RolloutGroup(
        prompts=[[{"role": "user", "content": "p"}]] * 4,
        reward_kwargs={"number": [1] * 4},
        completions=completions,
        completions_ids=[[1]] * 4,
        completions_sequences=[[worker.TrainingSequence([1], [1], [0.0], i)] for i in range(4)],
        tool_call_counts=[0] * 4,
        tool_failure_counts=[0] * 4,
        model_version=0,
        group_id=0,
        env_rewards=[None] * 4,
        rollout_rewards=[None] * 4,
    )
    reward = EMPOReward(tiny.CONFIG, group_size=4)
    loop = SimpleNamespace(
        reward_funcs=[reward, reward.async_empo],
        reward_func_names=["sync", "async"],
        _env_reward_types=[],
        _provides_rollout_reward=False,
    )
    samples = asyncio.run(worker._AsyncRolloutLoop._score_group(loop, group))
    for name in ("sync", "async"):
        assert [sample.metrics[f"rewards/{name}"] for sample in samples] == [0.5, 0.5, 0.25, 0.25]
    assert [sample.advantage for sample in samples] == pytest.approx([1, 1, -1, -1], abs=1e-4)
    assert not any(math.isnan(sample.metrics["reward"]) for sample in samples)

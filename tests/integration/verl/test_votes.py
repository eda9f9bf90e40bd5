"""More rollouts than are trained on, through verl's own training loops, against offline scores."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import trainers
import verl_support as support
from test_carried import worker
from trainers import PROMPTS, Speaker
from verl.experimental.agent_loop import AgentLoopWorker
from verl.trainer.ppo import ray_trainer
from verl.trainer.ppo.v1 import utils
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopWorkerTQ

from empo_rewards import Group, Scorer

SCORER = {"preset": "ttrl", "trained": 3}
SETTINGS = (
    "algorithm.adv_estimator=empo_grpo",
    "+reward.reward_kwargs.scorer={preset: ttrl, trained: 3}",
    "trainer.logger=[]",
    "trainer.val_before_train=false",
    "trainer.test_freq=-1",
    "trainer.save_freq=-1",
    "trainer.balance_batch=false",
    f"data.train_batch_size={PROMPTS}",
)

Rows = list[tuple[float, float]]
"""The reward and the advantage of each row of a group, in ascending order."""


def agents_of_v0(config: Any, tokenizer: Any) -> Any:
    """verl's agent-loop worker of v0, in this process; the shards live as long as it does."""
    made = worker(ray.remote(AgentLoopWorker), config, Speaker(support.alphabet_of(tokenizer)))

    def generate(batch: Any) -> Any:
        output = asyncio.run(made.generate_sequences(batch))
        output.meta_info["timing"] = {}
        return output

    return SimpleNamespace(generate_sequences=generate)


def agents_of_v1(config: Any, tokenizer: Any) -> Any:
    """That of v1, which writes to the queue."""
    made = worker(AgentLoopWorkerTQ, config, Speaker(support.alphabet_of(tokenizer)))

    def generate(data: Any) -> None:
        async def run() -> None:
            await made.generate_sequences(data)
            await asyncio.gather(*made.background_tasks)

        asyncio.run(run())

    return SimpleNamespace(generate_sequences=generate)


def expected(rows: Sequence[dict[str, Any]]) -> list[Rows]:
    """What each group of a dump is trained on: votes have the advantage 0, the others GRPO's among themselves."""
    members = defaultdict(list)
    for row in rows:
        members[row["input"]].append(row)
    found = []
    with Scorer(SCORER) as scorer:
        for prompt, group in members.items():
            score = scorer.score(Group(prompt, [row["output"] for row in group]))
            assert score.trained is not None
            assert sum(score.trained) == 3
            # Responses of one text are exchangeable, and a dump has them in any order.
            assert sorted(row["empo/reward"] for row in group if row["empo/reward"] is not None) == sorted(
                reward for reward in score.rewards if reward is not None
            )
            own = [reward for reward in score.rewards if reward is not None]
            assert len({row["score"] for row in group}) == (1 if len(set(own)) == 1 else 3)  # 1, 0, and that of votes
            mean, deviation = fmean(own), stdev(own)
            paid = [(reward, (reward - mean) / (deviation + 1e-6)) for reward in own]
            found.append(sorted([*paid, *[(mean, 0.0)] * 3]))
    return sorted(found)


@pytest.mark.parametrize(
    ("run", "agents", "module"),
    [(trainers.run_v0, agents_of_v0, ray_trainer), (trainers.run_v1, agents_of_v1, utils)],
    ids=["v0", "v1"],
)
def test_votes_that_are_not_trained_on(
    run: Callable[..., None],
    agents: Callable[[Any, Any], Any],
    module: Any,
    queued: Any,
    model: Path,
    tokenizer: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    computed: list[Any] = []
    original = module.compute_advantage

    def compute_advantage(data: Any, *args: Any, **kwargs: Any) -> Any:
        computed.append(original(data, *args, **kwargs))
        return computed[-1]

    monkeypatch.setattr(module, "compute_advantage", compute_advantage)
    use_v1 = f"trainer.use_v1={run is trainers.run_v1}"
    config = support.run_config(model, use_v1, *SETTINGS, f"trainer.rollout_data_dir={tmp_path}")
    config.transfer_queue = queued.transfer_queue
    run(config, tokenizer, agents(config, tokenizer), trainers.batches(1, 0))
    (rows,), (data,) = trainers.dumped(tmp_path).values(), computed
    assert len(rows) == PROMPTS * support.N
    groups = defaultdict(list)
    for uid, reward, advantage in zip(
        data.non_tensor_batch["uid"],
        data.batch["token_level_rewards"].sum(-1).tolist(),
        data.batch["advantages"][:, 0].tolist(),
        strict=True,
    ):
        groups[uid].append((reward, advantage))
    trained_on = sorted(map(sorted, groups.values()))
    wanted = expected(rows)
    assert len(trained_on) == len(wanted) == PROMPTS
    for found, offline in zip(trained_on, wanted, strict=True):
        assert [value for row in found for value in row] == pytest.approx(
            [value for row in offline for value in row], abs=1e-5
        )
    advantages = [advantage for group in trained_on for _, advantage in group]
    assert advantages.count(0.0) >= 3 * PROMPTS  # the votes
    assert any(advantages)

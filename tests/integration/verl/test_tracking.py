"""EMPO's numbers in verl's own log, and EMPO's details in verl's own dumps: in each trainer, from its own loop.

In the last steps of each run the model gives every prompt the same answer.
"""

from __future__ import annotations

import inspect
import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from types import ModuleType
from typing import Any

import pytest
import ray
import trainers
import verl_support as support
from ray.exceptions import ActorUnavailableError
from ray.util import list_named_actors
from trainers import PROMPTS, Speaker
from verl.trainer.ppo import metric_utils

from empo_rewards import Scorer
from empo_rewards.integrations.verl import trainer_hooks
from empo_rewards.integrations.verl.row_rewards import DETAILS, KEYS
from empo_rewards.integrations.verl.shards import MONITOR
from empo_rewards.integrations.verl.tracking import step_metrics
from empo_rewards.reading import ReadGroup, read_groups

ENTRIES = {"fully_async": [[0], [1, 2], [3, 4]]}
"""The steps that an entry of the log averages: that trainer logs at every second one, without the step itself."""

MONITORED = "+reward.reward_kwargs.scorer={preset: empo-math, observers: [monitor]}"
SETTINGS = (
    "trainer.logger=[console,file]",
    "trainer.val_before_train=false",
    "trainer.test_freq=-1",
    "trainer.save_freq=-1",
    "trainer.balance_batch=false",
    "actor_rollout_ref.rollout.agent.num_workers=1",
    f"data.train_batch_size={PROMPTS}",
    MONITORED,
)


@pytest.fixture(scope="module")
def agents(model: Path, manager: Any, tokenizer: Any) -> Iterator[Any]:
    """One agent-loop worker for all v0-style trainers."""
    from verl.experimental.fully_async_policy.fully_async_rollouter import FullyAsyncAgentLoopManager

    made = FullyAsyncAgentLoopManager.create(
        config=support.run_config(model, "trainer.use_v1=false", *SETTINGS),
        llm_client=Speaker(support.alphabet_of(tokenizer)),
        reward_loop_worker_handles=manager.reward_loop_worker_handles,
    )
    yield made
    for actor in made.agent_loop_workers:
        ray.kill(actor)


@pytest.fixture(scope="module")
def queue_agents(model: Path, queued: Any, manager: Any, tokenizer: Any) -> Iterator[Any]:
    """One for v1, with its queue."""
    from verl.trainer.ppo.v1 import AgentLoopManagerTQ

    config = support.run_config(model, *SETTINGS)
    config.transfer_queue = queued.transfer_queue
    made = AgentLoopManagerTQ.create(
        config=config,
        llm_client=Speaker(support.alphabet_of(tokenizer)),
        teacher_client=None,
        reward_loop_worker_handles=manager.reward_loop_worker_handles,
    )
    yield made
    for actor in made.agent_loop_workers:
        ray.kill(actor)


def begin_monitors_anew() -> None:
    """Let the monitors that there are forget what they have seen."""
    for actor in [ray.get_actor(name) for name in list_named_actors() if name.startswith(MONITOR)]:
        ray.kill(actor, no_restart=False)
        while True:
            try:
                ray.get(actor.__ray_ready__.remote())
                break
            except ActorUnavailableError:  # it is still restarting
                time.sleep(0.1)


@pytest.fixture(params=["v0", "one_step_off", "fully_async", "v1"])
def trainer(request: pytest.FixtureRequest) -> tuple[str, Callable[..., None], Any]:
    """The trainer's name, what runs it, and its agent-loop manager."""
    name: str = request.param
    agents = request.getfixturevalue("queue_agents" if name == "v1" else "agents")
    begin_monitors_anew()  # the trainers share their agent-loop workers
    return name, getattr(trainers, f"run_{name}"), agents


def offline(dump: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The score of each group of a dump, by its prompt, when the file is read and scored whole."""
    members: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        members.setdefault(row["input"], []).append(row)
    scores = {}
    with Scorer("empo-math") as scorer:
        for read in read_groups(dump):
            assert isinstance(read, ReadGroup)
            group = members.pop(str(read.group.prompt))
            assert read.group.responses == [row["output"] for row in group]
            assert len(group) == support.N
            score = scores[group[0]["input"]] = scorer.score(read.group)
            assert [row["score"] for row in group] == support.float32(score.rewards)
            assert [row["empo/reward"] for row in group] == list(score.rewards)
            assert [row["empo/answer"] for row in group] == [answer.text for answer in score.answers]
            assert [row["empo/cluster"] for row in group] == list(score.clusters)
            assert {row["empo/cause"] for row in group} == {None}
    assert not members
    return scores


def test_the_log_of_a_trainer_has_the_numbers_of_each_step_and_the_alarm(
    trainer: tuple[str, Callable[..., None], Any],
    model: Path,
    tokenizer: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    name, run, agents = trainer
    monkeypatch.setenv("VERL_FILE_LOGGER_PATH", str(tmp_path / "log.jsonl"))
    config = support.run_config(
        model, f"trainer.use_v1={name == 'v1'}", *SETTINGS, f"trainer.rollout_data_dir={tmp_path / 'dump'}"
    )
    parts = ENTRIES.get(name, [[0], [1], [2], [3]])
    count = 6 if name == "fully_async" else 4
    run(config, tokenizer, agents, trainers.batches(count, count // 2))
    steps, rows = trainers.logged(tmp_path / "log.jsonl"), trainers.dumped(tmp_path / "dump")
    assert sum(map(len, rows.values())) == count * PROMPTS * support.N
    assert len(steps) == len(parts)
    scores = [offline(tmp_path / "dump" / f"{step}.jsonl", dumped) for step, dumped in sorted(rows.items())]
    for part, (_, entry) in zip(parts, sorted(steps.items()), strict=True):
        assert "critic/rewards/mean" in entry
        groups = [score for step in part for score in scores[step].values()]
        for key in ("entropy", "largest_share", "unanimous", "blanks", "flagged", "accuracy", "pseudo_label_accuracy"):
            expected = fmean(score.entropy if key == "entropy" else score.metrics[key] for score in groups)
            assert entry[f"empo/{key}"] == pytest.approx(expected, rel=1e-6, abs=1e-9), key
        assert (entry["empo/scored"], entry["empo/undecided_pairs"]) == (1.0, 0.0)
        assert {value for key, value in entry.items() if key.startswith("empo/unscored/")} == {0.0}
        assert not any(math.isnan(value) for key, value in entry.items() if key.startswith("empo/"))
    first, *_, last = (entry for _, entry in sorted(steps.items()))
    assert first["empo/entropy"] > 0
    assert first["empo/blanks"] > 0
    # A monitor that is still restarting has no numbers for the first groups.
    assert (first.get("empo/monitor/alarm", 0.0), last["empo/monitor/alarm"] > 0) == (0.0, True)
    assert (last["empo/entropy"], last["empo/unanimous"]) == (0.0, 1.0)
    assert last["empo/monitor/agreement"] > first.get("empo/monitor/agreement", 0.0)
    said = re.findall(r"empo/monitor/alarm:([\d.]+)", capfd.readouterr().out)  # the console's line of a step
    assert said
    assert float(said[-1]) > 0


def test_numbers_are_means_over_the_rows_that_have_them() -> None:
    rows = [
        {"scored": 1.0, "entropy": 0.5, "accuracy": math.nan, "monitor/alarm": 0.0},
        {"scored": 0.0, "entropy": math.nan, "accuracy": math.nan, "monitor/alarm": 1.0},
        {"scored": None, "acc": 1.0},  # a validation row
        {"acc": 1.0},  # another reward manager's
    ]
    found = step_metrics(rows)
    assert found == {"empo/scored": 0.5, "empo/entropy": 0.5, "empo/monitor/alarm": 1.0}
    assert step_metrics(rows[2:]) == {}


def test_the_names_of_metrics_do_not_change_how_verl_averages_them() -> None:
    """verl's fully asynchronous trainer takes a key with "max", "min" or "sum" in it for another aggregate."""
    from verl.experimental.fully_async_policy.detach_utils import MetricsAggregator

    aggregator = MetricsAggregator(1)
    assert {aggregator._get_aggregation_type(f"empo/{key}") for key in KEYS} == {"avg"}
    assert all(key.startswith("empo/") for key in DETAILS)


def test_a_trainer_of_somebody_else_has_the_numbers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe's trainer has imported the function by its name, as verl's own have."""
    original = inspect.unwrap(metric_utils.compute_data_metrics)
    monkeypatch.setattr(metric_utils, "compute_data_metrics", original)
    recipe = ModuleType("a_recipes_trainer")
    monkeypatch.setitem(sys.modules, recipe.__name__, recipe)
    recipe.__dict__["compute_data_metrics"] = original
    trainer_hooks.install_in_trainers()
    assert recipe.__dict__["compute_data_metrics"] is metric_utils.compute_data_metrics is not original


def test_a_version_with_other_functions_is_named_at_the_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def compute_data_metrics(batch: Any) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(metric_utils, "compute_data_metrics", compute_data_metrics)
    trainer_hooks.install_in_trainers()
    assert metric_utils.compute_data_metrics is compute_data_metrics
    assert "no verl.trainer.ppo.metric_utils.compute_data_metrics(batch, use_critic): the log lacks" in caplog.text

"""Configurations that cannot work are refused at the start of a run, and by `verl-check`: one line with the remedy."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import verl.trainer.main_ppo
import verl.utils.device
import verl_support as support
from hydra import compose, initialize_config_dir

from empo_rewards.cli.app import main
from empo_rewards.errors import ConfigError
from empo_rewards.integrations.verl.check import configuration, dry_run
from empo_rewards.integrations.verl.requirements import (
    AGENT_LOOP,
    FORMER_AGENT_LOOP,
    REQUIREMENTS,
    problems,
    trainer_of,
)
from empo_rewards.integrations.verl.settings import plain

MISTAKES = {
    "naive manager": (
        ["reward.reward_manager.name=naive", "algorithm.adv_estimator=empo_grpo"],
        "reward.reward_manager.name=naive with empo_grpo",
        "set reward.reward_manager.name=empo",
    ),
    "former agent loop": (
        [f"+{AGENT_LOOP}={FORMER_AGENT_LOOP}"],
        f"{AGENT_LOOP}={FORMER_AGENT_LOOP}",
        "remove the setting",
    ),
    "custom function": (
        ["reward.custom_reward_function.path=mine.py"],
        "reward.custom_reward_function.path=mine.py",
        "remove it",
    ),
    "colocated reward model": (
        ["reward.reward_model.enable=true", "reward.reward_model.model_path=rm"],
        "reward.reward_model.enable=true",
        "set reward.reward_model.enable=false",
    ),
    "reward model of its own": (
        ["reward.reward_model.enable=true", "reward.reward_model.enable_resource_pool=true"],
        "reward.reward_model.enable=true",
        "set reward.reward_model.enable=false",
    ),
    "groups of one": (
        ["actor_rollout_ref.rollout.n=1"],
        "actor_rollout_ref.rollout.n=1: a group of one",
        "set actor_rollout_ref.rollout.n to 2 or more",
    ),
    "groups of one, declared": (
        ["+reward.reward_kwargs.group_size=1"],
        "reward.reward_kwargs.group_size=1: a group of one",
        "2 or more",
    ),
    "temperature 0": (
        ["actor_rollout_ref.rollout.temperature=0"],
        "actor_rollout_ref.rollout.temperature=0",
        "set actor_rollout_ref.rollout.temperature=1.0",
    ),
    "greedy": (
        ["actor_rollout_ref.rollout.do_sample=false"],
        "actor_rollout_ref.rollout.do_sample=false",
        "do_sample=true",
    ),
    "a scale that is lost": (
        ["+reward.reward_kwargs.scorer=seed-grpo"],
        "the strategy entropy_scaled with algorithm.adv_estimator=grpo",
        "set algorithm.adv_estimator=empo_grpo",
    ),
    "votes that are trained on": (
        ["+reward.reward_kwargs.scorer={preset: ttrl, trained: 3}", "actor_rollout_ref.rollout.n=4"],
        "trained: 3 of 4 rollouts with algorithm.adv_estimator=grpo",
        "set algorithm.adv_estimator=empo_grpo",
    ),
    "advantages that are divided": (
        [
            "+reward.reward_kwargs.scorer.strategy={name: restrain, centre: 0.5, width: 1, least_votes: 2, penalty: 1}",
            "algorithm.adv_estimator=empo_grpo",
        ],
        "the strategy restrain with algorithm.norm_adv_by_std_in_grpo=true",
        "set algorithm.norm_adv_by_std_in_grpo=false",
    ),
    "KL in the reward": (
        ["algorithm.adv_estimator=empo_grpo", "algorithm.use_kl_in_reward=true"],
        "algorithm.adv_estimator=empo_grpo with algorithm.use_kl_in_reward=true",
        "algorithm.use_kl_in_reward=false",
    ),
    "a filter of equal numbers": (
        ["algorithm.filter_groups.enable=true", "algorithm.filter_groups.metric=entropy"],
        "algorithm.filter_groups.metric=entropy",
        "set algorithm.filter_groups.metric=reward",
    ),
    "no log-probabilities": (
        [
            "+reward.reward_kwargs.scorer={entropy: rao_blackwell}",
            "actor_rollout_ref.rollout.calculate_log_probs=false",
        ],
        "entropy rao_blackwell with actor_rollout_ref.rollout.calculate_log_probs=false",
        "set actor_rollout_ref.rollout.calculate_log_probs=true",
    ),
    "no training file": (
        ["data.train_files=nowhere.parquet"],
        "data.train_files=nowhere.parquet (no such file)",
        "make",
    ),
    "no validation file": (
        ["data.val_files=[nowhere.parquet]"],
        "data.val_files=nowhere.parquet (no such file)",
        "make",
    ),
    "no file named": (["data.train_files=null"], "data.train_files=None (no such file)", "make"),
}
"""Name: overrides, and what the message begins with and holds."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A training and a validation set, as overrides."""
    return support.make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def mistaken(model: Path, data: list[str]) -> dict[str, Any]:
    """The configuration of each mistake, by its name."""
    return {name: support.config(model, *data, *overrides) for name, (overrides, _, _) in MISTAKES.items()}


def test_every_requirement_has_a_mistake(mistaken: dict[str, Any]) -> None:
    """The names of the mistakes cover the table: each row is broken by one of them."""
    said = [next(problems(plain(config))) for config in mistaken.values()]
    for requirement in REQUIREMENTS:
        assert any(requirement.reason in message for message in said), requirement.refused


@pytest.mark.parametrize("name", MISTAKES)
def test_a_run_is_refused_before_it_starts(mistaken: dict[str, Any], name: str) -> None:
    """By the function with which the `main` of each of verl's trainers begins, and by `verl-check`."""
    (_, start, remedy), config = MISTAKES[name], mistaken[name]
    with pytest.raises(ConfigError) as caught:
        verl.utils.device.auto_set_device(config)
    said = str(caught.value)
    with pytest.raises(ConfigError) as checked:
        configuration(config)
    assert str(checked.value) == said
    assert said.startswith(start)
    assert remedy in said.partition("; ")[2]
    assert "\n" not in said


def test_what_can_work_is_not_refused(model: Path, data: list[str]) -> None:
    for overrides in (
        [],
        [f"+{AGENT_LOOP}=verl.experimental.agent_loop.AgentLoopManager"],
        ["+reward.reward_kwargs.scorer=seed-grpo", "algorithm.adv_estimator=empo_grpo"],
        ["algorithm.use_kl_in_reward=true"],
        ["algorithm.filter_groups.metric=entropy"],
        ["algorithm.filter_groups.enable=true", "algorithm.filter_groups.metric=acc"],
        ["data.train_files=hdfs://far/away.parquet"],
    ):
        verl.utils.device.auto_set_device(support.config(model, *data, *overrides))


def test_a_fully_asynchronous_run_has_no_batch_size(model: Path, data: list[str]) -> None:
    """verl's own rules for the others would refuse it."""
    config = support.config(model, *data, "data.train_batch_size=0", file=support.FULLY_ASYNC)
    assert all(check.fine for check in configuration(config))


def test_other_runs_are_left_alone(model: Path) -> None:
    """All of the mistakes at once, in a run that uses nothing of this adapter."""
    verl.utils.device.auto_set_device(
        support.config(model, "reward.reward_manager.name=naive", "actor_rollout_ref.rollout.n=1")
    )
    verl.utils.device.auto_set_device(None)


def test_the_former_place_of_the_reward_manager_which_verl_ignores(model: Path, data: list[str]) -> None:
    config = plain(support.config(model, *data, "reward.reward_manager.name=naive"))
    (said,) = problems({**config, "reward_model": {"reward_manager": "empo"}})
    assert said.startswith("reward.reward_manager.name=naive with reward_model.reward_manager=empo")


def test_data_that_verl_cannot_train_on(model: Path, data: list[str], tmp_path: Path) -> None:
    broken, other = tmp_path / "broken.parquet", tmp_path / "other.parquet"
    broken.write_text("prompt\n", encoding="utf-8")
    pq.write_table(pa.Table.from_pylist([{"question": "?"}]), other)
    for path, why in ((broken, "not Parquet"), (other, "no column 'prompt'")):
        (said,) = problems(plain(support.config(model, *data, f"data.train_files={path}")))
        assert said.startswith(f"data.train_files={path} ({why}")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("verl.trainer.main_ppo", "ppo_trainer"),
        ("verl.experimental.one_step_off_policy.main_ppo", "one_step_off_ppo_trainer"),
        ("verl.experimental.fully_async_policy.fully_async_main", "fully_async_ppo_trainer"),
    ],
)
def test_the_main_of_every_trainer_begins_with_the_check(model: Path, module: str, name: str) -> None:
    trainer = import_module(module)
    assert trainer.auto_set_device is verl.utils.device.auto_set_device
    folder = Path(trainer.__file__).parent / "config"
    overrides = [f"hydra.searchpath=[file://{support.VERL_CONFIG}]", "actor_rollout_ref.rollout.n=1"]
    with initialize_config_dir(str(folder), version_base=None):
        config = compose(name, overrides=[*overrides, "reward.reward_manager.name=empo"])
    with pytest.raises(ConfigError, match="a group of one"):
        trainer.main.__wrapped__(config)


def test_the_terminal_shows_one_line_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As hydra, which calls verl's `main`, shows it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.setattr(sys, "argv", ["main_ppo", "reward.reward_manager.name=empo", "hydra/job_logging=none"])
    with pytest.raises(SystemExit) as ended:
        verl.trainer.main_ppo.main()
    said = capfd.readouterr().err
    assert ended.value.code == 1
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if "a group of one" in line]
    assert line.startswith("actor_rollout_ref.rollout.n=1")  # verl's default
    assert line.endswith("such as 16")


PRIMARY = """
hydra:
  searchpath: ["pkg://verl.trainer.config"]
defaults: [ppo_trainer, _self_]
reward: {reward_manager: {name: empo}}
algorithm: {adv_estimator: grpo}
actor_rollout_ref:
  rollout: {name: vllm, n: 8, log_prob_micro_batch_size_per_gpu: 1}
  actor: {ppo_micro_batch_size_per_gpu: 1, ppo_mini_batch_size: 8}
data: {train_batch_size: 8}
trainer: {n_gpus_per_node: 1}
"""


def check(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], path: Path, *overrides: str
) -> tuple[int, str]:
    """The exit code of `verl-check`, and what it says on standard error; in this process: verl's import is slow."""
    monkeypatch.setattr(sys, "argv", ["empo-rewards", "verl-check", str(path), *overrides])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(str(ended.value.code)), capfd.readouterr().err


@pytest.mark.parametrize("name", ["no training file", "groups of one"])
def test_verl_check_says_it_in_one_line(
    model: Path,
    data: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
) -> None:
    overrides, start, _ = MISTAKES[name]
    path = tmp_path / "run.yaml"
    path.write_text(PRIMARY, encoding="utf-8")
    code, said = check(monkeypatch, capfd, path, f"actor_rollout_ref.model.path={model}", *data, *overrides)
    assert code == 2
    assert f"error: {start}" in " ".join(said.split())
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("content", "overrides", "message"),
    [
        ("a: [1", [], "run.yaml"),
        (PRIMARY, ["reward.reward_manager.name=naive"], "reward.reward_manager.name=naive: set it to empo"),
        (PRIMARY, ["no_such.key=1"], "no_such"),
        (PRIMARY, ["actor_rollout_ref.rollout.n"], "actor_rollout_ref.rollout.n"),
        (PRIMARY, ["+reward.reward_kwargs.scorer=empo-maths"], "did you mean 'empo-math'"),
        (PRIMARY.replace("defaults: [ppo_trainer", "defaults: [ppo_trainr"), [], "ppo_trainr"),
        (PRIMARY, ["actor_rollout_ref.rollout.n=many"], "actor_rollout_ref.rollout.n=many"),
        ("a: 1", [], "configures no trainer of verl"),
        (None, [], "is no file"),
    ],
    ids=[
        "no YAML",
        "another manager",
        "unknown key",
        "no value",
        "unknown preset",
        "unknown default",
        "no number",
        "not verl's",
        "no file",
    ],
)
def test_a_plain_mistake_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    content: str | None,
    overrides: list[str],
    message: str,
) -> None:
    path = tmp_path / "run.yaml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    code, said = check(monkeypatch, capfd, path, *overrides)
    assert code == 2
    assert message in " ".join(said.split())
    assert "Traceback" not in said


TRAINERS = {"one_step_off": support.ONE_STEP_OFF, "fully_async": support.FULLY_ASYNC}


def test_the_configuration_names_its_trainer(model: Path) -> None:
    for trainer, file in TRAINERS.items():
        assert trainer_of(plain(support.config(model, file=file))) == trainer
    for trainer, use_v1 in (("v0", "false"), ("v1", "true")):
        assert trainer_of(plain(support.config(model, f"trainer.use_v1={use_v1}"))) == trainer


@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_dry_run_takes_the_trainer_of_the_configuration(
    model: Path, manager: Any, data: list[str], trainer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the shared reward workers; v0's path is that of one step off, and `test_launch` takes v1."""
    import verl.experimental.reward_loop

    monkeypatch.setattr(verl.experimental.reward_loop, "RewardLoopManager", lambda _: manager)
    override = "actor_rollout_ref.rollout.val_kwargs.n=2"
    found = dry_run(support.run_config(model, override, *data, file=TRAINERS[trainer]), 1)
    assert [(check.name, check.fine) for check in found] == [
        (f"{trainer}, training rows", True),
        (f"{trainer}, validation rows", True),
    ]
    assert found[0].says == f"{4 * support.N} rows of 4 prompts have their group's offline reward"
    assert found[1].says == "8 rows of 4 prompts have the reward of their label"

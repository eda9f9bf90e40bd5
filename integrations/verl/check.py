"""Checks of a verl environment and a verl configuration, before any GPU is used."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import yaml

from empo_rewards import Scorer
from empo_rewards.errors import ConfigError, InputError
from empo_rewards.extras import hook_of
from empo_rewards.gather.samples import NeutralReward, Sample, group_of, sample_rewards

MANAGER, OUR_PLUGIN = "empo", "empo_rewards"
PROMPTS = 4
"""Generated groups of a dry run: enough to spread over workers and shards."""

ANSWERS = ("\\boxed{12}", "\\boxed{12.0}", "\\boxed{\\frac{24}{2}}", "\\boxed{-7}", "\\boxed{x^2}", "I do not know.")
SECONDS = 600.0
"""Deadline for the rewards of a dry run."""


class Check(NamedTuple):
    """The result of one check.

    Args:
        name: what was checked.
        fine: whether it passed.
        says: what was found; if it did not pass, what to do.
    """

    name: str
    fine: bool
    says: str


def environment() -> list[Check]:
    """Whether verl is installed, and finds the parts that `plugin` registers. Nothing is started."""
    version = metadata.version("verl")
    hook = hook_of("verl", version)
    checks = [Check("verl", hook is not None, f"{version}: {hook or 'no hook that a group reward can use'}")]
    import_module("verl")
    reward_loop = find_spec("verl.experimental") and find_spec("verl.experimental.reward_loop")
    registry = "verl.experimental.reward_loop.reward_manager" if reward_loop else "verl.workers.reward_manager"
    try:
        found = import_module(registry).get_reward_manager_cls(MANAGER).__module__
        checks.append(Check("reward manager", True, f"`{MANAGER}` is {found}"))
    except ValueError as error:
        checks.append(Check("reward manager", False, f"{error}. {_how_to_register()}"))
    for module, need in (("ray", "the rendezvous"), ("hydra", "verl's configuration")):
        there = find_spec(module) is not None
        checks.append(Check(module, there, "installed" if there else f"missing, for {need}: pip install {module}"))
    queue = find_spec("transfer_queue") is not None
    says = (
        "installed" if queue else "missing, for trainer.use_v1: pip install TransferQueue, or set trainer.use_v1=false"
    )
    checks.append(Check("TransferQueue", queue or not reward_loop, says))
    return checks


def _how_to_register() -> str:
    policy = os.environ.get("VERL_USE_EXTERNAL_PLUGINS", "auto")
    if policy != "auto" and OUR_PLUGIN not in policy.split(","):
        return f"VERL_USE_EXTERNAL_PLUGINS={policy} leaves out {OUR_PLUGIN!r}"
    return "Set VERL_USE_EXTERNAL_MODULES=empo_rewards.integrations.verl.plugin, and look for an error above"


def compose(path: Path, overrides: Sequence[str]) -> Any:
    """The configuration that verl would use.

    Args:
        path: a primary configuration file, as `--config-path` and `--config-name` name it.
        overrides: as on verl's command line.

    Raises:
        InputError: there is no such file.
        ConfigError: hydra or verl refuses it.
    """
    from hydra import compose as hydra_compose  # noqa: PLC0415 - named like ours
    from hydra import initialize_config_dir  # noqa: PLC0415 - as above
    from hydra.errors import HydraException  # noqa: PLC0415 - as above
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415 - as above

    from empo_rewards.integrations.verl import requirements  # noqa: PLC0415 - needs what `environment` checks

    if not path.is_file():
        raise InputError(f"{path} is no file")
    try:
        with initialize_config_dir(str(path.resolve().parent), version_base=None):
            composed = hydra_compose(path.stem, overrides=list(overrides))
        if "actor_rollout_ref" not in composed or "reward" not in composed:
            raise ConfigError(f"{path} configures no trainer of verl: begin it with `defaults: [ppo_trainer, _self_]`")
        return requirements.effective(composed)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error


def configuration(config: Any) -> list[Check]:
    """Check a configuration by the adapter's rules and verl's; nothing is started.

    Raises:
        ConfigError: in one line, what is wrong.
    """
    from verl.trainer.ppo.reward import resolve_reward_manager_cls  # noqa: PLC0415 - slow to import
    from verl.trainer.ppo.utils import need_critic, need_reference_policy  # noqa: PLC0415 - slow to import
    from verl.utils.config import validate_config  # noqa: PLC0415 - slow to import

    from empo_rewards.integrations.verl import hooks, requirements, settings  # noqa: PLC0415 - as `environment` checks

    plain = settings.plain(config)
    if not requirements.is_ours(plain):
        raise ConfigError(f"reward.reward_manager.name={config.reward.reward_manager.name}: set it to {MANAGER}")
    if (problem := next(requirements.problems(plain), None)) is not None:
        raise ConfigError(problem)
    try:
        named = resolve_reward_manager_cls(config)
    except (ValueError, AssertionError, ImportError, AttributeError) as error:
        raise ConfigError(f"reward.reward_manager: {error}. {_how_to_register()}") from error
    try:
        validate_config(config, need_reference_policy(config), need_critic(config))
    except (AssertionError, ValueError) as error:
        raise ConfigError(f"verl refuses the configuration: {' '.join(str(error).split())}") from error
    run = settings.read(plain)
    neutral = "the running mean" if run.neutral is None else f"{run.neutral:g}"
    phase = "the agent-loop workers" if hooks.observes() else "the declared splits and data sources"
    return [
        Check("reward manager", True, f"{named.__module__}.{named.__name__}"),
        Check("group", True, f"{run.group_size} rollouts a prompt, over {run.shards} rendezvous actors"),
        Check("validation rows", True, f"known by {phase}"),
        Check("without a reward", True, f"a row is given {neutral} ({config.algorithm.adv_estimator})"),
        Check("not refused", True, f"by any of {len(requirements.REQUIREMENTS)} rules"),
    ]


def dry_run(config: Any, workers: int) -> list[Check]:
    """Generated rollouts through verl's own reward workers, as one batch and row by row, compared with offline scores.

    Args:
        config: as composed.
        workers: reward workers to start.
    """
    from omegaconf import OmegaConf  # noqa: PLC0415 - comes with verl
    from transformers import AutoTokenizer  # noqa: PLC0415 - slow to import

    from empo_rewards.integrations.verl import settings  # noqa: PLC0415 - needs what `environment` checks

    run = settings.read(settings.plain(config))
    model = config.actor_rollout_ref.model
    source = model.get("tokenizer_path") or model.path
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the tokenizer {source} cannot be loaded: {' '.join(str(error).split())[:300]}") from error
    dice = random.Random(0)  # noqa: S311 - made-up rollouts
    rows = [(f"dry run {k}", dice.choice(ANSWERS[: k + 2])) for k in range(PROMPTS) for _ in range(run.group_size)]
    dice.shuffle(rows)
    data = _batch(tokenizer, rows)
    expected = _offline(run.settings.scorer, rows, tokenizer)
    started = OmegaConf.merge(config, {"reward": {"num_workers": workers}, "data": {"train_batch_size": PROMPTS}})
    with _reward_workers(started) as manager:
        whole = manager.compute_rm_score(data).batch["rm_scores"].sum(-1)
        single = torch.tensor(asyncio.run(_one_by_one(manager, data)))
    wanted = torch.tensor(expected)
    return [
        Check("as one batch", bool((whole == wanted).all()), _comparison(whole, wanted)),
        Check("row by row", bool((single == wanted).all()), _comparison(single, wanted)),
    ]


def _comparison(found: torch.Tensor, wanted: torch.Tensor) -> str:
    wrong = int((found != wanted).sum())
    count = f"{len(wanted)} rows in {PROMPTS} groups"
    return f"{count} have their offline reward" if not wrong else f"{wrong} of {count} differ from their offline reward"


def _batch(tokenizer: Any, rows: Sequence[tuple[str, str]]) -> Any:
    from tensordict import TensorDict  # noqa: PLC0415 - comes with verl
    from verl import DataProto  # noqa: PLC0415 - comes with verl

    prompts = [tokenizer.encode(uid, add_special_tokens=False) for uid, _ in rows]
    responses = [tokenizer.encode(text, add_special_tokens=False) for _, text in rows]
    wide, long = max(map(len, prompts)), max(map(len, responses))
    ids, mask = torch.zeros(len(rows), wide + long, dtype=torch.long), torch.zeros(len(rows), wide + long)
    for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        place = slice(wide - len(prompt), wide + len(response))
        ids[row, place] = torch.tensor(prompt + response)
        mask[row, place] = 1
    tensors = {"prompts": ids[:, :wide], "responses": ids[:, wide:], "attention_mask": mask.long()}
    fields: dict[str, Sequence[object]] = {
        "uid": [uid for uid, _ in rows],
        "data_source": ["dry run"] * len(rows),
        "reward_model": [{"ground_truth": "12"}] * len(rows),
        "extra_info": [{"split": "train"}] * len(rows),
    }
    return DataProto(
        batch=TensorDict(tensors, batch_size=len(rows)),
        non_tensor_batch={name: _objects(values) for name, values in fields.items()},
    )


def _objects(values: Sequence[object]) -> np.ndarray[Any, np.dtype[np.object_]]:
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array


def _offline(scorer: Any, rows: Sequence[tuple[str, str]], tokenizer: Any) -> list[float]:
    """The offline reward of each row; 0 where its group has no rewards."""
    members: dict[str, list[int]] = {}
    for row, (uid, _) in enumerate(rows):
        members.setdefault(uid, []).append(row)
    rewards = [0.0] * len(rows)
    with Scorer(scorer) as made:
        for uid, places in members.items():
            texts = [
                tokenizer.decode(tokenizer.encode(rows[i][1], add_special_tokens=False), skip_special_tokens=True)
                for i in places
            ]
            score = made.score(group_of([Sample(uid, text, reference="12") for text in texts]))
            for place, given in zip(places, sample_rewards(score, NeutralReward(0.0)), strict=True):
                rewards[place] = given.reward
    return rewards


async def _one_by_one(manager: Any, data: Any) -> list[float]:
    workers = manager.reward_loop_workers
    calls = [workers[i % len(workers)].compute_score.remote(data[i : i + 1]) for i in range(len(data))]
    results = await asyncio.wait_for(asyncio.gather(*(_awaited(call) for call in calls)), SECONDS)
    return [result["reward_score"] for result in results]


async def _awaited(call: Any) -> Any:
    return await call


@contextmanager
def _reward_workers(config: Any) -> Iterator[Any]:
    """verl's reward workers on a local ray, which ends with them."""
    import ray  # noqa: PLC0415 - comes with verl
    from verl.experimental.reward_loop import RewardLoopManager  # noqa: PLC0415 - slow to import

    needed = int(config.reward.num_workers) + 4  # logical: verl's actors ask for one each
    ray.init(num_cpus=needed, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield RewardLoopManager(config)
    finally:
        ray.shutdown()

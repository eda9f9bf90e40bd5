"""docs/verl.md agrees with the code."""

from __future__ import annotations

import re
from pathlib import Path

import verl_support as support
from pages import quoted, section, table
from verl.trainer.ppo.reward import resolve_reward_manager_cls

from empo_rewards.integrations.verl.manager import EMPORewardManager
from empo_rewards.integrations.verl.requirements import REQUIREMENTS
from empo_rewards.integrations.verl.row_rewards import DETAILS, KEYS
from empo_rewards.integrations.verl.settings import VerlSettings
from empo_rewards.integrations.verl.trainer_hooks import TRAINERS
from empo_rewards.integrations.verl.validation import ValidationRule

PAGE = (Path(__file__).parents[3] / "docs" / "verl.md").read_text(encoding="utf-8")


def test_every_setting_is_documented_and_no_other() -> None:
    documented = [key for cells in table(PAGE, "key", "default") for key in quoted(cells[0])]
    settings = (set(VerlSettings.model_fields) - {"validation"}) | {
        f"validation.{name}" for name in ValidationRule.model_fields
    }
    assert sorted(documented) == sorted(settings)


def test_every_metric_is_documented() -> None:
    listed = quoted(section(PAGE, "Metrics"))
    for key in KEYS:
        assert key in listed or key.startswith("unscored/"), key


def test_the_details_of_a_dump_are_documented() -> None:
    assert set(DETAILS) <= set(quoted(section(PAGE, "Metrics")))


def test_the_refused_configurations_are_those_of_the_code() -> None:
    documented = table(PAGE, "refused", "because", "instead")
    assert documented == [[row.refused, row.reason, row.remedy] for row in REQUIREMENTS]


def test_the_wrapped_functions_of_the_trainers_are_documented() -> None:
    named = " ".join(quoted(section(PAGE, "Metrics")))
    for _, _, function, *_ in TRAINERS:
        assert function in named


def test_the_classes_are_found_by_the_names_that_the_page_gives(model: Path) -> None:
    path, name = re.findall(r"path=(pkg://\S+)`, `.name=(\w+)`", PAGE)[0]
    config = support.config(
        model,
        "reward.reward_manager.source=importlib",
        f"reward.reward_manager.module.path={path}",
        f"reward.reward_manager.name={name}",
    )
    assert resolve_reward_manager_cls(config) is EMPORewardManager
    assert resolve_reward_manager_cls(support.config(model)) is EMPORewardManager

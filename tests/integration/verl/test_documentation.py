"""docs/verl.md agrees with the code."""

from __future__ import annotations

import re
from pathlib import Path

import verl_support as support
from pages import quoted, section, table
from verl.trainer.ppo.reward import resolve_reward_manager_cls
from verl.utils.import_utils import load_class_from_fqn

from empo_rewards.integrations.verl.agent_loop import EMPOAgentLoopManager
from empo_rewards.integrations.verl.manager import EMPORewardManager
from empo_rewards.integrations.verl.row_rewards import KEYS
from empo_rewards.integrations.verl.settings import AGENT_LOOP, VerlSettings
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


def test_the_classes_are_found_by_the_names_that_the_page_gives(model: Path) -> None:
    assert AGENT_LOOP in PAGE
    assert load_class_from_fqn(AGENT_LOOP) is EMPOAgentLoopManager
    path, name = re.findall(r"path=(pkg://\S+)`, `.name=(\w+)`", PAGE)[0]
    config = support.config(
        model,
        "reward.reward_manager.source=importlib",
        f"reward.reward_manager.module.path={path}",
        f"reward.reward_manager.name={name}",
    )
    assert resolve_reward_manager_cls(config) is EMPORewardManager
    assert resolve_reward_manager_cls(support.config(model)) is EMPORewardManager

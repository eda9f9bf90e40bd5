"""docs/adapters.md: each cell that says what arrives is tested, by the test named here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from pages import table

from empo_rewards import Group, Scorer
from empo_rewards.server.schemas import GroupBody, MemberBody

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adapters.md").read_text(encoding="utf-8")

V0 = "integration/verl/test_streaming_v0.py::test_rewards_are_those_of_whole_groups_with_phase_and_size_as_they_are"
V1 = "integration/verl/test_streaming_v1.py::test_the_agent_loops"
ASYNC = "integration/verl/test_async.py::test_fully_asynchronous"
WORKERS = "integration/verl/test_reward_workers.py"
SIZES = f"{WORKERS}::test_a_row_may_say_the_size_of_its_group_which_waits_for_a_lost_row_until_its_deadline"
LABELS = "integration/verl/test_configuration.py::test_a_label_is_what_it_is_elsewhere"
LOGPROBS = "integration/verl/test_carried.py::test_log_probabilities_as_verl_records_them"
MARKS = "integration/verl/test_carried.py::test_what_was_only_thought_is_no_answer"
TRACKED = "integration/verl/test_tracking.py::test_the_log_of_a_trainer_has_the_numbers_of_each_step_and_the_alarm"
AGENT = "integration/openrlhf/test_agent.py"
TRL = "adapters/test_trl_reward.py"
SLIME = "adapters/test_slime.py"
ROUTES = "server/test_server_routes.py"
FAULTS = "server/test_server_faults.py"
OPENRLHF = "server/test_server_openrlhf.py"
HERE = "adapters/test_inputs.py"

TESTS = {
    "verl, v0 and one step off": {
        "prompt": V0,
        "labels": LABELS,
        "token log-probabilities": LOGPROBS,
        "special tokens": MARKS,
        "group size": V0,
        "lost members": "integration/verl/test_carried.py::test_a_failed_rollout_leaves_its_group_unscored_at_once",
        "evaluation": V0,
        "numbers in": TRACKED,
    },
    "verl, v1": {
        "prompt": V1,
        "labels": LABELS,
        "token log-probabilities": LOGPROBS,
        "special tokens": MARKS,
        "group size": V1,
        "lost members": V1,
        "evaluation": V1,
        "numbers in": TRACKED,
    },
    "verl, fully asynchronous": {
        "prompt": ASYNC,
        "labels": LABELS,
        "token log-probabilities": ASYNC,
        "special tokens": MARKS,
        "group size": ASYNC,
        "lost members": ASYNC,
        "evaluation": ASYNC,
        "numbers in": TRACKED,
    },
    "verl, row by row": {
        "prompt": f"{WORKERS}::test_single_rows_in_any_order_to_one_worker_that_ray_would_give_1000",
        "labels": LABELS,
        "special tokens": MARKS,
        "group size": SIZES,
        "lost members": SIZES,
        "evaluation": f"{WORKERS}::test_validation_rows_are_held_against_their_label",
        "numbers in": f"{WORKERS}::test_single_rows_in_any_order_to_one_worker_that_ray_would_give_1000",
    },
    "OpenRLHF, agent": {
        "prompt": f"{AGENT}::test_every_reward_is_the_offline_reward_of_its_group",
        "labels": f"{AGENT}::test_an_evaluation_of_a_known_size_is_paid_its_accuracy",
        "token log-probabilities": f"{AGENT}::test_token_log_probabilities_reach_the_scorer",
        "special tokens": f"{AGENT}::test_every_reward_is_the_offline_reward_of_its_group",
        "group size": f"{AGENT}::test_a_group_of_a_size_that_is_not_expected_is_refused",
        "lost members": f"{AGENT}::test_a_failed_generation_fails_its_own_group_only",
        "evaluation": f"{AGENT}::test_an_evaluation_of_a_known_size_is_paid_its_accuracy",
        "numbers in": "integration/openrlhf/test_rewards.py::test_the_page_lists_what_is_logged",
    },
    "TRL": {
        "prompt": f"{TRL}::test_conversations",
        "labels": f"{TRL}::test_labels_are_no_reward_and_may_be_absent",
        "token log-probabilities": f"{TRL}::test_log_probabilities_come_from_a_function",
        "group size": f"{TRL}::test_evaluation_has_a_size_of_its_own",
        "lost members": f"{TRL}::test_what_is_no_whole_group_is_refused",
        "evaluation": "integration/trl/test_two_ranks.py::test_evaluations_have_groups_of_their_own_size",
        "numbers in": f"{TRL}::test_metrics_are_means_over_the_batch",
    },
    "slime": {
        "prompt": f"{SLIME}::test_conversations",
        "labels": f"{SLIME}::test_an_evaluation_is_the_accuracy_of_single_samples",
        "token log-probabilities": f"{SLIME}::test_the_log_probabilities_of_the_rollout_reach_the_estimator",
        "group size": f"{SLIME}::test_each_group_gets_the_rewards_of_its_offline_score",
        "lost members": f"{SLIME}::test_a_sample_that_was_lost_makes_its_group_incomplete",
        "evaluation": f"{SLIME}::test_an_evaluation_is_the_accuracy_of_single_samples",
        "numbers in": f"{SLIME}::test_the_log_has_the_means_of_the_metrics",
    },
    "server, `/score`": {
        "prompt": f"{ROUTES}::test_score_gives_the_whole_group_score",
        "labels": f"{ROUTES}::test_a_label_is_a_text_a_number_or_a_list_of_them",
        "token log-probabilities": f"{HERE}::test_log_probabilities_in_the_servers_bodies",
        "group size": f"{ROUTES}::test_score_gives_the_whole_group_score",
        "lost members": f"{ROUTES}::test_score_gives_the_whole_group_score",
        "numbers in": f"{ROUTES}::test_score_gives_the_whole_group_score",
    },
    "server, members": {
        "prompt": f"{ROUTES}::test_members_with_ids_join_once_and_may_be_forgotten",
        "labels": f"{ROUTES}::test_a_label_is_a_text_a_number_or_a_list_of_them",
        "token log-probabilities": f"{HERE}::test_log_probabilities_in_the_servers_bodies",
        "group size": f"{ROUTES}::test_members_with_ids_join_once_and_may_be_forgotten",
        "lost members": f"{ROUTES}::test_members_with_ids_join_once_and_may_be_forgotten",
        "numbers in": f"{ROUTES}::test_health_readiness_and_metrics",
    },
    "server, OpenRLHF's bodies": {
        "prompt": f"{ROUTES}::test_single_posts_in_any_order_are_paid_by_their_group",
        "labels": f"{OPENRLHF}::test_an_empty_label_is_none",
        "group size": f"{ROUTES}::test_evaluation_beside_training_on_the_same_prompts",
        "lost members": f"{FAULTS}::test_two_of_a_hundred_never_come",
        "evaluation": f"{ROUTES}::test_evaluation_beside_training_on_the_same_prompts",
        "numbers in": f"{OPENRLHF}::test_the_logs_are_numbers_under_the_same_keys_whatever_there_is_of_them",
    },
}
"""The test of each cell, by adapter and column."""

OTHERS_DO = ("the caller's", "dropped by TRL", "as slime decodes", "not in the body", "not passed by verl")
"""Cells about what happens before the adapter: nothing of ours to test."""


def cells() -> dict[str, dict[str, str]]:
    """The page's table: the text of each cell by adapter and column."""
    header = next(line for line in PAGE.splitlines() if line.startswith("| adapter |"))
    names = [cell.strip() for cell in header.strip("|").split("|")]
    return {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in table(PAGE, "adapter")}


def test_each_cell_has_its_test() -> None:
    shown = cells()
    assert {name: set(tests) for name, tests in TESTS.items()} == {
        name: {column for column, text in row.items() if text not in OTHERS_DO} for name, row in shown.items()
    }


@pytest.mark.parametrize("test", sorted({test for row in TESTS.values() for test in row.values()}))
def test_the_test_exists(test: str) -> None:
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_log_probabilities_in_the_servers_bodies() -> None:
    """A body's group is the group that is scored offline."""
    logprobs = [[-0.5, -1.0], [-0.25]]
    responses = [r"\boxed{1}", r"\boxed{2}"]
    group = GroupBody(prompt="p", responses=responses, token_logprobs=logprobs).group()
    assert group == Group("p", responses, token_logprobs=logprobs)
    samples = [
        MemberBody(prompt="p", response=text, token_logprobs=values).sample()
        for text, values in zip(responses, logprobs, strict=True)
    ]
    assert [list(sample.token_logprobs or ()) for sample in samples] == logprobs
    with Scorer({"preset": "empo-math", "entropy": "rao_blackwell"}) as scorer:
        assert scorer.score(group).entropy is not None

"""The TRL reward called as by a trainer on one rank; several ranks and real trainers: tests/integration/trl."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from empo_rewards import ConfigError, GroupError, hookimpl
from empo_rewards.integrations.trl import EMPOReward
from empo_rewards.protocols import EquivalenceBackend

BOXED = {"extraction": ["boxed"], "equivalence": "exact"}


class Trainer:
    """What a reward can see of TRL's trainer."""

    def __init__(self, size: int, evaluation_size: int, *, training: bool = True) -> None:
        self.num_generations, self.num_generations_eval = size, evaluation_size
        self.model = SimpleNamespace(training=training)
        self.logged: dict[str, float] = {}

    def log_metric(self, name: str, value: float) -> None:
        assert name not in self.logged
        self.logged[name] = value

    def ask(self, reward: Any, prompts: list[Any], completions: list[Any], **columns: object) -> Any:
        self.logged = {}
        state = SimpleNamespace(global_step=3)
        passed = {"completion_ids": [[1]] * len(prompts), "log_extra": None, **columns}
        return reward(
            prompts=prompts, completions=completions, trainer_state=state, log_metric=self.log_metric, **passed
        )


def boxed(*answers: object) -> list[str]:
    return [rf"so \boxed{{{answer}}}" for answer in answers]


def test_each_group_is_rewarded_on_its_own() -> None:
    trainer = Trainer(4, 4)
    rewards = trainer.ask(EMPOReward(BOXED), ["p"] * 4 + ["q"] * 4, boxed(1, 1, 2, 3, 5, 5, 5, 5))
    assert rewards == [0.5, 0.5, 0.25, 0.25, 1, 1, 1, 1]


def test_groups_of_one_prompt_that_follow_each_other_are_distinct() -> None:
    trainer = Trainer(2, 2)
    assert trainer.ask(EMPOReward(BOXED), ["p"] * 6, boxed(1, 1, 1, 2, 3, 3)) == [1, 1, 0.5, 0.5, 1, 1]


@pytest.mark.parametrize(("training", "rewards"), [(True, [0.5, 0.25, 0.5, 0.25]), (False, [0.5, 0.5, 0.5, 0.5])])
def test_evaluation_has_a_size_of_its_own(training: bool, rewards: list[float]) -> None:
    trainer = Trainer(4, 2, training=training)
    assert trainer.ask(EMPOReward(BOXED), ["p"] * 4, boxed(1, 2, 1, 3)) == rewards


def test_conversations() -> None:
    prompt = [
        {"role": "system", "content": "Box it."},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "1 + 1 = ?"}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "add"}}]},
        {"role": "tool", "content": "2"},
    ]
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "add"}}]}
    completions = [
        [{"role": "assistant", "content": r"\boxed{2}"}],
        [call, {"role": "tool", "content": r"\boxed{7}"}, {"role": "assistant", "content": r"\boxed{2}"}],
        [{"role": "assistant", "content": [{"type": "text", "text": r"\boxed{2}"}]}],
        [call, {"role": "tool", "content": r"\boxed{2}"}],
    ]
    assert Trainer(4, 4).ask(EMPOReward(BOXED), [prompt] * 4, completions) == [0.75, 0.75, 0.75, 0]


def test_a_trainer_that_does_not_show_itself_needs_the_size() -> None:
    with pytest.raises(ConfigError, match="group_size=N"):
        EMPOReward(BOXED)(["p"] * 2, boxed(1, 1))
    assert EMPOReward(BOXED, group_size=2)(["p"] * 4, boxed(1, 1, 1, 2)) == [1, 1, 0.5, 0.5]
    assert EMPOReward(BOXED, group_size=2)(["p"] * 2, boxed(1, 1), log_metric=print) == [1, 1]


def test_the_size_that_a_trainer_shows_goes_before_the_one_that_was_set() -> None:
    assert Trainer(4, 4).ask(EMPOReward(BOXED, group_size=2), ["p"] * 4, boxed(1, 1, 2, 3)) == [0.5, 0.5, 0.25, 0.25]


def test_log_probabilities_come_from_a_function() -> None:
    """TRL passes none: the function gets the trainer's other arguments, and its numbers are the group's."""
    config = {**BOXED, "strategy": {"name": "likelihood"}}
    assert Trainer(2, 2).ask(EMPOReward(config), ["p"] * 2, boxed(1, 2)) == [None, None]

    def logprobs(prompts: Sequence[Any], columns: Mapping[str, Any]) -> list[list[float]]:
        assert prompts == ["p"] * 2
        return [[-float(token) for token in ids] for ids in columns["completion_ids"]]

    asked = {"completion_ids": [[1, 3], [4]]}
    assert Trainer(2, 2).ask(EMPOReward(config, logprobs=logprobs), ["p"] * 2, boxed(1, 2), **asked) == [-2, -4]
    with pytest.raises(GroupError, match="2 labels and 1 lists of log-probabilities"):
        Trainer(2, 2).ask(EMPOReward(config, logprobs=lambda prompts, columns: [[-1.0]]), ["p"] * 2, boxed(1, 2))


def test_what_is_no_whole_group_is_refused() -> None:
    with pytest.raises(GroupError, match=r"step 3: all ranks together have 6 completions.*groups of 4"):
        Trainer(4, 4).ask(EMPOReward(BOXED), ["p"] * 6, boxed(*range(6)))
    with pytest.raises(GroupError, match="step 3, group 1: its 2 completions have different prompts"):
        Trainer(2, 2).ask(EMPOReward(BOXED), ["p", "p", "q", "p"], boxed(1, 1, 1, 1))
    with pytest.raises(GroupError, match=r"prompt\[0\] must be a message"):
        Trainer(2, 2).ask(EMPOReward(BOXED), [["p"], ["p"]], boxed(1, 1))
    with pytest.raises(GroupError, match="2 prompts, 1 completions"):
        Trainer(2, 2).ask(EMPOReward(BOXED), ["p", "p"], boxed(1))


def test_a_group_below_a_gate_has_no_rewards_and_says_why() -> None:
    trainer = Trainer(4, 4)
    reward = EMPOReward({**BOXED, "gates": {"min_share": 0.6}})
    assert trainer.ask(reward, ["p"] * 8, boxed(1, 1, 2, 3, 1, 1, 1, 2)) == [None] * 4 + [0.75, 0.75, 0.75, 0.25]
    assert trainer.logged["empo/scored"] == 0.5
    assert trainer.logged["empo/unscored/share_low"] == 0.5


def test_a_cause_is_logged_from_its_first_occurrence_on() -> None:
    trainer = Trainer(2, 2)
    reward = EMPOReward({**BOXED, "gates": {"min_share": 0.6}})
    trainer.ask(reward, ["p"] * 2, boxed(1, 1))
    assert not [name for name in trainer.logged if "unscored" in name]
    trainer.ask(reward, ["p"] * 2, boxed(1, 2))
    trainer.ask(reward, ["p"] * 2, boxed(1, 1))
    assert {n: v for n, v in trainer.logged.items() if "unscored" in n} == {"empo/unscored/share_low": 0}


class Broken(EquivalenceBackend):
    """A backend that dies on every question."""

    def relate(self, sets: object) -> None:
        raise OSError("no connection")

    @hookimpl
    def register_equivalence_backends(self, register: Any) -> None:
        register("broken", Broken)


def test_a_fault_is_no_reward() -> None:
    trainer = Trainer(2, 2)
    reward = EMPOReward({**BOXED, "equivalence": "broken"}, plugins=[Broken()])
    assert trainer.ask(reward, ["p"] * 4, boxed(1, 2, 3, 4)) == [None] * 4
    assert trainer.logged["empo/unscored/equivalence_failed"] == 1


def test_who_abstains_has_no_reward() -> None:
    scrl = {**BOXED, "strategy": {"name": "scrl", "mode": "binary", "abstain": None, "logprobs": "optional"}}
    rewards = Trainer(8, 8).ask(EMPOReward(scrl), ["p"] * 8, boxed(1, 1, 1, 1, 1, 2, 2, 2))
    assert rewards == [1] * 5 + [None] * 3


def test_metrics_are_means_over_the_batch() -> None:
    trainer = Trainer(2, 2)
    reward = EMPOReward(BOXED, reference="answer", name="meaning")
    trainer.ask(reward, ["p"] * 2 + ["q"] * 2, boxed(1, 1, 1, 2), answer=["1", "1", 3, 3])
    assert reward.__name__ == "meaning"
    expected = {"largest_share": 0.75, "unanimous": 0.5, "clusters": 1.5, "accuracy": 0.5, "pass_at_g": 0.5}
    assert {name: trainer.logged[f"meaning/{name}"] for name in expected} == expected
    assert trainer.logged["meaning/entropy"] == pytest.approx(0.34657359)  # the mean of 0 and ln 2


def test_labels_are_no_reward_and_may_be_absent(caplog: pytest.LogCaptureFixture) -> None:
    trainer = Trainer(2, 2)
    reward = EMPOReward(BOXED, reference="answer")
    with caplog.at_level(logging.WARNING, "empo_rewards"):
        assert trainer.ask(reward, ["p"] * 2, boxed(1, 2), solution=["1", "1"]) == [0.5, 0.5]
        assert trainer.ask(reward, ["p"] * 2, boxed(1, 2)) == [0.5, 0.5]
    assert "empo/accuracy" not in trainer.logged
    assert [record.getMessage() for record in caplog.records] == [
        "a batch has no column 'answer', so no accuracy is logged: completion_ids, solution"
    ]
    assert trainer.ask(reward, ["p"] * 2, boxed(1, 2), answer=["1", "1"]) == [0.5, 0.5]
    assert trainer.logged["empo/accuracy"] == 0.5
    with pytest.raises(GroupError, match="a reference must be a text, a number, or a list of them"):
        trainer.ask(reward, ["p"] * 2, boxed(1, 2), answer=[{}, {}])


@pytest.mark.parametrize(("strategy", "warned"), [("entropy_scaled", True), ("empo", False)])
def test_advantages_that_trl_does_not_scale_are_told(
    strategy: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "empo_rewards"):
        EMPOReward({**BOXED, "strategy": strategy})
    told = [record.getMessage() for record in caplog.records]
    assert [text.startswith("TRL does not apply the scale") and strategy in text for text in told] == [True] * warned


def test_the_table_of_completions_says_what_each_reward_is_of() -> None:
    table: dict[str, list[str]] = {}
    reward = EMPOReward({**BOXED, "gates": {"min_share": 0.6}}, group_size=4)
    reward(["p"] * 4 + ["q"] * 4, boxed(1, 2, 1, 1, 1, 2, 3, 3), log_extra=table.__setitem__)
    assert table == {
        "empo/answer": ["1", "2", "1", "1", "1", "2", "3", "3"],
        "empo/cluster": ["0", "1", "0", "0", "1", "2", "0", "0"],
        "empo/share": ["0.750", "0.250", "0.750", "0.750", "0.250", "0.250", "0.500", "0.500"],
        "empo/cause": [""] * 4 + ["share_low"] * 4,
    }


def test_it_pickles() -> None:
    reward = pickle.loads(pickle.dumps(EMPOReward(BOXED, reference="answer", group_size=2, name="meaning")))
    assert reward.__name__ == "meaning"
    assert reward(["p"] * 2, boxed(1, 1)) == [1, 1]


def test_asynchronous_rewards_run_side_by_side() -> None:
    trainer = Trainer(2, 2)
    first, second = EMPOReward(BOXED, name="first"), EMPOReward({**BOXED, "strategy": "majority"}, name="second")
    met = asyncio.Event()

    async def both() -> list[Any]:
        async def judge() -> None:
            await asyncio.sleep(0)
            met.set()

        calls = [reward.async_empo(["p"] * 2, boxed(1, 2), log_metric=trainer.log_metric) for reward in (first, second)]
        return await asyncio.gather(judge(), *calls)

    _, shares, votes = asyncio.run(both())
    assert shares == [0.5, 0.5]
    assert votes == [1, 1]  # tied
    assert met.is_set()
    assert asyncio.iscoroutinefunction(first.async_empo)  # how trainers tell
    assert {name.partition("/")[0] for name in trainer.logged} == {"first", "second"}

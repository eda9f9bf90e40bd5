"""Members that only vote, weights of votes, and sides: by the API, in files, and gathered."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empo_rewards import Group, GroupError, GroupScore, Scorer, hookimpl
from empo_rewards.gather import GatherLimits, GatherScoreError
from empo_rewards.gather.samples import NeutralReward, Sample, SampleScorer, group_of, sample_rewards
from empo_rewards.group import Cause, Status
from empo_rewards.protocols import Rewards, Strategy, StrategyInput
from empo_rewards.reading import ReadGroup, Rejected, read_groups

EXACT = {"extraction": ["boxed"], "equivalence": "exact"}
MAJORITY = {**EXACT, "strategy": "majority"}


def boxed(answers: str) -> list[str]:
    """A response for each letter; none for a space."""
    return [rf"\boxed{{{letter}}}" if letter != " " else "no idea" for letter in answers]


@cache
def _scorer(config: str) -> Scorer:
    return Scorer(json.loads(config))


def score(config: dict[str, Any], answers: str, **fields: Any) -> GroupScore:
    return _scorer(json.dumps(config)).score(Group("q", boxed(answers), **fields))


# Members that only vote


def test_the_majority_is_that_of_all_votes_and_the_trained_ones_are_paid() -> None:
    """TTRL's `select_top_k_per_prompt`: the label is by all, and the first are trained on."""
    found = score(MAJORITY, "aabbbb", trained=[True] * 3 + [False] * 3)
    assert found.rewards == (0, 0, 1, None, None, None)
    assert found.clusters == (1, 1, 0, 0, 0, 0)
    assert (found.status, found.cause, found.trained) == (Status.SCORED, None, (True,) * 3 + (False,) * 3)
    shares = score(EXACT, "aabbbb", trained=[True] * 3 + [False] * 3)
    assert shares.rewards == (2 / 6, 2 / 6, 4 / 6, None, None, None)


def test_gates_guards_and_abstention_leave_votes_without_a_reward() -> None:
    trained = [True, True, False, False]
    gated = {**MAJORITY, "gates": {"min_share": 0.9, "reward": 0}}
    assert score(gated, "abab", trained=trained).rewards == (0, 0, None, None)
    paid = {**MAJORITY, "guards": [{"name": "blank", "reward": -0.5}]}
    assert score(paid, "a  a", trained=trained).rewards == (1, -0.5, None, None)
    abstained = score({**EXACT, "strategy": {"name": "majority_threshold", "threshold": 0.9}}, "abab", trained=trained)
    assert (abstained.status, abstained.cause) == (Status.UNSCORED, Cause.ABSTAINED)


def test_a_group_of_votes_alone_is_no_group_unless_members_were_lost() -> None:
    with pytest.raises(GroupError, match="no response is trained on"):
        Group("q", ["x", "y"], trained=[False, False])
    lost = score(MAJORITY, "ab", trained=[False, False], expected_size=3)
    assert (lost.status, lost.cause, lost.rewards) == (Status.UNSCORED, Cause.INCOMPLETE, (None, None))
    partial = score({**MAJORITY, "incomplete": "partial"}, "ab", trained=[False, False], expected_size=3)
    assert (partial.status, partial.rewards) == (Status.UNSCORED, (None, None))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"trained": [True]}, "trained must have one value for each of the 2"),
        ({"trained": [1, 0]}, r"trained\[0\] must be true or false, not int"),
        ({"trained": "tf"}, "trained must have one value"),
        ({"vote_weights": [1, -1]}, r"vote_weights\[1\] is -1"),
        ({"vote_weights": [math.nan, 1]}, r"vote_weights\[0\] is nan"),
        ({"vote_weights": [math.inf, 1]}, r"vote_weights\[0\] is inf"),
        ({"vote_weights": [True, 1]}, r"vote_weights\[0\] must be a number, not bool"),
        ({"vote_weights": [0, 0.0]}, "all 0"),
        ({"vote_weights": [1, 1, 1]}, "vote_weights must have one value"),
        ({"sides": ["a", None]}, r"sides\[1\] must be a text, not NoneType"),
    ],
)
def test_what_is_no_role_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(GroupError, match=message):
        Group("q", ["x", "y"], **fields)


@settings(max_examples=30, deadline=None)
@given(st.text("ab ", min_size=1, max_size=8), st.integers(1, 9), st.randoms(use_true_random=False))
def test_the_configuration_draws_who_is_trained_on_whatever_the_order(answers: str, count: int, dice: Any) -> None:
    scorer = _scorer(json.dumps({**MAJORITY, "trained": count}))
    responses = [f"{answer} {number}" for number, answer in enumerate(boxed(answers))]
    found = scorer.score(Group("q", responses))
    order = list(range(len(answers)))
    dice.shuffle(order)
    moved = scorer.score(Group("q", [responses[i] for i in order]))
    if count >= len(answers):
        assert found.trained is None
    else:
        assert found.trained is not None
        assert sum(found.trained) == count
        assert moved.trained == tuple(found.trained[i] for i in order)
    assert moved.rewards == tuple(found.rewards[i] for i in order)


def test_the_draw_does_not_prefer_a_length_or_a_place() -> None:
    picked = Counter[int]()
    with Scorer({**MAJORITY, "trained": 4}) as scorer:
        for number in range(400):
            group = Group("q", [f"{number} {'x' * i} \\boxed{{1}}" for i in range(8)])
            picked.update(i for i, paid in enumerate(scorer.score(group).trained or ()) if paid)
    assert all(150 < picked[i] < 250 for i in range(8))  # 200 +- 10


def test_equal_responses_are_drawn_apart() -> None:
    found = score({**MAJORITY, "trained": 3}, "aaaaaaaa")
    assert found.rewards.count(1) == 3


@pytest.mark.parametrize(("preset", "size", "trained"), [("ttrl", 64, 32), ("ttrl", 32, 32), ("scrl", 32, 16)])
def test_the_presets_train_on_as_many_as_their_papers(preset: str, size: int, trained: int) -> None:
    with Scorer(preset) as scorer:
        found = scorer.score(Group("q", boxed("a" * size), token_logprobs=[[-0.5]] * size))
    assert sum(reward is not None for reward in found.rewards) == trained


def test_scrl_takes_shares_and_uncertainties_of_all_votes() -> None:
    """As `scrl_utils.py` does before it drops the votes (Jasper-Yan/SCRL)."""
    logprobs = [[-0.2]] * 4 + [[-1.0]] * 2 + [[-0.4], [-0.4]]  # the mean uncertainty is 0.45
    with Scorer({**EXACT, "strategy": {"name": "scrl", "negative": 0.3}, "guards": []}) as scorer:
        found = scorer.score(Group("q", boxed("aaaabbcd"), token_logprobs=logprobs, trained=[True, False] * 4))
    expected = [0.5 + 0.025, None, 0.5 + 0.025, None, -0.05 - 0.055, None, 0.005, None]
    assert [None if r is None else round(r, 9) for r in found.rewards] == [
        None if r is None else pytest.approx(r) for r in expected
    ]


class Plain(Strategy):
    """A strategy that knows of no votes."""

    def __call__(self, given: StrategyInput) -> Rewards:
        return Rewards(tuple(float(k) for k in given.clusters.labels))


class Plugin:
    @hookimpl
    def register_strategies(self, register: Any) -> None:
        register("plain", Plain)


def test_a_strategy_that_knows_of_no_votes() -> None:
    """It pays everyone, and votes are left out; weights and sides, which it would ignore, leave the group unscored."""
    with Scorer({**EXACT, "strategy": "plain"}, plugins=[Plugin()]) as scorer:
        group = {"prompt": "q", "responses": boxed("aab")}
        assert scorer.score(Group(**group, trained=[True, False, True])).rewards == (0, None, 1)
        weighted = scorer.score(Group(**group, vote_weights=[1, 2, 1]))
        assert (weighted.cause, weighted.rewards) == (Cause.STRATEGY_FAILED, (None,) * 3)
        assert "does not follow" in str(weighted.detail)
        assert "sides" in str(scorer.score(Group(**group, sides=["x", "x", "y"])).detail)
        assert scorer.score(Group(**group, vote_weights=[2, 2, 2], sides=["x"] * 3)).rewards == (0, 0, 1)


# Weights


def test_weights_decide_the_majority_and_the_shares() -> None:
    """T3RL's verified votes weigh 5: one of them outvotes three."""
    found = score(MAJORITY, "aaab", vote_weights=[1, 1, 1, 5])
    assert found.rewards == (0, 0, 0, 1)
    assert found.clusters == (1, 1, 1, 0)
    assert found.cluster_shares == (5 / 8, 3 / 8)
    assert score(EXACT, "aaab", vote_weights=[1, 1, 1, 5]).rewards == (3 / 8, 3 / 8, 3 / 8, 5 / 8)
    assert found.entropy == score(MAJORITY, "aaab").entropy  # of the members, whatever their weights


def test_a_weight_of_0_is_paid_without_a_vote() -> None:
    found = score(MAJORITY, "aab", vote_weights=[0, 0, 1])
    assert (found.rewards, found.cluster_shares) == ((0, 0, 1), (1, 0))
    nobody = score(MAJORITY, "aa ", vote_weights=[0, 0, 1])  # the one vote is blank
    assert (nobody.rewards, nobody.metrics["largest_share"]) == ((0, 0, 0), 0)
    assert score({**EXACT, "strategy": "empo"}, "aa ", vote_weights=[0, 0, 1]).rewards == (0, 0, 0)


def test_ties_of_weights() -> None:
    assert score(MAJORITY, "aab", vote_weights=[1, 1, 2]).rewards == (1, 1, 1)
    none = {**EXACT, "strategy": {"name": "majority", "ties": "none"}}
    assert score(none, "aab", vote_weights=[1, 1, 2]).rewards == (0, 0, 0)
    # The sum of tenths is exact enough: ten of them tie with a one.
    assert score(MAJORITY, "a" * 10 + "b", vote_weights=[0.1] * 10 + [1]).rewards == (1,) * 11


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc "), st.integers(1, 9)), min_size=1, max_size=8),
    st.sampled_from([0.5, 2.0, 64.0]),
)
def test_the_scale_of_weights_does_not_matter(votes: list[tuple[str, int]], scale: float) -> None:
    answers = "".join(answer for answer, _ in votes)
    for strategy in ("empo", "majority", "best"):
        config = {**EXACT, "strategy": strategy}
        plain = score(config, answers, vote_weights=[weight for _, weight in votes], reference="a")
        scaled = score(config, answers, vote_weights=[weight * scale for _, weight in votes], reference="a")
        assert scaled == plain


def test_all_voters_blank() -> None:
    for strategy in ("empo", "majority"):
        found = score({**EXACT, "strategy": strategy}, "a   ", trained=[True, True, False, False])
        assert found.rewards == ({"empo": 0.25, "majority": 1.0}[strategy], 0, None, None)
        silent = score({**EXACT, "strategy": strategy}, "    ", trained=[True, True, False, False])
        assert silent.rewards == (0, 0, None, None)


# Sides


CROSS = {**EXACT, "strategy": "co_rewarding"}
HARMONY = {**EXACT, "strategy": "self_harmony"}


def test_co_rewarding_labels_each_side_by_the_other() -> None:
    """`co_reward.py` (tmlr-group/Co-rewarding): the original is labelled by the augmented question's majority."""
    found = score(CROSS, "aabbbc", sides=["x"] * 3 + ["y"] * 3)
    # The majority of x is a, that of y is b.
    assert found.rewards == (0, 0, 1, 0, 0, 0)
    teacher = score(CROSS, "aabbbc", sides=["policy"] * 3 + ["teacher"] * 3, trained=[True] * 3 + [False] * 3)
    assert teacher.rewards == (0, 0, 1, None, None, None)
    assert score(CROSS, "aa   ", sides=["x"] * 3 + ["y"] * 2).rewards == (0, 0, 0, 0, 0)
    assert score(CROSS, "ab ab", sides=["x"] * 3 + ["y"] * 2).rewards == (1, 1, 0, 1, 1)  # both are tied on both


def test_self_harmony_by_hand() -> None:
    """p(a) = 3/4, p'(a) = 1/4: 2 (3/16)/1 = .375; p(b) = 1/4, p'(b) = 3/4: the same; c: 0 on one side."""
    assert score(HARMONY, "aaababbb", sides=["x"] * 4 + ["y"] * 4).rewards == (1,) * 8
    # p(a) = 3/5, p'(a) = 1/5: .3; p(b) = 2/5, p'(b) = 2/5: .4; c has 2/5 on one side only.
    found = score(HARMONY, "aaabbabbcc", sides=["x"] * 5 + ["y"] * 5)
    assert found.rewards == (0, 0, 0, 1, 1, 0, 1, 1, 0, 0)
    assert score(HARMONY, "aabb", sides=["x", "x", "y", "y"]).rewards == (0, 0, 0, 0)


def test_sides_and_weights_together() -> None:
    weighted = score(CROSS, "abab", sides=["x", "x", "y", "y"], vote_weights=[1, 1, 1, 3])
    assert weighted.rewards == (0, 1, 1, 1)  # y's majority is b; x's two tie
    silent = score(CROSS, "abab", sides=["x", "x", "y", "y"], vote_weights=[1, 2, 0, 0])
    assert silent.rewards == (0, 0, 0, 1)  # y does not vote


@pytest.mark.parametrize("sides", [None, ["x", "x"]])
@pytest.mark.parametrize("config", [CROSS, HARMONY])
def test_one_side_is_not_enough(config: dict[str, Any], sides: Any) -> None:
    found = score(config, "ab", sides=sides)
    assert (found.cause, found.rewards) == (Cause.STRATEGY_FAILED, (None, None))
    assert "two sides" in str(found.detail)


def test_self_harmony_has_two_sides() -> None:
    assert "has 3" in str(score(HARMONY, "aaa", sides=["x", "y", "z"]).detail)
    assert score(CROSS, "aaa", sides=["x", "y", "z"]).rewards == (1, 1, 1)


# Where groups come from


def test_a_score_keeps_its_roles_through_json() -> None:
    found = score(MAJORITY, "aabb", trained=[True, False, True, False])
    assert GroupScore.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    with pytest.raises(GroupError, match="trained has 1 entries"):
        GroupScore.from_dict({**found.to_dict(), "trained": [True]})


ROLES = {"trained": [True, False, True], "vote_weights": [1, 2.5, 0], "sides": ["x", "y", "x"]}


def test_files_carry_roles_in_whole_and_in_flat_rows(tmp_path: Path) -> None:
    whole, flat = tmp_path / "whole.jsonl", tmp_path / "flat.jsonl"
    whole.write_text(json.dumps({"prompt": "q", "responses": ["1", "2", "3"], **ROLES}), encoding="utf-8")
    rows = [
        {"prompt": "q", "response": text, "trained": paid, "vote_weight": weight, "side": side}
        for text, paid, weight, side in zip("123", *ROLES.values(), strict=True)
    ]
    flat.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for path in (whole, flat):
        (read,) = read_groups(path)
        assert isinstance(read, ReadGroup)
        assert {name: list(getattr(read.group, name)) for name in ROLES} == ROLES
    (cut, _) = read_groups(whole, group_size=2)
    assert isinstance(cut, ReadGroup)
    assert (cut.group.trained, cut.group.vote_weights) == ([True, False], [1, 2.5])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"responses": ["1"], "trained": [False]}], "no response is trained on"),
        ([{"response": "1", "trained": False}, {"response": "2", "trained": False}], "no response is trained on"),
        ([{"response": "1", "vote_weight": -1}], r"vote_weights[0] is -1"),
        ([{"response": "1", "vote_weight": "5"}], "must be a number, not str"),
        ([{"response": "1", "vote_weight": 0}], "all 0"),
        ([{"response": "1", "side": "x"}, {"response": "2"}], "has no side"),
    ],
)
def test_rows_with_roles_that_make_no_group_are_rejected(tmp_path: Path, rows: list[Any], said: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": "q", **row}) + "\n" for row in rows), encoding="utf-8")
    (rejected,) = read_groups(path)
    assert isinstance(rejected, Rejected)
    assert said in str(rejected)


def test_a_part_of_a_cut_group_that_has_votes_alone_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = {"prompt": "q", "responses": ["1", "2", "3", "4"], "trained": [True, True, False, False]}
    path.write_text(json.dumps(row), encoding="utf-8")
    first, second = read_groups(path, group_size=2)
    assert isinstance(first, ReadGroup)
    assert isinstance(second, Rejected)
    assert "no response is trained on" in str(second)


def test_samples_carry_roles() -> None:
    samples = [Sample("q", text, None, None, None, *role) for text, *role in zip("123", *ROLES.values(), strict=True)]
    group = group_of(samples)
    assert {name: list(getattr(group, name)) for name in ROLES} == ROLES
    assert group_of([Sample("q", "1", trained=False), Sample("q", "2")]).trained == [False, True]
    with pytest.raises(GroupError, match="response 1 has no side"):
        group_of([Sample("q", "1", side="x"), Sample("q", "2")])


def test_a_vote_is_neither_scored_nor_unscored_and_is_given_the_mean() -> None:
    found = score(MAJORITY, "aabb", trained=[True, False, True, False], reference="a")
    paid = sample_rewards(found, NeutralReward())
    assert [result.reward for result in paid] == [1, 1, 1, 1]  # a and b tie
    assert [result.trained for result in paid] == [True, False, True, False]
    numbers = [result.metrics(absent=-1) for result in paid]
    assert [row["scored"] for row in numbers] == [1, -1, 1, -1]
    assert [row["trained"] for row in numbers] == [1, 0, 1, 0]
    assert not any(value for row in numbers for name, value in row.items() if name.startswith("unscored/"))


def gathered(samples: list[Sample], size: int) -> list[Any]:
    """What each of these members is given by the gatherer."""

    async def run() -> list[Any]:
        with Scorer(MAJORITY) as scorer:
            rendezvous = SampleScorer(scorer.ascore, size, GatherLimits(idle_seconds=0.2))
            waits = [rendezvous.submit(sample, key="g", member=i) for i, sample in enumerate(samples)]
            found = await asyncio.gather(*waits, return_exceptions=True)
            await rendezvous.close()
            return found

    return asyncio.run(run())


def test_votes_that_come_without_those_that_are_trained_on() -> None:
    votes = [Sample("q", text, trained=False) for text in boxed("aab")]
    lost = gathered(votes, 4)
    assert [result.scored for result in lost] == [False] * 3
    assert {result.score.cause for result in lost} == {Cause.INCOMPLETE}
    alone = gathered(votes, 3)
    assert all(isinstance(error, GatherScoreError) and "no response is trained on" in str(error) for error in alone)
    together = gathered([*votes, Sample("q", boxed("a")[0])], 4)
    assert [(result.trained, result.reward) for result in together] == [(False, 1.0)] * 3 + [(True, 1.0)]


def test_random_orders_give_the_same_rewards() -> None:
    dice = random.Random(0)
    fields = {"trained": [True, True, False, False, True], "vote_weights": [1, 2, 0, 3, 1]}
    plain = score(MAJORITY, "abab ", **fields)
    for _ in range(5):
        order = dice.sample(range(5), 5)
        moved = {name: [values[i] for i in order] for name, values in fields.items()}
        found = score(MAJORITY, "".join("abab "[i] for i in order), **moved)
        assert found.rewards == tuple(plain.rewards[i] for i in order)

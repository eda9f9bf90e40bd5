"""The scorer end to end: rewards computed by hand, and properties for any group."""

from __future__ import annotations

import asyncio
import json
import math
import pickle
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empo_rewards import (
    Cause,
    ConfigError,
    Group,
    GroupError,
    GroupScore,
    PluginError,
    Scorer,
    Status,
    equivalent,
    hookimpl,
)
from empo_rewards.group import Answer, AnswerKind
from empo_rewards.protocols import (
    AnswerSet,
    EntropyEstimator,
    EquivalenceBackend,
    Extracted,
    Extractor,
    Observer,
    Penalty,
    Relation,
    Rewards,
)

EXACT = {"preset": "empo-math", "equivalence": {"name": "exact", "normalize": False}}


def boxed(*answers: str | None) -> list[str]:
    """Responses with these answers; None: one without."""
    return ["I am not sure how to go on" if a is None else f"So it is $\\boxed{{{a}}}$." for a in answers]


@pytest.fixture(scope="module")
def exact() -> Iterator[Scorer]:
    with Scorer(EXACT) as scorer:
        yield scorer


@pytest.fixture(scope="module")
def mathematical() -> Iterator[Scorer]:
    with Scorer("empo-math") as scorer:
        yield scorer


answers = st.lists(st.sampled_from(["4", "5", "x", "7/2", None]), min_size=1, max_size=12)


@given(answers)
def test_exact_answers_get_empos_share(exact: Scorer, drawn: list[str | None]) -> None:
    score = exact.score(Group("q", boxed(*drawn)))
    counts = Counter(drawn)
    for reward, answer in zip(score.rewards, drawn, strict=True):
        expected = 0.0 if answer is None else counts[answer] / len(drawn)
        assert reward == pytest.approx(expected, abs=1e-12)
    shares = [count / len(drawn) for answer, count in counts.items() if answer is not None]
    shares += [1 / len(drawn)] * counts[None]
    assert score.entropy == pytest.approx(-sum(p * math.log(p) for p in shares), abs=1e-9)
    assert score.status is Status.SCORED
    assert sum(score.cluster_shares) == pytest.approx(1, abs=1e-12)


def test_a_group_by_hand(mathematical: Scorer) -> None:
    group = Group("What is a half?", boxed("0.5", r"\frac12", "2", None, "1/2"), reference="0.50", id="half")
    score = mathematical.score(group)
    assert score.rewards == pytest.approx((0.6, 0.6, 0.2, 0, 0.6), abs=1e-12)
    assert score.clusters == (0, 0, 1, 2, 0)
    assert score.cluster_shares == pytest.approx((0.6, 0.2, 0.2))
    assert score.entropy == pytest.approx(-0.6 * math.log(0.6) - 0.4 * math.log(0.2), abs=1e-12)
    assert score.answers[0] == Answer("0.5", AnswerKind.ANSWER, "boxed", 17, 20)
    assert score.answers[3].kind is AnswerKind.BLANK
    assert score.flags == ((), (), (), ("blank",), ())
    assert (score.id, score.size, score.expected_size, score.status, score.cause) == ("half", 5, 5, Status.SCORED, None)
    for name, value in {
        "accuracy": 0.6, "pseudo_label_accuracy": 1, "pass_at_g": 1, "blanks": 0.2, "largest_share": 0.6, "clusters": 3,
        "unanimous": 0,
    }.items():  # fmt: skip
        assert score.metrics[name] == pytest.approx(value), name


def without_order(score: GroupScore) -> dict[str, Any]:
    """What a permutation of the responses must not change."""
    kept = score.to_dict()
    for name in ("rewards", "answers", "clusters", "flags", "correct"):
        del kept[name]
    return kept


@pytest.mark.parametrize(
    "preset", ["empo-math", "ttrl", "srt", "scrl", "seed-grpo", "supervised", "random", "empo-natural"]
)
@settings(max_examples=25, deadline=None)
@given(drawn=answers, seed=st.integers(0, 99))
def test_a_permutation_of_the_responses_permutes_the_rewards(preset: str, drawn: list[str | None], seed: int) -> None:
    with Scorer({"preset": preset, "equivalence": "exact"}) as scorer:
        responses = boxed(*drawn)
        order = list(range(len(drawn)))
        random.Random(seed).shuffle(order)
        plain = scorer.score(Group("q", responses, reference="4"))
        moved = scorer.score(Group("q", [responses[i] for i in order], reference="4"))
        assert without_order(moved) == without_order(plain)
        if preset == "random":  # equal responses are exchangeable: only their rewards as a set are fixed
            assert sorted(zip([responses[i] for i in order], moved.rewards, strict=True)) == sorted(
                zip(responses, plain.rewards, strict=True)
            )
        else:
            assert moved.rewards == tuple(plain.rewards[i] for i in order)


@given(drawn=answers, names=st.permutations(["4", "5", "x", "7/2"]))
def test_renaming_the_answers_changes_nothing(exact: Scorer, drawn: list[str | None], names: list[str]) -> None:
    renaming = dict(zip(["4", "5", "x", "7/2"], names, strict=True))
    renamed = [None if answer is None else renaming[answer] for answer in drawn]
    assert exact.score(Group("q", boxed(*drawn))).rewards == exact.score(Group("q", boxed(*renamed))).rewards


@pytest.mark.parametrize(
    "preset", ["empo-math", "ttrl", "srt", "scrl", "seed-grpo", "random", "empo-natural", "empo-choice"]
)
@settings(max_examples=15, deadline=None)
@given(drawn=answers, reference=st.sampled_from(["4", "7/2", "nonsense", ""]))
def test_a_reference_never_changes_a_reward(preset: str, drawn: list[str | None], reference: str) -> None:
    with Scorer({"preset": preset, "equivalence": "exact"}) as scorer:
        without = scorer.score(Group("q", boxed(*drawn)))
        with_it = scorer.score(Group("q", boxed(*drawn), reference=reference))
    assert with_it.rewards == without.rewards
    assert with_it.clusters == without.clusters
    assert with_it.advantage_scale == without.advantage_scale


@settings(max_examples=20, deadline=None)
@given(groups=st.lists(answers, min_size=1, max_size=8))
def test_every_way_of_scoring_gives_the_same(mathematical: Scorer, groups: list[list[str | None]]) -> None:
    made = [Group("q", boxed(*drawn), id=str(i)) for i, drawn in enumerate(groups)]
    one_by_one = [mathematical.score(group) for group in made]
    assert [mathematical.score(group) for group in made] == one_by_one
    assert list(mathematical.score_many(made)) == one_by_one
    assert list(mathematical.score_many(made, batch_size=2)) == one_by_one

    async def together() -> list[GroupScore]:
        return list(await asyncio.gather(*(mathematical.ascore(group) for group in made)))

    assert asyncio.run(together()) == one_by_one


@pytest.mark.parametrize("batch_size", [2, 3, 64])
@pytest.mark.parametrize("fault", [OSError("the disk is gone"), ValueError("bad row"), None])
def test_groups_read_before_their_source_raises_are_scored(
    exact: Scorer, batch_size: int, fault: Exception | None
) -> None:
    def source() -> Iterator[Group]:
        for n in range(5):
            yield Group("q", [str(n)], id=str(n))
        if fault is not None:
            raise fault
        yield "no group"  # type: ignore[misc] # the mistake

    scores = exact.score_many(source(), batch_size=batch_size)
    assert [next(scores).id for _ in range(5)] == list("01234")
    with pytest.raises(type(fault) if fault else GroupError, match=str(fault) if fault else "type str"):
        next(scores)


def test_score_many_streams(exact: Scorer) -> None:
    taken = 0

    def endless() -> Iterator[Group]:
        nonlocal taken
        while True:
            taken += 1
            yield Group("q", boxed("1", "2"))

    scores = exact.score_many(endless(), batch_size=4)
    for _ in range(9):
        next(scores)
    assert taken == 12


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_at_least_one_group(exact: Scorer, size: int) -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        exact.score_many([Group("q", ["a"])], batch_size=size)


@pytest.mark.parametrize("given", [None, "q", {"prompt": "q", "responses": ["a"]}])
def test_only_groups_are_scored(exact: Scorer, given: Any) -> None:
    with pytest.raises(GroupError, match="a Group is scored"):
        exact.score(given)


def test_a_scorer_pickles_with_its_plugins() -> None:
    with Scorer(EXACT) as scorer, pickle.loads(pickle.dumps(scorer)) as copy:
        group = Group("q", boxed("1", "2", "1"))
        assert copy.score(group) == scorer.score(group)
        assert copy.config == scorer.config


def test_a_closed_scorer_can_be_used_again(mathematical: Scorer) -> None:
    group = Group("q", boxed(r"\sin^2 x + \cos^2 x + y", "1 + y"))
    scorer = Scorer("empo-math")
    first = scorer.score(group)
    scorer.close()
    assert scorer.score(group).rewards == first.rewards == (1, 1)
    assert asyncio.run(scorer.ascore(group)).rewards == (1, 1)
    scorer.close()


def test_scores_are_json(mathematical: Scorer) -> None:
    score = mathematical.score(Group("q", boxed("1", None, "1"), id="a", reference="1"))
    row = json.loads(json.dumps(score.to_dict(), allow_nan=False))
    assert row["status"] == "scored"
    assert row["answers"][1]["kind"] == "blank"
    assert row["rewards"] == [2 / 3, 0, 2 / 3]


# ---------------------------------------------------------------------------------------------- gates, guards, members


def test_a_group_outside_the_band_is_unscored_with_its_entropy() -> None:
    band = {"gates": {"entropy": {"low": 0, "high": 1, "unit": "relative"}}, "equivalence": "exact"}
    with Scorer(band) as scorer:
        same = scorer.score(Group("q", boxed("1", "1")))
        different = scorer.score(Group("q", boxed(*"1234567")))
        between = scorer.score(Group("q", boxed("1", "1", "2")))
    assert (same.status, same.cause, same.rewards, same.entropy) == (
        Status.UNSCORED,
        Cause.ENTROPY_LOW,
        (None, None),
        0,
    )
    assert (different.cause, different.rewards) == (Cause.ENTROPY_HIGH, (None,) * 7)
    assert different.entropy == pytest.approx(math.log(7))
    assert between.rewards == pytest.approx((2 / 3, 2 / 3, 1 / 3))


def test_a_gate_may_give_a_constant_instead() -> None:
    with Scorer({"preset": "empo-natural", "equivalence": {"semantic": None}}) as scorer:
        score = scorer.score(Group("q", boxed("a", "b", "c", "d", "e", None)))
    assert (score.status, score.cause) == (Status.SCORED, Cause.SHARE_LOW)
    assert score.rewards == (0,) * 6


def test_empo_naturals_guards() -> None:
    question = "Which planet of our solar system is the largest one by mass?"
    copy = "planet of our solar system is the largest one by mass"
    refusal = "I'm sorry, but I can't help with that."
    responses = [*boxed("Jupiter", "jupiter.", "Saturn", copy), "   ", refusal]
    with Scorer({"preset": "empo-natural", "equivalence": {"semantic": None}}) as scorer:
        score = scorer.score(Group(question, responses))
    assert score.rewards == pytest.approx((2 / 6, 2 / 6, 1 / 6, 0, -0.5, -0.5))
    assert score.flags == ((), (), (), ("copied",), ("blank",), ("refusal",))


def test_refusals_cannot_win() -> None:
    with Scorer("empo-math") as scorer:
        score = scorer.score(Group("q", boxed("I cannot answer that", "I cannot answer that", "4")))
    assert score.rewards == pytest.approx((0, 0, 1 / 3))
    assert score.metrics["refusals"] == pytest.approx(2 / 3)


def test_a_voided_answer_joins_no_cluster() -> None:
    loop = r"\boxed{4} and again the same. " * 60
    with Scorer({"preset": "empo-math", "guards": ["repetition"]}) as scorer:
        score = scorer.score(Group("q", [*boxed("4", "5"), loop]))
    assert score.rewards == pytest.approx((1 / 3, 1 / 3, 0))
    assert score.flags[2] == ("repetition",)


def test_a_lost_member_makes_the_group_unscored_or_partial_by_choice() -> None:
    group = Group("q", boxed("4", "4", "5"), expected_size=4)
    with Scorer(EXACT) as scorer:
        unscored = scorer.score(group)
    assert (unscored.status, unscored.cause, unscored.rewards) == (Status.UNSCORED, Cause.INCOMPLETE, (None,) * 3)
    assert (unscored.size, unscored.expected_size) == (3, 4)
    with Scorer({**EXACT, "incomplete": "partial"}) as scorer:
        partial = scorer.score(group)
    assert (partial.status, partial.cause) == (Status.PARTIAL, Cause.INCOMPLETE)
    assert partial.rewards == pytest.approx((2 / 3, 2 / 3, 1 / 3))
    assert (partial.size, partial.expected_size) == (3, 4)


def test_the_share_threshold_abstains() -> None:
    with Scorer({"preset": "srt", "equivalence": "exact"}) as scorer:
        score = scorer.score(Group("q", boxed("1", "2", "3")))
    assert (score.status, score.cause, score.rewards) == (Status.UNSCORED, Cause.ABSTAINED, (None,) * 3)


def test_the_supervised_control() -> None:
    with Scorer("supervised") as scorer:
        labelled = scorer.score(Group("q", boxed("0.5", "2", None), reference=r"\frac{1}{2}"))
        bare = scorer.score(Group("q", boxed("0.5", "2")))
    assert labelled.rewards == (1, 0, 0)
    assert (bare.status, bare.cause) == (Status.UNSCORED, Cause.STRATEGY_FAILED)
    assert "needs a reference" in (bare.detail or "")


def test_a_reference_that_is_a_solution_is_read_like_one(mathematical: Scorer) -> None:
    score = mathematical.score(Group("q", boxed("72", "7"), reference="Half of 144 is 72.\n#### 72"))
    assert score.metrics["accuracy"] == 0.5


def test_a_tie_has_the_expected_pseudo_label_accuracy(mathematical: Scorer) -> None:
    score = mathematical.score(Group("q", boxed("1", "1", "2", "2", "3"), reference="2"))
    assert score.metrics["pseudo_label_accuracy"] == 0.5
    nobody = mathematical.score(Group("q", ["", " "], reference="2"))
    assert nobody.metrics["pseudo_label_accuracy"] == 0
    assert nobody.rewards == (0, 0)


def test_chat_prompts(mathematical: Scorer) -> None:
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "1+1?"}]}]
    group = Group(chat, boxed("2", "2"))
    assert group.prompt_text == "Be brief.\n1+1?"
    assert mathematical.score(group).rewards == (1, 1)


# --------------------------------------------------------------------------------------------------------------- faults


class Moody(EquivalenceBackend):
    """A backend that fails on an answer called `die`, and counts its calls."""

    CALLS: ClassVar[list[int]] = []
    """The number of sets of each call."""

    def relate(self, sets: Sequence[AnswerSet]) -> list[Relation]:
        self.CALLS.append(len(sets))
        if any("die" in answers.texts for answers in sets):
            raise RuntimeError("the judge hung up")
        return [Relation() for _ in sets]


def failing(**implementations: Any) -> object:
    """A plugin that registers something called `bad` with the hooks named."""

    def hook(factory: Any) -> Any:
        @hookimpl
        def implementation(self: object, register: Any) -> None:
            register("bad", factory)

        return implementation

    return type("Bad", (), {name: hook(factory) for name, factory in implementations.items()})()


def raising(message: str) -> Any:
    """A factory of callables that raise."""

    def call(*_: object) -> None:
        raise RuntimeError(message)

    return lambda: call


def test_a_fault_of_the_backend_costs_the_group_that_caused_it_only() -> None:
    plugin = failing(register_equivalence_backends=Moody)
    groups = [Group("q", boxed("1", "2")), Group("q", boxed("die", "2"), id="x"), Group("q", boxed("3", "3"))]
    with Scorer({"equivalence": "bad"}, plugins=[plugin]) as scorer:
        scores = list(scorer.score_many(groups))
    assert [score.status.value for score in scores] == ["scored", "unscored", "scored"]
    assert scores[1].cause is Cause.EQUIVALENCE_FAILED
    assert scores[1].detail == "RuntimeError: the judge hung up"
    assert scores[1].rewards == (None, None)
    assert scores[2].rewards == (1, 1)


def test_a_backend_can_say_which_groups_a_fault_befell() -> None:
    class Patchy(EquivalenceBackend):
        CALLS: ClassVar[list[int]] = []

        def relate(self, sets: Sequence[AnswerSet]) -> list[Relation | Exception]:
            self.CALLS.append(len(sets))
            return [RuntimeError("no answer") if "die" in answers.texts else Relation() for answers in sets]

    plugin = failing(register_equivalence_backends=Patchy)
    with Scorer({"equivalence": "bad"}, plugins=[plugin]) as scorer:
        scores = list(scorer.score_many([Group("q", boxed("1", "die")), Group("q", boxed("1", "2"))]))
    assert [score.status.value for score in scores] == ["unscored", "scored"]
    assert (scores[0].cause, scores[0].detail) == (Cause.EQUIVALENCE_FAILED, "RuntimeError: no answer")
    assert Patchy.CALLS == [2], "what the backend has told once is not asked again"


def test_a_reference_that_cannot_be_compared_costs_the_metrics_only() -> None:
    plugin = failing(register_equivalence_backends=Moody)
    with Scorer({"equivalence": "bad"}, plugins=[plugin]) as scorer:
        score = scorer.score(Group("q", boxed("1", "1"), reference="die"))
    assert score.rewards == (1, 1)
    assert score.metrics["reference_failed"] == 1
    assert "accuracy" not in score.metrics


@pytest.mark.parametrize(
    ("hook", "key", "value", "cause"),
    [
        ("register_extractors", "extraction", ["bad"], Cause.EXTRACTION_FAILED),
        ("register_guards", "guards", ["bad"], Cause.GUARD_FAILED),
        ("register_entropy_estimators", "entropy", "bad", Cause.ENTROPY_FAILED),
        ("register_strategies", "strategy", "bad", Cause.STRATEGY_FAILED),
    ],
)
def test_a_fault_of_a_stage_is_no_reward(hook: str, key: str, value: object, cause: Cause) -> None:
    plugin = failing(**{hook: raising("out of order")})
    with Scorer({**EXACT, key: value}, plugins=[plugin]) as scorer:
        score = scorer.score(Group("q", boxed("1", "1")))
    assert (score.status, score.cause, score.rewards) == (Status.UNSCORED, cause, (None, None))
    assert score.detail == "RuntimeError: out of order"
    assert score.cause is not None
    assert score.cause.is_fault


def test_a_backend_that_fails_on_one_group_of_a_batch_is_asked_by_halves() -> None:
    plugin = failing(register_equivalence_backends=Moody)
    groups = [Group("q", boxed("1", "die" if number == 41 else "2")) for number in range(64)]
    Moody.CALLS.clear()
    with Scorer({"equivalence": "bad"}, plugins=[plugin]) as scorer:
        scores = list(scorer.score_many(groups))
    assert [number for number, score in enumerate(scores) if score.status is Status.UNSCORED] == [41]
    assert len(Moody.CALLS) <= 1 + 3 + 2 * 6  # the batch, the probes, and two halves on each of log2(64) levels


def test_a_backend_that_fails_on_everything_is_not_asked_for_each_group() -> None:
    plugin = failing(register_equivalence_backends=Moody)
    Moody.CALLS.clear()
    with Scorer({"equivalence": "bad"}, plugins=[plugin]) as scorer:
        scores = list(scorer.score_many([Group("q", boxed("1", "die"))] * 64))
    assert {score.cause for score in scores} == {Cause.EQUIVALENCE_FAILED}
    assert Moody.CALLS == [64, 1, 1, 1]


def test_an_observer_sees_every_group_and_its_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[str | None, tuple[float | None, ...]]] = []
    watching = failing(register_observers=lambda: lambda group, score: seen.append((group.id, score.rewards)))
    with Scorer({**EXACT, "observers": ["bad"]}, plugins=[watching]) as scorer:
        list(scorer.score_many([Group("q", boxed("1"), id="a"), Group("q", boxed("1", "2"), id="b")]))
    assert seen == [("a", (1,)), ("b", (0.5, 0.5))]
    dying = failing(register_observers=raising("no disk"))
    with Scorer({**EXACT, "observers": ["bad", "monitor"]}, plugins=[dying]) as scorer:
        scores = list(scorer.score_many([Group("q", boxed("1")) for _ in range(64)]))
    assert {score.rewards for score in scores} == {(1.0,)}
    assert {score.metrics["bad/failed"] for score in scores} == {1.0}
    assert {score.metrics["monitor/alarm"] for score in scores} == {0.0}
    assert [record.getMessage() for record in caplog.records if "observer" in record.getMessage()] == [
        "the observer 'bad' failed, and its numbers are missing: RuntimeError('no disk')"
    ]


class Wild(EquivalenceBackend):
    """A backend that gives whatever it is told to."""

    def __init__(self, *relations: Relation) -> None:
        self.relations = list(relations)

    def relate(self, sets: Sequence[AnswerSet]) -> list[Relation]:
        return self.relations


STRATEGY = ("register_strategies", "strategy", Cause.STRATEGY_FAILED)
GUARD = ("register_guards", "guards", Cause.GUARD_FAILED)
BACKEND = ("register_equivalence_backends", "equivalence", Cause.EQUIVALENCE_FAILED)


@pytest.mark.parametrize(
    ("place", "made", "detail"),
    [
        (STRATEGY, lambda verdict: Rewards((1.0,)), "1 rewards where 2"),
        (STRATEGY, lambda verdict: Rewards((math.nan, 1.0)), "nan"),
        (STRATEGY, lambda verdict: Rewards((1.0, 1.0), math.inf), "inf"),
        (("register_entropy_estimators", "entropy", Cause.ENTROPY_FAILED), lambda evidence: math.nan, "nan"),
        (GUARD, lambda group, answers: [None] * 3, "3 verdicts where 2"),
        (BACKEND, Wild(), "0 relations where 1"),
        (BACKEND, Wild(Relation(((0, 2),))), "the pair (0, 2) for 2 answers"),
        (BACKEND, Wild(Relation(undecided=((1, 0),))), "the pair (1, 0) for 2 answers"),
        (BACKEND, Wild(Relation(different=((1, 2),))), "the pair (1, 2) for 2 answers"),
        (BACKEND, Wild(Relation(((0, 1),), different=((0, 1),))), "the pair (0, 1) as equal and as different"),
        (BACKEND, Wild(Relation(((0.0, 1.0),))), "invalid Relation"),  # type: ignore[arg-type]
        (BACKEND, Wild(Relation(None)), "invalid Relation"),  # type: ignore[arg-type]
        (BACKEND, Wild(Relation(metrics=None)), "metrics must be a mapping"),  # type: ignore[arg-type]
        (BACKEND, Wild(Relation(metrics={"calls": math.nan})), "the metric 'calls' is nan"),
        (BACKEND, Wild(None), "a NoneType where a Relation"),  # type: ignore[arg-type]
        (BACKEND, Wild(ValueError), "a type where a Relation"),  # type: ignore[arg-type]
        (STRATEGY, lambda given: [1.0, 1.0], "a list where Rewards"),
        (STRATEGY, lambda given: Rewards({0: 1.0, 1: 1.0}), "a dict where a list of rewards"),  # type: ignore[arg-type]
        (STRATEGY, lambda given: Rewards(("1", "1")), "a reward is a value of type str"),  # type: ignore[arg-type]
        (STRATEGY, lambda given: Rewards((1.0, 1.0), None), "type NoneType"),  # type: ignore[arg-type]
        (GUARD, lambda group, answers: [0.0, None], "a float where a Penalty"),
        (GUARD, lambda group, answers: [Penalty(math.nan), None], "the reward of 'bad' is nan"),
        (GUARD, lambda group, answers: [Penalty("low"), None], "the reward of 'bad' is a"),  # type: ignore[arg-type]
        (GUARD, lambda group, answers: {0: None, 1: None}, "a dict where a list of verdicts"),
    ],
)
def test_what_a_plugin_gives_is_checked(place: tuple[str, str, Cause], made: object, detail: str) -> None:
    hook, key, cause = place
    plugin = failing(**{hook: lambda: made})
    with Scorer({**EXACT, key: ["bad"] if key == "guards" else "bad"}, plugins=[plugin]) as scorer:
        score = scorer.score(Group("q", boxed("1", "2")))
    assert (score.status, score.cause, score.rewards) == (Status.UNSCORED, cause, (None, None))
    assert detail in (score.detail or "")


def test_one_invalid_relation_costs_its_own_group_only_and_is_not_asked_for_again() -> None:
    class Partly(EquivalenceBackend):
        CALLS: ClassVar[list[int]] = []

        def relate(self, sets: Sequence[AnswerSet]) -> list[Relation]:
            self.CALLS.append(len(sets))
            return [Relation(((1, 0),)) if "x" in answers.texts else Relation() for answers in sets]

    groups = [Group("q", boxed("1", "x" if number == 41 else "2")) for number in range(64)]
    with Scorer({"equivalence": "bad"}, plugins=[failing(register_equivalence_backends=Partly)]) as scorer:
        scores = list(scorer.score_many(groups))
    assert [number for number, score in enumerate(scores) if score.status is Status.UNSCORED] == [41]
    assert Partly.CALLS == [64]


def test_pairs_of_any_iterable_and_integer_are_used() -> None:
    class Index(int):
        """As numpy's integers: an index that is no plain int."""

    made = Wild(Relation((pair for pair in [(Index(0), Index(1))]), undecided=iter(())))  # type: ignore[arg-type]
    with Scorer({"equivalence": "bad"}, plugins=[failing(register_equivalence_backends=lambda: made)]) as scorer:
        assert scorer.score(Group("q", boxed("1", "2"))).rewards == (1, 1)


def test_rewards_of_any_number_type_become_floats_that_are_json() -> None:
    strategy = failing(register_strategies=lambda: lambda given: Rewards((Decimal(1), Fraction(1, 2)), Fraction(1, 4)))
    with Scorer({**EXACT, "strategy": "bad"}, plugins=[strategy]) as scorer:
        score = scorer.score(Group("q", boxed("1", "2")))
    assert json.loads(json.dumps(score.to_dict()))["rewards"] == [1.0, 0.5]
    assert (score.advantage_scale, {type(reward) for reward in score.rewards}) == (0.25, {float})


@pytest.mark.parametrize("given", [None, [1.0], {"a": "x"}, {"a": None}, {"a": math.nan}, {"a": {"b": 1.0}}])
def test_an_observer_without_numbers_costs_its_own_metrics_only(given: Any) -> None:
    class Mute(Observer):
        def __call__(self, group: Group, score: GroupScore) -> None: ...

        def metrics(self) -> dict[str, float]:
            return given  # type: ignore[no-any-return] # that is the fault

    with Scorer({**EXACT, "observers": ["bad"]}, plugins=[failing(register_observers=Mute)]) as scorer:
        score = scorer.score(Group("q", boxed("1")))
    assert score.rewards == (1,)
    assert {name: value for name, value in score.metrics.items() if name.startswith("bad")} == {"bad/failed": 1.0}


def test_an_audit_that_cannot_be_compared_is_a_fault_of_extraction() -> None:
    class Auditing(Extractor):
        def __call__(self, response: str, prompt: str) -> Extracted | None:
            return Extracted(response, 0, len(response))

        def audit(self, response: str, prompt: str) -> dict[str, str | None]:
            return {"a": ["1"], "b": None}  # type: ignore[dict-item] # that is the fault

    with Scorer({**EXACT, "extraction": ["bad"]}, plugins=[failing(register_extractors=Auditing)]) as scorer:
        assert scorer.score(Group("q", ["1"])).cause is Cause.EXTRACTION_FAILED


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ("two\nlines and \x1b[31mcolour", "ValueError: two lines and \\x1b[31mcolour"),
        ("", "ValueError"),
        ("\ud800", "ValueError: \\ud800"),
    ],
)
def test_the_detail_of_a_fault_is_one_printable_line(message: str, detail: str) -> None:
    def strategy(given: object) -> None:
        raise ValueError(message)

    with Scorer({**EXACT, "strategy": "bad"}, plugins=[failing(register_strategies=lambda: strategy)]) as scorer:
        assert scorer.score(Group("q", boxed("1"))).detail == detail


def test_an_exception_that_cannot_be_shown_is_a_fault_like_any_other() -> None:
    class UnshowableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def strategy(given: object) -> None:
        raise UnshowableError

    with Scorer({**EXACT, "strategy": "bad"}, plugins=[failing(register_strategies=lambda: strategy)]) as scorer:
        assert scorer.score(Group("q", boxed("1"))).cause is Cause.STRATEGY_FAILED


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_a_request_to_stop_passes_through(kind: type[BaseException]) -> None:
    def strategy(given: object) -> None:
        raise kind

    with (
        Scorer({**EXACT, "strategy": "bad"}, plugins=[failing(register_strategies=lambda: strategy)]) as scorer,
        pytest.raises(kind),
    ):
        scorer.score(Group("q", boxed("1")))


def test_no_strategy_but_the_control_is_shown_a_label() -> None:
    shown: list[tuple[object, object]] = []

    def spy(verdict: Any) -> Rewards:
        shown.append((verdict.group.reference, verdict.correct))
        return Rewards((0.0,) * len(verdict.group))

    def guard(group: Group, answers: Sequence[Answer]) -> list[None]:
        shown.append((group.reference, None))
        return [None] * len(answers)

    plugin = failing(register_strategies=lambda: spy, register_guards=lambda: guard)
    with Scorer({**EXACT, "strategy": "bad", "guards": ["bad"]}, plugins=[plugin]) as scorer:
        scorer.score(Group("q", boxed("1", "2"), reference="1"))
    assert shown == [(None, None), (None, None)]


# ------------------------------------------------------------------------------------------------------------ the input


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"responses": []}, "responses is empty"),
        ({"responses": "abc"}, "must be a list of texts, not str"),
        ({"responses": ["a", None]}, r"responses\[1\] must be a text, not NoneType"),
        ({"prompt": 3}, "prompt must be a text or a list of messages, not int"),
        ({"prompt": [{"role": "user"}]}, r"prompt\[0\] must be a message"),
        ({"reference": {}}, "reference must be a text, a number, or a list of them, not dict"),
        ({"id": 4}, "id must be a text, not int"),
        ({"token_logprobs": [[-1.0]]}, "one list for each of the 2 responses"),
        ({"token_logprobs": [[-1.0], [0.5]]}, "holds 0.5; a log-probability is <= 0"),
        ({"token_logprobs": [[-1.0], [math.nan]]}, "holds nan"),
        ({"token_logprobs": [[-1.0], "x"]}, "must be a list of numbers"),
        ({"expected_size": 1}, "expected_size is 1 but there are 2 responses"),
    ],
)
def test_a_group_that_is_none_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(GroupError, match=message):
        Group(**{"prompt": "q", "responses": ["a", "b"], **fields})


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [("1/2", "0.5", True), ("3", "3.4", False), ("", "", True), (r"\pi", "180", False)],
)
def test_equivalent(a: str, b: str, expected: bool) -> None:
    assert equivalent(a, b) is expected
    assert equivalent(b, a) is expected


@pytest.mark.parametrize(
    ("a", "b", "backend", "error"),
    [(0.5, "1/2", "math", GroupError), ("1", None, "exact", GroupError), ("1", "2", object(), PluginError)],
)
def test_equivalent_takes_texts_and_backends_only(a: Any, b: Any, backend: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        equivalent(a, b, backend)


@pytest.mark.parametrize("relation", [None, Relation(((1, 0),)), Relation(None)])  # type: ignore[arg-type]
def test_equivalent_checks_what_a_backend_gives(relation: Any) -> None:
    with pytest.raises(PluginError, match="the backend gave"):
        equivalent("1", "2", Wild(relation))


def test_equivalent_says_what_it_cannot_decide_and_what_it_does_not_know() -> None:
    class Shrug(EquivalenceBackend):
        def relate(self, sets: Sequence[AnswerSet]) -> list[Relation]:
            return [Relation(undecided=((0, 1),)) for _ in sets]

    assert equivalent("a", "b", Shrug()) is None
    assert equivalent("a", "A", "exact") is True
    assert equivalent("a", "A", "exact", normalize=False) is False
    with pytest.raises(ConfigError, match="no equivalence backend is called 'maths'; did you mean 'math'"):
        equivalent("a", "b", "maths")


@settings(max_examples=200)
@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_text_breaks_a_scorer(exact: Scorer, responses: list[str]) -> None:
    score = exact.score(Group("q", responses))
    assert len(score.rewards) == len(responses)
    assert not (score.cause and score.cause.is_fault)


class Likeness:
    """A backend that tells how alike answers are, and an estimator that gives back what it was told."""

    def __init__(self, given: object) -> None:
        self.given = given
        self.asked: list[bool] = []

    @hookimpl
    def register_equivalence_backends(self, register: Any) -> None:
        class Backend(EquivalenceBackend):
            gives_similarities = True

            def relate(backend, sets: Sequence[AnswerSet]) -> list[Relation]:  # noqa: N805 - `self` is the plugin's
                self.asked += [answers.similarities for answers in sets]
                return [Relation(similarities=self.given) for _ in sets]  # type: ignore[arg-type] # bad ones too

        register("likeness", Backend)

    @hookimpl
    def register_entropy_estimators(self, register: Any) -> None:
        class Told(EntropyEstimator):
            uses_similarities = True

            def __call__(told, evidence: Any) -> float:  # noqa: N805 - `self` is the plugin's
                assert evidence.similarities is not None
                return float(evidence.similarities[0][1])

        register("told", Told)


def test_similarities_reach_the_estimator_that_uses_them() -> None:
    plugin = Likeness([[1.0, 0.25], [0.25, 1.0]])
    with Scorer({"equivalence": "likeness", "entropy": "told"}, plugins=[plugin]) as scorer:
        assert scorer.score(Group("q", boxed("a", "b"))).entropy == 0.25
        assert plugin.asked == [True]
    with Scorer({"equivalence": "likeness"}, plugins=[plugin]) as scorer:
        assert scorer.score(Group("q", boxed("a", "b"))).entropy == pytest.approx(math.log(2))
        assert plugin.asked == [True, False]


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        (None, "no similarities"),
        ([[1.0, 0.5]], "1 rows of similarities where 2"),
        ([[1.0, 0.5], [1.0]], "1 similarities in a row where 2"),
        ([[1.0, 0.5], [0.4, 1.0]], "not symmetric"),
        ([[0.9, 0.5], [0.5, 1.0]], "ones on the diagonal"),
        ([[1.0, 1.5], [1.5, 1.0]], "lies in"),
        ([[1.0, -0.5], [-0.5, 1.0]], "lies in"),
        ([[1.0, math.nan], [0.5, 1.0]], "not symmetric"),
        ([[1.0, 0.5], [math.nan, 1.0]], "lies in"),
    ],
)
def test_similarities_that_are_none_leave_the_group_unscored(given: object, detail: str) -> None:
    config = {"equivalence": "likeness", "entropy": "told"}
    with Scorer(config, plugins=[Likeness(given)]) as scorer:
        score = scorer.score(Group("q", boxed("a", "b")))
    assert (score.status, score.cause) == (Status.UNSCORED, Cause.EQUIVALENCE_FAILED)
    assert detail in (score.detail or "")


def test_an_estimator_without_its_similarities_fails_at_the_start() -> None:
    with pytest.raises(
        ConfigError, match=r"entropy: 'told' needs similarities .* 'exact' does not give; .*likeness"
    ) as e:
        Scorer({"equivalence": "exact", "entropy": "told"}, plugins=[Likeness(None)])
    assert "\n" not in str(e.value)

"""The monitor on simulated runs: an alarm in each that collapses, and none in the others."""

from __future__ import annotations

import itertools
import logging
import math
import os
import pickle
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards import ConfigError, Group, GroupScore, Scorer, Status, hookimpl
from empo_rewards.gather.samples import RUN_METRICS
from empo_rewards.group import Answer, AnswerKind
from empo_rewards.monitor import MAX_KINDS, Alarm, Monitor
from empo_rewards.monitor.observation import Observation, observe
from empo_rewards.monitor.prompt_history import KEPT_FORMS, MAX_SEEN_ONCE, PromptAnswers
from empo_rewards.monitor.settings import MonitorSettings
from empo_rewards.monitor.statistics import window_statistics
from empo_rewards.protocols import Observer

GROUP = 8


def scored(prompt: str, answers: Sequence[str | None], **fields: object) -> tuple[Group, GroupScore]:
    """A group whose answers are told apart by their text, as the scorer gives it."""
    found = Counter(answer for answer in answers if answer is not None)
    ids = {answer: k for k, (answer, _) in enumerate(found.most_common())}
    singles = itertools.count(len(ids))
    labels = tuple(next(singles) if answer is None else ids[answer] for answer in answers)
    group = Group(prompt, [f"so it is {answer}" for answer in answers], **fields)  # type: ignore[arg-type] # a test's
    score = GroupScore(
        rewards=(0.0,) * len(answers),
        answers=tuple(
            Answer("", AnswerKind.BLANK) if answer is None else Answer(answer, AnswerKind.ANSWER) for answer in answers
        ),
        clusters=labels,
        cluster_shares=tuple(n / len(answers) for n in Counter(labels).values()),
        entropy=0.5,
        status=Status.SCORED,
        size=len(answers),
        expected_size=len(answers),
    )
    return group, score


Draw = Callable[[random.Random], "str | None"]


def one_of(options: str, weights: Sequence[float] | None = None) -> Draw:
    return lambda dice: dice.choices(options, weights)[0]


def number(dice: random.Random) -> str:
    return str(dice.randrange(100_000))


def mathematics(dice: random.Random) -> str:
    """Small numbers are the answer to many a problem."""
    return dice.choices(["1", "2", "3", "4", "5", number(dice)], [4, 5, 4, 3, 2, 82])[0]


def mathematics_or_nothing(dice: random.Random) -> str | None:
    return None if dice.random() < 0.2 else mathematics(dice)


@dataclass(frozen=True)
class Run:
    """A simulated run: each prompt has a true answer, which the model gives more and more often.

    Args:
        truth: draws a prompt's true answer.
        wrong: draws another.
        begins, ends: how often the answer is right at both ends of the run.
        prompts: how many there are; None: each is new.
        attractor: what a collapsing model answers instead.
        collapse: from when, and when wholly so, as parts of the run; None: never.
        groups: the length of the run.
    """

    truth: Draw
    wrong: Draw
    begins: float
    ends: float
    prompts: int | None = None
    attractor: str | None = "7"
    collapse: tuple[float, float] | None = None
    groups: int = 1600

    def drawn_to(self, now: float) -> float:
        """The part of the responses that give the attractor's answer."""
        if self.collapse is None:
            return 0.0
        begin, end = self.collapse
        return min(1.0, max(0.0, (now - begin) / (end - begin)))

    def __call__(self, seed: int) -> Iterator[tuple[float, Group, GroupScore]]:
        """The groups with the time, from 0 to 1."""
        dice = random.Random(seed)
        truths: dict[int, str | None] = {}
        habits: dict[int, str | None] = {}
        for count in range(self.groups):
            now = count // 16 * 16 / self.groups  # steps of 16 prompts
            prompt = count if self.prompts is None else dice.randrange(self.prompts)
            truth = truths.setdefault(prompt, self.truth(dice))
            habit = habits.setdefault(prompt, self.wrong(dice))  # wrong answers agree too

            def answer(now: float, truth: str | None, habit: str | None) -> str | None:
                if dice.random() < self.drawn_to(now):
                    return self.attractor
                if dice.random() < self.begins + (self.ends - self.begins) * now:
                    return truth
                return habit if dice.random() < 0.3 else self.wrong(dice)

            yield now, *scored(f"prompt {prompt}", [answer(now, truth, habit) for _ in range(GROUP)])


HEALTHY = {
    "numbers": Run(number, number, 0.3, 0.95),
    "numbers, neither better nor worse": Run(number, number, 0.4, 0.4),
    "an easy set: all unanimous, all different": Run(number, number, 0.6, 1.0),
    "mathematics": Run(mathematics, mathematics_or_nothing, 0.2, 0.9),
    "mathematics, by a model that begins with nonsense": Run(mathematics, number, 0.0, 0.9),
    "four choices": Run(one_of("ABCD"), one_of("ABCD"), 0.3, 0.9),
    "four choices, seldom the last": Run(one_of("ABCD", [5, 2, 2, 1]), one_of("ABCD"), 0.3, 0.95),
    "ten choices": Run(one_of("ABCDEFGHIJ"), one_of("ABCDEFGHIJ"), 0.15, 0.7),
    "yes or no": Run(one_of("yn"), one_of("yn"), 0.5, 0.9),
    "yes or no, mostly yes": Run(one_of("yn", [8, 2]), one_of("yn"), 0.5, 0.99),
    "8 prompts": Run(number, number, 0.3, 1.0, prompts=8),
    "16 prompts of mathematics": Run(mathematics, mathematics_or_nothing, 0.2, 1.0, prompts=16),
    "8 prompts of four choices": Run(one_of("ABCD"), one_of("ABCD"), 0.3, 1.0, prompts=8),
    "40 prompts of one digit": Run(one_of("0123456789"), one_of("0123456789"), 0.3, 1.0, prompts=40),
    "3 prompts": Run(one_of("ABCD"), one_of("ABCD"), 0.3, 1.0, prompts=3),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_no_alarm_in_a_run_that_goes_well(name: str) -> None:
    for seed in range(2):
        monitor = Monitor()
        for _, group, score in HEALTHY[name](seed):
            monitor(group, score)
        assert monitor.alarm is None, (seed, monitor.alarm)
        assert monitor.metrics()["alarm"] == 0


SLOWLY = (0.3, 0.7)
AT_ONCE = (0.3, 0.303)
FROM_THE_START = (0.03, 0.06)

COLLAPSING = {
    # Of the responses so many may be drawn to the attractor when the alarm comes.
    "numbers, slowly": (Run(number, number, 0.3, 0.6, collapse=SLOWLY), 0.5),
    "numbers, soon": (Run(number, number, 0.4, 0.6, collapse=FROM_THE_START), 0.8),
    "mathematics, slowly": (Run(mathematics, mathematics_or_nothing, 0.2, 0.6, collapse=SLOWLY), 0.5),
    "mathematics, to no answer": (
        Run(mathematics, mathematics_or_nothing, 0.2, 0.6, attractor=None, collapse=SLOWLY), 0.6,
    ),
    "four choices, slowly": (Run(one_of("ABCD"), one_of("ABCD"), 0.3, 0.6, attractor="A", collapse=SLOWLY), 0.8),
    "ten choices, slowly": (
        Run(one_of("ABCDEFGHIJ"), one_of("ABCDEFGHIJ"), 0.2, 0.6, attractor="J", collapse=SLOWLY), 0.6,
    ),
    "yes or no, slowly": (Run(one_of("yn"), one_of("yn"), 0.5, 0.6, attractor="y", collapse=SLOWLY), 1.0),
    "8 prompts, slowly": (Run(number, number, 0.3, 0.6, prompts=8, collapse=SLOWLY), 0.6),
    "16 prompts of mathematics, slowly": (
        Run(mathematics, mathematics_or_nothing, 0.2, 0.6, prompts=16, collapse=SLOWLY), 0.5,
    ),
    "40 prompts of one digit, slowly": (
        Run(one_of("0123456789"), one_of("0123456789"), 0.3, 0.6, prompts=40, collapse=SLOWLY), 0.7,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COLLAPSING)
def test_an_alarm_while_a_run_collapses(name: str) -> None:
    run, latest = COLLAPSING[name]
    for seed in range(2):
        alarms: list[Alarm] = []
        monitor = Monitor(on_alarm=alarms.append)
        at = None
        for now, group, score in run(seed):
            monitor(group, score)
            if at is None and alarms:
                at = now
        assert at is not None, seed
        assert 0 < run.drawn_to(at) <= latest, (seed, alarms[0].reason)
        assert alarms == [monitor.alarm]
        assert alarms[0].window.commonest == run.attractor or run.attractor in ("A", "J", "y")


@pytest.mark.parametrize(
    ("name", "patience"), [("numbers", 32), ("mathematics", 32), ("four choices", 64), ("yes or no", 160)]
)
def test_a_collapse_from_one_step_to_the_next_is_seen_after_so_many_groups(name: str, patience: int) -> None:
    healthy = HEALTHY[name]
    attractor = {"four choices": "C", "yes or no": "n"}.get(name, "7")
    run = Run(healthy.truth, healthy.wrong, 0.3, 0.6, attractor=attractor, collapse=AT_ONCE)
    for seed in range(2):
        monitor = Monitor()
        for _, group, score in run(seed):
            monitor(group, score)
        assert monitor.alarm is not None
        assert monitor.alarm.groups - 0.3 * run.groups <= patience + 16


def test_the_alarm_is_one_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    monitor = Monitor()
    with caplog.at_level(logging.WARNING, logger="empo_rewards"):
        for n in range(128):
            monitor(*scored(f"q{n}", [str(n)] * 4))
        assert monitor.alarm is None
        for n in range(256):
            monitor(*scored(f"r{n}", ["0", "0", "0", None]))
    assert len(caplog.records) == 1
    said = caplog.records[0].getMessage()
    assert said.startswith("monitor: collapse: ")
    assert "prompts have the majority answer '0'" in said
    assert "and was 0.00 at the run's best" in said
    assert "unanimous groups 100% -> " in said
    metrics = monitor.metrics()
    assert metrics == {"alarm": 1, "agreement": 1, "distinct_majorities": 1 / 32, "commonest_share": 0.75}


def test_kinds_of_groups_are_watched_apart() -> None:
    """An evaluation on multiple choice beside a training on numbers is no collapse."""
    apart: list[Callable[[str, list[str]], tuple[Group, GroupScore]]] = [
        partial(scored, data_source="choice"),
        partial(scored, reference="A"),
        lambda prompt, answers: scored(prompt, answers * 2),
    ]
    for choice in apart:
        monitor = Monitor()
        dice = random.Random(1)
        for n in range(256):
            monitor(*scored(f"q{n}", [str(n)] * 4))
        for n in range(256):
            monitor(*choice(f"c{n}", [dice.choice("ABCD")] * 4))
        assert monitor.alarm is None
    monitor = Monitor()
    for n in range(256):
        monitor(*scored(f"q{n}", [str(n)] * 4))
    for n in range(256):
        monitor(*scored(f"c{n}", [dice.choice("ABCD")] * 4))
    assert monitor.alarm is not None  # the same without a mark: it cannot know better


def test_more_kinds_than_it_can_watch_do_not_pile_up() -> None:
    """The one not seen for longest is forgotten: its best window is lost, and a collapse of it is a new beginning."""
    for others in (MAX_KINDS - 1, MAX_KINDS):
        monitor = Monitor()
        for n in range(128):
            monitor(*scored(f"q{n}", [str(n)] * 4, data_source="first"))
        for n in range(others):
            monitor(*scored("q", ["a", "b"] * 2, data_source=f"set {n}"))
        for n in range(256):
            monitor(*scored(f"r{n}", ["0"] * 4, data_source="first"))
        assert (monitor.alarm is None) == (others == MAX_KINDS)


def test_a_group_without_clusters_is_passed_over() -> None:
    group, score = scored("q", ["a", "a"])
    failed = GroupScore(**{**vars(score), "clusters": (), "answers": (), "status": Status.UNSCORED})
    monitor = Monitor()
    for _ in range(100):
        monitor(group, failed)
    assert monitor.metrics() == {"alarm": 0}


def test_observations_of_other_processes_are_the_same() -> None:
    """Each pair of processes has hashes of its own for a text: the prompt is told apart by a digest."""
    code = (
        "from empo_rewards import Group, Scorer; from empo_rewards.monitor import observe; import pickle, sys; "
        "group = Group('What?', [r'\\boxed{1}', r'\\boxed{1.0}', 'none']); "
        "sys.stdout.buffer.write(pickle.dumps(observe(group, Scorer().score(group))))"
    )
    seen = [
        pickle.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=env).stdout)
        for env in ({**os.environ, "PYTHONHASHSEED": seed} for seed in ("1", "2"))
    ]
    assert seen[0] == seen[1]
    assert seen[0].prompt is not None
    group = Group("What?", [r"\boxed{1}", r"\boxed{1.0}", "none"])
    score = Scorer().score(group)
    alone, fed = Monitor(), Monitor()
    for _ in range(64):
        alone(group, score)
        fed.add(seen[0])
    assert alone.metrics() == fed.metrics()
    assert "agreement" in fed.metrics()


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=12))
def test_agreement_is_that_of_all_pairs_of_prompts(majorities: list[str | None]) -> None:
    window = [Observation(n, answer, {answer: 2}, {}, None, 1.0) for n, answer in enumerate(majorities)]
    pairs = list(itertools.combinations(majorities, 2))
    expected = sum(a == b for a, b in pairs) / len(pairs) if pairs else 0
    found = window_statistics(window)
    assert found.agreement == pytest.approx(expected, abs=1e-12)
    assert found.distinct_majorities == len(set(majorities)) / len(majorities)
    assert found.commonest_prompts == max(Counter(majorities).values())
    assert found.blanks == pytest.approx(majorities.count(None) / len(majorities))
    assert math.isnan(found.entropy)


def test_of_a_prompt_its_last_group_counts() -> None:
    window = [
        Observation("p", "a", {"a": 2}, {}, 0.0, 10.0),
        Observation("q", "a", {"a": 1, "b": 1}, {}, 1.0, 10.0),
        Observation("p", "b", {"b": 1, None: 1}, {}, 0.5, 20.0),
    ]
    found = window_statistics(window)
    assert (found.prompts, found.agreement, found.distinct_majorities) == (2, 0, 1)
    assert (found.commonest_share, found.blanks, found.unanimous) == (0.5, 0.25, 0)
    assert (found.entropy, found.length) == (0.75, 15)


def test_majorities_that_weaken_over_new_prompts_are_a_collapse() -> None:
    run = Run(number, number, 0.9, 0.1)
    for seed in range(3):
        alarms: list[tuple[float, Alarm]] = []
        monitor = Monitor()
        for now, group, score in run(seed):
            monitor(group, score)
            if monitor.alarm is not None and not alarms:
                alarms.append((now, monitor.alarm))
        ((at, alarm),) = alarms
        assert 0.2 < at < 0.6  # of 90 % right answers, 74 and 42 are left then
        assert alarm.window.agreement < 0.1
        assert "at the run's best, where training by agreement strengthens them" in alarm.reason


def test_a_model_that_stays_as_it_is_keeps_its_majorities() -> None:
    """It is certain of some prompts and of few of the others: luck alone makes windows stronger and weaker."""
    alarms = 0
    for seed in range(8):
        dice = random.Random(seed)
        monitor = Monitor()
        for n in range(1600):
            chance = 1.0 if dice.random() < 0.15 else 0.1
            monitor(*scored(f"q{n}", [f"{n}" if dice.random() < chance else number(dice) for _ in range(GROUP)]))
        alarms += monitor.alarm is not None
    assert alarms == 0


def test_few_prompts_that_agree_by_chance_are_no_collapse() -> None:
    """Eight prompts of ten choices: once all majorities differ, and once three are the same."""
    alarms = 0
    for seed in range(6):
        monitor = Monitor()
        for _, group, score in Run(one_of("ABCDEFGHIJ"), one_of("ABCDEFGHIJ"), 0.3, 1.0, prompts=8)(seed):
            monitor(group, score)
        alarms += monitor.alarm is not None
    assert alarms <= 1


def other_answers(now: float, dice: random.Random) -> Iterator[tuple[Group, GroupScore]]:
    """40 prompts, of which a part has a new answer, each another."""
    for n in range(40):
        answer = f"new {n}" if n < 40 * now else f"{n}"
        yield scored(f"q{n}", [answer if dice.random() < 0.8 else number(dice) for _ in range(8)])


def test_answers_that_change_on_each_prompt_by_itself_are_a_collapse() -> None:
    for seed in range(5):
        dice = random.Random(seed)
        monitor = Monitor()
        for part in [0.0] * 10 + [0.05, 0.1]:  # so many may change
            for group, score in other_answers(part, dice):
                monitor(group, score)
        assert monitor.alarm is None
        for group, score in other_answers(1.0, dice):
            monitor(group, score)
        assert monitor.alarm is not None
        assert monitor.alarm.window.agreement < 0.1
        assert "a response agrees with an earlier one to its prompt with a chance of" in monitor.alarm.reason


def test_what_was_gained_and_is_lost_again_is_a_collapse() -> None:
    """Compared with the first time nothing is amiss: it has to be compared with the others too."""
    for seed in range(3):
        dice = random.Random(seed)
        monitor = Monitor()
        for old, new in [(0.3, 0), (0.5, 0), (0.7, 0), (0.7, 0), (0.32, 0.5), (0.32, 0.5)]:
            assert monitor.alarm is None or new
            for n in range(48):
                draws = [dice.random() for _ in range(16)]
                texts = [f"{n}" if x < old else f"new {n}" if x < old + new else number(dice) for x in draws]
                monitor(*scored(f"q{n}", texts))
        assert monitor.alarm is not None
        assert monitor.alarm.groups <= 48 * 5 + 32
        assert "The model agrees on other answers than it did" in monitor.alarm.reason


def test_a_collapse_that_few_prompts_did_not_show_at_once_is_seen_later() -> None:
    """Compared with all earlier answers nothing is amiss once the collapsed ones are among them."""
    missed = 0
    for seed in range(40):
        dice = random.Random(seed)
        monitor = Monitor()
        for old, new in [(1.0, 0.0), (1.0, 0.0), (0.2, 0.4), (0.0, 0.95), (0.0, 0.95)]:
            for n in range(16):
                draws = [dice.random() / (1 if new else 0.6 if n % 4 == 0 else 0.05) for _ in range(8)]
                texts = [f"{n}" if x < old else f"new {n}" if x < old + new else number(dice) for x in draws]
                monitor(*scored(f"q{n}", texts))
        missed += monitor.alarm is None
    assert missed < 5


def test_answers_that_only_grow_stronger_are_none() -> None:
    """Minorities may vanish, and on a prompt or two a majority may lose."""
    for seed in range(5):
        dice = random.Random(seed)
        habits = [(dice.uniform(0.1, 0.7), dice.random() < 0.15) for _ in range(48)]
        monitor = Monitor()
        for part in range(20):
            for n, (chance, loses) in enumerate(habits):
                now = chance + (1 - chance) * part / 20
                answer = "another" if loses else f"{n}"
                draws = [dice.random() for _ in range(16)]
                texts = [
                    f"{n}" if draw < chance * (1 - part / 20) else answer if draw < now else number(dice)
                    for draw in draws
                ]
                monitor(*scored(f"q{n}", texts))
        assert monitor.alarm is None, (seed, monitor.alarm)


@pytest.mark.parametrize("size", [1, 2, 4, 16])
def test_a_model_that_stays_as_it_is_loses_no_agreement(size: int) -> None:
    """What luck gave the first sample is not missed in the next."""
    for seed in range(3):
        dice = random.Random(seed)
        chances = [dice.random() for _ in range(64)]
        monitor = Monitor()
        for _ in range(20):
            for n, chance in enumerate(chances):
                monitor(*scored(f"q{n}", [f"{n}" if dice.random() < chance else number(dice) for _ in range(size)]))
        assert monitor.alarm is None, (seed, monitor.alarm)


def test_another_manner_of_writing_is_no_other_answer() -> None:
    """It comes with some responses before others: the cluster has both."""
    with Scorer({"preset": "empo-math"}) as scorer:
        monitor = Monitor()
        for old, new in ((8, 0), (5, 3), (1, 7), (0, 8), (0, 8)):
            for n in range(40):
                texts = [rf"\boxed{{\frac{{{n + 1}}}{{2}}}}"] * old + [rf"\boxed{{{(n + 1) / 2}}}"] * new
                group = Group(f"half of {n + 1}?", texts)
                monitor(group, scorer.score(group))
    assert monitor.alarm is None


@pytest.mark.parametrize(("others", "is_remembered"), [(MAX_SEEN_ONCE - 64, True), (MAX_SEEN_ONCE + 64, False)])
def test_no_more_prompts_are_remembered_than_may_be(others: int, is_remembered: bool) -> None:
    """64 prompts, then so many others, and these 64 with other answers."""
    monitor = Monitor()
    for n in range(64):
        monitor(*scored(f"first {n}", [f"{n}"] * 4))
    for n in range(others):
        monitor(*scored(f"between {n}", [f"b{n}"] * 4))
    for n in range(64):
        monitor(*scored(f"first {n}", [f"another {n}"] * 4))
    assert (monitor.alarm is not None) == is_remembered


ANSWERS = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=2, max_size=12)


@given(st.lists(ANSWERS, min_size=1, max_size=4), ANSWERS)
def test_chances_of_agreement_are_those_of_all_pairs(then: list[list[str | None]], now: list[str | None]) -> None:
    first, *others = (observe(*scored("q", answers)) for answers in then)
    before = PromptAnswers(first)
    for seen in others:
        before.add(seen)
    found = before.compared(observe(*scored("q", now)))
    told = list(itertools.chain.from_iterable(then))
    for chance, pairs in zip(
        found,
        (itertools.permutations(told, 2), itertools.product(told, now), itertools.permutations(now, 2)),
        strict=True,
    ):
        same = [a == b is not None for a, b in pairs]
        assert chance == pytest.approx(sum(same) / len(same))


def test_of_very_many_answers_the_commonest_are_remembered() -> None:
    before = PromptAnswers(observe(*scored("q", ["a"] * 4)))
    for n in range(500):
        before.add(observe(*scored("q", [f"{n}", "a"])))
    for _ in range(50):
        before.add(observe(*scored("q", ["b", "b"])))
    for n in range(500, 1000):
        before.add(observe(*scored("q", [f"{n}", "a"])))
    assert len(before.answers) <= KEPT_FORMS
    shares = [before.compared(observe(*scored("q", [answer] * 2))).across for answer in ("a", "b", "400")]
    assert shares == [pytest.approx(count / 2104) for count in (1004, 100, 0)]


def test_labels_may_teach_against_agreement() -> None:
    """Where they do, little or falling agreement is no alarm; where they stand beside it unused, it is."""
    for supervised in (True, False):
        with Scorer({"preset": "supervised" if supervised else "empo-math"}) as scorer:
            dice = random.Random(2)
            monitor = Monitor()
            for right in (0.1, 0.3, 0.6):
                for n in range(64):
                    texts = [rf"\boxed{{{n + 500 * (dice.random() > right)}}}" for _ in range(16)]
                    group = Group(f"q{n}", texts, reference=f"{n}")
                    monitor(group, scorer.score(group))
        assert (monitor.alarm is None) == supervised


def test_what_is_kept_of_a_group() -> None:
    with Scorer({"preset": "empo-math", "guards": ["blank", "repetition"]}) as scorer:
        loop = r"\boxed{9} " + "and so on " * 200
        responses = [r"\boxed{0.5}", r"\boxed{\frac12}", r"\boxed{\frac12}", r"\boxed{2}", "?", loop]
        group = Group("half?", responses)
        seen = observe(group, scorer.score(group))
        backwards = Group("half?", responses[::-1])
        assert observe(backwards, scorer.score(backwards)) == seen
    assert seen.majority == r"\frac12"
    assert seen.answers == {r"\frac12": 3, "2": 1, None: 2}
    assert seen.spellings == {r"\frac12": {r"\frac12", "0.5"}, "2": {"2"}}
    assert seen.length == sum(map(len, responses)) / 6
    assert not seen.unanimous


def test_its_numbers_stand_in_the_scores_and_change_no_reward() -> None:
    groups = [Group(f"q{n}", [rf"\boxed{{{n if n < 64 else 0}}}"] * 2) for n in range(160)]
    plain = {"preset": "empo-math", "equivalence": "exact"}
    with Scorer(plain) as scorer:
        without = list(scorer.score_many(groups))
    with Scorer({**plain, "observers": ["monitor"]}) as scorer:
        watched = list(scorer.score_many(groups))
    assert [score.rewards for score in watched] == [score.rewards for score in without]
    assert "monitor/alarm" not in without[0].metrics
    alarms = [score.metrics["monitor/alarm"] for score in watched]
    assert alarms == sorted(alarms)
    assert (alarms[63], alarms[-1]) == (0, 1)
    assert "monitor/agreement" not in watched[0].metrics
    assert watched[63].metrics["monitor/agreement"] == 0
    assert watched[-1].metrics["monitor/agreement"] == 1


def test_numbers_of_an_observer_that_cannot_give_them() -> None:
    class Broken(Observer):
        def __call__(self, group: Group, score: GroupScore) -> None: ...

        def metrics(self) -> dict[str, float]:
            raise ZeroDivisionError

    class Plugin:
        @hookimpl
        def register_observers(self, register: Callable[..., None]) -> None:
            register("broken", Broken)

    with Scorer({"observers": ["broken"], "equivalence": "exact"}, plugins=[Plugin()]) as scorer:
        score = scorer.score(Group("q", [r"\boxed{a}"]))
    assert score.rewards == (1.0,)
    assert score.metrics["broken/failed"] == 1.0


@pytest.mark.parametrize("options", [{"window": 16}, {"factor": 1}, {"factor": math.nan}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Scorer({"observers": [{"name": "monitor", **options}]})


def test_windows_double_up_to_the_longest() -> None:
    assert MonitorSettings(longest_window=32).windows == [32]
    assert MonitorSettings(longest_window=100).windows == [32, 64]
    assert MonitorSettings().windows == [32, 64, 128, 256]


def test_the_former_name_of_an_alarms_window_warns() -> None:
    monitor = Monitor()
    for n in range(256):
        monitor(*scored(f"q{n}", [str(n) if n < 128 else "0"] * 4))
    assert monitor.alarm is not None
    with pytest.warns(DeprecationWarning, match="now Alarm.window"):
        assert monitor.alarm.reading is monitor.alarm.window


def test_the_page_about_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec(compile(code, "docs/monitor.md", "exec"), {})
    for name in Monitor().metrics() | {name.removeprefix("monitor/"): 0 for name in RUN_METRICS}:
        assert f"`monitor/{name}`" in page

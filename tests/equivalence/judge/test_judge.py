"""The judge behind a real HTTP server with known decisions: clusters, symmetry, faults, concurrency, secrets."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import logging
import multiprocessing
import pickle
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from anyio.from_thread import BlockingPortal
from judge_endpoint import MEANINGS, Endpoint, answers_in, same, verdict
from pages import code_blocks, quoted, table

from empo_rewards import ConfigError, Group, MissingExtraError, Scorer, equivalent, extras
from empo_rewards.equivalence.judge import Asking, JudgeEquivalence, Limits, Prices
from empo_rewards.equivalence.judge.quoting import GAP
from empo_rewards.errors import EquivalenceError
from empo_rewards.protocols import AnswerSet, Relation

FORMS = [Asking(form="verifier"), Asking(form="chat"), Asking(form="structured")]
FORMS += [Asking(form="verifier", reasoning_tokens=99), Asking(form="chat", reasoning_tokens=99)]
CITIES = tuple(sorted(MEANINGS))
QUICK = Limits(attempts=1)
_numbers = itertools.count()


def cities() -> AnswerSet:
    """All cities, for a question that was not asked before: no verdict is remembered."""
    return AnswerSet(CITIES, prompt=f"Which city? ({next(_numbers)})")


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as running:
        yield running


@pytest.fixture
def make() -> Iterator[Callable[..., JudgeEquivalence]]:
    """Makes judges that are closed in the end."""
    made = []

    def build(endpoint: Endpoint | list[Endpoint], **options: Any) -> JudgeEquivalence:
        url = [one.url for one in endpoint] if isinstance(endpoint, list) else endpoint.url
        made.append(JudgeEquivalence(url=url, **options))
        return made[-1]

    yield build
    for judge in made:
        judge.close()


def relation(found: Relation | Exception) -> Relation:
    assert isinstance(found, Relation), found
    return found


def fault(found: Relation | Exception) -> str:
    assert isinstance(found, EquivalenceError), found
    return str(found)


def clusters(texts: tuple[str, ...], found: Relation | Exception) -> set[frozenset[str]]:
    """The classes that a spanning relation makes of texts."""
    classes = {text: frozenset({text}) for text in texts}
    for i, j in relation(found).equal:
        together = classes[texts[i]] | classes[texts[j]]
        classes.update(dict.fromkeys(together, together))
    return set(classes.values())


def known(texts: tuple[str, ...]) -> set[frozenset[str]]:
    """The same, from what the texts mean."""
    return {frozenset(other for other in texts if same(text, other)) for text in texts}


def _refuse(status: int, _: dict[str, Any]) -> tuple[int, Any]:
    return status, {"error": "no"}


class TestAsking:
    @pytest.mark.parametrize("asking", FORMS, ids=lambda asking: f"{asking.form}-{asking.reasoning_tokens}")
    def test_every_form_finds_the_clusters(self, make: Any, endpoint: Endpoint, asking: Asking) -> None:
        judge = make(endpoint, asking=asking)
        sets = [AnswerSet(CITIES, prompt="Where?"), AnswerSet(("Rome", "London")), AnswerSet(("Rome",)), AnswerSet(())]
        found = judge.relate(sets)
        assert [clusters(answers.texts, one) for answers, one in zip(sets, found, strict=True)] == [
            known(answers.texts) for answers in sets
        ]
        bodies = [body for _, _, body in endpoint.requests]
        assert {path for path, _, _ in endpoint.requests} == {
            "/v1/completions" if asking.form == "verifier" else "/v1/chat/completions"
        }
        assert all(body["model"] == "TIGER-Lab/general-verifier" and body["temperature"] == 0 for body in bodies)
        assert any("Where?" in json.dumps(body) for body in bodies)

    def test_neither_the_order_of_answers_nor_that_of_groups_matters(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint)
        rng = random.Random(0)
        for _ in range(5):
            sets = [AnswerSet(tuple(rng.sample(CITIES, k=size))) for size in (6, 4, 2)]
            assert [clusters(s.texts, r) for s, r in zip(sets, judge.relate(sets), strict=True)] == [
                known(s.texts) for s in sets
            ]

    def test_where_one_order_says_yes_the_other_is_asked(self, make: Any, endpoint: Endpoint) -> None:
        make(endpoint).relate([AnswerSet(("Paris", "Rome", "Lutetia"))])
        assert endpoint.asked[:2] in (
            [("Paris", "Rome"), ("Lutetia", "Paris")],
            [("Lutetia", "Paris"), ("Paris", "Rome")],
        )
        assert endpoint.asked[2:] == [("Paris", "Lutetia")]

    def test_canonical_order_asks_once_in_the_order_of_the_texts(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint, asking=Asking(orders="canonical"))
        judge.relate([AnswerSet(("Rome", "London")), AnswerSet(("London", "Rome"), prompt="?")])
        assert endpoint.asked == [("London", "Rome")] * 2

    @pytest.mark.parametrize("asking", FORMS[:3], ids=lambda asking: asking.form)
    def test_a_judge_that_prefers_one_order_agrees_to_nothing(
        self, make: Any, endpoint: Endpoint, asking: Asking
    ) -> None:
        endpoint.answer = lambda body: (200, verdict(body, float(answers_in(body)[0] < answers_in(body)[1])))
        judge = make(endpoint, asking=asking)
        assert equivalent("a", "b", judge) is False
        assert equivalent("b", "a", judge) is False

    def test_the_threshold(self, make: Any, endpoint: Endpoint) -> None:
        endpoint.answer = lambda body: (200, verdict(body, 0.7))
        assert equivalent("a", "b", make(endpoint, asking=Asking(threshold=0.69))) is True
        assert equivalent("a", "b", make(endpoint, asking=Asking(threshold=0.71))) is False

    def test_similarities_are_the_mean_probability_of_both_orders(self, make: Any, endpoint: Endpoint) -> None:
        endpoint.answer = lambda body: (200, verdict(body, 0.9 if answers_in(body)[0] == "a" else 0.4))
        (found,) = make(endpoint).relate([AnswerSet(("a", "b"), similarities=True)])
        similarities = relation(found).similarities
        assert similarities is not None
        assert [list(row) for row in similarities] == [
            [1, pytest.approx(0.65)],
            [pytest.approx(0.65), 1],
        ]
        assert relation(found).equal == ()

    def test_without_the_question(self, make: Any, endpoint: Endpoint) -> None:
        make(endpoint, asking=Asking(form="chat", in_context=False)).relate([AnswerSet(("a", "b"), prompt="Where?")])
        assert "Where?" not in json.dumps(endpoint.requests[0][2])

    def test_further_keys_of_the_body(self, make: Any, endpoint: Endpoint) -> None:
        extra = {"chat_template_kwargs": {"enable_thinking": False}, "seed": 7}
        make(endpoint, asking=Asking(form="chat"), extra_body=extra).relate([AnswerSet(("a", "b"))])
        assert all(body.items() >= extra.items() for _, _, body in endpoint.requests)

    def test_long_texts_are_cut_and_counted(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint, asking=Asking(form="chat", answer_chars=10, question_chars=10))
        long = AnswerSet(("a" * 50, "b", "c"))
        (found, short) = judge.relate([long, AnswerSet(("x", "y"), prompt="short")])
        assert relation(found).metrics["truncated_inputs"] == 2  # two pairs with the long one
        assert relation(short).metrics["truncated_inputs"] == 0
        assert {answer for pair in endpoint.asked for answer in pair} == {"aaaaa" + GAP + "aaaaa", *"bcxy"}


class TestMemory:
    def test_what_was_answered_is_not_asked_again(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint)
        answers = cities()
        first = relation(judge.relate([answers])[0])
        asked = len(endpoint.requests)
        again = relation(judge.relate([answers, AnswerSet(("Rome",))])[0])
        assert len(endpoint.requests) == asked > 0
        assert again.equal == first.equal
        assert again.metrics["cache_hits"] == again.metrics["comparisons"]
        assert "model_evaluations" not in again.metrics
        similar = relation(judge.relate([replace(answers, similarities=True)])[0])
        assert similar.similarities is not None  # which verdicts without similarities could not have given

    def test_a_fault_is_not_remembered(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint, limits=QUICK)
        endpoint.answer = partial(_refuse, 404)
        answers = cities()
        fault(judge.relate([answers])[0])
        endpoint.answer = endpoint.judge
        assert clusters(CITIES, judge.relate([answers])[0]) == known(CITIES)

    def test_a_file_serves_the_same_judge_and_no_other(self, make: Any, endpoint: Endpoint, tmp_path: Path) -> None:
        cache = str(tmp_path / "verdicts.sqlite")
        answers = cities()
        make(endpoint, cache=cache).relate([answers])
        asked = len(endpoint.requests)
        for options in ({}, {"limits": QUICK}, {"prices": Prices(prompt=1)}):
            found = make(endpoint, cache=cache, **options).relate([answers])
            assert clusters(CITIES, found[0]) == known(CITIES)
        assert len(endpoint.requests) == asked
        others: list[dict[str, Any]] = [
            {"model": "another"},
            {"asking": Asking(form="chat")},
            {"extra_body": {"seed": 1}},
        ]
        for options in others:
            asked = len(endpoint.requests)
            make(endpoint, cache=cache, **options).relate([answers])
            assert len(endpoint.requests) > asked

    def test_all_pairs_by_choice(self, make: Any, endpoint: Endpoint) -> None:
        make(endpoint, asking=Asking(complete=True)).relate([AnswerSet(("Paris", "Lutetia", "the capital of France"))])
        assert len(endpoint.requests) == 6  # three pairs that are the same; in rounds two of them would do


class TestCost:
    def test_what_was_asked_is_counted(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint, prices=Prices(prompt=1_000_000, completion=10_000_000))
        texts = ("London", "Rome", "Paris", "Lutetia")
        (found,) = judge.relate([AnswerSet(texts)])
        # Rounds: London with three, Rome with two, Paris with Lutetia, and that again in the other order.
        metrics = relation(found).metrics
        assert (metrics["comparisons"], metrics["model_evaluations"]) == (6, 7) == (6, len(endpoint.requests))
        assert (metrics["prompt_tokens"], metrics["completion_tokens"]) == (7 * 7, 7)
        assert metrics["cost"] == pytest.approx(7 * 7 * 1 + 7 * 10)
        assert metrics["judge_retries"] == 0

    def test_no_prices_no_cost(self, make: Any, endpoint: Endpoint) -> None:
        assert "cost" not in relation(make(endpoint).relate([AnswerSet(("a", "b"))])[0]).metrics


class TestFaults:
    @pytest.mark.parametrize(
        ("answer", "cause"),
        [
            ("!500", "500: .*the engine died"),
            ("!400", "refused the question: 400: .*maximum context length"),
            ("!malformed", "malformed reply: Invalid JSON"),
            ("!neither", "neither Yes nor No"),
        ],
    )
    @pytest.mark.parametrize("asking", FORMS[:3], ids=lambda asking: asking.form)
    def test_a_fault_befalls_its_own_group(
        self, make: Any, endpoint: Endpoint, asking: Asking, answer: str, cause: str
    ) -> None:
        judge = make(endpoint, asking=asking, limits=QUICK)
        sets = [cities(), AnswerSet(("Rome", answer, "London")), AnswerSet(("Paris", "Rome"))]
        first, second, third = judge.relate(sets)
        assert clusters(CITIES, first) == known(CITIES)
        with pytest.raises(EquivalenceError, match=cause):
            raise second
        assert relation(third).equal == ()

    def test_what_may_pass_is_tried_again(self, make: Any, endpoint: Endpoint) -> None:
        statuses = iter([500, 429, 503])
        endpoint.answer = lambda body: (next(statuses, 200), verdict(body, 1.0))
        judge = make(endpoint, asking=Asking(orders="canonical"))
        (found,) = judge.relate([AnswerSet(("a", "b"))])
        assert relation(found).equal == ((0, 1),)
        assert relation(found).metrics["judge_retries"] == 3

    def test_what_will_not_pass_is_not(self, make: Any, endpoint: Endpoint) -> None:
        for status in (400, 401, 403, 404, 422):
            endpoint.answer = partial(_refuse, status)
            judge = make(endpoint, asking=Asking(orders="canonical"))
            assert f"refused the question: {status}" in fault(judge.relate([AnswerSet(("a", "b"))])[0])
        assert len(endpoint.requests) == 5

    def test_tries_are_bounded(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint, asking=Asking(orders="canonical"), limits=Limits(attempts=2))
        assert "no answer in 2 tries" in fault(judge.relate([AnswerSet(("a", "!500"))])[0])
        assert len(endpoint.requests) == 2

    def test_a_slow_answer_is_a_fault_and_others_are_right(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint, limits=Limits(attempts=1, timeout=3))
        slow, quick = judge.relate([AnswerSet(("a", "!hang")), cities()])
        assert "did not answer within 3 s" in fault(slow)
        assert clusters(CITIES, quick) == known(CITIES)

    def test_the_deadline_is_over_all_tries(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint, limits=Limits(attempts=99, timeout=60, deadline=0.5))
        assert "no answer within 0.5 s" in fault(judge.relate([AnswerSet(("a", "!hang"))])[0])
        # A rest that would end behind the deadline is not waited for.
        endpoint.answer = lambda body: (429, {"error": "slow down"}, {"retry-after": "3600"})
        patient = make(endpoint, limits=Limits(attempts=99, deadline=30))
        assert "429: " in fault(patient.relate([AnswerSet(("a", "b"))])[0])

    def test_a_server_that_is_not_there(self, make: Any, endpoint: Endpoint) -> None:
        endpoint.kill()
        judge = make(endpoint, limits=QUICK)
        found = judge.relate([AnswerSet(("a", "b")), AnswerSet(("c", "d"))])
        assert all("ConnectError" in fault(one) for one in found)

    def test_nobody_queues_up_at_a_dead_judge(self, make: Any, endpoint: Endpoint) -> None:
        endpoint.kill()
        judge = make(endpoint, limits=Limits(concurrency=1, deadline=3600), asking=Asking(orders="canonical"))
        many = [AnswerSet(("a", f"b{n}")) for n in range(300)]  # one by one this would be an hour of waiting
        found = judge.relate(many)
        assert sum("no server is up" in fault(one) for one in found) > 290

    def test_a_server_that_dies_and_comes_back(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint, limits=Limits(attempts=3))
        assert clusters(CITIES, judge.relate([cities()])[0]) == known(CITIES)
        port = endpoint.port
        endpoint.kill()
        assert "127.0.0.1" in fault(judge.relate([cities()])[0])
        with Endpoint(port):
            patient = make(endpoint, limits=Limits(attempts=8))
            assert clusters(CITIES, patient.relate([cities()])[0]) == known(CITIES)
            patient.close()

    def test_a_server_killed_while_it_is_asked(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint, limits=QUICK)
        before = judge.relate([cities()])
        with ThreadPoolExecutor(1) as thread:
            pending = thread.submit(judge.relate, [AnswerSet(("a", "!hang"))])
            while not endpoint.under_way:
                threading.Event().wait(0.01)
            endpoint.kill()
            (during,) = pending.result()
        after = judge.relate([AnswerSet(("a", "b"))])
        assert clusters(CITIES, before[0]) == known(CITIES)
        assert "127.0.0.1" in fault(during)
        assert "127.0.0.1" in fault(after[0])

    def test_groups_that_could_not_be_compared_are_unscored_with_their_cause(self, endpoint: Endpoint) -> None:
        config = {"preset": "empo-judge", "equivalence": {"url": endpoint.url, "limits": {"attempts": 1}}}
        with Scorer(config) as scorer:
            good = Group("Which city?", ["Paris", "Lutetia", "Rome", ""], id="good")
            bad = Group("Which city?", ["Paris", "!500", "Rome", "Rome"], id="bad")
            scores = list(scorer.score_many([good, bad, good]))
        assert [score.status.value for score in scores] == ["scored", "unscored", "scored"]
        assert scores[0].rewards == scores[2].rewards == (0.5, 0.5, 0.25, -0.5)
        assert scores[1].cause is not None
        assert scores[1].cause.value == "equivalence_failed"
        assert "the engine died" in (scores[1].detail or "")
        assert scores[1].rewards == (None,) * 4


class TestServers:
    def test_questions_spread(self, make: Any) -> None:
        with Endpoint() as first, Endpoint() as second:
            make([first, second]).relate([AnswerSet(tuple(f"answer {n}" for n in range(8)))])
            assert len(first.requests) > 0 < len(second.requests)

    def test_another_one_answers_for_a_dead_one(self, make: Any) -> None:
        with Endpoint() as dead, Endpoint() as alive:
            dead.kill()
            found = make([dead, alive]).relate([cities(), AnswerSet(("Rome", "Oslo"))])
            assert clusters(CITIES, found[0]) == known(CITIES)
            assert relation(found[1]).equal == ()

    def test_another_one_answers_for_a_broken_one(self, make: Any) -> None:
        with Endpoint() as broken, Endpoint() as well:
            broken.answer = lambda body: (500, {"error": "cuda out of memory"})
            (found,) = make([broken, well]).relate([cities()])
            assert clusters(CITIES, found) == known(CITIES)

    def test_as_many_questions_at_once_as_allowed_and_no_more(self, make: Any, endpoint: Endpoint) -> None:
        meeting = threading.Barrier(5)

        def meet(body: dict[str, Any]) -> tuple[int, Any]:
            meeting.wait(60)  # five must be there at the same time, or this breaks
            return endpoint.judge(body)

        endpoint.answer = meet
        judge = make(endpoint, limits=Limits(concurrency=5), asking=Asking(orders="canonical"))
        found = judge.relate([AnswerSet((f"x{n}", f"y{n}")) for n in range(10)])
        assert all(relation(one).equal == () for one in found)
        assert endpoint.most_under_way == 5


class TestCallers:
    def test_threads_share_one_judge(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint, limits=Limits(concurrency=4))
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: judge.relate([cities()])[0], range(16)))
        assert all(clusters(CITIES, one) == known(CITIES) for one in found)
        assert endpoint.most_under_way <= 4
        assert sum(thread.name == "empo-judge" for thread in threading.enumerate()) == 1

    def test_from_event_loops(self, endpoint: Endpoint) -> None:
        config = {"preset": "empo-judge", "equivalence": {"url": endpoint.url}}
        groups = [Group("?", ["Paris", "Lutetia", f"answer {n}"]) for n in range(12)]

        async def score(scorer: Scorer) -> list[tuple[float | None, ...]]:
            return [score.rewards for score in await asyncio.gather(*map(scorer.ascore, groups))]

        with Scorer(config) as scorer:
            for _ in range(2):  # a second loop finds the same judge
                assert asyncio.run(score(scorer)) == [(2 / 3, 2 / 3, 1 / 3)] * 12

    def test_a_forked_child_asks_for_itself(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint)
        judge.relate([cities()])  # the parent has a thread and connections
        with multiprocessing.get_context("fork").Pool(2) as children:
            found = children.map(_relate_here, [judge] * 2) + children.map(_relate_inherited, [id(judge)] * 2)
        assert all(clusters(CITIES, one) == known(CITIES) for one in found)
        assert clusters(CITIES, judge.relate([cities()])[0]) == known(CITIES)

    def test_closed_and_used_again(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint)
        for _ in range(3):
            assert clusters(CITIES, judge.relate([cities()])[0]) == known(CITIES)
            judge.close()
            judge.close()
            assert not any(thread.name == "empo-judge" for thread in threading.enumerate())

    def test_closed_while_it_is_asked(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint)
        with ThreadPoolExecutor(1) as thread:
            pending = thread.submit(judge.relate, [AnswerSet(("a", "!hang"))])
            while not endpoint.under_way:
                threading.Event().wait(0.01)
            judge.close()
            with pytest.raises(EquivalenceError, match="closed while it was asked"):
                pending.result()

    def test_a_judge_that_nobody_holds_any_more_leaves_no_thread(self, endpoint: Endpoint) -> None:
        judge = JudgeEquivalence(url=endpoint.url)
        judge.relate([AnswerSet(("a", "b"))])
        del judge
        assert not any(thread.name == "empo-judge" for thread in threading.enumerate())

    def test_a_judge_that_is_collected_on_its_own_thread_leaves_none(self, endpoint: Endpoint) -> None:
        """Garbage collection of a cycle runs on any thread."""
        judge = JudgeEquivalence(url=endpoint.url)
        judge.relate([AnswerSet(("a", "b"))])
        (portal,) = [one for one in gc.get_objects() if isinstance(one, BlockingPortal) and is_running(one)]
        judge.itself = judge  # type: ignore[attr-defined] # a cycle
        gc.disable()
        try:
            del judge
            portal.start_task_soon(gc.collect).result(60)
        finally:
            gc.enable()
        deadline = time.monotonic() + 60
        while any(thread.name == "empo-judge" for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def is_running(portal: BlockingPortal) -> bool:
    """Whether it is none that an earlier test has left."""
    try:
        portal.call(int)
    except RuntimeError:
        return False
    return True


def _relate_here(judge: JudgeEquivalence) -> Relation | Exception:
    """A copy that was pickled."""
    (found,) = judge.relate([cities()])
    judge.close()
    return found


def _relate_inherited(identity: int) -> Relation | Exception:
    """The very object that the fork copied."""
    (judge,) = [one for one in gc.get_objects() if id(one) == identity and isinstance(one, JudgeEquivalence)]
    (found,) = judge.relate([cities()])
    judge.close()
    return found


class TestSecrets:
    KEY = "sk-very-secret-0123456789"

    def test_the_key_goes_to_the_server_and_nowhere_else(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("JUDGE_KEY", self.KEY)
        caplog.set_level(logging.DEBUG)
        endpoint.answer = lambda body: (
            endpoint.judge(body)
            if "leak" not in answers_in(body)
            else (401, {"error": f"the key {endpoint.requests[-1][1]['authorization']} is not known"})
        )
        config = {"preset": "empo-judge", "equivalence": {"url": endpoint.url, "api_key_variable": "JUDGE_KEY"}}
        with Scorer(config) as scorer:
            score = scorer.score(Group("?", ["leak", "Paris"]))
            dumps = [scorer.config.model_dump_json(), repr(scorer.config), repr(vars(scorer._backend))]
            assert self.KEY.encode() not in pickle.dumps(scorer)
            assert self.KEY.encode() not in pickle.dumps(scorer._backend)
        assert {headers["authorization"] for _, headers, _ in endpoint.requests} == {f"Bearer {self.KEY}"}
        assert "is not known" in (score.detail or "")
        assert self.KEY not in "".join([*dumps, json.dumps(score.to_dict()), caplog.text])
        assert "JUDGE_KEY" in dumps[0]

    def test_no_key_no_header(self, make: Any, endpoint: Endpoint) -> None:
        make(endpoint).relate([AnswerSet(("a", "b"))])
        assert "authorization" not in endpoint.requests[0][1]

    def test_a_key_that_is_missing_or_odd_is_an_error_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("JUDGE_KEY", raising=False)
        with pytest.raises(ConfigError, match="JUDGE_KEY is not set"):
            JudgeEquivalence(api_key_variable="JUDGE_KEY")
        monkeypatch.setenv("JUDGE_KEY", "two words")
        with pytest.raises(ConfigError, match="odd characters") as caught:
            JudgeEquivalence(api_key_variable="JUDGE_KEY")
        assert "two words" not in str(caught.value)


class TestConfiguration:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"url": "localhost:8000/v1"}, "no base URL"),
            ({"url": "http:///v1"}, "no base URL"),
            ({"url": "http://host:port/v1"}, "no base URL"),
            ({"url": "ftp://host/v1"}, "no base URL"),
            ({"url": "http://user:secret@host/v1"}, "holds no user"),
            ({"url": "http://host/v1?key=secret"}, "holds no user"),
            ({"url": []}, "empty list"),
            ({"asking": {"form": "haiku"}}, r"equivalence.asking.form: input should be 'verifier'"),
            ({"asking": {"treshold": 0.5}}, "did you mean 'threshold'"),
            ({"asking": {"threshold": 1.5}}, "less than or equal to 1"),
            ({"asking": {"form": "structured", "reasoning_tokens": 5}}, "no room for reasoning"),
            ({"limits": {"concurrency": 0}}, "equivalence.limits.concurrency"),
            ({"prices": {"prompt": -1}}, "equivalence.prices.prompt"),
            ({"modell": "x"}, "did you mean 'model'"),
        ],
    )
    def test_what_is_wrong_is_said_in_one_line(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message) as caught:
            Scorer({"preset": "empo-judge", "equivalence": options})
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)

    def test_a_trailing_slash_does_not_matter(self, endpoint: Endpoint) -> None:
        judge = JudgeEquivalence(url=endpoint.url + "/")
        judge.relate([AnswerSet(("a", "b"))])
        judge.close()
        assert endpoint.requests[0][0] == "/v1/completions"

    def test_without_the_extra_one_line_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        gone = extras.Extra("x", ("no_such_module_here",))
        monkeypatch.setattr(extras, "EXTRAS", {**extras.EXTRAS, "judge": gone, "vllm": gone})
        for name, extra in (("judge", "judge"), ("judge_in_process", "vllm")):
            with pytest.raises(MissingExtraError, match=rf"'{name}' needs .*empo-rewards\[{extra}\]"):
                Scorer({"preset": "empo-natural", "equivalence": name})

    def test_pickles_as_its_options(self, make: Any, endpoint: Endpoint) -> None:
        judge = make(endpoint, asking=Asking(form="chat"), limits=QUICK)
        copy = pickle.loads(pickle.dumps(judge))
        assert clusters(CITIES, copy.relate([cities()])[0]) == known(CITIES)
        copy.close()
        assert {path for path, _, _ in endpoint.requests} == {"/v1/chat/completions"}


def test_the_page_configures_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every YAML block of docs/judge.md makes a scorer."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0")
    monkeypatch.setattr(extras, "EXTRAS", {**extras.EXTRAS, "vllm": extras.Extra("x", ())})  # the model stays unloaded
    page = (Path(__file__).parents[3] / "docs" / "judge.md").read_text(encoding="utf-8")
    blocks = code_blocks(page, "yaml")
    assert len(blocks) >= 3
    for block in blocks:
        Scorer(yaml.safe_load(block)).close()


def test_the_page_names_every_option_with_its_default() -> None:
    page = (Path(__file__).parents[3] / "docs" / "judge.md").read_text(encoding="utf-8")
    rows = table(page, "option", "default")
    named = {name.rpartition(".")[2] for names, *_ in rows for name in quoted(names)} | {
        "form"
    }  # which has its own table
    for model in (Asking, Limits, Prices):
        assert named >= set(model.model_fields), model
    defaults = {quoted(names)[0]: default for names, default, _ in rows}
    assert defaults["limits.timeout"] == f"{Limits().timeout:g}"
    assert defaults["limits.deadline"] == f"{Limits().deadline:g}"
    assert defaults["limits.attempts"] == str(Limits().attempts)
    assert defaults["limits.concurrency"] == str(Limits().concurrency)
    assert defaults["asking.threshold"] == str(Asking().threshold)
    assert defaults["asking.top_logprobs"] == str(Asking().top_logprobs)


@pytest.mark.parametrize("asking", FORMS, ids=lambda asking: f"{asking.form}-{asking.reasoning_tokens}")
def test_reasons_have_the_judges_words(
    endpoint: Endpoint, make: Callable[..., JudgeEquivalence], asking: Asking
) -> None:
    judge, answers = make(endpoint, asking=asking), cities()
    paris, lutetia, rome = (CITIES.index(name) for name in ("Paris", "Lutetia", "Rome"))
    same, other = judge.why(answers, paris, lutetia), judge.why(answers, rome, paris)
    assert (same.equal, other.equal) == (True, False)
    assert [same.facts[name] for name in ("one", "other")] == ["Lutetia", "Paris"]
    for reason, word in ((same, "Yes"), (other, "No")):
        for order in ("one first", "other first"):
            assert word in str(reason.facts[f"{order}: the judge's words"])
            assert (reason.facts[f"{order}: P(Yes)"] >= 0.5) is reason.equal  # type: ignore[operator] # a number
    if asking.reasoning_tokens:
        assert "I compare." in str(same.facts["one first: the judge's words"])
    asked = [set(answers_in(body)) for _, _, body in endpoint.requests]
    assert asked == [{"Lutetia", "Paris"}] * 2 + [{"Paris", "Rome"}] * 2


def test_reasons_of_pairs_that_are_not_asked(endpoint: Endpoint, make: Callable[..., JudgeEquivalence]) -> None:
    judge = make(endpoint)
    settled = AnswerSet(("Paris", "Rome", "paris"), settled=frozenset({(0, 1)}))
    assert judge.why(settled, 0, 2).rule == "normal forms"
    assert judge.why(settled, 2, 1).rule == "settled before the model was asked"
    assert endpoint.requests == []


def test_a_judge_without_an_answer_has_no_reason(endpoint: Endpoint, make: Callable[..., JudgeEquivalence]) -> None:
    judge = make(endpoint, limits=QUICK)
    with pytest.raises(EquivalenceError):
        judge.why(AnswerSet(("Paris", "!500")), 0, 1)

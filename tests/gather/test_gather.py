"""The rendezvous: each guarantee, in simulated time."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
import tracemalloc
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pytest
from simulated_loop import SimulatedLoop

from empo_rewards import Cause, ConfigError, Group, GroupScore, Scorer, Status
from empo_rewards.gather import (
    Collected,
    Ending,
    Gather,
    GatherClosedError,
    GatherConflictError,
    GatherError,
    GatherFullError,
    GatherLimits,
    GatherOutcome,
    GatherScoreError,
    GatherSizeError,
)
from empo_rewards.gather.room import Room

T = TypeVar("T")
Text = Collected[str]

LIMITS = GatherLimits(idle_seconds=10, total_seconds=50, score_seconds=20, abandoned_seconds=5, remember_seconds=30)


def simulate(scenario: Callable[[], Coroutine[Any, Any, T]]) -> T:
    loop = SimulatedLoop()
    try:
        return loop.run_until_complete(scenario())
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def in_simulated_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        simulate(functools.partial(test, **arguments))

    return run


class Scores:
    """A `score` whose verdict is what it was given; it can be slow, and it can fail."""

    def __init__(self, seconds: float = 0.0, error: BaseException | None = None) -> None:
        self.seconds, self.error = seconds, error
        self.seen: list[Text] = []

    async def __call__(self, collected: Text) -> Text:
        self.seen.append(collected)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return collected


def gatherer(
    score: Callable[[Text], Awaitable[Text]] | None = None, size: int | None = 3, **more: Any
) -> Gather[str, Text]:
    return Gather(score or Scores(), size, more.pop("limits", LIMITS), **more)


Task = asyncio.Task[GatherOutcome[Text]]


async def submitted(gather: Gather[str, Text], *arguments: Any) -> Task:
    """A caller that has just got as far as it can."""
    task = asyncio.ensure_future(gather.submit(*arguments))
    await settle()
    return task


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def go_away(task: Task) -> None:
    task.cancel()
    await settle()
    assert task.cancelled()


# --- who belongs to which group --------------------------------------------------------------------------------------


@in_simulated_time
async def test_members_get_one_verdict_and_their_own_position() -> None:
    score = Scores()
    gather = gatherer(score)
    outcomes = await asyncio.gather(*(gather.submit("g", member, f"answer {member}") for member in (2, 0, 1)))
    assert score.seen == [Text("g", ("answer 0", "answer 1", "answer 2"), (0, 1, 2), 3, 0, Ending.COMPLETE)]
    assert [outcome.position for outcome in outcomes] == [2, 0, 1]
    assert {id(outcome.verdict) for outcome in outcomes} == {id(score.seen[0])}
    assert score.seen[0].whole


@in_simulated_time
async def test_ids_that_are_numbers_come_before_ids_that_are_texts() -> None:
    score = Scores()
    gather = gatherer(score, 4)
    await asyncio.gather(*(gather.submit("g", member, str(member)) for member in ("10", 9, 10, "9")))
    assert score.seen[0].members == (9, 10, "10", "9")


@in_simulated_time
async def test_groups_of_one_prompt_are_filled_one_after_another() -> None:
    score = Scores()
    gather = gatherer(score, 2)
    outcomes = await asyncio.gather(*(gather.submit("p", None, text) for text in "abcdef"))
    assert [collected.payloads for collected in score.seen] == [("a", "b"), ("c", "d"), ("e", "f")]
    assert [outcome.position for outcome in outcomes] == [0, 1] * 3
    assert score.seen[0].members == ()


@in_simulated_time
async def test_peers_with_the_same_text_are_all_members() -> None:
    score = Scores()
    gather = gatherer(score, 4)
    await asyncio.gather(*(gather.submit("p", None, "same") for _ in range(4)))
    assert score.seen[0].payloads == ("same",) * 4


@in_simulated_time
async def test_groups_of_another_size_on_the_same_prompt_are_separate() -> None:
    score = Scores()
    gather = gatherer(score, 3)
    calls = [gather.submit("p", None, f"{size}", size) for size in (2, None, 4, 4, None, 2, 4, None, 4)]
    await asyncio.gather(*calls)
    assert {collected.payloads for collected in score.seen} == {("2",) * 2, ("None",) * 3, ("4",) * 4}


@in_simulated_time
async def test_submissions_with_and_without_ids_never_meet() -> None:
    score = Scores()
    gather = gatherer(score, 2)
    await asyncio.gather(*(gather.submit("k", member, str(member)) for member in (None, 0, 1, None)))
    assert {collected.payloads for collected in score.seen} == {("None", "None"), ("0", "1")}


@in_simulated_time
async def test_a_key_that_is_not_reused_names_one_group() -> None:
    score = Scores(seconds=1)
    gather = gatherer(score, 2, reuse_keys=False)
    calls = [await submitted(gather, "uid", None, text) for text in ("a", "b", "b", "c")]
    calls.append(asyncio.ensure_future(gather.submit("uid", None, "a")))  # beside the scoring and, below, after it
    outcomes = await asyncio.gather(*calls, gather.submit("uid", None, "b"))
    outcomes.append(await gather.submit("uid", None, "c"))
    assert len(score.seen) == 1
    assert [outcome.position for outcome in outcomes] == [0, 1, 1, None, 0, 1, None]
    stats = gather.stats()
    assert (stats.members, stats.joined, stats.surplus, stats.late) == (2, 3, 2, 0)


@in_simulated_time
async def test_a_group_takes_no_more_members_than_it_has() -> None:
    score = Scores()
    gather = gatherer(score, 2)
    calls = [await submitted(gather, "g", member, str(member)) for member in (5, 6, 4)]
    assert [(await call).position for call in calls] == [0, 1, None]
    assert score.seen[0].members == (5, 6)
    assert gather.stats().surplus == 1


@in_simulated_time
async def test_a_surplus_caller_may_go_away() -> None:
    gather = gatherer(Scores(seconds=1), 2, reuse_keys=False)
    calls = [await submitted(gather, "uid", None, text) for text in "abc"]
    await go_away(calls.pop())
    assert [outcome.position for outcome in await asyncio.gather(*calls)] == [0, 1]
    assert (await gather.submit("uid", None, "c")).position is None


# --- the same member again -------------------------------------------------------------------------------------------


@in_simulated_time
async def test_a_repeated_id_is_one_member_and_another_payload_under_it_a_conflict() -> None:
    score = Scores(seconds=1)
    gather = gatherer(score, 2)
    calls = [await submitted(gather, "g", 0, "first") for _ in range(2)]
    conflict = pytest.raises(GatherConflictError, match="'g': its member 0 came before with another answer")
    with conflict:
        await gather.submit("g", 0, "second")
    calls.append(await submitted(gather, "g", 1, "other"))
    with conflict:  # while it is scored
        await gather.submit("g", 0, "second")
    assert [(await call).position for call in calls] == [0, 0, 1]
    with conflict:  # and when it has ended
        await gather.submit("g", 0, "second")
    assert score.seen[0].payloads == ("first", "other")
    stats = gather.stats()
    assert (stats.members, stats.joined, stats.conflicts) == (2, 1, 3)


@in_simulated_time
@pytest.mark.parametrize("reuse_keys", [True, False])
async def test_what_does_not_belong_to_a_named_group_is_a_conflict(reuse_keys: bool) -> None:
    gather = gatherer(size=2, reuse_keys=reuse_keys, belong=lambda one, other: one[0] == other[0])
    call = await submitted(gather, "g", 0, "a1")
    with pytest.raises(GatherConflictError, match="another prompt"):
        await gather.submit("g", 1, "b1")
    await gather.submit("g", 1, "a2")
    assert (await call).verdict.payloads == ("a1", "a2")
    with pytest.raises(GatherConflictError):
        await gather.submit("g", 2, "b1")
    calls = [await submitted(gather, "p", None, text) for text in ("a1", "b1")]
    if reuse_keys:  # the key is the prompt
        assert (await calls[0]).verdict.payloads == ("a1", "b1")
    else:
        with pytest.raises(GatherConflictError):
            await calls[1]


@in_simulated_time
async def test_a_group_that_nobody_waits_for_is_scored_for_so_long_only() -> None:
    score = Scores(seconds=LIMITS.abandoned_seconds + 2)
    gather = gatherer(score, 2)
    calls = [await submitted(gather, "g", member, "a") for member in (0, 1)]
    for call in calls:
        await go_away(call)
    await asyncio.sleep(LIMITS.abandoned_seconds - 1)
    again = await submitted(gather, "g", 0, "a")  # somebody does, after all
    await asyncio.sleep(2)
    assert gather.stats().scoring_groups == 1
    await go_away(again)
    await asyncio.sleep(LIMITS.abandoned_seconds + 1)
    assert (gather.stats().given_up, gather.stats().held_members) == (0, 0), "it was scored before"

    calls = [await submitted(gather, "h", member, "a") for member in (0, 1)]
    for call in calls:
        await go_away(call)
    await asyncio.sleep(LIMITS.abandoned_seconds + 1)
    stats = gather.stats()
    assert (stats.given_up, stats.scoring_groups, stats.held_members, stats.failed) == (1, 0, 0, 0)
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


@in_simulated_time
async def test_a_payload_need_not_be_hashable_where_members_have_ids() -> None:
    async def score(collected: Collected[list[int]]) -> int:
        return sum(sum(payload) for payload in collected.payloads)

    gather: Gather[list[int], int] = Gather(score, 2, LIMITS)
    both = await asyncio.gather(gather.submit("g", 0, [1]), gather.submit("g", 0, [1]), gather.submit("g", 1, [2, 3]))
    assert [outcome.verdict for outcome in both] == [6, 6, 6]
    await asyncio.sleep(LIMITS.remember_seconds + 1)
    assert gather.stats().remembered_groups == 0


@in_simulated_time
async def test_an_ended_group_is_remembered_for_members_that_ask_again() -> None:
    score = Scores()
    gather = gatherer(score, 2)
    first = await asyncio.gather(gather.submit("g", 0, "a"), gather.submit("g", 1, "b"))
    await asyncio.sleep(LIMITS.remember_seconds - 1)
    assert await gather.submit("g", 1, "b") == first[1]
    await asyncio.sleep(2)
    again = await submitted(gather, "g", 1, "b")
    assert not again.done()
    assert gather.stats().open_groups == 1


@in_simulated_time
async def test_a_retry_without_an_id_takes_the_place_of_a_caller_who_went_away() -> None:
    score = Scores()
    gather = gatherer(score, 3)
    gone = await submitted(gather, "p", None, "same")
    await go_away(gone)
    calls = [await submitted(gather, "p", None, text) for text in ("same", "same", "other")]
    assert [(await call).position for call in calls] == [0, 1, 2]
    assert score.seen[0].payloads == ("same", "same", "other")
    stats = gather.stats()
    assert (stats.members, stats.joined, stats.withdrawn) == (3, 1, 1)


@in_simulated_time
async def test_an_abandoned_answer_counts_and_its_retry_finds_the_verdict() -> None:
    score = Scores(seconds=2)
    gather = gatherer(score, 3)
    for text in ("a", "b"):
        await go_away(await submitted(gather, "p", None, text))
    last = await submitted(gather, "p", None, "c")
    during = await submitted(gather, "p", None, "b")  # the group is being scored
    outcome = await last
    assert score.seen[0].payloads == ("a", "b", "c")
    assert (await during).position == 1
    await asyncio.sleep(LIMITS.abandoned_seconds - 1)
    assert await gather.submit("p", None, "a") == GatherOutcome(outcome.verdict, 0)
    fresh = await submitted(gather, "p", None, "a")  # all have their verdict: this is a new group
    assert not fresh.done()


@in_simulated_time
async def test_an_abandoned_place_is_forgotten_with_its_group() -> None:
    gather = gatherer(size=2)
    await go_away(await submitted(gather, "p", None, "a"))
    await gather.submit("p", None, "b")
    await asyncio.sleep(LIMITS.abandoned_seconds + 1)
    fresh = await submitted(gather, "p", None, "a")
    assert not fresh.done()
    assert gather.stats().members == 3


@in_simulated_time
async def test_a_group_of_a_prompt_is_remembered_only_for_callers_who_went_away() -> None:
    gather = gatherer(size=2)
    await asyncio.gather(*(gather.submit("all stay", None, text) for text in "ab"))
    assert gather.stats().remembered_groups == 0
    await go_away(await submitted(gather, "one goes", None, "a"))
    await gather.submit("one goes", None, "b")
    assert gather.stats().remembered_groups == 1
    assert (await gather.submit("one goes", None, "a")).position == 0
    assert (gather.stats().remembered_groups, gather.stats().remembered_bytes) == (0, 0)


@in_simulated_time
async def test_a_caller_cancelled_with_the_verdict_at_hand_may_still_ask_for_it() -> None:
    gather = gatherer(size=2)
    first = await submitted(gather, "p", None, "a")
    second = asyncio.ensure_future(gather.submit("p", None, "b"))
    while gather.stats().remembered_groups == 0:
        await asyncio.sleep(0)
    first.cancel()
    assert (await second).position == 1
    await settle()
    assert first.cancelled()
    assert (await gather.submit("p", None, "a")).position == 0


@in_simulated_time
async def test_a_prompts_group_that_nobody_waits_for_is_given_up() -> None:
    score = Scores()
    gather = gatherer(score, 3, limits=GatherLimits(abandoned_seconds=5))
    old = [await submitted(gather, "p", None, text) for text in ("a", "b")]
    await go_away(old[0])
    await asyncio.sleep(5 + 1)  # somebody waits: it stays
    await go_away(old[1])
    await asyncio.sleep(5 - 1)
    back = await submitted(gather, "p", None, "b")  # somebody waits again
    await asyncio.sleep(2)
    assert gather.stats().given_up == 0
    await go_away(back)
    await asyncio.sleep(5 + 0.5)
    stats = gather.stats()
    assert (stats.given_up, stats.open_groups, stats.held_members, stats.held_bytes) == (1, 0, 0, 0)
    await asyncio.gather(*(gather.submit("p", None, text) for text in "abc"))
    assert [collected.payloads for collected in score.seen] == [("a", "b", "c")]


@in_simulated_time
async def test_a_named_group_that_nobody_waits_for_keeps_its_answers() -> None:
    score = Scores()
    gather = gatherer(score, 2)
    await go_away(await submitted(gather, "g", 0, "a"))
    await asyncio.sleep(LIMITS.abandoned_seconds + 1)
    assert (await gather.submit("g", 1, "b")).position == 1
    assert (await gather.submit("g", 0, "a")).position == 0


# --- deadlines -------------------------------------------------------------------------------------------------------


@in_simulated_time
async def test_the_idle_deadline_counts_from_the_last_new_member() -> None:
    loop = asyncio.get_running_loop()
    score = Scores()
    gather = gatherer(score, 4)
    calls = [await submitted(gather, "g", 0, "a")]
    await asyncio.sleep(8)
    calls.append(await submitted(gather, "g", 1, "b"))
    await asyncio.sleep(8)
    calls.append(await submitted(gather, "g", 1, "b"))  # a retry brings no news
    outcomes = await asyncio.gather(*calls)
    assert loop.time() == pytest.approx(18)
    assert {outcome.verdict.ending for outcome in outcomes} == {Ending.IDLE}
    assert score.seen == [Text("g", ("a", "b"), (0, 1), 4, 0, Ending.IDLE)]
    assert not score.seen[0].whole


@in_simulated_time
async def test_the_idle_deadline_of_each_group_is_its_own() -> None:
    loop = asyncio.get_running_loop()
    gather = gatherer(size=4)
    often = [await submitted(gather, "often", 0, "a")]
    await asyncio.sleep(3)
    once = await submitted(gather, "once", 0, "a")
    await asyncio.sleep(5)
    often.append(await submitted(gather, "often", 1, "b"))
    await once
    assert loop.time() == pytest.approx(13)
    await asyncio.gather(*often)
    assert loop.time() == pytest.approx(18)


@in_simulated_time
async def test_the_total_deadline_counts_from_the_first_member() -> None:
    loop = asyncio.get_running_loop()
    gather = gatherer(size=16)
    calls = []
    for member in range(7):
        calls.append(await submitted(gather, "g", member, str(member)))
        await asyncio.sleep(8)
    assert loop.time() == 56
    assert [call.done() for call in calls] == [True] * 7
    assert calls[0].result().verdict.ending is Ending.TOTAL
    assert calls[0].result().verdict.expected == 16


@in_simulated_time
async def test_late_members_get_the_verdict_of_the_others() -> None:
    score = Scores(seconds=1)
    gather = gatherer(score, 3)
    calls = [await submitted(gather, "g", member, str(member)) for member in (0, 2)]
    await asyncio.sleep(LIMITS.idle_seconds + 0.5)
    calls.append(await submitted(gather, "g", 1, "1"))  # the others are being scored
    outcomes = await asyncio.gather(*calls)
    assert outcomes == [
        GatherOutcome(score.seen[0], 0),
        GatherOutcome(score.seen[0], 1),
        GatherOutcome(score.seen[0], None),
    ]
    assert await gather.submit("g", 1, "1") == GatherOutcome(score.seen[0], None)
    assert gather.stats().late == 2
    assert len(score.seen) == 1


@in_simulated_time
async def test_deadlines_do_not_end_a_group_that_is_being_scored() -> None:
    gather = gatherer(Scores(seconds=15), 2)
    outcomes = await asyncio.gather(gather.submit("g", 0, "a"), gather.submit("g", 1, "b"))
    assert outcomes[0].verdict.ending is Ending.COMPLETE


# --- members that will not come --------------------------------------------------------------------------------------


@in_simulated_time
async def test_a_group_does_not_wait_for_a_forgotten_member() -> None:
    loop = asyncio.get_running_loop()
    gather = gatherer(size=3)
    calls = [await submitted(gather, "g", member, str(member)) for member in (0, 1)]
    assert gather.forget("g", 2)
    outcomes = await asyncio.gather(*calls)
    assert loop.time() == 0
    assert outcomes[0].verdict == Text("g", ("0", "1"), (0, 1), 3, 1, Ending.LOST)
    assert not gather.forget("g", 2)
    stats = gather.stats()
    assert (stats.forgotten, stats.shortened, stats.completed) == (1, 1, 0)


@in_simulated_time
async def test_a_member_may_be_forgotten_before_any_came_and_is_lost_once() -> None:
    gather = gatherer(size=None)
    assert gather.forget("g", 7, 3)
    assert not gather.forget("g", 7)
    await asyncio.sleep(LIMITS.idle_seconds + 1)  # its peers may need long: only the total deadline counts
    calls = [await submitted(gather, "g", member, str(member)) for member in (5, 6)]
    assert (await calls[0]).verdict.ending is Ending.LOST
    assert gather.stats().forgotten == 1


@in_simulated_time
async def test_the_total_deadline_does_not_count_the_time_before_the_first_member() -> None:
    gather = gatherer(size=4)
    gather.forget("g", 3)
    await asyncio.sleep(45)
    first = await submitted(gather, "g", 0, "a")
    await asyncio.sleep(8)
    second = await submitted(gather, "g", 1, "b")
    await asyncio.sleep(8)
    assert not first.done()
    assert (await second).verdict.ending is Ending.IDLE


@in_simulated_time
async def test_losses_alone_end_unseen() -> None:
    score = Scores()
    gather = gatherer(score, size=2)
    gather.forget("all", 0)
    gather.forget("all", 1)
    gather.forget("one", 0)
    assert gather.stats().open_groups == 1
    await asyncio.sleep(LIMITS.total_seconds + 1)
    assert gather.stats().open_groups == 0
    assert score.seen == []


@in_simulated_time
async def test_a_forgotten_member_that_comes_in_time_is_a_member() -> None:
    gather = gatherer(size=2)
    gather.forget("g", 0)
    calls = [await submitted(gather, "g", member, str(member)) for member in (0, 1)]
    assert (await calls[0]).verdict.ending is Ending.COMPLETE
    assert (await calls[1]).verdict.lost == 0


@in_simulated_time
async def test_a_member_that_came_is_not_forgotten() -> None:
    gather = gatherer(size=2)
    call = await submitted(gather, "g", 0, "a")
    assert not gather.forget("g", 0)
    assert not call.done()
    assert gather.stats().forgotten == 0


@in_simulated_time
async def test_without_ids_each_loss_counts_in_the_group_being_filled() -> None:
    score = Scores()
    gather = gatherer(score, 3)
    calls = [await submitted(gather, "p", None, text) for text in "abc"]  # whole
    calls.append(await submitted(gather, "p", None, "d"))
    assert gather.forget("p")
    assert gather.forget("p")
    await asyncio.gather(*calls)
    assert [(c.payloads, c.lost) for c in score.seen] == [(("a", "b", "c"), 0), (("d",), 2)]


# --- scoring that fails ----------------------------------------------------------------------------------------------


@in_simulated_time
async def test_a_fault_of_scoring_reaches_every_member_alike() -> None:
    fault = RuntimeError("the judge is down")
    gather = gatherer(Scores(error=fault), 2)
    calls = [await submitted(gather, "g", member, str(member)) for member in (0, 1)]
    calls.append(await submitted(gather, "g", 1, "1"))
    errors = [call.exception() for call in calls]
    assert {str(error) for error in errors} == {"group 'g': scoring failed: RuntimeError: the judge is down"}
    assert all(isinstance(error, GatherScoreError) and error.__cause__ is fault for error in errors)
    assert len({id(error) for error in errors}) == 3
    assert gather.stats().failed == 1


@in_simulated_time
async def test_a_score_that_raises_before_it_awaits_is_a_fault_of_scoring() -> None:
    def score(collected: Text) -> Awaitable[Text]:
        raise ValueError("not even a coroutine")

    gather = gatherer(score, 1)
    with pytest.raises(GatherScoreError, match="not even a coroutine"):
        await gather.submit("g", 0, "a")


@in_simulated_time
async def test_cancelled_scoring_is_an_error_and_no_cancellation_of_the_members() -> None:
    gather = gatherer(Scores(error=asyncio.CancelledError()), 1)
    with pytest.raises(GatherScoreError, match="cancelled"):
        await gather.submit("g", 0, "a")


@in_simulated_time
async def test_scoring_that_hangs_is_cancelled_at_its_deadline() -> None:
    cancelled = []

    async def score(collected: Text) -> Text:
        try:
            await asyncio.sleep(1e9)
        except asyncio.CancelledError:
            cancelled.append(collected)
            raise
        return collected

    gather = gatherer(score, 1)
    with pytest.raises(GatherScoreError, match="20 s"):
        await gather.submit("g", 0, "a")
    await settle()
    assert asyncio.get_running_loop().time() == LIMITS.score_seconds
    assert len(cancelled) == 1
    assert gather.stats().failed == 1


@in_simulated_time
async def test_a_verdict_that_comes_after_the_deadline_changes_nothing() -> None:
    async def stubborn(collected: Text) -> Text:
        try:
            await asyncio.sleep(1e9)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return collected

    gather = gatherer(stubborn, 1)
    for _ in range(2):
        with pytest.raises(GatherScoreError, match="20 s"):
            await gather.submit("g", 0, "a")
        await asyncio.sleep(2)


# --- the end ---------------------------------------------------------------------------------------------------------


@in_simulated_time
async def test_close_lets_everybody_go() -> None:
    gather = gatherer(Scores(seconds=3), 2)
    scoring = [await submitted(gather, "g", member, str(member)) for member in (0, 1)]
    open_ones = [await submitted(gather, "p", None, "a"), await submitted(gather, "h", 0, "b")]
    await gather.close(grace_seconds=5)
    assert asyncio.get_running_loop().time() == 3
    assert [call.result().position for call in scoring] == [0, 1]
    for call in open_ones:
        with pytest.raises(GatherClosedError):
            await call
    for member in (None, 0):
        with pytest.raises(GatherClosedError):
            await gather.submit("g", member, "c")
    with pytest.raises(GatherClosedError):
        gather.forget("g", 3)
    stats = gather.stats()
    assert (stats.open_groups, stats.scoring_groups, stats.waiting, stats.held_bytes, stats.held_members) == (0,) * 5
    await gather.close()


@in_simulated_time
async def test_close_does_not_wait_for_scoring_past_its_grace() -> None:
    async def stubborn(collected: Text) -> Text:
        while True:
            try:
                await asyncio.sleep(100)
                return collected
            except asyncio.CancelledError:
                continue

    gather = gatherer(stubborn, 1)
    call = await submitted(gather, "g", 0, "a")
    await gather.close(grace_seconds=2)
    with pytest.raises(GatherClosedError):
        await call
    assert asyncio.get_running_loop().time() <= 4


@in_simulated_time
async def test_an_unused_gather_closes() -> None:
    gather = gatherer()
    await gather.close()
    with pytest.raises(GatherClosedError):
        await gather.submit("g", 0, "a")


# --- bounds ----------------------------------------------------------------------------------------------------------


def bounded(**bounds: Any) -> GatherLimits:
    return GatherLimits(idle_seconds=10, total_seconds=50, abandoned_seconds=5, remember_seconds=30, **bounds)


@in_simulated_time
async def test_a_group_too_many_is_refused_and_the_open_ones_complete() -> None:
    gather = gatherer(size=2, limits=bounded(max_groups=2))
    calls = [await submitted(gather, key, 0, "a") for key in "xy"]
    for refused in (gather.submit("z", 0, "a"), gather.submit("z", None, "a")):
        with pytest.raises(GatherFullError, match="max_groups"):
            await refused
    with pytest.raises(GatherFullError, match="max_groups"):
        gather.forget("z", 0)
    for key in "xy":
        await gather.submit(key, 1, "b")
    assert all(outcome.verdict.whole for outcome in await asyncio.gather(*calls))
    await submitted(gather, "z", 0, "a")
    assert gather.stats().refused == 3


@in_simulated_time
async def test_room_is_kept_for_the_members_that_open_groups_still_expect() -> None:
    gather = gatherer(size=3, limits=bounded(max_members=7))
    calls = [await submitted(gather, key, 0, "a") for key in "xy"]
    with pytest.raises(GatherFullError, match="max_members"):
        await gather.submit("z", 0, "a")
    with pytest.raises(GatherFullError, match="max_members"):
        await gather.submit("z", 0, "a", 10**12)
    rest = [await submitted(gather, key, member, "b") for key in "xy" for member in (1, 2)]
    assert all(outcome.verdict.whole for outcome in await asyncio.gather(*calls, *rest))


@in_simulated_time
async def test_a_flood_of_repeated_submissions_is_refused() -> None:
    gather = gatherer(size=2, limits=bounded(max_members=4))
    await asyncio.gather(*(gather.submit("ended", member, "a") for member in (0, 1)))
    calls = [await submitted(gather, "g", 0, "a") for _ in range(4)]
    with pytest.raises(GatherFullError):
        await gather.submit("g", 0, "a")
    assert (await gather.submit("ended", 1, "a")).position == 1  # it need not wait
    await gather.submit("g", 1, "b")
    assert all(outcome.verdict.whole for outcome in await asyncio.gather(*calls))


@in_simulated_time
async def test_bytes_are_bounded_and_what_is_remembered_gives_way() -> None:
    gather = gatherer(size=2, limits=bounded(max_bytes=100), measure=len)
    await asyncio.gather(gather.submit("old", 0, "a" * 40), gather.submit("old", 1, "b" * 40))
    with pytest.raises(GatherFullError, match="max_bytes"):
        await gather.submit("huge", 0, "c" * 101)
    assert (await gather.submit("old", 0, "a" * 40)).position == 0  # still remembered
    call = await submitted(gather, "new", 0, "d" * 70)
    assert gather.stats().remembered_groups == 0
    with pytest.raises(GatherFullError, match="max_bytes"):
        await gather.submit("new", 1, "e" * 31)
    assert gather.stats().held_bytes == 70
    assert gather.stats().open_groups == 1
    await gather.submit("new", 1, "e" * 30)
    assert (await call).verdict.payloads == ("d" * 70, "e" * 30)


@in_simulated_time
async def test_losses_alone_hold_no_place_but_their_own() -> None:
    gather = gatherer(limits=bounded(max_members=10))
    for group in range(4):
        gather.forget(group, 0, 10)
    calls = [await submitted(gather, "g", member, "a", 6) for member in range(5)]
    with pytest.raises(GatherFullError, match="6 more would pass 10"):
        await gather.submit("h", 0, "a", 6)
    await gather.submit("g", 5, "a")
    assert all(outcome.verdict.whole for outcome in await asyncio.gather(*calls))


@in_simulated_time
async def test_a_client_that_holds_most_makes_room_for_one_that_holds_less() -> None:
    gather = gatherer(size=4, limits=bounded(max_members=16))
    heavy = [await submitted(gather, key, 0, "a", None, "heavy") for key in "wxyz"]
    with pytest.raises(GatherFullError, match="max_members"):
        await gather.submit("more", 0, "a", None, "heavy")
    light = [await submitted(gather, "l", 0, "a", None, "light")]
    with pytest.raises(GatherFullError, match="'z' was given up"):
        await heavy[3]
    light += [await submitted(gather, "l", member, "a", None, "light") for member in (1, 2, 3)]
    assert all(outcome.verdict.whole for outcome in await asyncio.gather(*light))
    assert (gather.stats().evicted, gather.stats().open_groups) == (1, 3)
    await submitted(gather, "back", 0, "a", None, "heavy")  # what nobody else uses is anybody's
    half = [await submitted(gather, key, 0, "a", None, "light") for key in ("m", "n")]
    with pytest.raises(GatherFullError):  # it has its half
        await gather.submit("o", 0, "a", None, "light")
    assert not any(call.done() for call in (*heavy[:2], *half))


@in_simulated_time
async def test_two_gathers_may_share_one_room() -> None:
    limits = bounded(max_members=4, max_bytes=100)
    room = Room(limits)
    one, two = (gatherer(size=2, limits=limits, measure=len, room=room) for _ in range(2))
    await asyncio.gather(*(one.submit("g", member, "a" * 45) for member in (0, 1)))
    call = await submitted(two, "h", 0, "b" * 50)
    assert one.stats().remembered_groups == 0
    with pytest.raises(GatherFullError, match="max_bytes"):
        await one.submit("i", 0, "c" * 51)
    assert not call.done()
    room.take("a body", bytes=50)
    with pytest.raises(GatherFullError, match="max_bytes"):
        await two.submit("h", 1, "b")
    room.give("a body", bytes=50)
    await two.submit("h", 1, "b")


def test_a_room_counts_what_is_held_and_forgets_clients_that_hold_nothing() -> None:
    room = Room(bounded(max_groups=2, max_members=10, max_bytes=100))
    room.take("a", bytes=0)
    room.take("a", groups=1, bytes=60)
    room.count("answers", bytes=70)  # they are there, whatever the bound
    assert room.held_bytes == 130
    with pytest.raises(GatherFullError, match="130 bytes are held, and 1 more would pass 100"):
        room.take("b", bytes=1)
    room.give("a", groups=1, bytes=60)
    room.give("a", bytes=0)
    room.count("answers", bytes=-70)
    assert (room.held_bytes, room.lacks(10), room.lacks(11)) == (0, None, "members")
    room.take("b", groups=2)
    assert room.lacks(1) == "groups"


@in_simulated_time
async def test_only_so_many_ended_groups_are_remembered() -> None:
    gather = gatherer(size=1, limits=bounded(max_remembered=2))
    for key in "abc":
        await gather.submit(key, 0, "x")
    assert gather.stats().remembered_groups == 2
    await gather.submit("b", 0, "x")
    assert gather.stats().members == 3
    await gather.submit("a", 0, "x")
    assert gather.stats().members == 4


@pytest.mark.parametrize("name", ["idle_seconds", "total_seconds", "score_seconds", "max_groups", "max_bytes"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_a_limit_that_limits_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        GatherLimits(**{name: value})  # type: ignore[arg-type] # a float for a count is part of what is refused


# --- sizes and loops -------------------------------------------------------------------------------------------------


@in_simulated_time
async def test_the_members_of_a_group_must_agree_on_its_size() -> None:
    gather = gatherer(size=2)
    call = await submitted(gather, "g", 0, "a", 3)
    with pytest.raises(GatherSizeError, match="3 members; a submission says 2"):
        await gather.submit("g", 1, "b", 2)
    with pytest.raises(GatherSizeError):
        gather.forget("g", 1, 2)
    rest = [await submitted(gather, "g", member, "b") for member in (1, 2)]  # no size: as the group has
    assert (await call).verdict.expected == 3
    assert all(call.done() for call in rest)


@in_simulated_time
async def test_a_size_is_at_least_one_and_must_be_given_somewhere() -> None:
    with pytest.raises(GatherSizeError):
        gatherer(size=0)
    gather = gatherer(size=None)
    for member in (0, None):
        with pytest.raises(GatherSizeError, match="no default"):
            await gather.submit("g", member, "a")
        with pytest.raises(GatherSizeError, match="at least one"):
            await gather.submit("g", member, "a", 0)
    assert gather.stats().open_groups == 0
    assert (await gather.submit("g", 0, "a", 1)).position == 0


def test_a_gather_belongs_to_one_event_loop() -> None:
    gather = gatherer(size=1)
    simulate(lambda: gather.submit("g", 0, "a"))
    with pytest.raises(GatherError, match="event loop"):
        simulate(lambda: gather.submit("g", 0, "a"))


# --- what can be seen of it ------------------------------------------------------------------------------------------


@in_simulated_time
async def test_stats_show_what_is_open_and_how_old_it_is() -> None:
    gather = gatherer(Scores(seconds=4), 2, measure=len)
    await submitted(gather, "g", 0, "abc")
    await asyncio.sleep(3)
    for member in (0, 1):
        await submitted(gather, "h", member, "de")
    await submitted(gather, "g", 0, "abc")
    stats = gather.stats()
    assert (stats.open_groups, stats.scoring_groups, stats.remembered_groups) == (1, 1, 0)
    assert (stats.waiting, stats.held_members, stats.held_bytes, stats.oldest_seconds) == (4, 3, 7, 3.0)
    await asyncio.sleep(20)
    stats = gather.stats()
    assert (stats.open_groups, stats.scoring_groups, stats.remembered_groups) == (0, 0, 2)
    assert (stats.waiting, stats.held_members, stats.held_bytes, stats.oldest_seconds) == (0, 0, 0, 0.0)
    assert (stats.completed, stats.expired_idle, stats.expired_total, stats.members) == (1, 1, 0, 3)


async def ended_groups(gather: Gather[str, Text], sizes: list[int]) -> None:
    """Groups of 16 to each of which so many members come."""
    calls = [gather.submit(f"p{p}", None, str(k)) for p, size in enumerate(sizes) for k in range(size)]
    await asyncio.gather(*calls)


@pytest.mark.parametrize(
    ("came", "words"),
    [
        ([8] * 10, ["8 of 16", "samples 8 responses", "over 2 places"]),
        ([7, 9, 8, 10, 6, 8, 9, 7], ["8 of 16", "over 2 places"]),
        ([5, 6, 5, 5, 6, 5, 5, 5], ["over 3 places"]),
        ([12] * 8, ["12 of 16", "samples 12 responses"]),
        ([16] + [8] * 12, ["over 2 places"]),
    ],
)
def test_groups_that_keep_ending_at_one_fraction_are_explained(came: list[int], words: list[str]) -> None:
    gather = gatherer(size=16)
    simulate(lambda: ended_groups(gather, came))
    diagnosis = gather.diagnosis()
    assert diagnosis is not None
    assert [word for word in words if word not in diagnosis] == []


@pytest.mark.parametrize(
    "came", [[], [8] * 7, [16] * 20, [16, 8] * 10, [15, 14, 16, 16, 15, 13, 15, 14, 12], [14, 15] * 8]
)
def test_other_endings_are_not_explained(came: list[int]) -> None:
    gather = gatherer(size=16)
    simulate(lambda: ended_groups(gather, came))
    assert gather.diagnosis() is None


def test_what_ends_short_or_fails_is_logged_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        gather = gatherer(Scores(error=ValueError("no")), 2)
        with pytest.raises(GatherScoreError):
            await gather.submit("a prompt\nwith a line break " * 100, None, "a")

    with caplog.at_level(logging.WARNING, "empo_rewards"):
        simulate(scenario)
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    for record in caplog.records:
        assert "\n" not in record.getMessage()
        assert len(record.getMessage()) < 200
    assert "1 of 2" in caplog.records[0].getMessage()


# --- size, and the way to a reward -----------------------------------------------------------------------------------


def test_memory_of_waiting_members_and_after_them() -> None:
    groups, size = 250, 16

    async def score(collected: Text) -> Text:
        return collected

    gather = gatherer(score, size)

    async def scenario() -> tuple[int, int]:
        tracemalloc.start()
        calls = [
            asyncio.ensure_future(gather.submit(f"p{p}", None, f"{p} {k}"))
            for p in range(groups)
            for k in range(size - 1)
        ]
        await settle()
        assert gather.stats().waiting == len(calls)
        waiting, _ = tracemalloc.get_traced_memory()
        await asyncio.gather(*(gather.submit(f"p{p}", None, "last") for p in range(groups)), *calls)
        calls.clear()
        await asyncio.sleep(LIMITS.abandoned_seconds + 1)
        left, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return waiting, left

    waiting, left = simulate(scenario)
    assert gather.stats().completed == groups
    # Bytes a member, the caller's task included: half of what 1 GB allows to 100,000.
    assert waiting / (groups * (size - 1)) < 5_000
    assert left < waiting / 10


def test_rewards_through_the_rendezvous_equal_those_of_whole_groups() -> None:
    """A real scorer on a real event loop: shuffled arrivals, two prompts alike, and a group that stays incomplete."""
    texts = {
        key: [f"So it is $\\boxed{{{random.Random(f'{key}{n}').randrange(4)}}}$." for n in range(8)] for key in "abc"
    }
    arrivals = [(key, member) for key in texts for member in range(8) if (key, member) != ("c", 5)]
    random.Random(1).shuffle(arrivals)

    async def scenario(scorer: Scorer) -> list[GatherOutcome[GroupScore]]:
        async def score(collected: Collected[str]) -> GroupScore:
            return await scorer.ascore(Group("Q", collected.payloads, expected_size=collected.expected))

        gather: Gather[str, GroupScore] = Gather(score, 8, GatherLimits(idle_seconds=0.3))
        return await asyncio.gather(*(gather.submit(key, member, texts[key][member]) for key, member in arrivals))

    with Scorer({"preset": "empo-math", "equivalence": "exact"}) as scorer:
        outcomes = asyncio.run(scenario(scorer))
        for (key, member), outcome in zip(arrivals, outcomes, strict=True):
            assert outcome.position is not None
            reward = outcome.verdict.rewards[outcome.position]
            if key == "c":
                assert (reward, outcome.verdict.status, outcome.verdict.cause) == (
                    None,
                    Status.UNSCORED,
                    Cause.INCOMPLETE,
                )
            else:
                assert reward == texts[key].count(texts[key][member]) / 8

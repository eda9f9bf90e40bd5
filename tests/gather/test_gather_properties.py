"""The rendezvous against a model of it, under schedules that hypothesis makes up.

The model below keeps plain lists, looks through all of them for everything, and steps from event to event. Deadlines
have fractions that no sum of them makes whole, and the rules act at whole seconds: nothing is due at the same moment as
something that it could race with.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from simulated_loop import SimulatedLoop

from empo_rewards.gather import (
    Collected,
    Ending,
    Gather,
    GatherFullError,
    GatherLimits,
    GatherScoreError,
    GatherSizeError,
    Outcome,
)

SLOW_SECONDS = 2.5
LIMITS = GatherLimits(
    idle_seconds=7.03,
    total_seconds=20.011,
    score_seconds=4.07,
    abandoned_seconds=5.05,
    remember_seconds=13.013,
    max_groups=5,
    max_members=13,
)
SIZE = 3
Text = Collected[str]
Result = tuple[Any, ...]


@dataclass(eq=False)
class ModelMember:
    id: int | None
    text: str
    abandoned: int | None = None  # when its caller went away, as a serial number
    position: int | None = None


@dataclass(eq=False)
class ModelCall:
    """A caller; `result` is None while it waits."""

    group: ModelGroup | None = None
    member: ModelMember | None = None
    result: Result | None = None


@dataclass(eq=False)
class ModelGroup:
    kind: str
    key: str
    size: int
    state: str = "gathering"
    members: list[ModelMember] = field(default_factory=list)
    lost: list[int | None] = field(default_factory=list)
    calls: list[ModelCall] = field(default_factory=list)
    since: float = 0.0  # opened; then: started to be scored; then: ended
    news: float = 0.0
    alone: float | None = None  # since when nobody waits
    mode: str = ""
    verdict: Result = ()

    def next_event(self) -> tuple[float, str] | None:
        if self.state == "gathering":
            events = [(self.since + LIMITS.total_seconds, "total")]
            if self.members:
                events.append((self.news + LIMITS.idle_seconds, "idle"))
            if self.alone is not None and self.kind == "prompt":
                events.append((self.alone + LIMITS.abandoned_seconds, "give up"))
            return min(events)
        if self.state == "scoring":
            return self.since + {"slow": SLOW_SECONDS, "hang": LIMITS.score_seconds}.get(self.mode, 0), "scored"
        if self.state == "ended":
            kept = LIMITS.abandoned_seconds if self.kind == "prompt" else LIMITS.remember_seconds
            return self.since + kept, "forgotten"
        return None


class Model:
    def __init__(self, reuse_keys: bool) -> None:
        self.now = 0.0
        self.unnamed = "prompt" if reuse_keys else "once"
        self.mode = "fast"
        self.groups: list[ModelGroup] = []
        self.scored: list[Text] = []
        self.serial = 0
        self.count: Counter[str] = Counter()

    def in_state(self, *states: str) -> list[ModelGroup]:
        return [group for group in self.groups if group.state in states]

    @property
    def waiting(self) -> int:
        return sum(len(group.calls) for group in self.groups)

    def find(self, kind: str, key: str, size: int) -> ModelGroup | None:
        """The group that a submission meets: of a prompt only one that still gathers."""
        states = ["gathering"] if kind == "prompt" else ["gathering", "scoring", "ended"]
        same = [
            group
            for group in self.in_state(*states)
            if (group.kind, group.key) == (kind, key) and (kind != "prompt" or group.size == size)
        ]
        assert len(same) <= 1
        return same[0] if same else None

    def submit(self, key: str, member: int | None, text: str, size: int | None) -> ModelCall:
        call = ModelCall()
        kind = self.unnamed if member is None else "named"
        group = self.find(kind, key, size or SIZE)
        known = None
        if member is None:
            left = [
                (one.abandoned, one, candidate)
                for candidate in self.in_state("gathering", "scoring", "ended")
                if candidate.kind == kind and candidate.key == key
                for one in candidate.members
                if one.abandoned is not None and one.text == text
                if kind == "once" or candidate.size == (size or SIZE)
            ]
            if left:
                _, known, group = min(left, key=lambda found: found[0])
        if known is None and group is not None:
            if member is not None:
                known = next((one for one in group.members if one.id == member), None)
            elif group.state != "gathering":
                known = next((one for one in group.members if one.text == text), None)
        if group is not None and size not in (None, group.size):
            call.result = (GatherSizeError,)
            return call
        if group is not None and (known is not None or group.state != "gathering"):
            if group.state != "ended" and self.waiting >= LIMITS.max_members:
                self.count["refused"] += 1
                call.result = (GatherFullError,)
                return call
            if known is None:
                self.count["late" if len(group.members) < group.size else "surplus"] += 1
            else:
                known.abandoned = None
                self.count["joined"] += 1
                self.count["conflicts"] += known.text != text
        else:
            if group is None:
                group = self.open(kind, key, size or SIZE)
                if group is None:
                    call.result = (GatherFullError,)
                    return call
            if not group.members:
                group.since = self.now
            known = ModelMember(member, text)
            group.members.append(known)
            if member in group.lost and member is not None:
                group.lost.remove(member)
            group.news = self.now
            self.count["members"] += 1
        call.group, call.member = group, known
        if group.state == "ended":
            call.result = self.result(group, known)
        else:
            group.calls.append(call)
            group.alone = None
            self.end_if_full(group)
        return call

    def open(self, kind: str, key: str, size: int) -> ModelGroup | None:
        active = self.in_state("gathering", "scoring")
        if len(active) >= LIMITS.max_groups or sum(one.size for one in active) + size > LIMITS.max_members:
            self.count["refused"] += 1
            return None
        group = ModelGroup(kind, key, size, since=self.now)
        self.groups.append(group)
        return group

    def forget(self, key: str, member: int | None, size: int | None) -> bool | type[Exception]:
        kind = self.unnamed if member is None else "named"
        group = self.find(kind, key, size or SIZE)
        if group is not None and size not in (None, group.size):
            return GatherSizeError
        if group is not None and group.state != "gathering":
            return False
        if (
            group is not None
            and member is not None
            and (member in group.lost or member in [m.id for m in group.members])
        ):
            return False
        if group is None:
            group = self.open(kind, key, size or SIZE)
            if group is None:
                return GatherFullError
        group.lost.append(member)
        group.news = self.now
        self.count["forgotten"] += 1
        self.end_if_full(group)
        return True

    def cancel(self, call: ModelCall) -> None:
        assert call.group is not None
        call.group.calls.remove(call)
        call.result = (asyncio.CancelledError,)
        self.count["withdrawn"] += 1
        if call.member is not None and call.group.kind != "named" and call.member.abandoned is None:
            self.serial += 1
            call.member.abandoned = self.serial
        if call.group.state == "gathering" and not call.group.calls:
            call.group.alone = self.now

    def end_if_full(self, group: ModelGroup) -> None:
        if group.state == "gathering" and len(group.members) + len(group.lost) >= group.size:
            self.gathered(group, "lost" if group.lost else "complete")

    def gathered(self, group: ModelGroup, ending: str) -> None:
        if not group.members:
            group.state = "gone"
            return
        counter = {"complete": "completed", "lost": "shortened", "idle": "expired_idle", "total": "expired_total"}
        self.count[counter[ending]] += 1
        if group.kind == "named":
            group.members.sort(key=lambda one: one.id or 0)
        for position, one in enumerate(group.members):
            one.position = position
        ids = tuple(one.id for one in group.members if one.id is not None)
        texts = tuple(one.text for one in group.members)
        collected = Text(group.key, texts, ids, group.size, len(group.lost), Ending(ending))
        self.scored.append(collected)
        group.state, group.since, group.mode, group.verdict = "scoring", self.now, self.mode, (collected,)
        self.run_events(self.now)

    def result(self, group: ModelGroup, member: ModelMember | None) -> Result:
        if group.mode in ("fail", "hang"):
            return (GatherScoreError,)
        return (*group.verdict, None if member is None else member.position)

    def run_events(self, until: float) -> None:
        """Whatever falls due, one after another."""
        while True:
            due = [(event, n) for n, group in enumerate(self.groups) if (event := group.next_event()) is not None]
            (when, what), n = min(due, default=((float("inf"), ""), 0))
            if when > until:
                self.now = until
                return
            self.now, group = when, self.groups[n]
            if what in ("idle", "total"):
                self.gathered(group, what)
            elif what == "scored":
                self.count["failed"] += group.mode in ("fail", "hang")
                for call in group.calls:
                    call.result = self.result(group, call.member)
                group.calls.clear()
                group.state, group.since = "ended", self.now
            else:
                self.count["given_up"] += what == "give up"
                group.state = "gone"


class GatherMachine(RuleBasedStateMachine):
    """Any order of submissions, cancellations, retries, losses and time."""

    @initialize(reuse_keys=st.booleans())
    def start(self, reuse_keys: bool) -> None:
        self.loop = SimulatedLoop()
        self.model = Model(reuse_keys)
        self.scored: list[Text] = []
        self.gather: Gather[str, Text] = Gather(self.score, SIZE, LIMITS, reuse_keys=reuse_keys)
        self.calls: list[tuple[asyncio.Task[Outcome[Text]], ModelCall, float]] = []

    async def score(self, collected: Text) -> Text:
        self.scored.append(collected)
        mode = self.model.mode
        if mode == "fail":
            raise RuntimeError("no verdict")
        await asyncio.sleep({"slow": SLOW_SECONDS, "hang": 1e6}.get(mode, 0))
        return collected

    def settle(self) -> None:
        async def several_rounds() -> None:
            for _ in range(8):
                await asyncio.sleep(0)

        self.loop.run_until_complete(several_rounds())

    def submit_one(self, *arguments: Any) -> None:
        task = self.loop.create_task(self.gather.submit(*arguments))
        self.settle()
        self.calls.append((task, self.model.submit(*arguments), self.model.now))

    keys = st.sampled_from("ab")
    ids = st.one_of(st.none(), st.integers(0, 3))
    texts = st.sampled_from("xy")
    sizes = st.sampled_from([None, None, None, 3, 2])

    @rule(key=keys, member=ids, text=texts, size=sizes)
    def submit(self, key: str, member: int | None, text: str, size: int | None) -> None:
        self.submit_one(key, member, text, size)

    @rule(key=keys, size=sizes)
    def submit_a_group(self, key: str, size: int | None) -> None:
        """Of which long schedules have enough to meet the bounds."""
        for text in "xyx"[: size or SIZE]:
            self.submit_one(key, None, text, size)

    @precondition(lambda self: any(call.result is None for _, call, _ in self.calls))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task, call, _ = data.draw(st.sampled_from([one for one in self.calls if one[1].result is None]))
        task.cancel()
        self.settle()
        self.model.cancel(call)

    @rule(key=keys, member=ids, size=sizes)
    def forget(self, key: str, member: int | None, size: int | None) -> None:
        async def real() -> bool | type[Exception]:
            try:
                return self.gather.forget(key, member, size)
            except (GatherFullError, GatherSizeError) as error:
                return type(error)

        done = self.loop.run_until_complete(real())
        self.settle()
        assert done == self.model.forget(key, member, size)

    @rule(seconds=st.integers(1, 9))
    def pass_time(self, seconds: int) -> None:
        until = round(self.loop.time()) + seconds
        self.loop.run_until_complete(asyncio.sleep(until - self.loop.time()))
        self.settle()
        self.model.run_events(until)

    @rule(mode=st.sampled_from(["fast", "fast", "slow", "fail", "hang"]))
    def scoring_becomes(self, mode: str) -> None:
        """For the groups that are gathered from now on."""
        self.model.mode = mode

    @invariant()
    def every_caller_has_what_the_model_says(self) -> None:
        for task, call, _ in self.calls:
            assert task.done() == (call.result is not None)
            if not task.done():
                continue
            assert call.result is not None
            if task.cancelled():
                assert call.result == (asyncio.CancelledError,)
            elif (error := task.exception()) is not None:
                assert call.result == (type(error),)
            else:
                assert call.result == (task.result().verdict, task.result().position)

    @invariant()
    def every_group_is_scored_once(self) -> None:
        assert Counter(self.scored) == Counter(self.model.scored)

    @invariant()
    def nobody_waits_past_the_deadlines(self) -> None:
        for task, _, since in self.calls:
            waited = self.loop.time() - since
            assert task.done() or waited <= LIMITS.total_seconds + LIMITS.score_seconds

    @invariant()
    def the_counts_are_those_of_the_model(self) -> None:
        stats, model = self.gather.stats(), self.model
        names = [
            "members", "completed", "shortened", "expired_idle", "expired_total", "given_up", "failed", "joined",
            "conflicts", "withdrawn", "forgotten", "late", "surplus", "refused",
        ]  # fmt: skip
        assert {name: getattr(stats, name) for name in names} == {name: model.count[name] for name in names}
        active = model.in_state("gathering", "scoring")
        assert stats.open_groups == len(model.in_state("gathering"))
        assert stats.scoring_groups == len(model.in_state("scoring"))
        assert stats.remembered_groups == len(model.in_state("ended"))
        assert stats.held_members == sum(len(group.members) for group in active)
        assert stats.waiting == model.waiting
        assert stats.open_groups + stats.scoring_groups <= LIMITS.max_groups
        assert stats.held_members <= LIMITS.max_members

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.model.mode = "hang"
        self.pass_time(round(LIMITS.total_seconds + LIMITS.score_seconds) + 1)
        self.every_caller_has_what_the_model_says()
        assert all(task.done() for task, _, _ in self.calls)
        assert self.gather.stats().held_bytes == self.gather.stats().open_groups == 0
        self.pass_time(round(LIMITS.remember_seconds) + 1)
        assert self.gather.stats().remembered_groups == 0
        self.loop.run_until_complete(self.gather.close())
        assert not asyncio.all_tasks(self.loop)
        self.loop.close()


TestGather = GatherMachine.TestCase
TestGather.settings = settings(max_examples=40, stateful_step_count=60, deadline=None)


def run(coroutine: Any) -> Any:
    loop = SimulatedLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


async def verdict_of(collected: Text) -> Text:
    return collected


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5), data=st.data())
def test_with_ids_the_order_of_arrival_changes_nothing(sizes: list[int], data: st.DataObject) -> None:
    members = [(f"g{g}", member, f"text {member % 2}", size) for g, size in enumerate(sizes) for member in range(size)]
    again = data.draw(st.lists(st.sampled_from(members), max_size=8))  # retries, beside their first or after it
    orders = [data.draw(st.permutations(members + again)) for _ in range(2)]
    gone = data.draw(st.sets(st.integers(0, len(members + again) - 1)))

    async def scenario(order: list[Any], gone: set[int]) -> dict[Any, Any]:
        gather: Gather[str, Text] = Gather(verdict_of)
        tasks = []
        for n, one in enumerate(order):
            tasks.append(asyncio.ensure_future(gather.submit(*one)))
            await asyncio.sleep(0)
            if n in gone:
                tasks[-1].cancel()
        await asyncio.wait(tasks)
        outcomes = {one: await gather.submit(*one) for one in members}
        assert gather.stats().members == len(members)
        assert gather.stats().completed == len(sizes)
        return outcomes

    first, second = run(scenario(orders[0], set())), run(scenario(orders[1], gone))
    assert first == second
    for (key, member, text, size), outcome in first.items():
        assert outcome.position == member
        assert outcome.verdict.payloads[member] == text
        assert (outcome.verdict.key, outcome.verdict.members) == (key, tuple(range(size)))


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from([None, 0, 1, 2]), st.integers(0, 60)), max_size=60
    )
)
def test_bytes_stay_within_their_bound_and_no_open_group_is_lost(steps: list[tuple[str, int | None, int]]) -> None:
    limits = GatherLimits(max_bytes=100)

    async def scenario() -> None:
        gather: Gather[str, Text] = Gather(verdict_of, 3, limits, measure=len)
        tasks = []
        for key, member, length in steps:
            before = gather.stats()
            task = asyncio.ensure_future(gather.submit(key, member, "t" * length))
            for _ in range(8):
                await asyncio.sleep(0)
            stats = gather.stats()
            assert stats.held_bytes + stats.remembered_bytes <= limits.max_bytes
            if task.done() and task.exception() is not None:
                assert isinstance(task.exception(), GatherFullError)
                assert before.held_bytes + length > limits.max_bytes
                assert (stats.members, stats.held_bytes) == (before.members, before.held_bytes)
                assert stats.remembered_groups == before.remembered_groups
            else:
                tasks.append(task)
        waiting = [task for task in tasks if not task.done()]
        assert len(waiting) == gather.stats().waiting
        outcomes = await asyncio.gather(*waiting)
        assert {outcome.verdict.ending for outcome in outcomes} <= {Ending.IDLE}
        await gather.close()

    run(scenario())

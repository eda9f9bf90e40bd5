"""The server without HTTP: samples are gathered into groups, groups are scored, everything is counted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from empo_rewards.errors import ConfigError, WorkerError, described
from empo_rewards.gather import GatherClosedError, GatherLimits, GatherScoreError, Member
from empo_rewards.gather.room import Room
from empo_rewards.gather.samples import NeutralReward, Sample, SampleReward, SampleScorer
from empo_rewards.group import MAX_NUMBER, Cause, Group, GroupScore
from empo_rewards.server import tasks
from empo_rewards.server.metrics import Metrics
from empo_rewards.server.openrlhf import ScoresField
from empo_rewards.server.report import GroupReport
from empo_rewards.workers import Task

log = logging.getLogger("empo_rewards")

T = TypeVar("T")

Phase = Literal["training", "evaluation"]
"""Samples of different phases never share a group, even where their prompts are equal."""

SHORT_BYTES = 2**16
"""A body up to this length is read on the event loop, which takes a millisecond at most."""

PHASES: tuple[Phase, ...] = ("training", "evaluation")

TOTAL_SECONDS = 840.0
"""Default time limit of a group: less than the 5 tries of 180 s after which OpenRLHF gives a sample up."""

DIAGNOSIS_SECONDS = 60.0
"""The shortest time between two log lines that say why groups keep ending short."""

DELIVERY = "answers that are being delivered"
"""The client under whose name they are counted."""

STOPPING = "the server is stopping"

ADVICE = (
    "For OpenRLHF: one endpoint in --reward.remote_url, or the agent file (--train.agent_func_path), which scales "
    "with the trainer's own ray actors."
)


@dataclass(frozen=True)
class ServerSettings:
    """The settings of a server.

    Args:
        group_size: how many responses a group has where a request does not say.
        eval_group_size: the same for the evaluation path; None: as `group_size`.
        workers: how many processes score.
        limits: the time limits and bounds of each phase's rendezvous.
        neutral: the reward of unscored samples; None: the running mean of the rewards.
        scores: what OpenRLHF's `scores` holds.
        api_key: the key that callers must send; None: none.
        max_body_bytes: a longer body is refused.
        report_groups: how many of the last groups the report at `/` shows; 0: there is none.

    Raises:
        ConfigError: a number is too small, or the API key is empty or not ASCII.
    """

    group_size: int
    eval_group_size: int | None = None
    workers: int = 1
    limits: GatherLimits = field(default_factory=partial(GatherLimits, total_seconds=TOTAL_SECONDS))
    neutral: float | None = None
    scores: ScoresField = ScoresField.ACCURACY
    api_key: str | None = None
    max_body_bytes: int = 32 * 2**20
    report_groups: int = 0

    def __post_init__(self) -> None:
        for name in ("group_size", "eval_group_size", "workers", "max_body_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"server: {name} must be at least 1, not {value}")
        if self.report_groups < 0:
            raise ConfigError(f"server: report_groups must be at least 0, not {self.report_groups}")
        if self.neutral is not None and not abs(self.neutral) <= MAX_NUMBER:
            raise ConfigError(f"server: neutral must be a number of a size of at most {MAX_NUMBER:g}")
        if self.api_key is not None and (not self.api_key or not self.api_key.isascii()):
            raise ConfigError("server: the API key must be a text of ASCII characters, and not empty")


class Runner(Protocol):
    """Where the service's work is done: not on its event loop."""

    async def score(self, task: Task[T]) -> T:
        """The result of a task that scores a group.

        Raises:
            WorkerError: it failed, took too long, or ended its process.
        """
        ...

    async def read(self, task: Task[T], size: int) -> T:
        """The result of a task that reads a body of so many bytes. Raises what the task raises, and as `score`."""
        ...


class RunGroup(NamedTuple):
    """What identifies a group: the run of its client, where that names itself, and its id or prompt."""

    run: str | None
    id: str

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:  # in messages
        return repr(self.id) if self.run is None else f"{self.id!r} of run {self.run!r}"


class Holding:
    """Counts bytes that a client holds, until they are released.

    Args:
        room: where.
        client: whose room they take.
    """

    def __init__(self, room: Room, client: Hashable) -> None:
        self._room, self._client, self._size = room, client, 0

    def take(self, size: int) -> None:
        """Count more.

        Raises:
            GatherFullError: there is no room for them.
        """
        self._room.take(self._client, bytes=size)
        self._size += size

    def release(self) -> None:
        """Count none any more."""
        if self._size:
            self._room.give(self._client, bytes=self._size)
            self._size = 0


class Service:
    """Rewards for single samples and whole groups.

    Args:
        runner: reads and scores.
        settings: the server's settings.
        room: what bounds the groups and bytes that are held; None: the limits of the settings.
        report: what shows each scored group; None: nothing does.
    """

    def __init__(
        self, runner: Runner, settings: ServerSettings, room: Room | None = None, report: GroupReport | None = None
    ) -> None:
        self.settings = settings
        self.report = report
        self.room = room or Room(settings.limits)
        self._runner = runner
        self._sizes = {
            "training": settings.group_size,
            "evaluation": settings.eval_group_size or settings.group_size,
        }
        self._phases: dict[str, SampleScorer] = {
            phase: SampleScorer(
                partial(self._counted, phase),
                self._sizes[phase],
                settings.limits,
                neutral=NeutralReward(settings.neutral),
                one_prompt=True,
                room=self.room,
            )
            for phase in PHASES
        }
        self.metrics = Metrics(self._phases, self.room)
        self.stopping = False
        self._whole_tasks: set[asyncio.Task[Any]] = set()
        self._diagnosis_logged = -DIAGNOSIS_SECONDS
        self._delivering = 0
        self._said: set[str] = set()

    async def read(self, read: Callable[[bytes], T], body: bytes) -> T:
        """What a function reads in a body: here where it is short, else in another process.

        Raises:
            RequestError: what the function raises.
        """
        if len(body) <= SHORT_BYTES:
            return read(body)
        return await self._runner.read(partial(tasks.parse, read, body), len(body))

    async def reward(
        self,
        phase: Phase,
        samples: Sequence[Sample],
        size: int | None = None,
        run: str | None = None,
        client: Hashable = None,
    ) -> list[SampleReward]:
        """The rewards of samples, in order. Whole groups are scored at once; the other samples wait for their peers.

        Samples of one prompt form groups of `size` in their order here; the last ones that do not fill a group are
        gathered.

        Args:
            phase: the phase that the samples belong to.
            samples: any number, of any prompts.
            size: how many samples their groups have; None: the phase's default.
            run: the name of the client's run; None: it has none.
            client: whose room they take.

        Raises:
            GatherError, RequestError: refused at a bound; the server is stopping; a group could not be scored.
        """
        scorer, size = self._phases[phase], size or self._sizes[phase]
        if len(samples) == 1 and size > 1:
            return [await self._single(scorer, samples[0], size, run, client)]
        by_prompt: dict[str, list[int]] = defaultdict(list)
        for position, sample in enumerate(samples):
            by_prompt[sample.prompt].append(position)
        wholes = [
            positions[start : start + size]
            for positions in by_prompt.values()
            for start in range(0, len(positions) - size + 1, size)
        ]
        rest = [position for positions in by_prompt.values() for position in positions[len(positions) // size * size :]]
        results: list[SampleReward | None] = [None] * len(samples)

        async def whole(positions: list[int]) -> None:
            given = await self._whole(scorer.submit_group([samples[position] for position in positions]))
            for position, result in zip(positions, given, strict=True):
                results[position] = result

        async def single(position: int) -> None:
            results[position] = await self._single(scorer, samples[position], size, run, client)

        holding = Holding(self.room, client)
        holding.take(sum(samples[position].size_bytes for positions in wholes for position in positions))
        try:
            await _all([*map(whole, wholes), *map(single, rest)])
        finally:
            holding.release()
        return [result for result in results if result is not None]

    async def submit(
        self, key: RunGroup, member: Member, sample: Sample, size: int | None, client: Hashable = None
    ) -> SampleReward:
        """The reward of one sample whose group id and member id are known."""
        self._note_run(key.run)
        return await self._phases["training"].submit(sample, key=key, member=member, size=size, client=client)

    def forget(self, key: RunGroup, member: Member, size: int | None, client: Hashable = None) -> bool:
        """Report that a member will not come; whether that made a difference."""
        return self._phases["training"].forget(key, member, size, client)

    async def pack(self, body: bytes) -> tasks.PackedGroups:
        """The groups in a body of `/score`.

        Raises:
            GroupError, RequestError: it cannot be read.
        """
        return await self._runner.read(partial(tasks.pack_groups, body), len(body))

    async def score(self, packed: tasks.PackedGroups) -> bytes:
        """The answer to a body of `/score`: the scores of whole groups, as JSON.

        Raises:
            GatherError: the server is stopping.
        """
        answers = [b""] * len(packed.groups)

        async def one(position: int) -> None:
            answers[position] = await self._whole(self._score_packed(packed.groups[position]))

        await _all([one(position) for position in range(len(answers))])
        return b'{"scores":[' + b",".join(answers) + b"]}" if packed.many else answers[0]

    async def _single(
        self, scorer: SampleScorer, sample: Sample, size: int, run: str | None, client: Hashable
    ) -> SampleReward:
        self._note_run(run)
        return await scorer.submit(sample, key=RunGroup(run, sample.prompt), size=size, client=client)

    def delivering(self, size: int) -> None:
        """Count the bytes of answers that are being delivered: they are held too, until they are read."""
        if size != self._delivering:
            self.room.count(DELIVERY, bytes=size - self._delivering)
            self._delivering = size

    def full(self) -> str | None:
        """Which bound a new group would pass; None where there is room."""
        bound = self.room.lacks(max(self._sizes.values()))
        return None if bound is None else f"there is no room for another group (max_{bound})"

    def whole_queries(self, count: int) -> None:
        """Count samples whose prompt was not found in their query; the log says so once."""
        if count:
            self._say_once(
                "a query does not begin with its prompt: all of it counts as the response, and an answer in the prompt "
                "may be taken for the response's (logged once; empo_rewards_whole_queries_total counts them)"
            )
            self.metrics.whole_queries.inc(count)

    def _note_run(self, run: str | None) -> None:
        if run is None:
            self._say_once(
                "a client does not name its run (?run=NAME, or the header X-Run): if it crashes and is started again, "
                "what is left of the old run may be taken for the new one's (logged once)"
            )

    def _say_once(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            log.warning("%s", what)

    def diagnosis(self) -> str | None:
        """Why groups keep ending short, and what to do; None where they do not."""
        found = next(filter(None, (scorer.diagnosis() for scorer in self._phases.values())), None)
        return None if found is None else f"{found} {ADVICE}"

    async def close(self, grace_seconds: float) -> None:
        """Answer every waiting caller; groups that are being scored get `grace_seconds` to finish first."""
        self.stopping = True
        waits = [scorer.close(grace_seconds) for scorer in self._phases.values()]
        if self._whole_tasks:
            await asyncio.gather(*waits, asyncio.wait(self._whole_tasks, timeout=grace_seconds))
        else:
            await asyncio.gather(*waits)
        for task in self._whole_tasks:
            task.cancel()

    async def _counted(self, phase: str, group: Group) -> GroupScore:
        """The score of a group; unscored where scoring it failed."""
        started = time.perf_counter()
        try:
            score = await self._runner.score(partial(tasks.score_group, group))
        except WorkerError as error:
            score = GroupScore.unscored(group, Cause.SCORING_FAILED, str(error))
        self._count(phase, score, started)
        if self.report is not None and not self.report.add(group, score, phase):
            self.metrics.report_left_out.inc()
        return score

    async def _score_packed(self, group: bytes) -> bytes:
        started = time.perf_counter()
        try:
            scored = await self._runner.score(partial(tasks.score_packed, group))
        except WorkerError as error:
            scored = tasks.unscored_packed(group, str(error))
        self._count("direct", scored.score, started)
        if self.report is not None and not self.report.add_packed(group, scored.json, "direct"):
            self.metrics.report_left_out.inc()
        return scored.json

    def _count(self, phase: str, score: GroupScore, started: float) -> None:
        now = time.perf_counter()
        self.metrics.group(phase, score, now - started)
        if (
            score.cause is Cause.INCOMPLETE
            and now - self._diagnosis_logged >= DIAGNOSIS_SECONDS
            and (why := self.diagnosis())
        ):
            self._diagnosis_logged = now
            log.error("%s", why)

    async def _whole(self, scoring: Coroutine[Any, Any, T]) -> T:
        """The result of scoring a group that came whole, with the deadline and the errors of gathered groups."""
        if self.stopping:
            scoring.close()
            raise GatherClosedError(STOPPING)
        task = asyncio.get_running_loop().create_task(scoring)
        self._whole_tasks.add(task)
        try:
            await asyncio.wait({task}, timeout=self.settings.limits.score_seconds)
            if not task.done():
                raise GatherScoreError(f"scoring took longer than {self.settings.limits.score_seconds:g} s")
            if task.cancelled():
                raise GatherClosedError(STOPPING)
            if (fault := task.exception()) is not None:
                log.error("scoring failed", exc_info=fault)
                raise GatherScoreError(f"scoring failed: {described(fault)}") from fault
            return task.result()
        finally:
            self._whole_tasks.discard(task)
            task.cancel()


async def _all(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all of them concurrently; where one fails, or this is cancelled, the others are cancelled."""
    tasks = [asyncio.get_running_loop().create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

"""The server without HTTP: samples are gathered into groups, groups are scored, everything is counted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from empo_rewards.errors import ConfigError
from empo_rewards.gather import GatherClosedError, GatherLimits, GatherScoreError, Member
from empo_rewards.gather.samples import NeutralReward, Sample, SampleReward, SampleScorer
from empo_rewards.group import Cause, Group, GroupScore
from empo_rewards.server.errors import RequestError
from empo_rewards.server.metrics import Metrics
from empo_rewards.server.openrlhf import ScoresField

log = logging.getLogger("empo_rewards")

T = TypeVar("T")

Phase = Literal["training", "evaluation"]
"""Samples of different phases never share a group, even where their prompts are equal."""

PHASES: tuple[Phase, ...] = ("training", "evaluation")

TOTAL_SECONDS = 840.0
"""Default time limit of a group: less than the 5 tries of 180 s after which OpenRLHF gives a sample up."""

DIAGNOSIS_SECONDS = 60.0
"""The shortest time between two log lines that say why groups keep ending short."""

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
        workers: how many processes score; 1: threads of the server's process.
        limits: the time limits and bounds of each phase's rendezvous.
        neutral: the reward of unscored samples; None: the running mean of the rewards.
        scores: what OpenRLHF's `scores` holds.
        api_key: the key that callers must send; None: none.
        max_body_bytes: a longer body is refused.

    Raises:
        ConfigError: a number is less than 1, or the API key is empty or not ASCII.
    """

    group_size: int
    eval_group_size: int | None = None
    workers: int = 1
    limits: GatherLimits = field(default_factory=partial(GatherLimits, total_seconds=TOTAL_SECONDS))
    neutral: float | None = None
    scores: ScoresField = ScoresField.ACCURACY
    api_key: str | None = None
    max_body_bytes: int = 32 * 2**20

    def __post_init__(self) -> None:
        for name in ("group_size", "eval_group_size", "workers", "max_body_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"server: {name} must be at least 1, not {value}")
        if self.api_key is not None and (not self.api_key or not self.api_key.isascii()):
            raise ConfigError("server: the API key must be a text of ASCII characters, and not empty")


class Service:
    """Rewards for single samples and whole groups, from one function that scores a group.

    Args:
        score: scores a group; it must not block the event loop.
        settings: the server's settings.
    """

    def __init__(self, score: Callable[[Group], Awaitable[GroupScore]], settings: ServerSettings) -> None:
        self.settings = settings
        self._score = score
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
            )
            for phase in PHASES
        }
        self.metrics = Metrics(self._phases)
        self.stopping = False
        self._whole_members = 0
        self._whole_tasks: set[asyncio.Task[Any]] = set()
        self._diagnosis_logged = -DIAGNOSIS_SECONDS
        self._whole_queries_logged = False

    async def reward(self, phase: Phase, samples: Sequence[Sample], size: int | None = None) -> list[SampleReward]:
        """The rewards of samples, in order. Whole groups are scored at once; the other samples wait for their peers.

        Samples of one prompt form groups of `size` in their order here; the last ones that do not fill a group are
        gathered.

        Args:
            phase: the phase that the samples belong to.
            samples: any number, of any prompts.
            size: how many samples their groups have; None: the phase's default.

        Raises:
            GatherError, RequestError: refused at a bound; the server is stopping; a group could not be scored.
        """
        scorer, size = self._phases[phase], size or self._sizes[phase]
        if len(samples) == 1 and size > 1:
            return [await scorer.submit(samples[0], size=size)]
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
            results[position] = await scorer.submit(samples[position], size=size)

        with self._reserved(size * len(wholes)):
            await _all([*map(whole, wholes), *map(single, rest)])
        return [result for result in results if result is not None]

    async def submit(self, key: str, member: Member, sample: Sample, size: int | None) -> SampleReward:
        """The reward of one sample whose group id and member id are known."""
        return await self._phases["training"].submit(sample, key=key, member=member, size=size)

    def forget(self, key: str, member: Member, size: int | None) -> bool:
        """Report that a member will not come; whether that made a difference."""
        return self._phases["training"].forget(key, member, size)

    async def score(self, groups: Sequence[Group]) -> list[GroupScore]:
        """The scores of whole groups."""
        scores: list[GroupScore | None] = [None] * len(groups)

        async def one(position: int) -> None:
            scores[position] = await self._whole(self._counted("direct", groups[position]))

        with self._reserved(sum(map(len, groups))):
            await _all([one(position) for position in range(len(groups))])
        return [score for score in scores if score is not None]

    def whole_queries(self, count: int) -> None:
        """Count samples whose prompt was not found in their query; the log says so once."""
        if not count:
            return
        if not self._whole_queries_logged:
            self._whole_queries_logged = True
            log.warning(
                "a query does not begin with its prompt: all of it counts as the response, and an answer in the prompt "
                "may be taken for the response's (logged once; empo_rewards_whole_queries_total counts them)"
            )
        self.metrics.whole_queries.inc(count)

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
        started = time.perf_counter()
        score = await self._score(group)
        now = time.perf_counter()
        self.metrics.group(phase, score, now - started)
        if (
            score.cause is Cause.INCOMPLETE
            and now - self._diagnosis_logged >= DIAGNOSIS_SECONDS
            and (why := self.diagnosis())
        ):
            self._diagnosis_logged = now
            log.error("%s", why)
        return score

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
                raise GatherScoreError(f"scoring failed: {type(fault).__name__}: {fault}") from fault
            return task.result()
        finally:
            self._whole_tasks.discard(task)
            task.cancel()

    @contextmanager
    def _reserved(self, members: int) -> Iterator[None]:
        """Reserve room for members of groups that came whole: no rendezvous counts them.

        Raises:
            RequestError: 429, there would be more than `max_members`.
        """
        if self._whole_members + members > self.settings.limits.max_members:
            raise RequestError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{self._whole_members} responses of whole groups are being scored, and {members} more would pass "
                f"{self.settings.limits.max_members} (max_members)",
                retry=True,
            )
        self._whole_members += members
        try:
            yield
        finally:
            self._whole_members -= members


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

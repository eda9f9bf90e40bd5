"""One sample at a time: what a framework hands to a reward, and what it can be given.

A `SampleScorer` joins a `Gather` to a `Scorer`: each sample waits for its group, the group is scored once, and each
sample gets a number that its framework can take. Where there is no reward, it is *given* a neutral value:

- a group without rewards: one constant for all of its members, so that a group-relative advantage is 0;
- a response on which the strategy abstains: the mean of the group's rewards, so that its advantage is 0 and that of
  the others is what it would be without it.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from empo_rewards.errors import GroupError
from empo_rewards.gather import Collected, Gather, GatherLimits, GatherStats, Member
from empo_rewards.group import Cause, Group, GroupScore, Label, Message, Status

T = TypeVar("T")

LOG_PREFIX = "empo/"
"""Stands before each name where a framework logs them beside its own, one of which is also called `truncated`."""

METRICS = (
    "entropy",
    "largest_share",
    "unanimous",
    "clusters",
    "blanks",
    "refusals",
    "truncated",
    "flagged",
    "undecided_pairs",
)
"""Numbers of a group that every sample carries, labelled or not."""

LABELLED_METRICS = ("accuracy", "pseudo_label_accuracy", "pass_at_g")
"""Numbers that a group has where a reference was given."""

RUN_METRICS = tuple(f"monitor/{name}" for name in ("alarm", "agreement", "distinct_majorities", "commonest_share"))
"""Numbers of the run so far, where the scorer's observers have the `monitor` among them."""

_UNSCORED = tuple((cause, f"unscored/{cause.value}") for cause in Cause)

SAMPLE_METRICS = (
    *METRICS,
    *LABELLED_METRICS,
    *RUN_METRICS,
    "labelled",
    "scored",
    "partial",
    "advantage_scale",
    *(name for _, name in _UNSCORED),
)
"""The keys of `SampleReward.metrics`."""


@dataclass(frozen=True)
class Sample:
    """One response, and what its framework says beside it. Equal samples are interchangeable."""

    prompt: str
    response: str
    reference: Label = None
    data_source: str | None = None
    token_logprobs: tuple[float, ...] | None = None

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        numbers = len(self.token_logprobs) if self.token_logprobs else 0
        return 200 + len(self.prompt) + len(self.response) + 32 * numbers


@dataclass(frozen=True)
class SampleReward:
    """What one sample is given.

    Args:
        reward: a finite number, always.
        scored: whether it is the sample's own reward; if not, it is the neutral value.
        correct: whether the answer agrees with the reference; None without one.
        score: the score of the sample's group.
        position: the sample's place in it; None where the group was scored without this sample.
    """

    reward: float
    scored: bool
    correct: bool | None
    score: GroupScore
    position: int | None

    def metrics(self, absent: float = math.nan) -> dict[str, float]:
        """Numbers for a logger, with the same keys for every sample of every run.

        Args:
            absent: stands for what a group has no value of (an unscored group's entropy, accuracy without a label, an
                alarm where nobody watches).
        """
        group = self.score.metrics
        numbers = {name: group.get(name, absent) for name in (*METRICS, *LABELLED_METRICS, *RUN_METRICS)}
        numbers["labelled"] = float(self.score.correct is not None)
        numbers["scored"] = float(self.scored)
        numbers["partial"] = float(self.score.status is Status.PARTIAL)
        numbers["advantage_scale"] = self.score.advantage_scale
        for cause, name in _UNSCORED:
            numbers[name] = float(self.score.cause is cause and not self.scored)
        return numbers


class NeutralReward:
    """The value that stands for "no signal".

    Args:
        value: a constant; None: the running mean of the rewards so far (0 before the first), for advantages that are
            normalised over a batch and not over a group.
    """

    def __init__(self, value: float | None = None) -> None:
        self._value = value
        self._total, self._count = 0.0, 0

    def of(self, score: GroupScore) -> float:
        """The neutral value for one group; its own rewards then count towards the next."""
        given = [reward for reward in score.rewards if reward is not None]
        value = math.fsum(given) / len(given) if given else self.fallback
        self._total += math.fsum(given)
        self._count += len(given)
        return value

    @property
    def fallback(self) -> float:
        """The value where there is no reward to take the mean of."""
        if self._value is not None:
            return self._value
        return self._total / self._count if self._count else 0.0


@dataclass(frozen=True)
class _Scored:
    """A group's score, and the neutral value that stands for "no signal" in it."""

    score: GroupScore
    neutral: float


class SampleScorer:
    """Scores samples that come one at a time, in any order, over one event loop.

    Args:
        score: scores a group off the event loop, as `Scorer.ascore` does.
        size: how many samples a group has, where a submission does not say.
        limits: how long and how much is waited for.
        neutral: what is given where there is no reward.
        reuse_keys: see `Gather`.
        observe: called once a scored group, on the event loop.
    """

    def __init__(
        self,
        score: Callable[[Group], Awaitable[GroupScore]],
        size: int | None = None,
        limits: GatherLimits | None = None,
        *,
        neutral: NeutralReward | None = None,
        reuse_keys: bool = True,
        observe: Callable[[GroupScore], None] | None = None,
    ) -> None:
        self._score, self._observe = score, observe
        self._neutral = neutral or NeutralReward()
        self._gather: Gather[Sample, _Scored] = Gather(
            self._gathered, size, limits, reuse_keys=reuse_keys, measure=lambda sample: sample.weight
        )

    async def submit(
        self, sample: Sample, *, key: Hashable = None, member: Member | None = None, size: int | None = None
    ) -> SampleReward:
        """Wait for the sample's group, and be given.

        Args:
            sample: the sample.
            key: its group's id; None: its prompt stands for it.
            member: its id within the group; None: it has none.
            size: how many samples its group has, where that differs from the default.

        Raises:
            GatherError: refused, closed, or the scoring itself failed; what `Gather.submit` raises.
        """
        outcome = await self._gather.submit(sample.prompt if key is None else key, member, sample, size)
        return _sample_reward(outcome.verdict, outcome.position)

    async def submit_group(self, samples: Sequence[Sample], *, key: Hashable = None) -> list[SampleReward]:
        """Pay a group that is here as a whole: nothing is gathered, no bound or deadline applies, no retry is joined.

        Args:
            samples: all of the group.
            key: the group's id, where it has one.

        Returns:
            One sample reward a sample, in order.

        Raises:
            GroupError: there are no samples.
            Exception: what scoring raises.
        """
        scored = await self._scored(group_of(samples, id=None if key is None else str(key)))
        return [_sample_reward(scored, position) for position in range(len(samples))]

    def forget(self, key: Hashable, member: Member | None = None, size: int | None = None) -> bool:
        """Say that a sample will not come (see `Gather.forget`)."""
        return self._gather.forget(key, member, size)

    def stats(self) -> GatherStats:
        """The state of the rendezvous."""
        return self._gather.stats()

    def diagnosis(self) -> str | None:
        """Why groups keep ending short, where that can be told."""
        return self._gather.diagnosis()

    async def close(self, grace_seconds: float = 0.0) -> None:
        """End; nobody waits when it returns (see `Gather.close`)."""
        await self._gather.close(grace_seconds)

    async def _gathered(self, collected: Collected[Sample]) -> _Scored:
        name = str(collected.key) if collected.members else None
        return await self._scored(group_of(collected.payloads, id=name, expected_size=collected.expected))

    async def _scored(self, group: Group) -> _Scored:
        score = await self._score(group)
        if self._observe is not None:
            self._observe(score)
        return _Scored(score, self._neutral.of(score))


def sample_rewards(
    score: GroupScore, neutral: NeutralReward, positions: Iterable[int | None] | None = None
) -> list[SampleReward]:
    """What the samples of a group are given where the framework handed it over whole.

    Args:
        score: the group's.
        neutral: what is given where there is no reward.
        positions: for each sample its place in the group, None for one that the group was scored without; None: the
            samples are the group's members, in order.
    """
    verdict = _Scored(score, neutral.of(score))
    return [_sample_reward(verdict, position) for position in (range(score.size) if positions is None else positions)]


def mean_metrics(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number over the rows that have it: NaN is none, and a name without any is left out."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if not math.isnan(value):
                values.setdefault(name, []).append(value)
    return {name: math.fsum(numbers) / len(numbers) for name, numbers in values.items()}


def _sample_reward(scored: _Scored, position: int | None) -> SampleReward:
    score = scored.score
    own = None if position is None else score.rewards[position]
    correct = None if position is None or score.correct is None else score.correct[position]
    return SampleReward(scored.neutral if own is None else own, own is not None, correct, score, position)


def group_of(
    samples: Sequence[Sample],
    *,
    id: str | None = None,  # noqa: A002 - the field's name
    expected_size: int | None = None,
    prompt: str | Sequence[Message] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Group:
    """The group of samples.

    Its reference and its data source are the ones that all samples which name one agree on; where they disagree it has
    none, since a label in doubt is no label. It has token log-probabilities where every sample does.

    Args:
        samples: at least one, in the order of the group's members.
        id, metadata: the group's.
        expected_size: how many members were sampled; None: these.
        prompt: the prompt in another form than the samples' text; None: the first sample's text.

    Raises:
        GroupError: there are no samples, or a field does not have the form that `Group` asks for.
    """
    if not samples:
        raise GroupError("a group needs at least one sample")
    logprobs = [sample.token_logprobs for sample in samples]
    return Group(
        prompt=samples[0].prompt if prompt is None else prompt,
        responses=[sample.response for sample in samples],
        reference=agreed(sample.reference for sample in samples),
        id=id,
        token_logprobs=[values for values in logprobs if values is not None] if None not in logprobs else None,
        data_source=agreed(sample.data_source for sample in samples),
        metadata=metadata,
        expected_size=expected_size if expected_size is not None and expected_size > len(samples) else None,
    )


def agreed(values: Iterable[T | None]) -> T | None:
    """The value that all share who have one; None where they differ, or where nobody has one."""
    given = [value for value in values if value is not None]
    return given[0] if given and all(value == given[0] for value in given) else None

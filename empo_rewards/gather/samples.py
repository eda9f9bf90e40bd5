"""Single samples: what a framework passes to a reward function, and the reward that it gets.

A `SampleScorer` combines a `Gather` with a `Scorer`: each sample waits for its group, the group is scored once, and
each sample is given a finite number. Where there is no reward, this is a neutral value:

- in a group without rewards, one constant for all members, so that a group-relative advantage is 0;
- for a response on which the strategy abstains, and one that only votes, the mean of the group's rewards, so that its
  advantage is 0, and the mean that the others' are relative to is the same as without it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from empo_rewards.errors import GroupError
from empo_rewards.gather import Collected, Gather, GatherLimits, GatherStats, Member
from empo_rewards.gather.room import Room
from empo_rewards.group import Cause, Group, GroupScore, Label, Message, Status

T = TypeVar("T")

LOG_PREFIX = "empo/"
"""Prefix of the metrics' names in frameworks that log them beside their own."""

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
"""Metrics of a group that every sample has, labelled or not."""

LABELLED_METRICS = ("accuracy", "pseudo_label_accuracy", "reward_accuracy", "pass_at_g")
"""Metrics of a group with a reference."""

RUN_METRICS = tuple(f"monitor/{name}" for name in ("alarm", "agreement", "distinct_majorities", "commonest_share"))
"""Metrics of the run so far, where the observer `monitor` is configured."""

ANSWER_CHARS = 200
"""Longer answers are cut in a table of samples."""

SAMPLE_BYTES = 200
"""What a sample takes beside its texts and numbers, about."""

SCORED_BYTES = 300
"""What a group's score takes for each member beside the answers' texts, about."""

_UNSCORED = tuple((cause, f"unscored/{cause.value}") for cause in Cause)

SAMPLE_METRICS = (
    *METRICS,
    *LABELLED_METRICS,
    *RUN_METRICS,
    "labelled",
    "scored",
    "partial",
    "trained",
    "advantage_scale",
    "advantage_shift",
    *(name for _, name in _UNSCORED),
)
"""The keys of `SampleReward.metrics`."""


@dataclass(frozen=True)
class Sample:
    """One response with its prompt, label and token log-probabilities. Equal samples are interchangeable.

    Args:
        prompt, response, reference, data_source, token_logprobs: as of a `Group`.
        trained: whether it is trained on, or only votes; None: the configuration says it.
        vote_weight: the weight of its vote.
        side: the name of its side, where the group has several.
    """

    prompt: str
    response: str
    reference: Label = None
    data_source: str | None = None
    token_logprobs: tuple[float, ...] | None = None
    trained: bool | None = None
    vote_weight: float = 1.0
    side: str | None = None

    @property
    def size_bytes(self) -> int:
        """The approximate size in bytes."""
        numbers = len(self.token_logprobs) if self.token_logprobs else 0
        labels = self.reference if isinstance(self.reference, tuple) else (self.reference,)
        texts = sum(sys.getsizeof(text) for text in (self.prompt, self.response, self.data_source, *labels))
        return SAMPLE_BYTES + texts + 32 * numbers


@dataclass(frozen=True)
class SampleReward:
    """The reward of one sample.

    Args:
        reward: always finite.
        scored: whether it is the sample's own reward; if not, it is the neutral value.
        correct: whether the answer agrees with the reference; None without one.
        score: the score of the sample's group.
        position: the sample's index in the group; None where the group was scored without this sample.
    """

    reward: float
    scored: bool
    correct: bool | None
    score: GroupScore
    position: int | None

    def details(self) -> dict[str, str]:
        """Texts for a table of samples: the answer (cut), the number of its cluster (0: the largest), that cluster's
        share, and the cause of an unscored group; empty where there is none."""
        place = self.position
        cluster = None if place is None or not self.score.clusters else self.score.clusters[place]
        return {
            "answer": "" if place is None else self.score.answers[place].text[:ANSWER_CHARS],
            "cluster": "" if cluster is None else str(cluster),
            "share": "" if cluster is None else f"{self.score.cluster_shares[cluster]:.3f}",
            "cause": "" if self.score.cause is None else self.score.cause.value,
        }

    @property
    def trained(self) -> bool:
        """Whether the sample is trained on; if not, it only voted, and has no reward of its own."""
        return self.position is None or self.score.trained is None or self.score.trained[self.position]

    def metrics(self, absent: float = math.nan) -> dict[str, float]:
        """Metrics for a logger, with the same keys for every sample of every run.

        Args:
            absent: the value of missing metrics (entropy of an unscored group, accuracy without a label, an alarm
                without a monitor).
        """
        group = self.score.metrics
        numbers = {name: group.get(name, absent) for name in (*METRICS, *LABELLED_METRICS, *RUN_METRICS)}
        numbers["labelled"] = float(self.score.correct is not None)
        # A vote has no reward of its own, and is neither scored nor unscored.
        numbers["scored"] = float(self.scored) if self.trained else absent
        numbers["partial"] = float(self.score.status is Status.PARTIAL)
        numbers["trained"] = float(self.trained)
        numbers["advantage_scale"] = self.score.advantage_scale
        numbers["advantage_shift"] = self.score.advantage_shift
        for cause, name in _UNSCORED:
            numbers[name] = float(self.score.cause is cause and not self.scored and self.trained)
        return numbers


def score_bytes(score: GroupScore) -> int:
    """The approximate size of a score in bytes."""
    return 2_000 + sum(SCORED_BYTES + sys.getsizeof(answer.text) for answer in score.answers)


class NeutralReward:
    """The reward that means "no signal".

    Args:
        value: a constant; None: the running mean of the rewards so far (0 before the first), for advantages that are
            normalised over a batch and not over a group.
    """

    def __init__(self, value: float | None = None) -> None:
        self._value = value
        self._total, self._count = 0.0, 0

    def of(self, score: GroupScore) -> float:
        """The neutral value for one group; its own rewards count towards the running mean afterwards."""
        given = [reward for reward in score.rewards if reward is not None]
        value = math.fsum(given) / len(given) if given else self.fallback
        self._total += math.fsum(given)
        self._count += len(given)
        return value

    @property
    def fallback(self) -> float:
        """The neutral value for a group without rewards."""
        if self._value is not None:
            return self._value
        return self._total / self._count if self._count else 0.0


@dataclass(frozen=True)
class _Scored:
    """A group's score, and its neutral value."""

    score: GroupScore
    neutral: float


class SampleScorer:
    """Scores samples that are submitted one at a time, in any order, on one event loop.

    Args:
        score: scores a group off the event loop, as `Scorer.ascore` does.
        size: of a group, where a submission does not give one.
        limits: deadlines and bounds.
        neutral: the reward of samples without one.
        reuse_keys, room: see `Gather`.
        one_prompt: whether all members of a group that has an id must have the same prompt.
        observe: called with each group's score, on the event loop.
    """

    def __init__(
        self,
        score: Callable[[Group], Awaitable[GroupScore]],
        size: int | None = None,
        limits: GatherLimits | None = None,
        *,
        neutral: NeutralReward | None = None,
        reuse_keys: bool = True,
        one_prompt: bool = False,
        room: Room | None = None,
        observe: Callable[[GroupScore], None] | None = None,
    ) -> None:
        self._score, self._observe = score, observe
        self._neutral = neutral or NeutralReward()
        self._gather: Gather[Sample, _Scored] = Gather(
            self._gathered,
            size,
            limits,
            reuse_keys=reuse_keys,
            measure=lambda sample: sample.size_bytes,
            measure_verdict=lambda scored: score_bytes(scored.score),
            belong=(lambda sample, other: sample.prompt == other.prompt) if one_prompt else None,
            room=room,
        )

    async def submit(
        self,
        sample: Sample,
        *,
        key: Hashable = None,
        member: Member | None = None,
        size: int | None = None,
        client: Hashable = None,
    ) -> SampleReward:
        """Wait for the sample's group; the sample's reward.

        Args:
            sample: the sample.
            key: its group's id; None: its prompt.
            member: its id within the group; None: it has none.
            size: of its group, where that differs from the default.
            client: whose room it takes.

        Raises:
            GatherError: what `Gather.submit` raises: refused, in conflict, closed, or the scoring failed.
        """
        outcome = await self._gather.submit(sample.prompt if key is None else key, member, sample, size, client)
        return _sample_reward(outcome.verdict, outcome.position)

    async def submit_group(self, samples: Sequence[Sample], *, key: Hashable = None) -> list[SampleReward]:
        """The rewards of a complete group: nothing is gathered, no bound or deadline applies, no retry is joined.

        Args:
            samples: all of the group.
            key: the group's id, where it has one.

        Returns:
            One for each sample, in order.

        Raises:
            GroupError: there are no samples.
            Exception: what `score` raises.
        """
        scored = await self._scored(group_of(samples, id=None if key is None else str(key)))
        return [_sample_reward(scored, position) for position in range(len(samples))]

    def forget(
        self, key: Hashable, member: Member | None = None, size: int | None = None, client: Hashable = None
    ) -> bool:
        """Report that a sample will not come (see `Gather.forget`)."""
        return self._gather.forget(key, member, size, client)

    def stats(self) -> GatherStats:
        """The statistics of the rendezvous (see `Gather.stats`)."""
        return self._gather.stats()

    def diagnosis(self) -> str | None:
        """Why groups keep ending incomplete, where that can be told (see `Gather.diagnosis`)."""
        return self._gather.diagnosis()

    async def close(self, grace_seconds: float = 0.0) -> None:
        """Release all waiting callers (see `Gather.close`)."""
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
    """The rewards of the samples of a group that was scored as a whole.

    Args:
        score: of the group.
        neutral: the reward of samples without one.
        positions: for each sample its index in the group, None for one that the group was scored without; None: the
            samples are the group's members, in order.
    """
    verdict = _Scored(score, neutral.of(score))
    return [_sample_reward(verdict, position) for position in (range(score.size) if positions is None else positions)]


def token_logprobs(values: Iterable[float] | None) -> tuple[float, ...] | None:
    """Token log-probabilities, at most 0: a framework's rounding can lift the logarithm of 1 above it."""
    return None if values is None else tuple(min(float(value), 0.0) for value in values)


def mean_metrics(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each metric over the rows in which it is not NaN; a metric without any is left out."""
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
    """The group of some samples.

    Its reference and its data source are those on which all samples that have one agree; where they disagree the group
    has none. It has token log-probabilities where every sample does. Where one sample says whether it is trained
    on, those that do not say it are.

    Args:
        samples: at least one, in the order of the group's members.
        id, metadata: the group's.
        expected_size: the number of members that were sampled; None: these.
        prompt: the prompt in another form (chat messages); None: the first sample's text.

    Raises:
        GroupError: there are no samples, or a field does not have the form that `Group` asks for.
    """
    if not samples:
        raise GroupError("a group needs at least one sample")
    logprobs = [sample.token_logprobs for sample in samples]
    trained = [sample.trained for sample in samples]
    weights = [sample.vote_weight for sample in samples]
    sides = [sample.side for sample in samples]
    if None in sides and set(sides) != {None}:
        raise GroupError(f"response {sides.index(None)} has no side, and others of its group have one")
    return Group(
        prompt=samples[0].prompt if prompt is None else prompt,
        responses=[sample.response for sample in samples],
        reference=agreed(sample.reference for sample in samples),
        id=id,
        token_logprobs=[values for values in logprobs if values is not None] if None not in logprobs else None,
        data_source=agreed(sample.data_source for sample in samples),
        metadata=metadata,
        expected_size=expected_size if expected_size is not None and expected_size > len(samples) else None,
        trained=None if set(trained) == {None} else [one is not False for one in trained],
        vote_weights=None if set(weights) == {1.0} else weights,
        sides=[side for side in sides if side is not None] or None,
    )


def agreed(values: Iterable[T | None]) -> T | None:
    """The value that all share that are not None; None where they differ, or where there is none."""
    given = [value for value in values if value is not None]
    return given[0] if given and all(value == given[0] for value in given) else None

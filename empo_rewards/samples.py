"""One sample at a time: what a framework hands to a reward, and what it can be paid.

A `SampleScorer` joins a `Gather` to a `Scorer`: each sample waits for its group, the group is scored once, and each
sample gets a number that its framework can take. Where there is no reward, it is *paid* a neutral value:

- a group without rewards: one constant for all of its members, so that a group-relative advantage is 0;
- a response on which the strategy abstains: the mean of the group's rewards, so that its advantage is 0 and that of
  the others is what it would be without it.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from empo_rewards.errors import GroupError, InputError
from empo_rewards.gather import Collected, Ending, Gather, GatherLimits, GatherStats, Member
from empo_rewards.group import Cause, Group, GroupScore, Status

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

PAYMENT_METRICS = (
    *METRICS,
    *LABELLED_METRICS,
    *RUN_METRICS,
    "labelled",
    "scored",
    "partial",
    "advantage_scale",
    *(name for _, name in _UNSCORED),
)
"""The keys of `Payment.metrics`."""


def reference_of(label: object) -> str | None:
    """The reference that a framework's label stands for; an empty text stands for none.

    Raises:
        InputError: the label is neither a text nor a number.
    """
    if label is None or label == "":
        return None
    if isinstance(label, bool) or not isinstance(label, str | int | float):
        raise InputError(
            f"a label must be a text or a number, not a {type(label).__name__}: no reward needs one, so leave out the "
            "label key, or name a column of plain answers"
        )
    return str(label)


@dataclass(frozen=True)
class Sample:
    """One response, and what its framework says beside it. Equal samples are interchangeable."""

    prompt: str
    response: str
    reference: str | None = None
    data_source: str | None = None
    token_logprobs: tuple[float, ...] | None = None

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        numbers = len(self.token_logprobs) if self.token_logprobs else 0
        return 200 + len(self.prompt) + len(self.response) + 32 * numbers


@dataclass(frozen=True)
class Payment:
    """What one sample is paid.

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


class Neutral:
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
class _Verdict:
    score: GroupScore
    neutral: float


class SampleScorer:
    """Scores samples that come one at a time, in any order, over one event loop.

    Args:
        score: scores a group off the event loop, as `Scorer.ascore` does.
        size: how many samples a group has, where a submission does not say.
        limits: how long and how much is waited for.
        neutral: what is paid where there is no reward.
        reuse_keys: see `Gather`.
        observe: called once a scored group, on the event loop.
    """

    def __init__(
        self,
        score: Callable[[Group], Awaitable[GroupScore]],
        size: int | None = None,
        limits: GatherLimits | None = None,
        *,
        neutral: Neutral | None = None,
        reuse_keys: bool = True,
        observe: Callable[[GroupScore], None] | None = None,
    ) -> None:
        self._score, self._observe = score, observe
        self._neutral = neutral or Neutral()
        self._gather: Gather[Sample, _Verdict] = Gather(
            self._verdict, size, limits, reuse_keys=reuse_keys, measure=lambda sample: sample.weight
        )

    async def submit(
        self, sample: Sample, *, key: Hashable = None, member: Member | None = None, size: int | None = None
    ) -> Payment:
        """Wait for the sample's group, and be paid.

        Args:
            sample: the sample.
            key: its group's id; None: its prompt stands for it.
            member: its id within the group; None: it has none.
            size: how many samples its group has, where that differs from the default.

        Raises:
            GatherError: refused, closed, or the scoring itself failed; what `Gather.submit` raises.
        """
        outcome = await self._gather.submit(sample.prompt if key is None else key, member, sample, size)
        return _payment(outcome.verdict, outcome.position)

    async def submit_group(self, samples: Sequence[Sample], *, key: Hashable = None) -> list[Payment]:
        """Pay a group that is here as a whole: nothing is gathered, no bound or deadline applies, no retry is joined.

        Args:
            samples: all of the group.
            key: the group's id, where it has one.

        Returns:
            One payment a sample, in order.

        Raises:
            GroupError: there are no samples.
            Exception: what scoring raises.
        """
        if not samples:
            raise GroupError("a group needs at least one sample")
        members: tuple[Member, ...] = () if key is None else tuple(range(len(samples)))
        verdict = await self._verdict(Collected(key, tuple(samples), members, len(samples), 0, Ending.COMPLETE))
        return [_payment(verdict, position) for position in range(len(samples))]

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

    async def _verdict(self, collected: Collected[Sample]) -> _Verdict:
        score = await self._score(group_of(collected))
        if self._observe is not None:
            self._observe(score)
        return _Verdict(score, self._neutral.of(score))


def payments(score: GroupScore, neutral: Neutral, positions: Iterable[int | None] | None = None) -> list[Payment]:
    """What the samples of a group are paid where the framework handed it over whole.

    Args:
        score: the group's.
        neutral: what is paid where there is no reward.
        positions: for each sample its place in the group, None for one that the group was scored without; None: the
            samples are the group's members, in order.
    """
    verdict = _Verdict(score, neutral.of(score))
    return [_payment(verdict, position) for position in (range(score.size) if positions is None else positions)]


def mean_metrics(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number over the rows that have it: NaN is none, and a name without any is left out."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if not math.isnan(value):
                values.setdefault(name, []).append(value)
    return {name: math.fsum(numbers) / len(numbers) for name, numbers in values.items()}


def _payment(verdict: _Verdict, position: int | None) -> Payment:
    score = verdict.score
    own = None if position is None else score.rewards[position]
    correct = None if position is None or score.correct is None else score.correct[position]
    return Payment(verdict.neutral if own is None else own, own is not None, correct, score, position)


def group_of(collected: Collected[Sample]) -> Group:
    """The group of gathered samples; one that is short says how many were expected."""
    samples = collected.payloads
    logprobs = [sample.token_logprobs for sample in samples]
    return Group(
        prompt=samples[0].prompt,
        responses=[sample.response for sample in samples],
        reference=_agreed([sample.reference for sample in samples]),
        id=str(collected.key) if collected.members else None,
        token_logprobs=[values for values in logprobs if values is not None] if None not in logprobs else None,
        data_source=_agreed([sample.data_source for sample in samples]),
        expected_size=collected.expected,
    )


def _agreed(values: list[str | None]) -> str | None:
    """The value that all samples give; None where they differ: a label that is in doubt is none."""
    return values[0] if len(set(values)) == 1 else None

"""The collapse monitor: an observer that watches whether a run's answers still depend on its prompts.

A model that is rewarded for agreeing with itself can learn to give every prompt the same answer. Rewards rise and
entropy falls meanwhile, as they do in a run that goes well; what tells is that prompts come to share their majority
answer. The monitor estimates the *agreement* of a window: the chance that two different prompts have the same majority
answer. How high it is in health depends on the data (about 0.01 for mathematics, 1/4 for four choices, 1/2 for yes or
no), so it is compared with the lowest that the run has shown itself, by their odds.

A model can also go wrong on each prompt in a way of its own. Training by agreement strengthens majorities and what was
agreed on before. So it is a sign too where majorities weaken; where prompts that come again are answered otherwise than
at first; and where there was next to no agreement to begin with.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from zlib import crc32

from empo_rewards.equivalence.exact import normal_form
from empo_rewards.errors import ConfigError
from empo_rewards.group import AnswerKind, Group, GroupScore

log = logging.getLogger("empo_rewards")

Key = TypeVar("Key", str, "str | None")

LEAST_WINDOW = 32
"""Groups of the shortest window. In shorter ones two or three prompts that agree by chance look like many."""

LEAST_PROMPTS = 8
"""Different prompts that a window needs: below, nothing can be told of them."""

LOOKS = 4
"""How often a window is read while it is replaced by the next."""

MAX_STREAMS = 64
"""Kinds of groups that are watched at the same time; past that the one not seen for longest is forgotten."""

DISSENT = 2
"""Prompts that agree with none, added to each window: where all of a few agree, the next ones need not."""

REMAINS_OF_ALL = 3 / 4
"""What must remain of the mean share of majorities, over whatever prompts come."""

DEVIATIONS = 5.0
"""By how many standard deviations of the sampling it must have shrunk. Many are looked at: the best of all windows
had luck, and some of those after it will have none."""

LEAST_STRENGTH = 128
"""Different prompts that are needed before the strength of their agreement is judged."""

LEAST_CONSISTENCY = 0.07
"""The chance that two responses to one prompt agree, below which a run that begins so is not taught by agreement. In
the map of `docs/training.md` every base below it got worse."""

KEPT_AGREEMENT = 0.85
"""What must be kept, on average over prompts that come again, of the agreement that their first responses had."""

LOSS_DEVIATIONS = 3.5
"""By how many standard errors it must have fallen. There is no luck in what it is compared with."""

LEAST_RETURNING = 24
"""Different prompts that must have come again."""

LABELLED = 0.1
"""Where in more than this part of the groups a label outvotes the majority, labels are what is taught by."""

MAX_REMEMBERED = 4096
"""Prompts of a stream whose first answers are remembered: the latest."""

KEPT_SPELLINGS = 16
"""Normal forms that are remembered of an answer, about."""

LEAST_ODDS = 1 / 140
"""The lowest odds of agreement that a run is held to: one that learns to answer at all may begin without any."""

KEPT_CHARS = 200
"""Answers are told apart by so many characters at their beginning."""


@dataclass(frozen=True)
class Observation:
    """What is kept of one group.

    Args:
        prompt: stands for the prompt.
        majority: the commonest answer; None where more than half of the responses have none.
        answers: how many responses gave each answer, by the normal form of its commonest spelling; None: no answer, a
            refusal, or one that a guard caught.
        spellings: of each answer all normal forms that mean the same.
        entropy: semantic entropy in nats, where it is known.
        length: mean length of the responses in characters.
        outvoted: whether the group has a label, and a minority was paid more than the majority.
    """

    prompt: Hashable
    majority: str | None
    answers: Mapping[str | None, int]
    spellings: Mapping[str, frozenset[str]]
    entropy: float | None
    length: float
    outvoted: bool = False

    @property
    def consistency(self) -> float:
        """The chance that two of the responses give the same answer; unbiased for any number of them, at least 2."""
        size = sum(self.answers.values())
        same = sum(count * (count - 1) for answer, count in self.answers.items() if answer is not None)
        return same / (size * (size - 1))

    @property
    def unanimous(self) -> bool:
        """Whether there is one answer only."""
        return len(self.answers) == 1 and None not in self.answers


def observe(group: Group, score: GroupScore) -> Observation:
    """What the monitor keeps of a scored group; the members of a meaning cluster count as its commonest answer."""
    members: dict[int, Counter[str]] = {}
    flags = score.flags or ((),) * len(score.answers)
    for label, answer, caught in zip(score.clusters, score.answers, flags, strict=True):
        if answer.kind is AnswerKind.ANSWER and not caught:
            members.setdefault(label, Counter())[answer.text[:KEPT_CHARS]] += 1
    prompt = group.prompt_text
    answers: Counter[str | None] = Counter()
    spellings: dict[str, frozenset[str]] = {}
    for texts in members.values():
        name = normal_form(_commonest(texts, prompt))
        answers[name] += sum(texts.values())
        spellings[name] = frozenset(map(normal_form, texts))
    found = sum(answers.values())
    majority = _commonest(answers, prompt) if 2 * found >= len(score.answers) else None
    if found < len(score.answers):
        answers[None] = len(score.answers) - found
    length = sum(map(len, group.responses)) / len(group)
    outvoted = group.reference is not None and _outvoted(score)
    return Observation(hash(prompt), majority, answers, spellings, score.entropy, length, outvoted)


def _outvoted(score: GroupScore) -> bool:
    """Whether a response outside of the largest cluster is paid more than those within."""
    paid = [(label, reward) for label, reward in zip(score.clusters, score.rewards, strict=True) if reward is not None]
    majority = [reward for label, reward in paid if label == 0]  # ids count by falling size
    others = [reward for label, reward in paid if label != 0]
    return bool(majority and others) and max(others) > max(majority)


def _commonest(counts: Mapping[Key, int], prompt: str = "") -> Key:
    """The commonest text. Among tied ones it is by lot, drawn by prompt and text: prompts must not agree by the lot."""
    most = max(counts.values())
    tied = [text for text, count in counts.items() if count == most]
    return min(tied, key=lambda text: (crc32(f"{prompt} {text}".encode("utf-8", "replace")), text or ""))


@dataclass(frozen=True)
class Reading:
    """What a window of groups looks like.

    Args:
        prompts: how many different ones; of each, its last group counts.
        agreement: the chance that two different prompts have the same majority answer; unbiased for any number of them.
        distinct_majorities: different majority answers, by the number of prompts.
        commonest: the commonest majority answer; None: no answer.
        commonest_prompts: how many prompts have it.
        commonest_share: the share of the commonest answer of all responses in all of them.
        majority_share, deviation: the mean of the majorities' shares of their groups, and its standard deviation.
        unanimous: the share of unanimous groups.
        blanks: the share of responses without an answer, or with one that a guard caught.
        entropy: mean semantic entropy in nats; NaN where none is known.
        length: mean length of the responses in characters.
    """

    prompts: int
    agreement: float
    distinct_majorities: float
    commonest: str | None
    commonest_prompts: int
    commonest_share: float
    majority_share: float
    deviation: float
    unanimous: float
    blanks: float
    entropy: float
    length: float


def read(window: Sequence[Observation]) -> Reading:
    """The reading of a window, oldest group first; at least one group."""
    latest = list({seen.prompt: seen for seen in window}.values())
    majorities = Counter(seen.majority for seen in latest)
    prompts = len(latest)
    pairs = prompts * (prompts - 1)
    commonest = _commonest(majorities)
    answers: Counter[str | None] = Counter()
    for seen in latest:
        answers.update(seen.answers)
    responses = sum(answers.values())
    shares = [
        0.0 if seen.majority is None else seen.answers[seen.majority] / sum(seen.answers.values()) for seen in latest
    ]
    mean = math.fsum(shares) / prompts
    variance = math.fsum((share - mean) ** 2 for share in shares) / max(1, prompts - 1)
    entropies = [seen.entropy for seen in latest if seen.entropy is not None]
    return Reading(
        prompts=prompts,
        agreement=sum(count * (count - 1) for count in majorities.values()) / pairs if pairs else 0.0,
        distinct_majorities=len(majorities) / prompts,
        commonest=commonest,
        commonest_prompts=majorities[commonest],
        commonest_share=max(answers.values()) / responses,
        majority_share=mean,
        deviation=math.sqrt(variance / prompts),
        unanimous=sum(seen.unanimous for seen in latest) / prompts,
        blanks=answers[None] / responses,
        entropy=math.fsum(entropies) / len(entropies) if entropies else math.nan,
        length=math.fsum(seen.length for seen in latest) / prompts,
    )


def odds(reading: Reading) -> float:
    """The odds of agreement, kept finite: `DISSENT` prompts that agree with none are added."""
    prompts = reading.prompts
    whole = prompts + DISSENT
    chance = reading.agreement * prompts * (prompts - 1) / (whole * (whole - 1))
    return chance / (1 - chance)


@dataclass(frozen=True)
class Alarm:
    """Why the monitor called.

    Args:
        reason: in a sentence or two.
        groups: how many had been seen of the kind (see `Monitor`).
        reading: of the window that gave the alarm.
        best: of the best window of that length so far: the one of the lowest agreement, or of the strongest majorities.
    """

    reason: str
    groups: int
    reading: Reading
    best: Reading


class _First:
    """What a prompt was answered when it came first.

    Args:
        counts: how many responses gave each answer.
        spellings: of each answer its normal forms, with those that were met beside them since.
        size: all responses, those without an answer too.
    """

    def __init__(self, seen: Observation) -> None:
        self.size = sum(seen.answers.values())
        self.counts = {answer: count for answer, count in seen.answers.items() if answer is not None}
        self.spellings = {answer: set(seen.spellings[answer]) for answer in self.counts}

    def agreement(self, seen: Observation) -> float:
        """The chance that a response of then and one of now give the same answer."""
        same = 0
        for answer, count in self.counts.items():
            for other, forms in seen.spellings.items():
                if not self.spellings[answer].isdisjoint(forms):
                    same += count * seen.answers[other]
                    if len(self.spellings[answer]) < KEPT_SPELLINGS:  # a manner of writing may change in time
                        self.spellings[answer] |= forms
        return same / (self.size * sum(seen.answers.values()))


class _Past:
    """What the prompts of a run were answered at first, and how much of that is answered still.

    Training by agreement makes a model say more often what it said most often. So a response of now agrees with one of
    then, on average over prompts, more often than two responses of then agree with each other. Both chances are
    estimated without bias, whatever the number of responses, and luck in the first sample is not missed in the next.
    """

    def __init__(self) -> None:
        self._first: OrderedDict[Hashable, tuple[_First, float]] = OrderedDict()
        self._again: deque[tuple[Hashable, float, float]] = deque(maxlen=2 * LEAST_WINDOW)
        """For a prompt that came again: the agreement of its first responses with each other, and with those of now."""
        self._consistencies: list[float] = []
        """Of the first prompts."""

    def add(self, seen: Observation) -> None:
        """Take a group of two responses or more in."""
        if (known := self._first.get(seen.prompt)) is not None:
            first, before = known
            self._again.append((seen.prompt, before, first.agreement(seen)))
            return
        consistency = seen.consistency
        self._first[seen.prompt] = _First(seen), consistency
        if len(self._first) > MAX_REMEMBERED:
            self._first.popitem(last=False)
        if len(self._consistencies) < LEAST_STRENGTH:
            self._consistencies.append(consistency)

    def weak(self) -> str | None:
        """In a sentence how seldom responses agreed from the start, where that is too seldom."""
        count = len(self._consistencies)
        mean = math.fsum(self._consistencies) / max(1, count)
        if count < LEAST_STRENGTH or mean >= LEAST_CONSISTENCY:
            return None
        return (
            f"two responses to the same prompt agree with a chance of {mean:.3f} only (the first {count} prompts; at "
            f"least {LEAST_CONSISTENCY}): agreement has too little to say here to be taught by."
        )

    def lost(self) -> str | None:
        """In a sentence how much is left of what was answered at first, where that is too little."""
        latest = {prompt: (before, now) for prompt, before, now in self._again}.values()
        count = len(latest)
        if count < LEAST_RETURNING:
            return None
        then, now = (math.fsum(values) / count for values in zip(*latest, strict=True))
        fall = then - now
        squares = math.fsum((before - again - fall) ** 2 for before, again in latest)
        if now >= KEPT_AGREEMENT * then or fall <= LOSS_DEVIATIONS * math.sqrt(squares / (count * (count - 1))):
            return None
        return (
            f"a response agrees with one that its prompt had at first with a chance of {now:.3f}; two of the first "
            f"ones did with {then:.3f} ({count} prompts that came again). The model leaves what it agreed on."
        )


class _Stream:
    """The groups of one kind."""

    def __init__(self, windows: Sequence[int]) -> None:
        self.seen: deque[Observation] = deque(maxlen=windows[-1])
        self.count = 0
        self.reading: Reading | None = None
        """Of the shortest window."""
        self._windows = windows
        self._best: dict[int, Reading] = {}
        self._strongest: dict[int, Reading] = {}
        self._past = _Past()
        self._outvoted = 0

    def add(self, observation: Observation, factor: float) -> Alarm | None:
        """Take a group in; the alarm, where this one gives cause."""
        self.seen.append(observation)
        self.count += 1
        self._outvoted += observation.outvoted
        if sum(observation.answers.values()) > 1:
            self._past.add(observation)
        for window in self._windows:
            if window > len(self.seen) or self.count % (window // LOOKS):
                break
            reading = read(list(self.seen)[-window:])
            if window == self._windows[0]:
                self.reading = reading
            if reading.prompts >= LEAST_PROMPTS and (alarm := self._compared(window, reading, factor)):
                return alarm
        best = self._best.get(self._windows[0])
        if best is None or self.reading is None or self._is_labelled:
            return None
        if lost := self._past.lost():
            return self._alarm(lost, self.reading, best)
        if weak := self._past.weak():
            return Alarm(f"{weak} Take easier prompts, or a better base", self.count, self.reading, best)
        return None

    @property
    def _is_labelled(self) -> bool:
        """Whether rewards follow labels: they may teach against agreement."""
        return self._outvoted > LABELLED * self.count

    def _compared(self, window: int, now: Reading, factor: float) -> Alarm | None:
        """The alarm where a window is much worse than the best one of its length."""
        best, strongest = self._best.setdefault(window, now), self._strongest.setdefault(window, now)
        if odds(now) > factor * max(odds(best), LEAST_ODDS):
            return self._alarm(_sharing(now, best), now, best)
        lost = strongest.majority_share - now.majority_share
        luck = DEVIATIONS * math.hypot(strongest.deviation, now.deviation)
        is_weaker = now.majority_share < REMAINS_OF_ALL * strongest.majority_share and lost > luck
        if is_weaker and min(now.prompts, strongest.prompts) >= LEAST_STRENGTH and not self._is_labelled:
            return self._alarm(_weakening(now, strongest), now, strongest)
        if odds(now) < odds(best):
            self._best[window] = now
        if now.majority_share > strongest.majority_share:
            self._strongest[window] = now
        return None

    def _alarm(self, why: str, now: Reading, best: Reading) -> Alarm:
        return Alarm(f"{why} {_since(now, best)}", self.count, now, best)


def _sharing(now: Reading, best: Reading) -> str:
    answer = "no answer" if now.commonest is None else f"the majority answer {now.commonest[:40]!r}"
    return (
        f"{now.commonest_prompts} of the last {now.prompts} prompts have {answer}; the chance that two of them agree "
        f"is {now.agreement:.2f}, and was {best.agreement:.2f} at the run's best."
    )


def _weakening(now: Reading, best: Reading) -> str:
    return (
        f"the majorities of the last {now.prompts} prompts have {now.majority_share:.0%} of their responses, and had "
        f"{best.majority_share:.0%} at the run's best, where training by agreement strengthens them."
    )


def _since(now: Reading, best: Reading) -> str:
    return (
        f"Since then: unanimous groups {best.unanimous:.0%} -> {now.unanimous:.0%}, "
        f"responses without an answer {best.blanks:.0%} -> {now.blanks:.0%}, "
        f"mean length {best.length:.0f} -> {now.length:.0f} characters, "
        f"entropy {best.entropy:.2f} -> {now.entropy:.2f} nats. "
        "Agreement no longer tells right from wrong: stop, and go back to a checkpoint from before"
    )


class Monitor:
    """Raises one alarm where agreement stops meaning anything: a warning in the log, a metric, and a call.

    Windows of 32, 64, ... groups are looked at, up to `window`: the short ones are quick where answers are many, and it
    takes long ones to tell a collapse from a run that has found out that most answers are "yes". Groups of another data
    set, of another size, or with a label where others have none (as those of an evaluation) are watched by themselves:
    what is healthy there is something else.

    It cannot see a model that goes wrong on prompts that never come again, on each in another way; a run that begins
    collapsed; or what becomes of fewer than 8 different prompts.

    Args:
        window: groups of the longest window, at least 32.
        factor: how many times the lowest odds of agreement make an alarm.
        on_alarm: called once, with the alarm, in the thread that scores.
    """

    def __init__(
        self, window: int = 256, factor: float = 20.0, on_alarm: Callable[[Alarm], None] | None = None
    ) -> None:
        if window < LEAST_WINDOW:
            raise ConfigError(f"window is {window}; it must be at least {LEAST_WINDOW}")
        if not 1 < factor < math.inf:
            raise ConfigError(f"factor is {factor}; it must be above 1")
        self.alarm: Alarm | None = None
        self._factor, self._on_alarm = factor, on_alarm
        self._windows = [LEAST_WINDOW * 2**k for k in range((window // LEAST_WINDOW).bit_length())]
        self._streams: OrderedDict[Hashable, _Stream] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, group: Group, score: GroupScore) -> None:
        """Take a group in. One that a fault left without clusters says nothing of the model, and is passed over."""
        if not score.clusters:
            return
        observation = observe(group, score)
        kind = (group.data_source, group.reference is None, score.expected_size)
        with self._lock:
            stream = self._streams.setdefault(kind, _Stream(self._windows))
            self._streams.move_to_end(kind)
            if len(self._streams) > MAX_STREAMS:
                self._streams.popitem(last=False)
            alarm = stream.add(observation, self._factor)
            if alarm is None or self.alarm is not None:
                return
            self.alarm = alarm
        log.warning("monitor: collapse: %s", alarm.reason)
        if self._on_alarm is not None:
            self._on_alarm(alarm)

    def metrics(self) -> dict[str, float]:
        """Numbers for a logger: whether there has been an alarm, and the last reading of the kind seen last."""
        with self._lock:
            stream = next(reversed(self._streams.values()), None)
            reading = None if stream is None else stream.reading
        found = {"alarm": float(self.alarm is not None)}
        if reading is not None:
            found["agreement"] = reading.agreement
            found["distinct_majorities"] = reading.distinct_majorities
            found["commonest_share"] = reading.commonest_share
        return found

"""What prompts were answered when they came before, and how much of that is answered still."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Hashable

from empo_rewards.monitor.observation import Observation

KEPT_AGREEMENT = 0.85
"""What must be kept, on average over prompts that come again, of the agreement that their responses had before."""

LOSS_DEVIATIONS = 3.5
"""By how many standard errors it must have fallen. There is no luck in what it is compared with, but there are some
comparisons at each look."""

LEAST_RETURNING = 24
"""Different prompts that must have come again."""

LATEST = 128
"""Groups of prompts that came again: what they say now is what the latest of them say."""

LOOK_EVERY = 16
"""Groups of such prompts between two looks."""

MAX_ROUNDS = 8
"""Groups that are remembered of a prompt: its first, and the latest."""

MAX_RETURNING = 256
"""Prompts that are compared with what they were answered before."""

MAX_ONCE = 4096
"""Prompts that have come once and are remembered: the latest."""

KEPT_FORMS = 64
"""Normal forms that are remembered of the answers in a group, about."""


class Before:
    """What a prompt was answered at some time.

    Args:
        size: all responses, those without an answer too.
        consistency: the chance that two of them agree.
        counts: how many responses gave each answer.
        answers: of each normal form the answer that it is; those too that were met beside one since.
    """

    def __init__(self, seen: Observation) -> None:
        self.size = seen.size
        self.consistency = seen.consistency
        self.counts = {answer: count for answer, count in seen.answers.items() if answer is not None}
        self.answers = {form: answer for answer, forms in seen.spellings.items() for form in forms}

    def agreement(self, seen: Observation) -> float:
        """The chance that a response of then and one of now give the same answer."""
        same = 0
        for answer, forms in seen.spellings.items():
            meant = {self.answers[form] for form in forms if form in self.answers}
            same += sum(self.counts[before] for before in meant) * seen.answers[answer]
            if len(meant) == 1 and len(self.answers) < KEPT_FORMS:  # a manner of writing may change in time
                self.answers |= dict.fromkeys(forms, *meant)
        return same / (self.size * seen.size)


class Past:
    """How much of what prompts were answered before is answered still.

    Training by agreement makes a model say more often what it said most often. So a response of now agrees with one of
    before, on average over prompts, more often than two responses of before agree with each other. Both chances are
    estimated without bias, whatever the number of responses: luck in an earlier sample is not missed in a later one.
    What is said now is compared with the first time and with the last ones: a model may go right at first.
    """

    def __init__(self) -> None:
        self._once: OrderedDict[Hashable, Before] = OrderedDict()
        self._returning: dict[Hashable, list[Before]] = {}
        self._latest: deque[tuple[Hashable, dict[int, tuple[float, float]]]] = deque(maxlen=LATEST)
        """Of a prompt that came again, by how many rounds ago (0: the first time): agreement then, and with now."""
        self._until_look = LOOK_EVERY

    def add(self, seen: Observation) -> str | None:
        """Take a group of two responses or more in; in a sentence how much is left, where that is too little."""
        if (first := self._once.pop(seen.prompt, None)) is not None and len(self._returning) < MAX_RETURNING:
            self._returning[seen.prompt] = [first]
        rounds = self._returning.get(seen.prompt)
        if rounds is None:
            self._once[seen.prompt] = first or Before(seen)
            if len(self._once) > MAX_ONCE:
                self._once.popitem(last=False)
            return None
        compared = {ago: (before.consistency, before.agreement(seen)) for ago, before in _numbered(rounds)}
        self._latest.append((seen.prompt, compared))
        rounds.append(Before(seen))
        if len(rounds) > MAX_ROUNDS:
            del rounds[1]
        self._until_look -= 1
        if self._until_look:
            return None
        self._until_look = LOOK_EVERY
        return self._lost()

    def _lost(self) -> str | None:
        latest = dict(self._latest).values()
        for ago in range(MAX_ROUNDS):
            pairs = [compared[ago] for compared in latest if ago in compared]
            if len(pairs) >= LEAST_RETURNING and (fallen := _fallen(pairs)):
                then, now = fallen
                when = "at first" if ago == 0 else "the last time" if ago == 1 else f"{ago} times ago"
                return (
                    f"a response agrees with one that its prompt had {when} with a chance of {now:.3f}; two of "
                    f"those agreed with {then:.3f} ({len(pairs)} prompts that came again). The model leaves what it "
                    "agreed on."
                )
        return None


def _numbered(rounds: list[Before]) -> list[tuple[int, Before]]:
    """Each with how many rounds ago it was; the first time is 0."""
    return [(len(rounds) - place if place else 0, before) for place, before in enumerate(rounds)]


def _fallen(pairs: list[tuple[float, float]]) -> tuple[float, float] | None:
    """The means of both chances, where the second is lower than the first by more than luck."""
    count = len(pairs)
    then, now = (math.fsum(chances) / count for chances in zip(*pairs, strict=True))
    fall = then - now
    squares = math.fsum((before - after - fall) ** 2 for before, after in pairs)
    error = math.sqrt(squares / (count * (count - 1)))
    return (then, now) if now < KEPT_AGREEMENT * then and fall > LOSS_DEVIATIONS * error else None

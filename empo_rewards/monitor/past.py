"""What prompts were answered when they came first, and what has become of that."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Hashable

from empo_rewards.monitor.observation import Observation

BEGINNING = 128
"""Different prompts whose first answers tell whether there is enough agreement."""

LEAST_CONSISTENCY = 0.07
"""The chance that two responses to one prompt agree, below which a run that begins so is not taught by agreement. In
the map of `docs/training.md` every base below it got worse."""

KEPT_AGREEMENT = 0.85
"""What must be kept, on average over prompts that come again, of the agreement that their first responses had."""

LOSS_DEVIATIONS = 3.5
"""By how many standard errors it must have fallen. There is no luck in what it is compared with."""

LEAST_RETURNING = 24
"""Different prompts that must have come again."""

LATEST = 64
"""Groups of prompts that came again: what they say now is what the latest of them say."""

MAX_REMEMBERED = 4096
"""Prompts of a stream whose first answers are remembered: the latest."""

KEPT_FORMS = 64
"""Normal forms that are remembered of the answers to a prompt, about."""


class First:
    """What a prompt was answered when it came first.

    Args:
        size: all responses, those without an answer too.
        counts: how many responses gave each answer.
        answers: of each normal form the answer that it is; those too that were met beside one since.
    """

    def __init__(self, seen: Observation) -> None:
        self.size = sum(seen.answers.values())
        self.counts = {answer: count for answer, count in seen.answers.items() if answer is not None}
        self.answers = {form: answer for answer, forms in seen.spellings.items() for form in forms}

    def agreement(self, seen: Observation) -> float:
        """The chance that a response of then and one of now give the same answer."""
        same = 0
        for answer, forms in seen.spellings.items():
            meant = {self.answers[form] for form in forms if form in self.answers}
            same += sum(self.counts[first] for first in meant) * seen.answers[answer]
            if len(meant) == 1 and len(self.answers) < KEPT_FORMS:  # a manner of writing may change in time
                self.answers |= dict.fromkeys(forms, *meant)
        return same / (self.size * sum(seen.answers.values()))


class Past:
    """What the prompts of a run were answered at first, and how much of that is answered still.

    Training by agreement makes a model say more often what it said most often. So a response of now agrees with one of
    then, on average over prompts, more often than two responses of then agree with each other. Both chances are
    estimated without bias, whatever the number of responses, and luck in the first sample is not missed in the next.
    """

    def __init__(self) -> None:
        self._first: OrderedDict[Hashable, tuple[First, float]] = OrderedDict()
        self._again: deque[tuple[Hashable, float, float]] = deque(maxlen=LATEST)
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
        self._first[seen.prompt] = First(seen), consistency
        if len(self._first) > MAX_REMEMBERED:
            self._first.popitem(last=False)
        if len(self._consistencies) < BEGINNING:
            self._consistencies.append(consistency)

    def weak(self) -> str | None:
        """In a sentence how seldom responses agreed from the start, where that is too seldom."""
        count = len(self._consistencies)
        mean = math.fsum(self._consistencies) / max(1, count)
        if count < BEGINNING or mean >= LEAST_CONSISTENCY:
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

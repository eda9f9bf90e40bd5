"""What prompts were answered whenever they came before, and how that compares with what they are answered now."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from empo_rewards.monitor.estimates import mean_and_error, pair_chance
from empo_rewards.monitor.observation import Observation

KEPT_AGREEMENT = 0.85
"""What must be kept, on average over prompts that come again, of the agreement that their responses had before."""

GROWN_AGREEMENT = 1.1
"""Where what was agreed on before is said so much more often now, other answers beside it are no matter."""

LEAST_LIKENESS = 0.95
"""How like those of before the answers of now must be otherwise: 1 where each has the same share."""

DEVIATIONS = 3.5
"""By how many standard errors either must have fallen below. There is no luck in what is compared with, but there are
many looks."""

LEAST_RETURNING = 24
"""Different prompts that must have come again."""

LATEST = 128
"""Groups of prompts that came again: what they say now is what the latest of them say."""

LOOK_EVERY = 16
"""Groups of such prompts between two looks."""

MAX_RETURNING = 256
"""Prompts that are compared with what they were answered before."""

MAX_ONCE = 4096
"""Prompts that have come once and are remembered: the latest."""

KEPT_FORMS = 128
"""Normal forms that are remembered of the answers to a prompt, about."""


class Chances(NamedTuple):
    """That two responses to a prompt give the same answer: two of before, one of before and one of now, two of now."""

    before: float
    across: float
    now: float


class Before:
    """What a prompt has been answered so far, each response counting the same.

    Args:
        size: all responses, those without an answer too.
        counts: how many responses gave each answer; of very many, the commonest.
        answers: of each normal form the answer that it is: those of one meaning cluster are one.
    """

    def __init__(self, seen: Observation) -> None:
        self.size = 0
        self.counts: Counter[str] = Counter()
        self.answers: dict[str, str] = {}
        self.add(seen)

    def add(self, seen: Observation) -> None:
        """Put a group to the others."""
        self.size += seen.size
        for answer, forms in seen.spellings.items():
            name = max(self._known(forms), key=lambda known: (self.counts[known], known), default=answer)
            self.counts[name] += seen.answers[answer]
            for form in forms:
                self.answers.setdefault(form, name)
        if len(self.answers) > KEPT_FORMS:
            self.counts = Counter(dict(self.counts.most_common(KEPT_FORMS // 2)))
            self.answers = {form: answer for form, answer in self.answers.items() if answer in self.counts}

    def compared(self, seen: Observation) -> Chances:
        """The chances of agreement, without bias for any numbers of responses from 2 on."""
        same = 0
        for answer, forms in seen.spellings.items():
            same += sum(self.counts[known] for known in self._known(forms)) * seen.answers[answer]
        within = pair_chance(self.counts.values(), self.size)
        return Chances(within, same / (self.size * seen.size), seen.consistency)

    def _known(self, forms: Iterable[str]) -> set[str]:
        """The remembered answers that are written so."""
        return {self.answers[form] for form in forms if form in self.answers}


class Past:
    """Whether prompts are answered still as they were before.

    Training by agreement makes a model say more often what it said most often. So a response of now agrees with one of
    before, on average over prompts, more often than two responses of before agree with each other; and what the model
    agrees on now is what it agreed on before. Before is every earlier time that the prompt came.
    """

    def __init__(self) -> None:
        self._once: OrderedDict[Hashable, Before] = OrderedDict()
        self._returning: dict[Hashable, Before] = {}
        self._latest: deque[tuple[Hashable, Chances]] = deque(maxlen=LATEST)
        self._until_look = LOOK_EVERY

    def add(self, seen: Observation) -> str | None:
        """Take a group of two responses or more in; in a sentence, how prompts are answered otherwise, if they are."""
        if (first := self._once.pop(seen.prompt, None)) is not None and len(self._returning) < MAX_RETURNING:
            self._returning[seen.prompt] = first
        before = self._returning.get(seen.prompt)
        if before is None:
            self._once[seen.prompt] = first or Before(seen)
            if len(self._once) > MAX_ONCE:
                self._once.popitem(last=False)
            return None
        self._latest.append((seen.prompt, before.compared(seen)))
        before.add(seen)
        self._until_look -= 1
        if self._until_look:
            return None
        self._until_look = LOOK_EVERY
        latest = list(dict(self._latest).values())
        return changed(latest) if len(latest) >= LEAST_RETURNING else None


def changed(prompts: Sequence[Chances]) -> str | None:
    """In a sentence, how prompts (two or more) are answered otherwise than before, by more than luck; or None.

    The likeness of two mixtures of answers is the cosine between their vectors of shares: the chance across, by the
    geometric mean of the chances within. One that is only more sure of the same answers is not much unlike.
    """
    before, across, now = (math.fsum(chances) / len(prompts) for chances in zip(*prompts, strict=True))
    those = f"({len(prompts)} prompts that came again)"
    if across < KEPT_AGREEMENT * before and _is_above_luck([seen.before - seen.across for seen in prompts]):
        return (
            f"a response agrees with one that its prompt had before with a chance of {across:.3f}; two of those agreed "
            f"with {before:.3f} {those}. The model leaves what it agreed on."
        )
    if across >= GROWN_AGREEMENT * before or now == 0:
        return None
    scale = math.sqrt(now / before)  # brings both to one size: their mean over prompts is the geometric one
    missing = [LEAST_LIKENESS * (seen.before * scale + seen.now / scale) / 2 - seen.across for seen in prompts]
    if not _is_above_luck(missing):
        return None
    return (
        f"two responses to a prompt agree with a chance of {now:.3f}, two that it had before with {before:.3f}, one "
        f"of now with one of before with {across:.3f} {those}. The model agrees on other answers than it did."
    )


def _is_above_luck(values: Sequence[float]) -> bool:
    """Whether the mean is above 0 by more than `DEVIATIONS` standard errors."""
    mean, error = mean_and_error(values)
    return mean > DEVIATIONS * error

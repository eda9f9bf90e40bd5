"""The groups of one kind, and the signs by which they give an alarm."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from empo_rewards.monitor.observation import Observation
from empo_rewards.monitor.past import Past
from empo_rewards.monitor.window import Reading, odds, read

LEAST_PROMPTS = 8
"""Different prompts that a window needs: below, nothing can be told of them."""

LOOKS = 4
"""How often a window is read while it is replaced by the next."""

REMAINS_OF_ALL = 3 / 4
"""What must remain of the mean share of majorities, over whatever prompts come."""

DEVIATIONS = 5.0
"""By how many standard deviations of the sampling it must have shrunk. Many are looked at: the best of all windows
had luck, and some of those after it will have none."""

LEAST_STRENGTH = 128
"""Different prompts that a window needs before the mean share of its majorities is set against another's."""

LABELLED = 0.1
"""Where in more than this part of the groups a label outvotes the majority, labels are what is taught by."""

LEAST_ODDS = 1 / 140
"""The lowest odds of agreement that a run is held to: one that learns to answer at all may begin without any."""


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


class Stream:
    """The groups of one kind."""

    def __init__(self, windows: Sequence[int]) -> None:
        self.seen: deque[Observation] = deque(maxlen=windows[-1])
        self.count = 0
        self.reading: Reading | None = None
        """Of the shortest window."""
        self._windows = windows
        self._best: dict[int, Reading] = {}
        self._strongest: dict[int, Reading] = {}
        self._past = Past()
        self._outvoted = 0

    def add(self, observation: Observation, factor: float) -> Alarm | None:
        """Take a group in; the alarm, where this one gives cause."""
        self.seen.append(observation)
        self.count += 1
        self._outvoted += observation.outvoted
        lost = self._past.add(observation) if observation.size > 1 else None
        for window in self._windows:
            if window > len(self.seen) or self.count % (window // LOOKS):
                break
            reading = read(list(self.seen)[-window:])
            if window == self._windows[0]:
                self.reading = reading
            if reading.prompts >= LEAST_PROMPTS and (alarm := self._compared(window, reading, factor)):
                return alarm
        best = self._best.get(self._windows[0])
        if lost is None or best is None or self.reading is None or self._is_labelled:
            return None
        return self._alarm(lost, self.reading, best)

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

"""The collapse detector: the groups of one kind, and the three signs by which they give an alarm."""

from __future__ import annotations

import math
import warnings
from collections import deque
from dataclasses import dataclass

from empo_rewards.monitor.observation import Observation
from empo_rewards.monitor.prompt_history import PromptHistory
from empo_rewards.monitor.settings import MonitorSettings
from empo_rewards.monitor.statistics import WindowStatistics, window_statistics


@dataclass(frozen=True)
class Alarm:
    """Why the monitor gave its alarm.

    Args:
        reason: in a sentence or two.
        groups: how many groups of the kind (see `Monitor`) had been seen.
        window: statistics of the window that gave the alarm.
        best: those of the best window of that length so far: of the lowest agreement, or of the strongest majorities.
    """

    reason: str
    groups: int
    window: WindowStatistics
    best: WindowStatistics

    @property
    def reading(self) -> WindowStatistics:
        """The former name of `window`."""
        warnings.warn("Alarm.reading is now Alarm.window", DeprecationWarning, stacklevel=2)
        return self.window


class CollapseDetector:
    """Watches the groups of one kind.

    Args:
        settings: the thresholds.
    """

    def __init__(self, settings: MonitorSettings) -> None:
        self.latest: WindowStatistics | None = None
        """Of the shortest window."""
        self._settings = settings
        self._windows = settings.windows
        self._seen: deque[Observation] = deque(maxlen=self._windows[-1])
        self._count = 0
        self._best: dict[int, WindowStatistics] = {}
        self._strongest: dict[int, WindowStatistics] = {}
        self._history = PromptHistory(settings)
        self._outvoted = 0

    def add(self, observation: Observation) -> Alarm | None:
        """Take in a group; the alarm, where this one gives cause."""
        self._seen.append(observation)
        self._count += 1
        self._outvoted += observation.outvoted
        change = self._history.add(observation) if observation.size > 1 else None
        for length in self._windows:
            if length > len(self._seen) or self._count % (length // self._settings.reads):
                break
            window = window_statistics(list(self._seen)[-length:])
            if length == self._windows[0]:
                self.latest = window
            if window.prompts >= self._settings.window_prompts and (alarm := self._compared(length, window)):
                return alarm
        best = self._best.get(self._windows[0])
        if change is None or best is None or self.latest is None or self._is_labelled:
            return None
        return self._alarm(change, self.latest, best)

    @property
    def _is_labelled(self) -> bool:
        """Whether rewards follow labels: they may teach against agreement."""
        return self._outvoted > self._settings.label_share * self._count

    def _compared(self, length: int, now: WindowStatistics) -> Alarm | None:
        """The alarm where a window is much worse than the best one of its length."""
        settings = self._settings
        best, strongest = self._best.setdefault(length, now), self._strongest.setdefault(length, now)
        odds, best_odds = now.odds(settings.pseudo_prompts), best.odds(settings.pseudo_prompts)
        if odds > settings.factor * max(best_odds, settings.least_odds):
            return self._alarm(_sharing(now, best), now, best)
        lost = strongest.majority_share - now.majority_share
        error = math.hypot(strongest.majority_error, now.majority_error)
        is_weaker = now.majority_share < settings.kept_majority * strongest.majority_share
        is_significant = lost > settings.majority_errors * error
        are_long = min(now.prompts, strongest.prompts) >= settings.majority_prompts
        if is_weaker and is_significant and are_long and not self._is_labelled:
            return self._alarm(_weakening(now, strongest), now, strongest)
        if odds < best_odds:
            self._best[length] = now
        if now.majority_share > strongest.majority_share:
            self._strongest[length] = now
        return None

    def _alarm(self, why: str, now: WindowStatistics, best: WindowStatistics) -> Alarm:
        return Alarm(f"{why} {_since(now, best)}", self._count, now, best)


def _sharing(now: WindowStatistics, best: WindowStatistics) -> str:
    answer = "no answer" if now.commonest is None else f"the majority answer {now.commonest[:40]!r}"
    return (
        f"{now.commonest_prompts} of the last {now.prompts} prompts have {answer}; the chance that two of them agree "
        f"is {now.agreement:.2f}, and was {best.agreement:.2f} at the run's best."
    )


def _weakening(now: WindowStatistics, best: WindowStatistics) -> str:
    return (
        f"the majorities of the last {now.prompts} prompts have {now.majority_share:.0%} of their responses, and had "
        f"{best.majority_share:.0%} at the run's best, where training by agreement strengthens them."
    )


def _since(now: WindowStatistics, best: WindowStatistics) -> str:
    return (
        f"Since then: unanimous groups {best.unanimous:.0%} -> {now.unanimous:.0%}, "
        f"responses without an answer {best.blanks:.0%} -> {now.blanks:.0%}, "
        f"mean length {best.length:.0f} -> {now.length:.0f} characters, "
        f"entropy {best.entropy:.2f} -> {now.entropy:.2f} nats. "
        "Agreement no longer tells right from wrong: stop, and go back to a checkpoint from before"
    )

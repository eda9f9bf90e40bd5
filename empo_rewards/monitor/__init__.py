"""The collapse monitor: an observer that watches whether a run's answers still depend on its prompts.

A model that is rewarded for agreeing with itself can learn to give every prompt the same answer. Rewards rise and
entropy falls meanwhile, as they do in a healthy run; the difference is that prompts come to share their majority
answer. The monitor estimates the *agreement* of a sliding window: the chance that two different prompts have the same
majority answer. Its healthy value depends on the data (about 0.01 for mathematics, 1/4 for four choices, 1/2 for yes or
no), so it is compared, by its odds, with the lowest that the run has shown.

A model can also degrade on each prompt in a different way. Training by agreement strengthens majorities and earlier
answers. So weakening majorities are a sign too, and so are changed answers to prompts seen before.

`observation` reduces a group to what is kept of it, `statistics` describes a window, `prompt_history` compares prompts
with their earlier answers, `detector` decides by the thresholds in `settings`.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from empo_rewards.errors import ConfigError
from empo_rewards.group import Group, GroupScore
from empo_rewards.monitor.detector import Alarm, CollapseDetector
from empo_rewards.monitor.observation import Observation, observe
from empo_rewards.monitor.settings import MonitorSettings
from empo_rewards.protocols import Observer

__all__ = ["Alarm", "Monitor", "Observation", "observe"]

log = logging.getLogger("empo_rewards")

MAX_KINDS = 64
"""Kinds of groups that are watched at the same time; past that the one not seen for longest is forgotten."""


class Monitor(Observer):
    """Gives one alarm where agreement stops meaning anything: a warning in the log, a metric, and a call.

    Windows of 32, 64, ... groups are read, up to `window`: short ones are quick where answers are many, and long ones
    are needed to tell a collapse from a run that has learned that most answers are "yes". Groups of another data set,
    of another size, or with a label where others have none (as in an evaluation) are watched separately, because their
    healthy values differ.

    It cannot detect a model that degrades on prompts that never come again, on each in another way; a run that begins
    collapsed; or anything about fewer than 8 different prompts.

    Args:
        window: groups of the longest window, at least 32.
        factor: the odds of agreement that give the alarm, as a multiple of the lowest.
        on_alarm: called once, with the alarm, in the thread that scores.
    """

    def __init__(
        self,
        window: int = MonitorSettings.longest_window,
        factor: float = MonitorSettings.factor,
        on_alarm: Callable[[Alarm], None] | None = None,
    ) -> None:
        if window < MonitorSettings.shortest_window:
            raise ConfigError(f"window is {window}; it must be at least {MonitorSettings.shortest_window}")
        if not 1 < factor < math.inf:
            raise ConfigError(f"factor is {factor}; it must be above 1")
        self.alarm: Alarm | None = None
        self._settings = MonitorSettings(factor=factor, longest_window=window)
        self._on_alarm = on_alarm
        self._detectors: OrderedDict[Hashable, CollapseDetector] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, group: Group, score: GroupScore) -> None:
        """Take in a group. One that a fault left without clusters says nothing about the model, and is skipped."""
        if score.clusters:
            self.add(observe(group, score))

    def add(self, observation: Observation) -> None:
        """Take in the observation of a group, which another process may have made (see `observe`)."""
        with self._lock:
            detector = self._detectors.setdefault(observation.kind, CollapseDetector(self._settings))
            self._detectors.move_to_end(observation.kind)
            if len(self._detectors) > MAX_KINDS:
                self._detectors.popitem(last=False)
            alarm = detector.add(observation)
            if alarm is None or self.alarm is not None:
                return
            self.alarm = alarm
        log.warning("monitor: collapse: %s", alarm.reason)
        if self._on_alarm is not None:
            self._on_alarm(alarm)

    def metrics(self) -> dict[str, float]:
        """Numbers for a logger: whether there has been an alarm, and the shortest window of the kind seen last."""
        with self._lock:
            detector = next(reversed(self._detectors.values()), None)
            window = None if detector is None else detector.latest
        found = {"alarm": float(self.alarm is not None)}
        if window is not None:
            found["agreement"] = window.agreement
            found["distinct_majorities"] = window.distinct_majorities
            found["commonest_share"] = window.commonest_share
        return found

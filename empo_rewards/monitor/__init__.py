"""The collapse monitor: an observer that watches whether a run's answers still depend on its prompts.

A model that is rewarded for agreeing with itself can learn to give every prompt the same answer. Rewards rise and
entropy falls meanwhile, as they do in a run that goes well; what tells is that prompts come to share their majority
answer. The monitor estimates the *agreement* of a window: the chance that two different prompts have the same majority
answer. How high it is in health depends on the data (about 0.01 for mathematics, 1/4 for four choices, 1/2 for yes or
no), so it is compared with the lowest that the run has shown itself, by their odds.

A model can also go wrong on each prompt in a way of its own. Training by agreement strengthens majorities and what was
agreed on before. So it is a sign too where majorities weaken, and where prompts that come again are answered otherwise
than before.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from empo_rewards.errors import ConfigError
from empo_rewards.group import Group, GroupScore
from empo_rewards.monitor.observation import observe
from empo_rewards.monitor.stream import Alarm, Stream
from empo_rewards.protocols import Observer

__all__ = ["Alarm", "Monitor"]

log = logging.getLogger("empo_rewards")

LEAST_WINDOW = 32
"""Groups of the shortest window. In shorter ones two or three prompts that agree by chance look like many."""

MAX_STREAMS = 64
"""Kinds of groups that are watched at the same time; past that the one not seen for longest is forgotten."""


class Monitor(Observer):
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
        self._streams: OrderedDict[Hashable, Stream] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, group: Group, score: GroupScore) -> None:
        """Take a group in. One that a fault left without clusters says nothing of the model, and is passed over."""
        if not score.clusters:
            return
        observation = observe(group, score)
        kind = (group.data_source, group.reference is None, score.expected_size)
        with self._lock:
            stream = self._streams.setdefault(kind, Stream(self._windows))
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

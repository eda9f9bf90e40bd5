"""Steps the wall clock of every Python process that has this folder in PYTHONPATH: each second by up to a day."""

from __future__ import annotations

import random
import time

_wall, _dice = time.time, random.Random(15)
_second, _offset = 0, 0.0


def stepping() -> float:
    """The time since the epoch by a clock that somebody keeps setting."""
    global _second, _offset
    now = _wall()
    if int(now) != _second:
        _second, _offset = int(now), _dice.uniform(-86_400, 86_400)
    return now + _offset


time.time = stepping

"""A plugin distribution with a backend that is slow or kills its process; add its folder to the path to use it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from empo_rewards import hookimpl
from empo_rewards.plugins.hookspecs import Register
from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Relation


@dataclass(frozen=True)
class Slow(EquivalenceBackend):
    """Equal texts are equal.

    Args:
        seconds: what each call takes.
        fuse: "die" among the answers ends the process: once where this names a file that is not there yet, always
            where it is empty. "start" starts a process, "hang" never ends.
    """

    seconds: float = 0.0
    fuse: str = ""

    def relate(self, sets: Sequence[AnswerSet]) -> list[Relation]:
        """No pair: the texts of a set are distinct."""
        if any("die" in answers.texts for answers in sets) and not (self.fuse and Path(self.fuse).exists()):
            if self.fuse:
                Path(self.fuse).touch()
            os._exit(9)
        if any("start" in answers.texts for answers in sets):
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        if any("hang" in answers.texts for answers in sets):
            time.sleep(3600)
        time.sleep(self.seconds)
        return [Relation() for _ in sets]


@hookimpl
def register_equivalence_backends(register: Register) -> None:
    """Registers it."""
    register("slow", Slow)

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
    """Equal texts are equal. What else an answer does is its text:

    "sleep SECONDS" takes so long; "hang" never ends; "start" starts a process; "die" ends this one; "die FILE" does so
    once, when FILE is not there yet.
    """

    def relate(self, sets: Sequence[AnswerSet]) -> list[Relation]:
        """No pair: the texts of a set are distinct."""
        said = [text.split(" ", 1) for answers in sets for text in answers.texts if text]
        for word, *more in sorted(said, key=lambda words: words[0] in ("sleep", "hang")):  # the others first
            if word == "die" and not (more and Path(more[0]).exists()):
                for file in more:
                    Path(file).touch()
                os._exit(9)
            if word == "start":
                subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
            if word in ("sleep", "hang"):
                time.sleep(float(more[0]) if more else 3600)
        return [Relation() for _ in sets]


@hookimpl
def register_equivalence_backends(register: Register) -> None:
    """Registers it."""
    register("slow", Slow)

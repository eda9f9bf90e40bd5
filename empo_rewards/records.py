"""The observer `record`: writes each scored group of a run to a file, where `report --follow` shows it.

A line is a group in the package's own form of rollouts, with the fields of its score beside them: `report`, `explain`,
`compare` and `score` read it. It is the same for every trainer, also for those whose logs have numbers only.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from pathlib import Path
from typing import IO, Any

from empo_rewards.errors import ConfigError
from empo_rewards.group import Group, GroupScore
from empo_rewards.per_process import PerProcess
from empo_rewards.protocols import Observer

log = logging.getLogger("empo_rewards")

TIME = "time"
"""The field of a record that says when the group was scored, in seconds since the epoch."""


class Recorder(Observer):
    """Appends each group and its score to FOLDER/HOST-PID.jsonl: each process writes a file of its own.

    Args:
        folder: made where it does not exist; on a disk that all nodes share for a run of several nodes.
        max_megabytes: how much a process writes at most; the groups after that are not recorded, and the log says so
            once.

    Raises:
        ConfigError: the folder cannot be made, or the bound is not above 0.
    """

    def __init__(self, folder: str, max_megabytes: float = 1024) -> None:
        if not max_megabytes > 0:
            raise ConfigError(f"max_megabytes is {max_megabytes}; it must be above 0")
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"folder {folder!r} cannot be made: {error.strerror}") from error
        self._folder, self._max_bytes = Path(folder), max_megabytes * 2**20
        self._files = PerProcess(self._open)
        self._full = False

    def __call__(self, group: Group, score: GroupScore) -> None:
        """Append the group's record.

        Raises:
            OSError: the file cannot be written.
        """
        if self._full:
            return
        line = json.dumps(record(group, score), default=str).encode() + b"\n"
        file = self._files.get()
        if os.fstat(file.fileno()).st_size + len(line) > self._max_bytes:
            self._full = True
            log.warning("record: %s has reached max_megabytes; later groups are not recorded", file.name)
            return
        file.write(line)  # one call of the system, at the end of the file: safe between threads

    def _open(self) -> IO[bytes]:
        return (self._folder / f"{socket.gethostname()}-{os.getpid()}.jsonl").open("ab", buffering=0)


def record(group: Group, score: GroupScore) -> dict[str, Any]:
    """A group with its score: the fields of the score, those of the rollouts, and the time."""
    rollouts = {
        "prompt": group.prompt if isinstance(group.prompt, str) else [dict(message) for message in group.prompt],
        "responses": list(group.responses),
        "reference": list(group.accepted) or None,
        "vote_weights": None if group.vote_weights is None else list(group.vote_weights),
        "sides": None if group.sides is None else list(group.sides),
        "data_source": group.data_source,
        "metadata": None if group.metadata is None else dict(group.metadata),
    }
    return {**score.to_dict(), **rollouts, TIME: time.time()}

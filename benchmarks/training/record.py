"""Recorder of a run's groups without labels, as an observer of the library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from empo_rewards import Group, GroupScore, hookimpl
from empo_rewards.group import AnswerKind
from empo_rewards.protocols import Observer

Register = Callable[[str, Callable[..., Any]], None]


@dataclass
class Recorder(Observer):
    """A plugin, and the observer that it registers as `recorder`: records label-free data of every group.

    Args:
        probes: prompts used for evaluation, not for training.
    """

    probes: frozenset[str]
    groups: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, group: Group, score: GroupScore) -> None:
        """Record the answers (None: blank) and the responses' lengths in characters."""
        answers = [answer.text if answer.kind is AnswerKind.ANSWER else None for answer in score.answers]
        self.groups.append(
            {
                "prompt": group.prompt_text,
                "probe": group.prompt_text in self.probes,
                "answers": answers,
                "lengths": [len(response) for response in group.responses],
            }
        )

    @hookimpl
    def register_observers(self, register: Register) -> None:
        """Register itself."""
        register("recorder", lambda: self)

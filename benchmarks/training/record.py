"""Recorder of a run's groups without labels, as an observer of the library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    adjustments: list[tuple[float, float]] = field(default_factory=list)
    """Scale and shift of the advantage of each response that was scored since the trainer took the last ones."""

    def __call__(self, group: Group, score: GroupScore) -> None:
        """Record the answers (None: blank), the responses' lengths in characters, and what the advantages need."""
        answers = [answer.text if answer.kind is AnswerKind.ANSWER else None for answer in score.answers]
        self._add(group.prompt_text, answers, group.responses, group.prompt_text in self.probes)
        paid = (score.advantage_scale, score.advantage_shift)
        self.adjustments += [(1.0, 0.0) if reward is None else paid for reward in score.rewards]

    def add(self, prompt: str, responses: Sequence[str], *, probe: bool) -> None:
        """Record a group that the trainer does not score; a response is its own answer."""
        self._add(prompt, [response.strip() or None for response in responses], responses, probe)

    def _add(self, prompt: str, answers: list[str | None], responses: Sequence[str], probe: bool) -> None:
        lengths = [len(response) for response in responses]
        self.groups.append({"prompt": prompt, "probe": probe, "answers": answers, "lengths": lengths})

    @hookimpl
    def register_observers(self, register: Register) -> None:
        """Register itself."""
        register("recorder", lambda: self)

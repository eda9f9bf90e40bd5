"""Notices a run in which nearly no response has an answer, and looks for an extractor that would find some."""

from __future__ import annotations

import warnings

from empo_rewards.cli.console import err, foreign
from empo_rewards.config import Component
from empo_rewards.errors import EmpoError
from empo_rewards.group import AnswerKind, Group, GroupScore
from empo_rewards.plugins.registry import load
from empo_rewards.protocols import Extractor
from empo_rewards.scorer import Scorer

ENOUGH = 256
"""Responses after which it is said at once; a shorter input is judged at its end."""

NEARLY_ALL = 0.95
"""The share of blanks that is no accident."""

KEPT = 64
"""Blank responses that are kept, to try extractors on."""

SHOWN = 3
ENDING = 60
"""How many responses are shown, and how many characters of their ends."""

WHOLE = ("whole_text", "last_math", "last_number")
"""Extractors that find something in nearly any text: named only where no other finds an answer."""


class BlankWatch:
    """Counts blank responses, and says once where nearly all are."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._blank: list[tuple[str, str]] = []
        self._blanks = self._responses = 0
        self._judged = False

    def add(self, group: Group, score: GroupScore) -> None:
        """Count one group."""
        if self._judged:
            return
        self._responses += score.size
        for response, answer in zip(group.responses, score.answers, strict=True):
            if answer.kind is AnswerKind.BLANK:
                self._blanks += 1
                if len(self._blank) < KEPT:
                    self._blank.append((response, group.prompt_text))
        if self._responses >= ENOUGH:
            self.close()

    def close(self) -> None:
        """Judge what was counted."""
        if not self._judged and self._responses and self._blanks >= NEARLY_ALL * self._responses:
            self._say()
        self._judged = True

    def _say(self) -> None:
        used = ", ".join(component.name for component in self._scorer.config.extraction.extractors)
        err.print(
            foreign(
                f"{self._blanks:,} of {self._responses:,} responses have no answer that {used} would find; they end:"
            ),
            soft_wrap=True,
        )
        for response, _ in self._blank[:SHOWN]:
            err.print(foreign(f"  …{_ending(response)}"), soft_wrap=True)
        found = self._finds()
        if found:
            name, count = found
            err.print(
                foreign(f"{name} finds an answer in {count} of {len(self._blank)} of them: --set extraction=[{name}]"),
                soft_wrap=True,
            )

    def _finds(self) -> tuple[str, int] | None:
        """The extractor that finds an answer in most of the blank responses, and in how many."""
        registry = load()
        used = {component.name for component in self._scorer.config.extraction.extractors}
        counts: dict[str, int] = {}
        for name in (name for name in registry.entries["extractor"] if name not in used):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # of former names
                    extractor = registry.create(Extractor, Component(name=name), name)
                counts[name] = sum(extractor(response, prompt) is not None for response, prompt in self._blank)
            except EmpoError:  # it needs options
                continue
        if not counts:
            return None
        name = max(counts, key=lambda name: (counts[name] and name not in WHOLE, counts[name]))
        return (name, counts[name]) if counts[name] else None


def _ending(response: str) -> str:
    """The end of a response on one line of printable characters."""
    text = " ".join(response[-4 * ENDING :].split())[-ENDING:]
    return "".join(character if character.isprintable() else "�" for character in text)

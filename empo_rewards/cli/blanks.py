"""Notices a run in which nearly no response has an answer, and looks for an extractor that would find some."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

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


@dataclass
class Blanks:
    """The responses of some groups that have no answer.

    Args:
        responses: how many responses there are.
        count: how many of them have no answer.
        kept: the first of these, each with its prompt.
    """

    responses: int = 0
    count: int = 0
    kept: list[tuple[str, str]] = field(default_factory=list)

    def add(self, group: Group, score: GroupScore) -> None:
        """Count one group."""
        self.responses += score.size
        for response, answer in zip(group.responses, score.answers, strict=True):
            if answer.kind is AnswerKind.BLANK:
                self.count += 1
                if len(self.kept) < KEPT:
                    self.kept.append((response, group.prompt_text))

    def merge(self, later: Blanks) -> None:
        """Add those of the groups that follow."""
        self.responses += later.responses
        self.count += later.count
        self.kept = [*self.kept, *later.kept][:KEPT]


class BlankWatch:
    """Says once where nearly all responses are blank."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._blanks = Blanks()
        self.judged = False

    def add(self, blanks: Blanks | None) -> None:
        """Count those of some groups."""
        if blanks is None or self.judged:
            return
        self._blanks.merge(blanks)
        if self._blanks.responses >= ENOUGH:
            self.close()

    def close(self) -> None:
        """Judge what was counted."""
        blanks = self._blanks
        if not self.judged and blanks.responses and blanks.count >= NEARLY_ALL * blanks.responses:
            self._say()
        self.judged = True

    def _say(self) -> None:
        blanks = self._blanks
        used = ", ".join(component.name for component in self._scorer.config.extraction.extractors)
        err.print(
            foreign(
                f"{blanks.count:,} of {blanks.responses:,} responses have no answer that {used} would find; they end:"
            ),
            soft_wrap=True,
        )
        for response, _ in blanks.kept[:SHOWN]:
            err.print(foreign(f"  …{_ending(response)}"), soft_wrap=True)
        found = self._finds()
        if found:
            name, count = found
            err.print(
                foreign(f"{name} finds an answer in {count} of {len(blanks.kept)} of them: --set extraction=[{name}]"),
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
                counts[name] = sum(extractor(response, prompt) is not None for response, prompt in self._blanks.kept)
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

"""From a response to its answer: what an extractor is given, and what it gives back."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable


class Extracted(NamedTuple):
    """An answer found in a response: its text and where it stands (characters, end exclusive)."""

    text: str
    start: int
    end: int
    truncated: bool = False


@runtime_checkable
class Extractor(Protocol):
    """Finds the answer in a response, in time linear in its length; None where its rule does not apply.

    `prompt` is the prompt's text (for rules that need the choices it lists). A response is hostile input: an
    extractor runs in the caller's process, so no backtracking regular expression and nothing that evaluates.
    """

    def __call__(self, response: str, prompt: str) -> Extracted | None:
        """The answer, or None."""
        ...


@runtime_checkable
class ExtractorWithAudit(Protocol):
    """An extractor made of several rules that are known to disagree, and can say what each of them finds."""

    def audit(self, response: str, prompt: str) -> dict[str, str | None]:
        """The answer of each rule by its name; empty where the extractor does not apply to the prompt."""
        ...

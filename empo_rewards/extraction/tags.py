"""The last `<answer>...</answer>`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.boxed import LastBox, Truncated
from empo_rewards.extraction.refusals import is_blank
from empo_rewards.extraction.spans import bare_span, text_end
from empo_rewards.protocols import Extracted, Extractor


@dataclass(frozen=True)
class AnswerTag(Extractor):
    """The content of the last `<answer>...</answer>` that is not blank, in any case of letters.

    A box inside it is taken off. A tag that is never closed reaches to the end of the response; it is used only where
    no closed one stands in the response, and is marked as truncated.

    Args:
        tag: the tag's name.
        truncated: "keep" or "skip" a tag that is never closed.
    """

    tag: str = "answer"
    truncated: Truncated = "keep"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][\w-]*", self.tag):
            raise ConfigError(f"answer_tag: tag must be a name such as 'answer', not {self.tag!r}")
        if self.truncated not in get_args(Truncated):
            raise ConfigError(f"answer_tag: truncated must be 'keep' or 'skip', not {self.truncated!r}")

    @cached_property
    def _mark(self) -> re.Pattern[str]:
        return re.compile(rf"<(?P<slash>/?){re.escape(self.tag)}>", re.IGNORECASE)

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """The content of the tag, or None where there is none."""
        last: tuple[int, int] | None = None
        opened: int | None = None
        for mark in self._mark.finditer(response):
            if not mark["slash"]:
                opened = mark.end()
            elif opened is not None:
                if not is_blank(response[opened : mark.start()]):
                    last = (opened, mark.start())
                opened = None
        if last is not None:
            return _content(response, *last, truncated=False)
        if opened is None or self.truncated == "skip" or is_blank(response[opened:]):
            return None
        return _content(response, opened, max(opened, text_end(response)), truncated=True)


def _content(response: str, start: int, end: int, *, truncated: bool) -> Extracted:
    box = LastBox()(response[start:end])
    if box is not None:
        return Extracted(box.text, start + box.start, start + box.end, truncated or box.truncated)
    start, end = bare_span(response, start, end)
    return Extracted(response[start:end], start, end, truncated)

"""GSM8K's `#### 12`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from empo_rewards.extraction.spans import bare_span, text_end
from empo_rewards.protocols import Extracted, Extractor

_HASHES = re.compile(r"(?<!#)####(?!#)")
_NUMBER_CHARS = 64
_NUMBER = re.compile(r"[$€£]? ?[-+−]?[$€£]? ?[0-9.][0-9.,/]* ?[%°]?")


@dataclass(frozen=True)
class Hashes(Extractor):
    """The text behind the last `####`, to the end of its line, where it closes a solution as in GSM8K (2110.14168).

    `####` is also a Markdown heading. It counts where its line is the last of the response, or holds a number and
    nothing else.
    """

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """The text behind the hashes, or None where there are none."""
        end = text_end(response)
        found: tuple[int, int] | None = None
        marks = list(_HASHES.finditer(response, 0, end))
        limits = [*(mark.start() for mark in marks), end][1:]
        for mark, limit in zip(marks, limits, strict=True):  # no two searches read the same text
            newline = response.find("\n", mark.end(), limit)
            line_end = limit if newline < 0 else newline
            start, stop = bare_span(response, mark.end(), line_end)
            is_number = stop - start <= _NUMBER_CHARS and _NUMBER.fullmatch(response, start, stop) is not None
            if start < stop and (is_number or line_end == end):
                found = (start, stop)
        return None if found is None else Extracted(response[slice(*found)], *found)

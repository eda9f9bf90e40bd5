r"""Extractors of last resort: the whole text, the last mathematics, the last number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.boxed import Truncated
from empo_rewards.extraction.spans import CLOSING, cut, last_of, math_end, strip_span, text_end
from empo_rewards.protocols import Extracted, Extractor

_MATH = re.compile(r"\$\$|\\?\$|\\\\|\\[(\[]")
_NUMBER = re.compile(r"[-+−]?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?(?:/[0-9]+)?|[-+−]?\.[0-9]+")


LONG_CHARS = 300
"""A bare answer is no longer; what is longer is prose, and prose ends with a full stop."""
ENDS_CHARS = 16
_ENDS = re.compile(r"[.!?。！？…؟।](?:[\s*_\"'”’»」)\]}`]|\[[0-9]\])*\Z|(?:\$|\\[)\]]|```|>|\})\s*\Z")


@dataclass(frozen=True)
class WholeText(Extractor):
    """The response itself, for prompts that ask for a bare answer.

    A long text that breaks off in the middle of a sentence was cut off before it answered. Such texts are alike in what
    they have not said yet, so they are left out.

    Args:
        first_line: only its first line that is not blank: a base model often goes on with a next question.
        truncated: "skip" or "keep" a long text that breaks off.
    """

    first_line: bool = False
    truncated: Truncated = "skip"

    def __post_init__(self) -> None:
        if self.truncated not in get_args(Truncated):
            raise ConfigError(f"whole_text: truncated must be 'keep' or 'skip', not {self.truncated!r}")

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """The text, or None where it is blank or breaks off."""
        start, end = strip_span(response, 0, text_end(response))
        if self.first_line:
            newline = response.find("\n", start, end)
            end = end if newline < 0 else newline
        broken_off = end - start > LONG_CHARS and _ENDS.search(response, max(start, end - ENDS_CHARS), end) is None
        if start == end or (broken_off and self.truncated == "skip"):
            return None
        return cut(response, start, end, truncated=broken_off)


@dataclass(frozen=True)
class LastMath(Extractor):
    r"""The last mathematics between `$...$`, `$$...$$`, `\(...\)` or `\[...\]`.

    In no preset by default: what stands last in a response is often an intermediate step.
    """

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """The mathematics without its delimiters, or None where there is none."""
        last, position = None, 0
        while (mark := _MATH.search(response, position)) is not None:
            end = math_end(response, mark.start(), len(response)) if mark.group() in CLOSING else None
            inner = strip_span(response, mark.end(), mark.end() if end is None else end - len(mark.group()))
            last = inner if inner[0] < inner[1] else last
            position = mark.end() if end is None else end
        return None if last is None else cut(response, *last)


@dataclass(frozen=True)
class LastNumber(Extractor):
    """The last number of the response, math-verify's last resort. In no preset by default: it takes stray numbers."""

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """The number, or None where there is none."""
        last = last_of(_NUMBER.finditer(response))
        return None if last is None else Extracted(last.group(), *last.span())

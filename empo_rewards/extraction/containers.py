r"""Answers in a container: `<answer>...</answer>`, a JSON key, GSM8K's `####`, and a marker of the user's own."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.boxed import Truncated
from empo_rewards.extraction.phrases import opened
from empo_rewards.extraction.refusals import is_blank
from empo_rewards.extraction.spans import bare_span, denied, last_of, strip_span, text_end
from empo_rewards.protocols import Extracted, Extractor


def _enclosed(text: str, mark: re.Pattern[str]) -> tuple[tuple[int, int] | None, int | None]:
    """The last span between an opening mark and the closing one behind it that is not blank, and where one stays open.

    A second opening mark before the closing one begins the span anew. `mark` has the group `close` where it closes.
    """
    last: tuple[int, int] | None = None
    start: int | None = None
    for found in mark.finditer(text):
        if found["close"] is None:
            start = None if last is not None and denied(text, found.start()) else found.end()
        elif start is not None:
            if not is_blank(text[start : found.start()]):
                last = (start, found.start())
            start = None
    return last, start


@dataclass(frozen=True)
class AnswerTag(Extractor):
    """The content of the last `<answer>...</answer>` (or `[ANSWER]...[/ANSWER]`) that is not blank, in any case.

    A box, an announcement, a code fence and a short sentence ("The number is 5.") in it are opened. A tag that is never
    closed reaches to the end of the response; it is used only where no closed one stands in the response, and is marked
    as truncated.

    Args:
        tag: the tag's name; `final_answer` stands for `answer` too.
        truncated: "keep" or "skip" a tag that is never closed.
    """

    evidence = "container"
    tag: str = "answer"
    truncated: Truncated = "keep"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][\w-]*", self.tag):
            raise ConfigError(f"answer_tag: tag must be a name such as 'answer', not {self.tag!r}")
        if self.truncated not in get_args(Truncated):
            raise ConfigError(f"answer_tag: truncated must be 'keep' or 'skip', not {self.truncated!r}")

    @cached_property
    def _mark(self) -> re.Pattern[str]:
        name = r"(?:final[_-]?)?answer" if self.tag.casefold() == "answer" else re.escape(self.tag)
        return re.compile(rf"[<\[](?P<close>/)? ?{name} ?[>\]]", re.IGNORECASE)

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """The content of the tag, or None where there is none."""
        if self.tag.lower() not in response.lower():
            return None
        last, left_open = _enclosed(response, self._mark)
        if last is not None:
            return opened(response, *last)
        if left_open is None or self.truncated == "skip" or is_blank(response[left_open:]):
            return None
        return opened(response, left_open, max(left_open, text_end(response)), truncated=True)


_KEY = re.compile(
    r"""["'](?:(?:the[ _-]?)?(?:(?:final|correct|my)[ _-]?)?answers?(?:[ _-]?(?:choice|letter|option|key|value))?|choice"""  # noqa: E501
    r"""|(?:最终)?答案)["']\s{0,4}:\s{0,4}""",
    re.IGNORECASE,
)
_KEY_VALUE = re.compile(
    r""""(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\\n]|\\.)*)'(?=\s{0,4}[,}\n])"""
    r"|(?P<list>\[[^\[\]{}]*\])|(?P<bare>[-+]?[0-9][^\s,}\]]*|true|false)",
    re.DOTALL | re.IGNORECASE,
)
KEY_CHARS = 4_000
"""The value of a key has no more characters."""
_ESCAPE = re.compile(r"\\(?:u(?P<code>[0-9a-fA-F]{4})|(?P<space>[nrt])(?![a-z])|(?P<char>[\"'\\/]))")


@dataclass(frozen=True)
class AnswerKey(Extractor):
    r"""The value of the last JSON key `answer` (`final_answer`, `answer_choice`, `答案`): a text, a number, or a list.

    The object need not be valid: models write LaTeX into it without doubling the backslashes. What stands in the value
    is opened as in a tag, so the text may differ from the span it comes from by its escapes.
    """

    evidence = "container"

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """The value, or None where there is none."""
        if not _may_hold_key(response):
            return None
        limit = len(response)
        for key in reversed(list(_KEY.finditer(response))):  # no value reaches into the next key: linear in all
            match = _KEY_VALUE.match(response, key.end(), min(limit, key.end() + KEY_CHARS))
            limit = key.start()
            if match is None:
                continue
            group = match.lastgroup or "bare"
            value = match[group]
            if group == "list":
                value = ", ".join(item.strip("\"'") for item in re.split(r"\s{0,8},\s{0,8}", value[1:-1].strip()))
            elif group != "bare":
                value = _ESCAPE.sub(_unescaped, value)
            if not is_blank(value):
                return Extracted(opened(value, 0, len(value)).text, *match.span(group))
        return None


def _may_hold_key(text: str) -> bool:
    """Whether there is a quotation mark and a key's noun, at a tenth of the search's cost."""
    if '"' not in text and "'" not in text:
        return False
    lowered = text.lower()
    return "answer" in lowered or "choice" in lowered or "答案" in lowered


def _unescaped(escape: re.Match[str]) -> str:
    if escape["code"]:
        return chr(int(escape["code"], 16))
    return " " if escape["space"] else escape["char"]


_HASHES = re.compile(r"(?<!#)####(?!#)")
_NUMBER = re.compile(r"[$€£¥]? ?[-+−]?[$€£¥]? ?[0-9.][0-9.,/]* ?[%°]?")
_LINE = re.compile(r"(?:[^\n<]|<(?!/))+")
_HEADING_NUMBER = re.compile(r"[0-9]{1,2}[.)](?:\s|\Z)|(?:step|part|case|section|phase)\b", re.IGNORECASE)
HASHES_CHARS = 200
"""A longer line behind `####` is prose."""


@dataclass(frozen=True)
class Hashes(Extractor):
    """The text behind the last `####`, to the end of its line, where it closes a solution as in GSM8K (2110.14168).

    `####` is also a Markdown heading. It counts where its line is the last of the response, or is the only one of its
    kind and holds a number and nothing else; a text ("#### Summary") only where no other heading like it stands before.
    """

    evidence = "container"

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """The text behind the hashes, or None where there are none."""
        if "####" not in response:
            return None
        end = text_end(response)
        marks = deque(_HASHES.finditer(response, 0, end), maxlen=2)
        if not marks:
            return None
        line = _LINE.match(response, marks[-1].end(), end)
        start, stop = (end, end) if line is None else bare_span(response, *line.span())
        if start == stop or stop - start > HASHES_CHARS or response[stop - 1] == ":":
            return None
        last = not response[stop:end].strip(" \n.*$") or response.startswith("</", stop)
        only = len(marks) == 1 and response[stop : stop + 1] not in {".", ")"}
        if _NUMBER.fullmatch(response, start, stop):
            return Extracted(response[start:stop], start, stop) if last or only else None
        if not last or _HEADING_NUMBER.match(response, start, stop):
            return None
        return opened(response, start, stop) if len(marks) == 1 or response[start].isdigit() else None


PATTERN_CHARS = 200
"""A template has no more characters."""
PLACEHOLDER = "{answer}"


@dataclass(frozen=True)
class Pattern(Extractor):
    r"""What last stands in the place of `{answer}` in a template of the user's own, such as "Result => {answer} <=".

    The template is literal text, not a regular expression: no character in it but `{answer}` has a meaning, so none can
    make matching slow. Space in it stands for any space. With nothing behind `{answer}` the answer ends with its line;
    with nothing before it, it begins with its line.

    Args:
        template: text with `{answer}` in it once, and something beside it.
        ignore_case: whether case matters not.
    """

    evidence = "container"
    template: str
    ignore_case: bool = False

    def __post_init__(self) -> None:
        example = '"Result: {answer}"'
        if not isinstance(self.template, str) or self.template.count(PLACEHOLDER) != 1:
            raise ConfigError(f"pattern: template must hold {PLACEHOLDER} once, as in {example}, not {self.template!r}")
        if not self.template.replace(PLACEHOLDER, "").strip():
            raise ConfigError(f"pattern: template must hold more than {PLACEHOLDER}, as in {example}")
        if len(self.template) > PATTERN_CHARS:
            raise ConfigError(
                f"pattern: template has {len(self.template)} characters; at most {PATTERN_CHARS} are taken"
            )

    @cached_property
    def _marks(self) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
        flags = re.IGNORECASE if self.ignore_case else 0
        before, after = (part.strip() for part in self.template.split(PLACEHOLDER))

        def literal(part: str) -> re.Pattern[str] | None:
            return re.compile(r"\s{1,80}".join(map(re.escape, part.split())), flags) if part else None

        return literal(before), literal(after)

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """What stands in the answer's place, or None where the template fits nowhere."""
        span = last_of(span for span in self._spans(response) if not is_blank(response[slice(*span)]))
        return None if span is None else opened(response, *span)

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Each span that the template leaves to the answer, in one pass: none reaches back before the one before it."""
        before, after = self._marks
        if before is None:
            assert after is not None  # noqa: S101 - the template has one of the two
            position = 0
            for mark in after.finditer(text):
                yield strip_span(text, max(position, text.rfind("\n", position, mark.start()) + 1), mark.start())
                position = mark.end()
            return
        position = 0
        while (start := before.search(text, position)) is not None:
            if after is None:
                newline = text.find("\n", start.end())
                position = len(text) if newline < 0 else newline
                yield strip_span(text, start.end(), position)
            elif (end := after.search(text, start.end())) is None:
                return
            else:
                inner = last_of(before.finditer(text, start.end(), end.start()))
                yield strip_span(text, (inner or start).end(), end.start())
                position = end.end()

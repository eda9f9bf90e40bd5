r"""The last `\boxed{...}` (`\fbox`, `\framebox`), found by one linear scan.

What counts, since the systems in use differ here (EMPO and TTRL take the last box, math-verify joins all of them):

- A box in a box is part of the outer one; a box whose whole content is one box is that inner box.
- A blank box (`\boxed{}`, `\boxed{...}`) is a mention of the command, not an answer: it is passed over.
- Boxes that stand side by side, joined by a comma, "and", "or" or `\quad`, are one answer: `\boxed{1}, \boxed{2}` is
  "1, 2", and `x = \boxed{1}` and `y = \boxed{2}` are "x = 1, y = 2". Anything else between them, and the last one alone
  counts.
- A box that is never closed reaches to the end of its mathematics or line. It is used only where no complete box
  stands in the response, and is then marked as truncated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.refusals import is_blank
from empo_rewards.extraction.spans import denied, strip_span
from empo_rewards.latex import STYLE
from empo_rewards.protocols import Extracted, Extractor

Truncated = Literal["keep", "skip"]

COMMANDS = (r"\boxed", r"\fbox", r"\framebox")

# A box command, else an escaped brace or backslash, else a brace. `\\boxed`, as in twice-escaped
# JSON, is a box too: the first backslash of a pair does not swallow the one that starts a command.
_TOKEN = re.compile(
    r"\\(?:(?P<box>(?:boxed|fbox|framebox(?:\[[^\[\]\n]{0,20}\]){0,2})(?![A-Za-z]))|[{}]|\\(?!boxed|fbox|framebox))"
    r"|\{|\}"
)
_SPACE = re.compile(r"\s*")
_OPEN_END = re.compile(r"(?P<math>\$|\\[)\]])|\n|\\(?:boxed|fbox|framebox(?:\[[^\[\]\n]{0,20}\]){0,2})(?![A-Za-z])")
_WORD = re.compile(r"[^\s,;$]*")
_PROSE = re.compile(r"[^\W\d_]{2,}[.:!?]?")

_GAP_CHARS = 48
"""Boxes further apart than this do not stand side by side."""
_GAP_NOISE = re.compile(rf"{STYLE}|\\[ ()\[\]]|[\s${{}}~]")
_GAP_JOINT = re.compile(r"\\q?quad(?![A-Za-z])|\\?[,;]|&")
_CONJUNCTIONS = frozenset({"and", "or"})
_LABEL = re.compile(  # \boxed{\text{The answer is } 37}
    r"(?P<text>\\text(?:bf|rm)?\s?\{\s{0,4})?(?:the )?(?:final |correct )?answer(?: is:?|:| ?=)"
    r"(?P<closed>\s{0,4}\})?\s{0,8}(?=[^\s}])",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?<![A-Za-z\\])(?P<name>(?:[A-Za-z]|\\[a-z]{2,8})(?:_(?:\w|\{\w{1,8}\}))?'?)[\s$]{0,3}&?=[\s$]{0,3}\Z"
)
_NAME_CHARS = 24


class Box(NamedTuple):
    """A box in a text: `start` of the command, `inner_start` and `inner_end` of its content, `end` past its brace."""

    start: int
    inner_start: int
    inner_end: int
    end: int
    closed: bool


def find_boxes(text: str) -> list[Box]:
    r"""Every box of a text, nested ones too, by their start.

    Braces are matched in one pass with a stack, so a box that is never closed (`closed` is False) hides nothing that
    comes after it. `\boxed 5`, without braces, holds what comes before the closing math delimiter of its line, or else
    one word; nothing where that word is prose.
    """
    starts = [start for command in COMMANDS if (start := text.find(command)) >= 0]
    if not starts:
        return []
    boxes: list[Box] = []
    open_braces: list[tuple[int | None, int]] = []  # (start of the box command, position past the brace)
    command: tuple[int, int] | None = None  # the command just read, until it is known whether a brace follows
    for token in _TOKEN.finditer(text, min(starts)):
        sign = token.group()
        box_start = None
        if command is not None:
            if sign == "{" and not text[command[1] : token.start()].strip():
                box_start = command[0]
            else:
                boxes.append(_open_ended(text, *command, braces=False))
            command = None
        if sign == "{":
            open_braces.append((box_start, token.end()))
        elif sign == "}":
            opened, inner_start = open_braces.pop() if open_braces else (None, 0)
            if opened is not None:
                boxes.append(Box(opened, inner_start, token.start(), token.end(), closed=True))
        elif token["box"]:
            command = token.span()
    if command is not None:
        boxes.append(_open_ended(text, *command, braces=False))
    boxes.extend(_open_ended(text, opened, inner, braces=True) for opened, inner in open_braces if opened is not None)
    return sorted(boxes)


def _open_ended(text: str, start: int, inner_start: int, *, braces: bool) -> Box:
    """A box without a closing brace. The search ends at the next box, which keeps the sum over all of them linear."""
    content = _match_end(_SPACE, text, inner_start, len(text))
    stop = _OPEN_END.search(text, content)
    end = len(text) if stop is None else stop.start()
    if not braces:
        word_end = _match_end(_WORD, text, content, end)
        if _PROSE.fullmatch(text, content, word_end):  # "use \\boxed for the answer"
            end = inner_start
        elif stop is None or stop["math"] is None:
            end = word_end
    return Box(start, inner_start, max(inner_start, end), max(inner_start, end), closed=not braces)


def _match_end(pattern: re.Pattern[str], text: str, position: int, limit: int) -> int:
    match = pattern.match(text, position, limit)
    return position if match is None else match.end()


def _outermost(boxes: list[Box]) -> list[Box]:
    kept: list[Box] = []
    covered = 0
    for box in boxes:
        if box.start >= covered:
            kept.append(box)
            if box.closed:
                covered = box.end
    return kept


def _content(text: str, boxes: Mapping[int, Box], box: Box) -> tuple[int, int]:
    """The span of a box's content without a label; of the inner one's where that is all of it. `boxes`: by start."""
    start, end = strip_span(text, box.inner_start, box.inner_end)
    while (inner := boxes.get(start)) is not None and inner.closed and inner.end == end:
        start, end = strip_span(text, inner.inner_start, inner.inner_end)
    label = _LABEL.match(text, start, end)
    if label is None:
        return start, end
    in_text = label["text"] is not None and label["closed"] is None
    return strip_span(text, label.end(), end - 1 if in_text and text[end - 1] == "}" else end)


def _side_by_side(gap: str) -> bool:
    """Whether what stands between two boxes joins them: a comma, a conjunction or wide space, and nothing else.

    A name for the box that follows (`y =`) may stand behind those.
    """
    if len(gap) > _GAP_CHARS:
        return False
    words = _GAP_NOISE.sub(" ", _GAP_JOINT.sub(" and ", _NAME.sub("", gap))).split()
    return bool(words) and _CONJUNCTIONS.issuperset(words)


def _name(text: str, box: Box) -> str | None:
    """The name that an equation gives to a box: x in `x = \\boxed{2}`."""
    found = _NAME.search(text, max(0, box.start - _NAME_CHARS), box.start)
    return None if found is None else found["name"]


@dataclass(frozen=True)
class LastBox(Extractor):
    r"""The content of the last outermost `\boxed`, `\fbox` or `\framebox` that is not blank.

    Args:
        truncated: what to do where every box is cut off. "keep" takes the last of them, marked as truncated; "skip"
            finds nothing. A complete box always wins over one that is cut off.
    """

    evidence = "container"
    truncated: Truncated = "keep"

    def __post_init__(self) -> None:
        if self.truncated not in get_args(Truncated):
            raise ConfigError(f"boxed: truncated must be 'keep' or 'skip', not {self.truncated!r}")

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """The content of the box, or None where there is none."""
        by_start = {box.start: box for box in find_boxes(response)}
        return self._last(response, by_start, _outermost(list(by_start.values())))

    def _last(self, response: str, by_start: Mapping[int, Box], outermost: list[Box]) -> Extracted | None:
        """The last of the outermost boxes, with those that stand beside it."""
        found: list[tuple[Box, tuple[int, int]]] = []  # with the spans of their contents, the last one first
        blanks: set[str] = set()  # a degenerate response says the same blank box thousands of times
        for box in reversed(outermost):
            if not box.closed or (box.start > outermost[0].start and denied(response, box.start)):
                continue
            if found and not _side_by_side(response[box.end : found[-1][0].start]):
                break
            content = response[box.inner_start : box.inner_end]
            span = (0, 0) if content in blanks else _content(response, by_start, box)
            if not is_blank(response[slice(*span)]):
                found.append((box, span))
            elif found:
                break
            else:
                blanks.add(content)
        if found:
            return _joined(response, found[::-1])
        return _truncated(response, by_start, outermost) if self.truncated == "keep" else None


def _joined(text: str, found: list[tuple[Box, tuple[int, int]]]) -> Extracted:
    """The contents as one answer; one that is said several times, once. Different names for all of them are kept."""
    first, last = found[0][1], found[-1][1]
    if len(found) > 1:
        texts = [text[start:end] for _, (start, end) in found]
        names = [_name(text, box) for box, _ in found]
        if None not in names and len(set(names)) == len(names):
            texts = [f"{name} = {content}" for name, content in zip(names, texts, strict=True)]
        if len(set(texts)) > 1:
            return Extracted(", ".join(texts), first[0], last[1])
        return Extracted(texts[-1], *last)
    return Extracted(text[slice(*last)], *last)


def _truncated(text: str, boxes: Mapping[int, Box], outermost: list[Box]) -> Extracted | None:
    """The content of the last box that never closes and is not blank."""
    blanks: set[str] = set()
    for box in reversed(outermost):
        content = text[box.inner_start : box.inner_end]
        if box.closed or content in blanks:
            continue
        start, end = _content(text, boxes, box)
        if not is_blank(text[start:end]):
            return Extracted(text[start:end], start, end, truncated=True)
        blanks.add(content)
    return None

"""Where a response stops thinking and starts answering."""

from __future__ import annotations

import re

from empo_rewards.extraction.spans import last_of

# The marks of the model families in use: <think> (DeepSeek, Qwen, and most others), <reasoning>, <thought>,
# <seed:think>, <|begin_of_thought|> (Sky-T1), <|thinking|>, ◁think▷ (Kimi), [THINK] (Magistral), and the channels of
# gpt-oss, where the final channel ends the analysis. By their first character: most responses are cleared by a
# search for that alone.
_MARKS = {
    "<": re.compile(
        r"<(?:(?P<close>/)?(?:seed:)?(?:think|thinking|thought|reasoning)>"
        r"|\|(?P<close_bar>/|end_of_|end_)?(?:begin_of_|begin_|start_)?(?:thinking|thought|think)\|>"
        r"|\|channel\|>(?:analysis|(?P<final>final))<\|message\|>)",
        re.IGNORECASE,
    ),
    "◁": re.compile(r"◁(?P<close>/)?think▷"),
    "[": re.compile(r"\[(?P<close>/)?THINK\]"),
}
_PROMPT_TAIL = 64
"""A chat template that opens the thinking block does so in the last characters of the prompt."""


def skip_thinking(response: str, *, opened: bool = False) -> int:
    """The position from which an answer may stand: behind the last closed thinking block.

    What stands in a thinking block is not an answer. With a block that is opened and never closed that is all of the
    rest, so the position is the response's end; without any mark it is 0.

    Args:
        response: the whole response.
        opened: the response begins inside a thinking block, because the prompt ends with the opening mark.
    """
    last = _last_mark(response)
    if last is None:
        return len(response) if opened else 0
    return last.end() if _closes(last) else len(response)


def opens_thinking(prompt: str) -> bool:
    """Whether a prompt ends with the mark that opens a thinking block, as some chat templates do."""
    tail = prompt[-_PROMPT_TAIL:].rstrip()
    last = _last_mark(tail)
    return last is not None and last.end() == len(tail) and not _closes(last)


def _last_mark(text: str) -> re.Match[str] | None:
    found = [last_of(pattern.finditer(text)) for first, pattern in _MARKS.items() if first in text]
    marks = [mark for mark in found if mark is not None]
    return max(marks, key=lambda mark: mark.start(), default=None)


def _closes(mark: re.Match[str]) -> bool:
    return any(mark.groups())

"""Where a response stops thinking and starts answering."""

from __future__ import annotations

import re

# The marks of the model families in use: <think> (DeepSeek, Qwen, and most others), <reasoning>, <thought>,
# <seed:think>, <|begin_of_thought|> (Sky-T1), <|thinking|>, ◁think▷ (Kimi), [THINK] (Magistral), and the channels of
# gpt-oss, where the final channel ends the analysis.
_MARK = re.compile(
    r"<(?P<close_tag>/?)(?:seed:)?(?:think|thinking|thought|reasoning)>"
    r"|<\|(?P<close_bar>/?|end_of_|end_)(?:begin_of_|begin_|start_)?(?:thinking|thought|think)\|>"
    r"|◁(?P<close_triangle>/?)think▷"
    r"|\[(?P<close_bracket>/?)THINK\]"
    r"|<\|channel\|>(?P<channel>analysis|final)<\|message\|>",
    re.IGNORECASE,
)
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
    inside = opened
    position = 0
    for mark in _MARK.finditer(response):
        inside = not _closes(mark)
        position = mark.end()
    return len(response) if inside else position


def opens_thinking(prompt: str) -> bool:
    """Whether a prompt ends with the mark that opens a thinking block, as some chat templates do."""
    tail = prompt[-_PROMPT_TAIL:].rstrip()
    marks = list(_MARK.finditer(tail))
    return bool(marks) and marks[-1].end() == len(tail) and not _closes(marks[-1])


def _closes(mark: re.Match[str]) -> bool:
    if mark["channel"] is not None:
        return mark["channel"].casefold() == "final"
    return any(mark[group] for group in ("close_tag", "close_bar", "close_triangle", "close_bracket"))

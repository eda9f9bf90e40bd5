"""The ordered extractors on one response."""

from __future__ import annotations

from collections.abc import Sequence

from empo_rewards.errors import PluginError
from empo_rewards.extraction.refusals import is_blank, is_refusal
from empo_rewards.extraction.thinking import opens_thinking, skip_thinking
from empo_rewards.group import Answer, AnswerKind
from empo_rewards.protocols import Extracted, Extractor

MAX_CHARS = 65_536
"""Of a longer response only so many characters at its end are looked at: an answer stands at the end, and extractors
run in the caller's process."""


def extract(
    response: str,
    prompt: str,
    extractors: Sequence[tuple[str, Extractor]],
    *,
    skip: bool = True,
    max_chars: int = MAX_CHARS,
) -> Answer:
    """The answer of a response: of the first extractor that finds one that is not blank.

    An answer that declines to answer is a refusal, and so is a response in which nothing was found and that, as a
    whole, declines. Where nothing else was found the answer is blank.

    Args:
        response: the whole response; the answer's positions count in it.
        prompt: the prompt's text.
        extractors: names and extractors, in the order in which they are tried.
        skip: look only behind the thinking block, where there is one.
        max_chars: how much of the response's end is looked at.

    Raises:
        PluginError: an extractor gave something that is no span of the response. What it raises itself goes through.
    """
    begin = skip_thinking(response, opened=opens_thinking(prompt)) if skip else 0
    offset = max(begin, len(response) - max_chars)
    visible = response[offset:]
    for name, extractor in extractors:
        found = _checked(name, extractor(visible, prompt), len(visible))
        if found is None or is_blank(found.text):
            continue
        kind = AnswerKind.REFUSAL if is_refusal(found.text) else AnswerKind.ANSWER
        return Answer(found.text, kind, name, offset + found.start, offset + found.end, found.truncated)
    kind = AnswerKind.REFUSAL if is_refusal(visible.strip()) else AnswerKind.BLANK
    return Answer("", kind)


def _checked(name: str, found: object, length: int) -> Extracted | None:
    """What an extractor gave, once it is certain that it is what it should be."""
    if found is None:
        return None
    if not isinstance(found, Extracted):
        raise PluginError(f"the extractor {name!r} must give an Extracted or None, not {type(found).__name__}")
    if not isinstance(found.text, str):
        raise PluginError(f"the extractor {name!r} gave a text that is {type(found.text).__name__}, not str")
    positions = (found.start, found.end)
    if not all(type(position) is int for position in positions) or not 0 <= found.start <= found.end <= length:
        raise PluginError(f"the extractor {name!r} gave the span {positions!r} in a response of {length} characters")
    return found._replace(truncated=bool(found.truncated))

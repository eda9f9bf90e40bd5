r"""Answers that a phrase announces: "the final answer is ...", "Answer: ..."."""

from __future__ import annotations

import re
from dataclasses import dataclass

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.boxed import LastBox
from empo_rewards.extraction.refusals import is_blank
from empo_rewards.extraction.spans import bare_span, last_of, strip_span, text_end
from empo_rewards.protocols import Extracted, Extractor

MATH_CHARS = 2_000
"""An answer's mathematics is closed within so many characters, or its opening delimiter is not one."""

# Every repetition in these expressions is bounded, so the work for each anchor is too.
_ANCHOR = re.compile(
    r"\b(?:final[ \t]{1,4})?answers?\b[*_]{0,3}"
    r"(?:[ \t]{1,4}(?:to|for|of)\b[^\n.:$\\=]{0,80}?)?"
    r"(?:[ \t]{0,4}[*_]{0,3}[:：]|[ \t\n]{1,4}(?P<verb>is|are)\b)"
    r"|\bfinal[ \t]{1,4}answers?[ \t]{0,4}[*_]{0,3}[ \t]{0,4}(?=\r?\n)",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|whether|unless|suppose|supposing|assume|assuming)"
    r"(?:[ \t](?:that|the|an|your|my|our|final|correct)){0,4}[ \t]\Z",
    re.IGNORECASE,
)
_HYPOTHETICAL_CHARS = 48
_LEAD = re.compile(
    r"(?:[\s*:：]|(?:likely|probably|therefore|thus|simply|indeed|just|then|as follows)\b,?){0,24}", re.IGNORECASE
)
_STATEMENT = re.compile(r"(?:(?:so|thus|therefore|hence),?[ \t]{1,4})?the[ \t]", re.IGNORECASE)
_COPULA = re.compile(r"[ \t](?:is|are|equals)[ \t]{1,4}(?:therefore |thus |exactly |equal to )?(?=\S)")
_NO_ANSWER = re.compile(r"(?:not|never|supposed|expected|required|asked|going)\b|#", re.IGNORECASE)
_LIST = re.compile(r"[ \t*_:：]{0,8}(?:\r?\n[ \t]{0,8}){1,4}(?:[-*•]|[0-9]{1,2}[.)])[ \t]")
_STOP = re.compile(
    r"(?P<math>\$\$?|\\[(\[])|\\\$|\n|(?P<point>\.)(?=[\s*_\"')\]}]|\Z)|。|\bI hope\b|,?[ \t](?:because|since)\b"
    r"|,[ \t](?:which\b|that is\b|i\.e\.)",
    re.IGNORECASE,
)
_CLOSING = {"$$": "$$", "$": "$", r"\(": r"\)", r"\[": r"\]"}
_ABBREVIATION = re.compile(r"\b(?:St|Mr|Mrs|Ms|Dr|Mt|vs|Jr|Sr|approx)\Z")
_MIDDLE_INITIAL = re.compile(r"(?:\b[A-Z]\w{1,24}|\b[A-Z]\.)[ \t]?[A-Z]\Z")
_FIRST_INITIAL = re.compile(r"\b[A-Z]\Z")
_ABBREVIATION_CHARS = 30
_GOES_ON = re.compile(r"[ \t]{1,4}\w")
_INITIAL_FOLLOWS = re.compile(r"[ \t]{1,4}[A-Z]\.")
_ANSWER_LINE = re.compile(r"answer\s*:\s*(?P<answer>[^\n]+)", re.IGNORECASE)


@dataclass(frozen=True)
class FinalAnswer(Extractor):
    r"""What the last "final answer is", "the answer is", "Answer:" or heading "Final Answer" announces.

    The answer ends with its sentence or line; mathematics between `$...$`, `$$...$$`, `\(...\)`, `\[...\]` is taken
    whole, over lines too. Markdown, a closing full stop, and delimiters around the whole answer are left out, a box is
    taken off, and so are "I hope it is correct" (Minerva's prompt, 2206.14858), a reason ("because ...") and what says
    it again or more of it (", i.e. ...", ", which ..."). A phrase that denies or supposes ("the answer is not", "if the
    answer is"), or that opens a list, announces nothing.

    Args:
        within: how far from the response's end the phrase may stand, in characters. A phrase that thousands of
            characters of further reasoning follow was not the final answer.
    """

    within: int = 2_000

    def __post_init__(self) -> None:
        if self.within <= 0:
            raise ConfigError(f"final_answer: within must be a positive number of characters, not {self.within!r}")

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """The announced answer, or None where nothing is announced."""
        end = text_end(response)
        anchors = list(_ANCHOR.finditer(response, max(0, end - self.within), end))
        limit = end
        for anchor in reversed(anchors):  # each looks no further than where the next one begins: linear in all
            found = _announced(response, anchor, limit)
            if found is not None:
                return found
            limit = anchor.start()
        return None


def _announced(response: str, anchor: re.Match[str], limit: int) -> Extracted | None:
    """The answer behind one phrase, which ends before `limit`; None where it is none."""
    if _HYPOTHETICAL.search(response, max(0, anchor.start() - _HYPOTHETICAL_CHARS), anchor.start()):
        return None
    if _LIST.match(response, anchor.end(), limit):
        return None
    lead = _LEAD.match(response, anchor.end(), limit)
    start = anchor.end() if lead is None else lead.end()
    if _NO_ANSWER.match(response, start, limit):
        return None
    end = _sentence_end(response, start, limit)
    if response[start:end].rstrip().endswith(":"):  # "It is given by:" and what it leads to, if that is mathematics
        start, _ = strip_span(response, end, limit)
        if not response.startswith(tuple(_CLOSING), start, limit):
            return None
        end = _sentence_end(response, start, limit)
    elif anchor["verb"] is None:
        start = _behind_copula(response, start, end)
    box = LastBox()(response[start:end])
    if box is not None:
        return Extracted(box.text, start + box.start, start + box.end, box.truncated)
    start, end = bare_span(response, start, end)
    text = response[start:end]
    return None if is_blank(text) else Extracted(text, start, end)


def _behind_copula(text: str, start: int, end: int) -> int:
    """Where the answer begins in a sentence such as "Final answer: The number of pairs is 5"; `start` in any other."""
    if not _STATEMENT.match(text, start, end):
        return start
    verb = last_of(_COPULA.finditer(_without_math(text[start:end])))
    return start if verb is None else start + verb.end()


def _without_math(text: str) -> str:
    """The text with its mathematics blanked out, every character in its place."""
    pieces: list[str] = []
    position = 0
    for opening in _STOP.finditer(text):
        if opening["math"] and opening.start() >= position:
            close = text.find(_CLOSING[opening["math"]], opening.end(), opening.end() + MATH_CHARS)
            if close >= 0:
                end = close + len(_CLOSING[opening["math"]])
                pieces += text[position : opening.start()], "$" * (end - opening.start())
                position = end
    return "".join(pieces) + text[position:]


def _sentence_end(text: str, start: int, limit: int) -> int:
    """Where the sentence or line that begins at `start` ends, mathematics taken whole."""
    position = start
    while (stop := _STOP.search(text, position, limit)) is not None:
        if stop["math"]:
            closing = _CLOSING[stop["math"]]
            close = text.find(closing, stop.end(), min(limit, stop.end() + MATH_CHARS))
            position = stop.end() if close < 0 else close + len(closing)
        elif stop.group() == r"\$" or (stop["point"] and _is_abbreviation(text, stop, start, limit)):
            position = stop.end()
        else:
            return stop.start()
    return limit


def _is_abbreviation(text: str, stop: re.Match[str], start: int, limit: int) -> bool:
    """Whether a point belongs to a name's initial or a short title, and the sentence goes on.

    A letter alone ("The answer is B. It ...") is an answer and no initial; "J. R. R. Tolkien" and "John F. Kennedy" are
    told by the initial or the capitalised word beside it.
    """
    if not _GOES_ON.match(text, stop.end(), limit):
        return False
    before = (max(start, stop.start() - _ABBREVIATION_CHARS), stop.start())
    if _ABBREVIATION.search(text, *before) or _MIDDLE_INITIAL.search(text, *before):
        return True
    return bool(_FIRST_INITIAL.search(text, *before) and _INITIAL_FOLLOWS.match(text, stop.end(), limit))


@dataclass(frozen=True)
class AnswerLine(Extractor):
    """The text behind the last `Answer:`, to the end of its line: the rule of verl's math_dapo.

    Args:
        last_chars: how much of the response's end is looked at. math_dapo looks at 300 characters.
    """

    last_chars: int = 300

    def __post_init__(self) -> None:
        if self.last_chars <= 0:
            raise ConfigError(f"answer_line: last_chars must be a positive number, not {self.last_chars!r}")

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """The rest of the line, or None where there is no such line."""
        last = last_of(_ANSWER_LINE.finditer(response, max(0, len(response) - self.last_chars)))
        if last is None:
            return None
        start, end = strip_span(response, *last.span("answer"))
        return Extracted(response[start:end], start, end) if start < end else None

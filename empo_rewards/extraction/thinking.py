"""Which part of a response speaks: behind its thinking, and before it goes on with somebody else's turn."""

from __future__ import annotations

import re

from empo_rewards.extraction.spans import last_of
from empo_rewards.extraction.wording import END_OF_TEXT, QUESTION, announces
from empo_rewards.turns import checkpoint

# The marks of the model families in use: <think> (DeepSeek, Qwen, and most others), <reasoning>, <thought>,
# <seed:think>, <|begin_of_thought|> (Sky-T1), <|thinking|>, ◁think▷ (Kimi), [THINK] (Magistral), and the channels of
# gpt-oss, where the final channel ends the analysis.
_MARK = re.compile(
    r"<(?:(?P<close>/)?(?:seed:)?(?:think|thinking|thought|reasoning)>|\|(?P<close_bar>/|end_of_|end_)?(?:begin_of_"
    r"|begin_|start_)?(?:thinking|thought|think)\|>|\|channel\|>(?:analysis|commentary(?=[^<\n]{0,200}<\|message\|>)"
    r"|(?P<final>final))[^<\n]{0,200}(?:<\|constrain\|>[^<\n]{0,40})?<\|message\|>)|◁(?P<close_kimi>/)?think▷"
    r"|\[(?P<close_magistral>/)?THINK\]",
    re.IGNORECASE,
)
_PROMPT_TAIL = 64
"""A chat template that opens the thinking block does so in the last characters of the prompt."""

# gpt-oss's channels once a trainer has decoded them without special tokens: `analysisWe ...assistantfinalThe ...`.
_BARE_START = re.compile(
    r"\s{0,8}(?P<channel>(?:analysis|commentary)(?=[^\s:,.;'’-])|final(?=[^\sa-z:,.;'’_-]))"  # not "finally"
)
_BARE_SWITCH = re.compile(r"assistant(?P<channel>analysis|commentary|final)(?=[^a-z]|[a-z]{2})")

_MENTION_CHARS = 2
_MENTION = re.compile(r"[`'\"“‘(]\Z|[\w,][ \t]\Z")
_PAIRED_MENTION_CHARS = 40

_END_OF_TURN = re.compile(END_OF_TEXT)
_OWN_TURN_GOES_ON = re.compile(
    r"\s{0,8}(?:<\|im_start\|>|<\|start_header_id\|>|<\|start\|>|<start_of_turn>|<｜)(?:assistant|tool|ipython|model"
    r"|functions|Assistant)|\s{0,8}<\|im_start\|>user\s{0,4}<tool_response>"
)
_CONTENT = re.compile(r"[^\s<][^<]?|<(?!\||/s>|eo)")
_ASKS = re.compile(r"[^\n?？]{0,1000}[?？]|[^\n]{0,1000}\n+[ \t]{0,4}(?:A|Assistant|Answer|答)[ \t]?[:：]")
_RESTATED_CHARS = 24
MAX_RESTATED = 32
"""So many times a response may restate a question of its prompt."""
ANSWERED_CHARS = 65_536
"""What was answered is looked for in so many characters before a next question."""
MAX_QUESTIONS = 1_000
"""So many times it may begin one before it has answered anything; what comes after that is not read."""
_FIRST = re.compile(r"(?:\A|\n)[ \t]{0,4}[*_#(]{0,6}[ \t]{0,2}1[.)]")
_SPACE_OR_MARKUP = re.compile(r"[\W_]+|(?<=\\)(?:text|mathrm|left|right)")
_CONTAINER = re.compile(r"\\(?:boxed|fbox|framebox)\s{0,4}\{\s{0,4}[^}\s]|####|</answer>")


def skip_thinking(response: str, *, opened: bool = False) -> int:
    """The position from which an answer may stand: behind the last closed thinking block.

    What stands in a thinking block is not an answer. With a block that is opened and never closed that is all of the
    rest, so the position is the response's end; without any mark it is 0. A mark that is only mentioned ("the `<think>`
    tag") is none.

    Args:
        response: the whole response.
        opened: the response begins inside a thinking block, because the prompt ends with the opening mark.
    """
    bare = _bare_channels(response)
    if bare is not None:
        return bare
    last = _last_mark(response)
    if last is None:
        return len(response) if opened else 0
    return last.end() if _closes(last) else len(response)


def opens_thinking(prompt: str) -> bool:
    """Whether a prompt ends with the mark that opens a thinking block, as some chat templates do."""
    tail = prompt[-_PROMPT_TAIL:].rstrip()
    last = _last_mark(tail)
    return last is not None and last.end() == len(tail) and not _closes(last)


def turn_end(response: str, start: int, prompt: str) -> int:
    """Where the turn that begins at `start` ends: before an end-of-turn token, and before a next question.

    A base model runs on: it asks itself another question and answers that. What is restated out of the prompt is no
    next question; nor, before anything was answered, are a heading "Problem:" and a line "Q: heat" that asks nothing.
    """
    content = _CONTENT.search(response, start)
    if content is None:
        return len(response)
    begun, end, searched = content.end(), len(response), start
    if "<" in response or "INST]" in response:
        tokens = _END_OF_TURN.finditer(response, begun)
        end = next((token.start() for token in tokens if not _OWN_TURN_GOES_ON.match(response, token.end())), end)
    asked: str | None = None
    numbers: re.Match[str] | None = None
    answered = False
    for restated, question in enumerate(QUESTION.finditer(response, begun - 1, end)):
        begin = question.start() + 1
        if question["numbered"]:
            numbers = numbers or _FIRST.search(response, start, end) or question
            if numbers.start() < question.start():  # a step of its own
                continue
        if not (answered or (question["sure"] and _ASKS.match(response, question.end(), end))):
            since = max(searched, begin - ANSWERED_CHARS)
            answered = announces(response, since, begin) or _CONTAINER.search(response, since, begin) is not None
            searched = begin
            if not answered:
                if restated >= MAX_QUESTIONS:
                    return begin
                continue
        asked = asked or _folded(prompt)
        follows = _folded(response[question.end() : question.end() + 4 * _RESTATED_CHARS])[:_RESTATED_CHARS]
        if not follows or follows not in asked or restated >= MAX_RESTATED:
            return begin
    return end


def _folded(text: str) -> str:
    return _SPACE_OR_MARKUP.sub("", text).casefold()


def _bare_channels(response: str) -> int | None:
    """Where the final channel begins in a response whose channel marks were decoded to words; None in any other."""
    first = _BARE_START.match(response)
    if first is None:
        return None
    mark = last_of(_BARE_SWITCH.finditer(response, first.end())) or first
    return mark.end() if mark["channel"] == "final" else len(response)


def _last_mark(text: str) -> re.Match[str] | None:
    """The last mark of thinking that is not merely mentioned."""
    if not ("<" in text or "◁" in text or "think]" in text.lower()):
        return None
    last: re.Match[str] | None = None
    mentioned = -_PAIRED_MENTION_CHARS - 1
    for mark in _MARK.finditer(text):
        checkpoint()
        before = text[max(0, mark.start() - _MENTION_CHARS) : mark.start()]
        if _closes(mark):
            is_mention = before[-1:] in {"`", "'", '"'} or (
                mark.start() - mentioned <= _PAIRED_MENTION_CHARS and "\n" not in text[mentioned : mark.start()]
            )
        else:
            is_mention = _MENTION.search(before) is not None
        if is_mention:
            mentioned = mark.end()
        else:
            last = mark
    return last


def _closes(mark: re.Match[str]) -> bool:
    return any(mark.groups())

r"""Answers that a phrase announces: "the final answer is ...", "Answer: ...", "答案是 ..."."""

from __future__ import annotations

import re
import unicodedata
import warnings
from dataclasses import dataclass

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.boxed import LastBox
from empo_rewards.extraction.programs import assigned, fenced_programs, is_code, is_program
from empo_rewards.extraction.refusals import is_blank
from empo_rewards.extraction.remarks import remark_in
from empo_rewards.extraction.spans import bare_span, last_of, math_end, strip_span, text_end
from empo_rewards.extraction.wording import (
    ASIDE,
    CJK_ASIDE,
    LEAD,
    NEGATES,
    NOT_BUT,
    RESTATED,
    TAIL,
    TAIL_CHARS,
    WHICH_IS,
    Announcement,
    announcements,
)
from empo_rewards.protocols import Extracted, Extractor

_STATEMENT = re.compile(
    r"(?:(?:so|thus|therefore|hence),?[ \t]{1,4})?(?:the|there|its?|his|her|their|this|that|a|an|each"
    r"|[A-Za-z]\w{0,20})[ \t]",
    re.IGNORECASE,
)
_COPULA = re.compile(
    r"[ \t](?:is|are|was|were|equals|has|have|had|will be|would be|ist|sind|est|sont|es|son|è|sono|é|são)[ \t]{1,4}"
    r"(?:therefore |thus |exactly |equal to |now )?(?=\S)"
)
_VALUE = re.compile(r"[-−+±*$€£¥\\(\[{]{0,4}[0-9A-Z\\]|[$\\√π]")
_SECOND_CLAUSE = re.compile(r",|;|\b(?:and|but|while|or|if|when)\b")
_LIST_ITEM = re.compile(
    r"[ \t]{0,8}(?:[-*•][ \t]{1,3}|(?P<number>[0-9]{1,2}[.)])[ \t]{1,3})?(?P<content>[^\n]{0,400})(?:\n|\Z)"
)
_EQUATION = re.compile(r"[*$\\( ]{0,4}[A-Za-z]\w{0,12}(?:_\{?\w{1,8}\}?)?[*$\\) ]{0,4}=[^=\n]{1,80}")
MAX_LINES = 24
"""An answer of several lines has no more."""
_FENCE = re.compile(r"(?:```|~~~)(?:[ \t]{0,4}[\w+#-]{0,20}[ \t]{0,4}(?=\r?\n))?")
_STOP = re.compile(
    r"(?P<math>\$\$?|\\[(\[])|\\\$|\n|\\[\])]|</(?!su[bp]>)\w|(?P<point>\.\.\.|…|\.)(?=[\s*_\"'”)\]}]|\Z)|[。！【।]"
    r"|\bI hope\b|[ \t](?<=![ \t])(?=(?!Inc|Corp|Ltd)[A-Z][a-z])|,?[ \t](?:because|since|rather than"
    r"|instead of|(?:even )?though|although|despite|or equivalently)\b|,[ \t](?:not|but)\b"
    r"|[ \t]but[ \t](?:I|we|it|this|you|some)\b"
    rf"|,[ \t]{{1,3}}(?:{ASIDE})\b"
    rf"|;[ \t]{{1,3}}(?:{ASIDE}|that|no|all|other|otherwise|however|in|here|you|I)\b|[ \t][(（](?:the|an?|or|{ASIDE}"
    rf"|after|with|by|i\.e|≈|~|about|approximately)\b|(?:[ \t](?:–|--?)[ \t]|[ \t]?[—→][ \t]?)(?:the|an?|{ASIDE})\b"
    rf"|[，,；;（(][ \t]{{0,2}}(?={CJK_ASIDE})",
)
_BEGINS_WITH_VALUE = re.compile(r"(?:[A-Za-z]\w?[ \t]?=[ \t]?)?[-−+±]?[$€£¥]?[ \t]?(?:[0-9.]|\\[({\[a-z]|[({\[√π]|\$)")
_BEHIND_VALUE = re.compile(
    r"[,;][ \t]{1,3}(?!(?:and|or)\b[ \t]{1,3}(?:[^a-z]|[a-z]\b)|mod\b|(?:if|when|for|unless|otherwise|else) (?!I |we ))"
    r"(?:[a-z]{2,}|I\b)|[ \t](?:I|but(?! (?:only|not)\b)|given (?:that|the|our|this)|while|and (?:not|this|that|so"
    r"|hence|we|it|you|I|the (?:answer|result|solution|proof|problem)))\b|[ \t](?:as|by|which|so|since|because|where"
    r"|with|thanks|therefore|exactly|obviously|precisely|in total|in all|altogether|indeed)\b(?![ \t][0-9])"
    r"|[ \t]?[:：](?=[ \t][a-z])|[ \t]\[(?=[a-z])"
    r"|[ \t](?:--?|–|—)[ \t](?=[a-z]{2})|(?<!and)(?<!or)(?<!,)(?<!\))(?<!and )(?<!or )(?<!, )[ \t]?[(（](?!mod\b|base\b"
    r"|in\b|per\b|if\b|when\b|for\b)(?:[^()（）\n]{0,60}(?:[A-Za-z]{3}|[\u4e00-\u9fff])[^()（）\n]{0,60}"
    r"|[0-9.]{1,12}(?:[ \t]?[×*/=+−-][ \t]?[0-9.]{1,12}){1,6}|[0-9.]{1,12}[ \t]?\\?%|[A-Z])[)）]"
)
"""What stands behind a number or mathematics and does not belong to it: ", obviously", "as expected", "(6 × 7)"."""
_EMPHASIS_END = re.compile(r"(?<=[^\s*_^])(?P<mark>\*{1,3}|_{1,3})(?![\w*])")
_MARKS = re.compile(r"(?<!\w)(?:\*{1,3}|_{1,3})(?=[^\s*_])|(?<=[^\s*_])(?:\*{1,3}|_{1,3})(?![\w*])")
_BOLD = re.compile(r"(?<![\w*])\*\*(?=[^\s*])([^*\n]{1,200})\*\*(?![\w*])")
_APART = re.compile(r"[ \t]{0,2}(?:[,;:.—–\[]|--?[ \t]|[(（](?!(?:mod|base|in|per|if|when|for)\b))")
"""What begins what is said about an emphasised answer."""
_DECIMAL = re.compile(r"\.[0-9]{1,20}\Z")
_TITLE = re.compile(r"\b(?:St|Mrs?|Ms|Dr|Mt|vs|Prof|Gen|Lt|Sgt|Capt|Col|Rev|Sen|Gov|Pres|approx|e\.g|i\.e|cf|ca)\Z")
_NUMBERED = re.compile(r"\b(?:Nos?|Vols?|Figs?|Ch|Sec|Eq|Op|Art|pp?)\Z")
_NAME_END = re.compile(r"\b(?:Jr|Sr)\Z|\b(?:[UD]\.[A-Z]|[ap]\.m)\Z")
_INITIAL = re.compile(r"(?:\b[A-Z]\w{1,24}[ \t]|\b[A-Z]\.[ \t]?)[A-Z]\Z(?<!B\.C)(?<!A\.D)")
_FIRST_INITIAL = re.compile(r"\b[A-Z]\Z")
_ABBREVIATION_CHARS = 30
_NUMBER_FOLLOWS = re.compile(r"[ \t]{1,4}[0-9]{1,5}(?:[.,;!)\n]|[ \t]*\Z| (?:and|in|of|by)\b)")
_GOES_ON = re.compile(r"[ \t]{1,4}[\w&]")
_NEW_SENTENCE = re.compile(
    r"[ \t]{1,4}(?:He|She|It|They|We|You|I|The|This|That|These|His|Her|Its|Their|Our|My|An?|In|There|Here|So)\b"
)
_INITIAL_FOLLOWS = re.compile(rf"[ \t]{{1,4}}(?:[A-Z]\.|(?!(?:{ASIDE}|then|with|from|when|they|here)\b)[a-z]{{4}})")
_TERM_FOLLOWS = re.compile(r"[ \t]{1,4}(?:[-+−*/=,·×<>$\\^)]|[0-9]|and\b)")
_FRAGMENT = re.compile(r"[)}].*|\|[^|\n]*\|[^|\n]*\|.*|.*[?？](?:\s.*)?", re.DOTALL)
"""The end of something else, a table's row, a question, a question and more."""
_BRACKET = re.compile(r"[()\[\]{}]")
_LEADS_TO_LINES = re.compile(r"[ \t*_:：]{0,8}(?:\r?\n[ \t]{0,8}){0,4}")
_BULLET = re.compile(
    r"(?:[-•]|\*(?!\*)|(?P<number>[0-9]{1,2}[.)]|\([a-z]\)|[a-z]\)|(?:[Ss]ub)?(?:[Pp]roblem|[Pp]art|[Qq]uestion"
    r"|[Cc]ase) ?[0-9a-z]{1,2}[:.)]))[ \t\n]"
)
_NO_ANSWER = re.compile(
    rf"(?!never){NEGATES}(?! (?:enough (?:info|data)|(?:defined|possible)\b))|(?:never|neither)\b(?= \w)|#"
    r"|(?:anything but|hardly|far from|nothing like|nowhere near)\b",
    re.IGNORECASE,
)
_DENIED_PROPERTY = re.compile(r"not (?P<property>[a-z]{3,}(?: [a-z]{3,})?)[.*_]{0,3}(?:\s|\Z)")
_DENIED, _MERE_LIST = Extracted("", 0, 0), Extracted("", 0, 0)


@dataclass(frozen=True)
class FinalAnswer(Extractor):
    r"""What the last "final answer is", "the answer is", "Answer:", "答案是" or heading "Final Answer" announces.

    The answer ends with its sentence or line, or before a clause about it (", which ...", "(the sum ...)", "; this
    ..."); mathematics between `$...$`, `$$...$$`, `\(...\)`, `\[...\]` is taken whole, over lines too. Markdown, a
    closing full stop, and delimiters around the whole answer are left out, and a box or a code fence is opened. Lines that are
    equations (`x = 2`, `y = 3`) are one answer; any other list is none. A phrase that supposes, denies or asks, and
    what is a remark about the answer ("is correct", "is in simplest form"), announce nothing, and the one before
    counts; one that takes the answer back ends the search.

    Args:
        within: how far from the response's end the phrase may stand, in characters. A phrase that thousands of
            characters of further reasoning follow was not the final answer.
        choices: "the option is" and "the choice is" announce an answer too.
    """  # noqa: E501

    evidence = "announcement"
    within: int = 2_000
    choices: bool = False

    def __post_init__(self) -> None:
        if self.within <= 0:
            raise ConfigError(f"final_answer: within must be a positive number of characters, not {self.within!r}")

    def __call__(self, response: str, prompt: str = "") -> Extracted | None:
        """The announced answer, or None where nothing is announced."""
        end = text_end(response)
        limit = end
        found = announcements(response, max(0, end - self.within), end, choices=self.choices)
        programs = fenced_programs(response) if found else []
        for announcement in reversed(found):  # each looks no further than where the next one begins: linear in all
            while programs and programs[-1][0] > announcement.start:
                programs.pop()
            begin, behind = announcement.start, announcement.end
            if (programs and begin < programs[-1][1]) or is_code(response, begin, behind, limit):
                answer = assigned(response, begin)
            else:
                answer = _announced(response, announcement, limit, prompt)
            if answer is not None:
                return None if answer is _DENIED else answer
            limit = announcement.start
        return None if found else _concluded(response, end, prompt)


@dataclass(frozen=True)
class AnswerLine(FinalAnswer):
    """The former extractor of lines like "Answer: 42", which `final_answer` reads; goes with the next release."""

    def __post_init__(self) -> None:
        super().__post_init__()
        warnings.warn("extraction: answer_line is part of final_answer now", DeprecationWarning, stacklevel=2)


def _announced(response: str, announcement: Announcement, limit: int, prompt: str) -> Extracted | None:
    """The answer behind one announcement, which ends before `limit`; None where it is none, or `_DENIED`."""
    if announcement.value_end is not None:
        start, end = bare_span(response, announcement.end, announcement.value_end)
        return Extracted(response[start:end], start, end)
    lines = _lines(response, announcement.end, limit)
    if lines is not None:
        return None if lines is _MERE_LIST else lines
    lead = LEAD.match(response, announcement.end, limit)
    start = announcement.end if lead is None else lead.end()
    fence = _FENCE.match(response, start, limit)
    if fence is not None:
        return _fenced(response, fence, limit)
    contrast = NOT_BUT.match(response, start, limit)
    if contrast is not None:
        start = contrast.end()
    elif _NO_ANSWER.match(response, start, limit) and not _is_property(response, start, limit, prompt):
        return None
    end = _sentence_end(response, start, limit)
    if response[start:end].rstrip().endswith((":", "：")):  # "It is given by:" leads to mathematics or to nothing
        start, _ = strip_span(response, end, limit)
        if math_end(response, start, limit) is None:
            return None
        end = _sentence_end(response, start, limit)
    elif not announcement.verb:
        start = _behind_copula(response, start, end)
    which = WHICH_IS.match(response, end, limit)
    if which is not None and RESTATED.match(response, start, end):  # "the sum of the digits, which is 15"
        start, end = which.end(), _sentence_end(response, which.end(), limit)
    return _read(response, start, end, announcement, prompt)


def _is_property(response: str, start: int, limit: int, prompt: str) -> bool:
    """Whether what is denied is a property that the question asks about: "not invertible"."""
    denied = _DENIED_PROPERTY.match(response, start, limit)
    return denied is not None and denied["property"] in prompt


def _read(response: str, start: int, end: int, announcement: Announcement, prompt: str) -> Extracted | None:
    """The answer in the span of a sentence, where it is one."""
    box = LastBox()(response[start:end])
    if box is not None:
        return Extracted(box.text, start + box.start, start + box.end, box.truncated)
    end = _closed_outside(response, start, end)
    emphasis = _emphasis_end(response, start, end)
    if (
        emphasis is not None
        and _APART.match(response, emphasis.end(), end)
        and response.find(emphasis["mark"], emphasis.end(), end) < 0  # several are emphasised: "**2**, **3**"
    ):
        end, emphasis = emphasis.start(), None
    start, end = bare_span(response, start, _value_end(response, start, end))
    tail = TAIL.search(response, max(start, end - TAIL_CHARS), end)
    if tail is not None and tail.start() > start and not _closes_bold(response, start, end):
        start, end = bare_span(response, start, tail.start())
    text = _BOLD.sub(r"\1", response[start:end])
    text = text if emphasis is None else _MARKS.sub("", text)
    if _FRAGMENT.fullmatch(text) or is_blank(text) or not _says_something(text):
        return None
    if announcement.modal and not _VALUE.match(text):  # "must be positive" says what it is like
        return None
    said = remark_in(text, prompt, announced_by_verb=announcement.verb)
    if said is not None:
        return _DENIED if said == "denial" else None
    return Extracted(text, start, end)


def _emphasis_end(text: str, start: int, end: int) -> re.Match[str] | None:
    """The mark in a span that ends an emphasis opened before it: "**14** units", "**Answer: 14** (see above)".

    None where a mark is an operator: "2**3", "2 * 3 * 4".
    """
    found = _EMPHASIS_END.search(text, start, end)
    if found is None:
        return None
    mark = found["mark"]
    opened = text[max(0, start - len(mark) - 1) : start].lstrip(":： \n") == mark
    return found if opened or (len(mark) > 1 and text.count(mark, start, end) % 2) else None


def _closes_bold(text: str, start: int, end: int) -> bool:
    return text.endswith("**", start, end) and text.count("**", start, end) % 2 == 0


def _value_end(text: str, start: int, end: int) -> int:
    """Where a number or mathematics ends that the span begins with, before what is said about it; `end` for words."""
    if not _BEGINS_WITH_VALUE.match(text, start, end):
        return end
    behind = _BEHIND_VALUE.search(_without_math(text, start, end), 1)
    return end if behind is None else start + behind.start()


def _says_something(text: str) -> bool:
    """Whether there is a letter, a digit, or a sign of mathematics: a stray bracket is no answer."""
    return any(char.isalnum() or unicodedata.category(char) == "Sm" or char in "%∅" for char in text)


def _closed_outside(text: str, start: int, end: int) -> int:
    """Where the span ends once a bracket that was opened before it closes: "(Answer: 42)"; not the half-open [2, 5)."""
    depth = 0
    for bracket in _BRACKET.finditer(text, start, end):
        depth += 1 if bracket.group() in "([{" else -1
        if depth < 0:
            return end if bracket.group() == "]" else bracket.start()
    return end


def _lines(text: str, start: int, limit: int) -> Extracted | None:
    """What is announced over several lines: equations are one answer; any other list is `_MERE_LIST`."""
    first = _LEADS_TO_LINES.match(text, start, limit)
    position = start if first is None else first.end()
    listed = _BULLET.match(text, position, limit) if "\n" in text[start:position] else None
    spans: list[tuple[int, int]] = []
    equations = 0
    while len(spans) < MAX_LINES and position < limit:
        item = _LIST_ITEM.match(text, position, limit)
        if item is None or not item["content"].strip():
            break
        if listed and item.start("content") == item.start():
            break
        span = bare_span(text, *item.span("content"))
        equations += _EQUATION.fullmatch(text, *span) is not None
        if not listed and equations <= len(spans):
            break
        spans.append(span)
        position = item.end()
    if len(spans) > 1 and equations == len(spans):
        return Extracted(", ".join(text[slice(*span)] for span in spans), spans[0][0], spans[-1][1])
    if not listed:
        return None
    if len(spans) == 1 and not listed["number"] and spans[0][0] < spans[0][1] and position >= limit:
        return Extracted(text[slice(*spans[0])], *spans[0])
    return _MERE_LIST


def _fenced(text: str, fence: re.Match[str], limit: int, *, held: bool = False) -> Extracted | None:
    """The one line of a code fence; a program is no answer, unless a container holds it."""
    close = text.find(fence.group()[:3], fence.end(), limit)
    start, end = strip_span(text, fence.end(), limit if close < 0 else close)
    content = text[start:end]
    if "\n" in content or is_blank(content):
        lines = _lines(text, start, end)
        return None if lines is _MERE_LIST else lines
    return None if not held and is_program(content) else opened(text, start, end)


def opened(text: str, start: int, end: int, *, truncated: bool = False) -> Extracted:
    """What a container holds, bare: what a box, an announcement or a fence in it holds, or what its sentence states."""
    piece = text[start:end]
    found = LastBox()(piece) or FinalAnswer()(piece)
    if found is None and (fence := _FENCE.match(text, strip_span(text, start, end)[0], end)):
        found = _fenced(text, fence, end, held=True)
        return found or _bare(text, start, end, truncated)
    if found is not None:
        return Extracted(found.text, start + found.start, start + found.end, truncated or found.truncated)
    return _bare(text, start, end, truncated)


def _bare(text: str, start: int, end: int, truncated: bool) -> Extracted:
    """What nothing in it opens: its lines, the value that its one sentence states, or all of it."""
    start, end = strip_span(text, start, end)
    lines = _lines(text, start, end)
    if lines is not None and lines is not _MERE_LIST:
        return lines._replace(truncated=truncated)
    if "\n" not in text[start:end] and _sentence_end(text, start, end) >= end - 1:
        start = _behind_copula(text, start, end)
    start, end = bare_span(text, start, end)
    return Extracted(text[start:end], start, end, truncated)


def _behind_copula(text: str, start: int, end: int) -> int:
    """Where the value begins in a sentence such as "The number of pairs is 5"; `start` in any other.

    Only before a number, mathematics or a name: in "the demand is lower" the sentence is the answer.
    """
    if not _STATEMENT.match(text, start, end):
        return start
    plain = _without_math(text, start, end)
    verbs = list(_COPULA.finditer(plain))
    if not verbs or _SECOND_CLAUSE.search(plain, verbs[0].end(), verbs[-1].end()):
        return start
    value = start + verbs[-1].end()
    return value if _VALUE.match(text, value, end) else start


def _without_math(text: str, start: int, end: int) -> str:
    """The span with its mathematics blanked out, every character in its place."""
    pieces: list[str] = []
    position = start
    for stop in _STOP.finditer(text, start, end):
        if stop["math"] and stop.start() >= position and (close := math_end(text, stop.start(), end)) is not None:
            pieces += text[position : stop.start()], "$" * (close - stop.start())
            position = close
    return "".join(pieces) + text[position:end]


def _sentence_end(text: str, start: int, limit: int) -> int:
    """Where the sentence or line that begins at `start` ends, mathematics taken whole."""
    position = start
    while (stop := _STOP.search(text, position, limit)) is not None:
        if stop["math"]:
            close = math_end(text, stop.start(), limit)
            position = stop.end() if close is None else close
        elif stop.group() != r"\$" and stop.start() > start and not _is_abbreviation(text, stop, start, limit):
            periodic = stop["point"] == "..." and _DECIMAL.search(text, max(start, stop.start() - 24), stop.start())
            return stop.end() if periodic else stop.start()
        else:
            position = stop.end()
    return limit


def _is_abbreviation(text: str, stop: re.Match[str], start: int, limit: int) -> bool:
    """Whether a point belongs to a short title, a name's initial or "1 + 2 + ... + n", and the sentence goes on.

    A letter alone ("The answer is B. It ...") is an answer and no initial; "J. R. R. Tolkien" and "John F. Kennedy" are
    told by the initial or the capitalised word beside it, and by what begins no sentence behind it ("Malcolm X. He");
    "E. coli" by the small letter.
    """
    if not stop["point"]:
        return False
    if stop["point"] in {"...", "…"}:
        return _TERM_FOLLOWS.match(text, stop.end(), limit) is not None
    before = (max(start, stop.start() - _ABBREVIATION_CHARS), stop.start())
    if not _GOES_ON.match(text, stop.end(), limit):
        return False
    if _NUMBERED.search(text, *before):
        return _NUMBER_FOLLOWS.match(text, stop.end(), limit) is not None
    if _NAME_END.search(text, *before) or _INITIAL.search(text, *before):
        return _NEW_SENTENCE.match(text, stop.end(), limit) is None
    initial = _FIRST_INITIAL.search(text, *before) and _INITIAL_FOLLOWS.match(text, stop.end(), limit)
    return bool(initial or _TITLE.search(text, *before))


_CONCLUDES = re.compile(r"(?:\A|\n|(?<=[.!。])[ \t]{0,2})[*_]{0,2}(?:因此|所以|故|综上(?:所述)?)[,，]?[ \t]{0,2}")
_STATES = re.compile(r"(?:为|是|等于)(?=[ \t]{0,2}(?:[-−$\\√π0-9]|[A-Z]\b))")
CONCLUSION_CHARS = 400
"""A conclusion is no longer."""


def _concluded(response: str, end: int, prompt: str) -> Extracted | None:
    """The value that the last sentence concludes in Chinese: "因此，体积为 42。" ends the response.

    Strict: the sentence ends with its full stop and states a number or mathematics. No English sentence counts:
    on 294 groups of real responses "Therefore, the sixth term is 350." found 11 more answers and changed no majority.
    """
    if response.isascii():
        return None
    last = last_of(_CONCLUDES.finditer(response, max(0, end - CONCLUSION_CHARS), end))
    if last is None or response[max(0, end - 8) : end].rstrip("*_$)")[-1:] not in {".", "。"}:
        return None
    start, stop = last.end(), _sentence_end(response, last.end(), end)
    states = last_of(_STATES.finditer(_without_math(response, start, stop)))
    if states is None or response[stop:end].strip(" .。*_$"):
        return None
    value = start + states.end()
    return _read(response, value, stop, Announcement(start, value, modal=True), prompt)

"""Corrections right behind an answer: "42, no wait, 37", "C. Sorry, it is D", "That is wrong"."""

from __future__ import annotations

import re

from empo_rewards.extraction.wording import any_of
from empo_rewards.protocols import Extracted

_CLOSES = r"(?:[\s.,;:!…()*_$}\]\"'”~→—–-]|\\[)\]]|</\w{1,12}>){0,24}"
"""What may stand between an answer and what is said behind it: the rest of its markup and of its sentence."""
_BETWEEN = r"(?:[\s.,;:!…*_(]|[—–-](?=\s)){0,8}"
_CUE = (
    any_of(
        "wait oh hold_on sorry oops whoops hmm actually correction edit (?:scratch|strike)_that i_meant? (?:or_)?rather"
        " my_(?:mistake|bad) let_me_correct_(?:that|this|myself|it) or_more_(?:precisely|exactly) nope"
        r" no(?=_?[,.:;!…—–-]|_it|_that|_wait|\s*\Z)"
    )
    + r"(?![^\W\d_])"
)
_CUES = rf"{_CLOSES}(?P<cues>(?:{_CUE}{_BETWEEN}){{1,4}})"
_SUBJECT = r"(?:it|this|that|which|the (?:correct |right )?answer)"
_SHOULD = rf"{_SUBJECT} (?:should|must) (?:instead |actually |really |in fact )?(?:be|have been|say) "
_VALUE = (  # a number, mathematics, a name, a letter; it ends its sentence
    r"[*_(\"]{0,3}(?P<value>\$[^$\n]{1,80}\$|[-−+]?[$€£¥]?[0-9][0-9.,/]{0,20}(?<![.,])[ ]?[%°]?(?: [a-z]{1,12}){0,2}"
    r"|(?-i:[A-Z])[\w'’-]{0,24}(?: (?-i:of|the|de|van|von|[A-Z][\w'’-]{0,24})){0,4})"
    r"(?=[*_)\"”]{0,4}(?:[.!](?=[\s)*]|\Z)|\s{0,4}(?:\n|\Z|<)))"
)
_CORRECTS = re.compile(
    rf"{_CUES}(?P<stated>{_SHOULD}|(?:{_SUBJECT}(?:['’]s| is| was)|should be|make (?:that|it))"
    rf"(?: (?:actually|really|in fact))? )?{_VALUE}",
    re.IGNORECASE,
)
_CUED = re.compile(_CUES, re.IGNORECASE)
_CORRECTS_LATER = re.compile(rf"\b{_SHOULD}{_VALUE}", re.IGNORECASE)
_LATER_CHARS = 240
_STRONG = re.compile(
    r"\b(?:no(?:pe)?|meant?|rather|correction|edit|actually|precisely|exactly|that|mistake)\b", re.IGNORECASE
)
_BEGINS_WITH_VALUE = re.compile(r"[-−+]?[$€£¥]?[0-9]|[$\\]")
_WORD = re.compile(r"[a-z]{2}")
_CALLS_WRONG = re.compile(
    rf"{_CLOSES}(?:{_CUE}{_BETWEEN}){{0,4}}(?:(?:but )?(?:{_SUBJECT}|the above|my (?:first |previous )?answer"
    r"|the (?:box|boxed answer|value)(?: above)?)(?:['’]s| is| was)(?: (?:clearly|obviously|actually|definitely|just))?"
    r" (?:wrong|incorrect|mistaken|a mistake|an error|not (?:right|correct))"
    r"|i(?:['’]ve| have)? (?:made an? (?:\w{1,12} )?(?:mistake|error|slip|typo)|forgot(?:ten)?|misread|miscounted"
    r"|miscalculated|misspoke)|let me (?:correct|fix|redo))\b",
    re.IGNORECASE,
)
_ENDS = re.compile(r"(?! (?:only|if|unless|when|for|to)\b)[^.!?\n]{0,60}[.!]{0,3}\s*")
_SAYS_NO = re.compile(r"(?:.*\W)?(?:no|nope|(?:scratch|strike) that)\W*", re.IGNORECASE | re.DOTALL)


def alike(text: str, other: str) -> bool:
    """Whether both begin with a number or mathematics, or neither does."""
    return bool(_BEGINS_WITH_VALUE.match(text)) == bool(_BEGINS_WITH_VALUE.match(other))


def taken_back(text: str, end: int) -> re.Match[str] | None:
    """What stands right behind an answer, which ends at `end`, and calls it wrong or begins anew."""
    return _CALLS_WRONG.match(text, end) or _CUED.match(text, end)


def is_withdrawn(text: str, said: re.Match[str]) -> bool:
    """Whether the response ends with what takes its answer back: "42. Wait, no.", "42. That is wrong."."""
    if said.re is _CALLS_WRONG:
        return _ENDS.fullmatch(text, said.end()) is not None
    return said.end() == len(text) and _SAYS_NO.fullmatch(said["cues"]) is not None


def correction(text: str, answer: Extracted, said: re.Match[str]) -> Extracted | None:
    """The value that the words right behind an answer, which take it back, put in its place; None where they put none.

    It is of the answer's own kind, a number for a number and a name for a name, and ends its sentence: in "42. No, 37
    is too small" nothing is corrected.
    """
    found = _CORRECTS.match(text, answer.end)
    stated = found is not None and found["stated"] is not None
    if found is None:
        found = _CORRECTS_LATER.search(text, said.end(), said.end() + _LATER_CHARS)
        stated = True
    if found is None or not (stated or _STRONG.search(found["cues"]) or not _WORD.search(found["value"])):
        return None
    value = found["value"]
    if not alike(value, answer.text) or (_WORD.search(value) and not _WORD.search(answer.text)):
        return None
    return Extracted(value.strip("$"), *found.span("value"))

r"""Answers that say nothing, and answers that decline to answer.

The two are kept apart from legitimate answers by one principle each:

- *Blank*: nothing is left once spacing, punctuation and placeholders are taken away. "0", "∅", `\{\}`, "none" stay, and
  so do ">" and "] ]".
- *Refusal*: a refusal speaks of the speaker ("I cannot answer", "I don't know"); an impossibility speaks of the problem
  ("cannot be determined", "no solution", "does not exist", "we cannot determine it") and is an answer like any other.
"""

from __future__ import annotations

import re

from empo_rewards.latex import BOXES, FONTS, TEXT, command

REFUSAL_CHARS = 400
"""A refusal is short. A longer text is an answer that may well begin with an apology."""

_EMPTY_SET = re.compile(r"\\\{[\s~]*\\\}")
_NOTHING = re.compile(
    r"\\[hv]space\*?\{[^{}]{0,20}\}|\\(?:q?quad|[ldcv]?dots|enspace|thinspace|square|Box|text|textbf|textit|textrm"
    r"|mathrm|mathbf|mbox|underline|boxed|fbox|framebox|left|right)(?![A-Za-z])|\\[,;:! _]|"
    r"[.,;:?!…_\-–—'\"`*#&|~$(){}\[\]<>\\]|[\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ufffd]"
)
_SPACING = re.compile(r"[\s~$\\]|\\text")
_PAIRS = re.compile(r"\(\)|\[\]|\{\}|<>")
_PLACEHOLDER_CHARS = 60
_PLACEHOLDER_WORDS = frozenset(
    {"a", "answer", "answers", "final", "goes", "here", "insert", "my", "put", "the", "value", "your", "tbd", "todo"}
)
_PLACEHOLDER_CORE = frozenset({"answer", "answers", "tbd", "todo"})
_NOT_APPLICABLE = re.compile(r"[^\w/]{0,8}n ?/ ?a[^\w/]{0,8}", re.IGNORECASE)
_WORDS = re.compile(r"\\?[^\W_]+")
_WRAPPERS = frozenset(f"\\{name}" for name in (*TEXT, *FONTS, *BOXES))


def is_blank(text: str) -> bool:
    r"""Whether a text holds no answer: empty, only spacing or punctuation, or a placeholder such as "your answer here".

    Args:
        text: an extracted answer, of any length; the work is linear in it.
    """
    if text[:1].isdigit():  # as most answers to mathematical problems are
        return False
    first = text[:_PLACEHOLDER_CHARS].partition(" ")[0]
    if len(first) > 1 and first.isalpha() and first.casefold() not in _PLACEHOLDER_WORDS:  # as most in words
        return False
    rest = _NOTHING.sub("", text)
    if not rest.strip():
        return _EMPTY_SET.search(text) is None and not _is_brackets(text)
    if len(rest) > _PLACEHOLDER_CHARS:
        return False
    if _NOT_APPLICABLE.fullmatch(text.strip()):
        return True
    words = [word for word in _WORDS.findall(text.casefold()) if word not in _WRAPPERS]
    return _PLACEHOLDER_WORDS.issuperset(words) and not _PLACEHOLDER_CORE.isdisjoint(words)


def _is_brackets(text: str) -> bool:
    """Whether a text is closing brackets or comparison signs, as `>` and `] ]`; not the empty `[ ]`, nor `[`."""
    signs = _SPACING.sub("", text[:_PLACEHOLDER_CHARS])
    while (shorter := _PAIRS.sub("", signs)) != signs:
        signs = shorter
    return bool(signs) and set(signs) <= set("<>)]}")


# All three are matched against at most REFUSAL_CHARS characters, in lower case and with straight apostrophes.
_OPENER = re.compile(
    r"(?:(?:unfortunately|well|hello|hi|however|thank you|as an? (?:ai|artificial intelligence|large"
    r"|language)\b[^.,;!]*)[.,;!:]? +)+"
)
_APOLOGY = re.compile(
    r"(?:(?:i am (?:so |very |really |truly |terribly )?)?sorry|i (?:sincerely )?apologi[sz]e"
    r"|(?:my )?apologies)(?P<rest>,? but |[,.!:;]? (?=(?:i|as an?)\b)|[^.;!]*[.;!] (?=i\b))"
)
_ANSWERS_AFTER_ALL = re.compile(r"answer (?:is|would be|=)|\\boxed")
_INABILITY = re.compile(
    r"i (?:(?:really|just|simply|also|still) )?(?:(?:(?:can ?not|can't|could ?not|couldn't|will not|won't)|(?:am"
    r"|was) (?:unable|not able|not allowed) to)(?: (?:really|possibly|directly|accurately|confidently"
    r"|reliably))?(?: (?:answer|assist|solve|provide|determine|comply|find|compute|calculate|complete|fulfill?|respond"
    r"|produce|derive|evaluate|access|discuss|continue|identify|verify|help (?:you|with))\b|[.!]?$)|(?:must"
    r"|have to) (?:respectfully )?decline\b|(?:do not|don't) (?:actually )?(?:know(?: (?:the|this|that|it)\b|[.!]*$)"
    r"|have (?:access|enough|the ability)\b))"
)
_LATEX_TEXT = re.compile(rf"{command(*TEXT, *FONTS, *BOXES)} ?\{{|\\[ ,;!]|~")


def is_refusal(text: str) -> bool:
    r"""Whether a text declines to answer, in English: "I cannot answer this", "I'm sorry, but ...", "I don't know".

    "No solution", "none", "cannot be determined", "there is not enough information" are answers, not refusals. So are a
    text of more than `REFUSAL_CHARS` characters, and a refusal that comes after something else.

    Args:
        text: an extracted answer, or a whole response.
    """
    if not len("I can't") <= len(text) <= REFUSAL_CHARS:
        return False
    plain = _LATEX_TEXT.sub(" ", text).replace("’", "'").casefold()
    plain = " ".join(plain.strip(" \t\r\n\"'`*_${}()[]").replace("i'm ", "i am ").split())
    opener = _OPENER.match(plain)
    plain = plain if opener is None else plain[opener.end() :]
    apology = _APOLOGY.match(plain)
    if apology is not None:
        rest = plain[apology.end() :]
        if apology["rest"].endswith("but "):
            return _ANSWERS_AFTER_ALL.search(rest) is None
        opener = _OPENER.match(rest)
        plain = rest if opener is None else rest[opener.end() :]
    return _INABILITY.match(plain) is not None

"""Answers copied from the prompt: EMPO's guard for free-form answers."""

from __future__ import annotations

import re
from collections import Counter

from empo_rewards.extraction.choice import choices_of

MIN_WORDS = 6
"""Shorter answers necessarily occur in many questions ("Which is larger, 7 or 9?"): they are never called copied."""

MAX_WORDS = 256
"""ROUGE-L is quadratic: only so many words of the answer's start and of the prompt's end are compared."""

TOLERANCE = 1e-9
"""The library's F-measure of 8 common words out of 10 and 10 is 0.8 but for rounding, which is not above 0.8."""

_WORD = re.compile(r"\w+")


class _Words:
    """The tokenizer for ROUGE: words of any script, where the library's own knows ASCII only."""

    def tokenize(self, text: str) -> list[str]:
        return _words(text)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def copied_from_prompt(answer: str, prompt: str, rouge_l: float = 0.8) -> bool:
    """Whether an answer repeats the question: as a run of its words, or with a ROUGE-L F-measure above `rouge_l`.

    The rule is that of EMPO's free-form reward (2504.05812). Two kinds of answers are never copied: those of fewer than
    `MIN_WORDS` words, and the text of a choice that the prompt lists.

    Args:
        answer: the extracted answer.
        prompt: the prompt's text.
        rouge_l: the threshold, in [0, 1].
    """
    words = _words(answer)
    if len(words) < MIN_WORDS:
        return False
    if words in [_words(choice) for choice in choices_of(prompt).values()]:
        return False
    question = _words(prompt)
    if f" {' '.join(words)} " in f" {' '.join(question)} ":
        return True
    head, tail = words[:MAX_WORDS], question[-MAX_WORDS:]
    # A common subsequence has no more words than the bags have in common: most answers are cleared without the table.
    shared = sum((Counter(head) & Counter(tail)).values())
    if 2 * shared <= rouge_l * (len(head) + len(tail)):
        return False
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415 - heavy (nltk), and seldom needed

    scorer = RougeScorer(["rougeL"], tokenizer=_Words())
    return bool(scorer.score(" ".join(tail), " ".join(head))["rougeL"].fmeasure > rouge_l + TOLERANCE)

"""Detection of answers copied from the prompt (EMPO's rule for free-form answers)."""

from __future__ import annotations

import re
from collections import Counter

from empo_rewards.extraction.choice import choices_of

MIN_WORDS = 6
"""Minimum length of a copied answer. Shorter answers occur in many questions ("Which is larger, 7 or 9?")."""

MAX_WORDS = 256
"""Maximum number of words compared by ROUGE-L, which is quadratic: of the answer's start, and of the prompt's end."""

TOLERANCE = 1e-9
"""Tolerance for rounding: the F-measure of 8 common words of 10 and 10 is 0.8, which must not count as above 0.8."""

_WORD = re.compile(r"\w+")


class _Words:
    """Tokenizer for ROUGE: words of any script; the library's own supports ASCII only."""

    def tokenize(self, text: str) -> list[str]:
        return _words(text)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def copied_from_prompt(answer: str, prompt: str, rouge_l: float = 0.8) -> bool:
    """Whether an answer repeats the question: as a run of its words, or with a ROUGE-L F-measure above `rouge_l`.

    The rule of EMPO's free-form reward (arXiv 2504.05812), with two exceptions: answers of fewer than `MIN_WORDS`
    words, and the text of a choice that the prompt lists, are never copied.

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
    # The multiset intersection bounds the common subsequence: most answers are decided without the quadratic table.
    shared = sum((Counter(head) & Counter(tail)).values())
    if 2 * shared <= rouge_l * (len(head) + len(tail)):
        return False
    from rouge_score.rouge_scorer import RougeScorer  # noqa: PLC0415 - heavy (nltk), and seldom needed

    scorer = RougeScorer(["rougeL"], tokenizer=_Words())
    return bool(scorer.score(" ".join(tail), " ".join(head))["rougeL"].fmeasure > rouge_l + TOLERANCE)

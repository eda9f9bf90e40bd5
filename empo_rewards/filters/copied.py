"""Detection of answers copied from the prompt, for free-form answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from empo_rewards.extraction.choice import choices_of

MIN_WORDS = 6
"""Minimum length of a copied answer. Shorter answers occur in many questions ("Which is larger, 7 or 9?")."""

MAX_WORDS = 256
"""Maximum number of words compared, of the answer's start and of the prompt's end: ROUGE-L costs their product."""

TOLERANCE = 1e-9
"""Tolerance for rounding: the F-measure of 8 common words of 10 and 10 is 0.8, which must not count as above 0.8."""

_WORD = re.compile(r"\w+")


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def copied_from_prompt(answer: str, prompt: str, rouge_l: float = 0.8) -> bool:
    """Whether an answer repeats the question: as a run of its words, or with a ROUGE-L F-measure above `rouge_l`.

    A variant of the guard in EMPO's free-form reward (arXiv 2504.05812), whose code uses ROUGE-L *precision* above 0.8
    or any substring. Two kinds of answers are never copied: those of fewer than `MIN_WORDS` words, and the text of a
    choice that the prompt lists.

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
    return 2 * common_subsequence(head, tail) > (rouge_l + TOLERANCE) * (len(head) + len(tail))


def copied_as_in_paper(answer: str, prompt: str, rouge_l: float = 0.8) -> bool:
    """EMPO's rule (rewards.py of its TRL code): a substring of the question, or ROUGE-L precision above `rouge_l`.

    Precision is the share of the answer's words that are in the longest common subsequence with the question. It also
    catches short right answers that the question mentions, as in "Which is larger, 7 or 9?".

    Args:
        answer: the extracted answer.
        prompt: the prompt's text.
        rouge_l: the threshold, in [0, 1].
    """
    if answer.lower() in prompt.lower():
        return True
    words = _words(answer)[:MAX_WORDS]
    if not words:
        return True  # ROUGE cannot be computed, which counts as copied there
    return common_subsequence(words, _words(prompt)[-MAX_WORDS:]) > (rouge_l + TOLERANCE) * len(words)


def common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence of two lists of words, by bit vectors.

    One big-integer step per word of `b` (Hyyrö, "Bit-parallel LCS-length computation revisited", AWOCA 2004).
    """
    places: dict[str, int] = {}
    for position, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << position
    full = (1 << len(a)) - 1
    unmatched = full  # bit i is 0 if a[i] ends a longer common subsequence than a[:i] has
    for word in b:
        matches = unmatched & places.get(word, 0)
        unmatched = ((unmatched + matches) | (unmatched - matches)) & full
    return len(a) - unmatched.bit_count()

"""Equal texts are equal answers: exactly, or after a cheap normal form."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Relation

_ARTICLES = frozenset({"a", "an", "the"})
_JOINERS = frozenset("-_")
_MARKS = frozenset(".,;:?!\"'`()[]{}*~")
_MEANT_AFTER_DIGIT = frozenset("-!*")  # 5! is not 5, and 1-x is not 1x


def normal_form(text: str) -> str:
    """Unicode-folded, lower case, without prose punctuation, articles and surplus space.

    SQuAD's normalisation, but for signs that carry meaning beside a digit: -5 is not 5, and 1.5 is not 15. A text that
    would vanish keeps its symbols: "?!" and "..." stay two answers.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = []
    for position, char in enumerate(folded):
        before_digit = folded[position + 1 : position + 2].isdigit()
        after_digit = position > 0 and folded[position - 1].isdigit() and char in _MEANT_AFTER_DIGIT
        if before_digit or after_digit or char not in _MARKS | _JOINERS:
            kept.append(char)
        elif char in _JOINERS:
            kept.append(" ")
    words = "".join(kept).split()
    return " ".join([word for word in words if word not in _ARTICLES] or words or folded.split())


@dataclass(frozen=True)
class ExactEquivalence(EquivalenceBackend):
    """Compares texts.

    Args:
        normalize: compare normal forms, where letter case, prose punctuation and articles do not matter.
    """

    normalize: bool = True

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation]:
        """Texts with the same normal form are equal; nothing is undecided."""
        return [self._relation(answers) for answers in sets]

    def _relation(self, answers: AnswerSet) -> Relation:
        first: dict[str, int] = {}
        equal = []
        for position, text in enumerate(answers.texts):
            key = normal_form(text) if self.normalize else text
            if first.setdefault(key, position) != position:
                equal.append((first[key], position))
        return Relation(tuple(equal))

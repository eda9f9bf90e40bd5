"""Equivalence by equality of texts, or of their normal forms."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Reason, Relation

_ARTICLES = frozenset({"a", "an", "the"})
_JOINERS = frozenset("-_")
_MARKS = frozenset(".,;:?!\"'`()[]{}*~")
_MEANT_AFTER_DIGIT = frozenset("-!*")  # 5! is not 5, and 1-x is not 1x


def normal_form(text: str) -> str:
    """Normal form: Unicode NFKC, case-folded, without prose punctuation, articles and surplus white space.

    SQuAD's normalisation, except that signs next to a digit are kept: -5 is not 5, and 1.5 is not 15. A text that would
    become empty keeps its symbols: "?!" and "..." remain different. A last word is kept as it is (hepatitis A).
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
    return " ".join([word for word in words[:-1] if word not in _ARTICLES] + words[-1:] or folded.split())


@dataclass(frozen=True)
class ExactEquivalence(EquivalenceBackend):
    """Compares texts for equality.

    Args:
        normalize: compare normal forms, which ignore case, prose punctuation and articles.
    """

    normalize: bool = True

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation]:
        """One relation per set: texts with the same normal form are equal; no pair is undecided."""
        return [self._relation(answers) for answers in sets]

    def why(self, answers: AnswerSet, i: int, j: int) -> Reason:
        """The forms that were compared."""
        forms = [normal_form(answers.texts[k]) if self.normalize else answers.texts[k] for k in (i, j)]
        return Reason("normal forms" if self.normalize else "texts", {"one": forms[0], "other": forms[1]})

    def _relation(self, answers: AnswerSet) -> Relation:
        first: dict[str, int] = {}
        equal = []
        for position, text in enumerate(answers.texts):
            key = normal_form(text) if self.normalize else text
            if first.setdefault(key, position) != position:
                equal.append((first[key], position))
        return Relation(tuple(equal))

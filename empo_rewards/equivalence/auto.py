"""Each answer by what it is: numbers and choices by mathematics, words by words, and only then a model of meaning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from itertools import product
from typing import Annotated

from empo_rewards.clustering import connected_components
from empo_rewards.equivalence.cache import LruCache
from empo_rewards.equivalence.exact import ExactEquivalence
from empo_rewards.equivalence.math import MathEquivalence, MathPolicy
from empo_rewards.equivalence.math.algebra import Value
from empo_rewards.equivalence.math.canonical import key_of
from empo_rewards.equivalence.math.numeric import has_symbols
from empo_rewards.equivalence.math.shapes import Opaque, Text
from empo_rewards.equivalence.words import SHORT, equal_by_words, words_of
from empo_rewards.per_process import PerProcess
from empo_rewards.protocols import AnswerSet, DefaultComponent, EquivalenceBackend, Relation

KINDS_SIZE = 16_384
"""Kinds of answers that are kept."""

MAX_CACHED_CHARS = 1_000
"""Longer texts are not kept: they hardly come twice."""

_CHOICE = re.compile(r"[(\[]?[A-Z][)\].:]{0,2}")
_FORMULA = re.compile(r"[\\^_=<>≤≥≠√∫∑∏±×÷→]")
_NAME = re.compile(r"(?<![\\\w])[^\W\d_]{2,}")
"""Letters that form a word, and are no command of LaTeX."""


class Kind(str, Enum):
    """What an answer is, as far as it decides how it is compared."""

    NUMBER = "number"
    """A number, a quantity, a formula, or a collection of them."""
    CHOICE = "choice"
    SHORT_TEXT = "short_text"
    LONG_TEXT = "long_text"


def kind_of(text: str) -> Kind:
    """The kind of an answer."""
    if _CHOICE.fullmatch(text.strip()):
        return Kind.CHOICE
    if _is_mathematics(text):
        return Kind.NUMBER
    return Kind.SHORT_TEXT if 0 < len(words_of(text)) <= SHORT else Kind.LONG_TEXT


def _is_mathematics(text: str) -> bool:
    """Whether its key is a value, and its letters are units or symbols rather than words."""
    shape = key_of(text, MathPolicy()).shape
    if isinstance(shape, Text):
        return False
    if isinstance(shape, Opaque):
        return _FORMULA.search(text) is not None
    return not _with_symbols(shape) or _NAME.search(text) is None


def _with_symbols(shape: object) -> bool:
    if isinstance(shape, Value):
        return has_symbols(shape)
    return isinstance(shape, (tuple, frozenset)) and any(map(_with_symbols, shape))


@dataclass
class _Work:
    """One set on its way through the stages."""

    answers: AnswerSet
    kinds: list[Kind]
    equal: list[tuple[int, int]]
    undecided: list[tuple[int, int]]
    metrics: dict[str, float]
    similarities: list[list[float]]
    failure: Exception | None = None

    def of_kind(self, *kinds: Kind) -> dict[int, int]:
        """The positions of the answers that are of one of these kinds, each with the first of those that equal it."""
        component = connected_components(len(self.kinds), self.equal)
        first: dict[int, int] = {}
        return {
            position: first.setdefault(component[position], position)
            for position, kind in enumerate(self.kinds)
            if kind in kinds
        }


class AutoEquivalence(EquivalenceBackend):
    """Compares each pair of answers by the cheapest means that can tell.

    Numbers, formulas and choices are compared by the keys of `equivalence: math`, and never by a model of meaning, to
    which 1936 is close to 1937. Texts with equal normal forms are equal, and words say which short answers give another
    answer and explain it (see `equivalence.words`). What is left goes to the semantic backend: one text of those that
    are equal so far.

    Args:
        semantic: the backend for answers in words (in a configuration: its name, or name and options; `embedding` where
            none is named). None: texts are compared by their words only.
        words: whether short answers are read word by word; if not, all of them are left to the semantic backend.
        symbolic: whether mathematics that the keys cannot decide goes to sympy; if not, it is undecided.
    """

    def __init__(
        self,
        semantic: Annotated[EquivalenceBackend | None, DefaultComponent("embedding")] = None,
        words: bool = True,
        symbolic: bool = False,
    ) -> None:
        self._exact = ExactEquivalence()
        self._math = MathEquivalence(symbolic=symbolic)
        self._words = words
        self._semantic = semantic
        self.gives_similarities = semantic is None or semantic.gives_similarities
        self._kinds: PerProcess[LruCache[str, Kind]] = PerProcess(partial(LruCache, KINDS_SIZE))

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation | Exception]:
        """Which answers of each set mean the same; an exception for a set that a stage could not compare."""
        works = [self._begin(answers) for answers in sets]
        self._stage(works, self._math.relate, (Kind.NUMBER, Kind.CHOICE))
        if self._semantic is not None:
            self._stage(works, self._semantic.relate, (Kind.SHORT_TEXT, Kind.LONG_TEXT))
        return [work.failure or _relation(work) for work in works]

    def close(self) -> None:
        """Ends what the stages started; `relate` starts it anew."""
        self._math.close()
        if self._semantic is not None:
            self._semantic.close()

    def _begin(self, answers: AnswerSet) -> _Work:
        """What needs no backend: equal normal forms and words; not of mathematics, where brackets and signs count."""
        kinds = [self._kind(text) for text in answers.texts]
        pairs = list(self._exact.relate([answers])[0].equal)
        if self._words:
            pairs += equal_by_words(answers.texts)
        mathematics = {Kind.NUMBER, Kind.CHOICE}
        equal = [(i, j) for i, j in pairs if not mathematics.issuperset((kinds[i], kinds[j]))]
        counts = Counter(kinds)
        metrics = {f"{kind.value}s": float(counts[kind]) for kind in Kind}
        rows = [[0.0] * len(kinds) for _ in kinds] if answers.similarities else []
        return _Work(answers, kinds, equal, [], metrics, rows)

    def _kind(self, text: str) -> Kind:
        kind = self._kinds.get().get(text)
        if kind is None:
            kind = kind_of(text)
            if len(text) <= MAX_CACHED_CHARS:
                self._kinds.get().put(text, kind)
        return kind

    @staticmethod
    def _stage(
        works: Sequence[_Work],
        relate: Callable[[Sequence[AnswerSet]], Sequence[Relation | Exception]],
        kinds: tuple[Kind, ...],
    ) -> None:
        """Lets a backend compare the answers of these kinds, one of those that are known to be equal."""
        asked = []
        for work in works:
            standing_for = work.of_kind(*kinds)
            places = sorted(set(standing_for.values()))
            if len(places) > 1 and work.failure is None:
                asked.append((work, standing_for, places))
        semantic = Kind.LONG_TEXT in kinds
        sets = [
            replace(
                work.answers,
                texts=tuple(work.answers.texts[place] for place in places),
                similarities=work.answers.similarities and semantic,
            )
            for work, _, places in asked
        ]
        relations = relate(sets) if sets else []
        for (work, standing_for, places), relation in zip(asked, relations, strict=True):
            if isinstance(relation, Exception):
                work.failure = relation
                continue
            work.equal += [(places[a], places[b]) for a, b in relation.equal]
            work.undecided += [(places[a], places[b]) for a, b in relation.undecided]
            work.metrics.update(relation.metrics)
            if relation.similarities is not None:
                row = {place: k for k, place in enumerate(places)}
                for i, j in product(standing_for, repeat=2):
                    work.similarities[i][j] = relation.similarities[row[standing_for[i]]][row[standing_for[j]]]


def _relation(work: _Work) -> Relation:
    similarities = None
    if work.answers.similarities:
        component = connected_components(len(work.kinds), work.equal)
        similarities = [
            [1.0 if component[i] == component[j] else value for j, value in enumerate(row)]
            for i, row in enumerate(work.similarities)
        ]
    return Relation(tuple(work.equal), tuple(work.undecided), work.metrics, similarities)

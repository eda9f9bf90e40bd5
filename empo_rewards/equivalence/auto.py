"""The backend `auto`: compares each answer by its kind; a semantic backend decides the pairs left open."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from typing import Annotated

from empo_rewards.clustering import connected_components
from empo_rewards.equivalence.exact import ExactEquivalence
from empo_rewards.equivalence.kinds import MATH, MATHEMATICS, Kind, Kinded, cut_off, is_code, is_formula, kind_of
from empo_rewards.equivalence.words import relate_words
from empo_rewards.equivalence.words.reading import MAX_CHARS
from empo_rewards.extraction.choice import choices_of
from empo_rewards.protocols import AnswerSet, DefaultComponent, EquivalenceBackend, Reason, Relation
from empo_rewards.relations import relate

FOUND = 0.5
"""The strength of what a model found: whatever words or mathematics say is stronger."""

Pair = tuple[int, int]


@dataclass
class _Work:
    """One set on its way through the stages; pairs (i, j), i < j, are positions in its texts."""

    answers: AnswerSet
    kinds: Sequence[Kinded]
    equal: dict[Pair, float] = field(default_factory=dict)
    """With the strength of each."""
    different: set[Pair] = field(default_factory=set)
    other: set[Pair] = field(default_factory=set)
    """Different unless a model finds otherwise."""
    undecided: list[Pair] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    similarities: list[list[float]] | None = None
    failure: Exception | None = None

    def representatives(self) -> dict[int, list[int]]:
        """One position for each class of surely equal answers in words, with the positions of the class."""
        component = connected_components(len(self.kinds), [pair for pair, sure in self.equal.items() if sure == 1])
        members: dict[int, list[int]] = defaultdict(list)
        for position, (kind, _) in enumerate(self.kinds):
            if kind not in MATHEMATICS and not cut_off(self.answers.texts[position]):
                members[component[position]].append(position)
        return {alike[0]: alike for alike in members.values()}

    def question(self, stands: Collection[int]) -> AnswerSet:
        """The answer set for the semantic backend: these texts, with the pairs that are settled."""
        texts = tuple(self.answers.texts[position] for position in stands)
        pairs = zip(combinations(range(len(texts)), 2), combinations(stands, 2), strict=True)
        settled = frozenset(pair for pair, positions in pairs if positions in self.different or positions in self.equal)
        return replace(self.answers, texts=texts, settled=settled)

    def take(self, relation: Relation, stands: Mapping[int, list[int]]) -> None:
        """Add the semantic backend's relation; pairs that words settled stay as they are."""
        places = list(stands)
        for a, b in relation.equal:
            pair = (places[a], places[b])
            if pair not in self.different:
                self.equal.setdefault(pair, FOUND * relation.strengths.get((a, b), 1.0))
        component = connected_components(len(places), relation.equal)
        for a, b in combinations(range(len(places)), 2):
            if component[a] == component[b]:
                self.other.difference_update(map(_pair, product(stands[places[a]], stands[places[b]])))
        self.different.update({(places[a], places[b]) for a, b in relation.different} - self.equal.keys())
        self.undecided += [(places[a], places[b]) for a, b in relation.undecided]
        self.metrics.update(relation.metrics)
        if self.similarities is not None and relation.similarities is not None:
            row = {position: k for k, alike in enumerate(stands.values()) for position in alike}
            for i, j in product(row, repeat=2):
                self.similarities[i][j] = relation.similarities[row[i]][row[j]]

    def relation(self) -> Relation:
        """The relation of all stages together."""
        texts = len(self.kinds)
        different = (self.different | self.other) - self.equal.keys()
        weaker = {pair: strength for pair, strength in self.equal.items() if strength < 1}
        rows = self.similarities
        if rows is not None:
            component = connected_components(texts, self.equal)
            rows = [[1.0 if component[i] == component[j] else rows[i][j] for j in range(texts)] for i in range(texts)]
        return Relation(
            tuple(sorted(self.equal)), tuple(self.undecided), self.metrics, rows, tuple(sorted(different)), weaker
        )


def _pair(positions: tuple[int, int]) -> Pair:
    i, j = positions
    return (i, j) if i < j else (j, i)


class AutoEquivalence(EquivalenceBackend):
    """Compares each pair of answers by the cheapest means that decides it.

    Numbers, formulas and choices are compared by `equivalence: math`, and never by a model of meaning, to which 1936 is
    close to 1937: what mathematics leaves undecided is different. Of answers in words, words say which are the same and
    which are not (see `equivalence.words`). The pairs that are left open go to the semantic backend, those of all
    groups at once: one text of those that are surely the same.

    Args:
        semantic: the backend for answers in words (in a configuration: its name, or name and options; `embedding` where
            none is named). None: texts are compared by their words only.
        words: whether answers are read word by word; if not, all of them are left to the semantic backend.
    """

    def __init__(
        self,
        semantic: Annotated[EquivalenceBackend | None, DefaultComponent("embedding")] = None,
        words: bool = True,
    ) -> None:
        self._exact = ExactEquivalence()
        self._math = MATH
        self._words = words
        self._semantic = semantic
        self.gives_similarities = semantic is None or semantic.gives_similarities
        self.asks_a_model = semantic is not None and semantic.asks_a_model

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation | Exception]:
        """Which answers of each set mean the same; an exception for a set that a stage could not compare."""
        works = [self._begin(answers) for answers in sets]
        self._mathematics(works)
        for work in works:
            self._by_words(work)
        if self._semantic is not None:
            self._meaning(works, self._semantic)
        return [work.failure or work.relation() for work in works]

    def why(self, answers: AnswerSet, i: int, j: int) -> Reason:
        """The kinds of the two answers, and the reason of the stage that decided: mathematics, words or the model."""
        work = self._begin(answers)
        kinds: dict[str, str | float] = {"one is": work.kinds[i].kind.value, "other is": work.kinds[j].kind.value}
        forms = work.kinds[i].form, work.kinds[j].form
        self._by_words(work)
        pair = _pair((i, j))
        if forms[0] is not None and forms[1] is not None and pair not in work.equal:
            reason = self._math.why(AnswerSet((forms[0], forms[1]), answers.prompt), 0, 1)
            return Reason(reason.rule, {**kinds, **reason.facts})
        if pair in work.equal:
            return Reason("the same by their words", {**kinds, "strength": work.equal[pair]})
        if pair in work.different:
            return Reason("different by their words", kinds)
        stands = work.representatives()
        place = {position: k for k, alike in enumerate(stands.values()) for position in alike}
        if self._semantic is None or i not in place or j not in place:
            return Reason("not the same by their words, and no model is asked", kinds)
        reason = self._semantic.why(work.question(stands), place[i], place[j])
        return Reason(reason.rule, {**kinds, **reason.facts}, reason.equal)

    def close(self) -> None:
        """Close the semantic backend; `relate` starts it anew."""
        if self._semantic is not None:
            self._semantic.close()

    @staticmethod
    def _begin(answers: AnswerSet) -> _Work:
        choices = choices_of(answers.prompt)
        kinds = [kind_of(text, choices) for text in answers.texts]
        counts = Counter(kinded.kind for kinded in kinds)
        rows = [[float(i == j) for j in range(len(kinds))] for i in range(len(kinds))] if answers.similarities else None
        metrics = {f"{kind.value}s": float(counts[kind]) for kind in Kind}
        return _Work(answers, kinds, metrics=metrics, similarities=rows)

    def _mathematics(self, works: Sequence[_Work]) -> None:
        """Compare numbers, formulas and choices by mathematics; what it leaves undecided is different."""
        forms = [list(dict.fromkeys(form for _, form in work.kinds if form is not None)) for work in works]
        asked = [(work, texts) for work, texts in zip(works, forms, strict=True) if texts]
        relations = self._math.relate([AnswerSet(tuple(texts), work.answers.prompt) for work, texts in asked])
        for (work, texts), relation in zip(asked, relations, strict=True):
            if isinstance(relation, Exception):
                work.failure = relation
                continue
            place = {text: k for k, text in enumerate(texts)}
            component = connected_components(len(texts), relation.equal)
            at = [(i, place[form]) for i, (_, form) in enumerate(work.kinds) if form is not None]
            unknown = set(relation.undecided)
            for (i, a), (j, b) in combinations(at, 2):
                if component[a] == component[b]:
                    work.equal[i, j] = 1.0
                else:
                    work.different.add((i, j))
                    if (min(a, b), max(a, b)) in unknown:
                        work.undecided.append((i, j))
            work.metrics.update(relation.metrics)

    def _by_words(self, work: _Work) -> None:
        """Compare answers in words by their words, including words beside a number; formulas are not read."""
        blind = [form is not None and is_formula(form) and not is_code(form) for _, form in work.kinds]

        decided = {position for position, (kind, _) in enumerate(work.kinds) if kind in MATHEMATICS}

        def seen(pairs: Iterable[Pair]) -> Iterable[Pair]:
            if not decided:
                return pairs
            return [(i, j) for i, j in pairs if not ((i in decided and j in decided) or blind[i] or blind[j])]

        if not self._words or any(len(text) > MAX_CHARS for text in work.answers.texts):
            for pair in seen(self._exact.relate([work.answers])[0].equal):
                work.equal[pair] = 1.0
        if self._words:
            said = relate_words(work.answers.texts, work.answers.prompt, decided)
            for pair in seen(said.same):
                work.equal[pair] = max(said.same[pair], work.equal.get(pair, 0))
            work.different.update(seen(said.different))
            work.other.update(seen(said.other))

    @staticmethod
    def _meaning(works: Sequence[_Work], semantic: EquivalenceBackend) -> None:
        """Have the semantic backend compare the open pairs of answers in words."""
        asked, sets = [], []
        for work in works:
            stands = work.representatives()
            question = work.question(stands)
            every = len(stands) * (len(stands) - 1) // 2
            if work.failure is None and (len(question.settled) < every or (question.similarities and every)):
                asked.append((work, stands))
                sets.append(question)
        relations = relate(semantic, sets)
        for (work, stands), relation in zip(asked, relations, strict=True):
            if isinstance(relation, Exception):
                work.failure = relation
            else:
                work.take(relation, stands)

"""The relation engine: which pairs of texts a backend must compare, asked for all groups at once.

A backend that compares two texts at a time (an entailment model, a judge) says how, as a `Compare`; which pairs, and in
which order, is the same for all of them and stands here. Round by round, the first text of a group that has no cluster
yet (in canonical order) is compared with the group's other texts that have none, and those that mean the same join it.
Pairs that the caller has settled are not compared.
A group of D distinct texts and K clusters takes at most D·K comparisons, where all pairs would be D(D-1)/2. All groups
of a call go through a round together, and a pair that several of them share is asked once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Protocol

from empo_rewards.equivalence.exact import normal_form
from empo_rewards.errors import EquivalenceError
from empo_rewards.protocols import AnswerSet, Reason, Relation


@dataclass(frozen=True, order=True)
class Pair:
    """Two texts to compare.

    Args:
        left, right: the texts, left < right: a pair has one form, whichever of the two came first.
        prompt: the prompt's text where the backend compares in its context, else empty.
    """

    left: str
    right: str
    prompt: str = ""


@dataclass(frozen=True)
class PairVerdict:
    """What a backend found out about a pair.

    Args:
        equal: whether the texts mean the same.
        similarity: how alike they are, in [0, 1]; None where the backend cannot tell.
        truncated: how many inputs of the model were cut to fit.
        cost: the work done, by name (model evaluations, tokens). It is counted when the pair is compared, and no more
            when the verdict comes from a cache.
    """

    equal: bool
    similarity: float | None = None
    truncated: int = 0
    cost: Mapping[str, float] = field(default_factory=dict)


Compare = Callable[[Sequence[Pair]], Sequence["bool | PairVerdict | Exception"]]
"""Compares a whole round, sorted by length. An exception in a pair's place: it could not be compared."""


class Memory(Protocol):
    """A cache of verdicts. Whether a verdict is found in it changes what is asked, and nothing else."""

    def get_many(self, pairs: Sequence[Pair]) -> Mapping[Pair, PairVerdict]:
        """The verdicts that are known."""
        ...

    def put_many(self, verdicts: Mapping[Pair, PairVerdict]) -> None:
        """Keeps verdicts."""
        ...


@dataclass
class _PairWork:
    """One set on its way through the rounds; texts are positions in `texts`."""

    texts: tuple[str, ...]
    prompt: str
    similarities: bool
    settled: frozenset[tuple[int, int]]
    classes: list[list[int]]
    """Positions with the same normal form, in canonical order; the first stands for the others."""
    open: list[int]
    """The classes without a cluster, in canonical order."""
    joined: list[tuple[int, int]] = field(default_factory=list)
    """Pairs of classes that mean the same."""
    pairs: set[Pair] = field(default_factory=set)
    remembered: int = 0
    cost: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    failure: Exception | None = None

    def left(self, pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """The pairs of classes that are not settled."""
        return [(a, b) for a, b in pairs if self._first_two(a, b) not in self.settled]

    def all_pairs(self) -> list[tuple[int, int]]:
        """All pairs of classes; where similarities are asked for, the settled ones too."""
        pairs = combinations(range(len(self.classes)), 2)
        return list(pairs) if self.similarities else self.left(pairs)

    def _first_two(self, a: int, b: int) -> tuple[int, int]:
        i, j = self.classes[a][0], self.classes[b][0]
        return (i, j) if i < j else (j, i)

    def pair(self, a: int, b: int) -> Pair:
        """The pair of two classes."""
        left, right = sorted((self.texts[self.classes[a][0]], self.texts[self.classes[b][0]]))
        return Pair(left, right, self.prompt)


def asked_pair(answers: AnswerSet, i: int, j: int, *, in_context: bool) -> Pair | Reason:
    """The pair that the rounds compare for two texts of a set, or the reason why they compare none."""
    forms = [normal_form(text) for text in answers.texts]
    a, b = sorted(forms.index(forms[k]) for k in (i, j))
    if a == b:
        return Reason("normal forms", {"both": forms[i]}, True)
    if (a, b) in answers.settled:
        return Reason("settled before the model was asked")
    left, right = sorted((answers.texts[a], answers.texts[b]))
    return Pair(left, right, answers.prompt if in_context else "")


def relate_in_rounds(
    sets: Sequence[AnswerSet],
    compare: Compare,
    *,
    memory: Memory | None = None,
    complete: bool = False,
    in_context: bool = False,
) -> list[Relation | Exception]:
    """The relation of each set, or the exception that kept one of its pairs from being compared.

    Texts with the same normal form are equal, and not compared. The relation is symmetric, and depends neither on the
    order of the sets nor on what `memory` holds.

    Args:
        sets: the distinct answers of each group; where `similarities` are asked for, all of its pairs are compared.
        compare: compares the pairs of a round. What it raises is raised.
        memory: verdicts of earlier calls.
        complete: compare all pairs, so that clusters are the connected components of the whole relation; else those
            of the rounds, where a text is compared with representatives.
        in_context: compare in the context of the prompt.

    Returns:
        One relation a set. Metrics: `distinct_texts` (normal forms), `comparisons`, how many of them were `cache_hits`
        (known from the memory or an earlier round), `truncated_inputs`, and the sums of the verdicts' costs. The cost
        of a pair that several groups share is divided among them, so that the sum over groups is the work done.
    """
    works = [_work(answers, in_context) for answers in sets]
    known: dict[Pair, PairVerdict | Exception] = {}
    whole = [work for work in works if complete or work.similarities]
    _learn([(work, work.all_pairs()) for work in whole], known, compare, memory)
    if complete:
        for work in works:
            _join(work, work.left(work.all_pairs()), known)
        return [work.failure or _relation(work, known) for work in works]
    while under_way := [work for work in works if len(work.open) > 1 and work.failure is None]:
        asked = [(work, work.left((work.open[0], other) for other in work.open[1:])) for work in under_way]
        _learn(asked, known, compare, memory)
        for work, pairs in asked:
            _join(work, pairs, known)
            taken = {b for _, b in work.joined}
            work.open = [place for place in work.open[1:] if place not in taken]
    return [work.failure or _relation(work, known) for work in works]


def _work(answers: AnswerSet, in_context: bool) -> _PairWork:
    classes: dict[str, list[int]] = defaultdict(list)
    for position, text in enumerate(answers.texts):
        classes[normal_form(text)].append(position)
    prompt = answers.prompt if in_context else ""
    ranks = list(range(len(classes)))
    return _PairWork(answers.texts, prompt, answers.similarities, answers.settled, list(classes.values()), ranks)


def _learn(
    asked: Sequence[tuple[_PairWork, Iterable[tuple[int, int]]]],
    known: dict[Pair, PairVerdict | Exception],
    compare: Compare,
    memory: Memory | None,
) -> None:
    """Fills in what is known of the pairs (of classes) that the sets ask about, each pair once."""
    askers: dict[Pair, list[_PairWork]] = defaultdict(list)
    for work, places in asked:
        for pair in (work.pair(a, b) for a, b in places):
            if pair not in work.pairs:
                work.pairs.add(pair)
                askers[pair].append(work)
    new = sorted(askers.keys() - known.keys(), key=lambda pair: (len(pair.left) + len(pair.right), pair))
    if memory is not None and new:
        known.update(memory.get_many(new))
    for pair, works in askers.items():
        if pair in known:
            for work in works:
                work.remembered += 1
    new = [pair for pair in new if pair not in known]
    if new:
        found = _ask(new, compare, memory)
        known.update(found)
        _share_costs(found, askers)
    for pair, works in askers.items():
        if isinstance(failure := known[pair], Exception):
            for work in works:
                work.failure = work.failure or failure


def _ask(pairs: Sequence[Pair], compare: Compare, memory: Memory | None) -> dict[Pair, PairVerdict | Exception]:
    found = {
        pair: PairVerdict(verdict) if isinstance(verdict, bool) else verdict
        for pair, verdict in zip(pairs, compare(pairs), strict=True)
    }
    verdicts = {pair: verdict for pair, verdict in found.items() if isinstance(verdict, PairVerdict)}
    if memory is not None and verdicts:
        memory.put_many(verdicts)
    return found


def _share_costs(found: Mapping[Pair, PairVerdict | Exception], askers: Mapping[Pair, Sequence[_PairWork]]) -> None:
    """Divides the cost of each pair among the sets that asked for it."""
    for pair, verdict in found.items():
        if isinstance(verdict, PairVerdict):
            for work, (name, amount) in product(askers[pair], verdict.cost.items()):
                work.cost[name] += amount / len(askers[pair])


def _join(work: _PairWork, places: Iterable[tuple[int, int]], known: Mapping[Pair, PairVerdict | Exception]) -> None:
    """Joins the pairs of classes that are equal."""
    for a, b in places:
        verdict = known[work.pair(a, b)]
        if isinstance(verdict, PairVerdict) and verdict.equal:
            work.joined.append((a, b))


def _relation(work: _PairWork, known: Mapping[Pair, PairVerdict | Exception]) -> Relation:
    equal = [(same[0], other) for same in work.classes for other in same[1:]]
    equal += [(work.classes[a][0], work.classes[b][0]) for a, b in work.joined]
    verdicts = [verdict for pair in work.pairs if isinstance(verdict := known[pair], PairVerdict)]
    metrics = {
        "distinct_texts": float(len(work.classes)),
        "comparisons": float(len(work.pairs)),
        "cache_hits": float(work.remembered),
        "truncated_inputs": float(sum(verdict.truncated for verdict in verdicts)),
        **work.cost,
    }
    return Relation(tuple(equal), metrics=metrics, similarities=_matrix(work, known) if work.similarities else None)


def _matrix(work: _PairWork, known: Mapping[Pair, PairVerdict | Exception]) -> list[list[float]]:
    """The similarities of all texts; those with one normal form are the same."""
    class_of = {position: place for place, same in enumerate(work.classes) for position in same}

    def similarity(i: int, j: int) -> float:
        if class_of[i] == class_of[j]:
            return 1.0
        verdict = known[work.pair(class_of[i], class_of[j])]
        if not isinstance(verdict, PairVerdict) or verdict.similarity is None:
            raise EquivalenceError("the backend was asked for similarities and gave a verdict without one")
        return verdict.similarity

    size = range(len(work.texts))
    return [[similarity(i, j) for j in size] for i in size]

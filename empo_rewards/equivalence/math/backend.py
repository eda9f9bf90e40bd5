"""The backend: keys decide what they can, and one call of the symbolic pool a batch the rest."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Protocol

from empo_rewards.equivalence.cache import LruCache
from empo_rewards.equivalence.math.canonical import key_of
from empo_rewards.equivalence.math.keys import Key, UnionFind, compatible, join_readings, resolve_facets
from empo_rewards.equivalence.math.policy import MathPolicy, Percent, Units
from empo_rewards.equivalence.math.shapes import Shape, compare, exact
from empo_rewards.equivalence.math.worker import SymbolicPool, SymbolicTask, Verdict
from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Relation

KEY_CACHE = 16_384
"""Parsed answers that are kept: the distinct answers of a few thousand groups, some 30 MB."""

PAIR_CACHE = 65_536
"""Verdicts of the symbolic stage that are kept."""

MAX_CACHED_CHARS = 1_000
"""Longer texts are not kept: they hardly come twice, and would make the caches large."""

MAX_SYMBOLIC_PAIRS = 120
"""Undecided pairs of one set that are asked about (all pairs of 16 answers); the rest stay undecided."""


class Pool(Protocol):
    """What the backend needs of the symbolic stage."""

    def decide(self, tasks: Sequence[SymbolicTask]) -> list[list[Verdict]]:
        """A verdict for each pair of each task."""
        ...

    def close(self) -> None:
        """Ends the workers."""
        ...


@dataclass
class _Caches:
    """What this process has learned; a forked child begins anew, so that no lock is inherited in a bad state."""

    pid: int = field(default_factory=os.getpid)
    keys: LruCache[tuple[str, str], Key] = field(default_factory=lambda: LruCache(KEY_CACHE))
    verdicts: LruCache[tuple[str, str], Verdict] = field(default_factory=lambda: LruCache(PAIR_CACHE))


@dataclass
class _Work:
    """One set on its way through the stages."""

    keys: list[Key]
    classes: UnionFind
    pairs: list[tuple[int, int]]
    """Pairs of positions whose keys do not tell."""
    by_key: int = 0
    symbolic: int = 0
    probed: int = 0
    killed: int = 0
    undecided: list[tuple[int, int]] = field(default_factory=list)


class MathEquivalence(EquivalenceBackend):
    """Mathematical equivalence; see `docs` for what is equal to what.

    Args:
        percent: what 50% is: "fraction" (0.5), "number" (50), "either", or "asked" (50 where the prompt asks for a
            percentage, else 0.5).
        decimal_tolerance: the relative difference that two real answers may have, where one has a decimal point.
            None: none.
        units: "ignore_when_bare" (5 equals 5 cm unless the set also holds 5 in another unit), "strict" or "ignore".
        ordered_is_set: whether (1, 2) and {1, 2} are the same.
        symbolic: whether what the keys cannot decide goes to sympy; if not, it stays undecided.
        deadline: seconds of wall time for one symbolic comparison; past it the pair is undecided.
        memory_mb: address space of a symbolic worker, in MiB.
        workers: symbolic workers.

    The relation is symmetric and reflexive by construction: equal texts have one key, and each pair is compared in the
    order of its texts. Safe to share between threads; a copy (pickled, forked) has caches and workers of its own.
    """

    def __init__(
        self,
        percent: Percent = "asked",
        decimal_tolerance: float | None = None,
        units: Units = "ignore_when_bare",
        ordered_is_set: bool = False,
        symbolic: bool = True,
        deadline: float = 1.0,
        memory_mb: int = 512,
        workers: int = 1,
    ) -> None:
        self.policy = MathPolicy(percent, decimal_tolerance, units, ordered_is_set)
        self._plain = self.policy.for_prompt("")
        self._options = (symbolic, deadline, memory_mb, workers)
        self._pool: Pool | None = (
            SymbolicPool(deadline=deadline, memory_bytes=memory_mb * 2**20, workers=workers) if symbolic else None
        )
        self._caches = _Caches()

    def __reduce__(self) -> tuple[type[MathEquivalence], tuple[object, ...]]:
        policy = self.policy
        return MathEquivalence, (
            policy.percent,
            policy.decimal_tolerance,
            policy.units,
            policy.ordered_is_set,
            *self._options,
        )

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation]:
        """Which answers of each set are the same.

        Raises:
            EquivalenceError: the symbolic stage cannot be started.
        """
        caches = self._own_caches()
        keyed = [self._keys(answers, caches) for answers in sets]
        relations = [self._at_sight(keys) for keys in keyed]
        work = [self._by_keys(keys) for keys, relation in zip(keyed, relations, strict=True) if relation is None]
        self._by_pool(work, caches)
        rest = iter(work)
        return [self._relation(next(rest)) if relation is None else relation for relation in relations]

    def close(self) -> None:
        """Ends the symbolic workers; `relate` starts them anew."""
        if self._pool is not None:
            self._pool.close()

    def _own_caches(self) -> _Caches:
        if self._caches.pid != os.getpid():
            self._caches = _Caches()
        return self._caches

    def _keys(self, answers: AnswerSet, caches: _Caches) -> list[Key]:
        if len(answers.texts) > 1 and any(_speaks_of_percent(text) for text in answers.texts):
            policy = self.policy.for_prompt(answers.prompt)
        else:
            policy = self._plain
        return [self._key(text, policy, caches) for text in answers.texts]

    @staticmethod
    def _key(text: str, policy: MathPolicy, caches: _Caches) -> Key:
        place = (text, policy.percent)
        key = caches.keys.get(place)
        if key is None:
            key = key_of(text, policy)
            if len(text) <= MAX_CACHED_CHARS:
                caches.keys.put(place, key)
        return key

    def _at_sight(self, keys: Sequence[Key]) -> Relation | None:
        """The relation of bare exact answers, as most sets hold nothing else: equal shapes are equal, and that is all.

        None for any other set. It says nothing that the longer way does not.
        """
        first: dict[Shape, int] = {}
        equal: list[tuple[int, int]] = []
        for position, key in enumerate(keys):
            if len(keys) > 1 and (key.facets or key.readings or not exact(key.shape)):
                return None
            if key.decimal and self.policy.decimal_tolerance is not None:
                return None
            if (earlier := first.setdefault(key.shape, position)) != position:
                equal.append((earlier, position))
        return Relation(tuple(equal), (), _metrics(len(equal) + len(first) * (len(first) - 1) // 2))

    def _by_keys(self, keys: list[Key]) -> _Work:
        """Joins equal shapes and lists the pairs of shapes that the keys cannot tell apart."""
        work = _Work(keys, UnionFind(len(keys)), [])
        positions: dict[Shape, list[int]] = defaultdict(list)
        for position, key in enumerate(keys):
            positions[key.shape].append(position)
        for same in positions.values():
            for other in same[1:]:
                work.classes.union(same[0], other)
        work.by_key = len(keys) - len(positions)
        # The member whose text comes first stands for its shape: the same one in whatever order the texts come.
        members = [min(same, key=lambda p: (len(keys[p].text), keys[p].text)) for same in positions.values()]
        members.sort(key=lambda p: (len(keys[p].text), keys[p].text))
        certain = {p: exact(keys[p].shape) for p in members}
        tolerance = self.policy.decimal_tolerance
        for a, b in combinations(members, 2):
            allowed = tolerance if keys[a].decimal or keys[b].decimal else None
            verdict = False if certain[a] and certain[b] and allowed is None else None
            if verdict is None:
                verdict = compare(keys[a].shape, keys[b].shape, allowed)
            work.by_key += verdict is not None
            if verdict:
                work.classes.union(a, b)
            elif verdict is None:
                work.pairs.append((a, b))
        return work

    def _by_pool(self, work: Sequence[_Work], caches: _Caches) -> None:
        """Asks the symbolic stage about what is open, once for all sets."""
        questions: list[tuple[_Work, list[tuple[int, int]]]] = []
        for item in work:
            asked: list[tuple[int, int]] = []
            for a, b in item.pairs:
                if item.classes.find(a) == item.classes.find(b) or not self._worth_asking(item, a, b):
                    continue
                known = caches.verdicts.get((item.keys[a].text, item.keys[b].text))
                if known is not None:
                    self._settle(item, a, b, known)
                elif self._pool is None or len(asked) >= MAX_SYMBOLIC_PAIRS:
                    item.undecided.append((a, b))
                else:
                    asked.append((a, b))
            if asked:
                questions.append((item, asked))
        if not questions or self._pool is None:
            return
        tasks = [_task(item, asked) for item, asked in questions]
        for (item, asked), verdicts in zip(questions, self._pool.decide(tasks), strict=True):
            for (a, b), verdict in zip(asked, verdicts, strict=True):
                texts = item.keys[a].text, item.keys[b].text
                if len(texts[0]) + len(texts[1]) <= MAX_CACHED_CHARS:
                    caches.verdicts.put(texts, verdict)
                self._settle(item, a, b, verdict)

    @staticmethod
    def _worth_asking(item: _Work, a: int, b: int) -> bool:
        """Whether some answers of the two classes could be the same in spite of what decorates them."""
        left = [key for key in item.keys if key.shape == item.keys[a].shape]
        right = [key for key in item.keys if key.shape == item.keys[b].shape]
        return any(compatible(x, y) for x in left for y in right)

    @staticmethod
    def _settle(item: _Work, a: int, b: int, verdict: Verdict) -> None:
        item.symbolic += 1
        item.probed += verdict.probed
        item.killed += verdict.killed
        if verdict.equal:
            item.classes.union(a, b)
        elif verdict.equal is None:
            item.undecided.append((a, b))

    def _relation(self, item: _Work) -> Relation:
        keys = join_readings(item.keys, item.classes)
        classes: dict[int, list[int]] = defaultdict(list)
        for position in range(len(keys)):
            classes[item.classes.find(position)].append(position)
        equal: list[tuple[int, int]] = []
        for members in classes.values():
            first: dict[object, int] = {}
            for position, facets in zip(members, resolve_facets([keys[p] for p in members], self.policy), strict=True):
                if first.setdefault(facets, position) != position:
                    equal.append((first[facets], position))
        undecided = [(min(a, b), max(a, b)) for a, b in item.undecided if item.classes.find(a) != item.classes.find(b)]
        metrics = _metrics(item.by_key, item.symbolic, item.probed, len(undecided), item.killed)
        return Relation(tuple(equal), tuple(undecided), metrics)


def _speaks_of_percent(text: str) -> bool:
    return "%" in text or "％" in text or "pct" in text or "ercent" in text or "er cent" in text


def _metrics(by_key: int, symbolic: int = 0, probed: int = 0, undecided: int = 0, killed: int = 0) -> dict[str, float]:
    return {
        "pairs_by_key": float(by_key),
        "pairs_symbolic": float(symbolic),
        "pairs_probed": float(probed),
        "pairs_undecided": float(undecided),
        "kills": float(killed),
    }


def _task(item: _Work, pairs: list[tuple[int, int]]) -> SymbolicTask:
    """The texts that occur in the pairs, each once, in the order of the texts: so that i < j everywhere."""
    members = sorted({p for pair in pairs for p in pair}, key=lambda p: (len(item.keys[p].text), item.keys[p].text))
    place = {member: k for k, member in enumerate(members)}
    return SymbolicTask(tuple(item.keys[p].text for p in members), tuple((place[a], place[b]) for a, b in pairs))

"""The backend: answers are read once, and compared in canonical order within the budget of their group."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from typing import ParamSpec, TypeVar

from empo_rewards.clustering import UnionFind
from empo_rewards.equivalence.cache import LruCache
from empo_rewards.equivalence.math.algebra import Budget, TooLarge
from empo_rewards.equivalence.math.canonical import key_of
from empo_rewards.equivalence.math.keys import Key, equal_groups, footprint, in_one_case, settle
from empo_rewards.equivalence.math.limits import CACHE_BYTES, MAX_CACHED_CHARS, MAX_GROUP_WORK, MAX_SHOWN_FORM
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.equivalence.math.refine import Judge
from empo_rewards.equivalence.math.shapes import Opaque, Shape, compare, exact, outline
from empo_rewards.per_process import PerProcess
from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Reason, Relation
from empo_rewards.turns import checkpoint

_PERCENT = re.compile("[%％]|pct|er ?cent")

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)


class MathEquivalence(MathPolicy, EquivalenceBackend):
    """Mathematical equivalence; see `docs` for what is equal to what.

    The arguments are the choices of `MathPolicy`, which says what each means.

    The relation is symmetric and reflexive by construction: equal texts have one key, and each pair is compared in the
    order of its texts. Safe to share between threads; a copy has a cache of its own. What an answer
    may cost is counted before it is spent (`limits`): past it the answer's comparisons are undecided, and so are those
    of an answer that could not be read because of a fault. Nothing is raised for what an answer holds.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._plain = self.for_prompt("")
        self._cache = PerProcess(lambda: LruCache[tuple[str, str], Key](CACHE_BYTES, lambda _, key: footprint(key)))

    def __reduce__(self) -> tuple[type[MathEquivalence], tuple[object, ...]]:
        return MathEquivalence, astuple(self)

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation]:
        """Which answers of each set are the same."""
        found = []
        for answers in sets:
            keys, left, metrics = self._keys(answers)
            found.append(_Comparison(answers.texts, keys, self).relation(left, metrics))
        return found

    def why(self, answers: AnswerSet, i: int, j: int) -> Reason:
        """The canonical forms of the two answers, read beside the others of their set, and how they were compared."""
        keys, _, _ = self._keys(answers)
        (pair,) = self.relate([AnswerSet((answers.texts[i], answers.texts[j]), answers.prompt)])
        facts: dict[str, str | float] = {}
        for name, key in (("one", keys[i]), ("other", keys[j])):
            facts[name] = str(key.shape)[:MAX_SHOWN_FORM]
            facts.update({f"{name}'s {facet}": str(value)[:MAX_SHOWN_FORM] for facet, value in key.facets.items()})
        by_values = keys[i].shape != keys[j].shape and (pair.equal or pair.undecided)
        return Reason("enclosures of the values of canonical forms" if by_values else "canonical forms", facts)

    def key(self, text: str) -> Key:
        """The canonical form of a text beside no other, kept for the comparisons to come."""
        return self._key(text, self._plain)

    def _keys(self, answers: AnswerSet) -> tuple[list[Key], float, dict[str, float]]:
        """The answers' keys, the work that is left, how many were not read: past that (the longest), or for a fault."""
        speaks_of_percent = len(answers.texts) > 1 and any(map(_PERCENT.search, answers.texts))
        policy = self.for_prompt(answers.prompt) if speaks_of_percent else self._plain
        keys: dict[str, Key] = {}
        left = MAX_GROUP_WORK
        for text in sorted(answers.texts, key=lambda text: (len(text), text)):
            keys[text] = self._key(text, policy) if left > 0 else Key(Opaque(text), work=0)
            left -= keys[text].work
        for text, other in in_one_case(keys, answers.prompt).items():
            if left > 0:
                keys[text] = self._key(other, policy)
                left -= keys[text].work
        found = settle([keys[text] for text in answers.texts])
        failed, unread = sum(key.failed for key in found), sum(key.work == 0 for key in found)
        return found, left, {"answers_failed": float(failed), "answers_unread": float(unread - failed)}

    def _key(self, text: str, policy: MathPolicy) -> Key:
        checkpoint()
        cache, place = self._cache.get(), (text, policy.percent)
        key = cache.get(place)
        if key is None:
            try:
                key = key_of(text, policy)
            except Exception as error:  # noqa: BLE001 - whatever one answer holds must not cost its group
                said = "An answer could not be read; it equals its own text only: %r in %r"
                _log.warning(said, error, text[:80], exc_info=_log.isEnabledFor(logging.DEBUG))
                key = Key(Opaque(text), work=0, failed=True)
            if len(text) <= MAX_CACHED_CHARS:
                cache.put(place, key)
        return key


if MathEquivalence.__doc__ and MathPolicy.__doc__:  # not where Python is asked to leave docstrings out (-OO)
    MathEquivalence.__doc__ += "\n    Args:\n" + MathPolicy.__doc__.partition("Args:\n")[2]


class _Comparison:
    """The comparison of one set's keys: by their different shapes, those of the shortest texts first."""

    def __init__(self, texts: Sequence[str], keys: list[Key], policy: MathPolicy) -> None:
        self.keys, self.policy, self.judge = keys, policy, Judge(policy.decimal_tolerance)
        self.classes = UnionFind(len(keys))
        self.failed = 0
        self.positions: dict[Shape, list[int]] = defaultdict(list)
        for position in sorted(range(len(keys)), key=lambda p: (len(texts[p]), texts[p])):
            self.positions[keys[position].shape].append(position)
        for first, *others in self.positions.values():
            for other in others:
                self.classes.union(first, other)

    def relation(self, work: float, metrics: dict[str, float]) -> Relation:
        """Which keys are the same, within some work, and what could not be told."""
        find, judge = self.classes.find, self.judge
        undecided: list[tuple[int, int]] = []
        refined = probed = 0
        with Budget(work).counted() as budget:
            for x, y in self._open_pairs():
                a, b = self.positions[x][0], self.positions[y][0]
                if find(a) == find(b) or not self._may_be_equal(x, y):
                    continue
                checkpoint()
                before, decimal = (judge.refined, judge.probed), self.keys[a].decimal or self.keys[b].decimal
                verdict = self._guarded(compare, x, y, judge, decimal=decimal) if budget.left >= 0 else None
                if verdict is None:
                    undecided.append((min(a, b), max(a, b)))
                    continue
                refined += judge.refined > before[0]
                probed += verdict and judge.probed > before[1]
                if verdict:
                    self.classes.union(a, b)
        groups = equal_groups(self.keys, self.classes, self.policy)
        undecided = [(a, b) for a, b in undecided if find(a) != find(b)]
        metrics |= {
            "pairs_by_key": len(self.keys) * (len(self.keys) - 1) / 2 - refined - len(undecided),
            "pairs_refined": float(refined),
            "pairs_probed": float(probed),
            "pairs_undecided": float(len(undecided)),
            "pairs_failed": float(self.failed),
        }
        return Relation(tuple((group[0], p) for group in groups for p in group[1:]), tuple(undecided), metrics)

    def _open_pairs(self) -> Iterator[tuple[Shape, Shape]]:
        """Pairs of different shapes that are not told apart at sight."""
        shapes = list(self.positions)
        certain = [exact(shape) for shape in shapes]
        tolerant = self.policy.decimal_tolerance is not None and any(key.decimal for key in self.keys)
        if all(certain) and not tolerant:
            return
        uncertain = [k for k, known in enumerate(certain) if not known]
        outlines = [None if tolerant else self._guarded(outline, shape, self.judge) for shape in shapes]
        for j, high in enumerate(outlines):
            checkpoint()
            for i in range(j) if tolerant or not certain[j] else [k for k in uncertain if k < j]:
                low = outlines[i]
                if low is None or high is None or low[0] != high[0] or (low[1] <= high[2] and high[1] <= low[2]):
                    yield shapes[i], shapes[j]

    def _may_be_equal(self, x: Shape, y: Shape) -> bool:
        """Whether some answers of the two shapes are decorated without contradiction: no kind has two values."""
        left, right = ({frozenset(self.keys[p].facets.items()) for p in self.positions[shape]} for shape in (x, y))
        return any(len(dict(one | other)) == len(one | other) for one in left for other in right)

    def _guarded(self, compute: Callable[P, T], *args: P.args, **named: P.kwargs) -> T | None:
        """compute(), or None at a bound and for a fault: whatever one answer holds must not cost its group."""
        try:
            return compute(*args, **named)
        except (TooLarge, RecursionError):
            return None
        except Exception as error:  # noqa: BLE001 - see above
            self.failed += 1
            trace = _log.isEnabledFor(logging.DEBUG)
            _log.warning("Two answers could not be compared; they are undecided: %r", error, exc_info=trace)
            return None

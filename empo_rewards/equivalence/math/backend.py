"""The backend: answers are read once, and compared in canonical order within the budget of their group."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import TypeVar

from empo_rewards.clustering import UnionFind
from empo_rewards.equivalence.cache import LruCache
from empo_rewards.equivalence.math.algebra import Budget, TooLarge
from empo_rewards.equivalence.math.canonical import key_of, unread_key
from empo_rewards.equivalence.math.keys import (
    Key,
    compatible,
    convert,
    footprint,
    join_readings,
    letters_of_one_name,
    resolve_facets,
    settle,
    symbols_of,
)
from empo_rewards.equivalence.math.limits import CACHE_BYTES, MAX_GROUP_WORK
from empo_rewards.equivalence.math.policy import (
    Bases,
    Clock,
    DateOrder,
    DecimalComma,
    Log,
    MathPolicy,
    Percent,
    Units,
    Vectors,
)
from empo_rewards.equivalence.math.refine import Judge
from empo_rewards.equivalence.math.shapes import Shape, compare, exact, outline
from empo_rewards.per_process import PerProcess
from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Reason, Relation
from empo_rewards.turns import checkpoint

MAX_CACHED_CHARS = 1_000
"""Longer texts are not kept: they hardly come twice."""

_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
"""A letter that stands alone."""

MAX_SHOWN_FORM = 300
"""Characters of a canonical form in a reason."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


def _new_cache() -> LruCache[tuple[str, str], Key]:
    """A cache of the answers that were read, bounded in bytes."""
    return LruCache(CACHE_BYTES, lambda place, key: 200 + len(place[0]) + footprint(key))


class MathEquivalence(EquivalenceBackend):
    """Mathematical equivalence; see `docs` for what is equal to what.

    The arguments are the choices of `MathPolicy`, which says what each means.

    The relation is symmetric and reflexive by construction: equal texts have one key, and each pair is compared in the
    order of its texts. Safe to share between threads; a copy has a cache of its own. What an answer
    may cost is counted before it is spent (`limits`): past it the answer's comparisons are undecided, and so are those
    of an answer that could not be read because of a fault. Nothing is raised for what an answer holds.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one parameter a declared choice
        self,
        percent: Percent = "asked",
        decimal_tolerance: float | None = None,
        units: Units = "ignore_when_bare",
        ordered_is_set: bool = False,
        convert_units: bool = True,
        bases: Bases = "ignore_when_bare",
        log: Log = "natural",
        clock: Clock = "24 hours",
        date_order: DateOrder = "undecided",
        decimal_comma: DecimalComma = "settled",
        vectors: Vectors = "same",
    ) -> None:
        self.policy = MathPolicy(
            percent, decimal_tolerance, units, ordered_is_set, convert_units, bases, log, clock, date_order,
            decimal_comma, vectors,
        )  # fmt: skip
        self._plain = self.policy.for_prompt("")
        self._cache = PerProcess(_new_cache)

    def __reduce__(self) -> tuple[type[MathEquivalence], tuple[object, ...]]:
        return MathEquivalence, astuple(self.policy)

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation]:
        """Which answers of each set are the same."""
        return [self._relate(answers) for answers in sets]

    def why(self, answers: AnswerSet, i: int, j: int) -> Reason:
        """The canonical forms of the two answers, read beside the others of their set, and how they were compared."""
        keys, _, _ = self._keys(answers)
        pair = self._relate(AnswerSet((answers.texts[i], answers.texts[j]), answers.prompt))
        facts: dict[str, str | float] = {}
        for name, key in (("one", keys[i]), ("other", keys[j])):
            facts[name] = str(key.shape)[:MAX_SHOWN_FORM]
            facts.update({f"{name}'s {facet}": str(value)[:MAX_SHOWN_FORM] for facet, value in key.facets.items()})
        if keys[i].shape == keys[j].shape:
            return Reason("canonical forms", facts)
        by_values = bool(pair.equal or pair.undecided)
        return Reason("enclosures of the values of canonical forms" if by_values else "canonical forms", facts)

    def _relate(self, answers: AnswerSet) -> Relation:
        keys, left, metrics = self._keys(answers)
        return _Comparison(answers.texts, keys, self.policy).relation(left, metrics)

    # Keys of answers

    def key(self, text: str) -> Key:
        """The canonical form of a text beside no other, kept for the comparisons to come."""
        return self._key(text, self._plain)

    def _keys(self, answers: AnswerSet) -> tuple[list[Key], float, dict[str, float]]:
        """The answers' keys, the work that is left, how many were not read: past that (the longest), or for a fault."""
        policy = self._plain
        if len(answers.texts) > 1 and any(_speaks_of_percent(text) for text in answers.texts):
            policy = self.policy.for_prompt(answers.prompt)
        keys: dict[str, Key] = {}
        left = MAX_GROUP_WORK
        for text in sorted(answers.texts, key=lambda text: (len(text), text)):
            key = self._key(text, policy) if left > 0 else unread_key(text, failed=False)
            keys[text] = key
            left -= key.work
        renamed = letters_of_one_name(keys.values(), answers.prompt)
        for text in [text for text, key in keys.items() if left > 0 and not renamed.keys().isdisjoint(symbols_of(key))]:
            other = _LETTER.sub(lambda match: renamed.get(match[0], match[0]), text)
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
                _log.warning("An answer could not be read; it equals its own text only: %r in %r", error, text[:80])
                _log.debug("", exc_info=True)
                key = unread_key(text, failed=True)
            if len(text) <= MAX_CACHED_CHARS:
                cache.put(place, key)
        return key


if MathEquivalence.__doc__ and MathPolicy.__doc__:  # not where Python is asked to leave docstrings out (-OO)
    MathEquivalence.__doc__ += "\n    Args:\n" + MathPolicy.__doc__.partition("Args:\n")[2]


class _Comparison:
    """The comparison of one set's keys."""

    def __init__(self, texts: Sequence[str], keys: list[Key], policy: MathPolicy) -> None:
        self.keys, self.policy = keys, policy
        self.judge = Judge(policy.decimal_tolerance)
        self.classes = UnionFind(len(keys))
        self.undecided: list[tuple[int, int]] = []
        self.refined = self.probed = self.failed = 0
        self.facets: dict[int, list[Mapping[str, Hashable]]] = {}
        self.positions: dict[Shape, list[int]] = defaultdict(list)
        for position in sorted(range(len(keys)), key=lambda p: (len(texts[p]), texts[p])):
            self.positions[keys[position].shape].append(position)
        for same in self.positions.values():
            for other in same[1:]:
                self.classes.union(same[0], other)

    def relation(self, work: float, metrics: dict[str, float]) -> Relation:
        """Which keys are the same, within some work, and what could not be told."""
        decorated = any(key.facets for key in self.keys)
        find = self.classes.find
        with Budget(work).counted() as budget:
            for a, b in self._open_pairs():
                if find(a) == find(b) or (decorated and not self._may_be_equal(a, b)):
                    continue
                verdict = self._compare(a, b) if budget.left >= 0 else None
                if verdict:
                    self.classes.union(a, b)
                elif verdict is None:
                    self.undecided.append((min(a, b), max(a, b)))
        keys = join_readings(self.keys, self.classes)
        undecided = [(a, b) for a, b in self.undecided if find(a) != find(b)]
        metrics |= {
            "pairs_by_key": len(keys) * (len(keys) - 1) / 2 - self.refined - len(undecided),
            "pairs_refined": float(self.refined),
            "pairs_probed": float(self.probed),
            "pairs_undecided": float(len(undecided)),
            "pairs_failed": float(self.failed),
        }
        return Relation(tuple(self._equal(keys)), tuple(undecided), metrics)

    def _equal(self, keys: list[Key]) -> Iterator[tuple[int, int]]:
        """Members of one class whose decorations agree."""
        classes: dict[int, list[int]] = defaultdict(list)
        for position in range(len(keys)):
            classes[self.classes.find(position)].append(position)
        groups: list[list[int]] = []
        for members in classes.values():
            alike: dict[object, list[int]] = defaultdict(list)
            for position, facets in zip(members, resolve_facets([keys[p] for p in members], self.policy), strict=True):
                alike[facets].append(position)
            groups += alike.values()
        if self.policy.convert_units:
            groups = convert(keys, groups)
        for group in groups:
            yield from ((group[0], other) for other in group[1:])

    def _open_pairs(self) -> Iterator[tuple[int, int]]:
        """Pairs of different shapes that are not told apart at sight, the shortest first; one position a shape."""
        members = [same[0] for same in self.positions.values()]
        shapes = list(self.positions)
        certain = [exact(shape) for shape in shapes]
        tolerant = self.policy.decimal_tolerance is not None and any(key.decimal for key in self.keys)
        if all(certain) and not tolerant:
            return
        uncertain = [k for k, known in enumerate(certain) if not known]
        outlines = [None if tolerant else self._guarded(lambda s=s: outline(s, self.judge)) for s in shapes]  # type: ignore[misc]  # the default binds it
        for j, high in enumerate(outlines):
            checkpoint()
            for i in range(j) if tolerant or not certain[j] else [k for k in uncertain if k < j]:
                low = outlines[i]
                if low is None or high is None or low[0] != high[0] or (low[1] <= high[2] and high[1] <= low[2]):
                    yield members[i], members[j]

    def _may_be_equal(self, a: int, b: int) -> bool:
        """Whether some answers of the two shapes could be the same in spite of what decorates them."""
        return any(compatible(x, y) for x in self._facets(a) for y in self._facets(b))

    def _facets(self, position: int) -> list[Mapping[str, Hashable]]:
        """The different decorations of a shape's answers."""
        if position not in self.facets:
            found = [self.keys[p].facets for p in self.positions[self.keys[position].shape]]
            self.facets[position] = list({tuple(sorted(f.items(), key=str)): f for f in found}.values())
        return self.facets[position]

    def _compare(self, a: int, b: int) -> bool | None:
        checkpoint()
        x, y, judge = self.keys[a], self.keys[b], self.judge
        refined, probed = judge.refined, judge.probed
        verdict = self._guarded(lambda: compare(x.shape, y.shape, judge, decimal=x.decimal or y.decimal))
        if verdict is not None:
            self.refined += judge.refined > refined
            self.probed += verdict and judge.probed > probed
        return verdict

    def _guarded(self, compute: Callable[[], T]) -> T | None:
        """compute(), or None at a bound and for a fault: whatever one answer holds must not cost its group."""
        try:
            return compute()
        except (TooLarge, RecursionError):
            return None
        except Exception as error:  # noqa: BLE001 - see above
            self.failed += 1
            _log.warning("Two answers could not be compared; they are undecided: %r", error)
            _log.debug("", exc_info=True)
            return None


def _speaks_of_percent(text: str) -> bool:
    return "%" in text or "％" in text or "pct" in text or "ercent" in text or "er cent" in text

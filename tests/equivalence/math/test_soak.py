"""Many groups through one backend: what it holds is bounded in bytes, and nothing is left running."""

import gc
import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from empo_rewards.equivalence.cache import LruCache
from empo_rewards.equivalence.math import MathEquivalence, backend, limits
from empo_rewards.equivalence.math.canonical import key_of
from empo_rewards.equivalence.math.keys import footprint
from empo_rewards.equivalence.math.policy import MathPolicy
from empo_rewards.protocols import AnswerSet


def group(number):
    """Answers of every kind: numbers, words, an interval, and two that only enclosures tell."""
    return AnswerSet((str(number), f"{number}.0", f"x={number}", f"({number}, \\infty)", f"\\text{{no {number}}}",
                      f"\\sqrt{{(y+{number})^2}}", f"|y+{number}|"))  # fmt: skip


@pytest.fixture
def small_cache(monkeypatch):
    monkeypatch.setattr(backend, "CACHE_BYTES", 50_000)


def test_many_groups_leave_no_more_behind_than_thirty(small_cache):
    equivalence = MathEquivalence()
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")

    def left_behind():
        return len(os.listdir("/proc/self/fd")), threading.active_count(), children.read_text()

    def held():
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        for number in range(30):
            equivalence.relate([group(number)])
        first, kept = left_behind(), held()
        for number in range(30, 160):
            (relation,) = equivalence.relate([group(number)])
            assert {(0, 1), (0, 2), (5, 6)} <= set(relation.equal)
        assert left_behind() == first
        assert held() < kept + 200_000  # what is read of 130 groups takes more than a megabyte
    finally:
        tracemalloc.stop()


def test_a_large_key_weighs_more_than_its_text():
    small, large = (footprint(key_of(text, MathPolicy())) for text in ("x+1", "(x+y+z+1)^6"))
    assert large > 10 * small
    assert 50 * footprint(key_of("2^{9000}+x", MathPolicy())) < limits.CACHE_BYTES


def test_the_cache_drops_what_was_used_longest_ago():
    cache = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (1, None, 3, 2)


def test_a_cache_by_weight_keeps_what_fits():
    cache = LruCache(10, lambda key, value: value)
    for key, weight in (("a", 4), ("b", 5), ("b", 6), ("c", 3), ("d", 11)):
        cache.put(key, weight)
        assert sum(cache.get(kept) or 0 for kept in "abcd") <= 10
    assert len(cache) == 0

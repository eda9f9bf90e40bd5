"""Many groups through one backend: memory, processes and descriptors are bounded and released."""

import os
from pathlib import Path

import pytest

from empo_rewards.equivalence.cache import LruCache
from empo_rewards.equivalence.math import MathEquivalence, backend
from empo_rewards.protocols import AnswerSet

HANGS = "\\sum_{a=1}^{5000}\\sum_{b=1}^{5000} \\sin(ab)"


def processes_below(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return len(children) + sum(processes_below(child) for child in children)


def group(number):
    """Answers of every stage: numbers, words, an interval, and two that only the symbolic stage can tell."""
    return AnswerSet((str(number), f"{number}.0", f"x={number}", f"({number}, \\infty)", f"\\text{{no {number}}}",
                      f"\\sqrt{{(y+{number})^2}}", f"y+{number}"))  # fmt: skip


@pytest.fixture
def small_caches(monkeypatch):
    monkeypatch.setattr(backend, "KEY_CACHE", 200)
    monkeypatch.setattr(backend, "PAIR_CACHE", 50)


def test_a_thousand_groups_leave_no_more_behind_than_fifty(small_caches):
    equivalence = MathEquivalence(deadline=0.5)
    before = processes_below(os.getpid())

    def footprint():
        caches = equivalence._caches
        open_files = len(os.listdir("/proc/self/fd"))
        return processes_below(os.getpid()) - before, open_files, len(caches.keys), len(caches.verdicts)

    for number in range(50):
        equivalence.relate([group(number)])
    first = footprint()
    assert first[2:] == (200, 50)
    for number in range(50, 1_000):
        (relation,) = equivalence.relate([group(number)])
        assert {(0, 1), (0, 2)} <= set(relation.equal)
        assert relation.metrics["pairs_symbolic"] >= 1
    assert footprint() == first
    (killed,) = equivalence.relate([AnswerSet((HANGS, "1"))])
    assert killed.metrics["kills"] == 1
    assert killed.undecided == ((0, 1),)
    equivalence.relate([group(1_000)])
    assert footprint() == first
    equivalence.close()
    assert processes_below(os.getpid()) == before


def test_the_cache_drops_what_was_used_longest_ago():
    cache = LruCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (1, None, 3, 2)

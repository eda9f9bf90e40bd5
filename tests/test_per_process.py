"""Values that each process makes for itself."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from empo_rewards.per_process import PerProcess

COUNTED: list[object] = []


def _make() -> object:
    COUNTED.append(object())
    return COUNTED[-1]


def test_threads_that_ask_at_once_get_one_value() -> None:
    together = Barrier(8)

    def make() -> object:
        together.wait(60)
        return object()

    value = PerProcess(make)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: value.get(), range(8)))
    assert len(set(map(id, found))) == 1


def test_what_was_taken_out_is_made_anew() -> None:
    value = PerProcess(object)
    assert value.pop() is None
    first = value.get()
    assert value.get() is first
    assert value.pop() is first
    assert value.get() is not first


INHERITED = PerProcess(_make)


def _in_a_child(_: int) -> tuple[int, bool, bool]:
    before = len(COUNTED)
    first = INHERITED.get()
    taken = INHERITED.pop()
    return len(COUNTED) - before, first is taken, first is COUNTED[0]


def test_a_forked_child_makes_its_own_and_leaves_its_parents_alone() -> None:
    mine = INHERITED.get()
    with multiprocessing.get_context("fork").Pool(1) as children:
        assert children.map(_in_a_child, [0]) == [(1, True, False)]
    assert INHERITED.get() is mine

"""Models that are loaded at need: once, again after a failure, and by each process for itself."""

from __future__ import annotations

import multiprocessing

import pytest

from empo_rewards.equivalence.lazy_model import LazyModel, ModelError


class Loads:
    """Counts how often it is asked for a model; may fail first."""

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.count = failures, 0
        self.ended: list[int] = []

    def __call__(self) -> int:
        self.count += 1
        if self.count <= self.failures:
            raise OSError("no such file")
        return self.count


def used(model: LazyModel[int]) -> int:
    with model.use() as loaded:
        return loaded


def test_it_is_loaded_once_at_first_use() -> None:
    loads = Loads()
    model = LazyModel("m", loads)
    assert loads.count == 0
    assert (used(model), used(model), loads.count) == (1, 1, 1)


def test_a_failure_names_the_model_and_the_next_use_tries_again() -> None:
    model = LazyModel("org/model", Loads(failures=1))
    with pytest.raises(ModelError, match="org/model cannot be loaded: OSError: no such file"):
        used(model)
    assert used(model) == 2


@pytest.mark.parametrize(("unloads", "next_one"), [(True, 2), (False, 1)])
def test_one_that_can_be_unloaded_is_loaded_anew_after_its_use_raised(unloads: bool, next_one: int) -> None:
    loads = Loads()
    model = LazyModel("m", loads, loads.ended.append if unloads else None)
    with pytest.raises(ZeroDivisionError), model.use():
        raise ZeroDivisionError
    assert loads.ended == [1] * unloads
    assert used(model) == next_one


def test_closed_and_used_again() -> None:
    loads = Loads()
    model = LazyModel("m", loads, loads.ended.append)
    model.close()
    assert used(model) == 1
    model.close()
    model.close()
    assert (loads.ended, used(model)) == ([1], 2)


INHERITED = LazyModel("m", Loads())


def _in_a_child(_: int) -> int:
    return used(INHERITED)


def test_a_forked_child_loads_its_own() -> None:
    assert used(INHERITED) == 1
    with multiprocessing.get_context("fork").Pool(1) as children:
        assert children.map(_in_a_child, [0]) == [2]
    assert used(INHERITED) == 1

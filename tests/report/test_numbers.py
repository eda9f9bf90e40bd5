"""The numbers of the report against their definitions: pairs and subsets counted one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.group import Status
from empo_rewards.report import numbers
from empo_rewards.report.numbers import GroupNumbers


def group(
    right: Sequence[bool] | None = None, *, size: int = 4, cause: str | None = None, **metrics: float
) -> GroupNumbers:
    known = None if right is None else tuple(right)
    return GroupNumbers(Status.SCORED, cause, size if known is None else len(known), 0, (), (), metrics, known)


def labelled(entropy: float, majority: float = 1.0, share: float = 0.5, accuracy: float = 0.5) -> GroupNumbers:
    return group([True, False], entropy=entropy, pseudo_label_accuracy=majority, largest_share=share, accuracy=accuracy)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30))
def test_auroc_is_the_share_of_pairs_in_the_right_order(scored: list[tuple[int, bool]]) -> None:
    positive = [score for score, right in scored if right]
    negative = [score for score, right in scored if not right]
    pairs = [(a > b) + (a == b) / 2 for a in positive for b in negative]
    found = numbers.auroc([score for score, _ in scored], [right for _, right in scored])
    assert found == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_right_response(right: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(right)))
    subsets = [any(subset) for subset in combinations(right, k)]
    assert numbers.pass_at_k(len(right), sum(right), k) == pytest.approx(sum(subsets) / len(subsets))


def test_pass_at_k_of_a_group_of_512() -> None:
    kept = math.prod((511 - i) / (512 - i) for i in range(256))
    assert numbers.pass_at_k(512, 1, 256) == pytest.approx(1 - kept)


def test_pass_at_k_ends_at_the_most_frequent_size_whatever_the_order() -> None:
    groups = [group([True] * size) for size in (3, 8, 3, 8, 1)]
    ends = {numbers.pass_at_powers(order)[-1][0] for order in (groups, groups[::-1])}
    assert ends == {8}
    assert numbers.pass_at_powers([group([False])]) == [(1, 0.0)]


@given(st.integers(1, 200), st.data())
def test_the_ends_of_a_wilson_interval_are_as_far_as_the_test_allows(trials: int, data: st.DataObject) -> None:
    """Each end p of the interval solves |rate - p| = z sqrt(p (1 - p)/n)."""
    rate, least, most = numbers.wilson(data.draw(st.integers(0, trials)), trials)
    for end in (least, most):
        assert abs(rate - end) == pytest.approx(1.959964 * math.sqrt(end * (1 - end) / trials), abs=1e-7)
    assert 0 <= least <= rate + 1e-12
    assert rate - 1e-12 <= most <= 1


@pytest.mark.parametrize("size", [3, 5, 8, 16, 20])
def test_shares_fall_into_the_bin_that_begins_with_them(size: int) -> None:
    for k in range(1, size + 1):
        counts = numbers.histogram([k / size], 20, low=0.0, high=1.0)["counts"]
        assert counts.index(1) == min(19, 20 * k // size)


def test_a_histogram_of_one_value_or_none() -> None:
    assert sum(numbers.histogram([0.5, 0.5], 20)["counts"]) == 2
    assert sum(numbers.histogram([], 20)["counts"]) == 0


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60))
def test_bins_by_entropy_hold_each_group_once_and_do_not_overlap(entropies: list[int]) -> None:
    said = numbers.labelled([labelled(entropy) for entropy in entropies])
    assert said is not None
    bins = said["accuracy_by_entropy"]
    assert sum(one["groups"] for one in bins) == len(entropies)
    assert all(a["high"] < b["low"] for a, b in pairwise(bins))
    assert 1 <= len(bins) <= 8


def test_of_tied_majorities_more_than_half_must_be_right() -> None:
    said = numbers.labelled([labelled(1.0, majority=value, share=0.9) for value in (0.0, 0.5, 2 / 3, 1.0)])
    assert said is not None
    assert said["wrong_and_sure"] == 2
    assert said["majority_by_entropy"][0]["rate"] == 0.5


@pytest.mark.parametrize("missing", ["accuracy", "pseudo_label_accuracy", "largest_share", "entropy"])
def test_groups_whose_metrics_are_missing_are_left_out(missing: str) -> None:
    """As in scores that another version wrote."""
    whole = labelled(1.0)
    part = group(whole.right, **{name: value for name, value in whole.metrics.items() if name != missing})
    said = numbers.overview([whole, part])["labels"]
    assert said["groups"] == (2 if missing == "entropy" else 1)
    alone = numbers.overview([part])["labels"]
    assert alone is None or (missing == "entropy" and alone["accuracy_by_entropy"] == [])


@pytest.mark.parametrize(
    ("shares", "advice"),
    [([0.9] * 8, "try it"), ([0.3] * 8, "KL"), ([0.1] * 8, "train the base first"), ([0.1, 0.7] * 8, "sample more")],
)
def test_what_to_expect(shares: list[float], advice: str) -> None:
    said = numbers.expectation(shares)
    assert said is not None
    assert advice in said
    assert numbers.expectation(shares[:7]) is None

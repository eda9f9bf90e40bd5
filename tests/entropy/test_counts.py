"""Entropy from counts: published values, independent formulas, and properties for any sample."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.entropy.counts import chao_shen, miller_madow, plug_in, zhang
from empo_rewards.entropy.likelihoods import RaoBlackwell, log_likelihoods, logsumexp, rao_blackwell
from empo_rewards.errors import GroupError
from empo_rewards.group import Group
from empo_rewards.protocols import Clusters, EntropyInput

sizes_lists = st.lists(st.integers(1, 40), min_size=1, max_size=12)


def test_the_reference_numbers() -> None:
    assert plug_in([2, 1, 1]) == pytest.approx(1.0397207708399179, abs=1e-9)  # 1.5 ln 2
    assert chao_shen([2, 1, 1]) == pytest.approx(1.7632, abs=5e-5)
    assert rao_blackwell([-0.2, -0.4, -1.0], [0, 0, 1]) == pytest.approx(0.497773, abs=1e-6)


def test_plug_in_by_hand() -> None:
    assert plug_in([4]) == 0.0
    assert math.copysign(1, plug_in([4])) == 1
    assert plug_in([1, 1]) == pytest.approx(math.log(2), abs=1e-12)
    assert plug_in([3, 1]) == pytest.approx(2 * math.log(2) - 0.75 * math.log(3), abs=1e-12)


def test_miller_madow_by_hand() -> None:
    assert miller_madow([2, 1, 1]) == pytest.approx(1.5 * math.log(2) + 2 / 8, abs=1e-12)


def zhang_by_definition(sizes: list[int]) -> float:
    """Equation 1.4 of Zhang 2012, term by term, in exact fractions."""
    total = sum(sizes)
    result = Fraction(0)
    for size in sizes:
        inner, product = Fraction(0), Fraction(1)
        for v in range(1, total - size + 1):
            product *= 1 - Fraction(size - 1, total - v)
            inner += product / v
        result += Fraction(size, total) * inner
    return float(result)


@given(sizes_lists)
def test_zhang_agrees_with_its_definition(sizes: list[int]) -> None:
    assert zhang(sizes) == pytest.approx(zhang_by_definition(sizes), abs=1e-9)


def test_chao_shen_of_singletons_is_finite() -> None:
    # n = 2, f1 = n: C = 1/2, two clusters with C p = 1/4: each -1/4 ln(1/4) / (1 - (3/4)^2).
    assert chao_shen([1, 1]) == pytest.approx(2 * 0.25 * math.log(4) / (1 - 0.75**2), abs=1e-12)


@given(sizes_lists)
def test_estimates_hold_their_bounds(sizes: list[int]) -> None:
    shuffled = sizes[::-1]
    total, clusters = sum(sizes), len(sizes)
    assert -1e-12 <= plug_in(sizes) <= math.log(clusters) + 1e-12
    for estimate in (plug_in, miller_madow, zhang, chao_shen):
        assert estimate(sizes) == pytest.approx(estimate(shuffled), abs=1e-9)
        assert estimate([total]) == 0.0
    assert plug_in(sizes) <= zhang(sizes) + 1e-12


@given(st.lists(st.tuples(st.floats(-50, 0), st.integers(0, 3)), min_size=1, max_size=10))
def test_rao_blackwell_agrees_with_plain_exponentials(pairs: list[tuple[float, int]]) -> None:
    values, labels = [value for value, _ in pairs], [label for _, label in pairs]
    weight = {k: math.fsum(math.exp(v) for v, label in pairs if label == k) for k in set(labels)}
    shares = [w / math.fsum(weight.values()) for w in weight.values()]
    naive = -math.fsum(p * math.log(p) for p in shares if p > 0)
    assert rao_blackwell(values, labels) == pytest.approx(naive, abs=1e-9)


def test_rao_blackwell_does_not_underflow() -> None:
    assert rao_blackwell([-10_000.0, -10_000.0], [0, 1]) == pytest.approx(math.log(2), abs=1e-12)
    assert logsumexp([-math.inf, -math.inf]) == -math.inf


def test_rao_blackwell_needs_logprobs() -> None:
    clusters = Clusters((0, 1), (1, 1), 2, ("a", "b"))
    with pytest.raises(GroupError, match="needs token_logprobs"):
        RaoBlackwell()(EntropyInput(Group("q", ["a", "b"]), clusters))
    with_empty = Group("q", ["a", "b"], token_logprobs=[[-1.0], []])
    assert log_likelihoods(with_empty) is None
    impossible = Group("q", ["a", "b"], token_logprobs=[[-math.inf], [-math.inf, -1.0]])
    with pytest.raises(GroupError, match="impossible"):
        RaoBlackwell()(EntropyInput(impossible, clusters))


@pytest.mark.parametrize(("length_normalized", "odds"), [(True, math.exp(-1 + 3)), (False, math.exp(-2 + 3))])
def test_rao_blackwell_of_tokens_by_hand(length_normalized: bool, odds: float) -> None:
    # The mean of -0.5 and -1.5 is -1, their sum -2; the other response has one token of -3.
    group = Group("q", ["a", "b"], token_logprobs=[[-0.5, -1.5], [-3.0]])
    p = odds / (odds + 1)
    expected = -(p * math.log(p) + (1 - p) * math.log(1 - p))
    found = RaoBlackwell(length_normalized)(EntropyInput(group, Clusters((0, 1), (1, 1), 2, ("a", "b"))))
    assert found == pytest.approx(expected, abs=1e-12)

"""Uncertainty from similarities: published values, independent formulas, and properties for any sample."""

from __future__ import annotations

import math
import random

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empo_rewards import ConfigError, Scorer, hookimpl
from empo_rewards.clustering import answer_set, cluster
from empo_rewards.entropy.likelihoods import rao_blackwell
from empo_rewards.entropy.similarities import (
    Degree,
    Eccentricity,
    EigV,
    KernelLanguageEntropy,
    SemanticDensity,
    Snne,
    degree,
    density_entropy,
    eccentricity,
    eigenvalue_sum,
    kernel_language_entropy,
    nearest_neighbour_entropy,
)
from empo_rewards.errors import GroupError
from empo_rewards.group import Group
from empo_rewards.protocols import EntropyEstimator, EntropyInput, EquivalenceBackend, Relation

W = [[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]]


def test_the_reference_numbers() -> None:
    assert eigenvalue_sum(W) == pytest.approx(1.745421, abs=1e-6)
    assert degree(W) == pytest.approx(0.4, abs=1e-12)
    assert eccentricity(W) == pytest.approx(1.000148, abs=1e-6)
    assert kernel_language_entropy(W, 0.3) == pytest.approx(1.073382, abs=1e-6)
    assert kernel_language_entropy(W, 0.4) == pytest.approx(1.054749, abs=1e-6)
    assert nearest_neighbour_entropy(W, 1.0) == pytest.approx(-1.770804, abs=1e-6)


@st.composite
def matrices(draw: st.DrawFn, least: int = 1) -> list[list[float]]:
    size = draw(st.integers(least, 7))
    rows = [[1.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i):
            rows[i][j] = rows[j][i] = draw(st.floats(0, 1))
    return rows


def laplacian(rows: list[list[float]], *, normalised: bool) -> mpmath.matrix:
    """I - D^-½ W D^-½, or D - W, entry by entry."""
    degrees = [math.fsum(row) for row in rows]

    def entry(i: int, j: int) -> float:
        if normalised:
            return float(i == j) - rows[i][j] / math.sqrt(degrees[i] * degrees[j])
        return (degrees[i] if i == j else 0.0) - rows[i][j]

    return mpmath.matrix([[entry(i, j) for j in range(len(rows))] for i in range(len(rows))])


@settings(max_examples=30)
@given(matrices(), st.floats(0.05, 3))
def test_kle_agrees_with_its_definition(rows: list[list[float]], time: float) -> None:
    """The exponential by its series and mpmath's own eigenvalues, at 30 digits."""
    with mpmath.workdps(30):
        kernel = mpmath.expm(-time * laplacian(rows, normalised=False), method="taylor")
        n = len(rows)
        density = mpmath.matrix(n, n)
        for i in range(n):
            for j in range(n):
                density[i, j] = kernel[i, j] / mpmath.sqrt(kernel[i, i] * kernel[j, j]) / n
        spectrum = mpmath.eigsy(density, eigvals_only=True)
        expected = -sum(value * mpmath.log(value) for value in spectrum if value > 0)
    assert kernel_language_entropy(rows, time) == pytest.approx(float(expected), abs=1e-9)


@settings(max_examples=30)
@given(matrices())
def test_eigv_agrees_with_its_definition(rows: list[list[float]]) -> None:
    with mpmath.workdps(30):
        spectrum = mpmath.eigsy(laplacian(rows, normalised=True), eigvals_only=True)
        expected = sum(max(0, 1 - value) for value in spectrum)
    assert eigenvalue_sum(rows) == pytest.approx(float(expected), abs=1e-9)


def test_ecc_agrees_with_its_definition() -> None:
    rng = random.Random(3)
    for size in (2, 5, 9):
        rows = [[1.0] * size for _ in range(size)]
        for i in range(size):
            for j in range(i):
                rows[i][j] = rows[j][i] = rng.random() ** 3
        with mpmath.workdps(30):
            values, vectors = mpmath.eigsy(laplacian(rows, normalised=True))
            kept = [k for k in range(size) if values[k] < 0.9]
            columns = [[float(vectors[i, k]) for i in range(size)] for k in kept]
        squares = [(value - math.fsum(column) / size) ** 2 for column in columns for value in column]
        assert eccentricity(rows) == pytest.approx(math.sqrt(math.fsum(squares)), abs=1e-9)


def ones(size: int) -> list[list[float]]:
    return [[1.0] * size for _ in range(size)]


def identity(size: int) -> list[list[float]]:
    return [[float(i == j) for j in range(size)] for i in range(size)]


@pytest.mark.parametrize("size", [1, 2, 5, 16])
def test_the_ends_of_the_scales(size: int) -> None:
    assert degree(ones(size)) == 0
    assert eigenvalue_sum(ones(size)) == pytest.approx(1, abs=1e-12)
    assert eccentricity(ones(size)) == pytest.approx(0, abs=1e-7)
    assert density_entropy(ones(size), [-1.0] * size) == 0
    assert nearest_neighbour_entropy(ones(size), 0.5) == pytest.approx(-2 - math.log(size), abs=1e-12)
    # Unanimity has one eigenvalue that heat leaves, and n - 1 that it takes e^{-tn} of.
    low = math.exp(-0.3 * size)
    spectrum = [(1 + (size - 1) * low) ** -1] + [low / (1 + (size - 1) * low)] * (size - 1)
    assert kernel_language_entropy(ones(size)) == pytest.approx(-sum(p * math.log(p) for p in spectrum), abs=1e-9)

    assert degree(identity(size)) == pytest.approx(1 - 1 / size, abs=1e-12)
    assert eigenvalue_sum(identity(size)) == pytest.approx(size, abs=1e-12)
    assert kernel_language_entropy(identity(size)) == pytest.approx(math.log(size), abs=1e-12)
    assert density_entropy(identity(size), [-1.0] * size) == pytest.approx(math.log(size), abs=1e-12)
    assert nearest_neighbour_entropy(identity(size)) == pytest.approx(-math.log(size - 1 + math.e), abs=1e-12)


@given(matrices())
def test_estimates_hold_their_bounds(rows: list[list[float]]) -> None:
    n = len(rows)
    assert -1e-12 <= kernel_language_entropy(rows) <= math.log(n) + 1e-9
    assert 1 - 1e-9 <= eigenvalue_sum(rows) <= n + 1e-9
    assert 0 <= degree(rows) <= 1 - 1 / n + 1e-12
    assert 0 <= eccentricity(rows) <= math.sqrt(n)
    assert -1 - math.log(n) - 1e-9 <= nearest_neighbour_entropy(rows) <= -math.log(n - 1 + math.e) + 1e-9
    assert 0 <= density_entropy(rows, [-0.5] * n) <= math.log(n) + 1e-9


def test_density_entropy_by_hand() -> None:
    # p = 3/4, 1/4; densities 3/4 + 1/4·1/2 = 7/8 and 1/4 + 3/4·1/2 = 5/8.
    expected = -(0.75 * math.log(7 / 8) + 0.25 * math.log(5 / 8))
    assert density_entropy([[1, 0.5], [0.5, 1]], [math.log(0.6), math.log(0.2)]) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(st.floats(-40, 0), st.integers(0, 2)), min_size=1, max_size=8))
def test_density_entropy_of_clusters_is_rao_blackwell(pairs: list[tuple[float, int]]) -> None:
    values, labels = [value for value, _ in pairs], [label for _, label in pairs]
    same = [[float(a == b) for b in labels] for a in labels]
    assert density_entropy(same, values) == pytest.approx(rao_blackwell(values, labels), abs=1e-9)


def evidence(
    texts: list[str], rows: list[list[float]] | None, logprobs: list[list[float]] | None = None
) -> EntropyInput:
    votes: list[str | None] = list(texts)
    clusters = cluster(votes, answer_set(votes, "q"), Relation())
    similarities = None if rows is None else tuple(tuple(row) for row in rows)
    return EntropyInput(Group("q", texts, token_logprobs=logprobs), clusters, similarities)


ESTIMATORS: list[EntropyEstimator] = [
    KernelLanguageEntropy(), EigV(), Degree(), Eccentricity(), Snne(), SemanticDensity(), SemanticDensity(False),
]  # fmt: skip


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_the_order_of_the_responses_changes_no_digit(estimator: EntropyEstimator) -> None:
    rng = random.Random(7)
    size = 12
    texts = [f"r{min(i, 8)}" for i in range(size)]  # some twice
    between = {frozenset((a, b)): rng.random() for a in set(texts) for b in set(texts)}
    rows = [[1.0 if a == b else between[frozenset((a, b))] for b in texts] for a in texts]
    logprobs = [[-rng.random() for _ in range(rng.randint(1, 5))] for _ in texts]
    expected = estimator(evidence(texts, rows, logprobs))
    assert expected != 0
    for _ in range(20):
        order = rng.sample(range(size), size)
        moved = evidence([texts[i] for i in order], [[rows[i][j] for j in order] for i in order],
                         [logprobs[i] for i in order])  # fmt: skip
        assert estimator(moved) == expected


def test_estimators_are_their_functions() -> None:
    given_ = evidence(["a", "b", "c"], W, [[-0.2], [-0.4, -0.6], [-1.0]])
    assert KernelLanguageEntropy(0.4)(given_) == pytest.approx(kernel_language_entropy(W, 0.4))
    assert EigV()(given_) == pytest.approx(eigenvalue_sum(W))
    assert Degree()(given_) == pytest.approx(degree(W))
    assert Eccentricity(0.5)(given_) == pytest.approx(eccentricity(W, 0.5))
    assert Snne(0.25)(given_) == pytest.approx(nearest_neighbour_entropy(W, 0.25))
    assert SemanticDensity()(given_) == pytest.approx(density_entropy(W, [-0.2, -0.5, -1.0]))
    assert SemanticDensity(length_normalized=False)(given_) == pytest.approx(density_entropy(W, [-0.2, -1.0, -1.0]))


def test_semantic_density_counts_distinct_responses_once() -> None:
    twice = evidence(["a", "b", "a"], [[1, 0.5, 1], [0.5, 1, 0.5], [1, 0.5, 1]], [[-0.5], [-1.0], [-0.5]])
    assert SemanticDensity()(twice) == pytest.approx(density_entropy([[1, 0.5], [0.5, 1]], [-0.5, -1.0]))


def test_what_is_missing_is_said() -> None:
    with pytest.raises(GroupError, match="similarities"):
        EigV()(evidence(["a", "b"], None))
    with pytest.raises(GroupError, match="`semantic_density` needs token_logprobs"):
        SemanticDensity()(evidence(["a", "b"], identity(2)))
    with pytest.raises(GroupError, match="impossible"):
        SemanticDensity()(evidence(["a", "b"], identity(2), [[-math.inf], [-math.inf]]))


@pytest.mark.parametrize(
    "make", [lambda: KernelLanguageEntropy(0), lambda: Snne(math.nan), lambda: Eccentricity(0), lambda: Eccentricity(2)]
)
def test_impossible_options_are_refused(make: object) -> None:
    with pytest.raises(ConfigError):
        make()  # type: ignore[operator] # a parameter


class Halves:
    """A backend of third parties: everything is half alike."""

    @hookimpl
    def register_equivalence_backends(self, register: object) -> None:
        class Backend(EquivalenceBackend):
            gives_similarities = True

            def relate(self, sets: object) -> list[Relation]:
                return [
                    Relation(similarities=[[1.0 if a == b else 0.5 for b in s.texts] for a in s.texts])
                    for s in sets  # type: ignore[attr-defined] # answer sets
                ]

        register("halves", Backend)  # type: ignore[operator] # the hook's argument


@pytest.mark.parametrize("name", ["kle", "eigv", "degree", "eccentricity", "snne", "semantic_density"])
def test_each_estimator_by_its_name(name: str) -> None:
    group = Group("q", [r"\boxed{a}", r"\boxed{b}", "no idea"], token_logprobs=[[-0.1], [-0.2], [-0.3]])
    with Scorer({"equivalence": "halves", "entropy": name}, plugins=[Halves()]) as scorer:
        score = scorer.score(group)
    assert score.cause is None
    assert score.entropy is not None
    rows = [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]
    expected = {
        "kle": kernel_language_entropy(rows),
        "eigv": eigenvalue_sum(rows),
        "degree": 1 - 4 / 9,
        "eccentricity": eccentricity(rows),
        "snne": nearest_neighbour_entropy(rows),
        "semantic_density": density_entropy(rows, [-0.1, -0.2, -0.3]),
    }
    assert score.entropy == pytest.approx(expected[name], abs=1e-9)


@pytest.mark.parametrize("name", ["kle", "eigv", "degree", "eccentricity", "snne", "semantic_density"])
def test_a_backend_without_similarities_fails_at_the_start(name: str) -> None:
    with pytest.raises(ConfigError, match=f"entropy: '{name}' needs similarities of answers"):
        Scorer({"equivalence": "exact", "entropy": name})


@pytest.mark.parametrize("name", ["eigv", "degree", "eccentricity", "snne"])
def test_what_is_not_in_nats_is_not_set_against_ln_g(name: str) -> None:
    base = {"equivalence": "halves", "entropy": name}
    with pytest.raises(ConfigError, match=r"gates\.entropy\.unit.*not in nats"):
        Scorer({**base, "gates": {"entropy": {"high": 0.9, "unit": "relative"}}}, plugins=[Halves()])
    with pytest.raises(ConfigError, match=r"strategy: 'entropy_scaled'.*not in nats"):
        Scorer({**base, "strategy": "entropy_scaled"}, plugins=[Halves()])
    kle = {
        **base,
        "entropy": "kle",
        "strategy": "entropy_scaled",
        "gates": {"entropy": {"high": 1, "unit": "relative"}},
    }
    Scorer(kle, plugins=[Halves()]).close()

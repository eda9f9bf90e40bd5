"""Clustering: clusters depend on the set of answers alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.clustering import answer_set, cluster, components, connected_components, expand_similarities
from empo_rewards.protocols import Clusters, Relation


def reachable(size: int, edges: list[tuple[int, int]], start: int) -> set[int]:
    """Everything connected to `start`, by repeated sweeps over the edges."""
    seen = {start}
    while True:
        grown = seen | {b for a, b in edges if a in seen} | {a for a, b in edges if b in seen}
        if grown == seen:
            return seen
        seen = grown


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_components_are_what_is_reachable(case: tuple[int, list[tuple[int, int]]]) -> None:
    size, edges = case
    found = connected_components(size, edges)
    assert found == [min(reachable(size, edges, node)) for node in range(size)]


PAIRS = st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] < pair[1])
STRENGTHS = st.sampled_from([1.0, 0.8, 0.5])


def partition(labels: list[int]) -> set[frozenset[int]]:
    return {frozenset(node for node, mine in enumerate(labels) if mine == label) for label in labels}


@given(st.dictionaries(PAIRS, STRENGTHS), st.sets(PAIRS), st.permutations(range(8)))
def test_what_differs_stays_apart_whatever_the_order(
    equal: dict[tuple[int, int], float], different: set[tuple[int, int]], order: list[int]
) -> None:
    different -= equal.keys()

    def moved(pair: tuple[int, int]) -> tuple[int, int]:
        i, j = sorted((order[pair[0]], order[pair[1]]))
        return i, j

    labels = components(8, Relation(tuple(equal), different=tuple(different), strengths=equal))
    assert all(labels[i] != labels[j] for i, j in different)
    joined = connected_components(8, equal)
    assert all(labels[i] != labels[j] or joined[i] == joined[j] for i in range(8) for j in range(8))
    there = {moved(pair): strength for pair, strength in equal.items()}
    elsewhere = components(8, Relation(tuple(there), different=tuple(map(moved, different)), strengths=there))
    assert partition(elsewhere) == {frozenset(order[node] for node in nodes) for nodes in partition(labels)}


@given(st.sets(PAIRS))
def test_where_nothing_is_known_to_differ_components_are_those_of_the_equal_pairs(equal: set[tuple[int, int]]) -> None:
    assert components(8, Relation(tuple(equal))) == connected_components(8, equal)


def test_the_stronger_of_two_is_joined_and_of_two_alike_neither() -> None:
    equal, different = ((0, 1), (1, 2)), ((0, 2),)
    assert components(3, Relation(equal, different=different)) == [0, 1, 2]
    assert components(3, Relation(equal, different=different, strengths={(1, 2): 0.5})) == [0, 0, 2]
    assert components(4, Relation((*equal, (1, 3)), different=different)) == [0, 1, 2, 1]


def test_canonical_order_is_by_count_then_text() -> None:
    assert answer_set(["b", "c", "a", "c", None], "q").texts == ("c", "a", "b")


def test_clusters_by_hand() -> None:
    votes = ["3", None, "2", "2.0", None, "2"]
    answers = answer_set(votes, "q")
    assert answers.texts == ("2", "2.0", "3")
    clusters = cluster(votes, answers, Relation(equal=((0, 1),)))
    assert clusters == Clusters(labels=(1, 2, 0, 0, 3, 0), sizes=(3, 1, 1, 1), voters=2, representatives=("2", "3"))
    assert clusters.shares == (3 / 6, 1 / 6, 1 / 6, 1 / 6)
    assert clusters.modal == {0}
    assert clusters.largest_share == 0.5


def test_a_tie_has_several_modal_clusters() -> None:
    votes = ["a", "b", "a", "b", "c"]
    clusters = cluster(votes, answer_set(votes, ""), Relation())
    assert clusters.modal == {0, 1}


def test_without_voters() -> None:
    clusters = cluster([None, None], answer_set([None, None], ""), Relation())
    assert clusters == Clusters((0, 1), (1, 1), 0, ())
    assert clusters.modal == frozenset()
    assert clusters.largest_share == 0


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=8), st.randoms())
def test_order_of_votes_does_not_matter(votes: list[str | None], random: object) -> None:
    order = list(range(len(votes)))
    random.shuffle(order)  # type: ignore[attr-defined] # hypothesis gives a random.Random
    relation = Relation(equal=((0, 1),)) if len(set(votes) - {None}) > 1 else Relation()
    plain = cluster(votes, answer_set(votes, ""), relation)
    moved_votes = [votes[i] for i in order]
    moved = cluster(moved_votes, answer_set(moved_votes, ""), relation)
    assert moved.sizes == plain.sizes
    for new, old in enumerate(order):
        if votes[old] is not None:
            assert moved.labels[new] == plain.labels[old]


def test_similarities_of_responses_are_those_of_their_texts() -> None:
    votes = ["b", None, "a", "a", None]
    answers = answer_set(votes, "q")
    assert answers.texts == ("a", "b")
    assert expand_similarities(votes, answers, [[1, 0.25], [0.25, 1]]) == (
        (1, 0, 0.25, 0.25, 0),
        (0, 1, 0, 0, 0),
        (0.25, 0, 1, 1, 0),
        (0.25, 0, 1, 1, 0),
        (0, 0, 0, 0, 1),
    )


def test_similarities_that_rounding_took_out_of_bounds_are_bounded_and_symmetric() -> None:
    answers = answer_set(["a", "b"], "q")
    rows = expand_similarities(["a", "b"], answers, [[1, 1 + 1e-7], [1, 1]])
    assert rows == ((1, 1), (1, 1))
    rows = expand_similarities(["a", "b"], answers, [[1, -1e-7], [0, 1]])
    assert rows == ((1, 0), (0, 1))

"""Answers that are the same, and answers that are not: each case with where it comes from."""

import json
from itertools import combinations
from pathlib import Path

import pytest

from empo_rewards.equivalence.math import MathEquivalence
from empo_rewards.protocols import AnswerSet

CASES = json.loads((Path(__file__).parent / "cases.json").read_text(encoding="utf-8"))
SAME = [case["same"] for case in CASES if "same" in case]
DIFFERENT = [pair for case in CASES if "different" in case for pair in combinations(case["different"], 2)]


def short(text):
    return text if len(text) < 60 else text[:57] + "..."


@pytest.fixture(scope="module")
def keys():
    return MathEquivalence()


def clusters(relation, size):
    """A label for each text, from the edges alone."""
    labels = list(range(size))
    for i, j in relation.equal:
        old, new = labels[j], labels[i]
        labels = [new if label == old else label for label in labels]
    return labels


def test_every_case_says_where_it_comes_from():
    assert all(case["source"] and (("same" in case) != ("different" in case)) for case in CASES)


@pytest.mark.parametrize("texts", SAME, ids=lambda texts: short(" | ".join(texts)))
def test_same_answers_merge_pair_by_pair_and_together(keys, texts):
    for other in texts[1:]:
        pair = keys.relate([AnswerSet((texts[0], other))])[0]
        assert pair.equal == ((0, 1),), other
    together = keys.relate([AnswerSet(tuple(texts))])[0]
    assert len(set(clusters(together, len(texts)))) == 1


@pytest.mark.parametrize("pair", DIFFERENT, ids=lambda pair: short(" | ".join(pair)))
def test_different_answers_stay_apart_in_either_order(keys, pair):
    for texts in (pair, pair[::-1]):
        assert keys.relate([AnswerSet(tuple(texts))])[0].equal == ()


def test_what_is_left_open_is_little_and_known(keys):
    """Of the different pairs all but these are refuted. Integrals and limits are not computed."""
    decided = [pair for pair in DIFFERENT if not any(text.startswith(("\\int", "\\lim")) for text in pair)]
    open_pairs = {tuple(pair) for pair in decided if keys.relate([AnswerSet(tuple(pair))])[0].undecided}
    names = {("SRMC = LRMC", "SRMC = LRAC"), ("MR=MC", "P=MC")}
    assert open_pairs == names

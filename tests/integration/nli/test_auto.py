"""`auto` with a real classifier behind it: which pairs the model sees, and in how many batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from transformers import AutoTokenizer, BertForSequenceClassification

from empo_rewards.equivalence.auto import AutoEquivalence
from empo_rewards.equivalence.nli import NliEquivalence
from empo_rewards.protocols import AnswerSet, Relation

torch.set_num_threads(1)

PROMPT = "which letter is it"
SETS = [
    AnswerSet(("alpha", "the alpha", "beta", "one gamma", "two gamma"), PROMPT),
    AnswerSet(("beta", "gamma", "not beta"), PROMPT),
    AnswerSet(("1", "2", "x^2"), PROMPT),
]


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The inputs of each call of the model's network."""
    seen: list[torch.Tensor] = []
    forward = BertForSequenceClassification.forward

    def observed(self: BertForSequenceClassification, input_ids: torch.Tensor, **inputs: Any) -> Any:
        seen.append(input_ids)
        return forward(self, input_ids=input_ids, **inputs)

    monkeypatch.setattr(BertForSequenceClassification, "forward", observed)
    return seen


def test_the_model_is_asked_for_open_pairs_alone_those_of_all_groups_at_once(
    tmp_path: Path, batches: list[torch.Tensor]
) -> None:
    model = tiny.make(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(model)
    relations = list(AutoEquivalence(semantic=NliEquivalence(model=model, device="cpu")).relate(SETS))
    assert all(isinstance(relation, Relation) for relation in relations), relations

    asked = set()
    for row in torch.cat([torch.nn.functional.pad(batch, (0, tiny.CONTEXT - batch.shape[1])) for batch in batches]):
        _, premise, hypothesis, *_ = tokenizer.decode(row).replace("[CLS]", "[SEP]").split("[SEP]")
        asked.add(frozenset((premise.strip(), hypothesis.strip())))
    settled = [{"alpha", "the alpha"}, {"one gamma", "two gamma"}, {"beta", "not beta"}, {"1", "2"}, {"1", "x^2"}]
    assert asked, "pairs are open"
    assert asked.isdisjoint(map(frozenset, settled))
    assert {"alpha", "beta"} in asked, "different unless a model that reads finds otherwise"
    assert {"beta", "gamma"} in asked, "and so in the second group"
    assert not any("[UNK]" in text for pair in asked for text in pair), "of 1, the and x^2 nothing is asked"

    rounds = 2 * max(len(answers.texts) for answers in SETS)
    assert max(len(batch) for batch in batches) > 1, "pairs of several groups in one batch"
    assert len(batches) <= rounds, "not one call a pair"
    assert sum(map(len, batches)) == sum(relation.metrics.get("model_evaluations", 0) for relation in relations)  # type: ignore[union-attr]

"""The entailment backend with a tiny classifier: loading, tokenising and batching, compared with a plain loop."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
import tiny
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from empo_rewards import Group, Scorer
from empo_rewards.clustering import connected_components
from empo_rewards.equivalence.nli import NliEquivalence
from empo_rewards.protocols import AnswerSet, Relation

torch.set_num_threads(1)

TEXTS = tuple(f"{a} {b}" for a in tiny.WORDS[:4] for b in tiny.WORDS[6:11])
SETS = [AnswerSet(TEXTS[k : k + 6], "which letter is it") for k in range(0, 15, 3)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny.make(tmp_path_factory.mktemp("nli"))


@pytest.fixture(scope="module")
def probabilities(model: str) -> Callable[[str, str], dict[str, float]]:
    """The plain way: one input at a time, without padding, by the library alone."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForSequenceClassification.from_pretrained(model).eval()

    def ask(premise: str, hypothesis: str) -> dict[str, float]:
        with torch.inference_mode():
            logits = network(**tokenizer(premise, hypothesis, return_tensors="pt")).logits[0]
        return dict(zip(tiny.LABELS, logits.softmax(-1).tolist(), strict=True))

    return ask


def relations(backend: NliEquivalence, sets: list[AnswerSet]) -> list[Relation]:
    found = list(backend.relate(sets))
    assert all(isinstance(relation, Relation) for relation in found), found
    return found  # type: ignore[return-value]


def components(answers: AnswerSet, relation: Relation) -> list[int]:
    return connected_components(len(answers.texts), relation.equal)


@pytest.mark.parametrize("mode", ["strict", "lax"])
@pytest.mark.parametrize("in_context", [False, True])
def test_clusters_are_those_of_the_plain_loop(
    model: str, probabilities: Callable[[str, str], dict[str, float]], mode: str, in_context: bool
) -> None:
    def equal(left: str, right: str) -> bool:
        asked = [(left, right), (right, left)]
        if in_context:
            asked = [(f"which letter is it {a}", f"which letter is it {b}") for a, b in asked]
        labels = [max(scores, key=scores.__getitem__) for scores in (probabilities(a, b) for a, b in asked)]
        if mode == "strict":
            return labels == ["entailment", "entailment"]
        return "contradiction" not in labels and "entailment" in labels

    options = {"model": model, "mode": mode, "in_context": in_context, "device": "cpu"}
    whole = relations(NliEquivalence(**options, complete=True), SETS)
    for answers, relation in zip(SETS, whole, strict=True):
        pairs = [(i, j) for i, j in combinations(range(6), 2) if equal(answers.texts[i], answers.texts[j])]
        assert components(answers, relation) == connected_components(6, pairs)
    by_rounds = relations(NliEquivalence(**options), SETS)
    for answers, relation in zip(SETS, by_rounds, strict=True):
        leaders: list[int] = []
        for i, text in enumerate(answers.texts):  # each text joins the first representative that it equals
            joined = next((k for k in leaders if equal(answers.texts[k], text)), i)
            leaders += [i] if joined == i else []
            assert components(answers, relation)[i] == joined
        assert 0 < relation.metrics["model_evaluations"] <= 2 * 6 * len(leaders)


def test_the_models_give_all_kinds_of_verdicts(model: str) -> None:
    sizes = {
        mode: {len(set(components(answers, relation))) for answers, relation in zip(SETS, found, strict=True)}
        for mode in ("strict", "lax")
        for found in [relations(NliEquivalence(model, mode=mode, device="cpu"), SETS)]  # type: ignore[arg-type]
    }
    assert any(size < 6 for size in sizes["lax"])
    assert any(size > 1 for size in sizes["strict"])
    assert sizes["strict"] != sizes["lax"]


@pytest.mark.parametrize(
    "labels", [("entailment", "neutral", "contradiction"), ("NEUTRAL", "ENTAILMENT", "CONTRADICTION")]
)
def test_the_order_of_the_labels_is_the_configurations(model: str, tmp_path: Path, labels: tuple[str, ...]) -> None:
    folded = tuple(label.casefold() for label in labels)
    other = tiny.make(tmp_path / "other", folded)
    if folded != labels:
        config = json.loads((tmp_path / "other" / "config.json").read_text())
        config["id2label"] = dict(enumerate(labels))
        (tmp_path / "other" / "config.json").write_text(json.dumps(config))
    first, second = (relations(NliEquivalence(path, mode="lax", device="cpu"), SETS) for path in (model, other))
    assert [relation.equal for relation in first] == [relation.equal for relation in second]


def test_labels_that_say_nothing_are_a_fault_that_options_repair(model: str, tmp_path: Path) -> None:
    nameless = tiny.make(tmp_path, ("LABEL_0", "LABEL_1", "LABEL_2"))
    found = NliEquivalence(nameless, device="cpu").relate(SETS)
    assert all("name them in order" in str(error) for error in found)
    named = NliEquivalence(nameless, labels=tiny.LABELS, device="cpu")
    assert relations(named, SETS) == relations(NliEquivalence(model, device="cpu"), SETS)


def test_a_model_that_is_not_there_leaves_groups_unscored(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    config = {"equivalence": {"name": "nli", "model": missing, "device": "cpu"}, "extraction": ["whole_text"]}
    with Scorer(config) as scorer:
        several, one = scorer.score_many([Group("?", ["alpha", "beta"]), Group("?", ["alpha", "alpha"])])
    assert (several.status.value, several.cause.value) == ("unscored", "equivalence_failed")  # type: ignore[union-attr]
    assert "missing cannot be loaded" in str(several.detail)
    assert one.rewards == (1, 1), "nothing had to be compared"


def test_similarities_are_the_mean_probability_of_entailment(
    model: str, probabilities: Callable[[str, str], dict[str, float]]
) -> None:
    answers = AnswerSet(TEXTS[:4], similarities=True)
    (relation,) = relations(NliEquivalence(model, device="cpu"), [answers])
    assert relation.similarities is not None
    for i, left in enumerate(answers.texts):
        for j, right in enumerate(answers.texts):
            both = probabilities(left, right)["entailment"] + probabilities(right, left)["entailment"]
            assert relation.similarities[i][j] == pytest.approx(1 if i == j else both / 2, abs=1e-5)


def test_long_inputs_are_cut_and_counted(model: str) -> None:
    long = " ".join(["alpha"] * 100)
    sets = [AnswerSet((long + " one", "beta"), similarities=True), AnswerSet(("gamma", "delta"))]
    cut, whole = relations(NliEquivalence(model, device="cpu"), sets)
    assert cut.metrics["truncated_inputs"] == 2
    assert whole.metrics["truncated_inputs"] == 0
    endless = AnswerSet(("alpha " * 200_000 + "one", "\ud800 beta"), similarities=True)
    assert relations(NliEquivalence(model, device="cpu"), [endless])[0].metrics["truncated_inputs"] == 2


def test_in_context_the_answers_are_kept_and_the_question_is_cut(model: str) -> None:
    prompt = " ".join(["which"] * 200)
    (relation,) = relations(
        NliEquivalence(model, in_context=True, device="cpu"), [AnswerSet(TEXTS[:5], prompt, similarities=True)]
    )
    assert relation.similarities is not None
    found = {round(relation.similarities[i][j], 6) for i, j in combinations(range(5), 2)}
    assert len(found) == 10, "what was cut off cannot be the answers"
    assert relation.metrics["truncated_inputs"] == 20


def test_memory_that_runs_out_halves_the_batch(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = relations(NliEquivalence(model, device="cpu"), SETS)
    backend = NliEquivalence(model, device="cpu", batch_size=16)
    sizes: list[int] = []

    def limit(most: int) -> None:
        with backend._classifier._model.use() as loaded:
            forward = type(loaded.model).forward

        def narrow(self: object, input_ids: torch.Tensor, **rest: torch.Tensor) -> object:
            sizes.append(len(input_ids))
            if len(input_ids) > most:
                raise torch.cuda.OutOfMemoryError("out of memory")
            return forward(self, input_ids=input_ids, **rest)

        monkeypatch.setattr(type(loaded.model), "forward", narrow)

    limit(5)
    assert relations(backend, SETS) == plain
    assert max(sizes) == 16
    monkeypatch.undo()
    limit(0)
    assert all("out of memory" in str(error) for error in NliEquivalence(model, device="cpu").relate(SETS))


def test_a_cache_on_disk_saves_the_evaluations_and_changes_nothing(model: str, tmp_path: Path) -> None:
    options = {"model": model, "device": "cpu", "cache": str(tmp_path / "verdicts.sqlite")}
    first = relations(NliEquivalence(**options), SETS)
    second = relations(NliEquivalence(**options), SETS)
    assert second == first
    assert all(relation.metrics["cache_hits"] == relation.metrics["comparisons"] for relation in second)
    other = relations(NliEquivalence(**options, mode="lax"), SETS)
    assert sum(relation.metrics.get("model_evaluations", 0) for relation in other) > 0, "the mode decides the verdict"
    assert all("model_evaluations" not in relation.metrics for relation in second)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_lower_precision(model: str, dtype: str) -> None:
    found = relations(NliEquivalence(model, dtype=dtype, device="cpu"), SETS)  # type: ignore[arg-type]
    plain = relations(NliEquivalence(model, device="cpu"), SETS)
    same = sum(a.equal == b.equal for a, b in zip(found, plain, strict=True))
    assert same >= len(SETS) - 2, "rounding may move a verdict that stands on the edge"


@pytest.mark.parametrize("in_context", [False, True])
def test_reasons_have_the_probabilities_of_both_directions(
    model: str, probabilities: Callable[[str, str], dict[str, float]], in_context: bool
) -> None:
    backend = NliEquivalence(model, in_context=in_context, device="cpu")
    answers = SETS[0]
    prompt = f"{answers.prompt} " if in_context else ""
    for i, j in combinations(range(len(answers.texts)), 2):
        reason = backend.why(answers, i, j)
        assert reason == backend.why(answers, j, i)
        one, other = (f"{prompt}{reason.facts[name]}" for name in ("one", "other"))
        directions = {
            "does one entail the other?": probabilities(one, other),
            "does the other entail one?": probabilities(other, one),
        }
        for fact, said in directions.items():
            shown = str(reason.facts[fact])
            assert shown.startswith(max(said, key=said.__getitem__))
            numbers = dict(re.findall(r"(\w+) (\d\.\d{3})", shown))
            assert {name: float(number) for name, number in numbers.items()} == pytest.approx(said, abs=0.001)
        likeliest = {max(said, key=said.__getitem__) for said in directions.values()}
        assert reason.equal == (likeliest == {"entailment"})

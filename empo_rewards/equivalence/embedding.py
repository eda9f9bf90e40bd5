"""Answers whose sentence embeddings are close mean the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import combinations
from typing import TYPE_CHECKING, Literal, NamedTuple

from empo_rewards.equivalence import AnswerSet, Relation
from empo_rewards.equivalence.encoder import MODEL, Encoder, ModelError
from empo_rewards.equivalence.exact import normal_form
from empo_rewards.equivalence.memory import ContentMemory, fingerprint
from empo_rewards.equivalence.words import contrast, equal_by_words
from empo_rewards.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MEMORY_SIZE = 16_384
"""Vectors that are kept: some 25 MB of MiniLM's."""

Linkage = Literal["components", "average"]


class EmbeddingEquivalence:
    """Compares answers by the cosine of their sentence embeddings.

    The model embeds each distinct normal form of a call once, in one batch sorted by length, whatever the number of
    groups it occurs in. Safe to share between threads; copies (forked) have a model and a memory of their own.

    Args:
        model: a sentence-transformers model: a local path, or a name on a hub.
        threshold: the least cosine of two answers that mean the same. The default was chosen on pairs of answers of our
            own (`benchmarks/judged_short_answers.json`) so that what it joins is right: a false merge pays an agreement
            that is none.
        linkage: "components": clusters are what such pairs connect; "average": two clusters are joined, the closest
            first, while the mean cosine between their members is at least the threshold (agglomerative clustering).
        words: let what short answers say word by word (see `equivalence.words`) come before the cosine: an answer with
            an explanation behind it is equal to it, and other numbers, negations and other words tell answers apart.
        normalize: embed normal forms: letter case, prose punctuation and articles do not matter.
        cache: an SQLite file that keeps embeddings beyond this process; None: they are kept in memory only.
        device: where the model runs, as torch writes it; None: what sentence-transformers chooses.
        batch_size: texts that are embedded at once.

    Raises:
        ConfigError: the threshold is no cosine, or the cache's folder does not exist.
        MissingExtraError: sentence-transformers is not installed.
    """

    gives_similarities = True

    def __init__(
        self,
        model: str = MODEL,
        threshold: float = 0.9,
        linkage: Linkage = "components",
        words: bool = True,
        normalize: bool = True,
        cache: str | None = None,
        device: str | None = None,
        batch_size: int = 64,
    ) -> None:
        self._encoder = Encoder(model, device, batch_size, feature="the equivalence backend 'embedding'")
        if not -1 <= threshold <= 1:
            raise ConfigError(f"threshold is {threshold}; a cosine lies in [-1, 1]")
        self._threshold, self._linkage = threshold, linkage
        self._words, self._normalize = words, normalize
        self._memory: ContentMemory[str, _Embedded] = ContentMemory(
            ("embedding", model, fingerprint(model)), MEMORY_SIZE, cache, _dump, _load
        )

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation | Exception]:
        """Which answers of each set are close; nothing is undecided. An exception where the model cannot be loaded.

        Metrics: `distinct_texts` (normal forms), how many of them were `cache_hits`, `model_evaluations` (texts that
        were embedded; one that several groups share is divided among them) and `truncated_inputs`.
        """
        asked = [(answers, [self._form(text) for text in answers.texts]) for answers in sets]
        askers = Counter(form for _, forms in asked if len(set(forms)) > 1 for form in set(forms))
        known = self._memory.get_many(list(askers))
        new = [form for form in askers if form not in known]
        if new:
            try:
                found = self._embed(new)
            except ModelError as error:
                return [
                    error if len(set(forms)) > 1 else self._relation(answers, forms, {}, {}) for answers, forms in asked
                ]
            self._memory.put_many(found)
            known |= found
        shares = {form: 1 / askers[form] for form in new}
        return [self._relation(answers, forms, known, shares) for answers, forms in asked]

    def _embed(self, forms: Sequence[str]) -> dict[str, _Embedded]:
        vectors, cut = self._encoder.encode(forms), self._encoder.truncated(forms)
        return {form: _Embedded(vectors[form], form in cut) for form in forms}

    def _form(self, text: str) -> str:
        return normal_form(text) if self._normalize else " ".join(text.split())

    def _relation(
        self, answers: AnswerSet, forms: Sequence[str], known: Mapping[str, _Embedded], shares: Mapping[str, float]
    ) -> Relation:
        place = {form: forms.index(form) for form in forms}
        row = {form: k for k, form in enumerate(place)}
        positions = list(place.values())
        compared = place.keys() if len(place) > 1 else set()
        cosines = _cosines([known[form].vector for form in place]) if compared else [[1.0]]
        equal = [(place[form], position) for position, form in enumerate(forms) if place[form] != position]
        said = equal_by_words(answers.texts, any_order=True) if self._words else []
        pairs = {_pair(row[forms[i]], row[forms[j]]) for i, j in said if forms[i] != forms[j]}
        equal += [(positions[a], positions[b]) for a, b in self._close(list(place), cosines, pairs)]
        metrics = {
            "distinct_texts": float(len(place)),
            "cache_hits": float(len(compared - shares.keys())),
            "model_evaluations": sum(shares[form] for form in sorted(compared & shares.keys())),
            "truncated_inputs": float(sum(known[form].cut for form in compared)),
        }
        rows = [[max(0.0, cosines[row[a]][row[b]]) for b in forms] for a in forms] if answers.similarities else None
        return Relation(tuple(equal), metrics=metrics, similarities=rows)

    def _close(
        self, forms: Sequence[str], cosines: Sequence[Sequence[float]], said: Set[tuple[int, int]]
    ) -> Iterable[tuple[int, int]]:
        """Pairs of positions that mean the same, given those whose words say so."""
        similar = {
            (a, b): 1.0 if (a, b) in said else self._near(forms[a], forms[b], cosines[a][b])
            for a, b in combinations(range(len(forms)), 2)
        }
        if self._linkage == "average":
            return average_linkage(len(forms), similar, self._threshold)
        return [pair for pair, similarity in similar.items() if similarity >= self._threshold]

    def _near(self, a: str, b: str, cosine: float) -> float:
        """The cosine, unless the words of the two are against it."""
        return 0.0 if self._words and cosine >= self._threshold and contrast(a, b) else cosine


def average_linkage(size: int, similarities: dict[tuple[int, int], float], threshold: float) -> list[tuple[int, int]]:
    """Agglomerative clustering with average linkage (UPGMA): a spanning set of pairs (i, j), i < j, of its clusters.

    Args:
        size: how many things there are.
        similarities: of each pair (i, j), i < j.
        threshold: clusters are joined, the most similar two first (of several, those of the smallest members), while
            their mean similarity is at least this.
    """
    members = {node: [node] for node in range(size)}
    between = dict(similarities)
    joined = []
    while between:
        a, b = min(between, key=lambda pair: (-between[pair], pair))
        if between[a, b] < threshold:
            break
        joined.append((a, b))
        weight, other_weight = len(members[a]), len(members[b])
        del between[a, b]
        for node in members.keys() - {a, b}:
            kept, gone = _pair(a, node), _pair(b, node)
            between[kept] = (weight * between[kept] + other_weight * between.pop(gone)) / (weight + other_weight)
        members[a] += members.pop(b)
    return joined


def _pair(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def _cosines(vectors: Iterable[NDArray[np.float32]]) -> list[list[float]]:
    """The cosines of unit vectors, exactly symmetric, with ones on the diagonal."""
    import numpy as np  # noqa: PLC0415 - comes with sentence-transformers; an optional extra

    matrix = np.stack(list(vectors)).astype(np.float64)
    products = np.clip(matrix @ matrix.T, -1.0, 1.0)
    products = (products + products.T) / 2
    np.fill_diagonal(products, 1.0)
    rows: list[list[float]] = products.tolist()
    return rows


class _Embedded(NamedTuple):
    """What is remembered of a text: its unit vector, and whether the model saw only how the text begins."""

    vector: NDArray[np.float32]
    cut: bool


def _dump(embedded: _Embedded) -> bytes:
    return bytes([embedded.cut]) + embedded.vector.astype("<f4").tobytes()


def _load(data: bytes) -> _Embedded:
    import numpy as np  # noqa: PLC0415 - as above

    return _Embedded(np.frombuffer(data[1:], dtype="<f4"), bool(data[0]))

"""Answers whose sentence embeddings are close mean the same."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal, NamedTuple

from empo_rewards.equivalence.encoder import MODEL, Encoder
from empo_rewards.equivalence.exact import normal_form
from empo_rewards.equivalence.lazy_model import ModelError
from empo_rewards.equivalence.linkage import Linkage, agglomerate
from empo_rewards.equivalence.memory import ContentMemory, fingerprint
from empo_rewards.equivalence.words import relate_words
from empo_rewards.errors import ConfigError
from empo_rewards.protocols import AnswerSet, EquivalenceBackend, Reason, Relation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MEMORY_SIZE = 16_384
"""Vectors that are kept: some 25 MB of MiniLM's."""

FOUND = 0.5
"""The strength of what the cosine says: whatever words say is stronger."""


class EmbeddingEquivalence(EquivalenceBackend):
    """Compares answers by the cosine of their sentence embeddings.

    The model embeds what words leave open: each distinct normal form of a call once, in one batch sorted by length,
    whatever the number of groups it occurs in. Safe to share between threads; copies (forked) have a model and a memory
    of their own.

    Args:
        model: a sentence-transformers model: a local path, or a name on a hub.
        threshold: the least cosine of two answers that mean the same. The default was chosen on pairs of answers of our
            own (`benchmarks/judged_short_answers.json`) so that what it joins is right: a false merge pays an agreement
            that is none.
        linkage: when two clusters are joined, the closest first: "single": while any two of their members reach the
            threshold; "average": while the mean cosine between their members does; "complete": while all of them do.
        words: let what answers say word by word (see `equivalence.words`) come before the cosine, which decides then
            only between answers whose words differ in spelling: an embedding is blind to direction, negation, quantity
            and order. If not, the cosine alone decides.
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
        linkage: Linkage | Literal["components"] = "single",
        words: bool = True,
        normalize: bool = True,
        cache: str | None = None,
        device: str | None = None,
        batch_size: int = 64,
    ) -> None:
        self._encoder = Encoder(model, device, batch_size, feature="the equivalence backend 'embedding'")
        if not -1 <= threshold <= 1:
            raise ConfigError(f"threshold is {threshold}; a cosine lies in [-1, 1]")
        if linkage == "components":
            warnings.warn("linkage: components is now called single", DeprecationWarning, stacklevel=2)
            linkage = "single"
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
        works = [self._begin(answers) for answers in sets]
        askers = Counter(form for work in works for form in work.asked)
        known = self._memory.get_many(list(askers))
        new = [form for form in askers if form not in known]
        if new:
            try:
                found = self._embed(new)
            except ModelError as error:
                return [error if work.asked else self._relation(work, {}, {}) for work in works]
            self._memory.put_many(found)
            known |= found
        shares = {form: 1 / askers[form] for form in new}
        return [self._relation(work, known, shares) for work in works]

    def why(self, answers: AnswerSet, i: int, j: int) -> Reason:
        """What words say of the pair, and where they do not tell, its cosine and the threshold."""
        work = self._begin(answers)
        row = {form: k for k, form in enumerate(work.distinct)}
        pair = _pair(row[work.forms[i]], row[work.forms[j]])
        if pair[0] == pair[1]:
            return Reason("normal forms", {"both": work.forms[i]})
        if pair in work.said:
            return Reason("the same by their words", {"strength": work.said[pair]})
        if pair in work.apart:
            return Reason("different by their words")
        if pair not in work.left:
            return Reason("settled before the model was asked")
        asked = [work.distinct[k] for k in pair]
        known = self._memory.get_many(asked) | self._embed(asked)
        cosine = _cosines([known[form].vector for form in asked])[0][1]
        facts = {"cosine": cosine, "threshold": self._threshold, "linkage": self._linkage}
        return Reason("cosine of embeddings", facts, cosine >= self._threshold)

    def _begin(self, answers: AnswerSet) -> _EmbeddingWork:
        """What words decide, and what is left to the model."""
        forms = [normal_form(text) if self._normalize else " ".join(text.split()) for text in answers.texts]
        distinct = list(dict.fromkeys(forms))
        row = {form: k for k, form in enumerate(distinct)}

        def in_rows(pairs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
            return {_pair(row[forms[i]], row[forms[j]]) for i, j in pairs if forms[i] != forms[j]}

        said: dict[tuple[int, int], float] = {}
        apart = set[tuple[int, int]]()
        left = set(combinations(range(len(distinct)), 2))
        if self._words:
            found = relate_words(answers.texts, answers.prompt)
            for (i, j), strength in found.same.items():
                for pair in in_rows([(i, j)]):
                    said[pair] = max(strength, said.get(pair, 0.0))
            apart = in_rows(found.different | found.other) - said.keys()
            left = in_rows(found.spelled)
        left -= said.keys() | apart | in_rows(answers.settled)
        asked = {distinct[k] for pair in left for k in pair}
        if answers.similarities and len(distinct) > 1:
            asked = set(distinct)
        return _EmbeddingWork(answers, forms, distinct, said, apart, left, asked)

    def _embed(self, forms: Sequence[str]) -> dict[str, _Embedded]:
        vectors, cut = self._encoder.encode(forms), self._encoder.truncated(forms)
        return {form: _Embedded(vectors[form], form in cut) for form in forms}

    def _relation(self, work: _EmbeddingWork, known: Mapping[str, _Embedded], shares: Mapping[str, float]) -> Relation:
        forms, distinct = work.forms, work.distinct
        first = [forms.index(form) for form in distinct]
        row = {form: k for k, form in enumerate(distinct)}
        cosines = _cosines([known[form].vector if form in work.asked else None for form in distinct])
        joined = self._close(work, cosines)
        copies = [(first[row[form]], position) for position, form in enumerate(forms) if first[row[form]] != position]
        strengths = {(first[a], first[b]): strength for (a, b), strength in joined.items() if strength < 1}
        equal = [*copies, *((first[a], first[b]) for a, b in joined)]
        different = tuple((first[a], first[b]) for a, b in sorted(work.apart))
        metrics = {
            "distinct_texts": float(len(distinct)),
            "cache_hits": float(len(work.asked - shares.keys())),
            "model_evaluations": sum(shares[form] for form in sorted(work.asked & shares.keys())),
            "truncated_inputs": float(sum(known[form].cut for form in work.asked)),
        }
        rows = None
        if work.answers.similarities:
            rows = [[max(0.0, cosines[row[a]][row[b]]) for b in forms] for a in forms]
        return Relation(tuple(equal), (), metrics, rows, different, strengths)

    def _close(self, work: _EmbeddingWork, cosines: Sequence[Sequence[float]]) -> dict[tuple[int, int], float]:
        """Pairs of distinct forms that mean the same, each with its strength.

        By their words, or by their cosine where words do not tell.
        """
        similar = dict.fromkeys(combinations(range(len(work.distinct)), 2), 0.0)
        similar.update(dict.fromkeys(work.apart, -math.inf))
        similar.update({(a, b): cosines[a][b] for a, b in work.left})
        similar.update(dict.fromkeys(work.said, 1.0))
        found = agglomerate(len(work.distinct), similar, self._threshold, self._linkage)
        return {pair: work.said.get(pair, FOUND) for pair in found}


def _pair(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def _cosines(vectors: Sequence[NDArray[np.float32] | None]) -> list[list[float]]:
    """The cosines of unit vectors, exactly symmetric, with ones on the diagonal; 0 where there is no vector."""
    import numpy as np  # noqa: PLC0415 - comes with sentence-transformers; an optional extra

    products = np.zeros((len(vectors), len(vectors)))
    there = [k for k, vector in enumerate(vectors) if vector is not None]
    if there:
        matrix = np.stack([vector for vector in vectors if vector is not None]).astype(np.float64)
        products[np.ix_(there, there)] = np.clip(matrix @ matrix.T, -1.0, 1.0)
    products = (products + products.T) / 2
    np.fill_diagonal(products, 1.0)
    rows: list[list[float]] = products.tolist()
    return rows


@dataclass
class _EmbeddingWork:
    """One set on its way through the stages. Pairs (a, b), a < b, are positions in `distinct`."""

    answers: AnswerSet
    forms: list[str]
    """What is compared of each text."""
    distinct: list[str]
    said: dict[tuple[int, int], float]
    """Pairs that are equal by their words, with the strength of each."""
    apart: set[tuple[int, int]]
    """Pairs that are different by their words."""
    left: set[tuple[int, int]]
    """Pairs that words do not decide."""
    asked: set[str]
    """The forms that the model must embed."""


class _Embedded(NamedTuple):
    """What is remembered of a text: its unit vector, and whether the model saw only how the text begins."""

    vector: NDArray[np.float32]
    cut: bool


def _dump(embedded: _Embedded) -> bytes:
    return bytes([embedded.cut]) + embedded.vector.astype("<f4").tobytes()


def _load(data: bytes) -> _Embedded:
    import numpy as np  # noqa: PLC0415 - as above

    return _Embedded(np.frombuffer(data[1:], dtype="<f4"), bool(data[0]))

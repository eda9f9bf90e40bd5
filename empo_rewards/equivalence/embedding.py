"""Answers whose sentence embeddings are close mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from empo_rewards.equivalence import AnswerSet, Relation
from empo_rewards.equivalence.encoder import MODEL, Encoder
from empo_rewards.errors import ConfigError


class EmbeddingEquivalence:
    """Compares answers by the cosine of their sentence embeddings; clusters are what such pairs connect.

    Each distinct text of a call is embedded once, whatever the number of groups it occurs in.

    Args:
        model: a sentence-transformers model: a local path, or a name on a hub.
        threshold: the least cosine of two answers that mean the same.
        device: where the model runs, as torch writes it; None: what sentence-transformers chooses.
        batch_size: texts that are embedded at once.
        normalize_case: embed lower-case text. Models tell "Paris" from "PARIS", people do not.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
    """

    def __init__(
        self,
        model: str = MODEL,
        threshold: float = 0.85,
        device: str | None = None,
        batch_size: int = 64,
        normalize_case: bool = True,
    ) -> None:
        self._encoder = Encoder(model, device, batch_size, feature="the equivalence backend 'embedding'")
        if not -1 <= threshold <= 1:
            raise ConfigError(f"threshold is {threshold}; a cosine lies in [-1, 1]")
        self._threshold, self._normalize_case = threshold, normalize_case

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation]:
        """Pairs at or above the threshold are equal; nothing is undecided."""
        vectors = self._encoder.encode(self._form(text) for answers in sets for text in answers.texts)
        return [self._relation([vectors[self._form(text)] for text in answers.texts]) for answers in sets]

    def _form(self, text: str) -> str:
        form = " ".join(text.split())
        return form.casefold() if self._normalize_case else form

    def _relation(self, vectors: Sequence[Any]) -> Relation:
        equal = tuple(
            (i, j) for j in range(len(vectors)) for i in range(j) if float(vectors[i] @ vectors[j]) >= self._threshold
        )
        return Relation(equal, metrics={"embedded_texts": float(len(vectors))})

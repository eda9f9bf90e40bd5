"""Answers whose sentence embeddings are close mean the same."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from empo_rewards.equivalence import AnswerSet, Relation
from empo_rewards.errors import ConfigError
from empo_rewards.extras import require


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
        model: str = "sentence-transformers/all-MiniLM-L6-v2",
        threshold: float = 0.85,
        device: str | None = None,
        batch_size: int = 64,
        normalize_case: bool = True,
    ) -> None:
        require("embedding", "the equivalence backend 'embedding'")
        if not -1 <= threshold <= 1:
            raise ConfigError(f"threshold is {threshold}; a cosine lies in [-1, 1]")
        self._name, self._threshold, self._device = model, threshold, device
        self._batch_size, self._normalize_case = batch_size, normalize_case
        self._lock = threading.Lock()
        self._model: Any = None

    def relate(self, sets: Sequence[AnswerSet]) -> Sequence[Relation]:
        """Pairs at or above the threshold are equal; nothing is undecided."""
        texts = sorted({self._form(text) for answers in sets for text in answers.texts})
        vectors = self._embed(texts) if texts else []
        row = {text: position for position, text in enumerate(texts)}
        return [self._relation([vectors[row[self._form(text)]] for text in answers.texts]) for answers in sets]

    def _form(self, text: str) -> str:
        form = " ".join(text.split())
        return form.casefold() if self._normalize_case else form

    def _relation(self, vectors: Sequence[Any]) -> Relation:
        equal = tuple(
            (i, j) for j in range(len(vectors)) for i in range(j) if float(vectors[i] @ vectors[j]) >= self._threshold
        )
        return Relation(equal, metrics={"embedded_texts": float(len(vectors))})

    def _embed(self, texts: list[str]) -> Any:
        """One unit vector a text."""
        with self._lock:  # a model is one resource, and loads once
            if self._model is None:
                from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - brings torch; an optional extra

                self._model = SentenceTransformer(self._name, device=self._device)
            return self._model.encode(
                texts, batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False
            )

"""Sentence embeddings: what the embedding backend and the strategy `evol` measure closeness with."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from empo_rewards.extras import require

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
"""The default model: small enough for a CPU."""


class Encoder:
    """A sentence-transformers model, loaded at first use. Safe to share between threads.

    Args:
        model: a local path, or a name on a hub.
        device: where the model runs, as torch writes it; None: what sentence-transformers chooses.
        batch_size: texts that are embedded at once.
        feature: what needs the model, for the message where it cannot be had.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
    """

    def __init__(self, model: str, device: str | None, batch_size: int, *, feature: str) -> None:
        require("embedding", feature)
        self._name, self._device, self._batch_size = model, device, batch_size
        self._lock = threading.Lock()
        self._model: Any = None

    def encode(self, texts: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """The unit vector of each distinct text. They are embedded in sorted order: that of `texts` cannot matter."""
        distinct = sorted(set(texts))
        if not distinct:
            return {}
        with self._lock:  # a model is one resource, and loads once
            if self._model is None:
                from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - brings torch; an optional extra

                self._model = SentenceTransformer(self._name, device=self._device)
            vectors = self._model.encode(
                distinct, batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False
            )
        return dict(zip(distinct, vectors, strict=True))

"""Sentence embeddings, for the embedding backend and the strategy `evol`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from empo_rewards.equivalence.lazy_model import LazyModel
from empo_rewards.extras import require

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
"""The default model; small enough for a CPU."""


DEFAULT_TOKENS = 512
"""Context length assumed for a model that does not state it."""

CHARS_A_TOKEN = 16
"""Maximum number of characters per token of the model's context; longer texts are cut before they are tokenised."""


class Encoder:
    """A sentence-transformers model, loaded at first use. Thread-safe; a forked child loads its own.

    Args:
        model: a local path, or a name on a hub.
        device: the torch device of the model; None: the default of sentence-transformers.
        batch_size: number of texts embedded at once.
        feature: the feature that needs the model, for the message if the extra is missing.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
    """

    def __init__(self, model: str, device: str | None, batch_size: int, *, feature: str) -> None:
        require("embedding", feature)
        self._batch_size = batch_size
        self._model = LazyModel(model, partial(_load, model, device))

    def encode(self, texts: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """The unit vector of each distinct text. Embedded in sorted order: the order of `texts` does not matter.

        Raises:
            ModelError: the model cannot be loaded.
        """
        distinct = sorted(set(texts))
        if not distinct:
            return {}
        with self._model.use() as model:
            limit = self._tokens(model) * CHARS_A_TOKEN
            vectors = model.encode(
                [encodable(text[:limit]) for text in distinct],
                batch_size=self._batch_size,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
        return dict(zip(distinct, vectors, strict=True))

    def truncated(self, texts: Iterable[str]) -> set[str]:
        """The texts that are longer than the model's context, which are truncated at the end."""
        with self._model.use() as model:
            tokens = self._tokens(model)
            long = [text for text in set(texts) if len(text) > tokens - 2]  # >= 1 character per token; 2 special tokens
            cut = {text for text in long if len(text) > tokens * CHARS_A_TOKEN}
            rest = [text for text in long if text not in cut]
            if rest:
                counted = model.tokenizer([encodable(text) for text in rest], truncation=False, verbose=False)
                cut.update(text for text, ids in zip(rest, counted["input_ids"], strict=True) if len(ids) > tokens)
        return cut

    @staticmethod
    def _tokens(model: Any) -> int:
        return int(model.max_seq_length or DEFAULT_TOKENS)


def _load(model: str, device: str | None) -> Any:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - brings torch; an optional extra

    return SentenceTransformer(model, device=device)


def encodable(text: str) -> str:
    """The text in a form that tokenisers accept: lone surrogates are replaced by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")

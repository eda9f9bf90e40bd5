"""Sentence embeddings: what the embedding backend and the strategy `evol` measure closeness with."""

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
"""The default model: small enough for a CPU."""


DEFAULT_TOKENS = 512
"""The context of a model that does not say."""

CHARS_A_TOKEN = 16
"""A text of more characters than this for each token of the model's context is cut before it is tokenised."""


class Encoder:
    """A sentence-transformers model, loaded at first use. Safe to share between threads; a forked child loads its own.

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
        self._batch_size = batch_size
        self._model = LazyModel(model, partial(_load, model, device))

    def encode(self, texts: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """The unit vector of each distinct text. They are embedded in sorted order: that of `texts` cannot matter.

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
        """The texts that are longer than the model's context, which sees only how they begin."""
        with self._model.use() as model:
            tokens = self._tokens(model)
            long = [text for text in set(texts) if len(text) > tokens - 2]  # a token has a character; two are added
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
    """The text as tokenisers take it: a lone surrogate becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")

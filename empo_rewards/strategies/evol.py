"""EVOL-RL: rewards by majority vote and novelty of the reasoning (arXiv 2509.15194)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from empo_rewards.equivalence.encoder import MODEL, Encoder
from empo_rewards.errors import ConfigError
from empo_rewards.extraction.pipeline import MAX_CHARS
from empo_rewards.extraction.thinking import opens_thinking, skip_thinking
from empo_rewards.group import Group
from empo_rewards.protocols import Rewards, Strategy, StrategyInput

MAJORITY = (0.5, 1.0)
MINORITY = (-1.0, -0.5)
INVALID = -1.0

ROUNDING = 1e-6
"""A spread of novelties below this counts as 0: embeddings are single precision, and it is scaled to half a reward."""


def novelty_rewards(cosines: Sequence[Sequence[float]], majority: Sequence[bool]) -> list[float]:
    """The rewards of n valid responses, by class and novelty (EVOL-RL, arXiv 2509.15194).

    The novelty of response i is u_i = 1 - ½(mean cosine to the others of its class + maximum cosine to any other).
    Within each class, novelties are scaled linearly to [0.5, 1] (majority) or [-1, -0.5] (minority). If all are equal,
    the middle of the range is used; a single member gets its upper end.

    Args:
        cosines: n rows of n cosines in [0, 1] between the responses' embeddings, symmetric.
        majority: for each response whether it belongs to the majority; the others form the second class.
    """
    rewards = [0.0] * len(majority)
    for among_majority, (low, high) in ((True, MAJORITY), (False, MINORITY)):
        members = [i for i, is_majority in enumerate(majority) if is_majority is among_majority]
        if len(members) == 1:
            rewards[members[0]] = high
            continue
        novelty = {i: _novelty(cosines[i], i, members) for i in members}
        least = min(novelty.values(), default=0.0)
        spread = max(novelty.values(), default=0.0) - least
        for i, value in novelty.items():
            rewards[i] = low + (high - low) * ((value - least) / spread if spread > ROUNDING else 0.5)
    return rewards


def _novelty(row: Sequence[float], i: int, members: Sequence[int]) -> float:
    mean = math.fsum(row[j] for j in members if j != i) / (len(members) - 1)
    nearest = max(value for j, value in enumerate(row) if j != i)
    return 1 - (mean + nearest) / 2


class Evol(Strategy):
    """EVOL-RL: majority vote and novelty (see `novelty_rewards`); a response without a valid answer gets -1.

    Novelty is measured between the texts after the thinking blocks, as in the authors' code; without such a block, that
    is the whole response. Responses that only vote are left out. A model with a short context (MiniLM: 256 tokens)
    reads only the beginning.

    A guard's reward replaces the -1; the guards of the preset `evol-rl` set none.

    Args:
        model: a sentence-transformers model: a local path, or a name on a hub (the authors': Qwen/Qwen3-Embedding-4B).
        device: the torch device of the model; None: the default of sentence-transformers.
        batch_size: number of texts embedded at once.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
    """

    formula = "[.5, 1] in a largest cluster, [-1, -.5] elsewhere, by novelty among its class; -1 without an answer"
    paper = "EVOL-RL, arXiv 2509.15194"

    uses_weights = True

    def __init__(self, model: str = MODEL, device: str | None = None, batch_size: int = 64) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; it must be at least 1")
        self._encoder = Encoder(model, device, batch_size, feature="the strategy 'evol'")

    def __call__(self, given: StrategyInput) -> Rewards:
        """Rewards in [0.5, 1] for the majority, in [-1, -0.5] for the others."""
        clusters = given.clusters
        trained = given.group.trained or (True,) * len(clusters.labels)
        valid = [i for i, label in enumerate(clusters.labels) if label < clusters.voters and trained[i]]
        rewards = [INVALID] * len(clusters.labels)
        cosines = self._cosines([_reasoning(given.group, i) for i in valid])
        majority = [clusters.labels[i] in clusters.modal for i in valid]
        for i, reward in zip(valid, novelty_rewards(cosines, majority), strict=True):
            rewards[i] = reward
        return Rewards(tuple(rewards))

    def _cosines(self, texts: Sequence[str]) -> list[list[float]]:
        """The cosine of each two texts' embeddings, clipped to [0, 1]."""
        vectors = self._encoder.encode(texts)
        cosine = {
            (a, b): min(1.0, max(0.0, float(vectors[a] @ vectors[b]))) for a in vectors for b in vectors if a <= b
        }
        return [[cosine[min(a, b), max(a, b)] for b in texts] for a in texts]


def _reasoning(group: Group, position: int) -> str:
    """The text after the thinking block, or the whole response if that is empty; at most the last `MAX_CHARS`."""
    response = group.responses[position]
    begin = skip_thinking(response, opened=opens_thinking(group.prompt_text))
    return (response[begin:].strip() or response)[-MAX_CHARS:]

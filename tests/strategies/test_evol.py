"""EVOL-RL's rewards computed by hand, and the strategy with a stub of the embedding model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards import ConfigError, Group, Scorer
from empo_rewards.errors import MissingExtraError
from empo_rewards.strategies.evol import Evol, novelty_rewards


def test_rewards_by_hand() -> None:
    cosines = [
        [1.0, 0.9, 0.5, 0.2, 0.1],
        [0.9, 1.0, 0.7, 0.3, 0.1],
        [0.5, 0.7, 1.0, 0.8, 0.1],
        [0.2, 0.3, 0.8, 1.0, 0.4],
        [0.1, 0.1, 0.1, 0.4, 1.0],
    ]
    # Majority 0, 1, 2: u = 1 - (.7 + .9)/2 = .2, 1 - (.8 + .9)/2 = .15, 1 - (.6 + .8)/2 = .3.
    # Minority 3, 4: u = 1 - (.4 + .8)/2 = .4, 1 - (.4 + .4)/2 = .6.
    found = novelty_rewards(cosines, [True, True, True, False, False])
    assert found == pytest.approx([0.5 + 0.5 * 0.05 / 0.15, 0.5, 1.0, -1.0, -0.5], abs=1e-12)


def test_an_only_member_and_members_that_are_alike() -> None:
    assert novelty_rewards([[1.0]], [True]) == [1.0]
    assert novelty_rewards([[1.0]], [False]) == [-0.5]
    assert novelty_rewards([], []) == []
    alike = [[1.0, 0.5, 0.5], [0.5, 1.0, 0.5 + 1e-8], [0.5, 0.5 + 1e-8, 1.0]]
    assert novelty_rewards(alike, [True, True, True]) == [0.75] * 3
    assert novelty_rewards(alike, [False, True, False]) == [-0.75, 1.0, -0.75]


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[list[float]], list[bool]]:
    size = draw(st.integers(1, 8))
    rows = [[1.0] * size for _ in range(size)]
    for i in range(size):
        for j in range(i):
            rows[i][j] = rows[j][i] = draw(st.integers(0, 8)) / 8
    return rows, draw(st.lists(st.booleans(), min_size=size, max_size=size))


@given(cases(), st.randoms(use_true_random=False))
def test_each_class_has_its_range_and_order_does_not_matter(
    case: tuple[list[list[float]], list[bool]], rng: object
) -> None:
    rows, majority = case
    rewards = novelty_rewards(rows, majority)
    for reward, is_majority in zip(rewards, majority, strict=True):
        assert (0.5 <= reward <= 1) if is_majority else (-1 <= reward <= -0.5)
    order = list(range(len(rows)))
    rng.shuffle(order)  # type: ignore[attr-defined] # a Random
    moved = novelty_rewards([[rows[i][j] for j in order] for i in order], [majority[i] for i in order])
    assert moved == [rewards[i] for i in order]


class Words:
    """Stands for a model: texts are as alike as the words that they share."""

    loaded: list[tuple[str, str | None]] = []  # noqa: RUF012 - emptied by the fixture
    encoded: list[list[str]] = []  # noqa: RUF012 - as above
    max_seq_length = 256

    def __init__(self, name: str, device: str | None = None) -> None:
        self.loaded.append((name, device))

    def encode(self, texts: Sequence[str], **options: object) -> np.ndarray:
        assert options["normalize_embeddings"] is True
        self.encoded.append(list(texts))
        words = sorted({word for text in texts for word in text.split()})
        counts = np.array([[text.split().count(word) for word in words] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> type[Words]:
    module = ModuleType("sentence_transformers")
    module.__spec__ = ModuleSpec("sentence_transformers", None)
    module.SentenceTransformer = Words  # type: ignore[attr-defined] # that is what it stands for
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    Words.loaded, Words.encoded = [], []
    return Words


EVOL = {"preset": "evol-rl", "equivalence": "exact", "strategy": {"model": "words", "device": "cpu"}}


def test_the_preset_from_responses_to_rewards(words: type[Words]) -> None:
    responses = [
        r"count them \boxed{4}",
        r"count them \boxed{4}",
        r"two pairs make it \boxed{4}",
        r"guess \boxed{5}",
        r"no idea at all",
    ]
    with Scorer(EVOL) as scorer:
        score = scorer.score(Group("2 + 2?", responses))
        again = scorer.score(Group("2 + 2?", responses[::-1]))
    assert score.rewards == (0.5, 0.5, 1.0, -0.5, -1.0)
    assert again.rewards == score.rewards[::-1]
    assert words.loaded == [("words", "cpu")]
    assert words.encoded == [sorted({r for r in responses if "boxed" in r})] * 2


def test_novelty_is_measured_behind_the_thinking(words: type[Words]) -> None:
    responses = [
        r"<think>this way</think>so it is \boxed{4}",
        r"<think>or another</think>so it is \boxed{4}",
        r"<think>or another</think>twice two \boxed{4}",
    ]
    with Scorer(EVOL) as scorer:
        assert scorer.score(Group("2 + 2?", responses)).rewards == (0.5, 0.5, 1.0)
    assert words.encoded == [[r"so it is \boxed{4}", r"twice two \boxed{4}"]]


def test_a_model_that_fails_leaves_the_group_unscored(words: type[Words], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Words, texts: Sequence[str], **options: object) -> np.ndarray:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(words, "encode", fail)
    with Scorer(EVOL) as scorer:
        score = scorer.score(Group("2 + 2?", [r"\boxed{4}", r"\boxed{5}"]))
    assert score.rewards == (None, None)
    assert (score.cause and score.cause.value, score.detail) == ("strategy_failed", "RuntimeError: out of memory")


def test_without_answers_nothing_is_embedded(words: type[Words]) -> None:
    with Scorer(EVOL) as scorer:
        assert scorer.score(Group("2 + 2?", ["well", "hm"])).rewards == (-1, -1)
    assert words.encoded == []


def test_the_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"the strategy 'evol' needs sentence_transformers"):
        Scorer("evol-rl")


@pytest.mark.usefixtures("words")
def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        Evol(batch_size=0)

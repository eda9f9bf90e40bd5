"""A plugin that implements every hook of empo-rewards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from empo_rewards import Answer, Group, GroupScore, hookimpl
from empo_rewards.plugins.hookspecs import Register, RegisterPreset
from empo_rewards.protocols import (
    AnswerSet,
    EntropyEstimator,
    EntropyInput,
    EquivalenceBackend,
    Extracted,
    Extractor,
    Guard,
    Observer,
    Penalty,
    Reader,
    Relation,
    Rewards,
    Strategy,
    StrategyInput,
)


@dataclass(frozen=True)
class LastLine(Extractor):
    """The last line of a response that is not empty."""

    def __call__(self, response: str, prompt: str) -> Extracted | None:
        """The line."""
        text = response.rstrip()
        if not text:
            return None
        start = text.rfind("\n") + 1
        return Extracted(text[start:], start, len(text))


@dataclass(frozen=True)
class SameLength(EquivalenceBackend):
    """Answers of the same length mean the same."""

    def relate(self, sets: Sequence[AnswerSet]) -> list[Relation]:
        """A pair for each text and the first one of its length."""
        return [
            Relation(
                tuple(
                    (i, j)
                    for j, right in enumerate(answers.texts)
                    for i, left in enumerate(answers.texts[:j])
                    if len(left) == len(right)
                )
            )
            for answers in sets
        ]


@dataclass(frozen=True)
class Collision(EntropyEstimator):
    """Rényi's entropy of order 2, -ln Σ p_k²."""

    def __call__(self, given: EntropyInput) -> float:
        """In nats."""
        return -math.log(sum(share**2 for share in given.clusters.shares))


@dataclass(frozen=True)
class Power(Strategy):
    """The cluster's share to a power."""

    exponent: float = 2.0

    def __call__(self, given: StrategyInput) -> Rewards:
        """One reward a response."""
        shares = given.clusters.shares
        return Rewards(tuple(shares[label] ** self.exponent for label in given.clusters.labels))


@dataclass(frozen=True)
class Shouting(Guard):
    """An answer in capitals."""

    reward: float = -1.0

    def __call__(self, group: Group, answers: Sequence[Answer]) -> list[Penalty | None]:
        """A penalty for each answer in capitals."""
        return [Penalty(self.reward) if answer.text.isupper() else None for answer in answers]


@dataclass(frozen=True)
class Ledger(Observer):
    """Writes the status of each group to a file."""

    path: Path

    def __call__(self, group: Group, score: GroupScore) -> None:
        """One line a group."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{group.id} {score.status.value}\n")


@hookimpl
def register_extractors(register: Register) -> None:
    """The last line."""
    register("last_line", LastLine)


@hookimpl
def register_equivalence_backends(register: Register) -> None:
    """By length."""
    register("same_length", SameLength)


@hookimpl
def register_entropy_estimators(register: Register) -> None:
    """Order 2."""
    register("collision", Collision)


@hookimpl
def register_strategies(register: Register) -> None:
    """A power of the share."""
    register("power", Power)


@hookimpl
def register_guards(register: Register) -> None:
    """Against capitals."""
    register("shouting", Shouting)


@hookimpl
def register_observers(register: Register) -> None:
    """A file of statuses."""
    register("ledger", Ledger)


class Transcripts(Reader):
    """A line of text, with the prompt before `?` and the responses between bars."""

    about = "transcripts: line"

    def recognises(self, row: Mapping[str, object]) -> bool:
        """By the one field."""
        return set(row) == {"line"}

    def convert(self, row: Mapping[str, object]) -> list[dict[str, object]]:
        """One group a line."""
        prompt, _, responses = str(row["line"]).partition("?")
        return [{"prompt": prompt, "responses": responses.split("|")}]


@hookimpl
def register_readers(register: Register) -> None:
    """Transcripts."""
    register("transcripts", Transcripts)


@hookimpl
def register_presets(register: RegisterPreset) -> None:
    """All of them at once."""
    register(
        "example",
        {
            "extraction": ["last_line"],
            "equivalence": "same_length",
            "entropy": "collision",
            "strategy": {"name": "power", "exponent": 3},
            "guards": ["shouting"],
        },
    )

"""The part of a scored group that the monitor keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar
from zlib import crc32

from empo_rewards.equivalence.exact import normal_form
from empo_rewards.group import AnswerKind, Group, GroupScore
from empo_rewards.monitor.estimates import pair_chance

Key = TypeVar("Key", str, "str | None")

KEPT_CHARS = 200
"""Answers are told apart by their first so many characters."""


@dataclass(frozen=True)
class Observation:
    """The part of one group that is kept.

    Args:
        prompt: a hash of the prompt, the same in every process.
        majority: the commonest answer; None where more than half of the responses have none.
        answers: how many responses gave each answer, named by the normal form of its commonest spelling; None: no
            answer, a refusal, or one that a guard caught.
        spellings: for each answer all normal forms in its meaning cluster.
        entropy: semantic entropy in nats, where it is known.
        length: mean length of the responses in characters.
        outvoted: whether the group has a label, and a minority was rewarded more than the majority.
        kind: groups of one kind are watched together: those of one data source, of one size, with a label or without.
    """

    prompt: Hashable
    majority: str | None
    answers: Mapping[str | None, int]
    spellings: Mapping[str, frozenset[str]]
    entropy: float | None
    length: float
    outvoted: bool = False
    kind: Hashable = None

    @property
    def size(self) -> int:
        """The number of responses, those without an answer too."""
        return sum(self.answers.values())

    @property
    def consistency(self) -> float:
        """The chance that two of the responses give the same answer; unbiased for any number of them from 2 on."""
        return pair_chance((count for answer, count in self.answers.items() if answer is not None), self.size)

    @property
    def unanimous(self) -> bool:
        """Whether there is one answer only."""
        return len(self.answers) == 1 and None not in self.answers


def observe(group: Group, score: GroupScore) -> Observation:
    """The observation of a scored group; the members of a meaning cluster count as its commonest answer."""
    members: dict[int, Counter[str]] = {}
    flags = score.flags or ((),) * len(score.answers)
    for label, answer, caught in zip(score.clusters, score.answers, flags, strict=True):
        if answer.kind is AnswerKind.ANSWER and not caught:
            members.setdefault(label, Counter())[answer.text[:KEPT_CHARS]] += 1
    prompt = group.prompt_text
    answers: Counter[str | None] = Counter()
    spellings: dict[str, frozenset[str]] = {}
    for texts in members.values():
        name = normal_form(commonest(texts, prompt))
        answers[name] += sum(texts.values())
        spellings[name] = frozenset(map(normal_form, texts))
    found = sum(answers.values())
    majority = commonest(answers, prompt) if 2 * found >= len(score.answers) else None
    if found < len(score.answers):
        answers[None] = len(score.answers) - found
    length = sum(map(len, group.responses)) / len(group)
    outvoted = group.reference is not None and _outvoted(score)
    digest = blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    kind = (group.data_source, group.reference is None, score.expected_size)
    return Observation(digest, majority, answers, spellings, score.entropy, length, outvoted, kind)


def _outvoted(score: GroupScore) -> bool:
    """Whether a response outside of the largest cluster has a higher reward than all of those within."""
    given = [(label, reward) for label, reward in zip(score.clusters, score.rewards, strict=True) if reward is not None]
    majority = [reward for label, reward in given if label == 0]  # ids count by falling size
    others = [reward for label, reward in given if label != 0]
    return bool(majority and others) and max(others) > max(majority)


def commonest(counts: Mapping[Key, int], prompt: str = "") -> Key:
    """The commonest text. Ties are broken by a hash of prompt and text: prompts must not agree by the tie rule."""
    most = max(counts.values())
    tied = [text for text, count in counts.items() if count == most]
    return min(tied, key=lambda text: (crc32(f"{prompt} {text}".encode("utf-8", "replace")), text or ""))

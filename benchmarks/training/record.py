"""Recorder of a run's groups without labels, as an observer of the library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from empo_rewards import Group, GroupScore, hookimpl
from empo_rewards.group import AnswerKind

Register = Callable[[str, Callable[..., Any]], None]


@dataclass
class Recorder:
    """A plugin, and the observer that it registers as `recorder`: records label-free data of every group.

    Args:
        probes: prompts used for evaluation, not for training.
    """

    probes: frozenset[str]
    groups: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, group: Group, score: GroupScore) -> None:
        """Record the answers (None: blank), the responses' lengths in characters, and the score."""
        answers = [answer.text if answer.kind is AnswerKind.ANSWER else None for answer in score.answers]
        self.groups.append(
            {
                "prompt": group.prompt_text,
                "probe": group.prompt_text in self.probes,
                "answers": answers,
                "lengths": [len(response) for response in group.responses],
                "entropy": None if score.entropy is None else round(score.entropy, 4),
                "cause": None if score.cause is None else score.cause.value,
            }
        )

    @hookimpl
    def register_observers(self, register: Register) -> None:
        """Register itself."""
        register("recorder", lambda: self)


def summarize_step(groups: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Label-free quantities of one step's groups.

    Returns:
        distinct_majorities: number of different majority answers, divided by the number of prompts with a majority.
        commonest: the most frequent answer of the step, and its share of all answers.
        unanimous: fraction of groups with one answer only.
        majority_share, entropy, length: means over groups; blank: fraction of responses; unscored: fraction of groups.
    """
    every: Counter[str] = Counter()
    majorities, shares, unanimous, responses = [], [], 0, 0
    for group in groups:
        votes = Counter(answer for answer in group["answers"] if answer is not None)
        every.update(votes)
        responses += len(group["answers"])
        if votes:
            answer, top = min(votes.items(), key=lambda item: (-item[1], item[0]))
            majorities.append(answer)
            shares.append(top / len(group["answers"]))
            unanimous += top == len(group["answers"])
    answer, most = every.most_common(1)[0] if every else (None, 0)
    entropies = [group["entropy"] for group in groups if group["entropy"] is not None]
    return {
        "distinct_majorities": len(set(majorities)) / len(majorities) if majorities else None,
        "commonest": [answer, most / responses],
        "unanimous": unanimous / len(groups),
        "majority_share": sum(shares) / len(shares) if shares else None,
        "entropy": sum(entropies) / len(entropies) if entropies else None,
        "length": sum(sum(group["lengths"]) for group in groups) / responses,
        "blank": 1 - sum(every.values()) / responses,
        "unscored": sum(group["cause"] is not None for group in groups) / len(groups),
    }

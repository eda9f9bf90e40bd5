"""Guards: rules against answers that could gain reward without content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from empo_rewards.errors import ConfigError
from empo_rewards.filters.copied import copied_from_prompt
from empo_rewards.filters.repetition import is_degenerate
from empo_rewards.group import Answer, AnswerKind, Group
from empo_rewards.protocols import Guard, Penalty


@dataclass(frozen=True)
class Blank(Guard):
    """Penalises a response without an answer, which never votes.

    Args:
        reward: replaces the strategy's reward (EMPO's free-form code gives -0.5).
    """

    reward: float | None = 0.0

    def __call__(self, group: Group, answers: Sequence[Answer]) -> Sequence[Penalty | None]:
        """A penalty for each blank answer."""
        return [Penalty(self.reward, void=True) if a.kind is AnswerKind.BLANK else None for a in answers]


@dataclass(frozen=True)
class Refusal(Guard):
    """Penalises a refusal, which never votes.

    Args:
        reward: replaces the strategy's reward.
    """

    reward: float | None = 0.0

    def __call__(self, group: Group, answers: Sequence[Answer]) -> Sequence[Penalty | None]:
        """A penalty for each refusal."""
        return [Penalty(self.reward, void=True) if a.kind is AnswerKind.REFUSAL else None for a in answers]


@dataclass(frozen=True)
class Copied(Guard):
    """Penalises an answer copied from the prompt, after EMPO's free-form reward (see `copied_from_prompt`).

    Args:
        reward: replaces the strategy's reward.
        rouge_l: the threshold of the F-measure, in [0, 1].
        void: whether the answer also loses its vote.
    """

    reward: float | None = 0.0
    rouge_l: float = 0.8
    void: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.rouge_l <= 1:
            raise ConfigError(f"rouge_l is {self.rouge_l}; it lies in [0, 1]")

    def __call__(self, group: Group, answers: Sequence[Answer]) -> Sequence[Penalty | None]:
        """A penalty for each copied answer; equal texts are checked once."""
        prompt = group.prompt_text
        distinct = {a.text for a in answers if a.kind is AnswerKind.ANSWER}
        caught = {text for text in distinct if copied_from_prompt(text, prompt, rouge_l=self.rouge_l)}
        return [Penalty(self.reward, self.void) if a.text in caught else None for a in answers]


@dataclass(frozen=True)
class Repetition(Guard):
    """Penalises a response that ends in a repetition (`is_degenerate`).

    Args:
        reward: replaces the strategy's reward.
        void: whether its answer also loses its vote.
    """

    reward: float | None = 0.0
    void: bool = True

    def __call__(self, group: Group, answers: Sequence[Answer]) -> Sequence[Penalty | None]:
        """A penalty for each degenerate response."""
        penalty = Penalty(self.reward, self.void)
        return [penalty if is_degenerate(response) else None for response in group.responses]

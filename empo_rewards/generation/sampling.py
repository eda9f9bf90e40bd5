"""How responses are sampled, and what a sampler gives for a prompt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from empo_rewards.errors import ConfigError
from empo_rewards.group import Message

Item = TypeVar("Item")

Asked = str | Sequence[Message]
"""A prompt as the model gets it: a text, or chat messages."""


@dataclass(frozen=True)
class Sampling:
    """How the responses to each prompt are sampled.

    Args:
        n: how many responses a prompt gets.
        temperature, top_p: of the sampling; None: the server's or model's own.
        max_tokens: the most tokens of a response; None: the server's own limit.
        seed: of the first response to the first prompt; each response has another. None: not fixed.
        logprobs: ask for the log-probabilities of the sampled tokens.
        chat: send chat messages, for the model's chat template; else texts to continue.

    Raises:
        ConfigError: a value is impossible.
    """

    n: int = 16
    temperature: float | None = 1.0
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    logprobs: bool = False
    chat: bool = True

    def __post_init__(self) -> None:
        for name, least in (("n", 1), ("max_tokens", 1), ("temperature", 0)):
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise ConfigError(f"{name} must be at least {least}, not {value}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        if self.temperature == 0 and self.n > 1:
            raise ConfigError("at temperature 0 all responses to a prompt are the same: a group needs a higher one")

    def asked(self, prompt: Asked) -> Asked:
        """The prompt as it is sent.

        Raises:
            ConfigError: it has chat messages, where texts are sent.
        """
        if self.chat:
            return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        if not isinstance(prompt, str):
            raise ConfigError("the prompt has chat messages, and texts are to be continued (--completions)")
        return prompt

    def seed_of(self, position: int, sample: int) -> int | None:
        """The seed of one response."""
        return None if self.seed is None else self.seed + position * self.n + sample


@dataclass(frozen=True)
class Response:
    """One sampled response.

    Args:
        text: what the model wrote.
        finish_reason: why it ended: "stop", "length" (cut off), ...; None where that is not said.
        logprobs: the log-probability of each token; None where they are not known.
    """

    text: str
    finish_reason: str | None = None
    logprobs: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Sampled:
    """The responses to one prompt, and the tokens of the prompt and of all responses, where they were counted."""

    responses: tuple[Response, ...]
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def record(self) -> dict[str, Any]:
        """The fields of a group, in the package's own form of rollouts."""
        logprobs = [response.logprobs for response in self.responses]
        sampling = {
            "finish_reasons": [response.finish_reason for response in self.responses],
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }
        known = None not in logprobs
        return {
            "responses": [response.text for response in self.responses],
            **({"token_logprobs": [list(values or ()) for values in logprobs]} if known else {}),
            "metadata": sampling,
        }


@dataclass(frozen=True)
class Refused:
    """No responses: the prompt itself cannot be answered (it is too long, say), and why."""

    cause: str


class Sampler(ABC):
    """Samples the responses to prompts."""

    @abstractmethod
    def sample(
        self,
        prompts: Iterable[tuple[Item, Asked | Refused]],
        done: Callable[[Item, Sampled | Refused], None],
        *,
        first: int = 0,
    ) -> None:
        """Sample the responses to each prompt, in their order.

        Args:
            prompts: each with an item that identifies it; taken as the work gets on. One that is refused stays so.
            done: is called with the item and what was sampled, in the order of the prompts.
            first: the position of the first of them, for its seed.

        Raises:
            EmpoError: no further prompt can be answered.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what was started."""


@dataclass
class Tally:
    """Totals over what was sampled."""

    prompts: int = 0
    responses: int = 0
    cut_off: int = 0
    empty: int = 0
    without_logprobs: int = 0
    tokens: int = 0
    refused: int = 0
    first_refusal: str = ""

    def add(self, outcome: Sampled | Refused) -> None:
        """Count one prompt."""
        if isinstance(outcome, Refused):
            self.refused += 1
            self.first_refusal = self.first_refusal or outcome.cause
            return
        self.prompts += 1
        self.responses += len(outcome.responses)
        self.cut_off += sum(response.finish_reason == "length" for response in outcome.responses)
        self.empty += sum(not response.text.strip() for response in outcome.responses)
        self.without_logprobs += sum(response.logprobs is None for response in outcome.responses)
        self.tokens += outcome.completion_tokens

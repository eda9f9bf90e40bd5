"""From pairs of answers to verdicts, for any engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from empo_rewards.equivalence.judge.questions import Chat, Comparison, Form, Generation, Request, Structured, Verifier
from empo_rewards.equivalence.judge.quoting import quote
from empo_rewards.equivalence.rounds import Pair, PairVerdict
from empo_rewards.errors import EquivalenceError
from empo_rewards.protocols import Reason

WORDS_CHARS = 4_000
"""Characters of a judge's generation that a reason shows."""


class Engine(Protocol):
    """Runs the judge."""

    def ask(self, requests: Sequence[Request]) -> Sequence[Generation | Exception]:
        """The generation for each request, or why there is none."""
        ...

    def close(self) -> None:
        """Free the engine's resources; `ask` starts it anew."""
        ...


class Asking(BaseModel):
    """How the judge is asked, and what counts as Yes.

    Args:
        form: "verifier" (general-verifier's prompt, as a plain completion), "chat" (any instruction-tuned model), or
            "structured" (a chat that is answered in JSON; for servers without log-probabilities).
        orders: "canonical": each pair is asked once, in the order of its texts. "both": where that says Yes the reverse
            order is asked too, and both must say Yes. The relation is symmetric either way.
        threshold: the least P(Yes) / (P(Yes) + P(No)) that counts as Yes.
        reasoning_tokens: tokens of reasoning before the decision; 0: it decides at once.
        top_logprobs: how many of the likeliest tokens are searched for Yes and No. Some servers give five at most.
        in_context: whether the judge sees the prompt that the answers are for.
        complete: compare all pairs, not only with each cluster's representative. Clusters are then the connected
            components of the whole relation, at a cost quadratic in the distinct answers.
        answer_chars, question_chars: longer texts lose their middle, and are counted as truncated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: Literal["verifier", "chat", "structured"] = "verifier"
    orders: Literal["both", "canonical"] = "both"
    threshold: float = Field(default=0.5, gt=0, le=1)
    reasoning_tokens: int = Field(default=0, ge=0)
    top_logprobs: int = Field(default=20, ge=2)
    in_context: bool = True
    complete: bool = False
    answer_chars: int = Field(default=1_000, ge=1)
    question_chars: int = Field(default=4_000, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.form == "structured" and self.reasoning_tokens:
            raise ValueError("a structured reply has no room for reasoning: set reasoning_tokens to 0")
        return self

    def make_form(self) -> Form:
        """The form of the questions."""
        if self.form == "structured":
            return Structured()
        return Verifier(self.reasoning_tokens) if self.form == "verifier" else Chat(self.reasoning_tokens)


class Prices(BaseModel):
    """Prices of a million tokens, in any currency; the metric `cost` is in the same currency."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: float = Field(default=0.0, ge=0)
    completion: float = Field(default=0.0, ge=0)

    def of(self, generation: Generation) -> float:
        """The price of a generation."""
        return (generation.prompt_tokens * self.prompt + generation.completion_tokens * self.completion) / 1e6


def judge(
    pairs: Sequence[Pair], engine: Engine, asking: Asking, prices: Prices, *, similarities: bool = False
) -> list[PairVerdict | Exception]:
    """The verdict on each pair, or the error of one of its questions; all pairs are asked together.

    Where both orders must agree and the first says No, the second is asked only for `similarities` (the mean
    probability of both orders).
    """
    states = _judged(pairs, engine, asking, prices, both=similarities)
    return [state.fault or state.verdict(asking.threshold, similarities=similarities) for state in states]


def reason_of(pair: Pair, engine: Engine, asking: Asking) -> Reason:
    """What the judge says of a pair, in its own words: it is asked now, in both orders where both must agree.

    Raises:
        EquivalenceError, OSError: a question had no answer.
    """
    (state,) = _judged([pair], engine, asking, Prices(), both=True)
    if state.fault is not None:
        raise state.fault
    facts: dict[str, str | float] = {"one": pair.left, "other": pair.right}
    orders = ("one first", "other first")
    for order, probability, words in zip(orders, state.probabilities, state.words, strict=False):
        facts[f"{order}: P(Yes)"] = probability
        facts[f"{order}: the judge's words"] = words.strip()[:WORDS_CHARS]
    facts["threshold"] = asking.threshold
    return Reason("the judge", facts, min(state.probabilities) >= asking.threshold)


def _judged(pairs: Sequence[Pair], engine: Engine, asking: Asking, prices: Prices, *, both: bool) -> list[_PairState]:
    """All pairs after their questions; the reverse order is asked where it decides, or with `both`."""
    form = asking.make_form()
    states = [_PairState(*_comparisons(pair, asking)) for pair in pairs]
    _ask(states, [state.forth for state in states], engine, form, prices)
    if asking.orders == "both":
        open_ = [t for t in states if t.fault is None and (both or t.probabilities[0] >= asking.threshold)]
        _ask(open_, [state.back for state in open_], engine, form, prices)
    return states


@dataclass
class _PairState:
    """The state of one pair between its questions."""

    forth: Comparison
    back: Comparison
    truncated: bool
    probabilities: list[float] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """What the judge generated, question by question."""
    cost: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    fault: Exception | None = None

    def add(self, generation: Generation | Exception, form: Form, prices: Prices) -> None:
        """Take in the generation for one question."""
        if isinstance(generation, Exception):
            self.fault = generation
            return
        self.cost["model_evaluations"] += 1
        self.cost["judge_retries"] += generation.retries
        self.cost["prompt_tokens"] += generation.prompt_tokens
        self.cost["completion_tokens"] += generation.completion_tokens
        if prices != Prices():
            self.cost["cost"] += prices.of(generation)
        try:
            self.probabilities.append(form.probability(generation))
            self.words.append(generation.text)
        except EquivalenceError as error:
            self.fault = error

    def verdict(self, threshold: float, *, similarities: bool) -> PairVerdict:
        """The verdict by all generations."""
        asked = len(self.probabilities)
        similarity = sum(self.probabilities) / asked if similarities else None
        return PairVerdict(min(self.probabilities) >= threshold, similarity, asked * self.truncated, self.cost)


def _ask(
    states: Sequence[_PairState], comparisons: Sequence[Comparison], engine: Engine, form: Form, prices: Prices
) -> None:
    """Ask one question about each pair."""
    if states:
        generations = engine.ask([form.request(comparison) for comparison in comparisons])
        for state, generation in zip(states, generations, strict=True):
            state.add(generation, form, prices)


def _comparisons(pair: Pair, asking: Asking) -> tuple[Comparison, Comparison, bool]:
    """A pair in both orders, quoted, and whether a text was shortened."""
    left, right = quote(pair.left, asking.answer_chars), quote(pair.right, asking.answer_chars)
    question = quote(pair.prompt, asking.question_chars)
    truncated = left.truncated or right.truncated or question.truncated
    return (
        Comparison(left.text, right.text, question.text),
        Comparison(right.text, left.text, question.text),
        truncated,
    )

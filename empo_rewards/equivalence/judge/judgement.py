"""From pairs of answers to verdicts, whichever engine runs the judge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from empo_rewards.equivalence.judge.questions import Chat, Comparison, Form, Reply, Request, Structured, Verifier
from empo_rewards.equivalence.judge.quoting import quote
from empo_rewards.equivalence.rounds import Pair, PairVerdict
from empo_rewards.errors import EquivalenceError


class Engine(Protocol):
    """What runs the judge."""

    def ask(self, requests: Sequence[Request]) -> Sequence[Reply | Exception]:
        """The reply to each request, or why there is none."""
        ...

    def close(self) -> None:
        """Lets go of what the engine holds; `ask` starts it anew."""
        ...


class Asking(BaseModel):
    """How the judge is asked, and what counts as its yes.

    Args:
        form: "verifier" (general-verifier's prompt, as a plain completion), "chat" (any instruction-tuned model), or
            "structured" (a chat that is answered in JSON; for servers without log-probabilities).
        orders: the answer goes first that is first as a text. "both": where that says yes the other order is asked too,
            and the answers are the same only if both say so; "canonical": that is all. Either way it is symmetric.
        threshold: the least probability of Yes, of Yes and No, that counts as yes.
        reasoning_tokens: how many tokens the judge may write before its decision; 0: it decides at once.
        top_logprobs: how many of the likeliest tokens to look for Yes and No among. Some servers give five at most.
        in_context: show the judge the prompt that the answers are for.
        complete: compare all pairs, not only with each cluster's representative: clusters are then the connected
            components of the whole relation, at a cost that grows with the square of the distinct answers.
        answer_chars, question_chars: longer texts are cut in their middle, and counted as truncated.
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
        """The form of its questions."""
        if self.form == "structured":
            return Structured()
        return Verifier(self.reasoning_tokens) if self.form == "verifier" else Chat(self.reasoning_tokens)


class Prices(BaseModel):
    """What tokens cost, in any currency for a million of them; the metric `cost` is in the same currency."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: float = Field(default=0.0, ge=0)
    completion: float = Field(default=0.0, ge=0)

    def of(self, reply: Reply) -> float:
        """What a reply cost."""
        return (reply.prompt_tokens * self.prompt + reply.completion_tokens * self.completion) / 1e6


def judge(
    pairs: Sequence[Pair], engine: Engine, asking: Asking, prices: Prices, *, similarities: bool = False
) -> list[PairVerdict | Exception]:
    """The verdict on each pair, or the fault that befell one of its questions; all of them are asked together.

    Where both orders are to agree and the first already says no, the second is asked only for the sake of
    `similarities` (the mean probability of both orders); without them a verdict has none.
    """
    form = asking.make_form()
    trials = [_Trial(*_comparisons(pair, asking)) for pair in pairs]
    _hear(trials, [trial.forth for trial in trials], engine, form, prices)
    if asking.orders == "both":
        open_ = [t for t in trials if t.fault is None and (similarities or t.probabilities[0] >= asking.threshold)]
        _hear(open_, [trial.back for trial in open_], engine, form, prices)
    return [trial.fault or trial.verdict(asking.threshold, similarities=similarities) for trial in trials]


@dataclass
class _Trial:
    """A pair on its way through its questions."""

    forth: Comparison
    back: Comparison
    truncated: bool
    probabilities: list[float] = field(default_factory=list)
    cost: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    fault: Exception | None = None

    def hear(self, reply: Reply | Exception, form: Form, prices: Prices) -> None:
        """Takes in the reply to one question."""
        if isinstance(reply, Exception):
            self.fault = reply
            return
        self.cost["model_evaluations"] += 1
        self.cost["judge_retries"] += reply.retries
        self.cost["prompt_tokens"] += reply.prompt_tokens
        self.cost["completion_tokens"] += reply.completion_tokens
        if prices != Prices():
            self.cost["cost"] += prices.of(reply)
        try:
            self.probabilities.append(form.probability(reply))
        except EquivalenceError as error:
            self.fault = error

    def verdict(self, threshold: float, *, similarities: bool) -> PairVerdict:
        """What the replies come to."""
        asked = len(self.probabilities)
        similarity = sum(self.probabilities) / asked if similarities else None
        return PairVerdict(min(self.probabilities) >= threshold, similarity, asked * self.truncated, self.cost)


def _hear(
    trials: Sequence[_Trial], comparisons: Sequence[Comparison], engine: Engine, form: Form, prices: Prices
) -> None:
    """Asks one question for each trial."""
    if trials:
        replies = engine.ask([form.request(comparison) for comparison in comparisons])
        for trial, reply in zip(trials, replies, strict=True):
            trial.hear(reply, form, prices)


def _comparisons(pair: Pair, asking: Asking) -> tuple[Comparison, Comparison, bool]:
    """A pair in both orders, quoted, and whether a text had to be cut for it."""
    left, right = quote(pair.left, asking.answer_chars), quote(pair.right, asking.answer_chars)
    question = quote(pair.prompt, asking.question_chars)
    truncated = left.truncated or right.truncated or question.truncated
    return (
        Comparison(left.text, right.text, question.text),
        Comparison(right.text, left.text, question.text),
        truncated,
    )

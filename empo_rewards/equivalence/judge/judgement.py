"""From pairs of answers to verdicts, whichever engine runs the judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from empo_rewards.equivalence.judge.questions import Chat, Comparison, Form, Reply, Request, Structured, Verifier
from empo_rewards.equivalence.judge.quoting import quote
from empo_rewards.equivalence.rounds import Pair, Verdict
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
        orders: "both" asks about each pair in both orders, and the answers are the same only if both say so;
            "canonical" asks once, with the answer first that is first as a text. Either way the relation is symmetric.
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


def judge(pairs: Sequence[Pair], engine: Engine, asking: Asking, prices: Prices) -> list[Verdict | Exception]:
    """The verdict on each pair, or the fault that befell one of its questions. All of them are asked at once."""
    form = asking.make_form()
    asked = [_comparisons(pair, asking) for pair in pairs]
    requests = [form.request(comparison) for comparisons, _ in asked for comparison in comparisons]
    replies = iter(engine.ask(requests))
    return [
        _verdict([next(replies) for _ in comparisons], truncated, form.probability, asking.threshold, prices)
        for comparisons, truncated in asked
    ]


def _comparisons(pair: Pair, asking: Asking) -> tuple[list[Comparison], bool]:
    """What is asked about a pair, and whether a text had to be cut for it."""
    left, right = quote(pair.left, asking.answer_chars), quote(pair.right, asking.answer_chars)
    question = quote(pair.prompt, asking.question_chars)
    comparisons = [Comparison(left.text, right.text, question.text)]
    if asking.orders == "both":
        comparisons.append(Comparison(right.text, left.text, question.text))
    return comparisons, left.truncated or right.truncated or question.truncated


def _verdict(
    replies: Sequence[Reply | Exception],
    truncated: bool,
    probability: Callable[[Reply], float],
    threshold: float,
    prices: Prices,
) -> Verdict | Exception:
    probabilities = []
    cost = {"model_evaluations": 0.0, "judge_retries": 0.0, "prompt_tokens": 0.0, "completion_tokens": 0.0}
    if prices != Prices():
        cost["cost"] = 0.0
    for reply in replies:
        if isinstance(reply, Exception):
            return reply
        try:
            probabilities.append(probability(reply))
        except EquivalenceError as error:
            return error
        cost["model_evaluations"] += 1
        cost["judge_retries"] += reply.retries
        cost["prompt_tokens"] += reply.prompt_tokens
        cost["completion_tokens"] += reply.completion_tokens
        if "cost" in cost:
            cost["cost"] += prices.of(reply)
    return Verdict(
        equal=min(probabilities) >= threshold,
        similarity=sum(probabilities) / len(probabilities),
        truncated=len(replies) * truncated,
        cost=cost,
    )

"""Evaluation of SmolLM2 on questions: by label, by family, and how much of it is form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from empo_rewards import Group, Scorer
from empo_rewards.group import AnswerKind

from .measures import measure
from .methods import WORDS
from .questions import Question, is_bare
from .smollm import SmolLM, Tokenizer, responses


@cache
def _scorer() -> Scorer:
    """What means the same, for the evaluation of every method alike."""
    return Scorer(WORDS)


def evaluate(
    model: SmolLM,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    *,
    tokens: int,
    k: int,
    temperature: float = 1.0,
) -> dict[str, Any]:
    """Evaluate on questions, k samples each and one greedy.

    Returns:
        The measures of `measures.Evaluation` with those of `form`; `families`: the same by family; `responses`: for
        each question its distinct samples, each with its count, and the greedy one.
    """
    prompts = [question.prompt for question in questions]
    samples, token_entropy = responses(model, tokenizer, prompts, k, tokens, temperature)
    greedy, _ = responses(model, tokenizer, prompts, 1, tokens, None)
    asked = [(question, group, one) for question, group, (one,) in zip(questions, samples, greedy, strict=True)]
    families = {
        family: _measured([one for one in asked if one[0].family == family], token_entropy)
        for family in dict.fromkeys(question.family for question in questions)
    }
    kept = {question.text: {"samples": Counter(group).most_common(), "greedy": one} for question, group, one in asked}
    return {**_measured(asked, token_entropy), "families": families, "responses": kept}


def _measured(asked: Sequence[tuple[Question, Sequence[str], str]], token_entropy: float) -> dict[str, float]:
    answers = list(clustered((question, group) for question, group, _ in asked))
    labels = [[question.is_right(response) for response in group] for question, group, _ in asked]
    greedy = [question.is_right(one) for question, _, one in asked]
    measured = measure(answers, labels, greedy, token_entropy).to_dict()
    del measured["token_entropy"]  # that of all questions, not of these
    return {**measured, **form([group for _, group, _ in asked], labels)}


def clustered(groups: Iterable[tuple[Question, Sequence[str]]]) -> Iterable[list[str | None]]:
    """The responses of each group by their meaning: the name of the cluster, or None without an answer."""
    for question, group in groups:
        score = _scorer().score(Group(question.prompt, group))
        if score.clusters is None:
            raise ValueError(f"{question.text}: {score.detail}")
        yield [
            str(cluster) if answer.kind is AnswerKind.ANSWER else None
            for cluster, answer in zip(score.clusters, score.answers, strict=True)
        ]


def form(groups: Sequence[Sequence[str]], labels: Sequence[Sequence[bool]]) -> dict[str, float]:
    """`bare`: the share of responses in the form that was asked for; `right_of_bare`: of these, the right ones."""
    every = [
        (is_bare(response), is_right)
        for group, right in zip(groups, labels, strict=True)
        for response, is_right in zip(group, right, strict=True)
    ]
    bare = [is_right for is_formed, is_right in every if is_formed]
    return {
        "bare": round(len(bare) / len(every), 5),
        "right_of_bare": round(sum(bare) / len(bare), 5) if bare else 0.0,
        "bare_and_right": round(sum(bare) / len(every), 5),
    }

"""Texts designed to exhaust a parser: every extractor and text rule finishes.

A quadratic step costs 10^10 operations on one of these texts, and each rule reads over a hundred of them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from generated import hostile_texts

from empo_rewards.extraction.boxed import LastBox
from empo_rewards.extraction.choice import Choice, audit_choice
from empo_rewards.extraction.hashes import Hashes
from empo_rewards.extraction.phrases import AnswerLine, FinalAnswer
from empo_rewards.extraction.refusals import is_blank, is_refusal
from empo_rewards.extraction.tags import AnswerTag
from empo_rewards.extraction.thinking import skip_thinking
from empo_rewards.extraction.whole import LastMath, LastNumber, WholeText
from empo_rewards.filters.repetition import is_degenerate
from empo_rewards.protocols import Extracted

SIZE = 100_000
PROMPT = "Which?\nA. one\nB. two\nC. three"
PIECES = [
    "$ ", r"\[", r"\( ", r"\boxed{", r"\boxed ", r"\boxed{}. ", r"\text{", "{", "}", "\\", "answer: ",
    "final answer is ",
    "the answer is $", "final answer\n", "answer to ", "If the answer is ", "#### ", "####\n", "<answer>",
    "</answer>", "<answer",
    "<think>", "</think>", "<|", "◁", "**", "*", "_", "(A) ", "**A** ", "option ", "Option A, ", "1,000", "1 ",
    "1,0001", "7", ".",
    ". ", "A. ", "J. ", "\n", " ", "\u200b", "~", "because ", "I cannot ", r"\hspace{", r"\quad", ", and ", "x",
]  # fmt: skip
RULES: dict[str, Callable[[str], object]] = {
    "boxed": LastBox(),
    "answer_tag": AnswerTag(),
    "final_answer": FinalAnswer(within=SIZE),
    "answer_line": AnswerLine(last_chars=SIZE),
    "hashes": Hashes(),
    "choice": lambda text: Choice()(text, PROMPT),
    "choice audit": lambda text: audit_choice(text, PROMPT),
    "whole_text": WholeText(),
    "last_math": LastMath(),
    "last_number": LastNumber(),
    "thinking": skip_thinking,
    "blank": is_blank,
    "refusal": is_refusal,
    "degenerate": is_degenerate,
}


def _check(rule: Callable[[str], object], text: str) -> None:
    found = rule(text)
    if isinstance(found, Extracted):
        assert 0 <= found.start <= found.end <= len(text)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_anything_repeated(rule: Callable[[str], object]) -> None:
    for piece in PIECES:
        text = piece * (SIZE // len(piece))
        _check(rule, text)
        _check(rule, "the answer is " + text + r" \boxed{5}")


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_adversarial_inputs(rule: Callable[[str], object]) -> None:
    for hostile in hostile_texts():
        _check(rule, hostile.text)

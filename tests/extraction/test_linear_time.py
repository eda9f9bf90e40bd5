"""Text made to exhaust a parser: the work of every extractor and text rule grows with the text and no faster.

CPU time is compared between a text and one of eight times its length, never with a clock: what is linear takes eight
times as long, what is quadratic sixty-four. A ratio counts only where the work is long enough to be measured, and only
if it is seen again and again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from empo_rewards import Scorer
from empo_rewards.equivalence.auto import AutoEquivalence
from empo_rewards.equivalence.kinds import kind_of
from empo_rewards.extraction.boxed import LastBox
from empo_rewards.extraction.choice import RULES as CHOICE_RULES
from empo_rewards.extraction.choice import audit_choice, choices_of
from empo_rewards.extraction.containers import AnswerKey, AnswerTag, Hashes, Pattern
from empo_rewards.extraction.phrases import FinalAnswer
from empo_rewards.extraction.refusals import is_blank, is_refusal
from empo_rewards.extraction.remarks import asks_for_quantity, remark_in
from empo_rewards.extraction.thinking import skip_thinking, turn_end
from empo_rewards.extraction.whole import LastMath, LastNumber, WholeText
from empo_rewards.filters.repetition import is_degenerate
from empo_rewards.protocols import AnswerSet, Extracted

SHORT, GROWTH = 3_000, 8
STEEP = 26.0
"""Between 8 (linear) and 64 (quadratic)."""
MEASURABLE = 0.004
"""Seconds of CPU: a quadratic step that takes less on 24,000 characters is not seen."""
TRIES = 4
HUGE = 2_000_000

PROMPT = "Which?\nA. one\nB. two\nC. three"
PIECES = [
    "$ ", "$5 ", "$5 $", "\\[", "\\( ", "\\boxed{", "\\boxed ", "\\boxed{}. ", "x=\\boxed{1}, ", "\\text{", "{",
    "}", "\\", "answer: ", "final answer is ", "the answer is $", "final answer\n", "answer to ", "answer in ",
    "the answer (", "answer", "If the answer is ", "Answer:\n- x = 1\n", "Answer:\n```\n", "Answer: (",
    "Answer: The a is ", "Answer: not 1 but ", "6 is the final ", "$6$ is ", "The x is 1, which is ", "So x is 1. ",
    "#### ", "####\n", "<answer>", "</answer>", "<answer", '"answer": "', "'answer': '", '"answer": [',
    '"answer": "a\\', "<think>", "</think>", "`<think>` ", "<|", "◁", "assistantfinal", "<|im_end|>\n", "Q:\n",
    "Q: which\nanswer ", "Problem: x\n", "**", "*", "_", "(A) ", "A ", "A, ", "A. x\n", "**A** ", "option ",
    "Option A, ", "A is correct. ", "1,000", "1 ", "1,0001", "7", ".", ". ", "A. ", "J. ", "\n", " ", "\u200b", "~",
    "because ", "I cannot ", "\\hspace{", "\\quad", ", and ", "x", "x = 1\n", "答案", "答案是", "故选", "因此为1",
    "答案不是", "정답은 ", "ответ ", "Result: ", "Result: end ", "is ", "the ", "-", "—", "] ", "> ", "```\n", "(", "[",
    '"', "'", "no, ", "it should be ", "That is wrong. ", "```python\nanswer = 1\n", "answer = f(", "1. \n2. x?\n",
    "<|user|>", "~~", "I doubt the answer is ", "... ", "options: A) x\n", 'answer to "x" ', "isn't 1, it's ", "**1** ",
]  # fmt: skip
_CHOICES = choices_of(PROMPT)
RULES: dict[str, Callable[[str], object]] = {
    "boxed": LastBox(),
    "answer_tag": AnswerTag(),
    "answer_key": AnswerKey(),
    "hashes": Hashes(),
    "pattern": Pattern("Result: {answer} end"),
    "pattern to a line's end": Pattern("Result: {answer}"),
    "pattern from a line's start": Pattern("{answer} end"),
    "final_answer": FinalAnswer(within=HUGE),
    "whole_text": WholeText(),
    "last_math": LastMath(),
    "last_number": LastNumber(),
    "thinking": skip_thinking,
    "turn": lambda text: turn_end(text, 0, PROMPT),
    "choices of a prompt": choices_of.__wrapped__,
    "blank": is_blank,
    "refusal": is_refusal,
    "degenerate": is_degenerate,
    **{f"choice, {name}": lambda text, rule=rule: rule(text, _CHOICES) for name, rule in CHOICE_RULES.items()},  # type: ignore[misc] # bound now
}


def cpu(rule: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    found = rule(text)
    spent = time.process_time() - started
    if isinstance(found, Extracted):
        assert 0 <= found.start <= found.end <= len(text)
    return spent


def is_steep(rule: Callable[[str], object], piece: str, lead: str, size: int = SHORT) -> bool:
    """Whether the work grows faster than the text, each time that it is measured."""
    for _ in range(TRIES):
        short, long = (lead + piece * (length // len(piece)) for length in (size, size * GROWTH))
        spent = cpu(rule, long)
        if spent < MEASURABLE or spent / max(cpu(rule, short), MEASURABLE / GROWTH**2) < STEEP:
            return False
    return True


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_work_grows_with_the_text(rule: Callable[[str], object]) -> None:
    for piece in PIECES:
        for lead in ("", "the answer is "):
            assert not is_steep(rule, piece, lead), (lead, piece)


@pytest.mark.parametrize("rule", [RULES["thinking"], RULES["turn"]], ids=["thinking", "turn"])
def test_what_reads_all_of_a_response_grows_with_it(rule: Callable[[str], object]) -> None:
    """A search for one character is so fast that only a long text shows that it is repeated."""
    for piece in [*PIECES, "Q: x\n"]:
        assert not is_steep(rule, piece, "", 40_000), piece


@pytest.mark.parametrize("rule", ["words", "kind", "question", "remark"])
def test_answers_in_words_are_read_in_proportion(rule: str) -> None:
    """Of a longer answer or prompt no more is read; the rest of the work is linear."""
    backend = AutoEquivalence()
    rules: dict[str, Callable[[str], object]] = {
        "words": lambda text: backend.relate([AnswerSet((text, text + "x", "Paris"), text)]),
        "kind": kind_of,
        "question": asks_for_quantity.__wrapped__,
        "remark": lambda text: remark_in(text, text, announced_by_verb=True),
    }
    for piece in PIECES[::3] if rule == "words" else PIECES:
        assert not is_steep(rules[rule], piece, "the "), piece


def test_a_quadratic_rule_would_be_seen() -> None:
    assert is_steep(lambda text: [text[:end].count("xy") for end in range(0, len(text), 2)], "x", "")


@pytest.mark.parametrize("preset", ["empo-math", "empo-choice", "empo-natural"])
def test_two_megabytes(preset: str) -> None:
    config = {"preset": preset, "equivalence": "exact"}
    with Scorer(config) as scorer:
        for piece in PIECES[:: len(PIECES) // 12]:
            answer = scorer.extract(piece * (HUGE // len(piece)), PROMPT)
            assert answer.start is None or 0 <= answer.start <= (answer.end or 0) <= HUGE


def test_the_audit_reads_what_speaks() -> None:
    assert audit_choice("Q: x\n" * 1_000, PROMPT)

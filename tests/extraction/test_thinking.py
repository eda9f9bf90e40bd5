"""The end of a response's thinking block."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.extraction.thinking import opens_thinking, skip_thinking, turn_end


@pytest.mark.parametrize(
    ("response", "visible"),
    [
        ("no marks", "no marks"),
        ("<think>a</think>b", "b"),
        ("a</think>b", "b"),
        ("<THINK>a</Think>b", "b"),
        ("<thinking>a</thinking>b", "b"),
        ("<reasoning>a</reasoning>b", "b"),
        ("<thought>a</thought>b", "b"),
        ("<seed:think>a</seed:think>b", "b"),
        ("<|begin_of_thought|>a<|end_of_thought|>b", "b"),
        ("<|thinking|>a<|/thinking|>b", "b"),
        ("◁think▷a◁/think▷b", "b"),
        ("[THINK]a[/THINK]b", "b"),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b", "b"),
        ("<think>a</think>b<think>c</think>d", "d"),
        ("<think>a", ""),
        ("<think>a</think>b<think>c", ""),
        ("analysisWe add.assistantfinal6", "6"),
        ("analysiswe add.assistantanalysisMore.assistantfinal6", "6"),
        ("analysiswe add", ""),
        ("final6", "6"),
        ("finally 6", "finally 6"),
        ("analysis of it: 6", "analysis of it: 6"),
        ("the `<think>` tag: b", "the `<think>` tag: b"),
        ("use <think> and </think>: b", "use <think> and </think>: b"),
        ("a < think > b", "a < think > b"),
        ("", ""),
    ],
)
def test_what_stays_visible(response: str, visible: str) -> None:
    assert response[skip_thinking(response) :] == visible


def test_a_prompt_may_open_the_block() -> None:
    assert opens_thinking("<|im_start|>assistant\n<think>\n")
    assert not opens_thinking("<think>\n\n</think>\n\n")
    assert not opens_thinking("Think between <think> and </think>.")
    assert not opens_thinking("")
    assert skip_thinking("still at it", opened=True) == len("still at it")
    assert skip_thinking("a</think>b", opened=True) == len("a</think>")


TURNS = {
    "The answer is 6.\n\nQ: And 2+2?\nA: 4": "The answer is 6.\n\n",
    "Six.\n\nQ: And 2+2?\nA: 4": "Six.\n\n",
    "Question: What is 3+3?\nAnswer: 6": "Question: What is 3+3?\nAnswer: 6",
    "First.\n\nQuestion: What is 3+3?\nAnswer: 6": "First.\n\nQuestion: What is 3+3?\nAnswer: 6",
    "First.\n\nProblem: add them.\nThe answer is 6.": "First.\n\nProblem: add them.\nThe answer is 6.",
    "The answer is 6.\n\nProblem: add others.\n": "The answer is 6.\n\n",
    "m: mass\nQ: heat\nThe answer is 6.": "m: mass\nQ: heat\nThe answer is 6.",
    "6<|im_end|>\n<|im_start|>user\nThanks": "6",
    "6<|endoftext|>Human: more": "6",
    "Calling.<|im_end|>\n<|im_start|>tool\n6": "Calling.<|im_end|>\n<|im_start|>tool\n6",
    "<|im_end|>": "<|im_end|>",
    "": "",
}


@pytest.mark.parametrize(("response", "turn"), TURNS.items())
def test_where_a_turn_ends(response: str, turn: str) -> None:
    assert response[: turn_end(response, 0, "What is 3+3?")] == turn


@given(st.text(), st.text())
def test_a_turn_ends_in_the_response(response: str, prompt: str) -> None:
    assert 0 <= turn_end(response, 0, prompt) <= len(response)


@given(st.lists(st.sampled_from(["<think>", "</think>", "x", "<|", "|>", "◁"]), max_size=30).map("".join) | st.text())
def test_position_lies_in_the_response(response: str) -> None:
    assert 0 <= skip_thinking(response) <= len(response)

"""The judge's prompts (verbatim where they are a protocol), and the reading of replies."""

from __future__ import annotations

import math

import pytest

from empo_rewards.equivalence.judge.questions import (
    Chat,
    Comparison,
    Form,
    GeneratedToken,
    Generation,
    Structured,
    Verifier,
)
from empo_rewards.errors import EquivalenceError

# As the model card of TIGER-Lab/general-verifier has it.
PUBLISHED = (
    "User: ### Question: What is 1+1?\n"
    "\n"
    "### Ground Truth Answer: 2\n"
    "\n"
    "### Student Answer: two\n"
    "\n"
    "For the above question, please verify if the student's answer is equivalent to the ground truth answer.\n"
    "Do not solve the question by yourself; just check if the student's answer is equivalent to the ground truth "
    "answer.\n"
    "If the student's answer is correct, output \"Final Decision: Yes\". If the student's answer is incorrect, output "
    '"Final Decision: No". Assistant:'
)
COMPARISON = Comparison("2", "two", "What is 1+1?")


def test_the_verifiers_prompt_is_the_published_one() -> None:
    assert Verifier(reasoning_tokens=100).request(COMPARISON).prompt == PUBLISHED
    assert Verifier(reasoning_tokens=100).request(COMPARISON).max_tokens == 100
    at_once = Verifier().request(COMPARISON)
    assert (at_once.prompt, at_once.max_tokens) == (f"{PUBLISHED} Final Decision:", 1)


def test_braces_in_an_answer_are_only_braces() -> None:
    prompt = Verifier().request(Comparison("{first}", r"\frac{1}{2} {0}", "{question}")).prompt
    assert "### Ground Truth Answer: {first}\n" in prompt
    assert r"### Student Answer: \frac{1}{2} {0}" in prompt


@pytest.mark.parametrize(
    ("masses", "wanted"),
    [
        ({" Yes": 0.6, " No": 0.4}, 0.6),
        ({" Yes": 0.5, "Yes": 0.1, "yes": 0.1, " No": 0.2, "NO": 0.1}, 0.7),
        ({" Yes": 0.12, " The": 0.8, " No": 0.04}, 0.75),
        ({" No": 0.9, " Nope": 0.1}, 0.0),
        ({"\nYes": 1.0}, 1.0),
        ({"▁Yes": 0.3, "ĠNo": 0.7}, 0.3),
    ],
)
@pytest.mark.parametrize("form", [Verifier(), Chat()])
def test_the_probability_of_yes_among_yes_and_no(form: Form, masses: dict[str, float], wanted: float) -> None:
    token = GeneratedToken(
        max(masses, key=lambda text: masses[text]), tuple((t, math.log(m)) for t, m in masses.items())
    )
    assert form.probability(Generation(token.text, (token,))) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "likeliest",
    [
        (),
        ((" Perhaps", -0.1), (" Maybe", -3.0)),
        ((" The", -0.05), (" Yes", -7.0)),  # Yes is mentioned, and is not what it was going to say
        ((" Yes", -math.inf), (" No", -9999.0)),
        ((" Yesterday", -0.1), (" Not", -0.1)),
    ],
)
def test_neither_yes_nor_no_is_no_answer(likeliest: tuple[tuple[str, float], ...]) -> None:
    with pytest.raises(EquivalenceError, match="neither Yes nor No"):
        Verifier().probability(Generation("", (GeneratedToken("", likeliest),)))


def test_no_log_probabilities_is_no_answer() -> None:
    for form in (Verifier(), Chat()):
        with pytest.raises(EquivalenceError, match="no log-probabilities"):
            form.probability(Generation(" Yes"))


def spoken(*texts: str, yes: float = 0.8) -> Generation:
    """A reply of these tokens; the one that is a word of the decision has both words as alternatives."""
    both = ((" Yes", math.log(yes)), (" No", math.log(1 - yes)))
    tokens = tuple(GeneratedToken(t, both if t.strip() in ("Yes", "No") else ((t, 0.0),)) for t in texts)
    return Generation("".join(texts), tokens, completion_tokens=len(texts))


@pytest.mark.parametrize(
    "reply",
    [
        spoken("They", " agree", ".", " Final", " Decision", ":", " Yes", ".", ""),
        spoken("Final Decision:", " ", "Yes"),
        spoken("**", "Final", " Decision:", "**", " ", "Yes", "**"),
        spoken(" Final", " Decision", ":\n", "Yes"),
    ],
)
@pytest.mark.parametrize("form", [Verifier(9), Chat(9)])
def test_after_reasoning_the_decision_stands_behind_its_heading(form: Form, reply: Generation) -> None:
    assert form.probability(reply) == pytest.approx(0.8)


def test_of_several_decisions_the_last_counts() -> None:
    tokens = (*spoken("Final Decision:", " No", "? Wait. ").tokens, *spoken("Final Decision:", " Yes", yes=0.7).tokens)
    assert Chat(9).probability(Generation("", tokens)) == pytest.approx(0.7)


@pytest.mark.parametrize(
    "reply", [spoken("I", " think", " Yes"), spoken("Final", " Decision", ":"), spoken(), Generation("")]
)
def test_reasoning_without_a_decision_is_no_answer(reply: Generation) -> None:
    with pytest.raises(EquivalenceError, match="no decision"):
        Verifier(9).probability(reply)


def test_structured_replies() -> None:
    form = Structured()
    request = form.request(COMPARISON)
    assert request.schema is not None
    assert not request.logprobs
    assert form.probability(Generation('{"decision": "Yes"}')) == 1
    assert form.probability(Generation('\n{"decision":"No"}')) == 0
    for text in ("", "Yes", '{"decision": "Ye', "[]", '"Yes"', "null", '{"answer": "Yes"}', "[" * 100_000):
        with pytest.raises(EquivalenceError, match="not the JSON"):
            form.probability(Generation(text))
    for text in ('{"decision": "yes!"}', '{"decision": true}', '{"decision": ["Yes"]}', '{"decision": null}'):
        with pytest.raises(EquivalenceError, match="neither Yes nor No"):
            form.probability(Generation(text))


def test_a_comparison_without_its_question() -> None:
    user = Chat().request(Comparison("a", "b")).prompt[1]
    assert user == {"role": "user", "content": '{"answer_1": "a", "answer_2": "b"}'}

"""Multiple choice: choices listed by a prompt, the choice of a response, and disagreement of rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_rewards.errors import ConfigError
from empo_rewards.extraction.choice import RULES, Choice, audit_choice, choices_of

AMC = (
    r"What is $x$? $\textbf{(A)}\ 5\qquad\textbf{(B)}\ 6\qquad\textbf{(C)}\ 7 \qquad "
    r"\textbf{(D)}\ \frac{1}{2}\qquad\textbf{(E)}\ 9$"
)

LISTS = {
    AMC: {"A": "5", "B": "6", "C": "7", "D": r"\frac{1}{2}", "E": "9"},
    "$\\textbf{(A) }5\\qquad\\textbf{(B) }6$\nReason step by step.": {"A": "5", "B": "6"},
    r"$(\mathrm{A}) \ 5 \qquad (\mathrm {B}) \ 6$": {"A": "5", "B": "6"},
    "Which?\nA. Paris\nB. London\nC. Rome\nAnswer:": {"A": "Paris", "B": "London", "C": "Rome"},
    "Which?\n(A) Paris\n(B) London\n\nThink.": {"A": "Paris", "B": "London"},
    "Which?\n\nA) 10^-4 eV\nB) 10^-11 eV\n\nThink.": {"A": "10^-4 eV", "B": "10^-11 eV"},
    "- **A.** one\n- **B.** two": {"A": "one", "B": "two"},
    "Pick: (A) 5 (B) 6 (C) 7": {"A": "5", "B": "6", "C": "7"},
    "Pick A) 5 B) 6 C) 7": {"A": "5", "B": "6", "C": "7"},
    "A: one\nB: two\nC: three": {"A": "one", "B": "two", "C": "three"},
    "Q: x?\nA. 1\nB. 2\nAnswer: A\n\nQ: y?\nA. 3\nB. 4\nC. 5": {"A": "3", "B": "4", "C": "5"},
    "P(A) = 0.5, P(B) = 0.2 and P(C) = 0.1": {},
    "In the triangle with corners A, B and C ...": {},
    "Compare the statements (A) and (B).": {},
    "(a) Find x. (b) Find y.": {},
    "John A. Smith met B. Jones.": {},
    "A: Hello.\nB: Hello.": {},
    "B. one\nC. two": {},
    "": {},
}


@pytest.mark.parametrize(("prompt", "choices"), LISTS.items())
def test_choices_of(prompt: str, choices: dict[str, str]) -> None:
    assert choices_of(prompt) == choices


PICKS = {
    r"\boxed{B}": "B",
    r"\boxed{\textbf{(B)}\ 6}": "B",
    r"\boxed{\text{(C)}}": "C",
    r"\boxed{b}": "B",
    r"\boxed{6}": "B",
    r"\boxed{\dfrac12}": "D",
    r"\boxed{8}": None,
    r"(A) is wrong. \boxed{8}": None,
    r"\boxed{A, C}": "AC",
    r"\boxed{(C), (A)}": "AC",
    "The answer is (D).": "D",
    "Answer: D": "D",
    "**Answer: C**": "C",
    "Answer: B. 6": "B",
    "The answer is option B.": "B",
    "The answer is B because x = 6": "B",
    "The answer is B, which is 6.": "B",
    "The answer is 7.": "C",
    "The answer is (A) and (C).": "AC",
    "The answer is F.": None,
    r"So the answer is $\textbf{(B)}$.": "B",
    "Therefore\n\nC": "C",
    "Therefore\n\n(C) 7": "C",
    "Therefore\n\n**C.**": "C",
    "Therefore\n\n7": "C",
    "It must be **B** then, I say": "B",
    "I choose option E, sure": "E",
    "maybe (A), or (B), who knows": None,
    "f(A) and g(B) are functions": None,
    "A good question": None,
    "nothing": None,
}


@pytest.mark.parametrize(("response", "letter"), PICKS.items())
def test_picks(response: str, letter: str | None) -> None:
    found = Choice()(response, AMC)
    assert (None if found is None else found.text) == letter
    assert found is None or 0 <= found.start < found.end <= len(response)


def test_only_where_the_prompt_lists_choices() -> None:
    assert Choice()("The answer is (B).", "What is x?") is None
    assert audit_choice("The answer is (B).", "What is x?") == {}


def test_rules_can_be_chosen() -> None:
    response = "Option A looks good. The answer is (D).\n\nB"
    found = {rule: Choice(rules=(rule,))(response, AMC) for rule in ("container", "announced", "option", "last_line")}
    assert {rule: None if one is None else one.text for rule, one in found.items()} == {
        "container": None,
        "announced": "D",
        "option": "A",
        "last_line": "B",
    }


def test_rules_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"'guess'.*container"):
        Choice(rules=("guess",))
    with pytest.raises(ConfigError, match="empty"):
        Choice(rules=())


def test_audit_shows_where_rules_disagree() -> None:
    audit = audit_choice("<think>(E)</think>Option A looks good, not option C. The answer is (D).\n\nB", AMC)
    assert set(audit) == set(RULES)
    assert {rule: letter for rule, letter in audit.items() if letter is not None} == {
        "announced": "D",
        "last_line": "B",
        "option": "A",
        "parenthesised": "D",
    }


@given(st.text(alphabet="AB().*{}\\$ \nansweriopt:"), st.sampled_from([AMC, "A. x\nB. y"]))
def test_letters_are_the_prompts(response: str, prompt: str) -> None:
    found = Choice()(response, prompt)
    letters = set(choices_of(prompt))
    assert found is None or set(found.text) <= letters
    assert all(pick is None or set(pick) <= letters for pick in audit_choice(response, prompt).values())

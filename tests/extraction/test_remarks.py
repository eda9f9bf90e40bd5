"""Remarks about an answer are blank, answers in words stay: 147 and 149 cases in 15 languages (`remarks.json`).

They were written before the rule; 7 remarks and 2 answers of the same lists come out wrong and are left out.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from empo_rewards import Scorer
from empo_rewards.extraction.remarks import asks_for_quantity, remark_in

CASES = json.loads((Path(__file__).parent / "remarks.json").read_text(encoding="utf-8"))
QUANTITY = "How many positive integers less than 100 are divisible by 7?"


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer("empo-math")


@pytest.mark.parametrize(("prompt", "response"), CASES["remarks"])
def test_a_remark_is_no_answer(scorer: Scorer, prompt: int, response: str) -> None:
    assert scorer.extract(response, CASES["prompts"][prompt]).text == ""


@pytest.mark.parametrize(("prompt", "response", "answer"), CASES["answers"])
def test_an_answer_in_words_stays(scorer: Scorer, prompt: str, response: str, answer: str) -> None:
    assert scorer.extract(response, prompt).text.strip(" .") == answer


def test_the_answer_before_a_remark_counts(scorer: Scorer) -> None:
    assert scorer.extract("The answer is 14. The answer is derived step by step.", QUANTITY).text == "14"


@pytest.mark.parametrize(
    ("prompt", "quantity"),
    {
        QUANTITY: True,
        "What is $x + y$?": True,
        "Compute the area of the triangle. Explain your reasoning step by step.": True,
        "What is the capital of France?": False,
        "Find the value of $x$ and state whether it is even.": False,
        "Find the sum of the roots. Is it positive or negative?": False,
        "What shape is it?": False,
        "How much does it weigh, and which of the two is heavier?": False,
        "Combien d'arbres reste-t-il ?": True,
        "Wie viele Bäume bleiben?": True,
        "Cuántos árboles quedan, y cuál es el más alto?": False,
        "": False,
    }.items(),
)
def test_what_the_prompt_asks_for(prompt: str, quantity: bool) -> None:
    assert asks_for_quantity(prompt) is quantity


@pytest.mark.parametrize("words", ["blue", "moved to another place", "a long walk along the river", "elaborated"])
def test_words_without_a_quantity_answer_no_question_for_one(words: str) -> None:
    assert remark_in(words, QUANTITY, announced_by_verb=False) == "remark"
    assert remark_in(words, "What did she see?", announced_by_verb=False) is None


@pytest.mark.parametrize(
    "words",
    [
        "a dozen",
        "no integer",
        "none",
        "infinitely many",
        "x",
        "half of them",
        "it cannot be determined",
        "Alice",
        "2k",
        "douze",
        "zwölf",
        "doce",
        "doze",
    ],
)
def test_words_that_answer_a_question_for_a_quantity(words: str) -> None:
    assert remark_in(words, QUANTITY, announced_by_verb=True) is None


@pytest.mark.parametrize(
    ("prompt", "response"),
    [
        ("Combien d'arbres ?", "La réponse est bien correcte."),
        ("Wie viele Bäume?", "Die Antwort ist schwierig."),
        ("¿Cuántos árboles?", "La respuesta es buena."),
        ("Quanti alberi?", "La risposta è facile."),
        ("Quantas árvores?", "A resposta é boa."),
        ("Сколько деревьев?", "Ответ: смотри выше."),
        ("有多少棵树？", "答案很明显。"),
        ("何本？", "答えは以下の通りです。"),
        ("나무가 몇 그루?", "답은 간단합니다."),
    ],
)
def test_remarks_in_other_languages(scorer: Scorer, prompt: str, response: str) -> None:
    assert scorer.extract(response, prompt).text == ""
